//! A planted secret is nowhere to be seen.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::mock::{Mock, answer, refusal};
use crate::client::request::Request;
use crate::client::{
    Config, CreateRegistryOptions, CreateSandboxV2Options, DownloadUrlOptions, RegistryAuth, ServiceOptions,
    UpdateRegistryOptions, UpdateSandboxV2Options,
};
use crate::types::Secret;
use crate::wire::ProxyConfig;

const SECRET: &str = "hunter2-planted";

/// Collects all that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = self.0.lock().expect("no panic while locked");
        writeln!(text, "{field}={value:?}").expect("writing to a text cannot fail");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sbx")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn what_a_body_carries_is_as_well_hidden_as_the_key() {
    let server = Mock::new([
        ("POST /registries", refusal(422, "Invalid", &format!("the password {SECRET} is too short"))),
        ("PATCH /registries/r", refusal(401, SECRET, &format!("the registry does not take {SECRET}"))),
        ("POST /registries", answer(201, format!("{SECRET} is no JSON"))),
    ]);
    let log = Log::default();
    let _second = tracing::Dispatch::new(Log::default());
    let _guard = tracing::subscriber::set_default(log.clone());

    server.expect("POST /boxes", refusal(422, "Invalid", &format!("{SECRET} is no value")));
    server.expect("PATCH /boxes/s", refusal(400, "InvalidRequest", &format!("the value {SECRET} and {SECRET}")));
    server.expect(
        "POST /boxes/s/download-url",
        answer(200, json!({"token": SECRET, "download_url": SECRET}).to_string()),
    );
    let auth = RegistryAuth::login("me", Secret::new(SECRET));
    let create = CreateRegistryOptions::default().auth(auth.clone());
    let update = UpdateRegistryOptions::default().url("ghcr.io").auth(auth.clone());
    let mut shown = format!("{auth:?} {create:?} {update:?}");
    let client = server.client();
    let name = super::name("r");
    for error in [
        client.create_registry(&name, "ghcr.io", create.clone()).await.expect_err("422"),
        client.update_registry("r", update).await.expect_err("401"),
        client.create_registry(&name, "ghcr.io", create).await.expect_err("no JSON"),
    ] {
        write!(shown, "{error} {error:?}").expect("a text");
    }
    let proxy: ProxyConfig = serde_json::from_value(json!({"rules": [
        {"name": "r", "headers": [{"name": "K", "type": "opaque", "value": SECRET}], "env_vars": {"K": SECRET}},
    ]}))
    .expect("a proxy");
    let create =
        CreateSandboxV2Options::default().name(super::name("s")).env("KEY", SECRET).proxy_config(proxy.clone());
    let update = UpdateSandboxV2Options::default().proxy_config(proxy.clone());
    write!(shown, "{create:?} {update:?}").expect("a text");
    for error in [
        client.create_sandbox_v2(None, create).await.expect_err("422"),
        client.update_sandbox_v2("s", update).await.expect_err("400"),
    ] {
        assert!(error.message().contains("<redacted>"), "{error}");
        write!(shown, "{error} {error:?}").expect("a text");
    }
    let url = client.create_download_url("s", "f", DownloadUrlOptions::default()).await.expect("200");
    write!(shown, "{url:?}").expect("a text");
    let body = crate::wire::UpdateRegistry { password: Some(Secret::new(SECRET)), ..Default::default() };
    let request = Request::update::<crate::wire::Registry>("r", None, &body).expect("a good name");
    write!(shown, "{body:?} {request:?}").expect("a text");
    assert!(!shown.contains(SECRET) && shown.contains("<redacted>"), "{shown}");

    let log = log.0.lock().expect("no panic while locked");
    assert!(log.contains("status=422") && !log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn neither_in_debug_nor_in_errors_nor_in_logs() {
    let url = json!({
        "browser_url": format!("http://x.svc/?token={SECRET}"),
        "service_url": "http://x.svc",
        "token": SECRET,
        "expires_at": "9999-01-01T00:00:00Z",
    });
    let server = Mock::new([
        ("GET /usage", refusal(401, SECRET, &format!("the key {SECRET} is not known"))),
        ("GET /usage", refusal(401, "Unauthorized", &format!("the key {SECRET} is not known"))),
        ("POST /boxes/s/service-url", answer(200, url.to_string())),
        ("GET http://x.svc/?token=hunter2-planted", answer(200, SECRET)),
    ]);
    let log = Log::default();
    // While there is only one subscriber, `tracing` asks the thread that reaches an event first, which may be that of
    // another test and have none, whether anybody is interested; with two it asks them.
    let _second = tracing::Dispatch::new(Log::default());
    let _guard = tracing::subscriber::set_default(log.clone());

    let secret_header =
        || HeaderMap::from_iter([("authorization".parse().expect("a name"), HeaderValue::from_static(SECRET))]);
    let config = Config::new("http://server/v2/sandboxes").api_key(Secret::new(SECRET)).headers(secret_header());
    let mut shown = format!("{config:?}");
    let client = server.client_with(config).with_headers(&secret_header());
    let error = client.usage().await.expect_err("401");
    let overridden = HeaderMap::from_iter([("x-api-key".parse().expect("a name"), HeaderValue::from_static(SECRET))]);
    let other = server.client().with_headers(&overridden);
    let from_header = other.usage().await.expect_err("401");
    let service = client.service("s", 80, ServiceOptions::default()).await.expect("200");
    service.get(&format!("/?token={SECRET}")).await.expect("200");
    write!(shown, "{client:?} {:?} {error} {error:?} {from_header:?} {other:?} {service:?}", client.reader())
        .expect("a text");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(error.message().contains("<redacted>") && error.error_type() == Some("<redacted>"));

    let log = log.0.lock().expect("no panic while locked");
    assert!(log.contains("status=401") && log.contains("path=\"/usage\""), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}
