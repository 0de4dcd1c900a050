//! Live states in files: written by `observe`, planned against by `plan --against`.

use std::fs;
use std::path::Path;

use sbx::reconcile::{Observation, ObservationError};

use crate::env;
use crate::failure::Failure;
use crate::ui::listing::age;
use crate::ui::{Ui, escape};

/// Reads a live state from a file, and tells how old it is.
///
/// # Errors
///
/// [`Failure::File`] and [`Failure::Observation`].
pub(crate) fn read(path: &Path, ui: &mut Ui) -> Result<Observation, Failure> {
    let text =
        fs::read_to_string(path).map_err(|source| Failure::File { action: "read", path: path.to_owned(), source })?;
    let failure = |source| Failure::Observation { path: path.to_owned(), source };
    let json = serde_json::from_str(&text).map_err(|_| failure(ObservationError::NotAnObservation))?;
    let observation = Observation::from_json(&json).map_err(failure)?;
    let at = observation.world.now;
    let ago = age(env::now().saturating_since(at));
    let (shown, endpoint) = (path.display().to_string(), escape(&observation.endpoint));
    ui.status(&format!("Against {}: {endpoint} as it was at {at}, {ago} ago.", escape(&shown)));
    Ok(observation)
}
