//! What stays of a sandbox, and what does not.

use std::path::Path;

use sbx::server::runtime::Mount;
use sbx::types::VolumeId;

use crate::bench::{Bench, id, open, sh};

/// As many as a run of the tests has time for; `SBX_LIVES` is another number.
const LIVES: u32 = 30;

#[tokio::test]
async fn a_disk_outlives_the_server() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    sh(&sandbox, "echo kept > file").await;
    drop(sandbox);
    let Bench { runtime, folder } = bench;
    drop(runtime);

    let runtime = open(folder.path().join("runtime")).await;
    assert!(runtime.recover(&[id(1)]).await.is_empty(), "processes end with the server");
    let again = Bench { runtime, folder };
    let sandbox = again.sandbox(1).await;
    assert_eq!(sh(&sandbox, "cat file").await.stdout, "kept\n");
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_volume_outlives_its_sandboxes() {
    let bench = Bench::new().await;
    let mounts = || vec![Mount { volume: VolumeId::new("v1"), path: "/data".to_owned(), read_only: false }];
    let one = bench.sandbox_with(1, mounts()).await;
    assert_eq!(sh(&one, "echo kept > /data/file && stat -c %u /data/file").await.stdout, "0\n");
    one.destroy().await;
    let other = bench.sandbox_with(2, mounts()).await;
    assert_eq!(sh(&other, "cat /data/file && stat -c %u /data/file && rm /data/file").await.stdout, "kept\n0\n");
    other.destroy().await;
}

#[tokio::test]
async fn a_sandbox_that_ends_by_itself_is_noticed() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let ended = sandbox.ended();
    let destroyed = sandbox.destroy();
    let (reason, ()) = tokio::join!(ended, destroyed);
    assert!(!reason.is_empty());
    assert!(sandbox.dial(80).await.is_err());
}

#[tokio::test]
async fn nothing_is_left_of_many_sandboxes() {
    #[expect(clippy::disallowed_methods, reason = "the long form of a test is asked for by the environment")]
    let lives = std::env::var("SBX_LIVES").map_or(LIVES, |text| text.parse().expect("a number"));
    let bench = Bench::new().await;
    for number in 1..=lives {
        let sandbox = bench.sandbox(number).await;
        assert_eq!(sh(&sandbox, "true").await.code, 0);
        sandbox.destroy().await;
    }
    assert_eq!(entries(&bench.folder.path().join("runtime/sandboxes")), 0);
    assert_eq!(entries(&bench.folder.path().join("runtime/mount")), 0);
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("is there");
    assert!(!mounts.contains(&bench.folder.path().display().to_string()), "{mounts}");
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("is there").count()
}
