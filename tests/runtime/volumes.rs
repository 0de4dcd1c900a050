//! Volumes, as users have them.

use serde_json::{Value, json};

use crate::served::{Ran, Served, becomes};

#[test]
fn a_volume_is_shared_outlives_its_sandboxes_and_goes_when_it_is_deleted() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = Served::start(&data);
    server.ok("POST", "/volumes", &json!({"name": "v", "size": "1Gi"}));
    server.template("t", &json!([{"volume_name": "v", "mount_path": "/data/deep"}]));
    let [one, other] = ["one", "other"].map(|name| server.sandbox(name, "t"));
    // Both run, and each has users of its own.
    let said = |code, stdout: &str| Ran { code, stdout: stdout.to_owned() };
    let write = "umask 077; echo secret > /data/deep/file; stat -c '%u %a' /data/deep/file";
    assert_eq!(server.sh(&one, write), said(0, "0 600\n"));
    assert_eq!(server.sh(&other, "cat /data/deep/file; echo more >> /data/deep/file; id -u"), said(0, "secret\n0\n"));
    assert_eq!(server.sh(&one, "cat /data/deep/file"), said(0, "secret\nmore\n"));
    server.ok("DELETE", "/boxes/one", &Value::Null);
    server.ok("DELETE", "/boxes/other", &Value::Null);
    server.stop();

    let server = Served::start(&data);
    let third = server.sandbox("third", "t");
    assert_eq!(server.sh(&third, "cat /data/deep/file; rm /data/deep/file"), said(0, "secret\nmore\n"));
    assert_eq!(server.sh(&third, "mkdir -m 0 /data/deep/closed; touch /data/deep/last"), said(0, ""));
    assert_eq!(server.entries("volumes").len(), 1);
    for path in ["/boxes/third", "/templates/t", "/volumes/v"] {
        server.ok("DELETE", path, &Value::Null);
    }
    becomes("no volume", &Vec::<String>::new(), || server.entries("volumes"));
    server.stop();
}

#[test]
fn a_volume_that_was_deleted_before_a_kill_is_gone_after_it() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = Served::start(&data);
    let names: Vec<_> = (0..8).map(|n| format!("v{n}")).collect();
    let mounts: Vec<_> =
        names.iter().map(|name| json!({"volume_name": name, "mount_path": format!("/{name}")})).collect();
    for name in &names {
        server.ok("POST", "/volumes", &json!({"name": name, "size": "1Gi"}));
    }
    server.template("t", &json!(mounts));
    let id = server.sandbox("s", "t");
    server.sh(&id, "for volume in /v*; do mkdir $volume/many; (cd $volume/many; seq 2000 | xargs touch); done");
    for path in ["/boxes/s", "/templates/t"] {
        server.ok("DELETE", path, &Value::Null);
    }
    for name in &names {
        server.ok("DELETE", &format!("/volumes/{name}"), &Value::Null);
    }
    server.kill();
    let server = Served::start(&data);
    becomes("no volume", &Vec::<String>::new(), || server.entries("volumes"));
    assert!(server.entries("sandboxes").is_empty());
    server.stop();
}
