//! What a command that changes nothing looks at: what is live, or what was when `observe` wrote it down.

use std::fs;
use std::path::Path;

use sbx::reconcile::{Observation, ObservationError, World};

use crate::env;
use crate::failure::Failure;
use crate::interrupt;
use crate::ui::listing::age;
use crate::ui::output::Against;
use crate::ui::plan::InventorySeen;
use crate::ui::{Ui, escape};
use crate::workspace::Workspace;

/// What a command looks at, and what that is called.
pub(crate) struct Seen {
    /// The live state, with what is recorded of it.
    pub(crate) world: World,
    /// The workspace, as people name it.
    pub(crate) label: String,
    /// What tells the workspace from others.
    pub(crate) endpoint: String,
    /// The record of what is owned; `None` where nobody keeps one.
    pub(crate) inventory: Option<InventorySeen>,
    /// The saved state that it is; `None` if it is live.
    pub(crate) against: Option<Against>,
}

impl Seen {
    /// Reads what is live, and closes the workspace.
    ///
    /// # Errors
    ///
    /// Those of [`Workspace::observe`], and [`Failure::Interrupted`].
    pub(crate) async fn live(workspace: Workspace, ui: &mut Ui) -> Result<Self, Failure> {
        let (label, endpoint) = (workspace.label(), workspace.identity());
        let result = interrupt::or_stop(workspace.observe()).await;
        let inventory = workspace.inventory();
        Ok(Self { world: workspace.finish(result, ui).await?, label, endpoint, inventory, against: None })
    }

    /// Reads what was live when it was saved, with no key and no network.
    ///
    /// # Errors
    ///
    /// [`Failure::File`] and [`Failure::Observation`].
    pub(crate) fn saved(path: &Path, ui: &mut Ui) -> Result<Self, Failure> {
        let (Observation { world, endpoint, .. }, against) = read(path, ui)?;
        let inventory = world.inventory.as_ref();
        let inventory = inventory.map(|found| InventorySeen { location: None, serial: found.serial, exists: true });
        Ok(Self { world, label: endpoint.clone(), endpoint, inventory, against: Some(against) })
    }
}

/// Reads a live state from a file, and tells how old it is.
///
/// # Errors
///
/// [`Failure::File`] and [`Failure::Observation`].
fn read(path: &Path, ui: &mut Ui) -> Result<(Observation, Against), Failure> {
    let text =
        fs::read_to_string(path).map_err(|source| Failure::File { action: "read", path: path.to_owned(), source })?;
    let failure = |source| Failure::Observation { path: path.to_owned(), source };
    let json = serde_json::from_str(&text).map_err(|_| failure(ObservationError::NotAnObservation))?;
    let observation = Observation::from_json(&json).map_err(failure)?;
    let at = observation.world.now;
    let against = Against { at, age: env::now().saturating_since(at) };
    let ago = age(against.age);
    let (shown, endpoint) = (path.display().to_string(), escape(&observation.endpoint));
    ui.status(&format!("Against {}: {endpoint} as it was at {at}, {ago} ago.", escape(&shown)));
    Ok((observation, against))
}
