//! A text that is never shown.

use std::fmt;

/// An API key or another credential.
///
/// `Debug` prints a placeholder and there is no `Display`, no serde and no `Deref`, so that the text can leave only
/// through [`Secret::expose`], which is easy to search for.
///
/// ```
/// let key = sbx::types::Secret::new("lsv2_pt_1234");
/// assert_eq!(format!("{key:?}"), "<redacted>");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a credential.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the credential itself, for the one place that puts it on the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}
