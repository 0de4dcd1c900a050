//! Plans in files: written by `plan --out`, performed by `apply FILE`.

use std::fs;
use std::path::{Path, PathBuf};

use sbx::reconcile::plan::saved::{Held, LoadError, SavedPlan};
use sbx::reconcile::plan::{OnDrift, Policy, TakeOver};
use sbx::reconcile::{Plan, World};
use sbx::types::Timestamp;
use serde_json::Value as Json;

use crate::args::{Connection, ManifestArgs, Whereabouts};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::observation::Seen;
use crate::perform::{self, Consent, Format, perform, plan_exit, tell_oddities};
use crate::project::{Access, Project};
use crate::ui::Ui;
use crate::ui::diagnostic::counted;
use crate::ui::output::{self, Subject};
use crate::ui::plan::{InventorySeen, Purpose, View};
use crate::workspace::Workspace;

/// A saved plan that is to be performed.
pub(crate) struct Saved {
    /// The file.
    pub(crate) path: PathBuf,
    /// Whether nothing is to be done unless all of it still holds.
    pub(crate) all_or_nothing: bool,
}

/// Returns the file of a saved plan, if that is what stands in the place of a target.
///
/// # Errors
///
/// [`Failure::Usage`] when manifests are named beside it.
pub(crate) fn file_in(args: &ManifestArgs) -> Result<Option<PathBuf>, Failure> {
    let Some(word) = &args.target else { return Ok(None) };
    let is_json = Path::new(word).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let is_path = word.contains(std::path::is_separator) || is_json;
    if args.files.is_empty() {
        return Ok((is_path || Path::new(word).is_file()).then(|| PathBuf::from(word)));
    }
    if is_path {
        let message = format!("a saved plan says what is done: `{word}` and -f do not go together");
        let hint = "leave -f away to perform the plan, or the plan to apply the manifests".to_owned();
        return Err(Failure::Usage { message, hint: Some(hint) });
    }
    Ok(None)
}

/// Saves a plan.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn write(
    path: &Path,
    plan: Plan,
    endpoint: String,
    target: Option<String>,
    made_at: Timestamp,
    policy: &Policy,
) -> Result<(), Failure> {
    let sbx_version = env!("CARGO_PKG_VERSION").to_owned();
    let saved = SavedPlan { plan, endpoint, target, made_at, sbx_version, policy: words(policy) };
    output::write(path, &format!("{:#}\n", saved.to_json()))
}

