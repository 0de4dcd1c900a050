//! The written form of an inventory: JSON with one object a line, so that version control shows what changed.
//!
//! Fields are added within one format version and never change their meaning; what this version does not know it writes
//! back as it was. Specs are decoded on first use ([`Applied`]).

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::fields::{Fields, Line, on_one_line};
use super::{Applied, Deed, Entry, Habits, Intent, Inventory, Run, Standing};
use crate::kinds::{self, Key, KindId};
use crate::types::{Labels, Name, ObjectId, Timestamp};

/// Tells an inventory from any other JSON file.
const TYPE: &str = "sbx-inventory";

/// Why a text is no inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It is damaged, or something else altogether.
    #[error("{why}")]
    Corrupt {
        /// What is wrong with it.
        why: String,
    },
    /// A later version wrote it, in a format that this one does not know.
    #[error("it has format version {version}, and this version of sbx reads {}", Inventory::FORMAT_VERSION)]
    Newer {
        /// Its format version.
        version: u64,
    },
}

impl Inventory {
    /// The version of the written form.
    pub const FORMAT_VERSION: u64 = 1;

    /// Returns whether a text calls itself an inventory, whether or not it can be read.
    pub fn is_one(text: &str) -> bool {
        let head: String = text.chars().take(200).filter(|c| !c.is_whitespace()).collect();
        head.contains(&format!("\"type\":\"{TYPE}\""))
    }

    /// Reads the written form.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when it cannot be read as a whole: a part of it would make owned objects look like somebody
    /// else's.
    pub fn from_text(text: &str) -> Result<Self, FormatError> {
        let corrupt = |why| FormatError::Corrupt { why };
        let mut fields = Fields::of(text).map_err(corrupt)?;
        let version: u64 = fields.required("format_version").map_err(corrupt)?;
        if version != Self::FORMAT_VERSION {
            return Err(FormatError::Newer { version });
        }
        read(fields).map_err(corrupt)
    }

    /// Returns the written form.
    pub fn to_text(&self) -> String {
        let entries = self.entries.iter().map(|(key, entry)| entry_line(key_line(Line::new(), key), entry).end());
        let entries = entries.chain(unread(&self.unread.entries));
        let intents = self.intents.iter().map(intent_text).chain(unread(&self.unread.intents));
        let mut parts = vec![
            format!("\"type\": \"{TYPE}\""),
            format!("\"format_version\": {}", Self::FORMAT_VERSION),
            format!("\"endpoint\": {}", Json::from(self.endpoint.clone())),
        ];
        parts.extend(self.serial.map(|serial| format!("\"serial\": {serial}")));
        parts.extend(self.unread.fields.iter().map(|(name, value)| format!("{}: {value}", Json::from(name.as_str()))));
        parts.push(format!("\"habits\": {}", habits_text(self.habits, &self.unread.habits)));
        parts.push(list("entries", entries));
        parts.push(list("intents", intents));
        parts.push(list("runs", self.runs.iter().map(run_text)));
        format!("{{\n  {}\n}}\n", parts.join(",\n  "))
    }
}

fn read(mut fields: Fields<'_>) -> Result<Inventory, String> {
    let kind: String = fields.required("type")?;
    if kind != TYPE {
        return Err(format!("its `type` is `{kind}`, and that of an inventory is `{TYPE}`"));
    }
    let mut inventory = Inventory {
        endpoint: fields.optional("endpoint")?,
        serial: fields.optional("serial")?,
        ..Inventory::default()
    };
    (inventory.habits, inventory.unread.habits) = habits(fields.optional("habits")?.unwrap_or_default());
    for raw in fields.list("entries")? {
        match entry_from(raw) {
            Ok(Some((key, entry))) if inventory.entries.contains_key(&key) => {
                let id = entry.id.map_or_else(String::new, |id| format!(" (the second one with the id {id})"));
                return Err(format!("{key} stands in it twice{id}"));
            }
            Ok(Some((key, entry))) => inventory.put(key, entry),
            Ok(None) => inventory.unread.entries.push(raw.get().into()),
            Err(why) => return Err(format!("an entry cannot be read: {why}")),
        }
    }
    for raw in fields.list("intents")? {
        match intent_from(raw)? {
            Some(intent) => inventory.intents.push(intent),
            None => inventory.unread.intents.push(raw.get().into()),
        }
    }
    inventory.runs = fields.list("runs")?.into_iter().map(run_from).collect::<Result<_, _>>()?;
    inventory.unread.fields = fields.rest()?;
    Ok(inventory)
}

/// Returns an entry with its name; `None` for one of a kind that this version does not know.
pub(super) fn entry_from(raw: &RawValue) -> Result<Option<(Key, Entry)>, String> {
    let mut fields = Fields::of(raw.get())?;
    let Some(key) = key_from(&mut fields)? else { return Ok(None) };
    let entry = entry_fields(&key, fields).map_err(|why| format!("{key}: {why}"))?;
    Ok(Some((key, entry)))
}

/// Takes the kind and the name of an object; `None` for a kind that this version does not know.
pub(super) fn key_from(fields: &mut Fields<'_>) -> Result<Option<Key>, String> {
    let kind: String = fields.required("kind")?;
    let name: String = fields.required("name")?;
    let Some(kind) = KindId::from_record(&kind) else { return Ok(None) };
    let name = kind.name(&name).map_err(|error| format!("`{name}` is no name: {error}"))?;
    Ok(Some(Key { kind, name }))
}

