//! Why a step failed.

use super::inventory::Effect;
use crate::client;
use crate::kinds::{Key, SecretError};
use crate::types::Name;

/// Why a step failed. What it was to do is the step's to say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// A secret that the object takes is not there. Nothing was called.
    #[error(transparent)]
    Secret(#[from] SecretError),
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
    /// The second rename of a swap failed.
    #[error("{}", half_way(key, retired, *is_undone))]
    SwapFailed {
        /// The object that was to be replaced.
        key: Key,
        /// The name that it had meanwhile.
        retired: Name,
        /// Whether it has its own name again.
        is_undone: bool,
        /// Why.
        #[source]
        cause: Box<StepError>,
    },
    /// What referred to an object did not follow it to its new name.
    #[error("{holder} does not refer to {key} any more now that it was swapped{}", taken_back(*is_taken_back))]
    ReferenceStayed {
        /// The object that got another name.
        key: Key,
        /// What refers to something else now.
        holder: Key,
        /// Whether the names are again what they were.
        is_taken_back: bool,
        /// What that changes in the record.
        effects: Vec<Effect>,
    },
    /// A field that this version does not know cannot be read back after it was carried over.
    #[error("`{field}` was to be carried over to {key}, and cannot be read back")]
    NotCarriedOver {
        /// The new object.
        key: Key,
        /// The field.
        field: String,
    },
    /// The step was cut off where it was.
    #[error("it was stopped half way: whether it had its effect is not known")]
    Aborted,
    /// The step's task ended in a bug.
    #[error("it ended in an internal error: whether it had its effect is not known")]
    Panicked,
}

/// What the step was to do, and that it failed, is said by who names the step; why, by the cause.
fn half_way(key: &Key, retired: &Name, is_undone: bool) -> String {
    if is_undone {
        format!("{key} has its name again")
    } else {
        format!("{key} is named `{retired}` until it is applied again")
    }
}

fn taken_back(is_taken_back: bool) -> &'static str {
    if is_taken_back { "; the swap is taken back" } else { "; the swap could not be taken back" }
}

impl StepError {
    /// Returns what changed in the record although the step failed.
    pub fn effects(&self) -> &[Effect] {
        match self {
            Self::ReferenceStayed { effects, .. } => effects,
            _ => &[],
        }
    }

    /// Returns whether the swap that the step looked at was taken back.
    pub fn took_swap_back(&self) -> bool {
        matches!(self, Self::ReferenceStayed { is_taken_back: true, .. })
    }

    /// Returns whether the step may have changed something although it failed: in part, or nobody knows.
    pub fn may_have_had_effect(&self) -> bool {
        let is_in_part = match self {
            Self::Client(error) => {
                let ends_of_waiting = [client::Kind::Creation, client::Kind::Timeout, client::Kind::DeadlineExceeded];
                ends_of_waiting.contains(&error.kind())
            }
            Self::StillThere { .. }
            | Self::SwapFailed { .. }
            | Self::ReferenceStayed { .. }
            | Self::NotCarriedOver { .. } => true,
            _ => false,
        };
        is_in_part || self.is_doubtful()
    }

    /// Returns whether it is not known if the step had its effect: its answer was lost, or it was cut off.
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::Client(error) => error.is_ambiguous(),
            Self::RenameLost { .. } | Self::Aborted | Self::Panicked => true,
            _ => false,
        }
    }

    /// Returns whether planning anew is what helps.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Gone { .. } | Self::ExistsDifferent { .. })
    }
}
