//! Faults that a test can plant, to see that the proofs of "invalidation wins" would notice them.
//!
//! Each takes one step of the protocol away. Without the feature `sabotage` there is no switch: every
//! question about a fault is a constant `false`, and no trace of it is left in what is compiled.

/// A step of the protocol that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A local hit is served without asking the rule.
    HitUnasked = 1,
    /// A finished load is stored in this process without asking the rule.
    StoreUnasked,
    /// Any flight of the key is joined, however old its stamp.
    JoinAnyFlight,
    /// A waiter takes what its flight made, whatever that turned out to be covered by.
    ShareUnasked,
    /// A flight is led on by a caller with tags that it was begun without.
    LeadUntagged,
    /// The stamp of a load is taken when it has ended.
    StampAfterLoad,
    /// Tags that a load learns count from its end, not from its beginning.
    LearnedTagsUnchecked,
    /// `set` does not move the key, so that an older load is stored over it.
    SetWithoutMove,
    /// A value that is due is served, and refreshed, without asking the rule.
    StaleUnasked,
    /// Scopes are moved in the remote store only.
    RemoteMoveOnly,
    /// Scopes are not moved a second time after the remote store has moved them.
    NoSecondMove,
    /// What this process holds is trusted from the receipt of the news on, not from the question.
    TrustFromReceipt,
    /// A gap in the log is taken for nothing.
    GapIgnored,
    /// A finished load is stored remotely without asking whether its lease is still there.
    PublishUnasked,
    /// A remote value is taken without asking whether its scopes have moved.
    GenerationsUnasked,
    /// The remote store is used although it has not been told of an invalidation.
    DebtsForgotten,
    /// A value is served for longer than other processes may go unheard.
    StalenessUnasked,
    /// What a server held in an earlier life is read.
    IncarnationIgnored,
    /// Nobody waits for the fleet, although the cache is built so.
    FleetUnasked,
    /// A cache whose invalidations wait for the fleet trusts what it has loaded although it hears nothing.
    FloorInTheFleet,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 20] = [
        Self::HitUnasked,
        Self::StoreUnasked,
        Self::JoinAnyFlight,
        Self::ShareUnasked,
        Self::LeadUntagged,
        Self::StampAfterLoad,
        Self::LearnedTagsUnchecked,
        Self::SetWithoutMove,
        Self::StaleUnasked,
        Self::RemoteMoveOnly,
        Self::NoSecondMove,
        Self::TrustFromReceipt,
        Self::GapIgnored,
        Self::PublishUnasked,
        Self::GenerationsUnasked,
        Self::DebtsForgotten,
        Self::StalenessUnasked,
        Self::IncarnationIgnored,
        Self::FleetUnasked,
        Self::FloorInTheFleet,
    ];
}

#[cfg(feature = "sabotage")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Fault;

    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Plants a fault in every cache of this process, in place of the one before; `None` heals them all.
    pub fn plant(fault: Option<Fault>) {
        PLANTED.store(fault.map_or(0, |fault| fault as u8), Ordering::SeqCst);
    }

    /// Whether this fault is planted: for the step of the protocol that it takes away.
    #[inline]
    pub fn is_planted(fault: Fault) -> bool {
        PLANTED.load(Ordering::Relaxed) == fault as u8
    }
}

#[cfg(feature = "sabotage")]
pub use switch::{is_planted, plant};

/// Nothing is ever planted.
#[cfg(not(feature = "sabotage"))]
#[inline]
#[must_use]
pub const fn is_planted(_: Fault) -> bool {
    false
}
