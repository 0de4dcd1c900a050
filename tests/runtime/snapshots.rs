//! What a sandbox has changed, kept as a layer that others are made from.

use std::path::Path;
use std::sync::Arc;

use sbx::server::runtime::{BuildImage, Instance, LaunchSpec, Runtime, SnapshotFiles};

use crate::bench::{Bench, id, is_enforced, is_root, open, sh, spec};

/// Builds the snapshot that all of these begin with: the machine's own files.
async fn base(runtime: &Arc<dyn Runtime>) -> SnapshotFiles {
    let image = BuildImage { reference: "debian:12".to_owned(), registry: None };
    let built = runtime.build(&image).await.expect("the machine's files stand in for every image");
    assert!(built.digest.is_some());
    built.files.expect("this runtime keeps files")
}

async fn launch(runtime: &Arc<dyn Runtime>, number: u32, files: &SnapshotFiles) -> Arc<dyn Instance> {
    let spec = LaunchSpec { files: Some(files.clone()), ..spec() };
    runtime.launch(&id(number), &spec).await.expect("it starts")
}

async fn capture(runtime: &Arc<dyn Runtime>, number: u32, below: &SnapshotFiles) -> SnapshotFiles {
    let built = runtime.capture(&id(number), &Some(below.clone())).await.expect("it has a disk");
    assert!(built.used_bytes.is_some_and(|bytes| bytes > 0));
    built.files.expect("this runtime keeps files")
}

fn layers(bench: &Bench) -> usize {
    let name = if is_root() { "layers" } else { "layers-unprivileged" };
    let folder = bench.folder.path().join("runtime/images").join(name);
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_copy_has_what_the_original_has() {
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let original = launch(&bench.runtime, 1, &base).await;
    let make = "set -e
        mkdir -p /opt/d/e && echo one > /opt/d/e/file && chmod 640 /opt/d/e/file
        ln -s /etc/passwd /opt/d/absolute && ln -s e/file /opt/d/relative && ln /opt/d/e/file /opt/d/hard
        mkfifo /opt/d/pipe && touch '/opt/d/a name
of two lines' && rm /etc/hosts && echo gone > /tmp/gone && head -c 1000000 /dev/zero > /opt/d/zeros
        touch -d 2001-02-03T04:05:06Z /opt/d/e/file";
    let done = sh(&original, make).await;
    assert_eq!(done.code, 0, "{done:?}");
    let first = capture(&bench.runtime, 1, &base).await;
    let copy = launch(&bench.runtime, 2, &first).await;
    let show = "cat /opt/d/relative; readlink /opt/d/absolute; stat -c '%a %h %Y %F' /opt/d/hard /opt/d/pipe
        ls /opt/d | wc -l; ls /etc/hosts /tmp/gone 2>/dev/null; stat -c %s /opt/d/zeros";
    let expected = "one\n/etc/passwd\n640 2 981173106 regular file\n644 1";
    let shown = sh(&copy, show).await.stdout;
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.ends_with("fifo\n8\n1000000\n"), "{shown}");

    let done = sh(&copy, "rm -r /opt/d && mkdir /opt/d && echo two > /opt/d/file && echo kept > /etc/hosts").await;
    assert_eq!(done.code, 0, "{done:?}");
    let second = capture(&bench.runtime, 2, &first).await;
    let third = launch(&bench.runtime, 3, &second).await;
    assert_eq!(sh(&third, "ls /opt/d; cat /opt/d/file /etc/hosts").await.stdout, "file\ntwo\nkept\n");
    let again = launch(&bench.runtime, 4, &first).await;
    assert_eq!(sh(&again, "cat /opt/d/e/file").await.stdout, "one\n", "what is captured stays as it was");
    for sandbox in [original, copy, third, again] {
        sandbox.destroy().await;
    }
}

