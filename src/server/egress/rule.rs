//! Which hosts are let through.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::address::{contains, is_own, is_public};

/// Hosts that sandboxes may reach, as somebody names them.
///
/// | form | which hosts |
/// | --- | --- |
/// | `pypi.org` | the one of this name, at public addresses |
/// | `*.example.org` | those below this name, and not itself, at public addresses |
/// | `*` | all, at public addresses |
/// | `localhost` | that name, at loopback addresses |
/// | `10.1.2.3`, `[fd00::1]`, `10.0.0.0/8` | these addresses, public or not |
///
/// A `:PORT` after any of them holds for this port only. A host whose name leads to an address that is not public takes
/// two rules: one for the name, one for the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    Name(String),
    Below(String),
    Network(IpAddr, u8),
}

/// Why a text names no hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// It is a URL.
    #[error("write a host without scheme and path, such as `pypi.org` or `pypi.org:443`")]
    Url,
    /// The port is none.
    #[error("`{0}` is no port: those go from 1 to 65535")]
    Port(String),
    /// The length of the network is none.
    #[error("`{0}` is no network such as `10.0.0.0/8`")]
    Network(String),
    /// The name is none.
    #[error("`{0}` is no host such as `pypi.org`, `*.example.org`, `*`, `10.1.2.3` or `[fd00::1]`")]
    Host(String),
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        if text.contains("://") {
            return Err(RuleError::Url);
        }
        let (hosts, port) = split_port(text)?;
        Ok(Self { hosts: hosts.parse()?, port })
    }
}

/// Splits `HOST:PORT`. Of colons without brackets, two or more are those of an address.
fn split_port(text: &str) -> Result<(&str, Option<u16>), RuleError> {
    let (host, port) = if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = rest.strip_prefix(':');
        if port.is_none() && !rest.is_empty() {
            return Err(RuleError::Host(text.to_owned()));
        }
        (host, port)
    } else {
        match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        }
    };
    let port = port.map(|port| {
        let number = port.parse().ok().filter(|&number: &u16| number > 0);
        number.ok_or_else(|| RuleError::Port(port.to_owned()))
    });
    Ok((host, port.transpose()?))
}

