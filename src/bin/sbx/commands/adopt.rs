//! `sbx adopt`: record what is live and declared as ours.

use std::collections::BTreeSet;
use std::sync::Arc;

use sbx::kinds::Key;
use sbx::reconcile::plan::{Adoption, Note, adopt};
use serde_json::{Value as Json, json};

use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests::{self, Manifests};
use crate::perform::{Format, tell_oddities};
use crate::policy;
use crate::project::{Access, Project};
use crate::record::{LockArgs, Record};
use crate::ui::diagnostic::counted;
use crate::ui::escape;
use crate::ui::json::{FORMAT_VERSION, key};
use crate::ui::style::{self, paint};
use crate::workspace::Workspace;

/// Record what is declared and live as managed here, and change nothing live
///
/// That rebuilds an inventory that was lost. What is live as it is declared is recorded; what differs is left alone
/// unless --take-over names it, and then the next plan shows the difference. What unfinished replacements left is
/// recorded too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx adopt prod                           A target of sbx.yaml
  sbx adopt -f manifests
  sbx adopt prod pool/warm volume/data     These objects only
  sbx adopt prod --take-over all           What differs from the manifests too")]
pub(crate) struct Adopt {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// The objects to record; all declared ones when left out
    #[arg(value_name = "KIND/NAME")]
    objects: Vec<String>,
    /// Record this object also if it differs from what is declared; `all` for every declared one
    #[arg(long, value_name = "KIND/NAME")]
    take_over: Vec<String>,
    /// How to show what is recorded: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    connection: Connection,
}

impl Adopt {
    pub(crate) async fn run(mut self, cx: &mut Context) -> Result<Exit, Failure> {
        // No target has a slash in its name, so that the first object may stand in its place.
        if let Some(object) = self.manifests.target.take_if(|word| word.contains('/')) {
            self.objects.insert(0, object);
        }
        let project = Project::of_manifests(&self.manifests, Access::Writes, &mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &project, &mut cx.ui)?;
        let workspace = Workspace::open(&self.connection, &project, cx).await?;
        let result = self.adopt(&manifests, &workspace, cx).await;
        workspace.finish(result, &mut cx.ui).await
    }

    async fn adopt(&self, manifests: &Manifests, workspace: &Workspace, cx: &mut Context) -> Result<Exit, Failure> {
        let record = workspace.recorded()?;
        let named: BTreeSet<Key> = policy::declared(&self.objects, &manifests.desired)?;
        let take_over = policy::take_over(&self.take_over, &manifests.desired)?;
        workspace.lock("sbx adopt", &self.lock, &mut cx.ui).await?;
        let world = interrupt::or_stop(workspace.observe()).await?;
        tell_oddities(&world, &mut cx.ui);
        record.check_serial(self.lock.serial)?;
        let is_asked_for = |key: &Key| named.is_empty() || named.contains(key);
        let adoption = adopt(&manifests.desired, &world, &take_over, is_asked_for);
        if !named.is_empty() && !adoption.missing.is_empty() {
            return Err(Failure::NotFound { objects: adoption.missing.iter().map(ToString::to_string).collect() });
        }
        let summary = format!("{} adopted.", adoption.len());
        record.note(adoption.effects.clone(), self.lock.serial, summary).await?;
        match self.output {
            Format::Text => cx.ui.data(&to_text(&adoption)),
            Format::Json => cx.ui.line(&format!("{:#}", to_json(&adoption, record))),
        }
        if let Some(left) = adoption.left_alone.first() {
            cx.ui.hint(&format!("record what differs as it is with --take-over {left}, or --take-over all"));
        }
        if let Some((_, record)) = adoption.siblings.first() {
            let owned = Note::OwnedBySibling { record: Arc::clone(record) };
            owned.help().iter().for_each(|help| cx.ui.hint(&escape(help)));
        }
        let is_whole = adoption.left_alone.is_empty() && adoption.siblings.is_empty();
        Ok(if is_whole { Exit::Done } else { Exit::Partial })
    }
}

fn to_text(adoption: &Adoption) -> String {
    let mut lines = Vec::new();
    let mut line = |style, sign: &str, key: &Key, what: &str| {
        lines.push(format!("{} {}{what}", paint(style, sign), paint(style::STRONG, key)));
    };
    adoption.equal.iter().for_each(|key| line(style::ADD, "=", key, ""));
    let differs = " as it is live, which differs from what is declared";
    adoption.different.iter().for_each(|key| line(style::CHANGE, "~", key, differs));
    adoption.leftovers.iter().for_each(|key| line(style::ADD, "=", key, ", left by a replacement"));
    adoption.left_alone.iter().for_each(|key| line(style::ALERT, "!", key, " differs from what is declared"));
    for (key, record) in &adoption.siblings {
        line(style::ALERT, "!", key, &format!(" belongs to another project: {}", escape(record)));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(summary(adoption));
    lines.join("\n") + "\n"
}

fn summary(adoption: &Adoption) -> String {
    let n_left = adoption.left_alone.len() + adoption.siblings.len();
    let counts = [(n_left, "left alone"), (adoption.n_owned, "recorded already"), (adoption.missing.len(), "not live")];
    let counts = counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}"));
    let adopted = match adoption.len() {
        0 => "Nothing to adopt".to_owned(),
        n => format!("Adopted {}", counted(n, "object")),
    };
    format!("{adopted}{}.", counts.collect::<String>())
}

fn to_json(adoption: &Adoption, record: &Record) -> Json {
    let keys = |keys: &[Key]| keys.iter().map(key).collect::<Json>();
    let sibling = |(owned, record): &(Key, std::sync::Arc<str>)| {
        let mut out = key(owned);
        out["record"] = json!(record);
        out
    };
    json!({
        "format_version": FORMAT_VERSION,
        "inventory": record.ledger().place(),
        "adopted": keys(&adoption.equal),
        "taken_over": keys(&adoption.different),
        "leftovers": keys(&adoption.leftovers),
        "left_alone": keys(&adoption.left_alone),
        "siblings": adoption.siblings.iter().map(sibling).collect::<Json>(),
        "missing": keys(&adoption.missing),
    })
}
