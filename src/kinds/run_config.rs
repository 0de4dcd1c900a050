//! How commands run: what snapshots and sandboxes of the second generation say of it alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::{Absent, Change, Field, Shape};
use super::read;
use super::value::{Value, given};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::wire;

/// As whom, where and with what environment commands run. What is left out is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunConfigSpec {
    /// The user.
    pub user: Option<Arc<str>>,
    /// The directory.
    pub work_dir: Option<Arc<str>>,
    /// Variables, over those of the image and the snapshot. Servers tell them to whoever reads the object.
    pub env_vars: Option<BTreeMap<Arc<str>, Arc<str>>>,
}

impl RunConfigSpec {
    /// Returns the values of its fields.
    pub(super) fn values(&self) -> [Option<Value>; 3] {
        let Self { user, work_dir, env_vars } = self;
        [user.clone().map(Value::Text), work_dir.clone().map(Value::Text), env_vars.clone().map(Value::Map)]
    }

    /// Returns what has these values, the inverse of [`RunConfigSpec::values`].
    pub(super) fn from_values(values: &[Option<Value>]) -> Option<Self> {
        let [user, work_dir, env_vars] = values else { return None };
        Some(Self {
            user: given(user.as_ref(), Value::to_text).ok()?,
            work_dir: given(work_dir.as_ref(), Value::to_text).ok()?,
            env_vars: given(env_vars.as_ref(), Value::to_map).ok()?,
        })
    }

    /// Returns what is sent; `None` if nothing is said.
    pub(super) fn to_wire(&self) -> Option<wire::RunConfig> {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(ToOwned::to_owned);
        let env_vars = self.env_vars.iter().flatten().map(|(key, value)| (key.to_string(), value.to_string()));
        let config = wire::RunConfig {
            user: text(&self.user),
            work_dir: text(&self.work_dir),
            env_vars: wire::EnvVars(env_vars.collect()),
            ..wire::RunConfig::default()
        };
        (config != wire::RunConfig::default()).then_some(config)
    }
}

impl From<wire::RunConfig> for RunConfigSpec {
    fn from(wire: wire::RunConfig) -> Self {
        let env_vars: BTreeMap<_, _> =
            wire.env_vars.0.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let env_vars = (!env_vars.is_empty()).then_some(env_vars);
        Self { user: wire.user.map(Into::into), work_dir: wire.work_dir.map(Into::into), env_vars }
    }
}

/// Reads it from a manifest.
pub(super) fn decode(node: &Node, out: &mut Diagnostics) -> Option<RunConfigSpec> {
    let mut fields = Fields::new(node, "`run_config`", out)?;
    let (user, work_dir, env_vars) =
        (fields.optional("user"), fields.optional("work_dir"), fields.optional("env_vars"));
    fields.finish(out);
    let user = user.map_or(Some(None), |node| read::text(node, "a user", out).map(Some));
    let work_dir = work_dir.map_or(Some(None), |node| read::text(node, "a directory", out).map(Some));
    let env_vars = env_vars.map_or(Some(None), |node| read::map(node, "`env_vars`", out).map(Some));
    Some(RunConfigSpec { user: user?, work_dir: work_dir?, env_vars: env_vars? })
}

/// The field for the user.
pub(super) const fn user(change: Change) -> Field {
    Field {
        path: "run_config.user",
        shape: Shape::Text,
        change,
        absent: Absent::LeaveAlone,
        doc: "The user that commands run as. Left out, it is left alone.",
        example: "nobody",
    }
}

/// The field for the directory.
pub(super) const fn work_dir(change: Change) -> Field {
    Field {
        path: "run_config.work_dir",
        shape: Shape::Text,
        change,
        absent: Absent::LeaveAlone,
        doc: "The directory that commands start in. Left out, it is left alone.",
        example: "/srv",
    }
}

/// The field for the environment.
pub(super) const fn env_vars(change: Change) -> Field {
    Field {
        path: "run_config.env_vars",
        shape: Shape::Map,
        change,
        absent: Absent::LeaveAlone,
        doc: "Variables for every command, over those of the image; no place for secrets, since servers tell them. What is \
              not named is left alone.",
        example: "{LANG: C.UTF-8}",
    }
}
