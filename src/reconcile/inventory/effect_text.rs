//! The written form of an effect: one line of a journal.

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::fields::{Fields, Line};
use super::format::{entry_from, entry_line, habits, habits_text, key_from, key_line};
use super::{Effect, FormatError};
use crate::kinds::Key;

impl Effect {
    /// Returns the effect as one line of JSON, without a line break.
    pub fn to_text(&self) -> String {
        let line = Line::new();
        match self {
            Self::Put { key, entry } => line.put_raw("put", &entry_line(key_line(Line::new(), key), entry).end()),
            Self::Drop { key, id } => {
                let dropped = key_line(Line::new(), key);
                let dropped = match id {
                    Some(id) => dropped.put("id", id.as_str()),
                    None => dropped,
                };
                line.put_raw("drop", &dropped.end())
            }
            Self::Move { from, to } => {
                let moved = key_line(Line::new(), from).put("to", to.name.as_str());
                line.put_raw("move", &moved.end())
            }
            Self::Learn(learnt) => line.put_raw("learn", &habits_text(*learnt, &Map::new())),
        }
        .end()
    }

    /// Reads what [`Effect::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// [`FormatError::Corrupt`].
    pub fn from_text(text: &str) -> Result<Self, FormatError> {
        read(text).map_err(|why| FormatError::Corrupt { why })
    }
}

fn read(text: &str) -> Result<Effect, String> {
    let mut fields = Fields::of(text)?;
    let unknown = || "it is of a kind that this version does not know".to_owned();
    if let Some(raw) = fields.raw("put") {
        let (key, entry) = entry_from(raw)?.ok_or_else(unknown)?;
        return Ok(Effect::Put { key, entry });
    }
    if let Some(raw) = fields.raw("drop") {
        let mut fields = Fields::of(raw.get())?;
        return Ok(Effect::Drop { key: key(&mut fields)?, id: fields.optional("id")? });
    }
    if let Some(raw) = fields.raw("move") {
        return moved(raw);
    }
    let learnt: Map<String, Json> = fields.required("learn")?;
    Ok(Effect::Learn(habits(learnt).0))
}

fn moved(raw: &RawValue) -> Result<Effect, String> {
    let mut fields = Fields::of(raw.get())?;
    let from = key(&mut fields)?;
    let name: String = fields.required("to")?;
    let name = from.kind.name(&name).map_err(|error| format!("`{name}` is no name: {error}"))?;
    Ok(Effect::Move { to: Key { kind: from.kind, name }, from })
}

fn key(fields: &mut Fields<'_>) -> Result<Key, String> {
    key_from(fields)?.ok_or_else(|| "it is of a kind that this version does not know".to_owned())
}
