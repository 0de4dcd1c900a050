//! What the run says: a line for each test, the failures, the count, and last of all what did not run.

use std::process::ExitCode;

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed { reason: String },
    NotRun { reason: String },
}

pub(crate) struct Report {
    requires_all: bool,
    ended: Vec<(String, Outcome)>,
}

impl Report {
    /// Starts a report; with `requires_all`, what does not run has failed.
    pub(crate) fn new(requires_all: bool) -> Self {
        Self { requires_all, ended: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: String, outcome: Outcome) {
        let word = match &outcome {
            Outcome::Passed => "ok",
            Outcome::Failed { .. } => "FAILED",
            Outcome::NotRun { .. } => "not run",
        };
        println!("test {name} ... {word}");
        self.ended.push((name, outcome));
    }

    /// Prints everything that is left to say, and returns the exit code.
    pub(crate) fn finish(self) -> ExitCode {
        let (text, succeeded) = self.closing();
        print!("{text}");
        if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn closing(&self) -> (String, bool) {
        let mut failures = Vec::new();
        let mut not_run = Vec::new();
        for (name, outcome) in &self.ended {
            match outcome {
                Outcome::Passed => {}
                Outcome::Failed { reason } => failures.push(format!("\n---- {name}\n{}\n", reason.trim_end())),
                Outcome::NotRun { reason } => not_run.push(format!("not run: {name} ({reason})\n")),
            }
        }
        let (failed, skipped) = (failures.len(), not_run.len());
        let passed = self.ended.len() - failed - skipped;
        if self.requires_all && skipped > 0 {
            not_run.push("SBX_REQUIRE_ALL=1 is set: what did not run has failed\n".to_owned());
        }
        let count = format!("\n{passed} passed, {failed} failed, {skipped} skipped\n");
        let text = [failures.concat(), count, not_run.concat()].concat();
        (text, failed == 0 && !(self.requires_all && skipped > 0))
    }
}

/// Checks the report itself; run before everything else, since this binary has no other harness.
pub(crate) fn self_test() {
    let ended = vec![
        ("a".to_owned(), Outcome::Passed),
        ("b".to_owned(), Outcome::NotRun { reason: "no such program".to_owned() }),
    ];
    let lenient = Report { requires_all: false, ended: ended.clone() };
    assert_eq!(lenient.closing(), ("\n1 passed, 0 failed, 1 skipped\nnot run: b (no such program)\n".to_owned(), true));
    let strict = Report { requires_all: true, ended };
    assert!(!strict.closing().1, "what did not run has failed");
    let failed =
        Report { requires_all: false, ended: vec![("c".to_owned(), Outcome::Failed { reason: "x".to_owned() })] };
    assert_eq!(failed.closing(), ("\n---- c\nx\n\n0 passed, 1 failed, 0 skipped\n".to_owned(), false));
}
