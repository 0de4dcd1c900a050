//! Plans that are written down, looked at by people, and performed later.
//!
//! A [`SavedPlan`] is a whole [`Plan`] and what it was made for. Between its making and its performing the workspace may
//! change, so what is performed is never the plan as it was saved: [`SavedPlan::still_holds`] leaves of it those steps
//! that still rest on what they rested on, and says of each other change what was seen then and is seen now.
//!
//! A document has a digest of itself, so that one that was edited is no plan: what it shows and what it does are written in
//! different places of it. It keeps nobody out who could as well act themselves.
//!
//! No secret is written: what a replacement carries over from the object before it is saved by the names of the fields
//! alone, and taken from the live object again. Notes and refusals are saved in words, and stay words.

mod document;
mod holding;
mod record;
mod steps;

pub use document::FORMAT_VERSION;
pub use holding::{Held, HeldBack};

use serde_json::Value as Json;

use self::document::Document;
use super::Plan;
use crate::kinds::TextHash;
use crate::types::Timestamp;

/// A plan with what it was made for.
#[derive(Debug, Clone)]
pub struct SavedPlan {
    /// The plan.
    pub plan: Plan,
    /// The workspace that it is for.
    pub endpoint: String,
    /// The project's target that it is for, if it is for one.
    pub target: Option<String>,
    /// When the live state was read.
    pub made_at: Timestamp,
    /// The version of `sbx` that made it.
    pub sbx_version: String,
    /// What the plan was allowed to do, in words, for whoever reads the document.
    pub policy: Vec<String>,
}

/// Why a document cannot be read as a saved plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is something else.
    #[error("this is not a saved plan")]
    NotAPlan,
    /// A later version wrote it.
    #[error("the plan was saved in format {found}, and this version reads format {known} at most")]
    NewerFormat {
        /// Its format.
        found: u64,
        /// The last format that this version knows.
        known: u32,
    },
    /// It was a saved plan, and somebody edited it.
    #[error("the saved plan was changed after it was made")]
    Edited,
    /// It was a saved plan, and a part of it makes no sense.
    #[error("the saved plan is damaged: {why}")]
    Damaged {
        /// Where, and what is wrong there.
        why: String,
    },
}

impl SavedPlan {
    /// Returns the plan as a document.
    ///
    /// # Panics
    ///
    /// Never: the document is plain data with text keys.
    pub fn to_json(&self) -> Json {
        let mut json = serde_json::to_value(Document::of(self)).expect("the document is plain data with text keys");
        json[DIGEST] = digest(&json).into();
        json
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`].
    pub fn from_json(json: &Json) -> Result<Self, LoadError> {
        if json.get("format").and_then(Json::as_str) != Some(document::FORMAT) {
            return Err(LoadError::NotAPlan);
        }
        match json.get("format_version").and_then(Json::as_u64) {
            Some(found) if found > u64::from(FORMAT_VERSION) => {
                return Err(LoadError::NewerFormat { found, known: FORMAT_VERSION });
            }
            Some(_) => {}
            None => return Err(LoadError::Damaged { why: "`format_version` is missing".to_owned() }),
        }
        let document: Document =
            serde_path_to_error::deserialize(json).map_err(|error| LoadError::Damaged { why: error.to_string() })?;
        let plan = document.into_plan().map_err(|why| LoadError::Damaged { why })?;
        let mut rest = json.clone();
        let said = rest.as_object_mut().and_then(|fields| fields.remove(DIGEST));
        if said != Some(digest(&rest).into()) {
            return Err(LoadError::Edited);
        }
        Ok(plan)
    }
}

/// The name of the field with the digest of all others.
const DIGEST: &str = "digest";

/// Returns the digest of a document, whose fields come in the order of their names however it was laid out.
fn digest(json: &Json) -> String {
    let mut hash = TextHash::new();
    hash.text(&json.to_string());
    format!("{:016x}", hash.value())
}