#[tokio::test]
async fn what_is_shut_is_captured_and_stays_shut() {
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let original = launch(&bench.runtime, 1, &base).await;
    let make = "set -e; mkdir -p /opt/shut/deep && echo one > /opt/shut/deep/file && echo two > /opt/file
        chmod 0 /opt/shut/deep/file /opt/shut/deep /opt/shut /opt/file";
    let done = sh(&original, make).await;
    assert_eq!(done.code, 0, "{done:?}");
    let files = capture(&bench.runtime, 1, &base).await;
    let copy = launch(&bench.runtime, 2, &files).await;
    let show = "cat /opt/shut/deep/file /opt/file; stat -c '%a' /opt/shut /opt/shut/deep /opt/shut/deep/file /opt/file";
    // The folders of layers stay open to an ordinary user, who could not remove them otherwise.
    let folder = if is_root() { "0" } else { "700" };
    for (sandbox, folder) in [(original, "0"), (copy, folder)] {
        assert_eq!(sh(&sandbox, show).await.stdout, format!("one\ntwo\n{folder}\n{folder}\n0\n0\n"));
        sandbox.destroy().await;
    }
}

#[tokio::test]
async fn owners_are_those_of_the_sandbox() {
    if !is_root() {
        // A sandbox of an ordinary user has one user.
        return;
    }
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let original = launch(&bench.runtime, 1, &base).await;
    assert_eq!(sh(&original, "touch /opt/a /opt/b && chown 1000:2000 /opt/b").await.code, 0);
    let files = capture(&bench.runtime, 1, &base).await;
    let copy = launch(&bench.runtime, 2, &files).await;
    assert_eq!(sh(&copy, "stat -c '%u %g' /opt/a /opt/b").await.stdout, "0 0\n1000 2000\n");
    original.destroy().await;
    copy.destroy().await;
}

#[tokio::test]
async fn a_disk_outlives_a_halt() {
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let sandbox = launch(&bench.runtime, 1, &base).await;
    sh(&sandbox, "echo kept > /opt/file; echo kept > /tmp/file").await;
    sandbox.halt().await;
    assert!(sandbox.dial(80).await.is_err());
    let files = capture(&bench.runtime, 1, &base).await;
    let again = launch(&bench.runtime, 1, &base).await;
    assert_eq!(sh(&again, "cat /opt/file /tmp/file").await.stdout, "kept\nkept\n");
    let copy = launch(&bench.runtime, 2, &files).await;
    assert_eq!(sh(&copy, "cat /opt/file /tmp/file").await.stdout, "kept\n");
    again.destroy().await;
    copy.destroy().await;
}

async fn launch_sized(bench: &Bench, (number, storage): (u32, &str), files: &SnapshotFiles) -> Arc<dyn Instance> {
    let storage = Some(storage.parse().expect("a quantity"));
    let spec = LaunchSpec { files: Some(files.clone()), storage, ..spec() };
    bench.runtime.launch(&id(number), &spec).await.unwrap_or_else(|error| panic!("{}: {error}", error.kind))
}

const FILL: &str = "head -c 60000000 /dev/zero > /opt/big; stat -c %s /opt/big; rm /opt/big";

#[tokio::test]
async fn a_disk_of_a_limited_size_is_captured_whether_its_sandbox_runs_or_not() {
    engine!();
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let sandbox = launch_sized(&bench, (1, "32Mi"), &base).await;
    assert_eq!(
        sh(&sandbox, "echo running > /opt/file && rm /etc/hosts && { chown 7:7 /opt/file 2>/dev/null || :; }")
            .await
            .code,
        0
    );
    let is_enforced = is_enforced(&bench, "storage");
    let filled = sh(&sandbox, FILL).await;
    assert_eq!(filled.stderr.contains("No space left on device"), is_enforced, "{filled:?}");
    assert_ne!(sandbox.notice().is_some_and(|notice| notice.contains("storage 32Mi")), is_enforced);

    let running = capture(&bench.runtime, 1, &base).await;
    sh(&sandbox, "echo halted > /opt/file").await;
    sandbox.halt().await;
    let halted = capture(&bench.runtime, 1, &base).await;
    // What was halted is held by somebody still, as a server does with one that has ended.
    let again = launch_sized(&bench, (1, "32Mi"), &base).await;
    sh(&again, "echo again > /opt/file").await;
    drop(sandbox);
    let later = capture(&bench.runtime, 1, &base).await;
    drop(again);
    // Nobody has it open, as after a restart of the server.
    let Bench { runtime, folder } = bench;
    drop(runtime);
    let bench = Bench { runtime: open(folder.path().join("runtime")).await, folder };
    bench.runtime.recover(&[id(1)]).await;
    assert_eq!(capture(&bench.runtime, 1, &base).await, later, "the same files are the same layer");

    for (number, files, text) in [(2, running, "running"), (3, halted, "halted"), (4, later, "again")] {
        let copy = launch_sized(&bench, (number, "32Mi"), &files).await;
        let shown = sh(&copy, "cat /opt/file; ls /etc/hosts 2>/dev/null; stat -c %u /opt/file").await.stdout;
        let owner = if is_root() { 7 } else { 0 };
        assert_eq!(shown, format!("{text}\n{owner}\n"));
        copy.destroy().await;
    }
    bench.runtime.discard(&id(1)).await;
}

