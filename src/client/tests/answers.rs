//! A view that asks for each list once.

use super::mock::{Mock, answer, refused};
use crate::client::Kind;

const BOXES: &str = "GET /boxes?limit=500&offset=0";
const SNAPSHOTS: &str = "GET /snapshots?limit=500&offset=0";

#[tokio::test]
async fn a_list_is_asked_for_once_whatever_is_read_from_it() {
    let boxes = r#"{"sandboxes":[{"name":"a","template_name":"t"},{"name":"b","snapshot_id":"s"}]}"#;
    let server = Mock::new([(BOXES, answer(200, boxes)), (BOXES, answer(200, r#"{"sandboxes":[]}"#))]);
    let reader = server.client().reader();
    let round = reader.remembering();
    let (first, second) = tokio::join!(round.list_sandboxes(), round.list_sandboxes_v2());
    assert_eq!(first.expect("200").len(), 2);
    assert_eq!(second.expect("200").iter().map(|sandbox| &*sandbox.name).collect::<Vec<_>>(), ["b"]);
    assert!(reader.list_sandboxes().await.expect("200").is_empty(), "the reader itself remembers nothing");
}

#[tokio::test]
async fn that_there_is_no_such_list_is_an_answer_and_a_failure_is_none() {
    let server = Mock::new([
        (SNAPSHOTS, answer(404, "")),
        (BOXES, answer(503, "")),
        (BOXES, refused()),
        (BOXES, answer(200, r#"{"sandboxes":[]}"#)),
        ("GET /boxes/b", answer(200, r#"{"name":"b"}"#)),
        ("GET /boxes/b", answer(200, r#"{"name":"b"}"#)),
    ]);
    let round = server.client().reader().remembering();
    for _ in 0..2 {
        assert_eq!(round.list_snapshots().await.expect_err("404").kind(), Kind::WrongGeneration);
    }
    for _ in 0..2 {
        assert!(round.list_sandboxes().await.expect("200, at last").is_empty());
    }
    for _ in 0..2 {
        round.get_sandbox("b").await.expect("what is no list is read anew");
    }
}
