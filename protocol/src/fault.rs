//! What each step of the protocol is for: what goes wrong without it.

/// A step of the protocol that is left out, or done wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Scopes move in the servers only: the entries of the process that invalidates stay where they are.
    RemoteMoveOnly,
    /// A load that begins after the first local move may read the shared copy that is about to be killed, and stores
    /// it: only another move tells that it is not current.
    NoSecondMove,
    /// The same, when the servers could not be reached.
    NoSecondMoveOnFailure,
    /// The record tells a process to drop its entry, and the shared copy is still there to be read again.
    ControlBeforeUnlink,
    /// A load that was overtaken puts its value where the shared copy was killed.
    PublishUnasked,
    /// A load that was overtaken puts its value into its process.
    StoreUnasked,
    /// A reader to whom a promise was made waits for a load from before.
    JoinAnyFlight,
    /// What was invalidated while the load ran counts as known to it.
    StampAfterLoad,
    /// The value is published as if it was of now: what moved while it was loaded is forgotten.
    GenerationsAfterLoad,
    /// A generation that was evicted after it had moved is again what it was before.
    GenerationsRestart,
    /// An entry lives on although nothing was heard of the log for Δ.
    HitWithoutFeed,
    /// The answer was sent before the acknowledgement and arrives after it: it does not know of it.
    RenewOnReceipt,
    /// The record of the invalidation was trimmed or evicted, and nobody asks what it said.
    IgnoreGaps,
    /// A replica that lags behind has a log too, and it is at its end.
    BeatOfReplica,
    /// With its head the log restarts from nothing, and may have as many records as a process has seen of the old one.
    EpochKept,
    /// A log that is resumed from a copy lacks its last records, and goes by the same name.
    EpochKeptOnFailover,
    /// The copy has the value that was killed.
    IgnoreValueIncarnation,
    /// The copy has the generation from before the tag was moved, while the value is on another server, which has not
    /// failed at all.
    IgnoreGenerationIncarnation,
    /// The copy has the lease that was killed: with it, an old value is published as one of the new incarnation.
    SealOnPublishing,
    /// Who was connected to a replica before it was promoted takes what it has for what the old one had.
    IncarnationOfReplica,
    /// What could not be killed is still there.
    ForgetDebts,
    /// The record is in the log, and this process has not read it yet.
    TicketUnheeded,
    /// The log that the ticket is of is not the one that this process follows: numbers mean nothing.
    TicketOfAnyEpoch,
    /// In a cluster, the name is unlinked before a put leaves its lease there, and what the put compares moves after it has; or
    /// the tag moves before the put asks where it stands.
    Unannounced,
    /// A put stores what its body returned before the tag was moved, or the key.
    PutUnasked,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::RemoteMoveOnly,
        Self::NoSecondMove,
        Self::NoSecondMoveOnFailure,
        Self::ControlBeforeUnlink,
        Self::PublishUnasked,
        Self::StoreUnasked,
        Self::JoinAnyFlight,
        Self::StampAfterLoad,
        Self::GenerationsAfterLoad,
        Self::GenerationsRestart,
        Self::HitWithoutFeed,
        Self::RenewOnReceipt,
        Self::IgnoreGaps,
        Self::BeatOfReplica,
        Self::EpochKept,
        Self::EpochKeptOnFailover,
        Self::IgnoreValueIncarnation,
        Self::IgnoreGenerationIncarnation,
        Self::SealOnPublishing,
        Self::IncarnationOfReplica,
        Self::ForgetDebts,
        Self::TicketUnheeded,
        Self::TicketOfAnyEpoch,
        Self::Unannounced,
        Self::PutUnasked,
    ];
}
