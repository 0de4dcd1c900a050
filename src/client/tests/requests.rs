//! What each call sends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::json;

use super::mock::{Mock, answer};
use super::name;
use crate::client::{
    Client, Config, CreatePoolOptions, CreateSandboxOptions, CreateSandboxV2Options, CreateSnapshotOptions,
    CreateTemplateOptions, CreateVolumeOptions, Deadline, DockerfileOptions, Kind, Limits, ListFilter, Transport,
    TransportError, UpdatePoolOptions, UpdateSandboxOptions, UpdateVolumeOptions, WaitOptions,
};
use crate::types::{Secret, Ttl};

#[tokio::test(start_paused = true)]
async fn creates_send_what_the_contract_says() {
    let server = Mock::new([
        ("POST /volumes", answer(201, r#"{"name":"v"}"#)),
        ("POST /templates", answer(201, r#"{"name":"t"}"#)),
        ("POST /templates", answer(201, r#"{"name":"t"}"#)),
        ("POST /pools", answer(201, r#"{"name":"p"}"#)),
        ("POST /boxes", answer(201, r#"{"name":"s"}"#)),
        ("POST /boxes", answer(201, r#"{"name":"s"}"#)),
    ]);
    let client = server.client();
    let quantity = "10Gi".parse().expect("a quantity");
    client.create_volume(&name("v"), &quantity, CreateVolumeOptions::default()).await.expect("201");
    client.create_template(&name("t"), "python", CreateTemplateOptions::default()).await.expect("201");
    let options = CreateTemplateOptions::default()
        .cpu("2".parse().expect("a quantity"))
        .storage(quantity)
        .volume_mount(&name("v"), "/data");
    client.create_template(&name("t"), "python:3", options).await.expect("201");
    client.create_pool(&name("p"), "t", 3, CreatePoolOptions::default()).await.expect("201");
    let options = CreateSandboxOptions::default().name(name("s")).ttl(Ttl::DISABLED);
    client.create_sandbox("t", options).await.expect("201");
    let options = CreateSandboxOptions::default().name(name("s")).wait_for_ready(false);
    client.create_sandbox("t", options).await.expect("201");

    let default_resources = json!({"cpu": "500m", "memory": "512Mi"});
    let resources = json!({"cpu": "2", "memory": "512Mi", "storage": "10Gi"});
    let mounts = json!([{"volume_name": "v", "mount_path": "/data"}]);
    let expected = [
        (json!({"name": "v", "size": "10Gi", "wait_for_ready": true, "timeout": 60}), 90),
        (json!({"name": "t", "image": "python", "resources": default_resources}), 10),
        (json!({"name": "t", "image": "python:3", "resources": resources, "volume_mounts": mounts}), 10),
        (json!({"name": "p", "template_name": "t", "replicas": 3, "wait_for_ready": true, "timeout": 30}), 60),
        (json!({"name": "s", "template_name": "t", "wait_for_ready": true, "timeout": 30, "ttl_seconds": 0}), 60),
        (json!({"name": "s", "template_name": "t", "wait_for_ready": false}), 30),
    ];
    for (n, (body, timeout)) in expected.into_iter().enumerate() {
        assert_eq!(server.body(n), body);
        assert_eq!(server.timeout(n), Duration::from_secs(timeout), "{body}");
    }
}

#[tokio::test]
async fn a_sandbox_without_a_name_is_sent_one() {
    let server = Mock::new([("POST /boxes", answer(201, "{}"))]);
    server.client().create_sandbox("t", CreateSandboxOptions::default()).await.expect("201");
    let body = server.body(0);
    let digits = body["name"].as_str().and_then(|name| name.strip_prefix("sandbox-")).expect("a made-up name");
    assert!(digits.len() == 8 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{digits}");
}

#[tokio::test]
async fn updates_send_only_what_changes() {
    let server = Mock::new([
        ("PATCH /volumes/v", answer(200, "{}")),
        ("PATCH /volumes/v", answer(200, "{}")),
        ("PATCH /templates/t", answer(200, "{}")),
        ("PATCH /pools/p", answer(200, "{}")),
        ("PATCH /boxes/s", answer(200, "{}")),
    ]);
    let client = server.client();
    let new_size = UpdateVolumeOptions::default().size("20Gi".parse().expect("a quantity"));
    client.update_volume("v", new_size).await.expect("200");
    client.update_volume("v", UpdateVolumeOptions::default().new_name(name("w"))).await.expect("200");
    client.update_template("t", &name("u")).await.expect("200");
    client.update_pool("p", UpdatePoolOptions::default().replicas(0)).await.expect("200");
    let ttls = UpdateSandboxOptions::default().ttl(Ttl::DISABLED).idle_ttl(Ttl::from_seconds(120).expect("minutes"));
    client.update_sandbox("s", ttls).await.expect("200");

    let expected = [
        json!({"size": "20Gi"}),
        json!({"name": "w"}),
        json!({"name": "u"}),
        json!({"replicas": 0}),
        json!({"ttl_seconds": 0, "idle_ttl_seconds": 120}),
    ];
    for (n, body) in expected.into_iter().enumerate() {
        assert_eq!(server.body(n), body);
    }
}

#[tokio::test]
async fn an_update_of_nothing_is_a_read() {
    let server = Mock::new([
        ("GET /volumes/v", answer(200, "{}")),
        ("GET /pools/p", answer(200, "{}")),
        ("GET /boxes/s", answer(200, "{}")),
    ]);
    let client = server.client();
    client.update_volume("v", UpdateVolumeOptions::default()).await.expect("200");
    client.update_pool("p", UpdatePoolOptions::default()).await.expect("200");
    client.update_sandbox("s", UpdateSandboxOptions::default()).await.expect("200");
}

#[tokio::test]
async fn the_rest_of_the_operations() {
    let server = Mock::new([
        ("GET /boxes/s/status", answer(200, r#"{"status":"failed","status_message":"no image"}"#)),
        ("GET /usage", answer(200, r#"{"volumes_used":2}"#)),
        ("POST /boxes/batch-delete", answer(200, r#"{"deleted":["a"],"skipped":[]}"#)),
        ("POST /templates/batch-delete", answer(200, r#"{"skipped":[{"name":"t","reason":"in use"}]}"#)),
        ("DELETE /templates/t", answer(204, "")),
    ]);
    let client = server.client();
    let status = client.get_sandbox_status("s").await.expect("200");
    assert_eq!((status.status.as_str(), status.status_message.as_deref()), ("failed", Some("no image")));
    assert_eq!(client.usage().await.expect("200").volumes_used, 2);
    assert_eq!(client.delete_sandboxes(&["a"]).await.expect("200").deleted, ["a"]);
    assert_eq!(client.delete_templates(&["t"]).await.expect("200").skipped[0].reason, "in use");
    client.delete_template("t").await.expect("204");
    assert_eq!(server.body(2), json!({"names": ["a"]}));
    assert!(server.request(4).body().is_empty());
}

#[tokio::test]
async fn names_are_encoded_and_cannot_lead_elsewhere() {
    let server = Mock::new([("GET /volumes/a%20b%2F..%3Fc%23%C3%A9", answer(200, "{}"))]);
    let client = server.client();
    client.get_volume("a b/..?c#é").await.expect("200");
    for bad in ["", ".", ".."] {
        let error = client.delete_volume(bad).await.expect_err("no request is made");
        assert_eq!((error.kind(), error.field(), error.attempts()), (Kind::InvalidArgument, Some("name"), 0));
    }
}

#[tokio::test]
async fn headers_and_their_order_of_precedence() {
    let server = Mock::new([
        ("GET /usage", answer(200, "{}")),
        ("GET /usage", answer(200, "{}")),
        ("GET /usage", answer(200, "{}")),
        ("POST /boxes/batch-delete", answer(200, "{}")),
    ]);
    let defaults = HeaderMap::from_iter([("x-a".parse().expect("a name"), HeaderValue::from_static("default"))]);
    let config = Config::new("http://server/v2/sandboxes").api_key(Secret::new("key")).headers(defaults);
    let client = server.client_with(config);
    client.usage().await.expect("200");
    let over = |pairs: &[(&str, &'static str)]| -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    };
    let view = client.with_headers(&over(&[("X-API-KEY", "other"), ("X-A", "mine"), ("X-B", "1")]));
    view.usage().await.expect("200");
    view.reader().with_headers(&over(&[("x-a", "yours")])).usage().await.expect("200");
    client.delete_sandboxes(&["a"]).await.expect("200");

    let values = |n: usize, name: &str| {
        let request = server.request(n);
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().expect("printable").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((values(0, "x-api-key"), values(0, "x-a")), (vec!["key".to_owned()], vec!["default".to_owned()]));
    assert_eq!((values(1, "x-api-key"), values(1, "x-a")), (vec!["other".to_owned()], vec!["mine".to_owned()]));
    assert_eq!((values(2, "x-b"), values(2, "x-a")), (vec!["1".to_owned()], vec!["yours".to_owned()]));
    assert_eq!((values(0, ACCEPT.as_str()), values(0, CONTENT_TYPE.as_str())), (vec!["*/*".to_owned()], vec![]));
    assert_eq!(values(3, CONTENT_TYPE.as_str()), ["application/json"]);
    assert_eq!(values(0, "user-agent"), [concat!("sbx/", env!("CARGO_PKG_VERSION"))]);
}

#[tokio::test]
async fn without_a_key_the_header_is_left_out() {
    let server = Mock::new([("GET /usage", answer(200, "{}"))]);
    server.client_with(Config::new("http://server/v2/sandboxes/")).usage().await.expect("200");
    assert!(!server.request(0).headers().contains_key("x-api-key"));
}

#[tokio::test(start_paused = true)]
async fn a_view_narrows_time() {
    let server = Mock::new([
        ("GET /usage", answer(200, "{}")),
        ("GET /usage", answer(200, "{}").after(Duration::from_secs(8))),
        ("DELETE /volumes/v", answer(204, "").after(Duration::from_secs(8))),
    ]);
    let client = server.client();
    client.with_timeout(Duration::from_secs(3)).usage().await.expect("200");
    assert_eq!(server.timeout(0), Duration::from_secs(3));

    let hurried = client.with_deadline(Deadline::after(Duration::from_secs(10)));
    let hurried = hurried.with_deadline(Deadline::after(Duration::from_hours(1)));
    hurried.usage().await.expect("the first call has all the time it needs");
    let error = hurried.delete_volume("v").await.expect_err("the second has only what is left");
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert!(error.is_ambiguous(), "the deletion may have been done");
    let error = hurried.delete_volume("v").await.expect_err("the third has nothing left, and is not sent");
    assert_eq!((error.kind(), error.attempts(), error.is_ambiguous()), (Kind::DeadlineExceeded, 0, false));
}

#[tokio::test]
async fn lists_are_read_to_the_end() {
    let page = |names: std::ops::Range<u32>| {
        let volumes: Vec<_> = names.map(|n| json!({"name": format!("v{n}"), "id": n.to_string()})).collect();
        answer(200, json!({"volumes": volumes}).to_string())
    };
    let server = Mock::new([
        ("GET /volumes?limit=500&offset=0", page(0..500)),
        ("GET /volumes?limit=500&offset=500", page(499..700)),
        ("GET /templates?limit=500&offset=0", answer(200, r#"{"templates":[]}"#)),
        ("GET /pools?limit=500&offset=0", answer(200, r#"{"pools":null}"#)),
        ("GET /boxes?limit=500&offset=0", answer(200, r#"{"sandboxes":[{"name":"s"}],"offset":0}"#)),
    ]);
    let client = server.client();
    let volumes = client.list_volumes().await.expect("200");
    assert_eq!((volumes.len(), volumes[699].name.as_str()), (700, "v699"));
    assert!(client.list_templates().await.expect("200").is_empty());
    assert!(client.reader().list_pools().await.expect("200").is_empty());
    assert_eq!(client.list_sandboxes().await.expect("200")[0].name, "s");
}

/// A server whose list of volumes has no end.
struct Endless;

impl Transport for Endless {
    fn send(&self, request: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let query = request.uri().query().expect("lists have a query").to_owned();
        let offset: u64 = query.rsplit('=').next().and_then(|text| text.parse().ok()).expect("the offset comes last");
        let body = json!({"volumes": [{"name": format!("v{offset}")}], "offset": offset + 1});
        async move { Ok(Response::new(body.to_string().into())) }.boxed()
    }
}

#[tokio::test]
async fn an_endless_list_is_given_up() {
    let client = Client::with_transport(Config::new("http://server"), Arc::new(Endless)).expect("a good configuration");
    let error = client.list_volumes().await.expect_err("it has no end");
    assert_eq!(error.to_string(), "cannot list volumes: the list has not ended after 2000 pages");
}

#[tokio::test]
async fn an_endpoint_is_sent_as_a_url() {
    let server = Mock::new([("GET http://xn--bcher-kva/a%20b/usage", answer(200, "{}"))]);
    let client = server.client_with(Config::new("http://bücher/a b/"));
    assert_eq!(client.base_url(), "http://xn--bcher-kva/a%20b");
    client.usage().await.expect("200");
}

#[test]
fn calls_can_run_on_any_thread() {
    fn is_send(_: impl Send) {}
    let server = Mock::new([]);
    let client = server.client();
    let (name, size) = (name("v"), "1Gi".parse().expect("a quantity"));
    is_send(client.create_volume(&name, &size, CreateVolumeOptions::default()));
    is_send(client.create_template(&name, "python", CreateTemplateOptions::default()));
    is_send(client.create_pool(&name, "t", 1, CreatePoolOptions::default()));
    is_send(client.sandbox("t", CreateSandboxOptions::default()));
    is_send(client.update_volume("v", UpdateVolumeOptions::default()));
    is_send(client.list_sandboxes());
    is_send(client.generations());
    is_send(client.create_snapshot("n", "i", &size, CreateSnapshotOptions::default()));
    let (context, options) = (std::path::Path::new("."), DockerfileOptions::default());
    is_send(client.create_snapshot_from_dockerfile("n", context, context, options));
    is_send(client.sandbox_v2(None, CreateSandboxV2Options::default()));
    is_send(client.start_sandbox_v2("s", WaitOptions::default()));
    is_send(client.search_sandboxes_v2(&ListFilter::default()));
    is_send(client.delete_sandboxes(&["s"]));
    is_send(client.close());
}

#[tokio::test]
async fn a_server_without_the_kind_is_recognised() {
    let server = Mock::new([("GET /templates?limit=500&offset=0", answer(404, r#"{"detail":"Not Found"}"#))]);
    let error = server.client().list_templates().await.expect_err("404");
    assert_eq!(error.kind(), Kind::WrongGeneration);
    assert!(error.is_a(Kind::Api) && !error.is_not_found());
    assert_eq!(
        error.to_string(),
        "cannot list templates: this server has no templates: it speaks another generation of the API, or the endpoint \
         is not its base URL"
    );
}
