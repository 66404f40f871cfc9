//! What may happen in a search, and how long that search is.

use crate::fault::Fault;
use crate::world::{Left, Who};

/// What may happen in a search.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Value and control data are on two servers, else on one.
    pub cluster: bool,
    /// The tag is invalidated, else the key.
    pub by_tag: bool,
    /// q has the ticket of the invalidation, else it waits until Δ has passed.
    pub ticket: bool,
    /// How many flights there may be at a time in p and in q.
    pub flights: [usize; 2],
    /// Whether p and q follow the log.
    pub feeds: [bool; 2],
    /// Who calls a `#[cache_put]` of the key.
    pub put: Option<Who>,
    /// How often anything else may happen.
    pub left: Left,
    /// What is left out of the protocol, a bit for each.
    faults: u32,
}

/// Who has the old value when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The server.
    pub shared: bool,
    /// Each process.
    pub local: bool,
}

impl Start {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self { shared: true, local: true },
        Self { shared: true, local: false },
        Self { shared: false, local: true },
        Self { shared: false, local: false },
    ];
}

impl Scope {
    /// Two servers or one, and nothing but the invalidation and reads.
    #[must_use]
    pub const fn quiet(cluster: bool, by_tag: bool) -> Self {
        Self {
            cluster,
            by_tag,
            ticket: false,
            flights: [1, 1],
            feeds: [false, true],
            put: None,
            left: Left { failovers: 0, losses: 0, others: 0, puts: 0, outages: 0 },
            faults: 0,
        }
    }

    /// With q as the holder of the ticket.
    #[must_use]
    pub const fn with_ticket(self) -> Self {
        Self { ticket: true, ..self }
    }

    /// With a server that falls back to its copy, at any moment.
    #[must_use]
    pub const fn with_failover(mut self) -> Self {
        self.left.failovers = 1;
        self
    }

    /// With something that is evicted or flushed, at any moment.
    #[must_use]
    pub const fn with_loss(mut self) -> Self {
        self.left.losses = 1;
        self
    }

    /// With an invalidation of something else by q.
    #[must_use]
    pub const fn with_another(mut self) -> Self {
        self.left.others = 1;
        self
    }

    /// With servers that cannot be reached while p invalidates.
    #[must_use]
    pub const fn with_outage(mut self) -> Self {
        self.left.outages = 1;
        self
    }

    /// With a `#[cache_put]`.
    #[must_use]
    pub const fn with_put(mut self, by: Who) -> Self {
        self.left.puts = 1;
        self.put = Some(by);
        self
    }

    /// With so many flights at a time in p and in q.
    #[must_use]
    pub const fn with_flights(self, p: usize, q: usize) -> Self {
        Self { flights: [p, q], ..self }
    }

    /// With this step left out.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self { faults: self.faults | 1 << fault as u32, ..self }
    }

    /// Whether this step is left out.
    #[must_use]
    pub const fn lacks(&self, fault: Fault) -> bool {
        self.faults >> fault as u32 & 1 == 1
    }
}
