//! What the reader can do about a failure.

use http::StatusCode;
use sbx::client::{self, Kind, Resource};
use sbx::reconcile::inventory::{FormatError, Stranger};
use sbx::reconcile::ledger;
use sbx::reconcile::plan::saved::LoadError;
use sbx::server;
use sbx::wire::SandboxStatus;

use super::Failure;
use crate::contexts::key::KeyError;
use crate::env;
use crate::settings::{Remote, Server, Source};

impl Failure {
    /// Returns what the reader can do about it, one thing each.
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::Usage { hint, .. } => hint.iter().cloned().collect(),
            Self::NoServer { has_stray_key } => no_server(*has_stray_key),
            Self::OpenToOthers { path } => vec![format!("look at what it says, then `chmod 600 {}`", path.display())],
            Self::Key { source, .. } => key(source),
            Self::Call { near: Some(near), .. } => vec![format!("did you mean `{near}`?")],
            Self::Call { server, source, near: None } => call(server, source),
            Self::TooSlow { .. } => vec!["wait longer with --timeout 10m".to_owned()],
            Self::Config { server, source } => config(server, source),
            Self::Server { source } => local(source),
            Self::NoTerminal => vec!["pass --yes to go on without being asked".to_owned()],
            Self::SavedPlan { source: LoadError::Edited, .. } => {
                vec!["plan again: only what was planned is applied, so that what was reviewed is".to_owned()]
            }
            Self::SavedPlan { source: LoadError::NewerFormat { .. }, .. } => {
                vec!["apply it with the version of sbx that made it, or a later one".to_owned()]
            }
            Self::SavedPlan { .. } => vec!["`sbx plan --out FILE` saves a plan".to_owned()],
            Self::Observation { .. } => vec!["`sbx observe -o FILE` saves the live state".to_owned()],
            Self::PlanForAnother { .. } => {
                vec!["name its server with --endpoint, --context or --local, or plan again for this one".to_owned()]
            }
            Self::HeldBack { .. } => {
                vec!["plan again and have that reviewed, or leave --all-or-nothing away to perform the rest".to_owned()]
            }
            Self::Inventory(source) => inventory(source),
            Self::OtherWorkspace { source, .. } => other_workspace(source),
            Self::PassingInventory => vec![
                "keep it where the next run finds it: --inventory s3://bucket/prod.json, or a path that is kept; or pass \
                 --no-prune"
                    .to_owned(),
            ],
            Self::Superseded { .. } => {
                vec!["leave it at that, since a later run has been here; or number this run higher".to_owned()]
            }
            Self::WouldOverwrite { .. } => {
                vec!["nothing was written: name another folder, or pass --force to replace them".to_owned()]
            }
            Self::NotFound { .. } => vec!["`sbx get all` lists what is live".to_owned()],
            Self::NotRecorded { place, .. } => {
                vec![format!("nothing was written; the inventory is {place}, and --inventory URL names another")]
            }
            _ => Vec::new(),
        }
    }
}

fn no_server(has_stray_key: bool) -> Vec<String> {
    let mut hints = vec![
        "pass --local to use the server that is built into sbx".to_owned(),
        format!("or set {} and {}, or LANGSMITH_ENDPOINT and LANGSMITH_API_KEY", env::ENDPOINT, env::API_KEY),
        "or name the server once in ~/.config/sbx/config.yaml; see `sbx context --help`".to_owned(),
    ];
    if has_stray_key {
        hints.insert(0, format!("{} is set, but no {} goes with it", env::API_KEY, env::ENDPOINT));
    }
    hints
}

fn key(error: &KeyError) -> Vec<String> {
    match error {
        KeyError::NotSet(name) => vec![format!("set {name}; the context names it as its `api_key_env`")],
        KeyError::Ended(_) | KeyError::TooSlow(_) => {
            vec!["run the command by hand: it should print the key and nothing else".to_owned()]
        }
        _ => Vec::new(),
    }
}

