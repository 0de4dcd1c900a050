use serde_json::{Value, json};

use super::sandbox;
use crate::server::tests::harness::{Reply, Server};

const CONTENT_TYPE: (&str, &str) = ("content-type", "multipart/form-data; boundary=XX");

fn form(part: &str, content: &str) -> String {
    format!("--XX\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"file\"\r\n\r\n{content}\r\n--XX--\r\n")
}

async fn upload(server: &Server, path: &str, body: String) -> Reply {
    server.send("POST", path, &[CONTENT_TYPE], Value::String(body)).await
}

#[tokio::test(start_paused = true)]
async fn a_file_comes_back_as_it_went() {
    let (server, _, path) = sandbox().await;
    let content = "line\r\n--X\n".repeat(50_000);
    let reply = upload(&server, &format!("{path}/upload?path=a+b%2Fc"), form("file", &content)).await;
    assert_eq!(reply.body, json!({"path": "/home/user/a b/c", "written": content.len()}));
    let reply = server.root("GET", &format!("{path}/download?path=/home/user/a%20b/c"), Value::Null).await;
    assert_eq!(reply.headers["content-type"], "application/octet-stream");
    assert_eq!(reply.headers["content-length"], content.len().to_string());
    assert!(reply.text == content);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said() {
    let (server, _, path) = sandbox().await;
    let reply = server.root("GET", &format!("{path}/download?path=/none"), Value::Null).await;
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (404, &json!("FileNotFound")));
    for query in ["", "?path=", "?path=a%00b"] {
        assert_eq!(server.root("GET", &format!("{path}/download{query}"), Value::Null).await.status, 400, "{query}");
    }
    let place = format!("{path}/upload?path=/x");
    assert_eq!(server.root("POST", &place, Value::Null).await.status, 400);
    assert_eq!(upload(&server, &place, form("other", "x")).await.status, 400);
    let whole = form("file", "content");
    let reply = upload(&server, &place, whole[..whole.len() - 12].to_owned()).await;
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (400, &json!("WriteError")));
    assert_eq!(server.root("GET", &format!("{path}/download?path=/x"), Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_fault_rule_cuts_a_download() {
    let (server, _, path) = sandbox().await;
    upload(&server, &format!("{path}/upload?path=/x"), form("file", "0123456789")).await;
    server.root("POST", "/_sbx/faults", json!({"operation": "download", "cut_after_bytes": 4})).await;
    let reply = server.root("GET", &format!("{path}/download?path=/x"), Value::Null).await;
    assert!(reply.is_cut && reply.headers["content-length"] == "10", "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn parts_of_files_and_files_that_have_not_changed() {
    let (server, _, path) = sandbox().await;
    upload(&server, &format!("{path}/upload?path=/x"), form("file", "0123456789")).await;
    let place = format!("{path}/download?path=/x");
    let get = async |headers: &[(&str, &str)]| server.send("GET", &place, headers, Value::Null).await;
    let head = server.send("HEAD", &place, &[], Value::Null).await;
    let tag = head.headers["etag"].to_str().expect("a text").to_owned();
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(head.headers["content-length"], "10");
    assert_eq!(head.headers["last-modified"], "Thu, 01 Jan 1970 00:00:00 GMT");
    let part = get(&[("range", "bytes=2-4")]).await;
    assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "234"));
    assert_eq!(part.headers["content-range"], "bytes 2-4/10");
    assert_eq!(part.headers["content-length"], "3");
    let beyond = get(&[("range", "bytes=10-")]).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.headers["content-range"], "bytes */10");
    let same = get(&[("if-none-match", &tag)]).await;
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    let other = get(&[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status.as_u16(), other.text.as_str()), (200, "0123456789"));
}
