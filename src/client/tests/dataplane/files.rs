use serde_json::json;

use super::server::{Play, Server};
use crate::client::{Kind, Resource, SearchOptions};

fn answer(status: &str, body: &str) -> Play {
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    Play::Answer(Box::leak(text.into_boxed_str()))
}

/// Returns the body of a form as the boundary in its head takes it apart.
fn part(request: &str) -> &str {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
    let boundary = head.lines().find_map(|line| line.strip_prefix("content-type: multipart/form-data; boundary="));
    let (before, after) =
        (format!("--{}\r\n", boundary.expect("a form")), format!("\r\n--{}--\r\n", boundary.expect("a form")));
    body.strip_prefix(&before).and_then(|rest| rest.strip_suffix(&after)).unwrap_or_else(|| panic!("{request}"))
}

#[tokio::test]
async fn a_file_is_read() {
    let server = Server::start(vec![answer("200 OK", "hello"), answer("200 OK", "there")]).await;
    let sandbox = server.sandbox();
    assert_eq!(sandbox.read("/a b/c&d").await.expect("it is there"), "hello");
    let mut copy = Vec::new();
    assert_eq!(sandbox.read_to("x", &mut copy).await.expect("it is there"), 5);
    assert_eq!(copy, b"there");
    let heads = server.done().await;
    assert!(heads[0].starts_with("GET /dp/1/download?path=%2Fa%20b%2Fc%26d HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[0].contains("x-api-key: key-1234\r\n"), "{heads:?}");
    assert!(heads[1].starts_with("GET /dp/1/download?path=x HTTP/1.1\r\n"), "{heads:?}");
}

#[tokio::test]
async fn a_file_is_written_as_a_form_of_one_part() {
    let server = Server::start(vec![answer("200 OK", "{}"), answer("503 Busy", ""), answer("201 Created", "")]).await;
    let sandbox = server.sandbox();
    sandbox.write("a", "one").await.expect("it is written");
    sandbox.write("a", "two").await.expect("the same bytes are sent again");
    let heads = server.done().await;
    let disposition = "content-disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
                       content-type: application/octet-stream\r\n\r\n";
    assert!(heads[0].starts_with("POST /dp/1/upload?path=a HTTP/1.1\r\n"), "{heads:?}");
    assert_eq!(part(&heads[0]), format!("{disposition}one"));
    assert_eq!(part(&heads[2]), format!("{disposition}two"));
}

#[tokio::test]
async fn errors_name_the_file() {
    let body = |error: &str| json!({"detail": {"error": error, "message": "no"}}).to_string();
    let cases = [
        ("404 Not Found", body("NotFound"), Kind::NotFound, Some(Resource::File), None),
        ("400 Bad Request", body("ReadError"), Kind::Operation, Some(Resource::Sandbox), Some("read")),
        ("403 Forbidden", body("Forbidden"), Kind::Operation, Some(Resource::Sandbox), None),
        ("400 Bad Request", body("NotReady"), Kind::NotReady, Some(Resource::Sandbox), None),
        ("418 Teapot", String::new(), Kind::Client, None, None),
    ];
    for (status, body, kind, resource, operation) in cases {
        let server = Server::start(vec![answer(status, &body), answer(status, &body)]).await;
        let sandbox = server.sandbox();
        let whole = sandbox.read("/x").await.expect_err("it fails");
        let streamed = sandbox.read_to("/x", &mut Vec::new()).await.expect_err("it fails");
        for error in [whole, streamed] {
            let found = (error.kind(), error.resource(), error.operation());
            assert_eq!(found, (kind, resource, operation), "{error}");
            assert!(error.to_string().starts_with("cannot read `/x` in sandbox `box`: "), "{error}");
        }
        server.done().await;
    }
}

#[tokio::test]
async fn a_file_is_looked_at_and_read_in_parts() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                etag: \"5-1\"\r\nconnection: close\r\n\r\n";
    let server = Server::start(vec![
        Play::Answer(head),
        answer("404 Not Found", ""),
        answer("206 Partial Content", "ell"),
        answer("200 OK", "hello"),
        answer("200 OK", "hello"),
        answer("416 Range Not Satisfiable", ""),
    ])
    .await;
    let sandbox = server.sandbox();
    let stat = sandbox.stat("a").await.expect("it is there");
    assert_eq!((stat.size_bytes, stat.tag.as_deref()), (Some(5), Some("\"5-1\"")));
    assert_eq!(stat.modified.expect("it is said").to_string(), "1994-11-06T08:49:37Z");
    let error = sandbox.stat("none").await.expect_err("it is not there");
    assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some(Resource::File)));
    assert_eq!(sandbox.read_range("a", 1..4).await.expect("it is there"), "ell");
    // A server of the first generation knows no parts.
    assert_eq!(sandbox.read_range("a", 1..4).await.expect("it is there"), "ell");
    assert_eq!(sandbox.read_range("a", 4..900).await.expect("it is there"), "o");
    assert_eq!(sandbox.read_range("a", 7..9).await.expect("it is there"), "");
    assert_eq!(sandbox.read_range("a", 7..7).await.expect("nothing is asked"), "");
    let heads = server.done().await;
    assert!(heads[0].starts_with("HEAD /dp/1/download?path=a HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[2].contains("range: bytes=1-3\r\n"), "{heads:?}");
}

#[tokio::test]
async fn an_empty_path_is_refused() {
    let server = Server::start(vec![]).await;
    let error = server.sandbox().write("", "x").await.expect_err("no path");
    assert_eq!((error.kind(), error.field()), (Kind::InvalidArgument, Some("path")));
}

#[tokio::test]
async fn files_are_searched_and_what_reads_is_asked_again() {
    let entry = json!({"path": "/w/a", "is_dir": true, "size_bytes": 4096, "modified_at": "2026-01-02T03:04:05Z"});
    let found = json!({"matches": [entry], "truncated": true}).to_string();
    let lines = json!({"matches": [{"path": "/w/b", "line": 7, "text": "x (y)"}], "truncated": null}).to_string();
    let server = Server::start(vec![answer("503 Busy", ""), answer("200 OK", &found), answer("200 OK", &lines)]).await;
    let sandbox = server.sandbox();
    let found = sandbox.glob("**/*", "/w", SearchOptions::default()).await.expect("there are some");
    assert_eq!((found.matches[0].path.as_str(), found.matches[0].is_dir, found.truncated), ("/w/a", true, true));
    let options = SearchOptions::default().limit(5).files("*.py");
    let lines = sandbox.grep("x (", "/w", options).await.expect("there are some");
    assert_eq!((lines.matches[0].line, lines.matches[0].text.as_str(), lines.truncated), (7, "x (y)", false));
    let heads = server.done().await;
    let body = |head: &str| head.split_once("\r\n\r\n").expect("a body").1.to_owned();
    assert!(heads[1].starts_with("POST /dp/1/glob HTTP/1.1\r\n"), "{heads:?}");
    assert_eq!(body(&heads[1]), r#"{"pattern":"**/*","path":"/w"}"#);
    assert!(heads[2].starts_with("POST /dp/1/grep HTTP/1.1\r\n"), "{heads:?}");
    assert_eq!(body(&heads[2]), r#"{"pattern":"x (","path":"/w","glob":"*.py","limit":5}"#);
}

#[tokio::test]
async fn a_search_of_no_folder_names_it() {
    let gone = json!({"detail": {"error": "FileNotFound", "message": "no"}}).to_string();
    let server = Server::start(vec![answer("404 Not Found", &gone)]).await;
    let error = server.sandbox().grep("x", "/gone", SearchOptions::default()).await.expect_err("it is not there");
    assert_eq!((error.kind(), error.resource(), error.is_ambiguous()), (Kind::NotFound, Some(Resource::File), false));
    assert!(error.to_string().starts_with("cannot search `/gone` in sandbox `box`: "), "{error}");
    server.done().await;
}
