//! `sbx context`: the servers that the user knows by name.

use serde_json::{Value as Json, json};

use crate::context::Context as Cx;
use crate::contexts::{Contexts, Named, edit};
use crate::failure::{Exit, Failure};
use crate::perform::Format;
use crate::ui::json::FORMAT_VERSION;
use crate::ui::table::Table;
use crate::ui::{Ui, escape};

/// List, show and choose the servers that you know by name
///
/// Contexts stand in `~/.config/sbx/config.yaml` (or `sbx/config.yaml` in `$XDG_CONFIG_HOME`), which nobody else may write. It
/// never holds a key, only where to get it: a variable, a file, or a command that prints it.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  sbx context list
  sbx context use prod                     The server when nothing else says which
  sbx plan -f manifests --context staging

The file:
  current_context: staging
  contexts:
    staging: {endpoint: https://staging.example.com, api_key_env: STAGING_KEY}
    prod: {endpoint: https://example.com, api_key_command: pass show sbx/prod, ca_file: ca.pem}
    lab: {endpoint: http://10.0.0.7:7290, api_key_file: ~/.config/sbx/lab.key}")]
pub(crate) struct Context {
    #[command(subcommand)]
    action: Action,
}

/// What is done with contexts.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the contexts
    #[command(after_help = "Examples:\n  sbx context list\n  sbx context list -o json")]
    List(Shown),
    /// Make a context the current one
    #[command(after_help = "Examples:\n  sbx context use prod")]
    Use {
        /// The context
        name: String,
    },
    /// Show a context: the current one when none is named
    #[command(after_help = "Examples:\n  sbx context show\n  sbx context show prod -o json")]
    Show {
        /// The context
        name: Option<String>,
        #[command(flatten)]
        shown: Shown,
    },
}

/// How it is shown.
#[derive(Debug, clap::Args)]
struct Shown {
    /// How to show it: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
}

impl Context {
    pub(crate) fn run(self, cx: &mut Cx) -> Result<Exit, Failure> {
        let contexts = Contexts::load(&cx.environment, &mut cx.ui)?;
        match self.action {
            Action::List(shown) => list(&contexts, shown.output, &mut cx.ui),
            Action::Use { name } => make_current(&contexts, &name, &mut cx.ui)?,
            Action::Show { name, shown } => show(&contexts, name.as_deref(), shown.output, &mut cx.ui)?,
        }
        Ok(Exit::Done)
    }
}

fn list(contexts: &Contexts, format: Format, ui: &mut Ui) {
    if format == Format::Json {
        let all: Vec<_> = contexts.all.iter().map(to_json).collect();
        let out = json!({"format_version": FORMAT_VERSION, "current": contexts.current, "contexts": all});
        return ui.line(&format!("{out:#}"));
    }
    if contexts.all.is_empty() {
        return match &contexts.path {
            Some(path) => ui.status(&format!("No contexts: `{}` has none.", escape(&path.display().to_string()))),
            None => ui.status("No contexts: there is no home to have them in."),
        };
    }
    let mut table = Table::new(["NAME", "ENDPOINT", "KEY FROM", "CURRENT"]);
    for context in &contexts.all {
        let current = if is_current(contexts, context) { "yes" } else { "" };
        table.row([escape(&context.name).into_owned(), shown_endpoint(context), key_from(context), current.to_owned()]);
    }
    ui.data(&table.to_text(None));
}

fn make_current(contexts: &Contexts, name: &str, ui: &mut Ui) -> Result<(), Failure> {
    let context = contexts.named(name, "the command line")?;
    let path = contexts.path.as_deref().expect("a context stands in a file");
    edit::use_context(path, &context.name)?;
    ui.status(&format!("The current context is {}, {}.", escape(&context.name), shown_endpoint(context)));
    Ok(())
}

fn show(contexts: &Contexts, name: Option<&str>, format: Format, ui: &mut Ui) -> Result<(), Failure> {
    let context = match (name, &contexts.current) {
        (Some(name), _) => contexts.named(name, "the command line")?,
        (None, Some(current)) => contexts.named(current, "`current_context`")?,
        (None, None) => {
            let hint = Some("`sbx context use NAME` makes one the current one".to_owned());
            return Err(Failure::Usage { message: "no context is the current one".to_owned(), hint });
        }
    };
    if format == Format::Json {
        let mut out = to_json(context);
        out["format_version"] = json!(FORMAT_VERSION);
        ui.line(&format!("{out:#}"));
        return Ok(());
    }
    ui.line(&format!("name:     {}", escape(&context.name)));
    ui.line(&format!("endpoint: {}", shown_endpoint(context)));
    ui.line(&format!("key from: {}", key_from(context)));
    if let Some(path) = &context.ca_file {
        ui.line(&format!("ca file:  {}", escape(&path.display().to_string())));
    }
    Ok(())
}

fn is_current(contexts: &Contexts, context: &Named) -> bool {
    contexts.current.as_ref() == Some(&context.name)
}

fn shown_endpoint(context: &Named) -> String {
    escape(&context.remote().label()).into_owned()
}

fn key_from(context: &Named) -> String {
    match &context.key {
        Some(key) => escape(&key.to_string()).into_owned(),
        None => "nowhere".to_owned(),
    }
}

fn to_json(context: &Named) -> Json {
    json!({
        "name": context.name,
        "endpoint": context.remote().label(),
        "key_from": context.key.as_ref().map(ToString::to_string),
        "ca_file": context.ca_file,
    })
}
