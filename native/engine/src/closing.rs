//! How a listener is closed.

use crate::Transfer;

/// What becomes of the sessions that run when a listener is closed. A stronger one overrules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// They go on to their end, but for those that nobody has accepted yet: they are parked.
    Finish,
    /// They end as by [`Transfer::park`].
    Park,
    /// They end as by [`Transfer::cancel`].
    Cancel,
}

impl Closing {
    /// Does it to one that runs.
    pub(crate) fn apply(self, transfer: &Transfer) {
        match self {
            Self::Finish => transfer.park_if_undecided(),
            Self::Park => transfer.park(),
            Self::Cancel => transfer.cancel(),
        }
    }
}
