//! `sbx version`: which one is this, and what would it talk to?

use std::time::Duration;

use sbx::client::{Deadline, Generations, Kind};
use sbx::types::Secret;
use serde_json::json;

use crate::args::Whereabouts;
use crate::commands::doctor::spoken;
use crate::context::Context;
use crate::contexts::Contexts;
use crate::contexts::key::KeySource;
use crate::env::Environment;
use crate::failure::{Exit, Failure};
use crate::perform::Format;
use crate::project::{Access, Project};
use crate::record;
use crate::settings::{Remote, Server, Settings, shown_path};
use crate::ui::escape;
use crate::ui::json::FORMAT_VERSION;
use crate::workspace::client_of;

/// Show the version; with --verbose also each setting and what the server speaks
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx version
  sbx version --verbose
  sbx version -o json")]
pub(crate) struct Version {
    /// How to show it: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    #[command(flatten)]
    place: Whereabouts,
}

/// How long the server has to say which generations it speaks.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// A setting, its value as it may be shown, and where it comes from.
type Row = (&'static str, String, String);

impl Version {
    pub(crate) fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        let rows = if cx.is_verbose { cx.block_on(async |cx| self.rows(cx).await)? } else { Vec::new() };
        match self.output {
            Format::Text => {
                cx.ui.line(&format!("sbx {version}"));
                let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0) + 1;
                for (name, value, from) in rows {
                    cx.ui.line(&format!("{:<width$} {} ({from})", format!("{name}:"), escape(&value)));
                }
            }
            Format::Json => {
                let settings: serde_json::Map<_, _> = rows
                    .into_iter()
                    .map(|(name, value, from)| (name.to_owned(), json!({"value": value, "from": from})))
                    .collect();
                let mut out = json!({"format_version": FORMAT_VERSION, "version": version});
                if cx.is_verbose {
                    out["settings"] = settings.into();
                }
                cx.ui.line(&out.to_string());
            }
        }
        Ok(Exit::Done)
    }

    async fn rows(&self, cx: &mut Context) -> Result<Vec<Row>, Failure> {
        let project = Project::of_objects(&self.place, Access::Reads, &mut cx.ui)?;
        let contexts = || Contexts::load(&cx.environment, &mut cx.ui);
        let settings = Settings::resolve(&self.place.connection.server, &project, contexts, &cx.environment)?;
        let mut rows: Vec<Row> = Vec::new();
        if let Some(file) = &project.file {
            let name = settings.project.clone().unwrap_or_else(|| "without a name".to_owned());
            rows.push(("project", name, shown_path(file)));
        }
        if let Some(target) = &settings.target {
            let from = if self.place.target.is_some() { "--in" } else { "nothing said otherwise" };
            rows.push(("target", target.clone(), from.to_owned()));
        }
        rows.extend(server_rows(&settings, &cx.environment));
        rows.extend(api_row(&settings, &cx.environment).await);
        if settings.server.is_some() {
            rows.push(match record::place(&self.place.connection.record, &settings) {
                Some((place, from)) => ("inventory", place, from.to_string()),
                None => ("inventory", "none".to_owned(), "--inventory".to_owned()),
            });
        }
        let ca_file = settings.ca_file.iter();
        rows.extend(ca_file.map(|(path, from)| ("ca-file", path.display().to_string(), from.to_string())));
        Ok(rows)
    }
}

fn server_rows(settings: &Settings, environment: &Environment) -> Vec<Row> {
    match &settings.server {
        None => vec![("endpoint", "none".to_owned(), "nothing is set".to_owned())],
        Some(Server::Local { data_dir, from }) => {
            vec![("endpoint", format!("local, data in {}", data_dir.display()), from.to_string())]
        }
        Some(Server::Remote(remote)) => vec![
            ("endpoint", remote.label(), remote.url_from.to_string()),
            ("api-key", key_state(remote, environment).to_owned(), remote.key_from.to_string()),
        ],
    }
}

/// Returns which generations of the API the server speaks; `None` where there is none.
async fn api_row(settings: &Settings, environment: &Environment) -> Option<Row> {
    let (value, from) = match settings.server.as_ref()? {
        Server::Local { .. } => ("the first and the second generation".to_owned(), "built into sbx"),
        Server::Remote(remote) => match with_key(remote, environment) {
            None => ("not known".to_owned(), "`sbx doctor` gets the key, and asks"),
            Some(remote) => match ask(&remote, settings).await {
                Ok(found) => (format!("{} generation", spoken(found)), "as it answered"),
                Err(why) => (format!("not known: {why}"), "it was asked"),
            },
        },
    };
    Some(("api", value, from.to_owned()))
}

/// Returns a server with its key, where no command has to run and no file to be read for that.
fn with_key(remote: &Remote, environment: &Environment) -> Option<Remote> {
    let key = match &remote.key_source {
        None => remote.key.clone(),
        Some(KeySource::Variable(name)) => environment.get(name).map(Secret::new),
        Some(KeySource::File(_) | KeySource::Command(_)) => return None,
    };
    Some(Remote { key, ..remote.clone() })
}

/// Asks once, and does not insist.
async fn ask(remote: &Remote, settings: &Settings) -> Result<Generations, String> {
    let client = client_of(remote, settings).map_err(|failure| failure.to_string())?;
    let asked = client.with_deadline(Deadline::after(ASK_WITHIN)).generations().await;
    asked.map_err(|error| match error.kind() {
        Kind::Connection | Kind::Transport | Kind::TransportTimeout | Kind::DeadlineExceeded => {
            "it cannot be reached".to_owned()
        }
        _ => error.to_string(),
    })
}

/// Returns what is known of a key without getting it: no command runs, and no file is read.
fn key_state(remote: &Remote, environment: &Environment) -> &'static str {
    match &remote.key_source {
        Some(KeySource::Variable(name)) if environment.get(name).is_some() => "set",
        Some(KeySource::File(_) | KeySource::Command(_)) => "got when needed",
        _ if remote.key.is_some() => "set",
        _ => "not set",
    }
}