#[tokio::test]
async fn a_disk_of_a_limited_size_grows_with_the_next_start() {
    engine!();
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let small = launch_sized(&bench, (1, "32Mi"), &base).await;
    sh(&small, "echo kept > /opt/file").await;
    drop(small);
    for size in ["128Mi", "64Mi"] {
        let grown = launch_sized(&bench, (1, size), &base).await;
        assert_eq!(sh(&grown, FILL).await.stdout, "60000000\n", "it does not shrink either");
        assert_eq!(sh(&grown, "cat /opt/file").await.stdout, "kept\n");
        grown.halt().await;
    }
    bench.runtime.discard(&id(1)).await;
}

#[tokio::test]
async fn a_disk_that_was_made_without_a_limit_says_so() {
    engine!();
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    drop(launch(&bench.runtime, 1, &base).await);
    let again = launch_sized(&bench, (1, "32Mi"), &base).await;
    let said = again.notice().unwrap_or_default();
    assert!(said.starts_with("not enforced on this machine: ") && said.contains("storage 32Mi"), "{said}");
    again.destroy().await;
}

#[tokio::test]
async fn layers_go_with_the_last_that_needs_them() {
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let sandbox = launch(&bench.runtime, 1, &base).await;
    sh(&sandbox, "echo 1 > /opt/file").await;
    let first = capture(&bench.runtime, 1, &base).await;
    sh(&sandbox, "echo 2 > /opt/file").await;
    let second = capture(&bench.runtime, 1, &first).await;
    let same = capture(&bench.runtime, 1, &first).await;
    assert_eq!(second, same, "the same files are the same layer");
    sandbox.destroy().await;
    assert_eq!(layers(&bench), 2);
    bench.runtime.free(&first, std::slice::from_ref(&second)).await;
    assert_eq!(layers(&bench), 2, "the second one has it");
    bench.runtime.free(&second, &[]).await;
    assert_eq!(layers(&bench), 0);
    let spec = LaunchSpec { files: Some(second), ..spec() };
    let error = bench.runtime.launch(&id(2), &spec).await.err().expect("its layers are gone");
    assert!(error.message.contains("is gone"), "{error}");
}

#[tokio::test]
async fn what_a_sandbox_names_leads_nowhere() {
    let bench = Bench::new().await;
    let base = base(&bench.runtime).await;
    let secret = bench.folder.path().join("secret");
    std::fs::write(&secret, "of the machine").expect("can be written");
    let sandbox = launch(&bench.runtime, 1, &base).await;
    let make =
        format!("mkdir /opt/d && ln -s {0} /opt/d/link && ln -s {1} /opt/folder", secret.display(), parent(&secret));
    assert_eq!(sh(&sandbox, &make).await.code, 0);
    let files = capture(&bench.runtime, 1, &base).await;
    let copy = launch(&bench.runtime, 2, &files).await;
    assert_eq!(sh(&copy, "cat /opt/d/link /opt/folder/secret 2>/dev/null").await.stdout, "");
    assert_eq!(sh(&copy, "readlink /opt/d/link").await.stdout.trim(), secret.display().to_string());
    sandbox.destroy().await;
    copy.destroy().await;
}

fn parent(path: &Path) -> String {
    path.parent().expect("it is in a folder").display().to_string()
}