fn call(server: &Server, error: &client::Error) -> Vec<String> {
    let hint = match (error.kind(), server) {
        (Kind::Connection, Server::Remote(remote)) => return connection(remote),
        (Kind::Authentication, Server::Remote(remote)) => authentication(remote),
        (Kind::InvalidBody, Server::Remote(remote)) => format!(
            "the endpoint comes from {}: is it the base URL of the API, and does nothing else answer in its place?",
            remote.url_from
        ),
        (Kind::WrongGeneration, _) => {
            "the hosted service speaks the second generation of the API (manifests of `sbx/v2`), self-hosted servers the \
             first (`sbx/v1`), and `sbx serve` both: is this the base URL of one of them?"
                .to_owned()
        }
        (Kind::NotFound, _) if error.resource() == Some(Resource::Template) => {
            "`sbx get templates` lists those that there are; `sbx apply` makes those that are declared".to_owned()
        }
        (Kind::NotFound, _) if error.resource() == Some(Resource::Sandbox) => {
            "`sbx get sandboxes` lists those that there are".to_owned()
        }
        (Kind::NotReady, _) if error.last_status() == Some(&SandboxStatus::Failed) => {
            "`sbx delete sandbox/NAME` makes room for another try; `sbx apply` makes a declared one anew".to_owned()
        }
        (Kind::NotReady, _) => "`sbx wait NAME` waits until it is".to_owned(),
        (Kind::Operation, _) if error.error_type() == Some("CommandNotFound") => {
            "commands end with the server that runs them: was it started again?".to_owned()
        }
        (Kind::Client, _) if error.status() == Some(StatusCode::NOT_IMPLEMENTED) => {
            "the sandboxes of this server run no process: one that was started with `sbx serve` says why when it starts"
                .to_owned()
        }
        (Kind::InUse, _) => "`sbx describe KIND/NAME` shows what uses it".to_owned(),
        (Kind::RateLimited, _) => "try again later, or lower --parallelism".to_owned(),
        (Kind::Timeout | Kind::TransportTimeout | Kind::DeadlineExceeded, _) => {
            "it may only be slow: run the same again, it goes on from where it is".to_owned()
        }
        (Kind::QuotaExceeded, _) => "delete something, ask for less, or have the limit raised".to_owned(),
        _ => return Vec::new(),
    };
    vec![hint]
}

fn authentication(remote: &Remote) -> String {
    let Remote { key, key_from, url_from, .. } = remote;
    match (key, key_from) {
        (None, Source::Context(name)) => {
            format!("no key was sent: context `{name}` does not say where its key is, with `api_key_env` or the like")
        }
        (Some(_), _) => {
            format!("the key comes from {key_from}, the endpoint from {url_from}: do they belong together?")
        }
        (None, _) => format!("no key was sent: set {key_from}"),
    }
}

fn connection(remote: &Remote) -> Vec<String> {
    match (remote.is_loopback(), &remote.url_from) {
        (_, Source::Running) => vec!["the server stopped meanwhile: run the same again".to_owned()],
        (true, _) => vec!["start a server with `sbx serve`, or pass --local to do without one".to_owned()],
        (false, from) => {
            let mut hints =
                vec![format!("the endpoint comes from {from}: is it right, and can this machine reach it?")];
            if remote.base_url.starts_with("https:") {
                hints.push("--ca-file FILE trusts a certificate of your own".to_owned());
            }
            hints
        }
    }
}

fn inventory(error: &ledger::Error) -> Vec<String> {
    match error {
        ledger::Error::Unreadable { source: FormatError::Newer { .. }, .. } => {
            vec!["use the version of sbx that wrote it, or a later one".to_owned()]
        }
        ledger::Error::Unreadable { place, .. } if place.ends_with(".journal") => vec![
            "an apply that was killed left it: move it away, and run the same again, which looks what was done"
                .to_owned(),
        ],
        ledger::Error::Unreadable { place, .. } => vec![
            format!("restore an earlier version of {place}: from version control, or from the object store"),
            "or move it away and run `sbx adopt`: what is live and declared is recorded anew".to_owned(),
        ],
        ledger::Error::Changed { .. } => {
            vec!["run the same again: it plans from what is recorded now, and finds out what was done".to_owned()]
        }
        ledger::Error::Locked { .. } => vec![
            "wait longer with --lock-timeout 30m".to_owned(),
            "a lock that nobody renews dies within half a minute; `sbx unlock` breaks one that is renewed".to_owned(),
        ],
        ledger::Error::LockLost { .. } => {
            vec!["look who took it with `sbx history`, and then run the same again: it goes on from here".to_owned()]
        }
        ledger::Error::BadPlace { .. } => vec![
            "it looks like s3://bucket/folder/prod.json, gs://…, az://…, or a path such as state/prod.json".to_owned(),
        ],
        ledger::Error::Store { place, .. } => {
            let is_said =
                "--inventory URL says where it is; what was going to be done is on record, if it was begun".to_owned();
            credentials(place).map(str::to_owned).into_iter().chain([is_said]).collect()
        }
        _ => Vec::new(),
    }
}

