//! Answers to lists that are no lists. Read as lists with nothing in them, they would have a plan make everything again.

use super::mock::{Mock, answer};
use crate::client::{Client, Error, Kind};

/// What has another form than any list, with or without something in it.
const NO_LISTS: [&str; 10] =
    ["{}", "null", "[]", "[[]]", "[[],0]", "true", r#""[]""#, "", "<html></html>", r#"{"detail":"Not Found"}"#];

async fn list(kind: &str, client: &Client) -> Result<usize, Error> {
    match kind {
        "volumes" => client.list_volumes().await.map(|list| list.len()),
        "templates" => client.list_templates().await.map(|list| list.len()),
        "pools" => client.list_pools().await.map(|list| list.len()),
        "boxes" => client.list_sandboxes().await.map(|list| list.len()),
        "boxes of snapshots" => client.list_sandboxes_v2().await.map(|list| list.len()),
        "snapshots" => client.list_snapshots().await.map(|list| list.len()),
        "registries" => client.list_registries().await.map(|list| list.len()),
        _ => unreachable!("no such kind: {kind}"),
    }
}

/// Each kind, with the key that its objects stand under.
const KINDS: [(&str, &str); 7] = [
    ("volumes", "volumes"),
    ("templates", "templates"),
    ("pools", "pools"),
    ("boxes", "sandboxes"),
    ("boxes of snapshots", "sandboxes"),
    ("snapshots", "snapshots"),
    ("registries", "registries"),
];

#[tokio::test]
async fn what_is_no_list_is_not_read_as_an_empty_one() {
    for (kind, key) in KINDS {
        let others = [format!(r#"{{"{key}":{{}}}}"#), r#"{"offset":0,"next_cursor":null}"#.to_owned()];
        let another = if key == "pools" { r#"{"volumes":[]}"# } else { r#"{"pools":[]}"# };
        for body in NO_LISTS.map(str::to_owned).into_iter().chain(others).chain([another.to_owned()]) {
            let server = Mock::new([]);
            server.expect_any(answer(200, body.clone()));
            let error = list(kind, &server.client()).await.expect_err(&body);
            assert_eq!(error.kind(), Kind::InvalidBody, "{kind}: {body}");
            assert!(!error.is_not_found() && !error.is_retryable(), "{kind}: {body}");
        }
    }
}

#[tokio::test]
async fn a_list_with_nothing_in_it_is_one() {
    for (kind, key) in KINDS {
        let mut bodies = vec![format!(r#"{{"{key}":[]}}"#), format!(r#" {{"{key}":null,"offset":null}}"#)];
        if ["boxes of snapshots", "snapshots", "registries"].contains(&kind) {
            bodies.push(r#"{"items":[],"next_cursor":null}"#.to_owned());
            bodies.push(format!(r#"{{"{key}":null,"items":[]}}"#));
        }
        for body in bodies {
            let server = Mock::new([]);
            server.expect_any(answer(200, body.clone()));
            assert_eq!(list(kind, &server.client()).await.expect(&body), 0, "{kind}: {body}");
        }
    }
}

#[tokio::test]
async fn a_later_page_has_to_be_one_too() {
    let names: Vec<_> = (0..500).map(|n| format!(r#"{{"name":"v{n}"}}"#)).collect();
    let server = Mock::new([
        ("GET /volumes?limit=500&offset=0", answer(200, format!(r#"{{"volumes":[{}]}}"#, names.join(",")))),
        ("GET /volumes?limit=500&offset=500", answer(200, "{}")),
    ]);
    let error = server.client().list_volumes().await.expect_err("a part is not the whole");
    assert_eq!(
        error.to_string(),
        "cannot list volumes: the answer to `GET /volumes?limit=500&offset=500` is not a list"
    );
    let why = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(why.starts_with("missing field `volumes`"), "{why}");
}

#[tokio::test]
async fn no_other_answer_is_an_array() {
    let server = Mock::new([("GET /usage", answer(200, "[]")), ("GET /boxes/a", answer(200, r#"["a"]"#))]);
    let client = server.client();
    assert_eq!(client.usage().await.expect_err("no object").kind(), Kind::InvalidBody);
    assert_eq!(client.get_sandbox("a").await.expect_err("no object").kind(), Kind::InvalidBody);
}

#[tokio::test]
async fn a_generation_is_not_taken_for_spoken_by_what_is_no_list() {
    let server = Mock::new([
        ("GET /templates?limit=1&offset=0", answer(200, "{}")),
        ("GET /snapshots?limit=1&offset=0", answer(200, r#"{"snapshots":[]}"#)),
        ("GET /templates?limit=1&offset=0", answer(404, "")),
    ]);
    let client = server.client();
    assert_eq!(client.generations().await.expect_err("no list").kind(), Kind::InvalidBody);
    let found = client.generations().await.expect("both are answered");
    assert_eq!((found.first, found.second), (false, true), "nothing was kept of the first answer");
}
