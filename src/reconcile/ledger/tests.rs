//! Files and an object store in memory, with the clock of the tests: whatever is cut off is taken up again, and of two who
//! write at the same time one is told.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use tempfile::TempDir;

use super::*;
use crate::kinds::{self, Key, Lifecycle};
use crate::reconcile::inventory::{Deed, Effect, Entry, Intent, Run, Standing};
use crate::types::{Labels, Name, Timestamp};

fn now() -> Timestamp {
    Timestamp::from_microseconds(1_774_353_600_000_000).unwrap()
}

fn key(name: &str) -> Key {
    Key { kind: kinds::all().next().unwrap(), name: Name::parse(name).unwrap() }
}

fn entry(id: &str) -> Entry {
    let spec = kinds::spec_from_json(key("a").kind, &serde_json::json!({"size": "1Gi"})).unwrap();
    Entry {
        id: Some(ObjectId::new(id)),
        standing: Standing::Owned,
        applied: spec.into(),
        lifecycle: Lifecycle::default(),
        labels: Labels::new(),
        source: None,
        expires_at: None,
        extra: serde_json::Map::new(),
    }
}

fn put(name: &str, id: &str) -> Effect {
    Effect::Put { key: key(name), entry: entry(id) }
}

fn intent(name: &str, deed: Deed) -> Intent {
    Intent { key: key(name), deed, entry: entry("none-yet"), becomes: None, at: now() }
}

fn create(name: &str) -> Intent {
    let spec = entry("x").applied().unwrap().clone();
    intent(name, Deed::Create { spec, carry: serde_json::Map::new() })
}

fn run() -> Run {
    Run {
        at: now(),
        by: "mila@lab".to_owned(),
        commit: None,
        url: None,
        serial: None,
        outcome: "done".to_owned(),
        summary: String::new(),
        extra: serde_json::Map::new(),
    }
}

fn holder(by: &str) -> Holder {
    Holder {
        by: by.to_owned(),
        pid: std::process::id(),
        machine: None,
        command: "sbx apply".to_owned(),
        url: None,
        since: now(),
    }
}

fn in_file() -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::file(&folder.path().join("inventory/prod.json")).unwrap();
    (folder, ledger)
}

fn in_memory() -> Ledger {
    Ledger::in_store(Arc::new(InMemory::new()), "team/prod.json").unwrap()
}

async fn begin(ledger: &Ledger, intents: Vec<Intent>) -> Result<Recording, Error> {
    let reading = ledger.read().await?;
    let inventory = reading.inventory.clone();
    ledger.begin(reading, Opening { inventory, intents, has_steps: true, ..Opening::default() }).await
}

async fn names(ledger: &Ledger) -> Vec<String> {
    ledger.read().await.unwrap().inventory.iter().map(|(key, _)| key.name.to_string()).collect()
}

