//! Who runs a command, on which machine, for which commit: what an inventory keeps of an apply, and a lock of its holder.

use std::fs;
use std::path::{Path, PathBuf};

use sbx::reconcile::ledger::Holder;

use crate::env::{self, Environment};

/// Who runs a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Author {
    /// `user@host`.
    pub(crate) by: String,
    /// The commit that the working directory is at, or that the pipeline runs for.
    pub(crate) commit: Option<String>,
    /// The page of the pipeline's run.
    pub(crate) url: Option<String>,
}

impl Author {
    /// Asks the environment and the version control of a directory.
    pub(crate) fn of(environment: &Environment, directory: &Path) -> Self {
        let user = environment.first(&env::USERS).unwrap_or_else(|| "somebody".to_owned());
        let host = environment.get(env::HOSTNAME).or_else(|| read(Path::new("/proc/sys/kernel/hostname")));
        Self {
            by: format!("{user}@{}", host.as_deref().unwrap_or("somewhere")),
            commit: environment.first(&env::COMMITS).or_else(|| commit(directory)),
            url: run_url(environment),
        }
    }

    /// Returns the holder of a lock that this command takes.
    pub(crate) fn holder(&self, command: &str) -> Holder {
        Holder {
            by: self.by.clone(),
            pid: std::process::id(),
            machine: machine(),
            command: command.to_owned(),
            url: self.url.clone(),
            since: env::now(),
        }
    }
}

fn run_url(environment: &Environment) -> Option<String> {
    let [server, repository, run] = env::GITHUB_RUN.map(|name| environment.get(name));
    let of_github = || Some(format!("{}/{}/actions/runs/{}", server?, repository?, run?));
    of_github().or_else(|| environment.first(&env::RUN_URLS))
}

/// Names this boot of the machine with the space that process ids are from: two containers share neither, even with one
/// host name.
fn machine() -> Option<String> {
    let boot = read(Path::new("/proc/sys/kernel/random/boot_id"))?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{boot} {}", space.display()))
}

/// Returns the commit that a directory is at, read from the files of git, which is asked for nothing.
fn commit(directory: &Path) -> Option<String> {
    let dot_git = directory.ancestors().map(|folder| folder.join(".git")).find(|path| path.exists())?;
    let folder = match read(&dot_git) {
        // A work tree beside the repository.
        Some(text) => dot_git.parent()?.join(text.strip_prefix("gitdir: ")?),
        None => dot_git,
    };
    let head = read(&folder.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref: ") else { return Some(head) };
    let shared: PathBuf = read(&folder.join("commondir")).map_or_else(|| folder.clone(), |path| folder.join(path));
    let loose = [&folder, &shared].into_iter().find_map(|folder| read(&folder.join(name)));
    loose.or_else(|| {
        let packed = read(&shared.join("packed-refs"))?;
        let line = packed.lines().find(|line| line.ends_with(&format!(" {name}")))?;
        Some(line.split(' ').next()?.to_owned())
    })
}

fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_says_who_and_for_what() {
        let environment = Environment::new(|name| {
            let value = match name {
                "GITHUB_ACTOR" => "mila",
                "GITHUB_SHA" => "19dc497a",
                "GITHUB_SERVER_URL" => "https://github.com",
                "GITHUB_REPOSITORY" => "acme/sandboxes",
                "GITHUB_RUN_ID" => "7",
                _ => return None,
            };
            Some(value.to_owned())
        });
        let author = Author::of(&environment, Path::new("/nowhere"));
        assert!(author.by.starts_with("mila@"), "{}", author.by);
        assert_eq!(author.commit.as_deref(), Some("19dc497a"));
        assert_eq!(author.url.as_deref(), Some("https://github.com/acme/sandboxes/actions/runs/7"));
        assert_eq!(Author::of(&Environment::new(|_| None), Path::new("/nowhere")).commit, None);
    }

    #[test]
    fn the_commit_is_found_wherever_git_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let write = |path: &str, text: &str| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        };
        assert_eq!(commit(folder.path()), None);
        write("a/.git/HEAD", "ref: refs/heads/main\n");
        write("a/.git/packed-refs", "# pack-refs\n1111 refs/heads/main\n2222 refs/heads/other\n");
        write("a/b/c", "");
        assert_eq!(commit(&at("a/b")).as_deref(), Some("1111"));
        write("a/.git/refs/heads/main", "3333\n");
        assert_eq!(commit(&at("a")).as_deref(), Some("3333"));
        write("tree/.git", "gitdir: ../a/.git/worktrees/tree\n");
        write("a/.git/worktrees/tree/HEAD", "ref: refs/heads/other\n");
        write("a/.git/worktrees/tree/commondir", "../..\n");
        assert_eq!(commit(&at("tree")).as_deref(), Some("2222"));
        write("a/.git/HEAD", "4444\n");
        assert_eq!(commit(&at("a")).as_deref(), Some("4444"));
    }
}
