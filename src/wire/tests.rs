//! Bodies as servers and clients of the second generation write them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "hunter2-planted";

/// Reads a body, and writes it again.
fn again<T: DeserializeOwned + Serialize>(body: &Value) -> Value {
    let read: T = serde_json::from_value(body.clone()).unwrap_or_else(|error| panic!("{error} in {body}"));
    serde_json::to_value(read).expect("bodies are JSON")
}

fn proxy(secret: &Value) -> Value {
    json!({
        "rules": [
            {"name": "openai", "enabled": true, "match_hosts": ["api.openai.com"], "match_paths": ["/v1/*"],
             "headers": [{"name": "Authorization", "type": "opaque", "value": secret}],
             "env_vars": {"KEY": secret}, "match_port": 443},
            {"name": "aws", "aws": {"access_key_id": {"type": "opaque", "value": secret},
             "secret_access_key": {"type": "opaque", "is_set": true}, "token_of_later": secret}},
            {"name": "gcp", "gcp": {"service_account_json": {"type": "workspace_secret", "value": "{GCP}"},
             "scopes": ["a"]}},
            {"name": "elsewhere", "rewrite": {"port": 80, "host": "h", "credentials": "keep"}},
        ],
        "access_control": {"allow_list": ["*.example.com"]},
        "callbacks": [{"url": "https://x", "ttl_seconds": 60, "match_hosts": ["a"],
            "request_headers": [{"name": "K", "type": "plaintext", "value": secret}]}],
        "key_of_later": secret,
    })
}

fn mounts(secret: &Value) -> Value {
    json!({
        "auth": {"aws": {"access_key_id": {"type": "opaque", "value": secret},
                         "secret_access_key": {"type": "opaque", "value": secret}},
                 "azure": {"storage_account": "a", "sas_token": {"type": "opaque", "value": secret}}},
        "mounts": [
            {"id": "a", "type": "s3", "mount_path": "/a", "read_only": true, "cache": {"max_size_bytes": 1},
             "s3": {"bucket": "b", "region": "r"}, "encryption": {"kms_key": "k"}},
            {"id": "b", "type": "gcs", "mount_path": "/b", "gcs": {"bucket": "b", "prefix": "p"}},
            {"id": "c", "type": "git", "mount_path": "/c",
             "git": {"remote_url": "u", "ref": {"type": "tag", "name": "v1"}, "refresh_interval_seconds": 60}},
            {"id": "d", "type": "contexthub", "mount_path": "/d", "contexthub": {"repo": "o/r"}},
            {"id": "e", "type": "nfs", "mount_path": "/e", "nfs": {"password": secret}},
        ],
    })
}

#[test]
fn what_is_read_is_written_again_with_what_is_not_known() {
    let run_config = json!({"user": "me", "work_dir": "/w", "env_vars": {"A": "1"}, "umask": 18});
    let (proxy, mounts) = (proxy(&json!("s")), mounts(&json!("s")));
    let create = json!({
        "name": "s", "snapshot": "team/image:v1", "vcpus": 2, "mem_bytes": 1, "idle_ttl_seconds": 0,
        "env_vars": {"A": "1"}, "labels": {"a": "b"}, "mount_config": mounts, "proxy_config": proxy,
        "restore_memory": false, "run_config": run_config, "volumes": [{"volume": "v", "mount_path": "/v"}],
        "access_delegation": {"mode": "EXPLICIT", "permissions": ["p"]}, "wait_for_ready": true, "timeout": 30, "new": 1,
    });
    assert_eq!(again::<CreateSandboxV2>(&create), create);
    let update = json!({"proxy_config": {}, "tag_value_ids": [], "run_config": run_config, "new": 1});
    assert_eq!(again::<UpdateSandboxV2>(&update), update);
    let create = json!({
        "name": "team/image", "docker_image": "python:3", "fs_capacity_bytes": 1, "tag": "v1", "registry_id": "r",
        "labels": {"a": "b"}, "description": "d", "run_config": run_config, "registry_password": "s",
    });
    assert_eq!(again::<CreateSnapshot>(&create), create);
    let capture = json!({
        "name": "n", "checkpoint": "c", "include_memory": true, "image_config": {"cmd": [], "exposed_ports": [80]},
        "include": ["all", "of_later"], "confirm_allow_snapshot_secret_values": true,
    });
    assert_eq!(again::<CaptureSnapshot>(&capture), capture);
}