/// Waits, in the time of the tests, until the ledger shows what is asked for.
async fn until(ledger: &Ledger, is_so: impl Fn(&Reading) -> bool) {
    while !is_so(&ledger.read().await.unwrap()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_apply_is_recorded_from_its_intents_to_its_end() {
    let (folder, file) = in_file();
    for ledger in [&file, &in_memory()] {
        assert!(!ledger.read().await.unwrap().exists);
        let recording = begin(ledger, vec![create("a"), create("b")]).await.unwrap();
        let begun = ledger.read().await.unwrap();
        assert!(begun.exists && begun.is_unfinished && begun.inventory.intents.len() == 2);
        recording.recorder().record(vec![put("a", "1")]);
        recording.finish(run()).await.unwrap();

        let read = ledger.read().await.unwrap();
        assert_eq!(names(ledger).await, ["a"]);
        assert_eq!(read.inventory.intents, [create("b")], "what was not done stays intended");
        assert_eq!(read.inventory.runs, [run()]);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path().join("inventory")).unwrap().collect();
    assert_eq!(left.len(), 1, "no journal is left: {left:?}");
}

#[tokio::test]
async fn what_was_done_before_a_kill_is_found() {
    let (_folder, file) = in_file();
    for ledger in [&file, &in_memory()] {
        let recording = begin(ledger, vec![create("a"), create("b")]).await.unwrap();
        recording.recorder().record(vec![put("a", "1")]);
        until(ledger, |reading| !reading.inventory.is_empty()).await;
        // Nobody finishes it.
        drop(recording);
        let reading = ledger.read().await.unwrap();
        assert!(reading.is_unfinished);
        assert_eq!(reading.inventory.intents, [create("b")]);

        // The next apply takes it over, and its own journal begins anew.
        let recording = begin(ledger, vec![create("b")]).await.unwrap();
        recording.recorder().record(vec![put("b", "2")]);
        recording.finish(run()).await.unwrap();
        assert_eq!(names(ledger).await, ["a", "b"]);
        assert!(!ledger.read().await.unwrap().is_unfinished);
    }
}

#[tokio::test]
async fn a_journal_may_be_cut_off_anywhere() {
    let (folder, ledger) = in_file();
    let recording = begin(&ledger, Vec::new()).await.unwrap();
    let effects = vec![
        put("a", "1"),
        put("b", "2"),
        Effect::Move { from: key("a"), to: key("c") },
        Effect::Move { from: key("b"), to: key("a") },
    ];
    recording.recorder().record(effects);
    until(&ledger, |reading| reading.inventory.get(&key("c")).is_some()).await;
    drop(recording);

    let path = folder.path().join("inventory/prod.journal");
    let whole = std::fs::read_to_string(&path).unwrap();
    let mut seen = vec![names(&ledger).await];
    for end in (0..whole.len()).rev() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let names = names(&ledger).await;
        if seen.last() != Some(&names) {
            seen.push(names);
        }
    }
    let expected: [&[&str]; 5] = [&["a", "c"], &["b", "c"], &["a", "b"], &["a"], &[]];
    assert_eq!(seen, expected);

    // What is damaged before its end is no torn line.
    for (from, to, why) in [
        ("\"put\"", "\"pat\"", "line 2: `learn` is missing"),
        ("journal_of", "journal", "its first line does not say what it is a journal of"),
        ("{", "", "its first line does not say what it is a journal of"),
    ] {
        std::fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        let error = ledger.read().await.unwrap_err();
        assert!(error.to_string().ends_with("prod.journal cannot be read"), "{error}");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), why);
    }
}

#[tokio::test]
async fn a_journal_that_was_folded_is_not_folded_again() {
    let (folder, ledger) = in_file();
    let recording = begin(&ledger, Vec::new()).await.unwrap();
    recording.recorder().record(vec![put("a", "1"), put("b", "2")]);
    recording.finish(run()).await.unwrap();
    let recording = begin(&ledger, Vec::new()).await.unwrap();
    let swap = vec![
        Effect::Move { from: key("a"), to: key("c") },
        Effect::Move { from: key("b"), to: key("a") },
        Effect::Move { from: key("c"), to: key("b") },
    ];
    recording.recorder().record(swap);
    until(&ledger, |reading| {
        reading.inventory.get(&key("a")).is_some_and(|entry| entry.id == Some(ObjectId::new("2")))
            && reading.inventory.len() == 2
    })
    .await;
    let path = folder.path().join("inventory/prod.journal");
    let journal = std::fs::read(&path).unwrap();
    recording.finish(run()).await.unwrap();
    // As after a kill between the last write and the removal of the journal.
    std::fs::write(&path, journal).unwrap();
    let reading = ledger.read().await.unwrap();
    assert!(!reading.is_unfinished);
    assert_eq!(reading.inventory.get(&key("a")).unwrap().id, Some(ObjectId::new("2")));
}

#[tokio::test]
async fn of_two_writers_one_is_told() {
    let (_folder, file) = in_file();
    for ledger in [&file, &in_memory()] {
        let first = ledger.read().await.unwrap();
        let recording = begin(ledger, vec![create("a")]).await.unwrap();
        let late = ledger.begin(first, Opening { has_steps: true, ..Opening::default() }).await;
        assert!(matches!(late, Err(Error::Changed { .. })), "{late:?}");

        // And the other way: somebody writes while an apply is recorded.
        let other = begin(ledger, vec![create("b")]).await.unwrap();
        other.finish(run()).await.unwrap();
        recording.recorder().record(vec![put("a", "1")]);
        if !ledger.is_file() {
            recording.broken().cancelled().await;
        }
        assert!(matches!(recording.finish(run()).await, Err(Error::Changed { .. })));
        assert_eq!(ledger.read().await.unwrap().inventory.runs.len(), 1, "the other one's record stands");
    }
}

