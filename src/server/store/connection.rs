//! The owner of the connection, and the handle to it.

use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Error, migrate};

/// How many closures may wait for the connection before their callers wait in turn.
const QUEUE: usize = 256;

/// How many waiting closures run in one go: one hop to a blocking thread serves them all.
const BATCH: usize = 64;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A cloneable handle to the one connection.
#[derive(Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
    closing: CancellationToken,
    owner: TaskTracker,
}

impl Store {
    /// Opens the database at `path`, or one in memory, and brings its schema up to date. `guard` is dropped once the
    /// database is closed, however that comes about.
    ///
    /// # Errors
    ///
    /// [`Error::TooNew`] when a newer version wrote it, [`Error::Sqlite`] when it cannot be opened.
    pub(crate) async fn open(path: Option<PathBuf>, guard: impl Send + 'static) -> Result<Self, Error> {
        let connection = tokio::task::spawn_blocking(move || connect(path)).await.map_err(|_| Error::Closed)??;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let store = Self { jobs, closing: CancellationToken::new(), owner: TaskTracker::new() };
        let closing = store.closing.clone();
        store.owner.spawn(async move {
            own(connection, queue, closing).await;
            drop(guard);
        });
        Ok(store)
    }

    /// Runs `job` on the connection, after those that came before it.
    ///
    /// # Cancel safety
    ///
    /// Once the closure is queued it runs, whether or not anybody still waits for its result.
    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = move |connection: &mut Connection| {
            // Nobody listens any more when the caller was dropped: the work is done all the same.
            let _ = answer.send(job(connection));
        };
        self.jobs.send(Box::new(job)).await.map_err(|_| Error::Closed)?;
        result.await.map_err(|_| Error::Closed)
    }

    /// Runs what is queued, refuses what comes later, and closes the connection.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.owner.close();
        self.owner.wait().await;
    }
}

fn connect(path: Option<PathBuf>) -> Result<Connection, Error> {
    let mut connection = match path {
        Some(path) => {
            close_to_others(&path)?;
            Connection::open(path)?
        }
        None => Connection::open_in_memory()?,
    };
    // With WAL, NORMAL loses nothing when the process is killed: only a power cut can take the last transactions.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.set_prepared_statement_cache_capacity(128);
    migrate::to_newest(&mut connection)?;
    Ok(connection)
}

/// Lets nobody but its owner read the database, which has passwords in it. SQLite gives the files beside it the same mode.
fn close_to_others(path: &Path) -> Result<(), Error> {
    let closed = File::options().create(true).append(true).mode(0o600).open(path).and_then(|file| {
        // One that an earlier version made is open to its group and to others.
        file.set_permissions(Permissions::from_mode(0o600))
    });
    closed.map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Runs the queued closures until the store is closed or its last handle is gone.
///
/// SQL blocks, so it runs on the runtime's blocking threads; between batches the connection rests here. (A thread of
/// our own that waits on the queue would do as well, but the paused clock of tests cannot see that it is busy.)
async fn own(mut connection: Connection, mut queue: mpsc::Receiver<Job>, closing: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let n_jobs = tokio::select! {
            biased;
            n_jobs = queue.recv_many(&mut batch, BATCH) => n_jobs,
            () = closing.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        if n_jobs == 0 {
            break;
        }
        let jobs = std::mem::take(&mut batch);
        let done = tokio::task::spawn_blocking(move || {
            for job in jobs {
                run(job, &mut connection);
            }
            connection
        });
        match done.await {
            Ok(rested) => connection = rested,
            Err(_) => return,
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}

/// Runs one closure; a panic in it costs its caller the answer and rolls its transaction back, no more.
fn run(job: Job, connection: &mut Connection) {
    if catch_unwind(AssertUnwindSafe(|| job(connection))).is_err() {
        tracing::error!("a statement panicked: its transaction is rolled back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(store: &Store) -> i64 {
        store
            .run(|connection| connection.query_row("SELECT count(*) FROM volumes", [], |row| row.get(0)))
            .await
            .expect("the store is open")
            .expect("the statement is right")
    }

    const INSERT: &str = "INSERT INTO volumes VALUES ('1', 'a', '1Gi', 'standard', 0, 0)";

    #[tokio::test]
    async fn keeps_what_was_written() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("state.db");
        let store = Store::open(Some(path.clone()), ()).await.expect("opens");
        store.run(|connection| connection.execute(INSERT, [])).await.expect("is open").expect("inserts");
        store.close().await;
        let again = Store::open(Some(path), ()).await.expect("opens again");
        assert_eq!(count(&again).await, 1);
    }

    #[tokio::test]
    async fn only_its_owner_reads_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("state.db");
        std::fs::write(&path, "").expect("can be written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("is ours");
        let store = Store::open(Some(path), ()).await.expect("opens");
        store.run(|connection| connection.execute(INSERT, [])).await.expect("is open").expect("inserts");
        let mut n_files = 0;
        for entry in std::fs::read_dir(dir.path()).expect("is there") {
            let metadata = entry.expect("is read").metadata().expect("is there");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            n_files += 1;
        }
        assert!(n_files > 1, "the log of SQLite is beside it");
    }

    #[tokio::test]
    async fn a_panic_ends_one_job_only() {
        let store = Store::open(None, ()).await.expect("opens");
        let outcome = store
            .run(|connection| {
                let tx = connection.transaction().expect("begins");
                tx.execute(INSERT, []).expect("inserts");
                panic!("on purpose");
            })
            .await;
        assert!(matches!(outcome, Err(Error::Closed)));
        assert_eq!(count(&store).await, 0, "the transaction was rolled back");
    }

    #[tokio::test]
    async fn refuses_after_close() {
        let store = Store::open(None, ()).await.expect("opens");
        store.close().await;
        assert!(matches!(store.run(|_| ()).await, Err(Error::Closed)));
    }

    #[tokio::test]
    async fn refuses_a_newer_schema() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("state.db");
        Connection::open(&path).expect("opens").pragma_update(None, "user_version", 99).expect("sets the version");
        assert!(matches!(Store::open(Some(path), ()).await, Err(Error::TooNew { found: 99, .. })));
    }
}
