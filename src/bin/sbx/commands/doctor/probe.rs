//! Asks a server for a rule that nobody wrote down, with a template and a pool that are thrown away.

use sbx::client::{Client, CreatePoolOptions, CreateTemplateOptions, Error};
use sbx::types::{Name, Timestamp};

/// What the names of all that a probe makes begin with.
pub(super) const PREFIX: &str = "sbx-probe-";
/// What the new name of a template ends with.
const RENAMED: &str = "-b";
/// A small public image with a shell.
const IMAGE: &str = "python:3.12-slim";

/// One probe: the name of what it makes.
pub(super) struct Probe {
    name: String,
}

impl Probe {
    /// Makes up a name from the time, down to its fractions, and the process: two probes at once have two names.
    pub(super) fn new(now: Timestamp) -> Self {
        let time: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
        let fraction = time.get(8..).unwrap_or(&time);
        Self { name: format!("{PREFIX}{:x}-{fraction}", std::process::id()) }
    }

    /// Renames a template, and returns whether the pool on it refers to it by its new name.
    ///
    /// # Errors
    ///
    /// Those of the calls. What was made stays: [`Probe::clean_up`] takes it away.
    pub(super) async fn references_follow_renames(&self, client: &Client) -> Result<bool, Error> {
        let (name, renamed) = (self.named(""), self.named(RENAMED));
        client.create_template(&name, IMAGE, CreateTemplateOptions::default()).await?;
        client.create_pool(&name, name.as_str(), 1, CreatePoolOptions::default()).await?;
        client.update_template(name.as_str(), &renamed).await?;
        let pool = client.get_pool(name.as_str()).await?;
        Ok(pool.template_name == renamed.as_str())
    }

    fn named(&self, end: &str) -> Name {
        Name::parse(&format!("{}{end}", self.name)).expect("letters, digits and hyphens are a name")
    }

    /// Removes what probes made, this one and those that were killed, and returns how many objects that were.
    ///
    /// # Errors
    ///
    /// Those of the calls; the first keeps it from going on.
    pub(super) async fn clean_up(client: &Client) -> Result<usize, Error> {
        let mut n_removed = 0;
        for pool in client.list_pools().await?.into_iter().filter(|pool| is_of_probe(&pool.name)) {
            n_removed += usize::from(was_there(client.delete_pool(&pool.name).await)?);
        }
        for template in client.list_templates().await?.into_iter().filter(|found| is_of_probe(&found.name)) {
            n_removed += usize::from(was_there(client.delete_template(&template.name).await)?);
        }
        Ok(n_removed)
    }
}

/// Returns whether a probe made up this name: the prefix alone may be somebody's own choice.
pub(super) fn is_of_probe(name: &str) -> bool {
    let made_up = name.strip_prefix(PREFIX).map(|rest| rest.strip_suffix(RENAMED).unwrap_or(rest));
    made_up.and_then(|rest| rest.split_once('-')).is_some_and(|(process, fraction)| {
        let is = |text: &str, is_one: fn(&char) -> bool| !text.is_empty() && text.chars().all(|c| is_one(&c));
        is(process, char::is_ascii_hexdigit) && is(fraction, char::is_ascii_digit)
    })
}

fn was_there(deleted: Result<(), Error>) -> Result<bool, Error> {
    match deleted {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_knows_its_names_and_takes_no_other_for_one() {
        let probe = Probe::new("2026-04-01T12:30:15.123456789Z".parse().unwrap());
        assert!(is_of_probe(probe.named("").as_str()) && is_of_probe(probe.named(RENAMED).as_str()), "{}", probe.name);
        for other in ["sbx-probe-", "sbx-probe-tools", "sbx-probe-b", "sbx-probe-a-b", "sbx-probe-beef-", "warm"] {
            assert!(!is_of_probe(other), "{other}");
        }
    }
}
