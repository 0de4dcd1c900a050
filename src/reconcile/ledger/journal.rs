//! What an apply did, line by line, until it is folded into the inventory that it began with.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::reconcile::inventory::{Effect, FormatError, Inventory};

/// Returns the name of the journal beside an inventory.
pub(super) fn name_of(inventory: &str) -> String {
    format!("{}.journal", inventory.trim_end_matches(".json"))
}

/// Returns the first line of a journal of changes to this inventory.
pub(super) fn first_line(inventory: &str) -> String {
    json!({"journal_of": fingerprint(inventory)}).to_string()
}

/// Returns effects as lines.
pub(super) fn lines(effects: &[Effect]) -> String {
    effects.iter().fold(String::new(), |mut out, effect| {
        let _ = writeln!(out, "{}", effect.to_text());
        out
    })
}

/// Takes what a journal says into the inventory that it was begun with, and returns how many effects that were.
///
/// A journal of another inventory, which was folded already or whose inventory was exchanged, says nothing. Taking one in
/// twice would: names that were swapped would be swapped back. A last line without its end was being written when its
/// writer was killed, and is dropped.
pub(super) fn fold(inventory: &mut Inventory, text: &str, journal: &str) -> Result<usize, FormatError> {
    let whole = journal.rfind('\n').map_or("", |end| &journal[..end]);
    let mut lines = whole.lines();
    let Some(first) = lines.next() else { return Ok(0) };
    let first: Json = serde_json::from_str(first).unwrap_or_default();
    let Some(journal_of) = first["journal_of"].as_str() else {
        return Err(FormatError::Corrupt { why: "its first line does not say what it is a journal of".to_owned() });
    };
    if journal_of != fingerprint(text) {
        return Ok(0);
    }
    let read = |(number, line)| Effect::from_text(line).map_err(|error| in_line(number, &error));
    // The first line is read already, and lines are counted from 1.
    let effects = (2..).zip(lines).map(read).collect::<Result<Vec<_>, _>>()?;
    let n_effects = effects.len();
    for effect in effects {
        inventory.fulfil(effect);
    }
    Ok(n_effects)
}

fn in_line(number: usize, error: &FormatError) -> FormatError {
    FormatError::Corrupt { why: format!("line {number}: {error}") }
}

/// The FNV-1a hash of the text in 64 bits, which is public domain and the same in every version of this program. It tells
/// a handful of states of one file apart, and keeps nobody out.
fn fingerprint(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
