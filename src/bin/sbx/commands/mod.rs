//! The commands, one file each: what can be said to it with its help text, and what it does.

pub(crate) mod adopt;
pub(crate) mod apply;
pub(crate) mod completion;
pub(crate) mod context;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod observe;
pub(crate) mod plan;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod unlock;
pub(crate) mod validate;
pub(crate) mod version;