impl FromStr for Hosts {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        if text == "*" {
            return Ok(Self::All);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let address = address.to_canonical();
            return Ok(Self::Network(address, width(address)));
        }
        if let Some((network, length)) = text.split_once('/') {
            let network = network.parse::<IpAddr>().ok().filter(|network| network.to_canonical() == *network);
            let length = length.parse().ok();
            return match (network, length) {
                (Some(network), Some(length)) if length <= width(network) => Ok(Self::Network(network, length)),
                _ => Err(RuleError::Network(text.to_owned())),
            };
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let name = normal(name);
        // What ends in a number is an address to all who resolve it, and to none of the forms above.
        let ends_in_number =
            name.rsplit('.').next().is_some_and(|label| label.starts_with(|c: char| c.is_ascii_digit()));
        if !is_name(&name) || ends_in_number {
            return Err(RuleError::Host(text.to_owned()));
        }
        Ok(if below { Self::Below(name) } else { Self::Name(name) })
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Returns a host as it is compared: no capitals, no dot at the end, no brackets.
pub(super) fn normal(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() < 64
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    name.len() < 254 && name.split('.').all(is_label)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_port = self.port.is_some();
        match &self.hosts {
            Hosts::All => f.write_str("*")?,
            Hosts::Name(name) => f.write_str(name)?,
            Hosts::Below(name) => write!(f, "*.{name}")?,
            Hosts::Network(network, length) => {
                let length = if *length == width(*network) { String::new() } else { format!("/{length}") };
                let (open, close) = if network.is_ipv6() && has_port { ("[", "]") } else { ("", "") };
                write!(f, "{open}{network}{length}{close}")?;
            }
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Rule {
    /// Returns whether the rule is about this host, whatever address that has.
    fn names(&self, host: &str) -> bool {
        match &self.hosts {
            Hosts::All => true,
            Hosts::Name(name) => name == host,
            Hosts::Below(name) => {
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Hosts::Network(..) => host.parse().is_ok_and(|address| self.has(address)),
        }
    }

    /// Returns whether the rule names this address.
    fn has(&self, address: IpAddr) -> bool {
        matches!(self.hosts, Hosts::Network(network, length) if contains(network, length, address.to_canonical()))
    }

    fn is_localhost(&self) -> bool {
        matches!(&self.hosts, Hosts::Name(name) if name == LOCALHOST)
    }
}

const LOCALHOST: &str = "localhost";

/// All rules.
#[derive(Debug)]
pub(super) struct Policy {
    rules: Vec<Rule>,
    /// Whether nobody named any.
    is_default: bool,
}

/// Why a host is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    /// No rule names it.
    #[error("egress to `{host}:{port}` is not allowed: `sbx serve --egress-allow {host}` allows it")]
    Host { host: String, port: u16 },
    /// It has no public address, and no rule names those that it has.
    #[error("egress to `{host}:{port}` is not allowed, as {address} is not public: `sbx serve {options}` allows it")]
    Address { host: String, port: u16, address: IpAddr, options: String },
}

impl Policy {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let is_default = rules.is_empty();
        let all = || vec![Rule { hosts: Hosts::All, port: None }];
        Self { rules: if is_default { all() } else { rules }, is_default }
    }

    /// Returns whether a host may be asked for, by its [normal](normal) name. Only then is it looked up: a name that
    /// is looked up says something to whoever answers for it.
    pub(super) fn check_host(&self, host: &str, port: u16) -> Result<(), Denial> {
        if self.on(port).any(|rule| rule.names(host)) {
            return Ok(());
        }
        Err(Denial::Host { host: host.to_owned(), port })
    }

    /// Returns whether a host that may be asked for may be reached at this address.
    pub(super) fn check_address(&self, host: &str, port: u16, address: IpAddr) -> Result<(), Denial> {
        let address = address.to_canonical();
        let is_named = self
            .on(port)
            .any(|rule| rule.has(address) || (rule.is_localhost() && host == LOCALHOST && address.is_loopback()));
        if is_named || (is_public(address) && !is_own(address)) {
            return Ok(());
        }
        // One rule and no other would shut out all others.
        let others = if self.is_default { "--egress-allow '*' " } else { "" };
        let options = format!("{others}--egress-allow {address}");
        Err(Denial::Address { host: host.to_owned(), port, address, options })
    }

    fn on(&self, port: u16) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.port.is_none_or(|of| of == port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str]) -> Policy {
        Policy::new(rules.iter().map(|rule| rule.parse().expect(rule)).collect())
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for rule in [
            "pypi.org",
            "pypi.org:443",
            "*.example.org",
            "*.example.org:8080",
            "*",
            "*:443",
            "localhost:80",
            "10.1.2.3",
            "10.1.2.3:80",
            "10.0.0.0/8",
            "10.0.0.0/8:80",
            "fd00::1",
            "[fd00::1]:80",
            "fd00::/8",
            "[fd00::/8]:80",
        ] {
            assert_eq!(rule.parse::<Rule>().expect(rule).to_string(), rule);
        }
        assert_eq!("[::ffff:10.0.0.1]".parse::<Rule>().expect("an address").to_string(), "10.0.0.1");
        assert_eq!("PyPI.org.".parse::<Rule>().expect("a name").to_string(), "pypi.org");
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for (text, word) in [
            ("https://pypi.org/", "scheme"),
            ("pypi.org:0", "port"),
            ("pypi.org:http", "port"),
            ("10.0.0.0/33", "network"),
            ("pypi.org/simple", "network"),
            ("::ffff:10.0.0.0/104", "network"),
            ("", "host"),
            ("*pypi.org", "host"),
            ("a..b", "host"),
            ("127.1", "host"),
            ("0x7f000001", "host"),
            ("bücher.example", "host"),
            ("[::1]x", "host"),
            ("*.", "host"),
            ("a b", "host"),
            ("*.*.org", "host"),
        ] {
            let error = text.parse::<Rule>().expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn names_count_whole() {
        let policy = policy(&["pypi.org:443", "*.example.org"]);
        for (host, port) in [("pypi.org", 443), ("a.example.org", 80), ("a.b.example.org", 443)] {
            assert_eq!(policy.check_host(host, port), Ok(()), "{host}");
        }
        for (host, port) in [
            ("pypi.org", 80),
            ("evilpypi.org", 443),
            ("pypi.org.evil", 443),
            ("example.org", 443),
            ("badexample.org", 80),
            (".example.org", 443),
            ("1.1.1.1", 443),
            ("", 443),
        ] {
            assert!(policy.check_host(host, port).is_err(), "{host}");
        }
    }

    #[test]
    fn without_rules_all_that_is_public_is_let_through() {
        let policy = policy(&[]);
        assert_eq!(policy.check_host("anything.example", 1), Ok(()));
        let check = |address: &str| policy.check_address("x.example", 443, address.parse().expect(address));
        assert_eq!(check("1.1.1.1"), Ok(()));
        let denial = check("::ffff:169.254.169.254").expect_err("it is metadata").to_string();
        assert!(denial.contains("--egress-allow '*' --egress-allow 169.254.169.254"), "{denial}");
    }

    #[test]
    fn an_address_that_is_not_public_is_named_itself() {
        let check = |rules: &[&str], host: &str, address: &str| {
            let (policy, address) = (policy(rules), address.parse().expect(address));
            policy.check_host(host, 80).and_then(|()| policy.check_address(host, 80, address))
        };
        // A name, or all of them, is not enough: who answers for the name would choose the address.
        assert!(check(&["build.example"], "build.example", "10.1.2.3").is_err());
        assert!(check(&["*"], "10.1.2.3", "10.1.2.3").is_err());
        assert!(check(&["*"], "localhost", "127.0.0.1").is_err());
        // Nor is the address, for a name that is not named: that is not even looked up.
        assert!(check(&["10.1.2.3"], "build.example", "10.1.2.3").is_err());
        assert_eq!(check(&["build.example", "10.0.0.0/8:80"], "build.example", "10.1.2.3"), Ok(()));
        assert_eq!(check(&["10.1.2.3"], "10.1.2.3", "10.1.2.3"), Ok(()));
        assert_eq!(check(&["10.1.2.3"], "::ffff:10.1.2.3", "::ffff:10.1.2.3"), Ok(()));
        assert_eq!(check(&["localhost"], "localhost", "::1"), Ok(()));
        assert!(check(&["localhost"], "localhost", "10.1.2.3").is_err());
        assert!(check(&["localhost", "*"], "x.example", "127.0.0.1").is_err());
    }
}