#[tokio::test]
async fn an_apply_with_no_steps_writes_once_at_its_end() {
    let ledger = in_memory();
    let reading = ledger.read().await.unwrap();
    let opening = Opening { effects: vec![put("a", "1")], ..Opening::default() };
    let recording = ledger.begin(reading, opening).await.unwrap();
    assert!(!ledger.read().await.unwrap().exists);
    recording.finish(Run { serial: Some(7), ..run() }).await.unwrap();
    let inventory = ledger.read().await.unwrap().inventory;
    assert_eq!((inventory.len(), inventory.serial), (1, Some(7)));
}

#[tokio::test]
async fn what_others_own_is_known() {
    let (folder, file) = in_file();
    let store = Arc::new(InMemory::new());
    let beside = Ledger::file(&folder.path().join("inventory/staging.json")).unwrap();
    let pairs = [
        (file, beside),
        (
            Ledger::in_store(store.clone(), "team/prod.json").unwrap(),
            Ledger::in_store(store, "team/staging.json").unwrap(),
        ),
    ];
    for (ledger, other) in pairs {
        let recording = begin(&other, Vec::new()).await.unwrap();
        let released = Effect::Put { key: key("b"), entry: Entry { standing: Standing::Released, ..entry("2") } };
        recording.recorder().record(vec![put("a", "1"), released]);
        recording.finish(run()).await.unwrap();
        let siblings = ledger.siblings().await.unwrap();
        let expected = HashMap::from([((key("a").kind, ObjectId::new("1")), Arc::from("staging"))]);
        assert_eq!(siblings, expected);
        assert!(other.siblings().await.unwrap().is_empty(), "its own is none of others'");
    }
    std::fs::write(folder.path().join("inventory/package.json"), "{}").unwrap();
    let ledger = Ledger::file(&folder.path().join("inventory/prod.json")).unwrap();
    assert_eq!(ledger.siblings().await.unwrap().len(), 1, "what is no inventory owns nothing");
}