/// Says where the credentials for an object store are looked for.
fn credentials(place: &str) -> Option<&'static str> {
    match place.split_once("://")?.0 {
        "s3" | "s3a" => Some(
            "the credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without them, those of the machine are asked for",
        ),
        "gs" => Some(
            "the credentials are in the file that GOOGLE_APPLICATION_CREDENTIALS names; without it, those of the machine are asked for",
        ),
        "az" | "azure" | "abfs" | "abfss" => Some(
            "the credentials are AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY; without a key, those of the machine are asked for",
        ),
        _ => None,
    }
}

fn other_workspace(stranger: &Stranger) -> Vec<String> {
    let mut hints =
        vec!["is this the right endpoint, with the right key? --inventory URL names another record".to_owned()];
    hints.push(match stranger {
        Stranger::OtherEndpoint { .. } => {
            "pass --accept-workspace if the workspace moved here, with all that is in it".to_owned()
        }
        _ => "pass --accept-workspace if somebody deleted all of it, and it is to be made anew".to_owned(),
    });
    hints
}

fn config(server: &Server, error: &client::ConfigError) -> Vec<String> {
    let Server::Remote(remote) = server else { return Vec::new() };
    match error {
        client::ConfigError::InvalidApiKey => vec![format!("the key comes from {}", remote.key_from)],
        client::ConfigError::InvalidCaCertificate | client::ConfigError::Tls { .. } => Vec::new(),
        _ => vec![
            format!("the endpoint comes from {}", remote.url_from),
            "it looks like https://sandboxes.example.com or http://127.0.0.1:7290".to_owned(),
        ],
    }
}

fn local(error: &server::Error) -> Vec<String> {
    match error {
        server::Error::DataDirBusy { url: Some(url), .. } => vec![format!("work with it: pass --endpoint {url}")],
        server::Error::DataDirBusy { .. } => {
            vec!["wait until it is done; for several at a time, run `sbx serve` and pass --local as before".to_owned()]
        }
        server::Error::KeyRequired { .. } => vec!["pass --api-key-file FILE, or listen on 127.0.0.1".to_owned()],
        server::Error::Bind { .. } => vec!["pass --listen 127.0.0.1:0 to take any free port".to_owned()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use sbx::types::Secret;

    use super::*;

    fn remote(base_url: &str, key: Option<&str>) -> Remote {
        Remote {
            base_url: base_url.to_owned(),
            url_from: Source::Flag("--endpoint"),
            key: key.map(Secret::new),
            key_source: None,
            key_from: Source::variable(env::API_KEY),
        }
    }

    #[test]
    fn a_refused_key_names_where_it_came_from() {
        assert_eq!(authentication(&remote("http://a", None)), "no key was sent: set SBX_API_KEY");
        let hint = authentication(&remote("http://a", Some("planted")));
        assert!(hint.contains("SBX_API_KEY") && hint.contains("--endpoint") && !hint.contains("planted"), "{hint}");
    }

    #[test]
    fn only_this_machine_is_offered_a_server() {
        let hints = |base_url| connection(&remote(base_url, None)).join("; ");
        assert!(hints("http://127.0.0.1:1").contains("sbx serve"));
        assert!(!hints("http://10.0.0.1:1").contains("sbx serve"));
        assert!(!hints("http://10.0.0.1:1").contains("--ca-file") && hints("https://10.0.0.1").contains("--ca-file"));
    }

    #[test]
    fn busy_data_leads_to_whoever_has_it() {
        let busy = |url: Option<&str>| {
            let url = url.map(ToOwned::to_owned);
            local(&server::Error::DataDirBusy { path: "data".into(), pid: Some(1), url }).join("; ")
        };
        assert!(busy(Some("http://127.0.0.1:7290")).contains("--endpoint http://127.0.0.1:7290"));
        assert!(busy(None).contains("wait"));
    }
}
