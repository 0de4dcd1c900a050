//! What this machine offers to sandboxes, why not more, and what would change that.

#[cfg(target_os = "linux")]
mod facts;
#[cfg(target_os = "linux")]
mod judge;

use std::path::Path;

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A word for it.
    pub name: &'static str,
    /// Whether it is as sandboxes need it.
    pub is_good: bool,
    /// How it is.
    pub text: String,
    /// What would make it good.
    pub hint: Option<String>,
}

/// Looks at this machine, with a sandbox that is started in `folder` and ended again; `program` becomes its agent, as with
/// [`NamespaceOptions::agent`](super::NamespaceOptions::agent).
#[cfg(target_os = "linux")]
pub async fn examine(folder: &Path, program: &Path) -> Vec<Finding> {
    judge::judge(&facts::Facts::gather(folder, program).await)
}

/// Says that there are no sandboxes on this machine.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_async, reason = "as where there are")]
pub async fn examine(_folder: &Path, _program: &Path) -> Vec<Finding> {
    let text = "they need Linux: those of the local server are records only".to_owned();
    vec![Finding { name: "sandboxes", is_good: false, text, hint: None }]
}
