//! The same again, without the rights of root.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::process::{Command, Stdio};

use crate::bench::is_root;

/// Who owns nothing, on all systems.
const NOBODY: u32 = 65534;

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    if !is_root() {
        // Then it is an ordinary user who runs all of these tests.
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may do that");
    let mut tests = Command::new("setpriv")
        .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()])
        .arg(std::env::current_exe().expect("is known"))
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv, of util-linux, is installed");
    for line in BufReader::new(tests.stdout.take().expect("it is piped")).lines() {
        let line = line.expect("it prints text");
        match line.strip_prefix("not run: ") {
            // These lines come last of all.
            Some(name) => crate::missing::note(format!("as an ordinary user, {name}")),
            None => println!("{line}"),
        }
    }
    assert!(tests.wait().expect("it ends").success(), "see above");
}
