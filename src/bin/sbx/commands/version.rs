//! `sbx version`: which one is this, and what would it talk to?

use serde_json::json;

use crate::args::Connection;
use crate::context::Context;
use crate::failure::Exit;
use crate::perform::Format;
use crate::record::{self, RecordArgs};
use crate::settings::{Server, Settings};
use crate::ui::escape;
use crate::ui::json::FORMAT_VERSION;

/// Show the version; with --verbose also each setting and where it comes from
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
    connection: Connection,
}

/// A setting, its value as it may be shown, and where it comes from.
type Row = (&'static str, String, String);

impl Version {
    pub(crate) fn run(self, cx: &mut Context) -> Exit {
        let version = env!("CARGO_PKG_VERSION");
        let settings = || Settings::resolve(&self.connection, &cx.environment);
        let rows = if cx.is_verbose { rows(&settings(), &self.connection.record) } else { Vec::new() };
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
        Exit::Done
    }
}

fn rows(settings: &Settings, record: &RecordArgs) -> Vec<Row> {
    let mut rows = match &settings.server {
        None => vec![("endpoint", "none".to_owned(), "nothing is set".to_owned())],
        Some(Server::Local { data_dir }) => {
            vec![("endpoint", format!("local, data in {}", data_dir.display()), "--local".to_owned())]
        }
        Some(Server::Remote(remote)) => {
            let key = if remote.key.is_some() { "set" } else { "not set" };
            vec![
                ("endpoint", remote.label(), remote.url_from.to_string()),
                ("api-key", key.to_owned(), remote.key_from.to_string()),
            ]
        }
    };
    rows.extend(settings.server.as_ref().map(|server| match record::place(record, server) {
        Some((place, from)) => ("inventory", place, from.to_string()),
        None => ("inventory", "none".to_owned(), "--inventory".to_owned()),
    }));
    rows.extend(settings.ca_file.iter().map(|(path, from)| ("ca-file", path.display().to_string(), from.to_string())));
    rows
}
