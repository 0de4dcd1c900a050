use std::time::Duration;

use sbx::client::{Client, Config, Kind, Offsets, Output, OutputStream, RunOptions};

use super::world::{World, key, within};

fn options() -> RunOptions {
    RunOptions::default()
}

fn parts(output: &Output) -> (&str, &str, i32) {
    (&output.stdout, &output.stderr, output.exit_code)
}

#[tokio::test]
async fn run() {
    engine!();
    let world = World::new().await;
    let sandbox = &world.sandbox;
    let output = sandbox.run("python3 -c 'print(2 + 2)'; echo oh >&2; exit 7", options()).await.expect("it runs");
    assert_eq!((parts(&output), output.is_success()), (("4\n", "oh\n", 7), false));
    let with_all = options().env("A", "x y").cwd("/tmp").shell("/bin/sh").ttl(None).idle_timeout(None);
    let output = sandbox.run("echo $0 $A; pwd", with_all).await.expect("it runs");
    assert_eq!(output.stdout, "/bin/sh x y\n/tmp\n");
    assert_eq!(world.sh("echo $0; pwd").await, "/bin/bash\n/home/user\n");
    for bad in [options().shell("/none"), options().cwd("/none")] {
        let error = sandbox.run("true", bad).await.expect_err("it cannot start");
        let found = (error.kind(), error.operation(), error.error_type());
        assert_eq!(found, (Kind::Operation, Some("command"), Some("CommandError")), "{error}");
    }
    assert_eq!(world.sh("head -c 20000000 /dev/zero | tr '\\0' x").await.len(), 20_000_000);
}

#[tokio::test]
async fn without_websockets_over_http() {
    engine!();
    let world = World::new().await;
    let refused = r#"{"operation": "execute_ws", "status": 404, "count": null}"#;
    world.control("POST", "/_sbx/faults", refused).await;
    let output = world.sandbox.run("pwd; exit 3", options().cwd("/tmp").shell("/bin/sh")).await.expect("it runs");
    assert_eq!(parts(&output), ("/tmp\n", "", 3));
    assert_eq!(world.sandbox.start("true", options()).await.expect_err("no way").kind(), Kind::Connection);
}

#[tokio::test]
async fn stream() {
    engine!();
    let world = World::new().await;
    let script = "echo é; sleep 0.1; echo oh >&2; sleep 0.1; echo ü; exit 5";
    let mut handle = world.sandbox.start(script, options()).await.expect("it starts");
    assert!(!handle.command_id().is_empty() && handle.pid().is_some_and(|pid| pid > 1));
    let mut chunks = Vec::new();
    while let Some(chunk) = within(handle.next()).await.expect("it is followed") {
        chunks.push((chunk.stream, chunk.data, chunk.offset));
    }
    let (out, err) = (OutputStream::Stdout, OutputStream::Stderr);
    assert_eq!(chunks, [(out, "é\n".to_owned(), 0), (err, "oh\n".to_owned(), 0), (out, "ü\n".to_owned(), 3)]);
    assert_eq!((handle.exit_code(), handle.offsets()), (Some(5), Offsets { stdout: 6, stderr: 3 }));
}

#[tokio::test]
async fn input() {
    engine!();
    let world = World::new().await;
    let ask = r#"python3 -c 'name = input("Name: "); print(f"Hello {name}")'"#;
    let handle = world.start(ask, options(), "Name: ").await;
    handle.send_input("World\n").await.expect("it is connected");
    assert_eq!(within(handle.result()).await.expect("it ends").stdout, "Hello World\n");
    // Our server has a message that the API lacks.
    let handle = world.start("echo up; wc -c", options(), "up").await;
    handle.send_input("12345").await.expect("it is connected");
    handle.control().close_input().await.expect("it is connected");
    assert_eq!(within(handle.result()).await.expect("it ends").stdout.trim(), "5");
}

#[tokio::test]
async fn kill_and_no_timeout() {
    engine!();
    let world = World::new().await;
    let mut handle = world.start("echo up; sleep 1000 & exec sleep 1000", options().timeout(None), "up").await;
    assert_eq!(world.sh("echo other work").await, "other work\n");
    handle.kill().await;
    // Unlike the official client's, the handle learns how it ended.
    assert_eq!(within(handle.next()).await.expect("it is followed"), None);
    assert_eq!(handle.exit_code(), Some(137));
    let again = world.sandbox.reconnect(handle.command_id(), Offsets::default()).await.expect("it is kept");
    assert_eq!(parts(&within(again.result()).await.expect("it ended")), ("up\n", "", 137));
}

