//! What a list is narrowed to.

use percent_encoding::utf8_percent_encode;

use super::request::SEGMENT;

/// Which snapshots, or which sandboxes of the second generation, a list is narrowed to. All that is set must hold.
///
/// ```
/// use sbx::client::ListFilter;
///
/// let mine = ListFilter::default().name_contains("py").label("team", "research").created_by_me();
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListFilter {
    /// What the name contains, in any case.
    pub name_contains: Option<String>,
    /// Labels: `key`, or `key=value`.
    pub labels: Vec<String>,
    /// The status, such as `ready`.
    pub status: Option<String>,
    /// Whether whoever the API key belongs to created it.
    pub created_by_me: bool,
}

impl ListFilter {
    /// Asks for names that contain a text, in any case.
    #[must_use]
    pub fn name_contains(mut self, text: impl Into<String>) -> Self {
        self.name_contains = Some(text.into());
        self
    }

    /// Asks for a label with a value.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push(format!("{key}={value}"));
        self
    }

    /// Asks for a label, whatever its value.
    #[must_use]
    pub fn has_label(mut self, key: impl Into<String>) -> Self {
        self.labels.push(key.into());
        self
    }

    /// Asks for a status.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// Asks for what the owner of the API key created.
    #[must_use]
    pub fn created_by_me(mut self) -> Self {
        self.created_by_me = true;
        self
    }

    /// Returns the end of a query.
    pub(super) fn to_query(&self) -> String {
        let name = self.name_contains.iter().map(|text| ("name_contains", text.as_str()));
        let labels = self.labels.iter().map(|label| ("label", label.as_str()));
        let status = self.status.iter().map(|status| ("status", status.as_str()));
        let mine = self.created_by_me.then_some(("created_by", "me"));
        let pairs = name.chain(labels).chain(status).chain(mine);
        let mut query = String::new();
        for (key, value) in pairs {
            query.extend(["&", key, "="]);
            query.extend(utf8_percent_encode(value, SEGMENT));
        }
        query
    }
}