fn entry_fields(key: &Key, mut fields: Fields<'_>) -> Result<Entry, String> {
    let standing: Option<String> = fields.optional("standing")?;
    let lifecycle: Option<Map<String, Json>> = fields.optional("lifecycle")?;
    let source: Option<String> = fields.optional("source")?;
    Ok(Entry {
        id: fields.optional::<ObjectId>("id")?,
        standing: match standing.as_deref() {
            None | Some("owned") => Standing::Owned,
            Some("released") => Standing::Released,
            Some(other) => return Err(format!("`standing` cannot be `{other}`")),
        },
        applied: Applied::recorded(key.kind, fields.raw("spec").map_or("null", RawValue::get)),
        lifecycle: lifecycle.map_or_else(|| Ok(kinds::Lifecycle::default()), |it| kinds::lifecycle_from_json(&it))?,
        labels: fields.optional::<Labels>("labels")?.unwrap_or_default(),
        source: source.map(Into::into),
        expires_at: fields.optional::<Timestamp>("expires_at")?,
        extra: fields.rest()?,
    })
}

pub(super) fn key_line(line: Line, key: &Key) -> Line {
    line.put("kind", key.kind.recorded_as()).put("name", key.name.as_str())
}

pub(super) fn entry_line(line: Line, entry: &Entry) -> Line {
    let Entry { id, standing, applied, lifecycle, labels, source, expires_at, extra } = entry;
    let mut line = line.put_some("id", id.as_ref().map(ObjectId::as_str));
    if *standing == Standing::Released {
        line = line.put("standing", "released");
    }
    line = line.put_raw("spec", &applied.to_text());
    let lifecycle = kinds::lifecycle_to_json(lifecycle);
    if !lifecycle.is_empty() {
        line = line.put("lifecycle", lifecycle);
    }
    if !labels.is_empty() {
        let labels: Map<String, Json> =
            labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        line = line.put("labels", labels);
    }
    line.put_some("source", source.as_deref())
        .put_some("expires_at", expires_at.map(|time| time.to_string()))
        .put_all(extra)
}

/// Returns an intent; `None` for one that this version does not know, or whose spec it cannot read.
fn intent_from(raw: &RawValue) -> Result<Option<Intent>, String> {
    let mut fields = Fields::of(raw.get())?;
    let deed: String = fields.required("deed")?;
    let Some(key) = key_from(&mut fields)? else { return Ok(None) };
    let at = fields.required("at")?;
    let becomes: Option<String> = fields.optional("becomes")?;
    let becomes = becomes.map(|name| key.kind.name(&name)).transpose().map_err(|error| error.to_string())?;
    let deed = match deed.as_str() {
        "create" => {
            let spec: Json = fields.required("sends")?;
            let Ok(spec) = kinds::spec_from_json(key.kind, &spec) else { return Ok(None) };
            Deed::Create { spec, carry: fields.optional("carry")?.unwrap_or_default() }
        }
        "update" => Deed::Update,
        "rename" => Deed::Rename,
        "delete" => Deed::Delete,
        _ => return Ok(None),
    };
    let entry = entry_fields(&key, fields).map_err(|why| format!("an intent with {key}: {why}"))?;
    Ok(Some(Intent { key, deed, entry, becomes, at }))
}

fn intent_text(intent: &Intent) -> String {
    let Intent { key, deed, entry, becomes, at } = intent;
    let line = match deed {
        Deed::Create { .. } => Line::new().put("deed", "create"),
        Deed::Update => Line::new().put("deed", "update"),
        Deed::Rename => Line::new().put("deed", "rename"),
        Deed::Delete => Line::new().put("deed", "delete"),
    };
    let mut line =
        key_line(line, key).put("at", at.to_string()).put_some("becomes", becomes.as_ref().map(Name::as_str));
    if let Deed::Create { spec, carry } = deed {
        line = line.put("sends", kinds::spec_to_json(spec));
        if !carry.is_empty() {
            line = line.put("carry", carry.clone());
        }
    }
    entry_line(line, entry).end()
}

fn run_from(raw: &RawValue) -> Result<Run, String> {
    let mut fields = Fields::of(raw.get())?;
    Ok(Run {
        at: fields.required("at")?,
        by: fields.required("by")?,
        commit: fields.optional("commit")?,
        url: fields.optional("url")?,
        serial: fields.optional("serial")?,
        outcome: fields.required("outcome")?,
        summary: fields.required("summary")?,
        extra: fields.rest()?,
    })
}

fn run_text(run: &Run) -> String {
    let Run { at, by, commit, url, serial, outcome, summary, extra } = run;
    Line::new()
        .put("at", at.to_string())
        .put("by", by.as_str())
        .put_some("commit", commit.as_deref())
        .put_some("url", url.as_deref())
        .put_some("serial", *serial)
        .put("outcome", outcome.as_str())
        .put("summary", summary.as_str())
        .put_all(extra)
        .end()
}

const FOLLOW: &str = "references_follow_renames";

pub(super) fn habits(mut fields: Map<String, Json>) -> (Habits, Map<String, Json>) {
    let references_follow_renames = fields.remove(FOLLOW).and_then(|value| value.as_bool());
    (Habits { references_follow_renames }, fields)
}

pub(super) fn habits_text(habits: Habits, unread: &Map<String, Json>) -> String {
    let Habits { references_follow_renames } = habits;
    Line::new().put_some(FOLLOW, references_follow_renames).put_all(unread).end()
}

fn unread(raw: &[Box<str>]) -> impl Iterator<Item = String> {
    raw.iter().map(|raw| on_one_line(raw).into_owned())
}

fn list(name: &str, items: impl Iterator<Item = String>) -> String {
    let mut out = format!("\"{name}\": [");
    for (index, item) in items.enumerate() {
        out.push_str(if index == 0 { "\n    " } else { ",\n    " });
        out.push_str(&item);
    }
    out.push_str(if out.ends_with('[') { "]" } else { "\n  ]" });
    out
}
