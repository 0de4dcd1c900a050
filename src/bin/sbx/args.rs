//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::adopt::Adopt;
use crate::commands::apply::Apply;
use crate::commands::completion::Completion;
use crate::commands::context::Context;
use crate::commands::copy::Copy;
use crate::commands::delete::Delete;
use crate::commands::describe::Describe;
use crate::commands::destroy::Destroy;
use crate::commands::doctor::Doctor;
use crate::commands::drift::Drift;
use crate::commands::exec::Exec;
use crate::commands::export::Export;
use crate::commands::forget::Forget;
use crate::commands::get::Get;
use crate::commands::history::History;
use crate::commands::init::Init;
use crate::commands::migrate::Migrate;
use crate::commands::observe::Observe;
use crate::commands::plan::Plan;
use crate::commands::run::Run;
use crate::commands::schema::Schema;
use crate::commands::serve::Serve;
use crate::commands::service::Service;
use crate::commands::tunnel::Tunnel;
use crate::commands::unlock::Unlock;
use crate::commands::validate::Validate;
use crate::commands::version::Version;
use crate::commands::wait::Wait;
use crate::failure;
use crate::record::RecordArgs;
use crate::ui::ColorWhen;

const ABOUT: &str = "Keep a LangSmith sandbox workspace equal to a folder of YAML";

const EXAMPLES: &str = "\
Examples:
  sbx init                                   Write `sbx.yaml` and a starter folder `manifests/`
  sbx apply -f manifests --local             Make it so, on the server built into sbx
  sbx plan prod                              Show what would change for a target of `sbx.yaml`
  sbx plan -f manifests                      Show what would change on the configured server
  sbx get all                                List what is live

The server, strongest first (endpoint and key always come from one line):
  --local                                    Built into sbx, or the `sbx serve` of the project
  --endpoint URL, SBX_API_KEY; or --context NAME
  The target in `sbx.yaml`                   Its `context`, or `local: true`
  SBX_ENDPOINT, SBX_API_KEY
  LANGSMITH_ENDPOINT, LANGSMITH_API_KEY      As the official SDKs read them
  The current context                        Of ~/.config/sbx/config.yaml; see `sbx context`

Environment:
  SBX_CA_FILE                                The same as --ca-file
  SBX_LOG                                    What to log to standard error, such as `sbx=debug`
  NO_COLOR                                   No colour, whatever the terminal can do";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "sbx", about = ABOUT, version, after_help = help_end(), max_term_width = 100)]
#[command(disable_help_subcommand = true, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the server is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerArgs {
    /// Use the server built into sbx, with its data in `.sbx/local`
    #[arg(long, conflicts_with_all = ["endpoint", "context"])]
    pub(crate) local: bool,
    /// Use the server at URL, with the key in `SBX_API_KEY`
    ///
    /// The API's path `/v2/sandboxes` is added where URL has no path.
    #[arg(long, value_name = "URL", conflicts_with = "context")]
    pub(crate) endpoint: Option<String>,
    /// Use the server and the key of this context; `sbx context list` lists them
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where the server is, and the record of what is owned there.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
}

/// Where objects are, for commands that name them and no manifests.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Whereabouts {
    /// Use the server of this target of `sbx.yaml`
    #[arg(long = "in", value_name = "TARGET", help_heading = "Connection")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Where sandboxes are, for commands that work in them: the record has nothing to say there.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SandboxPlace {
    /// Use the server of this target of `sbx.yaml`
    #[arg(long = "in", value_name = "TARGET", help_heading = "Connection")]
    target: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// How much is shown, and how.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// When to use colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    pub(crate) color: ColorWhen,
    /// Show the result and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Show each request, without secrets; twice for more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Validate(Validate),
    #[command(visible_alias = "diff")]
    Plan(Plan),
    Apply(Apply),
    Destroy(Destroy),
    Drift(Drift),
    Adopt(Adopt),
    Forget(Forget),
    Get(Get),
    Describe(Describe),
    Export(Export),
    Observe(Observe),
    Migrate(Migrate),
    Delete(Delete),
    History(History),
    Unlock(Unlock),
    Run(Run),
    Exec(Exec),
    #[command(name = "cp")]
    Copy(Copy),
    Tunnel(Tunnel),
    Service(Service),
    Wait(Wait),
    Doctor(Doctor),
    Serve(Serve),
    Context(Context),
    Schema(Schema),
    Completion(Completion),
    Version(Version),
}

/// Manifests, as several commands take them.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManifestArgs {
    /// A target of `sbx.yaml`: all that it says; flags replace single values
    ///
    /// Where there is only one target it goes without saying, as `default_target` does for commands that change nothing.
    /// With -f and no TARGET, no target is meant.
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// A file, a directory (read recursively), or `-` for standard input; may be repeated
    ///
    /// With a TARGET they are read instead of its manifests, and its patches hold for what they declare.
    #[arg(long = "file", short = 'f', value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
}

impl From<SandboxPlace> for Whereabouts {
    fn from(SandboxPlace { target, server }: SandboxPlace) -> Self {
        Self { target, connection: Connection { server, record: RecordArgs::default() } }
    }
}

impl ServerArgs {
    /// Returns whether a flag says where the server is.
    pub(crate) fn names_server(&self) -> bool {
        self.local || self.endpoint.is_some() || self.context.is_some()
    }
}

fn help_end() -> String {
    format!("{EXAMPLES}\n\n{}", failure::exit_codes_help())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("sbx {}", command.get_name())), "{}", command.get_name());
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
