//! A disk that is full: a file system in memory, in a mount namespace of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::bench::is_root;
use crate::served::{Answer, Ran, Served};

/// A small disk that the servers started on it see, and nobody else. It goes when this is dropped.
struct SmallDisk {
    keeper: Child,
    folder: PathBuf,
}

impl SmallDisk {
    fn mount(folder: &Path) -> Self {
        let script = "mount -t tmpfs -o size=24m,mode=0700 small \"$1\" && echo up && exec sleep infinity";
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare, of util-linux, is installed");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("it is piped")).read_line(&mut line).expect("it prints text");
        assert_eq!(line, "up\n");
        Self { keeper, folder: folder.to_owned() }
    }

    fn serve(&self) -> Served {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id())).arg(env!("CARGO_BIN_EXE_sbx"));
        command.args(["serve", "--image-fallback", "host"]);
        Served::run(command, &self.folder.join("data"))
    }

    /// Fills the disk to the last byte, from outside.
    fn fill(&self) {
        // Both fail at the end of the room.
        let _ = fs::write(self.inside("fill"), vec![0; 64 << 20]);
        let _ = fs::write(self.inside("fill-too"), vec![0; 64 << 10]);
    }

    fn make_room(&self) {
        for name in ["fill", "fill-too"] {
            fs::remove_file(self.inside(name)).expect("it is there");
        }
    }

    fn inside(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.folder.strip_prefix("/").expect("it is absolute")).join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Makes volumes until one is refused; returns those that were made, and the refusal.
fn volumes_until_full(server: &Served) -> (Vec<String>, Answer) {
    let mut made = Vec::new();
    for n in 0..10_000 {
        let name = format!("v{n}");
        let answer = server.call("POST", "/volumes", &json!({"name": name, "size": "1Gi"})).expect("it answers");
        if answer.status != 201 {
            return (made, answer);
        }
        made.push(name);
    }
    panic!("the disk is not full");
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    engine!();
    if !is_root() {
        // An ordinary user has no way to a disk of their own; the tests of root have this one.
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(folder.path());
    let server = disk.serve();
    server.template("t", &json!([]));
    let id = server.sandbox("before", "t");
    assert_eq!(server.sh(&id, "echo kept > file").code, 0);

    disk.fill();
    let (made, refused) = volumes_until_full(&server);
    assert_eq!((refused.status, &refused.body["detail"]["error"]), (507, &json!("InsufficientStorage")));
    let text = refused.body["detail"]["message"].as_str().expect("a text");
    assert!(text.contains("disk of the server's data is full"), "{text}");
    let refused = server.call("POST", "/boxes", &json!({"name": "s", "template_name": "t"})).expect("it answers");
    assert!([503, 507].contains(&refused.status), "{refused:?}");
    // Reading goes on, and so does what runs: it can make room.
    assert_eq!(server.ok("GET", "/boxes/before", &Value::Null)["id"], json!(id));
    assert_eq!(server.sh(&id, "cat file"), Ran { code: 0, stdout: "kept\n".to_owned() });
    assert_ne!(server.sh(&id, "head -c 1000000 /dev/zero > large").code, 0);
    let answer = crate::served::upload(&server.host, &id, "/home/user/file", &vec![0; 1_000_000]).expect("it answers");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.to_string().contains("No space left"), "{answer:?}");
    assert_eq!(server.sh(&id, "cat file; rm large; ls -A").stdout, "kept\nfile\n", "no half file is left");

    disk.make_room();
    let later = server.sandbox("after", "t");
    assert_eq!(server.sh(&later, "echo works").stdout, "works\n");
    all_there(&server, &made);

    // And again with an end of the server while there is no room.
    disk.fill();
    let _ = volumes_until_full(&server);
    server.kill();
    disk.make_room();
    let server = disk.serve();
    all_there(&server, &made);
    assert_eq!(server.sh(&id, "cat file").stdout, "kept\n");
    assert_eq!(server.ok("GET", "/boxes/after", &Value::Null)["id"], json!(later));
    server.stop();
}

fn all_there(server: &Served, volumes: &[String]) {
    for name in volumes {
        server.ok("GET", &format!("/volumes/{name}"), &Value::Null);
    }
}
