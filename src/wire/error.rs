//! The body of an error (contract section 3.1).

use serde::{Deserialize, Serialize};

/// An error's body in the control plane: `{"detail": …}`, in one of three shapes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub detail: ErrorDetail,
}

/// The three shapes of `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorDetail {
    /// Shape A: a type and a message.
    Standard(StandardError),
    /// Shape B: what is wrong with which field.
    Validation(Vec<ValidationItem>),
    /// Shape C: a text.
    Text(String),
}

/// Shape A.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandardError {
    /// The type, such as `Conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the server's own log knows the error by. Of the second generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
}

/// An error's body as some conflicts of the second generation have it (RFC 7807). Its `detail` is shape C of
/// [`ErrorBody`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDetails {
    /// A URI for the sort of problem.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The sort of problem, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A URI for this very problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What can be done about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The sort of problem, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
}

/// One item of shape B.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidationItem {
    /// Where: `["body", "resources", "cpu"]`. A server never leaves it empty, since the Python SDK fails on that.
    #[serde(default)]
    pub loc: Vec<LocationPart>,
    /// What is wrong.
    #[serde(default)]
    pub msg: String,
    /// `value_error` for a bad value; `missing`, `string_type` and the like for a bad type.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// A step of a location: a key, or an index of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LocationPart {
    /// An index.
    Index(u64),
    /// A key.
    Key(String),
}