/// Returns what a plan was allowed to do, in words.
fn words(policy: &Policy) -> Vec<String> {
    let Policy { prune, scope, take_over, on_drift, allow, allow_destroy } = policy;
    let mut words = Vec::new();
    words.extend(prune.then(|| "what is owned and no longer declared is removed".to_owned()));
    words.extend((!scope.is_everything()).then(|| "a part of what is declared and owned is planned".to_owned()));
    words.extend(match take_over {
        TakeOver::Nothing => None,
        TakeOver::These(keys) => {
            Some(format!("taken over: {}", keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
        }
        TakeOver::All => Some("all that is declared is taken over".to_owned()),
    });
    words.push(match on_drift {
        OnDrift::Revert => "drift is reverted".to_owned(),
        OnDrift::Hold => "drift is left alone".to_owned(),
        OnDrift::Fail => "drift refuses the plan".to_owned(),
    });
    words.extend(allow.as_ref().map(|allow| {
        format!("allowed: {}", allow.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", "))
    }));
    words.extend(allow_destroy.map(|n| format!("{} may be destroyed", counted(n, "object"))));
    words
}

impl Saved {
    /// Performs what still holds.
    pub(crate) async fn apply(
        self,
        consent: &Consent,
        format: Format,
        connection: Connection,
        cx: &mut Context,
    ) -> Result<Exit, Failure> {
        let saved = self.read()?;
        let place = place_of(&saved, connection);
        let project = Project::of_objects(&place, Access::Writes, &mut cx.ui)?;
        let workspace = Workspace::open(&place.connection, &project, cx).await?;
        let result = self.apply_in(&saved, &workspace, consent, format, cx).await;
        workspace.finish(result, &mut cx.ui).await
    }

    async fn apply_in(
        &self,
        saved: &SavedPlan,
        workspace: &Workspace,
        consent: &Consent,
        format: Format,
        cx: &mut Context,
    ) -> Result<Exit, Failure> {
        check_place(saved, workspace)?;
        workspace.lock("sbx apply", &consent.lock(), &mut cx.ui).await?;
        let world = interrupt::or_stop(workspace.observe()).await?;
        let held = still_holds(saved, &world, &mut cx.ui);
        let view = view(&held.plan, workspace.inventory());
        if let Err(refused) = self.check(&held) {
            let label = workspace.label();
            let subject = Subject { command: "apply", target: workspace.target(), workspace: &label, against: None };
            perform::show(&view, &subject, format, &mut cx.ui)?;
            return Err(refused);
        }
        perform(&view, workspace, consent, format, &mut cx.ui).await
    }

    /// Shows what still holds, and changes nothing.
    pub(crate) async fn dry_run(self, connection: Connection, cx: &mut Context) -> Result<Exit, Failure> {
        let saved = self.read()?;
        let place = place_of(&saved, connection);
        let project = Project::of_objects(&place, Access::Reads, &mut cx.ui)?;
        let workspace = Workspace::open(&place.connection, &project, cx).await?;
        check_place(&saved, &workspace)?;
        let Seen { world, label, inventory, .. } = Box::pin(Seen::live(workspace, &mut cx.ui)).await?;
        let held = still_holds(&saved, &world, &mut cx.ui);
        let subject = Subject { command: "plan", target: project.target_name(), workspace: &label, against: None };
        output::show_plan(&view(&held.plan, inventory), &subject, &mut cx.ui)?;
        self.check(&held)?;
        plan_exit(&held.plan, false)
    }

    /// Refuses what no longer holds as a whole, if that is what is asked for.
    fn check(&self, held: &Held) -> Result<(), Failure> {
        match held.held_back.len() {
            n if self.all_or_nothing && n > 0 => Err(Failure::HeldBack { n }),
            _ => Ok(()),
        }
    }

    fn read(&self) -> Result<SavedPlan, Failure> {
        let path = &self.path;
        let text =
            fs::read_to_string(path).map_err(|source| Failure::File { action: "read", path: path.clone(), source })?;
        let failure = |source| Failure::SavedPlan { path: path.clone(), source };
        let json: Json = serde_json::from_str(&text).map_err(|_| failure(LoadError::NotAPlan))?;
        SavedPlan::from_json(&json).map_err(failure)
    }
}

/// Returns where a saved plan is performed: where it was made, unless a server is named.
fn place_of(saved: &SavedPlan, connection: Connection) -> Whereabouts {
    Whereabouts { target: saved.target.clone().filter(|_| !connection.server.names_server()), connection }
}

fn check_place(saved: &SavedPlan, workspace: &Workspace) -> Result<(), Failure> {
    let here = workspace.identity();
    if here == saved.endpoint { Ok(()) } else { Err(Failure::PlanForAnother { saved: saved.endpoint.clone(), here }) }
}

/// Looks what of a saved plan still rests on what was seen when it was made, and says how much does not.
fn still_holds(saved: &SavedPlan, world: &World, ui: &mut Ui) -> Held {
    tell_oddities(world, ui);
    let held = saved.still_holds(world);
    let n = held.held_back.len();
    ui.status(&format!("The plan was made at {}; {} held back.", saved.made_at, counted(n, "change")));
    held
}

fn view(plan: &Plan, inventory: Option<InventorySeen>) -> View<'_> {
    View { plan, place: &|_| None, purpose: Purpose::Apply, show_unchanged: false, inventory }
}
