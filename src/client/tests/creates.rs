//! A create has its effect once, whatever becomes of its answers.

use std::time::Duration;

use super::mock::{Mock, Reply, answer, dropped, fault, refusal, refused};
use super::name;
use crate::client::{
    Client, Config, CreatePoolOptions, CreateSandboxOptions, CreateTemplateOptions, CreateVolumeOptions, Deadline,
    Error, Kind, TransportError,
};
use crate::wire::{Template, Volume};

const POST: &str = "POST /volumes";
const GET: &str = "GET /volumes/v";

fn same() -> Reply {
    answer(200, r#"{"name":"v","size":"10240Mi"}"#)
}

fn different() -> Reply {
    answer(200, r#"{"name":"v","size":"20Gi"}"#)
}

fn nothing() -> Reply {
    refusal(404, "NotFound", "Volume 'v' not found")
}

fn conflict() -> Reply {
    refusal(409, "Conflict", "Volume 'v' already exists")
}

async fn create(client: &Client) -> Result<Volume, Error> {
    let size = "10Gi".parse().expect("a quantity");
    client.create_volume(&name("v"), &size, CreateVolumeOptions::default()).await
}

/// Every outcome that leaves open whether the volume was created.
fn doubtful() -> Vec<Reply> {
    vec![
        answer(502, ""),
        answer(503, ""),
        answer(504, ""),
        dropped(),
        fault(TransportError::Timeout),
        fault(TransportError::Other { source: std::io::Error::other("not HTTP").into() }),
        same().after(Duration::from_hours(1)),
    ]
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_what_was_asked_for_is_success() {
    for lost in doubtful() {
        let server = Mock::new([(POST, lost), (GET, same())]);
        assert_eq!(create(&server.client()).await.expect("it is there").size, "10240Mi");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_something_else_is_an_error() {
    for lost in doubtful() {
        let server = Mock::new([(POST, lost), (GET, different())]);
        let error = create(&server.client()).await.expect_err("it is another volume");
        assert_eq!((error.kind(), error.is_ambiguous()), (Kind::AlreadyExists, false));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_nothing_is_sent_again() {
    for lost in doubtful() {
        let server = Mock::new([(POST, lost), (GET, nothing()), (POST, same())]);
        create(&server.client()).await.expect("the second attempt is answered");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_after_a_lost_answer_may_be_with_oneself() {
    let server = Mock::new([(POST, dropped()), (GET, nothing()), (POST, conflict()), (GET, same())]);
    create(&server.client()).await.expect("the first attempt was only late");
    let server = Mock::new([(POST, dropped()), (GET, nothing()), (POST, conflict()), (GET, different())]);
    assert_eq!(create(&server.client()).await.expect_err("another's").kind(), Kind::AlreadyExists);
}

#[tokio::test]
async fn a_conflict_at_once_is_with_another() {
    let server = Mock::new([(POST, conflict())]);
    let error = create(&server.client()).await.expect_err("409");
    assert_eq!(error.kind(), Kind::AlreadyExists);
    assert_eq!(error.to_string(), "cannot create volume `v`: Volume 'v' already exists");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_sent_again_without_looking() {
    let server = Mock::new([
        (POST, refused()),
        (POST, answer(429, "").header("retry-after", "2")),
        (POST, answer(503, "").header("retry-after", "2")),
        (POST, same()),
    ]);
    create(&server.client()).await.expect("the fourth attempt is answered");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_last_one_is_looked_up_too() {
    let script = || {
        [
            (POST, answer(504, "")),
            (GET, nothing()),
            (POST, answer(504, "")),
            (GET, nothing()),
            (POST, answer(504, "")),
            (GET, nothing()),
            (POST, answer(504, "")),
        ]
    };
    let server = Mock::new(script());
    server.expect(GET, nothing());
    let error = create(&server.client()).await.expect_err("four attempts have failed");
    assert_eq!((error.kind(), error.attempts(), error.is_ambiguous()), (Kind::Timeout, 4, false));

    let server = Mock::new(script());
    server.expect(GET, same());
    create(&server.client()).await.expect("the last attempt had its effect");
}

/// A create that had all its time is not given it four times over; a proxy's own 504 says nothing of that.
#[tokio::test(start_paused = true)]
async fn what_was_not_ready_in_time_is_not_made_again() {
    let late = || refusal(504, "Timeout", "Volume 'v' was not ready within 60 seconds");
    let server = Mock::new([(POST, late()), (GET, nothing())]);
    let error = create(&server.client()).await.expect_err("it was late");
    assert_eq!((error.kind(), error.attempts(), error.is_ambiguous()), (Kind::Timeout, 1, false));
    // It may have become ready just then.
    let server = Mock::new([(POST, late()), (GET, same())]);
    create(&server.client()).await.expect("it is there");
}

#[tokio::test(start_paused = true)]
async fn what_looking_cannot_settle_is_said_to_be_open() {
    let server = Mock::new([(POST, dropped()), (GET, answer(500, ""))]);
    let error = create(&server.client()).await.expect_err("neither is answered");
    assert_eq!((error.kind(), error.is_ambiguous(), error.is_retryable()), (Kind::Transport, true, true));
}

#[tokio::test(start_paused = true)]
async fn without_retries_a_call_is_one_request() {
    for lost in doubtful() {
        let server = Mock::new([(POST, lost)]);
        let config = Config::new("http://server/v2/sandboxes").max_retries(0);
        let error = create(&server.client_with(config)).await.expect_err("the answer is lost");
        assert!(error.is_ambiguous(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_series() {
    let server = Mock::new([(POST, answer(504, "")), (GET, nothing())]);
    let client = server.client().with_deadline(Deadline::after(Duration::from_millis(500)));
    let error = create(&client).await.expect_err("there is no time for a second attempt");
    assert_eq!((error.kind(), error.attempts()), (Kind::Timeout, 1));
}

#[tokio::test(start_paused = true)]
async fn templates_are_compared_by_what_they_mean() {
    let create = async |found: &'static str| -> Result<Template, Error> {
        let server = Mock::new([("POST /templates", dropped()), ("GET /templates/t", answer(200, found))]);
        let options = CreateTemplateOptions::default()
            .cpu("0.5".parse().expect("a quantity"))
            .memory("1Gi".parse().expect("a quantity"))
            .volume_mount(&name("a"), "/a")
            .volume_mount(&name("b"), "/b");
        server.client().create_template(&name("t"), "python", options).await
    };
    let same = r#"{"image":"docker.io/library/python:latest","registry_id":1,
            "resources":{"cpu":"500m","memory":"1024Mi","storage":"5Gi"},
            "volume_mounts":[{"volume_name":"b","mount_path":"/b"},{"volume_name":"a","mount_path":"/a"}]}"#;
    create(same).await.expect("spelling, order and what was not asked for do not matter");

    let different = [
        r#"{"image":"python:3","resources":{"memory":"1Gi"},
            "volume_mounts":[{"volume_name":"a","mount_path":"/a"},{"volume_name":"b","mount_path":"/b"}]}"#,
        r#"{"image":"python","resources":{"memory":"2Gi"},
            "volume_mounts":[{"volume_name":"a","mount_path":"/a"},{"volume_name":"b","mount_path":"/b"}]}"#,
        r#"{"image":"python","resources":{"cpu":"1","memory":"1Gi"},
            "volume_mounts":[{"volume_name":"a","mount_path":"/a"},{"volume_name":"b","mount_path":"/b"}]}"#,
        r#"{"image":"python","resources":{"memory":"1Gi"},
            "volume_mounts":[{"volume_name":"b","mount_path":"/a"},{"volume_name":"a","mount_path":"/b"}]}"#,
        r#"{"image":"python","resources":{"memory":"1Gi"},"volume_mounts":[]}"#,
    ];
    for found in different {
        assert_eq!(create(found).await.expect_err(found).kind(), Kind::AlreadyExists, "{found}");
    }
}

#[tokio::test(start_paused = true)]
async fn pools_are_compared_too() {
    for (found, created) in [
        (r#"{"template_name":"t","replicas":3}"#, true),
        (r#"{"template_name":"t","replicas":4}"#, false),
        (r#"{"template_name":"u","replicas":3}"#, false),
    ] {
        let server = Mock::new([("POST /pools", dropped()), ("GET /pools/p", answer(200, found))]);
        let result = server.client().create_pool(&name("p"), "t", 3, CreatePoolOptions::default()).await;
        assert_eq!(result.is_ok(), created, "{found}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_found_while_it_starts_is_waited_for() {
    let server = Mock::new([
        ("POST /boxes", dropped()),
        ("GET /boxes/s", answer(200, r#"{"name":"s","template_name":"t","status":"provisioning"}"#)),
        ("GET /boxes/s/status", answer(200, r#"{"status":"provisioning"}"#)),
        ("GET /boxes/s/status", answer(200, r#"{"status":"ready"}"#)),
        ("GET /boxes/s", answer(200, r#"{"name":"s","template_name":"t","status":"ready"}"#)),
    ]);
    let options = CreateSandboxOptions::default().name(name("s"));
    let sandbox = server.client().create_sandbox("t", options).await.expect("it becomes ready");
    assert_eq!(sandbox.status.as_str(), "ready");
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_without_a_name_is_found_by_the_one_it_was_sent() {
    let server = Mock::new([("POST /boxes", dropped())]);
    server.expect_any(answer(200, r#"{"name":"x","template_name":"t"}"#));
    server.client().create_sandbox("t", CreateSandboxOptions::default()).await.expect("it is there");
    let sent = server.body(0)["name"].as_str().expect("a name is always sent").to_owned();
    assert_eq!(server.request(1).uri().path(), format!("/v2/sandboxes/boxes/{sent}"));
}
