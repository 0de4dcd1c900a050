//! Searches of files, with names and contents of no good will.

use std::sync::Arc;
use std::time::Duration;

use sbx::server::runtime::{Entry, EntrySearch, FileError, Found, Instance, Line, LineSearch, SearchScope};
use tokio::task::JoinSet;

use crate::bench::{Bench, sh};

/// More than any search here takes.
const TIME: Duration = Duration::from_secs(30);

fn scope(folder: &str, limit: usize, time: Duration) -> SearchScope {
    SearchScope { folder: folder.to_owned(), limit, time }
}

async fn glob(sandbox: &Arc<dyn Instance>, pattern: &str, folder: &str, limit: usize) -> Found<Entry> {
    let search = EntrySearch { scope: scope(folder, limit, TIME), pattern: pattern.parse().expect("a pattern") };
    sandbox.glob(&search).await.expect("the folder can be read")
}

async fn grep(sandbox: &Arc<dyn Instance>, text: &str, folder: &str, limit: usize) -> Found<Line> {
    let search = LineSearch { scope: scope(folder, limit, TIME), text: text.to_owned(), files: None };
    sandbox.grep(&search).await.expect("the folder can be read")
}

fn paths(found: &Found<Entry>) -> Vec<&str> {
    found.matches.iter().map(|entry| entry.path.as_str()).collect()
}

async fn with_files(bench: &Bench, script: &str) -> Arc<dyn Instance> {
    let sandbox = bench.sandbox(1).await;
    let done = sh(&sandbox, &format!("set -e; mkdir /srv/w; cd /srv/w\n{script}")).await;
    assert_eq!(done.code, 0, "{done:?}");
    sandbox
}

#[tokio::test]
async fn paths_and_lines_are_found_in_the_order_of_names() {
    let bench = Bench::new().await;
    let make = "mkdir -p b/deep && printf 'one\\ntwo\\r\\n' > b/deep/x.py && echo two > a.py && echo 'two .*' > .hidden
        touch -d 2001-02-03T04:05:06Z a.py && chmod 0 .hidden && ln -s b link && ln -s nowhere broken";
    let sandbox = with_files(&bench, make).await;
    let all = glob(&sandbox, "**", "/srv/w", 100).await;
    let names =
        [".hidden", "a.py", "b", "b/deep", "b/deep/x.py", "broken", "link"].map(|name| format!("/srv/w/{name}"));
    assert_eq!((paths(&all), all.is_truncated), (names.iter().map(String::as_str).collect(), false));
    let file = &all.matches[1];
    assert_eq!((file.is_folder, file.size), (false, 4));
    assert_eq!(file.modified.expect("it has one").to_string(), "2001-02-03T04:05:06Z");
    assert!(all.matches[6].is_folder, "a link is what it leads to, and is not gone into");
    assert_eq!(paths(&glob(&sandbox, "*/*/x.[pq]y", "/srv/w/", 100).await), ["/srv/w/b/deep/x.py"]);
    assert_eq!(
        paths(&glob(&sandbox, "*", "/srv/w/link", 100).await),
        ["/srv/w/b/deep"],
        "a search may begin at a link"
    );
    let some = glob(&sandbox, "**", "/srv/w", 2).await;
    assert_eq!((some.matches.len(), some.is_truncated), (2, true));
    let lines = grep(&sandbox, "two", "/srv/w", 100).await;
    let found: Vec<_> =
        lines.matches.iter().map(|line| (line.path.as_str(), line.number, line.text.as_str())).collect();
    let expected = [("/srv/w/.hidden", 1, "two .*"), ("/srv/w/a.py", 1, "two"), ("/srv/w/b/deep/x.py", 2, "two")];
    assert_eq!((found, lines.is_truncated), (expected.to_vec(), false), "root reads what is closed to others");
    assert_eq!(grep(&sandbox, ".*", "/srv/w", 100).await.matches.len(), 1, "it is no expression");
    for folder in ["/srv/none", "/srv/w/a.py"] {
        let search = EntrySearch { scope: scope(folder, 1, TIME), pattern: "*".parse().expect("a pattern") };
        assert!(matches!(sandbox.glob(&search).await, Err(FileError::Io(_))), "{folder}");
    }
    sandbox.destroy().await;
}

