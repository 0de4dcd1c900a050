//! Which generations a server speaks, and what a call of the other one comes to.

use super::mock::{Mock, answer, refusal};
use super::name;
use crate::client::{
    CreateSandboxOptions, CreateSandboxV2Options, CreateSnapshotOptions, Generation, Kind, WaitOptions,
};

const TEMPLATES: &str = "GET /templates?limit=1&offset=0";
const SNAPSHOTS: &str = "GET /snapshots?limit=1&offset=0";
const NO_TEMPLATES: &str = r#"{"templates":[]}"#;
const NO_SNAPSHOTS: &str = r#"{"items":[],"next_cursor":null}"#;
const NOT_FOUND: &str = r#"{"detail":"Not Found"}"#;

#[tokio::test]
async fn both_are_asked_for_once() {
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let reply = |is_spoken, list| if is_spoken { answer(200, list) } else { answer(404, NOT_FOUND) };
        let server = Mock::new([(TEMPLATES, reply(first, NO_TEMPLATES)), (SNAPSHOTS, reply(second, NO_SNAPSHOTS))]);
        let client = server.client();
        for _ in 0..2 {
            let found = client.clone().generations().await.expect("both are answered");
            assert_eq!((found.first, found.second), (first, second));
            assert_eq!(found.speaks(Generation::First), found.first);
        }
        client.reader().generations().await.expect("it is known");
    }
}

#[tokio::test]
async fn a_list_that_was_read_tells_as_much() {
    let server = Mock::new([
        ("GET /snapshots?limit=500&offset=0", answer(404, NOT_FOUND)),
        ("GET /templates?limit=500&offset=0", answer(200, r#"{"templates":[]}"#)),
    ]);
    let client = server.client();
    assert_eq!(client.list_snapshots().await.expect_err("404").kind(), Kind::WrongGeneration);
    client.list_templates().await.expect("200");
    let found = client.generations().await.expect("nothing is asked");
    assert_eq!((found.first, found.second), (true, false));
}

/// Registries came later than snapshots, and a server may have no pools.
#[tokio::test]
async fn a_list_that_is_missing_says_nothing_of_the_rest_of_its_generation() {
    let server = Mock::new([
        ("GET /registries?limit=500&offset=0", answer(404, NOT_FOUND)),
        ("GET /pools?limit=500&offset=0", answer(404, NOT_FOUND)),
        ("POST /boxes", answer(201, r#"{"id":"1","name":"s","status":"ready","template_name":"t"}"#)),
        (TEMPLATES, answer(200, NO_TEMPLATES)),
        (SNAPSHOTS, answer(200, NO_SNAPSHOTS)),
    ]);
    let client = server.client();
    for error in [client.list_registries().await.expect_err("404"), client.list_pools().await.expect_err("404")] {
        assert_eq!(error.kind(), Kind::WrongGeneration);
    }
    client.create_sandbox("t", CreateSandboxOptions::default().name(name("s"))).await.expect("201");
    let found = client.generations().await.expect("both are asked for");
    assert_eq!((found.first, found.second), (true, true));
}

#[tokio::test]
async fn where_a_generation_is_spoken_it_is_an_object_that_is_missing() {
    let server = Mock::new([
        ("GET /snapshots?limit=500&offset=0", answer(200, r#"{"snapshots":[]}"#)),
        ("GET /snapshots/n", answer(404, NOT_FOUND)),
        ("DELETE /registries/r", answer(404, "")),
    ]);
    let client = server.client();
    client.list_snapshots().await.expect("200");
    assert!(client.get_snapshot("n").await.expect_err("404").is_not_found());
    assert!(client.delete_registry("r").await.expect_err("404").is_not_found());
}

#[tokio::test]
async fn a_create_is_not_kept_back_by_a_404_that_says_little() {
    let server = Mock::new([
        ("GET /snapshots/n:latest", answer(404, NOT_FOUND)),
        ("POST /snapshots", answer(201, r#"{"id":"1","status":"ready"}"#)),
    ]);
    let size = "1Gi".parse().expect("a size");
    server.client().create_snapshot("n", "i", &size, CreateSnapshotOptions::default()).await.expect("201");
}

#[tokio::test]
async fn lists_that_both_have_tell_nothing() {
    let server = Mock::new([
        ("GET /volumes?limit=500&offset=0", answer(200, r#"{"volumes":[]}"#)),
        ("GET /boxes?limit=500&offset=0", answer(200, r#"{"sandboxes":[]}"#)),
        (TEMPLATES, answer(200, NO_TEMPLATES)),
        (SNAPSHOTS, answer(200, NO_SNAPSHOTS)),
    ]);
    let client = server.client();
    client.list_volumes().await.expect("200");
    client.list_sandboxes_v2().await.expect("200");
    client.generations().await.expect("both are asked for");
}

#[tokio::test]
async fn what_could_not_be_found_out_is_asked_for_again() {
    let server = Mock::new([
        (TEMPLATES, answer(200, NO_TEMPLATES)),
        (SNAPSHOTS, refusal(401, "Unauthorized", "no")),
        (SNAPSHOTS, answer(200, NO_SNAPSHOTS)),
    ]);
    let client = server.client();
    assert_eq!(client.generations().await.expect_err("401").kind(), Kind::Authentication);
    assert!(client.generations().await.expect("200").second);
}

#[tokio::test]
async fn a_sandbox_of_a_generation_that_is_not_spoken_is_not_asked_for() {
    let server = Mock::new([(TEMPLATES, answer(404, NOT_FOUND)), (SNAPSHOTS, answer(404, NOT_FOUND))]);
    let client = server.client();
    client.generations().await.expect("both are answered");
    let first = client.create_sandbox("t", CreateSandboxOptions::default().name(name("s"))).await;
    let second = client.create_sandbox_v2(None, CreateSandboxV2Options::default().name(name("s"))).await;
    let size = "1Gi".parse().expect("a size");
    let snapshot = client.create_snapshot("n", "i", &size, CreateSnapshotOptions::default());
    let errors = [
        (first.expect_err("nothing is sent"), "first"),
        (second.expect_err("nothing is sent"), "second"),
        (snapshot.await.expect_err("nothing is sent"), "second"),
    ];
    for (error, generation) in errors {
        assert_eq!((error.kind(), error.is_ambiguous()), (Kind::WrongGeneration, false));
        let text = format!("this server does not speak the API's {generation} generation");
        assert_eq!(error.message(), text);
    }
}

#[tokio::test]
async fn a_server_of_the_first_generation_says_so_in_its_own_way() {
    let missing = r#"{"detail":[{"loc":["body","template_name"],"msg":"Field required","type":"missing"}]}"#;
    let server = Mock::new([
        ("POST /boxes", answer(422, missing)),
        ("POST /boxes/s/start", answer(404, NOT_FOUND)),
        ("GET /snapshots/n:v1", answer(404, NOT_FOUND)),
        ("GET /snapshots-by-name/n", answer(404, NOT_FOUND)),
    ]);
    let client = server.client();
    let options = CreateSandboxV2Options::default().name(name("s"));
    for error in [
        client.create_sandbox_v2(Some("n:v1"), options).await.expect_err("422"),
        client.start_sandbox_v2("s", WaitOptions::default()).await.expect_err("404"),
        client.get_snapshot("n:v1").await.expect_err("404"),
        client.list_snapshot_tags("n").await.expect_err("404"),
    ] {
        assert_eq!(error.kind(), Kind::WrongGeneration, "{error}");
    }
}
