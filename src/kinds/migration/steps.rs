//! What is left to do by hand once the new manifests are written: what no manifest can say.

use super::Moved;
use crate::kinds::kind::{Key, KindId};
use crate::kinds::{SANDBOX, VOLUME};

/// How many objects are named before the rest is counted.
const MOST: usize = 4;

/// Returns what is left to do for these objects, in the order in which it is done.
pub(super) fn of(moved: &[Moved]) -> Vec<String> {
    let of_kind =
        |kind: KindId| -> Vec<&Key> { moved.iter().map(|moved| &moved.from).filter(|key| key.kind == kind).collect() };
    let mut steps = Vec::new();
    let volumes = of_kind(VOLUME);
    if !volumes.is_empty() {
        steps.push(format!(
            "what is on {} stays there: copy it out through an old sandbox that mounts it, `sbx cp NAME:PATH FOLDER`, and \
             into what the new ones mount",
            named(&volumes)
        ));
    }
    let sandboxes = of_kind(SANDBOX);
    if !sandboxes.is_empty() {
        // Both generations share the collection of sandboxes (S16 of the contract of the second generation).
        steps.push(format!(
            "on a server with both generations a new sandbox waits for its name: apply the rest first, copy out what the \
             disk of {} holds, delete it, apply again",
            named(&sandboxes)
        ));
    }
    steps
}

fn named(keys: &[&Key]) -> String {
    let shown: Vec<_> = keys.iter().take(MOST).map(ToString::to_string).collect();
    let n_more = keys.len().saturating_sub(MOST);
    let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
    shown.join(", ") + &more
}
