//! Whom commands run as: a Dockerfile's `USER`, looked up in the sandbox's own `/etc/passwd` and `/etc/group`.
//!
//! As there: a user by name or number, with a group by name or number after a colon. A user that is found has the groups
//! that the files say, unless a group is given; a number that is not found is a user in the group 0.

use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{Gid, Uid};

use super::super::sys::Identity;
use super::files;

/// How much is read of each file: more than any image has.
const LONGEST: u64 = 1 << 20;

/// The last number that a user of a sandbox can have.
const LAST: u32 = 0xffff;

/// A user of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
    others: Vec<u32>,
    pub(super) name: String,
}

impl Account {
    pub(super) fn root() -> Self {
        Self { user: 0, group: 0, others: Vec::new(), name: "root".to_owned() }
    }

    /// Finds a user in the files of the sandbox.
    pub(super) fn find(text: &str) -> io::Result<Self> {
        Self::find_in(text, &read("/etc/passwd")?, &read("/etc/group")?)
    }

    fn find_in(text: &str, passwd: &str, groups: &str) -> io::Result<Self> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        // name:password:user:group:description:home:shell
        let entry = passwd.lines().map(fields).find(|entry| is_called(entry, user));
        let mut account = match (&entry, user.parse()) {
            (Some(entry), _) => Self {
                user: number(entry, 2, "user")?,
                group: number(entry, 3, "group")?,
                others: memberships(entry[0], groups),
                name: entry[0].to_owned(),
            },
            (None, Ok(number)) => Self { user: number, group: 0, others: Vec::new(), name: user.to_owned() },
            (None, Err(_)) => return Err(unknown("user", user)),
        };
        if let Some(group) = group {
            // name:password:group:members
            let entry = groups.lines().map(fields).find(|entry| is_called(entry, group));
            account.group = match (&entry, group.parse()) {
                (Some(entry), _) => number(entry, 2, "group")?,
                (None, Ok(number)) => number,
                (None, Err(_)) => return Err(unknown("group", group)),
            };
            account.others.clear();
        }
        match [account.user, account.group].into_iter().find(|&number| number > LAST) {
            Some(number) => Err(invalid(format!("a sandbox has the numbers up to {LAST}, and not {number}"))),
            None => Ok(account),
        }
    }

    /// Returns what to change for a command, if anything: this process is root already.
    pub(super) fn identity(&self) -> Option<Identity> {
        (*self != Self::root()).then(|| Identity {
            user: Uid::from_raw(self.user),
            group: Gid::from_raw(self.group),
            others: self.others.iter().map(|&group| Gid::from_raw(group)).collect(),
        })
    }

    /// Gives a terminal to the user.
    pub(super) fn own(&self, terminal: impl AsFd) -> io::Result<()> {
        if self.user == 0 { Ok(()) } else { Ok(rustix::fs::fchown(terminal, Some(Uid::from_raw(self.user)), None)?) }
    }
}

/// Reads a file of the sandbox; nothing where there is none.
fn read(path: &str) -> io::Result<String> {
    match files::open_here(Path::new(path)) {
        Ok((file, ..)) => {
            let mut bytes = Vec::new();
            file.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

/// Returns whether an entry is that of a name or, where nothing has the name, of a number.
fn is_called(entry: &[&str], name_or_number: &str) -> bool {
    !name_or_number.is_empty() && (entry[0] == name_or_number || entry.get(2) == Some(&name_or_number))
}

fn number(entry: &[&str], field: usize, what: &str) -> io::Result<u32> {
    let text = entry.get(field).copied().unwrap_or_default();
    text.parse().map_err(|_| invalid(format!("`{}` has `{text}` as its {what}", entry[0])))
}

/// Returns the groups that have a user among their members.
fn memberships(user: &str, groups: &str) -> Vec<u32> {
    let of_user = |entry: &Vec<&str>| entry.get(3).is_some_and(|members| members.split(',').any(|name| name == user));
    groups.lines().map(fields).filter(of_user).filter_map(|entry| entry[2].parse().ok()).collect()
}

fn unknown(what: &str, name: &str) -> io::Error {
    invalid(format!("the image has no {what} `{name}`"))
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100:App:/home/app:/bin/sh\nodd:x:much:1::/:\n";
    const GROUPS: &str = "root:x:0:\nusers:x:100:\naudio:x:29:other,app\nvideo:x:44:app\n";

    fn found(text: &str) -> (u32, u32, Vec<u32>, String) {
        let account = Account::find_in(text, PASSWD, GROUPS).expect("is found");
        (account.user, account.group, account.others, account.name)
    }

    #[test]
    fn every_form_of_a_user() {
        let app = (1000, 100, vec![29, 44], "app".to_owned());
        assert_eq!(found("app"), app);
        assert_eq!(found("1000"), app);
        assert_eq!(found("app:audio"), (1000, 29, vec![], "app".to_owned()));
        assert_eq!(found("app:7"), (1000, 7, vec![], "app".to_owned()));
        assert_eq!(found("33"), (33, 0, vec![], "33".to_owned()));
        assert_eq!(found("33:video"), (33, 44, vec![], "33".to_owned()));
        assert_eq!(found("0"), (0, 0, vec![], "root".to_owned()));
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, reason) in [
            ("nobody", "the image has no user `nobody`"),
            ("app:wheel", "the image has no group `wheel`"),
            ("", "the image has no user ``"),
            ("odd", "`odd` has `much` as its user"),
            ("70000", "a sandbox has the numbers up to 65535, and not 70000"),
        ] {
            assert_eq!(Account::find_in(text, PASSWD, GROUPS).expect_err("is refused").to_string(), reason);
        }
    }
}
