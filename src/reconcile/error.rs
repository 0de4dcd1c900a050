//! Why a step failed.

use crate::client;
use crate::kinds::Key;
use crate::types::Name;

/// Why a step failed. What it was to do is the step's to say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The object is not what the plan saw any more.
    #[error("{key} has changed since it was planned")]
    Changed {
        /// The object.
        key: Key,
    },
    /// The object is gone, though the plan saw it.
    #[error("{key} is gone since it was planned")]
    Gone {
        /// The object.
        key: Key,
    },
    /// An object of that name is there, and is another one than the plan asks for.
    #[error("{key} exists already, and is not what is declared")]
    ExistsDifferent {
        /// The object.
        key: Key,
    },
    /// The object was deleted, and is still there.
    #[error("{key} is still there after it was deleted")]
    StillThere {
        /// The object.
        key: Key,
    },
    /// The answer to a rename was lost, and neither name tells what became of it.
    #[error("the answer to renaming {key} was lost, and it is found neither under its old name nor as `{to}`")]
    RenameLost {
        /// The object, by its old name.
        key: Key,
        /// The new name.
        to: Name,
        /// Why the answer was lost.
        #[source]
        cause: client::Error,
    },
    /// The step was cut off where it was.
    #[error("it was stopped half way: whether it had its effect is not known")]
    Aborted,
    /// The step's task ended in a bug.
    #[error("it ended in an internal error: whether it had its effect is not known")]
    Panicked,
}

impl StepError {
    /// Returns whether planning anew is what helps.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Gone { .. } | Self::ExistsDifferent { .. })
    }
}
