//! How commands run in a sandbox (contract section 5.1 of the second generation).

use serde::{Deserialize, Serialize};

use super::{EnvVars, Extra, null_as_default};

/// As whom, where and with what environment commands run: of a snapshot, a sandbox, or one command.
///
/// In a request an absent field keeps what a weaker layer says: the image, then the snapshot, then the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The user that commands run as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The directory that commands start in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    /// Variables, merged over those of the weaker layers. The only ones that answers give back.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "EnvVars::is_empty")]
    pub env_vars: EnvVars,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