async fn lock(ledger: &Ledger, by: &str, timeout: u64) -> (Result<Lease, Error>, Vec<String>) {
    let mut told = Vec::new();
    let mut on_wait = |held: &Held| told.push(held.holder.by.clone());
    let patience = Patience { timeout: Duration::from_secs(timeout), on_wait: &mut on_wait };
    let lease = ledger.lock(holder(by), patience).await;
    (lease, told)
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_held_for_as_long_as_it_is_renewed() {
    let ledger = in_memory();
    let (first, _) = lock(&ledger, "a", 0).await;
    let first = first.unwrap();
    let (second, told) = lock(&ledger, "b", 600).await;
    assert_eq!(told, ["a"], "once, and not at every look");
    match second {
        Err(Error::Locked { held, waited, .. }) => {
            assert_eq!((held.holder.by.as_str(), waited.as_secs()), ("a", 600));
            assert!(held.expires_at.is_some_and(|time| time > held.holder.since), "{held}: it was renewed");
        }
        other => panic!("{other:?}"),
    }
    assert!(!first.lost().is_cancelled());
    first.release().await.unwrap();
    assert!(ledger.holder().await.unwrap().is_none());
    let (third, told) = lock(&ledger, "c", 0).await;
    assert!(third.is_ok() && told.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_nobody_renews_dies() {
    let ledger = in_memory();
    let (first, _) = lock(&ledger, "a", 0).await;
    // As if its process was killed.
    drop(first);
    let began = tokio::time::Instant::now();
    let (second, told) = lock(&ledger, "b", 600).await;
    assert!(second.is_ok());
    assert_eq!(told, ["a"]);
    let waited = began.elapsed().as_secs();
    assert!((30..=32).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_the_lock_is_told() {
    let ledger = in_memory();
    let (first, _) = lock(&ledger, "a", 0).await;
    let first = first.unwrap();
    ledger.break_lock(&holder("somebody else")).await.unwrap();
    assert_eq!(holder_of(&ledger).await, Some(holder("a")), "only the holder that was seen loses it");
    ledger.break_lock(&holder("a")).await.unwrap();
    let (second, told) = lock(&ledger, "b", 0).await;
    assert!(second.is_ok() && told.is_empty());
    first.lost().cancelled().await;
    let held = first.taken_by().cloned().map(Box::new);
    let text = Error::LockLost { place: "p.json".to_owned(), held }.to_string();
    let text = text.replace(&std::process::id().to_string(), "<pid>");
    insta::assert_snapshot!(text, @"the lock on the inventory in p.json was lost to b (`sbx apply`, process <pid>) until 2026-03-24T12:00:30Z, unless that is renewed");
    first.release().await.unwrap();
    assert_eq!(holder_of(&ledger).await, Some(holder("b")), "a lock that was lost is left alone");
}

#[tokio::test(start_paused = true)]
async fn of_a_lock_that_was_broken_nobody_is_said_to_have_it() {
    let ledger = in_memory();
    let (first, _) = lock(&ledger, "a", 0).await;
    let first = first.unwrap();
    ledger.break_lock(&holder("a")).await.unwrap();
    first.lost().cancelled().await;
    assert_eq!(first.taken_by(), None);
}

async fn holder_of(ledger: &Ledger) -> Option<Holder> {
    ledger.holder().await.unwrap().map(|held| held.holder)
}

#[tokio::test]
async fn the_lock_of_a_dead_process_on_this_machine_is_taken_at_once() {
    let (folder, ledger) = in_file();
    // Larger than any process id that Linux gives.
    let dead = Holder { pid: u32::MAX, machine: Some("this".to_owned()), ..holder("dead") };
    let mut on_wait = |_: &Held| {};
    drop(ledger.lock(dead, Patience { timeout: Duration::ZERO, on_wait: &mut on_wait }).await.unwrap());
    let (refused, _) = lock(&ledger, "elsewhere", 0).await;
    assert!(matches!(refused, Err(Error::Locked { .. })), "another machine cannot know: {refused:?}");
    let mut on_wait = |_: &Held| {};
    let own = Holder { machine: Some("this".to_owned()), ..holder("own") };
    let taken = ledger.lock(own, Patience { timeout: Duration::ZERO, on_wait: &mut on_wait }).await;
    assert_eq!(taken.is_ok(), std::path::Path::new("/proc/self").exists());
    if let Ok(lease) = taken {
        lease.release().await.unwrap();
        assert!(!folder.path().join("inventory/prod.lock").exists());
    }
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_is_somebody_s_until_it_is_broken() {
    let (folder, ledger) = in_file();
    std::fs::create_dir_all(folder.path().join("inventory")).unwrap();
    std::fs::write(folder.path().join("inventory/prod.lock"), "{").unwrap();
    let (refused, _) = lock(&ledger, "a", 0).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains(" is locked by somebody unknown, as the lock cannot be read; "), "{error}");
    ledger.break_lock(&holder_of(&ledger).await.unwrap()).await.unwrap();
    assert!(lock(&ledger, "a", 0).await.0.is_ok());
}

#[test]
fn places_are_paths_or_addresses_of_objects() {
    let open = |place: &str| Ledger::open(place, &[]);
    assert_eq!(open("state/prod.json").unwrap().place(), "state/prod.json");
    assert_eq!(open("prod.json").unwrap().place(), "prod.json");
    assert_eq!(open("file:///state/prod.json").unwrap().place(), "/state/prod.json");
    for (place, why) in [
        ("state", "it must name a file that ends with `.json`"),
        (".json", "it must name a file that ends with `.json`"),
        ("ftp://a/b.json", "it begins with none of s3://, gs://, az:// and file://"),
        ("file://host/a.json", "it is no path of this machine"),
    ] {
        let error = open(place).unwrap_err();
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), why, "{place}");
    }
}
