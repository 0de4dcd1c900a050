//! Commands, files and ports in a sandbox.

use sbx::server::runtime::{Control, ExecSpec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::bench::{Bench, Done, LIMIT, command, finish, input, sh, start, tell};

#[tokio::test]
async fn a_command_has_output_and_an_exit_code() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let done = sh(&sandbox, "id -u; pwd; echo wrong >&2; exit 3").await;
    assert_eq!(done, Done { code: 3, stdout: "0\n/home/user\n".to_owned(), stderr: "wrong\n".to_owned() });
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_command_reads_its_input_to_the_end() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let session = start(&sandbox, "wc -c").await;
    for _ in 0..64 {
        tell(&session, input(&"x".repeat(10_000))).await;
    }
    tell(&session, Control::CloseInput).await;
    assert_eq!(finish(session).await.stdout.trim(), "640000");
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_command_is_killed_with_its_children() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let mut session = start(&sandbox, "sleep 600 & echo up; wait").await;
    session.output.recv().await.expect("it says that it is up");
    session.kill.cancel();
    assert_eq!(finish(session).await.code, 137);
    // Both get the signal at once, and each dies in its own time.
    let is_left = "grep -l sleep /proc/[0-9]*/comm 2>/dev/null";
    let done = sh(&sandbox, &format!("for i in $(seq 1000); do {is_left} || exit 0; sh -c :; done; exit 1")).await;
    assert_eq!(done.code, 0, "{done:?}");
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_terminal_is_one() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let spec = ExecSpec { pty: true, ..command(&["/bin/sh", "-c", "tty; read line; stty size; echo \"got $line\""]) };
    let session = sandbox.exec(spec).await.expect("the shell starts");
    tell(&session, Control::Resize { rows: 40, columns: 132 }).await;
    tell(&session, input("hello\n")).await;
    let done = finish(session).await;
    assert!(done.stdout.contains("/dev/pts/0"), "{done:?}");
    assert!(done.stdout.contains("40 132"), "{done:?}");
    assert!(done.stdout.contains("got hello"), "{done:?}");
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_file_is_written_and_read() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let text = "line\n".repeat(100_000);
    let content = std::io::Cursor::new(text.clone().into_bytes());
    let size = sandbox.write("/data/deep/file.txt", Box::new(content)).await.expect("can be written");
    assert_eq!(size, 500_000);
    let mut file = sandbox.read("/data/deep/file.txt").await.expect("can be read");
    assert_eq!(file.size, Some(500_000));
    let mut read = String::new();
    file.bytes.read_to_string(&mut read).await.expect("can be read");
    assert!(read == text, "{} bytes came back", read.len());
    assert!(sandbox.read("/nowhere").await.is_err());
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_port_inside_can_be_dialled() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    assert!(sandbox.dial(8000).await.is_err());
    let script = "import socket
s = socket.create_server(('127.0.0.1', 8000))
print('up', flush=True)
c, _ = s.accept()
c.sendall(c.recv(100).upper())
c.close()";
    let mut session = sandbox.exec(command(&["python3", "-c", script])).await.expect("python starts");
    session.output.recv().await.expect("it says that it is up");
    let mut stream = sandbox.dial(8000).await.expect("somebody listens");
    stream.write_all(b"hello").await.expect("is connected");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("is connected");
    assert_eq!(answer, "HELLO");
    assert_eq!(finish(session).await.code, 0);
    sandbox.destroy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_nobody_takes_or_sends_hold_up_no_others() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    assert_eq!(sh(&sandbox, "head -c 1000000 /dev/zero > large").await.code, 0);
    let mut untaken = Vec::new();
    let mut unsent = tokio::task::JoinSet::new();
    for n in 0..100 {
        untaken.push(sandbox.read("/home/user/large").await.expect("can be read"));
        let (sandbox, (content, never)) = (sandbox.clone(), tokio::io::duplex(64));
        unsent.spawn(async move {
            let _ = sandbox.write(&format!("/unsent/{n}"), Box::new(content)).await;
            drop(never);
        });
    }
    let write = sandbox.write("/small", Box::new(&b"small"[..]));
    let written = tokio::time::timeout(LIMIT, write).await.expect("it does not wait for the others");
    assert_eq!(written.expect("can be written"), 5);
    let mut read = Vec::new();
    let mut file = sandbox.read("/small").await.expect("can be read");
    let all = file.bytes.read_to_end(&mut read);
    tokio::time::timeout(LIMIT, all).await.expect("it does not wait for the others").expect("can be read");
    assert_eq!(read, b"small");
    unsent.shutdown().await;
    // Those that were put off are whole all the same.
    for mut file in untaken.drain(..3) {
        read.clear();
        file.bytes.read_to_end(&mut read).await.expect("can be read");
        assert_eq!(read.len(), 1_000_000);
    }
    sandbox.destroy().await;
}
