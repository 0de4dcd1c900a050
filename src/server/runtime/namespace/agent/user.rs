//! Whom a command runs as: what a Dockerfile's `USER` says, looked up in the sandbox's own files.

use std::fs;
use std::io;

/// A user and a group, as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) group: u32,
    /// The name, if the user has one.
    pub(super) name: Option<String>,
}

/// Finds the user that a text means: `NAME`, `ID`, and either with `:` and a group behind it.
pub(super) fn find(text: &str) -> io::Result<User> {
    // An image need have neither of them.
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    resolve(text, &users, &groups)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("the sandbox has no user or group `{text}`")))
}

fn resolve(text: &str, users: &str, groups: &str) -> Option<User> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let entries = || users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let is_meant = |entry: &Vec<&str>| entry.len() > 3 && (entry[0] == user || entry[2] == user);
    let entry = entries().find(is_meant);
    let id = match &entry {
        Some(entry) => entry[2].parse().ok()?,
        None => user.parse().ok()?,
    };
    let group = match group {
        Some(group) => group_of(group, groups)?,
        // Whoever is not known belongs to root's group, as with Docker.
        None => entry.as_ref().map_or(Some(0), |entry| entry[3].parse().ok())?,
    };
    Some(User { id, group, name: entry.map(|entry| entry[0].to_owned()) })
}

fn group_of(text: &str, groups: &str) -> Option<u32> {
    let mut entries = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|entry| entry.len() > 2 && entry[0] == text);
    entry.map_or(text, |entry| entry[2]).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nbroken\n";
        let groups = "root:x:0:\ntty:x:5:\nbroken\n";
        let user = |id, group, name: Option<&str>| Some(User { id, group, name: name.map(str::to_owned) });
        for (text, expected) in [
            ("root", user(0, 0, Some("root"))),
            ("app", user(1000, 1001, Some("app"))),
            ("1000", user(1000, 1001, Some("app"))),
            ("app:tty", user(1000, 5, Some("app"))),
            ("app:7", user(1000, 7, Some("app"))),
            ("2000", user(2000, 0, None)),
            ("2000:tty", user(2000, 5, None)),
            ("nobody", None),
            ("app:none", None),
            ("", None),
        ] {
            assert_eq!(resolve(text, users, groups), expected, "{text}");
        }
    }
}
