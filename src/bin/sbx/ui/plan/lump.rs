//! One block for all that is blocked by what the server does not have: it is one thing to know, however many objects say it.

use sbx::reconcile::plan::{Change, Note};

use super::head_of;
use crate::ui::style::{self, paint};
use crate::ui::{escape, names};

/// Returns the changes in lumps: those together that the server lacks the same for, and each other one alone.
pub(super) fn lumps(changes: Vec<&Change>) -> Vec<Vec<&Change>> {
    let mut lumps: Vec<Vec<&Change>> = Vec::new();
    for change in changes {
        let is_same = |lump: &&mut Vec<&Change>| lack(change).is_some() && lack(lump[0]) == lack(change);
        match lumps.iter_mut().find(is_same) {
            Some(lump) => lump.push(change),
            None => lumps.push(vec![change]),
        }
    }
    lumps
}

/// Returns the lines about a lump.
pub(super) fn block(changes: &[&Change]) -> Vec<String> {
    let mut lines = vec![head_of(changes[0], &names(changes.iter().map(|change| &change.key)))];
    if let Some((text, help)) = lack(changes[0]) {
        lines.push(format!("    {}", paint(style::ALERT, escape(&text))));
        lines.extend(help.map(|help| format!("    {} {}", paint(style::HINT, "help:"), escape(&help))));
    }
    lines
}

/// Returns what is said of what the server lacks for a change, and what can be done about it.
fn lack(change: &Change) -> Option<(String, Option<String>)> {
    let note = change.notes.iter().find(|note| matches!(note, Note::NotSpoken { .. }))?;
    Some((note.to_string(), note.help()))
}