#[tokio::test]
async fn no_link_leads_out_of_the_sandbox_or_in_circles() {
    let bench = Bench::new().await;
    let secret = bench.folder.path().join("secret");
    std::fs::write(&secret, "planted").expect("it can be written");
    let outside = bench.folder.path().display().to_string();
    let make = format!(
        "ln -s {outside} out && ln -s ../../../../../../../../{outside} up && ln -s . self && mkdir d && ln -s .. d/back
        ln -s /proc/1/root proc"
    );
    let sandbox = with_files(&bench, &make).await;
    for folder in ["/srv/w", "/srv/w/self/self"] {
        assert_eq!(grep(&sandbox, "planted", folder, 10).await.matches, []);
    }
    assert_eq!(paths(&glob(&sandbox, "**/secret", "/srv/w", 10).await), [""; 0]);
    for folder in ["out", "up"] {
        let folder = format!("/srv/w/{folder}");
        let search = EntrySearch { scope: scope(&folder, 10, TIME), pattern: "**".parse().expect("a pattern") };
        let found = sandbox.glob(&search).await;
        assert!(matches!(found, Err(FileError::Io(_))), "there is no such folder in here: {found:?}");
    }
    let all = glob(&sandbox, "**", "/srv/w", 1000).await;
    assert_eq!((all.matches.len(), all.is_truncated), (6, false));
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_search_ends_whatever_the_files_are() {
    let bench = Bench::new().await;
    let make = "mkfifo pipe && head -c 3000000 /dev/zero | tr '\\0' x > long && echo needle >> long
        printf 'needle\\0' > binary && mkdir -m 0 shut && i=0; while [ $i -lt 300 ]; do printf 'needle %01000d\\n' 0; i=$((i+1)); done > many
        printf '\\377needle\\n' > odd && touch \"$(printf 'n\\377')\"
        d=.; i=0; while [ $i -lt 60 ]; do d=$d/deeper; i=$((i+1)); done; mkdir -p $d; echo needle > $d/x";
    let sandbox = with_files(&bench, make).await;
    let found = grep(&sandbox, "needle", "/srv/w", 1000).await;
    assert!(!found.is_truncated);
    let of = |name: &str| found.matches.iter().filter(|line| line.path.ends_with(name)).count();
    assert_eq!((of("/many"), of("/odd"), of("/deeper/x"), of("/binary"), of("/long")), (300, 1, 1, 0, 1));
    let long = found.matches.iter().find(|line| line.path.ends_with("/long")).expect("it has one");
    assert_eq!((long.number, long.text.len() <= 4096), (1, true), "a line of megabytes is cut");
    // The machine's own tree has no end that anybody would wait for, and none of it is anybody's file.
    let everything = grep(&sandbox, "needle in no file of this machine", "/proc", 10).await;
    assert_eq!(everything.matches, []);
    let time = Duration::ZERO;
    let search = EntrySearch { scope: scope("/", 10, time), pattern: "**".parse().expect("a pattern") };
    assert!(sandbox.glob(&search).await.expect("it can be read").is_truncated, "there was no time");
    let search = EntrySearch { scope: scope("/", 10_000_000, TIME), pattern: "proc/**".parse().expect("a pattern") };
    let found = sandbox.glob(&search).await.expect("it can be read");
    assert_eq!((paths(&found), found.is_truncated), (vec!["/proc"], false));
    sandbox.destroy().await;
}

#[tokio::test]
async fn an_answer_has_room_for_no_more_than_a_message() {
    let bench = Bench::new().await;
    // Each of these bytes takes six in an answer.
    let make = "i=0; while [ $i -lt 4000 ]; do printf '%04000dx\\n' 0; i=$((i+1)); done | tr 0 '\\001' > many";
    let sandbox = with_files(&bench, make).await;
    let found = grep(&sandbox, "x", "/srv/w", 10_000).await;
    assert!(found.is_truncated && found.matches.len() > 100, "{}", found.matches.len());
    assert_eq!(sh(&sandbox, "echo alive").await.stdout, "alive\n");
    sandbox.destroy().await;
}

#[tokio::test]
async fn many_searches_at_once_leave_room_for_files() {
    let bench = Bench::new().await;
    let sandbox = with_files(&bench, "echo x > x").await;
    let mut searches = JoinSet::new();
    for _ in 0..40 {
        let sandbox = Arc::clone(&sandbox);
        searches.spawn(async move { grep(&sandbox, "needle", "/usr/share", 10).await });
    }
    assert!(sandbox.read("/srv/w/x").await.is_ok());
    assert_eq!(searches.join_all().await.len(), 40);
    sandbox.destroy().await;
}
