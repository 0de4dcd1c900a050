//! Where sandboxes cannot run, these tests are not run. None is passed over in silence: each is named in the last lines
//! with the reason, and has failed where `SBX_REQUIRE_ALL=1` says that nothing may be missing.
//!
//! The standard harness knows no third outcome beside passed and failed, and prints its own last line; what is said here
//! comes after it, when the process ends.

use std::any::type_name_of_val;
use std::error::Error as _;
use std::sync::{LazyLock, Mutex, Once, PoisonError};
use std::thread;

use sbx::server::images::{Fallback, ImageOptions};
use sbx::server::runtime::{self, NamespaceOptions};

/// Ends a test where sandboxes cannot run; it comes first in each of them.
macro_rules! engine {
    () => {
        fn here() {}
        if crate::missing::is_missing(&here) {
            return;
        }
    };
}

/// Why no sandbox can be started, if that is so.
static REASON: LazyLock<Option<String>> = LazyLock::new(|| {
    // A thread that is in no async runtime: this is asked from within several.
    thread::spawn(try_out).join().expect("it does not panic")
});

static NOT_RUN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn try_out() -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = ImageOptions::new().fallback(Fallback::Host);
    let options = NamespaceOptions::new(folder.path()).agent(env!("CARGO_BIN_EXE_sbx")).images(images);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be made");
    let error = tokio.block_on(runtime::namespace(options)).err()?;
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Some(format!("{error}{cause}"))
}

/// Returns whether sandboxes cannot run; then the test that `here` is a function in is named at the end.
///
/// # Panics
///
/// Where nothing may be missing.
pub(crate) fn is_missing(here: &impl Fn()) -> bool {
    let Some(reason) = &*REASON else { return false };
    assert!(!requires_all(), "not run: {reason}; SBX_REQUIRE_ALL=1 says that nothing may be missing");
    let path = type_name_of_val(here).trim_end_matches("::here").trim_end_matches("::{{closure}}");
    note(format!("{} ({reason})", path.split_once("::").map_or(path, |(_, name)| name)));
    true
}

/// Has something named at the end.
pub(crate) fn note(line: String) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(say_at_exit);
    NOT_RUN.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

#[expect(clippy::disallowed_methods, reason = "a harness is told by its environment what the machine has")]
fn requires_all() -> bool {
    std::env::var("SBX_REQUIRE_ALL").is_ok_and(|value| value == "1")
}

#[expect(unsafe_code, reason = "the standard library has no function to be called at the end of the process")]
fn say_at_exit() {
    // SAFETY: the function is there for ever, and neither panics nor ends the process itself.
    unsafe { libc::atexit(say) };
}

extern "C" fn say() {
    let mut lines = NOT_RUN.lock().unwrap_or_else(PoisonError::into_inner);
    lines.sort();
    let text: String = lines.iter().fold(String::new(), |text, line| text + "not run: " + line + "\n");
    // Whoever reads may be gone.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}
