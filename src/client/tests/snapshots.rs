//! Snapshots: what is sent, what is waited for, and what becomes of lost answers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::mock::{Mock, Reply, answer, dropped, refusal};
use crate::client::{
    CaptureSnapshotOptions, Config, CreateSnapshotOptions, DockerfileOptions, Error, Kind, ListFilter, Resource,
    WaitOptions,
};
use crate::types::RegistryId;
use crate::wire::{RunConfig, Snapshot, SnapshotInclude};

const LOOK: &str = "GET /snapshots/team%2Fimage:v1";
const POST: &str = "POST /snapshots";
const CAPTURE: &str = "POST /boxes/s/snapshot";

fn nothing() -> Reply {
    refusal(404, "NotFound", "Snapshot not found")
}

/// The snapshot that is asked for, under an id, with a status.
fn snapshot(id: &str, status: &str) -> Reply {
    let body = json!({
        "id": id, "name": "team/image", "tags": ["v1"], "status": status, "docker_image": "python:3",
        "fs_capacity_bytes": 1_073_741_824, "labels": {"team": "research", "of": "image"},
    });
    answer(200, body.to_string())
}

fn options() -> CreateSnapshotOptions {
    CreateSnapshotOptions::default().tag("v1").label("team", "research")
}

async fn create(server: &Arc<Mock>, options: CreateSnapshotOptions) -> Result<Snapshot, Error> {
    let size = "1Gi".parse().expect("a quantity");
    server.client().create_snapshot("team/image", "python:3", &size, options).await
}

async fn capture(server: &Arc<Mock>, options: CaptureSnapshotOptions) -> Result<Snapshot, Error> {
    server.client().capture_snapshot("s", "team/image", options).await
}