#[test]
fn an_answer_may_leave_out_nearly_everything() {
    let snapshot: Snapshot = serde_json::from_value(json!({"tags": null, "labels": null})).expect("all is optional");
    assert_eq!((snapshot.status, snapshot.fs_capacity_bytes), (SnapshotStatus::Building, 0));
    let sandbox: SandboxV2 = serde_json::from_value(json!({"status": "stopped", "x": 1})).expect("all is optional");
    assert_eq!((sandbox.status, sandbox.extra["x"].as_u64()), (SandboxStatus::Stopped, Some(1)));
    let tags = json!({"name": "n", "tags": [{"tag": "latest", "snapshot_id": "1"}]});
    assert_eq!(again::<SnapshotTags>(&tags), tags);
    let login = json!({"browser_url": "b", "service_url": "s", "token": "", "expires_at": "", "access": "workspace"});
    let login: ServiceUrlV2 = serde_json::from_value(login).expect("in login mode there is neither");
    assert_eq!((login.expires_at, login.access), (None, Some(ServiceAccess::Workspace)));
    assert!(serde_json::from_value::<DownloadUrl>(json!({"download_url": "u", "expires_at": "soon"})).is_err());
}

#[test]
fn a_page_is_read_in_either_style_and_written_in_both() {
    for key in ["sandboxes", "items"] {
        let body = json!({key: [{"name": "s"}], "next_cursor": "c"});
        let page: SandboxV2List = serde_json::from_value(body).expect("a page");
        assert_eq!((page.sandboxes.len(), page.next_cursor.as_deref()), (1, Some("c")), "{key}");
        let written = serde_json::to_value(&page).expect("JSON");
        assert_eq!(written["items"], written["sandboxes"]);
        assert_eq!((&written["offset"], written["items"][0]["name"].as_str()), (&json!(0), Some("s")));
    }
}

fn shown<T: DeserializeOwned + std::fmt::Debug>(body: &Value) -> String {
    format!("{:?}", serde_json::from_value::<T>(body.clone()).expect("a body"))
}

#[test]
fn no_debug_print_shows_a_secret() {
    let secret = json!(SECRET);
    let body = json!({
        "name": "n", "docker_image": "i", "fs_capacity_bytes": 1, "env_vars": {"KEY": secret}, "new": secret,
        "proxy_config": proxy(&secret), "mount_config": mounts(&secret), "run_config": {"env_vars": {"KEY": secret}},
    });
    let url = json!({"browser_url": secret, "service_url": "u", "embed_url": secret, "token": secret});
    let download = json!({"token": secret, "download_url": secret});
    for shown in [
        shown::<CreateSandboxV2>(&body),
        shown::<UpdateSandboxV2>(&body),
        shown::<CreateSnapshot>(&body),
        shown::<CaptureSnapshot>(&json!({"name": "n", "run_config": body["run_config"], "new": secret})),
        shown::<ServiceUrlV2>(&url),
        shown::<DownloadUrl>(&download),
        shown::<CreateRegistry>(&json!({"name": "n", "url": "u", "password": secret})),
    ] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let sandbox = shown::<CreateSandboxV2>(&body);
    assert!(sandbox.contains("KEY") && sandbox.contains("<redacted>") && sandbox.contains("key_of_later"), "{sandbox}");
}

#[test]
fn an_answer_tells_of_an_opaque_value_only_that_it_is_set() {
    let redacted =
        |value: Value| serde_json::to_value(serde_json::from_value::<SecretValue>(value).expect("one").redacted());
    let is_set = json!({"type": "opaque", "is_set": true});
    for value in [json!({"type": "opaque", "value": SECRET}), is_set.clone()] {
        assert_eq!(redacted(value).expect("JSON"), is_set);
    }
    let unset = redacted(json!({"type": "opaque"})).expect("JSON");
    assert_eq!(unset, json!({"type": "opaque", "is_set": false}));
    let plain = json!({"type": "plaintext", "value": "v"});
    assert_eq!(redacted(plain.clone()).expect("JSON"), plain);
}

#[test]
fn standard_input_is_closed_by_either_word() {
    let close = CommandRequest::CloseInput;
    for word in ["close_stdin", "close_input"] {
        assert_eq!(serde_json::from_value::<CommandRequest>(json!({"type": word})).expect("a message"), close);
    }
    assert_eq!(serde_json::to_value(close).expect("JSON"), json!({"type": "close_stdin"}));
}
