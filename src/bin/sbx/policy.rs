//! What a plan may do, as flags say it.

use std::collections::BTreeSet;

use sbx::kinds::Key;
use sbx::manifest::suggest;
use sbx::reconcile::Desired;
use sbx::reconcile::plan::{Action, OnDrift, Policy, TakeOver};
use sbx::types::Selector;

use crate::failure::Failure;
use crate::naming;
use crate::ui::names;

/// What a plan may do.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "What is planned")]
pub(crate) struct PolicyArgs {
    /// Remove what is owned and declared no longer, in the part that -f and -l name; not with --target
    ///
    /// Volumes and sandboxes are let go of and stay, unless they were applied with `on_remove: delete`.
    #[arg(long, conflicts_with_all = ["targets", "no_prune"])]
    prune: bool,
    /// Remove nothing that is declared no longer, whatever the target says
    #[arg(long)]
    no_prune: bool,
    /// Plan only this object and what it refers to; may be repeated
    ///
    /// A template that is replaced without a gap brings the pools on it, here and with -l: left behind, they would serve nobody.
    #[arg(long = "target", value_name = "KIND/NAME")]
    targets: Vec<String>,
    /// Plan only objects with these labels and what they refer to: `team=a,tier!=test,gpu,!old`
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<Selector>,
    /// Bring a live object that is not managed to what is declared; `all` for every declared one
    #[arg(long, value_name = "KIND/NAME")]
    take_over: Vec<String>,
    /// What becomes of what was changed behind the manifests' back: revert, hold or fail [default: revert]
    ///
    /// What the manifests change as well is applied, whoever changed it.
    #[arg(long, value_name = "WORD", value_enum, hide_possible_values = true)]
    on_drift: Option<Word>,
    /// Let only these kinds of change through: create, update, rename, replace, delete
    #[arg(long, value_name = "ACTIONS", value_delimiter = ',', hide_possible_values = true)]
    allow: Vec<Allowed>,
    /// Let the plan destroy up to N objects, data with them
    ///
    /// Without this it may destroy ten, and 30 % of what is owned, and nothing that holds data.
    #[arg(long, value_name = "N")]
    allow_destroy: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Word {
    /// It becomes what is declared
    Revert,
    /// It stays as it is
    Hold,
    /// The plan is refused
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Allowed {
    Create,
    Update,
    Rename,
    Replace,
    Delete,
}

impl PolicyArgs {
    /// Returns what may be planned, where `given` is what the target says.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when a flag names an object that is not declared, or says what cannot be.
    pub(crate) fn onto(&self, given: Policy, desired: &Desired) -> Result<Policy, Failure> {
        let targets = declared(&self.targets, desired)?;
        if !targets.is_empty() && given.prune && !self.no_prune {
            let hint = Some("add --no-prune".to_owned());
            return Err(Failure::Usage {
                message: "the target prunes, which --target leaves no room for".to_owned(),
                hint,
            });
        }
        let mut policy = given;
        policy.prune = (policy.prune || self.prune) && !self.no_prune;
        policy.scope.targets = targets;
        if let Some(selector) = &self.selector {
            policy.scope.selector = policy.scope.selector.and(selector.clone());
        }
        policy.take_over = take_over(&self.take_over, desired)?;
        check_in_scope(&policy, desired)?;
        policy.on_drift = match self.on_drift {
            None | Some(Word::Revert) => OnDrift::Revert,
            Some(Word::Hold) => OnDrift::Hold,
            Some(Word::Fail) => OnDrift::Fail,
        };
        policy.allow = (!self.allow.is_empty()).then(|| self.allow.iter().map(|allowed| allowed.action()).collect());
        policy.allow_destroy = self.allow_destroy;
        Ok(policy)
    }

    /// Returns the flags that are given.
    pub(crate) fn given(&self) -> impl Iterator<Item = &'static str> {
        let Self { prune, no_prune, targets, selector, take_over, on_drift, allow, allow_destroy } = self;
        let flags = [
            ("--prune", *prune),
            ("--no-prune", *no_prune),
            ("--target", !targets.is_empty()),
            ("--selector", selector.is_some()),
            ("--take-over", !take_over.is_empty()),
            ("--on-drift", on_drift.is_some()),
            ("--allow", !allow.is_empty()),
            ("--allow-destroy", allow_destroy.is_some()),
        ];
        flags.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }
}

/// Refuses to take over what the plan leaves out.
fn check_in_scope(policy: &Policy, desired: &Desired) -> Result<(), Failure> {
    let TakeOver::These(keys) = &policy.take_over else { return Ok(()) };
    let in_scope = desired.restricted_to(|object| policy.scope.has_declared(object));
    match keys.iter().find(|key| in_scope.get(key).is_none()) {
        None => Ok(()),
        Some(key) => {
            let message = format!("{key} is to be taken over, and is not in the part that is planned");
            Err(Failure::Usage { message, hint: Some(format!("leave out `--take-over {key}`, or plan {key} too")) })
        }
    }
}

impl Allowed {
    fn action(self) -> Action {
        match self {
            Self::Create => Action::Create,
            Self::Update => Action::Update,
            Self::Rename => Action::Rename,
            Self::Replace => Action::Replace,
            Self::Delete => Action::Delete,
        }
    }
}

/// Returns what words name of what is declared; `all` names all of it.
///
/// # Errors
///
/// [`Failure::Usage`].
pub(crate) fn take_over(words: &[String], desired: &Desired) -> Result<TakeOver, Failure> {
    match words {
        [] => Ok(TakeOver::Nothing),
        [all] if all == "all" => Ok(TakeOver::All),
        words => Ok(TakeOver::These(declared(words, desired)?)),
    }
}

/// Returns what words name of what is declared.
///
/// # Errors
///
/// [`Failure::Usage`].
pub(crate) fn declared(words: &[String], desired: &Desired) -> Result<BTreeSet<Key>, Failure> {
    let declared = words.iter().map(|word| {
        let key = naming::key(word)?.among(|key| desired.get(key).is_some())?;
        match desired.get(&key) {
            Some(_) => Ok(key),
            None => Err(not_declared(&key, desired)),
        }
    });
    declared.collect()
}

/// Says that an object is not declared, and which may have been meant.
fn not_declared(key: &Key, desired: &Desired) -> Failure {
    let all: Vec<_> = desired.iter().map(|object| object.key.to_string()).collect();
    let hint = if let Some(near) = suggest(&key.to_string(), all.iter().map(String::as_str)) {
        format!("did you mean `{near}`?")
    } else {
        format!("declared are {}", names(&all))
    };
    Failure::Usage { message: format!("{key} is not declared"), hint: Some(hint) }
}
