//! What goes wrong on an ordinary day, and what is in between two programs.

use super::*;

#[test]
fn a_stream_goes_in_and_comes_out() {
    engine!();
    let project = Project::served();
    // No text, and more than all buffers on the way hold.
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut writing = project.spawn(&["cp", "-", "box:in/file", "-q"]);
    writing.stdin.take().expect("it is piped").write_all(&content).expect("it reads to the end");
    let output = writing.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(project.inside("wc -c < in/file"), "3000000\n");
    let output = project.run(&["cp", "box:in/file", "-"], "");
    assert!(output.status.success() && output.stdout == content, "{} bytes", output.stdout.len());

    for (arguments, said) in [
        (["cp", "-", "box:in/"], "name the file"),
        (["cp", "-", "-"], "one side has to be in a sandbox"),
        (["cp", "-", "here"], "one side has to be in a sandbox"),
    ] {
        let (_, stderr, code) = parts(&project.run(&arguments, ""));
        assert!(code == Some(64) && stderr.contains(said), "{stderr}");
    }
    for (from, expected, said) in
        [("box:none", 1, "there is no file `none`"), ("box:in", 64, "`in` is a folder, and `-` takes one file")]
    {
        let (stdout, stderr, code) = parts(&project.run(&["cp", from, "-"], ""));
        assert!(stdout.is_empty() && code == Some(expected) && stderr.contains(said), "{stderr}");
    }
}

#[test]
fn a_name_that_is_nearly_right_is_recognised() {
    engine!();
    let project = Project::served();
    for (arguments, meant) in [
        (&["run", "pyton", "--", "true"][..], "python"),
        (&["exec", "bax", "--", "true"], "box"),
        (&["cp", "bax:file", "here"], "box"),
        (&["tunnel", "bax", "80"], "box"),
        (&["service", "bax", "80"], "box"),
        (&["wait", "bax"], "box"),
    ] {
        let (_, stderr, code) = parts(&project.run(arguments, ""));
        assert!(code == Some(1) && stderr.contains(&format!("hint: did you mean `{meant}`?")), "{stderr}");
    }
    let (_, stderr, _) = parts(&project.run(&["exec", "another", "--", "true"], ""));
    assert!(stderr.contains("`sbx get sandboxes` lists"), "{stderr}");
}

#[test]
fn a_sandbox_that_has_failed_says_why() {
    engine!();
    let mut project = Project::local();
    let manifest = MANIFEST.split("---").next().expect("a template").replace("python:3.12", "oci:none");
    fs::write(project.path("w.yaml"), manifest).expect("it can be written");
    let address = project.serve(&["--listen", "127.0.0.1:0"]);
    let project = project.applied();
    // Only one that nobody waited for stays.
    let body = r#"{"template_name": "python", "name": "lost", "wait_for_ready": false}"#;
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let head = "POST /v2/sandboxes/boxes HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close";
    let request = format!("{head}\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("it is connected");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");

    let (_, stderr, code) = parts(&project.run(&["wait", "lost"], ""));
    let reason = "`oci:none` is no image reference";
    assert!(code == Some(1) && stderr.contains(reason), "{stderr}");
    for arguments in [&["exec", "lost", "--", "true"][..], &["cp", "w.yaml", "lost:w"], &["tunnel", "lost", "80"]] {
        let (_, stderr, code) = parts(&project.run(arguments, ""));
        assert!(code == Some(1) && stderr.contains(&format!("the sandbox has failed: {reason}")), "{stderr}");
        assert!(stderr.contains("hint: `sbx delete sandbox/NAME`"), "{stderr}");
    }
    // It is the server that refuses this one.
    let (stdout, stderr, code) = parts(&project.run(&["service", "lost", "80"], ""));
    assert!(stdout.is_empty() && code == Some(1) && stderr.contains(&format!("it has failed: {reason}")), "{stderr}");
}

#[test]
fn waiting_for_the_end_of_a_sandbox() {
    engine!();
    let project = Project::served();
    let (_, stderr, code) = parts(&project.run(&["wait", "box", "--for", "gone", "--timeout", "1s"], ""));
    assert!(code == Some(1) && stderr.contains("sandbox/box is still there after 1s"), "{stderr}");
    let waiting = project.spawn(&["wait", "box", "--for", "gone", "--timeout", "60s"]);
    assert!(project.run(&["delete", "sandbox/box", "--yes"], "").status.success());
    let (_, stderr, code) = parts(&waiting.wait_with_output().expect("it ends"));
    assert!(code == Some(0) && stderr.contains("sandbox/box is gone."), "{stderr}");
}

#[test]
fn a_tunnel_outlives_the_server() {
    engine!();
    let mut project = Project::local();
    let address = project.serve(&["--listen", "127.0.0.1:0", "--image-fallback", "host"]);
    let mut project = project.applied();
    let echo = |project: &Project| project.begin(&["exec", "box", "-q", "--", "python3", "-c", ECHO]);
    let first = echo(&project);
    let tunnel = project.begin(&["tunnel", "box", "4000:0", "-q"]);
    let local = tunnel.line.strip_prefix("Forwarding ").and_then(|rest| rest.split(' ').next()).expect("an address");
    let passes = || {
        let mut back = [0; 5];
        let mut stream = TcpStream::connect(local).expect("it listens");
        stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut back)).is_ok() && &back == b"hello"
    };
    assert!(passes());
    project.stop_serving();
    first.end(Signal::INT);
    thread::scope(|scope| {
        // This one comes while there is no server, and waits for it.
        let waiting = scope.spawn(passes);
        project.serve(&["--listen", &address, "--image-fallback", "host"]);
        let second = echo(&project);
        assert!(passes());
        waiting.join().expect("it ends, whatever was there when it got through");
        second.end(Signal::INT);
    });
    assert_eq!(tunnel.end(Signal::INT), Some(0));
}
