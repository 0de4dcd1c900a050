//! That nothing is without a case: each row of the action table for each kind, each obstacle, each reason for refusing a
//! whole plan, each exit code.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{folders, folders_of, read};
use crate::tree;

/// Each obstacle, with its case and what the case says of it.
const OBSTACLES: [(&str, &str, &str); 24] = [
    ("BothNamesLive", "volume/both-names-live", "both names are live"),
    ("InDoubt", "owned/prune-what-is-in-doubt", "pool/warm, which is live too, is declared as renamed from it"),
    ("Unreadable", "volume/unreadable-size", "cannot be read"),
    ("WouldShrink", "volume/shrink", "cannot shrink"),
    ("HeldBy", "template/held-by-others", "held by sandbox/box-1, gone by"),
    ("NeededBy", "owned/prune-what-is-needed", "declared no longer, and pool/warm refers to it"),
    ("NeedsBlocked", "volume/over-quota", "it needs volume/datasets, which is blocked"),
    ("MissingReference", "pool/missing-template", "neither declared nor live"),
    ("ReferenceRenamed", "pool/old-name-of-its-template", "is renamed to `new`"),
    ("NameTaken", "volume/name-stays-taken", "its name stays with another object"),
    ("RenamedFromHere", "pool/renamed-from-here", "is renamed from this name"),
    ("RenamePending", "volume/destroy-before-its-rename", "its rename is not done yet"),
    ("NotOwned", "owned/not-managed-and-different", "not managed here"),
    ("OwnedBySibling", "owned/another-projects", "belongs to another project"),
    ("Marked", "sandbox-v2/of-another-project", "belongs to another project: acme/other"),
    ("MaybeRenamed", "owned/maybe-a-rename", "is this a rename?"),
    ("NotAllowed", "owned/only-creates-allowed", "is not allowed here"),
    ("NotSpoken", "template/none-on-this-server", "this server has no templates"),
    ("BrokenRule", "pool/on-mounts", "so it cannot be pooled"),
    ("OverQuota", "volume/over-quota", "the quota for volumes has 0 left"),
    ("NoRoomBeside", "pool/no-room-beside", "beside the old one takes 2"),
    ("PreventsDestroy", "template/prevent-destroy", "`prevent_destroy` is set"),
    // Commands that name objects look for them before they plan: `cli::looking` and `NotFound` have it.
    ("NotLive", "", ""),
    // What a saved plan held back says: `cli::reviewing::what_changed_since_the_review_is_held_back`.
    ("Saved", "", ""),
];

/// Each reason for refusing a whole plan, likewise.
const REFUSALS: [(&str, &str, &str); 5] = [
    ("PreventDestroy", "owned/prune-protected", "! refused: template/python is protected"),
    ("DestroyLimit", "owned/prune-too-much", "! refused: this plan destroys 11 objects"),
    ("Drift", "owned/drift-fails", "! refused: pool/warm changed behind"),
    // The planner would be wrong: `plan::tests::rehearsal` makes such plans by hand.
    ("Impossible", "", ""),
    // A saved plan that was refused when it was made: `plan::tests::saved`.
    ("Saved", "", ""),
];

/// Each exit code that a command can end with by itself. 130 takes an interrupt, which `cli::serving` sends.
const EXIT_CODES: [(u8, &str); 7] = [
    (0, "volume/create"),
    (1, "volume/shrink"),
    (2, "owned/pending-code"),
    (3, "volume/apply-what-is-blocked"),
    (4, "owned/drift-alone"),
    (6, "owned/drift-and-ahead"),
    (64, "owned/prune-with-a-target"),
];

/// What the API leaves no room for: a volume only grows, nothing of a template changes in place, and all of a registry
/// does; a snapshot is what it is, under a name that moves to another one.
const NEVER: [(&str, &str); 5] = [
    ("volume", "replace"),
    ("template", "update"),
    ("registry.v2", "replace"),
    ("snapshot.v2", "update"),
    ("snapshot.v2", "rename"),
];

#[test]
fn every_obstacle_and_every_refusal_has_a_case() {
    let notes = tree::read("src/reconcile/plan/note.rs");
    let obstacles = between(&notes, "pub fn is_obstacle", "\n    }\n");
    let obstacles = names_after(obstacles, "Self::");
    let known: BTreeSet<_> = OBSTACLES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(obstacles, known);
    let refusals = tree::read("src/reconcile/plan/policy.rs");
    let refusals = names_after(between(&refusals, "impl fmt::Display for Refusal", "\nfn "), "Self::");
    let known: BTreeSet<_> = REFUSALS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(refusals, known);
    for (name, case, words) in OBSTACLES.iter().chain(&REFUSALS).filter(|(_, case, _)| !case.is_empty()) {
        let text = expected(case);
        assert!(text.contains(words), "{name}: {case} says nothing of it\n{text}");
    }
}

#[test]
fn every_exit_code_has_a_case() {
    let failure = tree::read("src/bin/sbx/failure.rs");
    let rows = between(&failure, "fn each_row_of_the_table", "];\n");
    let codes = rows.lines().filter_map(|line| line.trim().strip_suffix("),")?.rsplit(", ").next()?.parse::<u8>().ok());
    let known: BTreeSet<_> = EXIT_CODES.iter().map(|(code, _)| *code).chain([130]).collect();
    assert_eq!(codes.collect::<BTreeSet<_>>(), known);
    for (code, case) in EXIT_CODES {
        assert!(expected(case).ends_with(&format!("exit {code}\n")), "{case}");
    }
}

#[test]
fn every_action_on_every_kind_has_a_case() {
    let cases = folders(&folders_of(&tree::root().join("tests/cases")));
    let texts: Vec<_> = cases.iter().map(|case| read(&case.join("plan.json"))).collect();
    let has = |kind: &str, action: &str| {
        let documents = texts.iter().flat_map(|text| {
            let (json, _) = text.rsplit_once("exit ").expect("it has an exit code");
            serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>()
        });
        documents.map(|document| document.expect("it is JSON")).any(|document| {
            let changes = document["changes"].as_array().or_else(|| document["plan"]["changes"].as_array());
            let is_it = |change: &serde_json::Value| {
                change["action"] == action
                    && change["kind"].as_str().is_some_and(|word| word.eq_ignore_ascii_case(kind))
            };
            changes.is_some_and(|changes| changes.iter().any(is_it))
        })
    };
    for kind in sbx::kinds::all() {
        let kind = &*kind.recorded_as().to_lowercase();
        for action in ["create", "update", "rename", "replace", "delete", "adopt", "keep", "blocked"] {
            let is_never = NEVER.contains(&(kind, action));
            assert_eq!(has(kind, action), !is_never, "{action} of a {kind}");
        }
    }
}

fn expected(case: &str) -> String {
    read(&PathBuf::from("tests/cases").join(case).join("plan.txt"))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("`{start}` is not there"));
    rest.split_once(end).map_or(rest, |(found, _)| found)
}

/// Returns the words that stand behind a prefix.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned);
    text.split(prefix).skip(1).filter_map(word).collect()
}
