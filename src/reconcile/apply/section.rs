//! What of a step must not be cut in two, when the apply is told to stop at once.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::swap::LONGEST_EXCHANGE;

/// How long a section may go on once its step is told to stop: as long as a swap and its way back may take with all their
/// tries, so that only a bug cuts them. With a server that answers they take far less.
pub const LONGEST: Duration = LONGEST_EXCHANGE;

/// Marks the parts of a step that are run to their end, whoever says stop.
///
/// Two calls that only make sense together, such as the two renames of a swap, are one section. It is given [`LONGEST`]
/// to end.
#[derive(Debug)]
pub(super) struct Section {
    depth: watch::Sender<usize>,
}

impl Section {
    pub(super) fn new() -> Self {
        Self { depth: watch::Sender::new(0) }
    }

    /// Runs `work` to its end.
    pub(super) async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.depth.send_modify(|depth| *depth += 1);
        let result = work.await;
        self.depth.send_modify(|depth| *depth -= 1);
        result
    }

    /// Runs the work of a step, or as much of it as there is until `abort` is cancelled and no section is open; `None`
    /// if that was not all.
    pub(super) async fn until_aborted<T>(&self, abort: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
        let cut = async {
            abort.cancelled().await;
            // The sender is `self`, so that it cannot be gone.
            let mut depth = self.depth.subscribe();
            let _ = timeout(LONGEST, depth.wait_for(|depth| *depth == 0)).await;
        };
        tokio::select! {
            // What is done is done: the work is looked at first.
            biased;
            result = work => Some(result),
            () = cut => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Works for a second, then for two in a section, then for one more; is told to stop after `abort_after`.
    async fn stopped_after(abort_after: Duration) -> (Option<()>, Duration) {
        let (section, abort, started) = (Section::new(), CancellationToken::new(), Instant::now());
        let work = async {
            sleep(SECOND).await;
            section.run(sleep(2 * SECOND)).await;
            sleep(SECOND).await;
        };
        let stop = async {
            sleep(abort_after).await;
            abort.cancel();
        };
        let run = async {
            let result = section.until_aborted(&abort, work).await;
            (result, started.elapsed())
        };
        tokio::join!(run, stop).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_is_cut_at_once_but_for_its_section() {
        assert_eq!(stopped_after(SECOND / 2).await, (None, SECOND / 2), "before the section");
        assert_eq!(stopped_after(2 * SECOND).await, (None, 3 * SECOND), "in it: cut at its end");
        assert_eq!(stopped_after(7 * SECOND / 2).await, (None, 7 * SECOND / 2), "after it");
        assert_eq!(stopped_after(9 * SECOND).await, (Some(()), 4 * SECOND), "too late");
    }

    #[tokio::test(start_paused = true)]
    async fn a_section_that_does_not_end_is_cut_in_the_end() {
        let (section, abort, started) = (Section::new(), CancellationToken::new(), Instant::now());
        let work = section.run(async {
            abort.cancel();
            std::future::pending::<()>().await;
        });
        assert_eq!(section.until_aborted(&abort, work).await, None);
        assert_eq!(started.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_with_its_section_is_done() {
        let (section, abort) = (Section::new(), CancellationToken::new());
        let work = section.run(async {
            abort.cancel();
            sleep(SECOND).await;
        });
        assert_eq!(section.until_aborted(&abort, work).await, Some(()));
    }
}
