//! How long WebSockets to sandboxes are waited for.

use std::time::Duration;

use tracing::warn;

/// What the official SDKs' variables begin with, first choice first.
const PREFIXES: [&str; 2] = ["LANGSMITH_", "LANGCHAIN_"];

/// Time limits of the WebSockets of commands; `None` is no limit.
///
/// [`Config::from_env`](super::Config::from_env) reads them from the variables of the official SDKs, in seconds with
/// fractions; 0 and less is no limit. Their `LANGSMITH_SANDBOX_WS_TIMEOUT_CLOSE` says how long a close is waited for,
/// and has no counterpart here, since this client does not wait for one. Tunnels have an `open` of their own, 15 s, and
/// share the `connect_budget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketTimeouts {
    /// How long one attempt to open a WebSocket may take: `LANGSMITH_SANDBOX_WS_TIMEOUT_OPEN`, 30 s by default.
    pub open: Option<Duration>,
    /// How long a connection may be silent before the server is asked whether it is there:
    /// `LANGSMITH_SANDBOX_WS_TIMEOUT_PING_INTERVAL`, 30 s by default. Without one nobody asks.
    pub ping_interval: Option<Duration>,
    /// How long the server then has to answer: `LANGSMITH_SANDBOX_WS_TIMEOUT_PING`, 60 s by default.
    pub pong: Option<Duration>,
    /// How long all attempts to reach a sandbox of the second generation may take:
    /// `LANGSMITH_SANDBOX_WS_TIMEOUT_CONNECT_BUDGET`, 120 s by default. Without one their number is limited, as in the
    /// first generation ([`Config::max_retries`](super::Config::max_retries)).
    pub connect_budget: Option<Duration>,
}

impl Default for SocketTimeouts {
    /// Contract section 1.4, and section 6 of the second generation.
    fn default() -> Self {
        Self {
            open: Some(Duration::from_secs(30)),
            ping_interval: Some(Duration::from_secs(30)),
            pong: Some(Duration::from_mins(1)),
            connect_budget: Some(Duration::from_mins(2)),
        }
    }
}

impl SocketTimeouts {
    /// Returns the limits that an environment says for which `lookup` stands. A value that is no number is passed over,
    /// which is logged.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str, default: Option<Duration>| {
            let names = PREFIXES.map(|prefix| format!("{prefix}SANDBOX_WS_TIMEOUT_{name}"));
            let found =
                names.iter().find_map(|name| Some((name, lookup(name).filter(|text| !text.trim().is_empty())?)));
            let Some((name, text)) = found else { return default };
            match text.trim().parse::<f64>() {
                Ok(seconds) if seconds <= 0.0 => None,
                Ok(seconds) if seconds.is_finite() => {
                    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
                }
                _ => {
                    warn!(variable = name, "a time limit that is no number of seconds is passed over");
                    default
                }
            }
        };
        let default = Self::default();
        Self {
            open: read("OPEN", default.open),
            ping_interval: read("PING_INTERVAL", default.ping_interval),
            pong: read("PING", default.pong),
            connect_budget: read("CONNECT_BUDGET", default.connect_budget),
        }
    }

    /// Sets how long one attempt to open a WebSocket may take.
    #[must_use]
    pub fn open(mut self, limit: Option<Duration>) -> Self {
        self.open = limit;
        self
    }

    /// Sets how long a connection may be silent before the server is asked whether it is there.
    #[must_use]
    pub fn ping_interval(mut self, limit: Option<Duration>) -> Self {
        self.ping_interval = limit;
        self
    }

    /// Sets how long the server then has to answer.
    #[must_use]
    pub fn pong(mut self, limit: Option<Duration>) -> Self {
        self.pong = limit;
        self
    }

    /// Sets how long all attempts to reach a sandbox of the second generation may take.
    #[must_use]
    pub fn connect_budget(mut self, limit: Option<Duration>) -> Self {
        self.connect_budget = limit;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environment_says() {
        let read = |variables: &'static [(&str, &str)]| {
            SocketTimeouts::from_lookup(|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let default = SocketTimeouts::default();
        assert_eq!(read(&[]), default);
        let all = read(&[
            ("LANGSMITH_SANDBOX_WS_TIMEOUT_OPEN", "1.5"),
            ("LANGCHAIN_SANDBOX_WS_TIMEOUT_OPEN", "9"),
            ("LANGCHAIN_SANDBOX_WS_TIMEOUT_PING_INTERVAL", " 7 "),
            ("LANGSMITH_SANDBOX_WS_TIMEOUT_PING", "0"),
            ("LANGSMITH_SANDBOX_WS_TIMEOUT_CONNECT_BUDGET", "-1"),
        ]);
        let expected = default.open(Some(Duration::from_millis(1500))).ping_interval(Some(Duration::from_secs(7)));
        assert_eq!(all, expected.pong(None).connect_budget(None));
        for text in ["", " ", "soon", "NaN", "inf"] {
            let read = SocketTimeouts::from_lookup(|_| Some(text.to_owned()));
            assert_eq!(read, default, "{text}");
        }
        assert_eq!(SocketTimeouts::from_lookup(|_| Some("1e300".to_owned())).open, Some(Duration::MAX));
    }
}