fn id(snapshot: &Snapshot) -> &str {
    snapshot.id.as_ref().map_or("", |id| id.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_build_is_waited_for_under_its_id() {
    let server = Mock::new([
        (LOOK, snapshot("1", "ready")),
        (POST, snapshot("2", "building")),
        ("GET /snapshots/2", snapshot("2", "building")),
        ("GET /snapshots/2", snapshot("2", "ready")),
    ]);
    let begun = tokio::time::Instant::now();
    let built = create(&server, options()).await.expect("it is built");
    assert_eq!((id(&built), begun.elapsed()), ("2", Duration::from_secs(2)));
    let labels = json!({"team": "research"});
    let body =
        json!({"name": "team/image", "docker_image": "python:3", "fs_capacity_bytes": 1_073_741_824, "tag": "v1"});
    let mut expected = body.clone();
    expected["labels"] = labels;
    assert_eq!(server.body(1), expected);

    let server = Mock::new([("GET /snapshots/team%2Fimage:latest", nothing()), (POST, snapshot("1", "building"))]);
    let run_config = RunConfig { user: Some("me".to_owned()), ..RunConfig::default() };
    let options = CreateSnapshotOptions::default()
        .registry(RegistryId::new("r1"))
        .description("d")
        .run_config(run_config)
        .wait_for_ready(false);
    create(&server, options).await.expect("nobody waits");
    let mut expected = body;
    for (key, value) in [
        ("tag", json!("latest")),
        ("registry_id", json!("r1")),
        ("description", json!("d")),
        ("run_config", json!({"user": "me"})),
    ] {
        expected[key] = value;
    }
    assert_eq!(server.body(1), expected);
}

#[tokio::test(start_paused = true)]
async fn a_build_that_fails_says_why_and_one_that_takes_too_long_how_far_it_is() {
    let failed = json!({"id": "1", "status": "failed", "status_message": "no such image"}).to_string();
    let server =
        Mock::new([(LOOK, nothing()), (POST, snapshot("1", "building")), ("GET /snapshots/1", answer(200, failed))]);
    let error = create(&server, options()).await.expect_err("it failed");
    assert_eq!((error.kind(), error.resource()), (Kind::Creation, Some(Resource::Snapshot)));
    assert_eq!(error.to_string(), "cannot wait for snapshot `1`: no such image");

    let server = Mock::new([
        ("GET /snapshots/1", snapshot("1", "building")),
        ("GET /snapshots/1", snapshot("1", "deleting")),
        ("GET /snapshots/1", snapshot("1", "building")),
    ]);
    let wait = WaitOptions::for_snapshots().timeout(Duration::from_secs(3));
    let error = server.client().wait_for_snapshot("1", wait).await.expect_err("it is never built");
    assert_eq!(error.to_string(), "cannot wait for snapshot `1`: it is not ready after 3s (last status: building)");
    assert_eq!(error.kind(), Kind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_for_under_the_tag_and_what_stood_there_before_does_not_count() {
    let before = || snapshot("1", "ready");
    let server = Mock::new([
        (LOOK, before()),
        (POST, dropped()),
        (LOOK, before()),
        (LOOK, before()),
        (POST, answer(502, "")),
        (LOOK, snapshot("2", "ready")),
    ]);
    assert_eq!(id(&create(&server, options()).await.expect("the second attempt had its effect")), "2");

    // A look may be answered with what was there before.
    let server = Mock::new([(LOOK, nothing()), (POST, dropped()), (LOOK, nothing()), (LOOK, snapshot("1", "ready"))]);
    assert_eq!(id(&create(&server, options()).await.expect("the first attempt had its effect")), "1");

    let server = Mock::new([(LOOK, nothing()), (POST, dropped()), (LOOK, snapshot("1", "ready"))]);
    assert_eq!(id(&create(&server, options()).await.expect("there was none before")), "1");

    let other = answer(200, json!({"id": "3", "docker_image": "ruby", "status": "ready"}).to_string());
    let server = Mock::new([(LOOK, before()), (POST, dropped()), (LOOK, other)]);
    let error = create(&server, options()).await.expect_err("somebody else moved the tag");
    assert!(error.is_ambiguous(), "this call's own may be there beside it: {error}");

    // One request is one request.
    let server = Mock::new([(POST, dropped())]);
    let client = server.client_with(Config::new("http://server/v2/sandboxes").max_retries(0));
    let size = "1Gi".parse().expect("a quantity");
    let error = client.create_snapshot("n", "i", &size, options()).await.expect_err("the answer is lost");
    assert!(error.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_is_captured() {
    let captured = || answer(201, json!({"id": "5", "status": "ready", "source_sandbox_id": "b1"}).to_string());
    let server = Mock::new([(LOOK, nothing()), (CAPTURE, captured())]);
    let options = CaptureSnapshotOptions::default()
        .tag("v1")
        .fs_capacity("2Gi".parse().expect("a quantity"))
        .include_memory(true)
        .include(SnapshotInclude::EnvVars)
        .allow_secret_values(true);
    assert_eq!(id(&capture(&server, options).await.expect("201")), "5");
    let expected = json!({
        "name": "team/image", "tag": "v1", "fs_capacity_bytes": 2_147_483_648_u64, "include_memory": true,
        "include": ["env_vars"], "confirm_allow_snapshot_secret_values": true,
    });
    assert_eq!(server.body(1), expected);

    let tagged = || CaptureSnapshotOptions::default().tag("v1");
    let server = Mock::new([(LOOK, nothing()), (CAPTURE, dropped()), (LOOK, captured())]);
    assert_eq!(id(&capture(&server, tagged()).await.expect("it is found")), "5");

    let cases = [
        (404, "NotFound", Kind::NotFound, "sandbox `s` not found"),
        (409, "Conflict", Kind::NotReady, "the server's words"),
    ];
    for (status, error_type, kind, message) in cases {
        let refused = refusal(status, error_type, "the server's words");
        let server = Mock::new([(LOOK, nothing()), (CAPTURE, refused)]);
        let error = capture(&server, tagged()).await.expect_err("refused");
        assert_eq!((error.kind(), error.resource()), (kind, Some(Resource::Sandbox)));
        let text = format!("cannot capture snapshot `team/image:v1` of sandbox `s`: {message}");
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test]
async fn what_answers_mean() {
    let server = Mock::new([
        (LOOK, nothing()),
        (POST, refusal(400, "RegistryNotFound", "no such registry")),
        (LOOK, nothing()),
        (POST, refusal(403, "Forbidden", "the name is somebody else's")),
    ]);
    let error = create(&server, options()).await.expect_err("400");
    assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some(Resource::Registry)));
    assert_eq!(create(&server, options()).await.expect_err("403").kind(), Kind::Authentication);

    let held = json!({
        "type": "about:blank", "status": 409, "detail": "boxes use it", "remedy": "delete them", "error_class": "Held",
    });
    let server = Mock::new([
        ("DELETE /snapshots/1", answer(409, held.to_string()).header("x-should-retry", "false")),
        ("DELETE /snapshots/1", answer(204, "")),
        ("GET /snapshots-by-name/team%2Fimage", nothing()),
    ]);
    let client = server.client();
    let error = client.delete_snapshot("1").await.expect_err("409");
    assert_eq!((error.kind(), error.error_type()), (Kind::InUse, Some("Held")));
    assert_eq!(error.to_string(), "cannot delete snapshot `1`: boxes use it (delete them)");
    client.delete_snapshot("1").await.expect("204");
    let error = client.list_snapshot_tags("team/image").await.expect_err("404");
    assert_eq!(error.to_string(), "cannot list the tags of snapshot `team/image`: snapshot `team/image` not found");
}

#[tokio::test]
async fn reads_and_filters() {
    let filter = ListFilter::default()
        .name_contains("a b")
        .label("team", "r&d")
        .has_label("warm")
        .status("ready")
        .created_by_me();
    let query = "&name_contains=a%20b&label=team%3Dr%26d&label=warm&status=ready&created_by=me";
    let first = Box::leak(format!("GET /snapshots?limit=500&offset=0{query}").into_boxed_str());
    let second = Box::leak(format!("GET /snapshots?page_size=100&cursor=c{query}").into_boxed_str());
    let server = Mock::new([
        (&*first, answer(200, r#"{"items":[{"id":"1"}],"next_cursor":"c"}"#)),
        (&*second, answer(200, r#"{"snapshots":[{"id":"2"}],"next_cursor":null}"#)),
        ("GET /snapshots-by-name/n", answer(200, r#"{"name":"n","tags":[{"tag":"v1","snapshot_id":"1"}]}"#)),
    ]);
    let reader = server.client().reader();
    assert_eq!(reader.search_snapshots(&filter).await.expect("200").len(), 2, "the filter goes along");
    let tags = reader.list_snapshot_tags("n").await.expect("200");
    assert_eq!((tags.tags[0].tag.as_str(), tags.tags[0].snapshot_id.as_str()), ("v1", "1"));
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_could_not_build_is_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("Dockerfile"), "FROM a").expect("a file");
    let server = Mock::new([(
        "POST /boxes",
        answer(201, r#"{"name":"b","status":"ready","dataplane_url":"http://server/v2/sandboxes/dp"}"#),
    )]);
    server.expect_any(refusal(500, "WriteError", "disk full"));
    server.expect("DELETE /boxes/b", answer(204, ""));
    let client = server.client();
    let build = |dockerfile: &'static str| {
        Box::pin(client.create_snapshot_from_dockerfile(
            "n",
            folder.path(),
            dockerfile.as_ref(),
            DockerfileOptions::default().cpu("2".parse().expect("a quantity")),
        ))
    };
    let error = build("Dockerfile").await.expect_err("it cannot be uploaded");
    assert_eq!(error.error_type(), Some("WriteError"), "{error}");
    let body = server.body(0);
    assert!(body["name"].as_str().is_some_and(|name| name.starts_with("snapshot-builder-")) && body["vcpus"] == 2);
    assert_eq!(body["delete_after_stop_seconds"], 60, "it goes by itself where nobody is left to delete it");
    let upload = server.request(1).uri().clone();
    assert!(upload.to_string().starts_with("http://server/v2/sandboxes/dp/upload?path=%2Fvar%2Flib%2F"), "{upload}");

    let error = build("../Dockerfile").await.expect_err("nothing is sent");
    assert_eq!((error.kind(), error.field()), (Kind::InvalidArgument, Some("dockerfile")));
}