#[tokio::test]
async fn a_timeout() {
    engine!();
    let world = World::new().await;
    let error = within(world.sandbox.run("sleep 1000", options().timeout(Duration::from_secs(1)))).await;
    let error = error.expect_err("it is late");
    assert_eq!((error.kind(), error.error_type()), (Kind::CommandTimeout, Some("CommandTimeout")), "{error}");
}

#[tokio::test]
async fn reconnect() {
    engine!();
    let world = World::new().await;
    let handle = world.start("echo begun; read line; echo $line", options(), "begun").await;
    // As another program would.
    let other = Client::new(Config::new(world.client.base_url()).api_key(key())).expect("a good configuration");
    let sandbox = other.get_sandbox(&world.sandbox.name).await.expect("it is there");
    let again = sandbox.reconnect(handle.command_id(), Offsets::default()).await.expect("it runs");
    assert_eq!(again.pid(), None);
    again.send_input("there\n").await.expect("it is connected");
    let (again, handle) = tokio::join!(within(again.result()), within(handle.result()));
    assert_eq!(again.expect("it ends").stdout, "begun\nthere\n");
    assert_eq!(handle.expect("it ends").stdout, "there\n", "what was handed out is not kept");

    let mut ended = world.sandbox.start("printf abc; printf xyz >&2; exit 3", options()).await.expect("it starts");
    while within(ended.next()).await.expect("it is followed").is_some() {}
    let offsets = Offsets { stdout: 2, stderr: 1 };
    let rest = world.sandbox.reconnect(ended.command_id(), offsets).await.expect("it is kept");
    assert_eq!(parts(&within(rest.result()).await.expect("it ended")), ("c", "yz", 3));
}

#[tokio::test]
async fn reconnect_by_itself() {
    engine!();
    let world = World::new().await;
    for cut in ["", r#", "close_code": 1000"#, r#", "close_code": 1001"#, r#", "close_code": 1012"#] {
        let fault = format!(r#"{{"operation": "execute_ws", "cut_after_bytes": 2{cut}}}"#);
        world.control("POST", "/_sbx/faults", &fault).await;
        let output = within(world.sandbox.run("echo a; sleep 0.3; echo b; exit 4", options())).await.expect("it ends");
        assert_eq!(parts(&output), ("a\nb\n", "", 4), "{cut}");
    }
}

#[tokio::test]
async fn a_session_has_its_time() {
    engine!();
    let world = World::new().await;
    let mut handle = world.sandbox.start("echo built", options().ttl(Duration::ZERO)).await.expect("it starts");
    while within(handle.next()).await.expect("it is followed").is_some() {}
    let error = loop {
        let again = world.sandbox.reconnect(handle.command_id(), Offsets::default()).await.expect("it connects");
        if let Err(error) = within(again.result()).await {
            break error;
        }
    };
    assert_eq!((error.operation(), error.error_type()), (Some("reconnect"), Some("SessionExpired")), "{error}");
}

#[tokio::test]
async fn a_command_that_nobody_follows() {
    engine!();
    let world = World::new().await;
    let forever = || options().timeout(None).idle_timeout(None);
    for options in [forever().idle_timeout(Duration::from_secs(1)), forever().kill_on_disconnect(true)] {
        let handle = world.start("echo up; exec sleep 1000", options, "up").await;
        let pid = handle.pid().expect("it was started here");
        drop(handle);
        world.until_gone(pid).await;
    }
    let handle = world.start("echo up; sleep 0.5; echo done; exit 6", forever().ttl(None), "up").await;
    let id = handle.command_id().to_owned();
    drop(handle);
    let again = world.sandbox.reconnect(&id, Offsets::default()).await.expect("it runs on");
    assert_eq!(parts(&within(again.result()).await.expect("it ends")), ("up\ndone\n", "", 6));
}

#[tokio::test]
async fn a_terminal() {
    engine!();
    let world = World::new().await;
    let output = world.sandbox.run("tty; echo to stderr >&2; test -t 0 -a -t 1 -a -t 2", options().pty(true)).await;
    let output = output.expect("it runs");
    assert!(output.stdout.starts_with("/dev/pts/") && output.stdout.ends_with("\r\nto stderr\r\n"), "{output:?}");
    assert_eq!((output.stderr.as_str(), output.exit_code), ("", 0));
    let mut handle = world.start("python3 -q", options().pty(true), ">>> ").await;
    handle.send_input("print('hel' + 'lo')\n").await.expect("it is connected");
    world.read_until(&mut handle, "\r\nhello\r\n").await;
    handle.send_input("exit(9)\n").await.expect("it is connected");
    assert_eq!(within(handle.result()).await.expect("it ends").exit_code, 9);
}
