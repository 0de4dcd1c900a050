//! The settings of `lifecycle`, as data: which kinds know them, and what they say to people and editors.

use serde_json::{Value as Json, json};

use super::kind::{KindInfo, Naming};

/// One setting, as one kind knows it.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) doc: &'static str,
    /// What holds where it is left out.
    pub(super) default: String,
    pub(super) example: &'static str,
}

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    Flag,
    Name,
    Duration,
    OneOf(&'static [&'static str]),
}

/// Returns whether a kind knows a setting: what it cannot do it does not know.
pub(super) fn knows(info: &KindInfo, name: &str) -> bool {
    let has_labels = info.naming == Naming::Label;
    match name {
        "prevent_destroy" | "on_remove" | "timeout" => true,
        "renamed_from" => has_labels,
        "replace" => has_labels && !info.holds_data,
        "on_expiry" => info.expires,
        _ => name == info.on_superseded && (info.outlives_its_source || info.is_built),
    }
}

/// Returns the settings that a kind knows.
pub(super) fn settings(info: &KindInfo) -> Vec<Setting> {
    let setting =
        |name, takes, default: &str, example, doc| Setting { name, takes, doc, default: default.to_owned(), example };
    let on_remove = if info.holds_data { "retain" } else { "delete" };
    let timeout = format!("{} s", info.ready_timeout.as_secs());
    let all = [
        setting(
            "prevent_destroy",
            Takes::Flag,
            "false",
            "true",
            "Refuse every plan that would destroy the object. It holds as it was applied last, also once its manifest is gone.",
        ),
        setting(
            "on_remove",
            Takes::OneOf(&["delete", "retain"]),
            on_remove,
            "retain",
            "What happens when it is declared no longer. With `retain` it stays, and is taken up again once it is declared.",
        ),
        setting(
            "renamed_from",
            Takes::Name,
            "nothing is renamed by guessing",
            "old-name",
            "The name the object had before; none for a new object.",
        ),
        setting(
            "replace",
            Takes::OneOf(&["rolling", "recreate"]),
            "rolling",
            "recreate",
            "How it is made anew when it cannot change. `rolling` builds the new one beside the old one and swaps their names; `recreate` deletes the old one first.",
        ),
        setting(
            info.on_superseded,
            Takes::OneOf(&["keep", "replace"]),
            "keep",
            "replace",
            "What happens when what it was made from is superseded. With `keep` it stays as it is, and plans call it outdated.",
        ),
        setting(
            "on_expiry",
            Takes::OneOf(&["ignore", "recreate"]),
            "ignore",
            "recreate",
            "What happens when its time to live ended it. With `ignore` it stays away.",
        ),
        setting(
            "timeout",
            Takes::Duration,
            &timeout,
            "2m",
            "How long to wait for it to be ready, such as 10m. The whole step that makes it ends five minutes later at most.",
        ),
    ];
    all.into_iter().filter(|setting| knows(info, setting.name)).collect()
}

impl Setting {
    pub(super) fn schema(&self) -> Json {
        let mut schema = match self.takes {
            Takes::Flag => json!({"type": "boolean"}),
            Takes::Name => json!({"type": "string"}),
            Takes::Duration => json!({"type": ["string", "integer"]}),
            Takes::OneOf(words) => json!({"enum": words}),
        };
        schema["description"] = json!(self.doc);
        schema
    }
}

impl Takes {
    /// Returns what it looks like, for a person.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flag => "true or false",
            Self::Name => "a name, or none",
            Self::Duration => "a time, such as 90s or 10m, or whole seconds",
            Self::OneOf(_) => "a word",
        }
    }
}
