//! Sandboxes of the second generation: what is sent, what answers mean, and stops and starts whose answers are lost.

use std::time::Duration;

use serde_json::json;

use super::mock::{Mock, Reply, answer, dropped, refusal};
use super::name;
use crate::client::{
    CreateSandboxV2Options, DownloadUrlOptions, Error, Kind, Resource, SandboxV2, ServiceOptions,
    UpdateSandboxV2Options, WaitOptions,
};
use crate::types::{Secret, Ttl};
use crate::wire::{
    ContentDisposition, ProxyConfig, ProxyHeader, ProxyRule, RunConfig, SandboxStatus, SecretValue, ServiceAccess,
};

const START: &str = "POST /boxes/s/start";
const STOP: &str = "POST /boxes/s/stop";
const STATUS: &str = "GET /boxes/s/status";

fn sandbox(status: &str) -> Reply {
    answer(200, json!({"name": "s", "status": status, "snapshot_id": "1"}).to_string())
}

fn status(status: &str) -> Reply {
    answer(200, json!({ "status": status }).to_string())
}

fn named() -> CreateSandboxV2Options {
    CreateSandboxV2Options::default().name(name("s"))
}

fn proxy() -> ProxyConfig {
    let value = SecretValue::opaque(Secret::new("hunter2-planted"));
    let rule = ProxyRule {
        name: "openai".to_owned(),
        match_hosts: vec!["api.openai.com".to_owned()],
        headers: vec![ProxyHeader { name: "Authorization".to_owned(), value }],
        ..ProxyRule::default()
    };
    ProxyConfig { rules: vec![rule], ..ProxyConfig::default() }
}

async fn create(reply: Reply) -> Result<SandboxV2, Error> {
    Mock::new([("POST /boxes", reply)]).client().create_sandbox_v2(Some("n:v1"), named()).await
}

#[tokio::test]
async fn what_a_create_sends() {
    let server = Mock::new([
        ("POST /boxes", sandbox("ready")),
        ("POST /boxes", sandbox("ready")),
        ("POST /boxes", sandbox("ready")),
    ]);
    let client = server.client();
    client.create_sandbox_v2(None, named().wait_for_ready(false)).await.expect("201");
    let size = |text: &str| text.parse().expect("a quantity");
    let options = named()
        .cpu("2".parse().expect("a quantity"))
        .memory(size("8Gi"))
        .fs_capacity(size("1Gi"))
        .idle_ttl(Ttl::DISABLED)
        .delete_after_stop(Ttl::from_seconds(120).expect("minutes"))
        .env("KEY", "value")
        .label("team", "research")
        .proxy_config(proxy())
        .preserve_memory_on_stop(true)
        .restore_memory(false)
        .run_config(RunConfig { work_dir: Some("/w".to_owned()), ..RunConfig::default() })
        .delegate(["sandboxes:read".to_owned()]);
    client.create_sandbox_v2(Some("team/image:v1"), options).await.expect("201");
    client.create_sandbox_v2(None, named().cpu("500m".parse().expect("a quantity"))).await.expect("201");

    assert_eq!(server.body(0), json!({"name": "s", "wait_for_ready": false}));
    let header = json!({"name": "Authorization", "type": "opaque", "value": "hunter2-planted"});
    let rule = json!({"name": "openai", "match_hosts": ["api.openai.com"], "headers": [header]});
    let expected = json!({
        "name": "s", "snapshot": "team/image:v1", "vcpus": 2, "mem_bytes": 8_589_934_592_u64,
        "fs_capacity_bytes": 1_073_741_824, "idle_ttl_seconds": 0, "delete_after_stop_seconds": 120,
        "env_vars": {"KEY": "value"}, "labels": {"team": "research"}, "proxy_config": {"rules": [rule]},
        "preserve_memory_on_stop": true, "restore_memory": false, "run_config": {"work_dir": "/w"},
        "access_delegation": {"mode": "EXPLICIT", "permissions": ["sandboxes:read"]},
        "wait_for_ready": true, "timeout": 30,
    });
    assert_eq!(server.body(1), expected);
    assert_eq!(server.body(2)["cpu_millicores"], 500);
    assert_eq!((server.timeout(0), server.timeout(1)), (Duration::from_secs(30), Duration::from_mins(1)));
}

