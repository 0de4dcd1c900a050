//! Proxies and mounts: accepted, checked, and never told.

use serde_json::{Value, json};

use super::{refused, server};
use crate::server::runtime::fake::FakeRuntime;

const SECRET: &str = "planted-5ecret";

fn opaque(value: &str) -> Value {
    json!({"type": "opaque", "value": value})
}

fn aws(id: &Value, key: &Value) -> Value {
    json!({"access_key_id": id, "secret_access_key": key})
}

fn mounts() -> Value {
    json!({
        "auth": {"aws": aws(&opaque(SECRET), &json!({"type": "workspace_secret", "value": "{AWS_KEY}"}))},
        "mounts": [
            {"id": "data", "type": "s3", "mount_path": "/mnt/mounts/data", "s3": {"bucket": "b", "region": "r"}},
            {"id": "repo", "type": "git", "mount_path": "/mnt/repo", "git": {"remote_url": "https://example.com/a.git"}},
        ],
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_opaque_is_told_by_its_being_set() {
    let server = server(&FakeRuntime::new()).await;
    let proxy = json!({"rules": [
        {"name": "api", "match_hosts": ["api.example.com"], "later": {"type": "opaque", "value": SECRET},
         "headers": [{"name": "Authorization", "type": "opaque", "value": SECRET},
                     {"name": "X-Team", "type": "plaintext", "value": "a"}]},
        {"name": "google", "gcp": {"service_account_json": opaque(SECRET)}},
    ], "access_control": {"allow_list": ["*.example.com"]}});
    let body = json!({"name": "b", "mount_config": mounts(), "proxy_config": proxy, "env_vars": {"T": SECRET},
        "access_delegation": {"mode": "EXPLICIT", "permissions": ["sandboxes:read"]}});
    let made = server.ok("POST", "/boxes", body.clone()).await;
    let rule = &made["proxy_config"]["rules"][0];
    assert_eq!(rule["headers"][0], json!({"name": "Authorization", "type": "opaque", "is_set": true}));
    assert_eq!(rule["headers"][1], json!({"name": "X-Team", "type": "plaintext", "value": "a"}));
    assert_eq!(rule["later"], json!({"type": "opaque", "is_set": true}), "where this version knows of none, too");
    let auth = &made["mount_config"]["auth"]["aws"];
    assert_eq!(auth["access_key_id"], json!({"type": "opaque", "is_set": true}));
    assert_eq!(auth["secret_access_key"]["value"], "{AWS_KEY}");
    assert_eq!(made["access_delegation"], body["access_delegation"]);
    let message = "accepted and not enforced by this server: mounts, proxy_config, access_delegation";
    assert_eq!(made["status_message"], message);
    let mut answers = vec![made.to_string()];
    for (method, path, body) in [
        ("GET", "/boxes", Value::Null),
        ("GET", "/boxes/b", Value::Null),
        ("POST", "/boxes", body),
        ("PATCH", "/boxes/b", json!({"proxy_config": {"rules": [{"name": 1, "aws": opaque(SECRET)}]}})),
        ("PATCH", "/boxes/b", json!({"proxy_config": {"rules": [{"name": "x", "headers": [SECRET]}]}})),
    ] {
        answers.push(server.call(method, path, body).await.text);
    }
    assert!(answers.iter().all(|answer| !answer.is_empty() && !answer.contains(SECRET)), "{answers:#?}");
}

#[tokio::test(start_paused = true)]
async fn one_credential_is_rotated_and_the_others_are_kept() {
    let server = server(&FakeRuntime::new()).await;
    let rule = |id: Value, key: Value| json!({"proxy_config": {"rules": [{"name": "r", "aws": aws(&id, &key)}]}});
    let kept = || json!({"type": "opaque", "is_set": true});
    let mut body = rule(opaque("1"), opaque("2"));
    body["name"] = json!("b");
    server.ok("POST", "/boxes", body).await;
    let changed = server.ok("PATCH", "/boxes/b", rule(kept(), opaque("3"))).await;
    assert_eq!(changed["proxy_config"]["rules"][0]["aws"], aws(&kept(), &kept()));
    server
        .ok(
            "POST",
            "/boxes/b/snapshot",
            json!({"name": "s", "include": ["proxy_config"],
        "confirm_allow_snapshot_secret_values": true}),
        )
        .await;
    let unknown = json!({"proxy_config": {"rules": [{"name": "other", "aws": aws(&kept(), &opaque("3"))}]}});
    let reply = server.call("PATCH", "/boxes/b", unknown).await;
    let at = json!(["body", "proxy_config", "rules", "0", "aws", "access_key_id"]);
    assert_eq!((reply.status.as_u16(), &reply.body["detail"][0]["loc"]), (422, &at));
    let cleared = server.ok("PATCH", "/boxes/b", json!({"proxy_config": {}})).await;
    assert_eq!(cleared["proxy_config"], json!({}));
    let same = server.ok("PATCH", "/boxes/b", json!({"proxy_config": null})).await;
    assert_eq!(same, cleared, "null is absent");
}

#[tokio::test(start_paused = true)]
async fn what_is_unsound_is_refused() {
    let server = server(&FakeRuntime::new()).await;
    let plain = json!({"type": "plaintext", "value": "x"});
    let proxies = [
        json!({"rules": [{"name": ""}]}),
        json!({"rules": [{"name": "r"}, {"name": "r"}]}),
        json!({"rules": [{"name": "r", "aws": aws(&plain, &opaque("x"))}]}),
        json!({"rules": [{"name": "r", "aws": aws(&opaque("x"), &opaque("x")), "gcp": {}}]}),
        json!({"rules": [{"name": "r", "azure": {}, "match_hosts": ["a"]}]}),
        json!({"rules": [{"name": "r", "headers": [{"name": "h", "type": "odd", "value": "x"}]}]}),
        json!({"rules": [{"name": "r", "headers": [{"name": "h", "type": "workspace_secret", "value": "x"}]}]}),
        json!({"rules": [{"name": "r", "headers": [{"name": "h", "type": "opaque"}]}]}),
        json!({"rules": "all"}),
        json!({"access_control": {"allow_list": ["a"], "deny_list": ["b"]}}),
        json!({"callbacks": [{"url": "https://a", "ttl_seconds": 59, "match_hosts": ["a"]}]}),
        json!({"callbacks": [{"url": "https://a", "ttl_seconds": 60, "match_hosts": []}]}),
        json!({"description": "d".repeat(1025)}),
    ];
    for proxy in proxies {
        let reply = server.call("POST", "/boxes", json!({"proxy_config": proxy})).await;
        let found = (reply.status.as_u16(), &reply.body["detail"][0]["loc"][1]);
        assert_eq!(found, (422, &json!("proxy_config")), "{proxy}");
    }
    let git = |id: &str, path: &str| json!({"id": id, "type": "git", "mount_path": path, "git": {"remote_url": "u"}});
    let s3 = json!({"id": "a", "type": "s3", "mount_path": "/a", "s3": {"bucket": "b", "region": "r"}});
    let mounts = [
        json!({"mounts": [git("", "/a")]}),
        json!({"mounts": [git("a", "/a"), git("a", "/b")]}),
        json!({"mounts": [git("a", "/a"), git("b", "/a")]}),
        json!({"mounts": [git("a", "a")]}),
        json!({"mounts": [git(&"a".repeat(65), "/a")]}),
        json!({"mounts": [{"id": "a", "type": "git", "mount_path": "/a", "s3": {"bucket": "b", "region": "r"}}]}),
        json!({"mounts": [{"id": "a", "type": "odd", "mount_path": "/a"}]}),
        json!({"mounts": [s3]}),
        json!({"auth": {"aws": aws(&opaque("x"), &opaque("y"))}, "mounts": [git("a", "/a")]}),
        json!({"auth": {"aws": aws(&plain, &opaque("y"))}, "mounts": [s3]}),
    ];
    for mount in mounts {
        let reply = server.call("POST", "/boxes", json!({"mount_config": mount})).await;
        let found = (reply.status.as_u16(), &reply.body["detail"][0]["loc"][1]);
        assert_eq!(found, (422, &json!("mount_config")), "{mount}");
    }
    let twice = json!({
        "mount_config": {"auth": {"aws": aws(&opaque("x"), &opaque("y"))}, "mounts": [s3]},
        "proxy_config": {"rules": [{"name": "r", "aws": aws(&opaque("x"), &opaque("y"))}]},
    });
    assert_eq!(refused(&server.call("POST", "/boxes", twice).await).0, 422);
}
