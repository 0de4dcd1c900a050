//! Updates, renames and deletes whose answers are lost.

use super::mock::{Mock, Reply, answer, dropped, refusal};
use super::name;
use crate::client::{Client, Error, Kind, UpdatePoolOptions, UpdateVolumeOptions};
use crate::wire::Volume;

const DELETE: &str = "DELETE /volumes/v";
const PATCH: &str = "PATCH /volumes/v";
const OLD: &str = "GET /volumes/v";
const NEW: &str = "GET /volumes/w";

fn there() -> Reply {
    answer(200, r#"{"name":"w"}"#)
}

fn nothing() -> Reply {
    refusal(404, "NotFound", "Volume 'v' not found")
}

async fn rename(client: &Client) -> Result<Volume, Error> {
    client.update_volume("v", UpdateVolumeOptions::default().new_name(name("w"))).await
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_finds_nothing_after_a_lost_answer_was_done() {
    let server = Mock::new([(DELETE, dropped()), (DELETE, nothing())]);
    server.client().delete_volume("v").await.expect("the first attempt deleted it");
    let server = Mock::new([(DELETE, answer(502, "")), (DELETE, answer(204, ""))]);
    server.client().delete_volume("v").await.expect("the second attempt deleted it");
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_finds_nothing_at_once_is_an_error() {
    let server = Mock::new([(DELETE, nothing())]);
    let error = server.client().delete_volume("v").await.expect_err("404");
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "cannot delete volume `v`: volume `v` not found");
    // A refusal leaves nothing open, so the 404 after it means what it says.
    let server = Mock::new([(DELETE, answer(429, "")), (DELETE, nothing())]);
    assert!(server.client().delete_volume("v").await.expect_err("404").is_not_found());
}

#[tokio::test(start_paused = true)]
async fn an_update_is_sent_again() {
    let server = Mock::new([("PATCH /pools/p", dropped()), ("PATCH /pools/p", answer(200, r#"{"replicas":3}"#))]);
    let pool = server.client().update_pool("p", UpdatePoolOptions::default().replicas(3)).await;
    assert_eq!(pool.expect("the second attempt is answered").replicas, 3);
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_was_done_is_found_under_the_new_name() {
    let server = Mock::new([(PATCH, dropped()), (NEW, there()), (OLD, nothing())]);
    assert_eq!(rename(&server.client()).await.expect("it was done").name, "w");
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_was_not_done_is_sent_again() {
    let server = Mock::new([(PATCH, dropped()), (NEW, nothing()), (PATCH, there())]);
    rename(&server.client()).await.expect("the second attempt is answered");
    let taken = refusal(409, "Conflict", "Volume name 'w' is already in use");
    let server = Mock::new([(PATCH, dropped()), (NEW, there()), (OLD, there()), (PATCH, taken)]);
    let error = rename(&server.client()).await.expect_err("another has the name");
    assert_eq!(error.kind(), Kind::NameConflict);
    assert_eq!(error.to_string(), "cannot rename volume `v` to `w`: Volume name 'w' is already in use");
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_was_done_late_is_found_too() {
    let server = Mock::new([(PATCH, dropped()), (NEW, nothing()), (PATCH, nothing()), (NEW, there())]);
    rename(&server.client()).await.expect("the first attempt was only late");
    let server = Mock::new([(PATCH, dropped()), (NEW, nothing()), (PATCH, nothing()), (NEW, nothing())]);
    let error = rename(&server.client()).await.expect_err("there is neither");
    assert!(error.is_not_found() && !error.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_rename_of_nothing_is_an_error() {
    let server = Mock::new([(PATCH, nothing())]);
    assert!(rename(&server.client()).await.expect_err("404").is_not_found());
}
