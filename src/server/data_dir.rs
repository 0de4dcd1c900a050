//! The folder with the data, which belongs to one process at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::Error;

const LOCK: &str = "lock";
const OWNER: &str = "server.json";
const DATABASE: &str = "state.db";
const SECRET: &str = "secret";

/// How often to try for a lock that somebody else holds. The operating system offers no wait with an end.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// A server that runs on a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningServer {
    /// Its process id.
    pub pid: u32,
    /// Its URL, without the API's path.
    pub url: String,
}

/// Finds the server that runs on a data folder and can be reached under a URL.
///
/// The lock decides, not what a dead process left written: `None` means that nobody holds the folder, or that who does
/// serves nobody else, such as a command that has it embedded.
pub fn running(data_dir: &Path) -> Option<RunningServer> {
    let lock = File::open(data_dir.join(LOCK)).ok()?;
    // Shared, so that two who ask at the same time do not take each other for the owner.
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    let Owner { pid, url } = read_owner(data_dir)?;
    Some(RunningServer { pid, url: url? })
}

/// What the owner of a folder writes about itself.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    pid: u32,
    url: Option<String>,
}

/// A data folder that this process owns until the value is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Unlocked by the operating system when it is closed, also when the process is killed.
    _lock: File,
}

impl DataDir {
    /// Makes the folder if need be, and locks it, waiting at most `wait` for its present owner.
    ///
    /// # Errors
    ///
    /// [`Error::DataDirBusy`] names the owner that did not give it up in time.
    pub(crate) async fn own(path: PathBuf, wait: Duration) -> Result<Self, Error> {
        let unusable = |source: io::Error| Error::DataDir { path: path.clone(), source };
        fs::create_dir_all(&path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        let give_up = Instant::now() + wait;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => tokio::time::sleep(LOCK_RETRY).await,
                Err(TryLockError::WouldBlock) => {
                    let owner = read_owner(&path);
                    let (pid, url) = owner.map_or((None, None), |owner| (Some(owner.pid), owner.url));
                    return Err(Error::DataDirBusy { path, pid, url });
                }
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
        let dir = Self { path, _lock: lock };
        dir.announce(None)?;
        Ok(dir)
    }

    /// Returns where the database is.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Returns what this server signs with, which is made on first use and stays.
    pub(crate) fn secret(&self) -> Result<[u8; 32], Error> {
        let path = self.path.join(SECRET);
        let unusable = |source: io::Error| Error::DataDir { path: self.path.clone(), source };
        match fs::read(&path).map(<[u8; 32]>::try_from) {
            Ok(Ok(secret)) => return Ok(secret),
            // Half a secret is what a killed server may leave.
            Ok(Err(_)) => fs::remove_file(&path).map_err(unusable)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error)),
        }
        let secret = new_secret();
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&path).map_err(unusable)?;
        file.write_all(&secret).map_err(unusable)?;
        Ok(secret)
    }

    /// Tells other processes who owns the folder and, once it is known, under which URL it serves.
    pub(crate) fn announce(&self, url: Option<String>) -> Result<(), Error> {
        let owner = Owner { pid: std::process::id(), url };
        let text = serde_json::to_string(&owner).expect("an owner is plain data");
        // Written beside and moved, so that nobody reads half of it.
        let draft = self.path.join("server.json.new");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, self.path.join(OWNER)))
            .map_err(|source| Error::DataDir { path: self.path.clone(), source })
    }
}

/// Makes a secret from two random identifiers, which are the random bytes that this program has at hand.
pub(crate) fn new_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    for half in secret.chunks_exact_mut(16) {
        half.copy_from_slice(Uuid::new_v4().as_bytes());
    }
    secret
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // What stays written does no harm: the lock decides.
        let _ = fs::remove_file(self.path.join(OWNER));
    }
}

fn read_owner(dir: &Path) -> Option<Owner> {
    serde_json::from_slice(&fs::read(dir.join(OWNER)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_folder_has_one_owner() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let owner = DataDir::own(dir.path().to_owned(), Duration::ZERO).await.expect("is free");
        owner.announce(Some("http://127.0.0.1:1".to_owned())).expect("can be written");
        let refused = DataDir::own(dir.path().to_owned(), Duration::from_secs(5)).await;
        assert!(
            matches!(&refused, Err(Error::DataDirBusy { pid: Some(pid), url: Some(url), .. })
                if *pid == std::process::id() && url == "http://127.0.0.1:1"),
            "{refused:?}"
        );
        drop(owner);
        assert!(DataDir::own(dir.path().to_owned(), Duration::ZERO).await.is_ok());
    }

    #[tokio::test]
    async fn a_stale_file_is_not_believed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(running(dir.path()), None);
        let owner = DataDir::own(dir.path().to_owned(), Duration::ZERO).await.expect("is free");
        assert_eq!(running(dir.path()), None, "an owner without a URL serves nobody");
        owner.announce(Some("http://127.0.0.1:1".to_owned())).expect("can be written");
        let found = RunningServer { pid: std::process::id(), url: "http://127.0.0.1:1".to_owned() };
        assert_eq!(running(dir.path()), Some(found));
        let stale = fs::read(dir.path().join(OWNER)).expect("is there");
        drop(owner);
        fs::write(dir.path().join(OWNER), stale).expect("can be written");
        assert_eq!(running(dir.path()), None);
    }
}