#[tokio::test(start_paused = true)]
async fn what_answers_of_a_create_mean() {
    let cases = [
        (400, "SnapshotNotFound", "x", Kind::NotFound, Some(Resource::Snapshot)),
        (400, "NotFound", "Snapshot 'n:v1' not found", Kind::NotFound, Some(Resource::Snapshot)),
        (400, "SnapshotNotReady", "x", Kind::NotReady, Some(Resource::Snapshot)),
        (400, "InvalidRequest", "x", Kind::Client, None),
        (408, "Timeout", "x", Kind::Timeout, Some(Resource::Sandbox)),
        (409, "Conflict", "it exists", Kind::AlreadyExists, Some(Resource::Sandbox)),
        (422, "ImagePull", "x", Kind::Creation, Some(Resource::Sandbox)),
        (500, "Internal", "x", Kind::Api, None),
    ];
    for (status, error_type, message, kind, resource) in cases {
        let error = create(refusal(status, error_type, message)).await.expect_err("refused");
        assert_eq!((error.kind(), error.resource()), (kind, resource), "{status} {error_type}");
    }
    let late = || refusal(504, "Timeout", "not ready in time").header("x-should-retry", "false");
    let error = create(late()).await.expect_err("504");
    assert_eq!((error.kind(), error.resource()), (Kind::Timeout, Some(Resource::Sandbox)));
    let error = create(refusal(503, "", "no room").header("x-should-retry", "false")).await.expect_err("503");
    assert_eq!(error.kind(), Kind::Creation);
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_whose_answer_was_lost_is_found_by_what_was_asked_for() {
    let found = |body: serde_json::Value| {
        Mock::new([("POST /boxes", dropped()), ("GET /boxes/s", answer(200, body.to_string()))])
    };
    let options = || named().label("team", "research").memory("8Gi".parse().expect("a quantity"));
    let same = json!({"name": "s", "status": "ready", "mem_bytes": 8_589_934_592_u64, "vcpus": 2,
        "labels": {"team": "research", "of": "snapshot"}});
    found(same.clone()).client().create_sandbox_v2(None, options()).await.expect("what was not asked for is no matter");
    for (key, value) in [("mem_bytes", json!(1)), ("labels", json!({})), ("template_name", json!("t"))] {
        let mut other = same.clone();
        other[key] = value;
        let error = found(other).client().create_sandbox_v2(None, options()).await.expect_err("another's");
        assert_eq!(error.kind(), Kind::AlreadyExists, "{key}");
    }
}

#[tokio::test]
async fn what_an_update_sends() {
    let server = Mock::new([
        ("PATCH /boxes/s", sandbox("ready")),
        ("PATCH /boxes/s", sandbox("stopped")),
        ("GET /boxes/s", sandbox("ready")),
    ]);
    let client = server.client();
    let options = UpdateSandboxV2Options::default()
        .cpu("4".parse().expect("a quantity"))
        .fs_capacity("2Gi".parse().expect("a quantity"))
        .idle_ttl(Ttl::DISABLED)
        .tag_value_ids([]);
    let mut sandbox = client.update_sandbox_v2("s", options).await.expect("200");
    sandbox.update(UpdateSandboxV2Options::default().proxy_config(ProxyConfig::default())).await.expect("200");
    assert_eq!(sandbox.status, SandboxStatus::Stopped);
    sandbox.update(UpdateSandboxV2Options::default()).await.expect("an update of nothing is a read");
    let expected = [
        json!({"vcpus": 4, "fs_capacity_bytes": 2_147_483_648_u64, "idle_ttl_seconds": 0, "tag_value_ids": []}),
        json!({"proxy_config": {}}),
    ];
    for (n, body) in expected.into_iter().enumerate() {
        assert_eq!(server.body(n), body);
    }
}

#[tokio::test]
async fn a_proxy_may_need_a_sandbox_that_runs() {
    let refused = || refusal(400, "InvalidRequest", "the box must be ready");
    let server = Mock::new([("PATCH /boxes/s", refused()), ("PATCH /boxes/s", refused())]);
    let client = server.client();
    let update = |options| client.update_sandbox_v2("s", options);
    let error = update(UpdateSandboxV2Options::default().proxy_config(proxy())).await.expect_err("400");
    assert_eq!((error.kind(), error.resource()), (Kind::NotReady, Some(Resource::Sandbox)));
    let error = update(UpdateSandboxV2Options::default().idle_ttl(Ttl::DISABLED)).await.expect_err("400");
    assert_eq!(error.kind(), Kind::Client, "without a proxy it means something else");

    let server = Mock::new([("PATCH /boxes/s", refusal(409, "Conflict", "no"))]);
    let rename = UpdateSandboxV2Options::default().new_name(name("q"));
    let error = server.client().update_sandbox_v2("s", rename).await.expect_err("409");
    assert_eq!(error.to_string(), "cannot rename sandbox `s` to `q`: the name `q` is already in use");
}

#[tokio::test(start_paused = true)]
async fn a_start_is_waited_for() {
    let server = Mock::new([
        (START, answer(202, json!({"name": "s", "status": "provisioning"}).to_string())),
        (STATUS, status("provisioning")),
        (STATUS, status("ready")),
        ("GET /boxes/s", sandbox("ready")),
        (STOP, answer(204, "")),
    ]);
    let client = server.client();
    let sandbox = client.start_sandbox_v2("s", WaitOptions::default()).await.expect("it becomes ready");
    sandbox.stop().await.expect("204");
    assert_eq!((server.body(0), server.body(4)), (json!({}), json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_was_lost_is_looked_for() {
    let expect_ready = |server: &Mock| {
        server.expect(STATUS, status("ready"));
        server.expect("GET /boxes/s", sandbox("ready"));
    };
    let start =
        async |server: &std::sync::Arc<Mock>| server.client().start_sandbox_v2("s", WaitOptions::default()).await;
    // It has begun: nothing is sent again.
    let server = Mock::new([(START, dropped()), (STATUS, status("provisioning"))]);
    expect_ready(&server);
    start(&server).await.expect("it becomes ready");
    // It has not: it is sent again, and what comes then may be late.
    let server = Mock::new([
        (START, answer(502, "")),
        (STATUS, status("stopped")),
        (START, refusal(400, "InvalidRequest", "it is provisioning")),
        (STATUS, status("provisioning")),
    ]);
    expect_ready(&server);
    start(&server).await.expect("the first attempt was only late");
    // The refusal means something else.
    let server = Mock::new([
        (START, answer(504, "")),
        (STATUS, status("stopped")),
        (START, refusal(400, "InvalidRequest", "no")),
        (STATUS, status("stopped")),
    ]);
    let error = start(&server).await.expect_err("it is refused");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Client, false));
    // At once, it means what it says.
    let server = Mock::new([(START, refusal(400, "InvalidRequest", "it runs"))]);
    assert_eq!(start(&server).await.expect_err("400").to_string(), "cannot start sandbox `s`: it runs");
    // What looking cannot settle is said to be open.
    let server = Mock::new([(START, dropped()), (STATUS, answer(500, ""))]);
    assert!(start(&server).await.expect_err("neither is answered").is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_was_lost_is_looked_for() {
    let server =
        Mock::new([(STOP, dropped()), (STATUS, status("ready")), (STOP, dropped()), (STATUS, status("stopped"))]);
    server.client().stop_sandbox_v2("s").await.expect("the second attempt had its effect");
    let server = Mock::new([(STOP, refusal(404, "NotFound", "no"))]);
    assert!(server.client().stop_sandbox_v2("s").await.expect_err("404").is_not_found());
}

#[tokio::test]
async fn a_list_leaves_out_what_was_made_from_templates() {
    let boxes =
        json!({"sandboxes": [{"name": "a"}, {"name": "b", "template_name": "t"}, {"name": "c", "template_name": ""}]});
    let server = Mock::new([("GET /boxes?limit=500&offset=0", answer(200, boxes.to_string()))]);
    let names: Vec<String> =
        server.client().list_sandboxes_v2().await.expect("200").iter().map(|sandbox| sandbox.name.clone()).collect();
    assert_eq!(names, ["a", "c"]);
}

#[tokio::test]
async fn urls_for_what_is_in_a_sandbox() {
    let service = json!({"browser_url": "b", "service_url": "s", "token": "", "expires_at": "", "access": "workspace"});
    let token = json!({"browser_url": "b", "service_url": "s", "token": "t", "expires_at": "9999-01-01T00:00:00Z"});
    let grant = json!({"port": 80, "access": "restricted", "created_at": "2026-03-24T12:00:00Z"});
    let server = Mock::new([
        ("POST /boxes/s/service-url", answer(200, service.to_string())),
        ("POST /boxes/s/service-url", answer(200, token.to_string())),
        ("GET /boxes/s/service-urls", answer(200, json!({"items": [grant], "next_cursor": "c="}).to_string())),
        ("GET /boxes/s/service-urls?cursor=c%3D", answer(200, json!({"items": [grant]}).to_string())),
        ("DELETE /boxes/s/service-urls?port=80", answer(204, "")),
        ("DELETE /boxes/s/service-urls", answer(204, "")),
        ("POST /boxes/s/download-url", answer(200, r#"{"token":"t","download_url":"u","expires_at":null}"#)),
    ]);
    let client = server.client();
    let urls = client.set_service_access("s", 80, ServiceAccess::Workspace, []).await.expect("200");
    assert_eq!((urls.access, urls.expires_at), (Some(ServiceAccess::Workspace), None));
    client.service("s", 80, ServiceOptions::default()).await.expect("a token is the same in both generations");
    assert_eq!(client.list_service_urls("s").await.expect("200").len(), 2);
    client.delete_service_urls("s", Some(80)).await.expect("204");
    client.delete_service_urls("s", None).await.expect("204");
    let options = DownloadUrlOptions::default()
        .expires_in(Duration::from_millis(1500))
        .content_disposition(ContentDisposition::Inline)
        .csp_sandbox(true, ["allow-scripts".to_owned()]);
    let url = client.create_download_url("s", "/a b", options).await.expect("200");
    assert_eq!((url.download_url.as_str(), url.expires_at), ("u", None));

    assert_eq!(server.body(0), json!({"port": 80, "access": "workspace"}));
    let expected = json!({
        "path": "/a b", "expires_in_seconds": 2, "content_disposition": "inline", "csp_sandbox": true,
        "csp_sandbox_flags": ["allow-scripts"],
    });
    assert_eq!(server.body(6), expected);
    let error = client.create_download_url("s", "", DownloadUrlOptions::default()).await.expect_err("no path");
    assert_eq!((error.kind(), error.field()), (Kind::InvalidArgument, Some("path")));
}
