//! A saved plan as a document, for the reader of its format: what each field of it is called, and no more.
//!
//! Where `sbx plan -o json` has the same, it has it in the same form.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::SavedPlan;
use super::record::{self, EffectDocument, EntryDocument, KeyDocument};
use super::steps::{StepDocument, field_of};
use crate::kinds::{self, KindId, Resource};
use crate::reconcile::diff::{Cause, FieldChange};
use crate::reconcile::plan::{Action, Change, Note, Peak, Plan, Refusal, Rollout, Step, Summary, Verb};
use crate::types::{ObjectId, Timestamp};

/// What the document says that it is.
pub(super) const FORMAT: &str = "sbx.plan";

/// The version of the format that this version of `sbx` writes, and the last that it reads.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document {
    format: String,
    format_version: u32,
    sbx_version: String,
    made_at: Timestamp,
    endpoint: String,
    target: Option<String>,
    policy: Vec<String>,
    summary: SummaryDocument,
    changes: Vec<ChangeDocument>,
    steps: Vec<StepDocument>,
    effects: Vec<EffectDocument>,
    refusals: Vec<WordsDocument>,
    n_unmanaged: usize,
    n_undeclared: usize,
    peaks: Vec<PeakDocument>,
}

/// For whoever reads the document; a reader counts anew.
#[derive(Debug, Serialize, Deserialize)]
struct SummaryDocument {
    create: usize,
    update: usize,
    rename: usize,
    replace: usize,
    delete: usize,
    adopt: usize,
    keep: usize,
    blocked: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChangeDocument {
    #[serde(flatten)]
    key: KeyDocument,
    action: String,
    id: Option<ObjectId>,
    was: Option<String>,
    spec: Option<Json>,
    fields: Vec<FieldDocument>,
    /// Whether it was told to take over an object that was not managed.
    #[serde(default)]
    is_taken_over: bool,
    notes: Vec<WordsDocument>,
    record: Option<EntryDocument>,
    rollout: Option<RolloutDocument>,
}

/// What part an object has in a replacement without a gap.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RolloutDocument {
    Returns,
    Replaces {
        incoming: String,
        incoming_id: Option<ObjectId>,
        retired: String,
        keeps_old: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        takes_over: bool,
        turn: usize,
    },
    LeftOf(KeyDocument),
}

#[derive(Debug, Serialize, Deserialize)]
struct FieldDocument {
    path: String,
    from: Option<Json>,
    to: Option<Json>,
    applied: Option<Json>,
    cause: String,
}

/// Something that is said, and nothing that a program acts on.
#[derive(Debug, Serialize, Deserialize)]
struct WordsDocument {
    text: String,
    help: Option<String>,
    #[serde(default)]
    is_obstacle: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct PeakDocument {
    what: String,
    before: u64,
    peak: u64,
    after: u64,
    limit: Option<u64>,
}

impl Document {
    pub(super) fn of(saved: &SavedPlan) -> Self {
        let plan = &saved.plan;
        Self {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            sbx_version: saved.sbx_version.clone(),
            made_at: saved.made_at,
            endpoint: saved.endpoint.clone(),
            target: saved.target.clone(),
            policy: saved.policy.clone(),
            summary: SummaryDocument::of(plan.summary()),
            changes: plan.changes.iter().map(ChangeDocument::of).collect(),
            steps: plan.steps.iter().map(StepDocument::of).collect(),
            effects: plan.effects.iter().map(EffectDocument::of).collect(),
            refusals: plan.refusals.iter().map(WordsDocument::of_refusal).collect(),
            n_unmanaged: plan.n_unmanaged,
            n_undeclared: plan.n_undeclared,
            peaks: plan.peaks.iter().map(PeakDocument::of).collect(),
        }
    }

    pub(super) fn into_plan(self) -> Result<SavedPlan, String> {
        let changes = read_all("changes", self.changes, ChangeDocument::into_change)?;
        let (n_changes, n_steps) = (changes.len(), self.steps.len());
        let steps = read_all("steps", self.steps, |step| step.into_step(&changes))?;
        check_indices(&steps, n_changes, n_steps)?;
        let plan = Plan {
            steps,
            changes,
            effects: read_all("effects", self.effects, EffectDocument::into_effect)?,
            refusals: self.refusals.into_iter().map(WordsDocument::into_refusal).collect(),
            n_unmanaged: self.n_unmanaged,
            n_undeclared: self.n_undeclared,
            peaks: read_all("peaks", self.peaks, PeakDocument::into_peak)?,
        };
        let Self { endpoint, target, made_at, sbx_version, policy, .. } = self;
        Ok(SavedPlan { plan, endpoint, target, made_at, sbx_version, policy })
    }
}

fn read_all<D, T>(what: &str, documents: Vec<D>, read: impl Fn(D) -> Result<T, String>) -> Result<Vec<T>, String> {
    let read = |(index, document)| read(document).map_err(|why| format!("{what}[{index}]: {why}"));
    documents.into_iter().enumerate().map(read).collect()
}

/// An executor trusts a plan: each step waits for earlier ones only, and belongs to a change that there is.
fn check_indices(steps: &[Step], n_changes: usize, n_steps: usize) -> Result<(), String> {
    for (index, step) in steps.iter().enumerate() {
        let swap = match &step.verb {
            Verb::Verify { swap, .. } => Some(*swap),
            _ => None,
        };
        if swap.is_some_and(|swap| swap >= n_steps || !matches!(steps[swap].verb, Verb::Swap { .. })) {
            return Err(format!("steps[{index}]: there is no such swap"));
        }
        if step.change >= n_changes || step.after.iter().chain(&swap).any(|&earlier| earlier >= index) {
            return Err(format!("steps[{index}]: it belongs to nothing, or waits for what does not come before it"));
        }
    }
    Ok(())
}

impl SummaryDocument {
    fn of(summary: Summary) -> Self {
        let Summary { create, update, rename, replace, delete, adopt, keep, blocked } = summary;
        Self { create, update, rename, replace, delete, adopt, keep, blocked }
    }
}

const ACTIONS: [Action; 8] = [
    Action::Create,
    Action::Update,
    Action::Rename,
    Action::Replace,
    Action::Delete,
    Action::Adopt,
    Action::Keep,
    Action::Blocked,
];

impl ChangeDocument {
    fn of(change: &Change) -> Self {
        Self {
            key: KeyDocument::of(&change.key),
            action: change.action.as_str().to_owned(),
            id: change.id.clone(),
            was: change.was.as_ref().map(ToString::to_string),
            spec: change.spec.as_ref().map(kinds::spec_to_json),
            fields: change.fields.iter().map(FieldDocument::of).collect(),
            is_taken_over: change.notes.iter().any(is_take_over),
            notes: change.notes.iter().filter(|note| !is_take_over(note)).map(WordsDocument::of_note).collect(),
            record: change.record.as_ref().map(EntryDocument::of),
            rollout: change.rollout.as_ref().map(RolloutDocument::of),
        }
    }

    fn into_change(self) -> Result<Change, String> {
        let key = self.key.to_key()?;
        let action = ACTIONS.into_iter().find(|action| action.as_str() == self.action);
        let fields = self.fields.into_iter().map(|field| field.into_field(key.kind));
        let taken_over = self.is_taken_over.then_some(Note::TakenOver).into_iter();
        Ok(Change {
            action: action.ok_or_else(|| format!("there is no action `{}`", self.action))?,
            id: self.id,
            was: self.was.as_deref().map(|was| record::name(key.kind, was)).transpose()?,
            spec: self.spec.map(|spec| kinds::spec_from_json(key.kind, &spec)).transpose()?,
            fields: fields.collect::<Result<_, _>>()?,
            notes: taken_over.chain(self.notes.into_iter().map(WordsDocument::into_note)).collect(),
            record: self.record.map(|entry| entry.into_entry(key.kind)).transpose()?,
            rollout: self.rollout.map(|rollout| rollout.into_rollout(key.kind)).transpose()?,
            origin: None,
            key,
        })
    }
}

fn is_take_over(note: &Note) -> bool {
    matches!(note, Note::TakenOver)
}

impl RolloutDocument {
    fn of(rollout: &Rollout) -> Self {
        match rollout {
            Rollout::Replaces { incoming, incoming_id, retired, keeps_old, takes_over, turn } => Self::Replaces {
                incoming: incoming.to_string(),
                incoming_id: incoming_id.clone(),
                retired: retired.to_string(),
                keeps_old: *keeps_old,
                takes_over: *takes_over,
                turn: *turn,
            },
            Rollout::Returns => Self::Returns,
            Rollout::Leftover { of } => Self::LeftOf(KeyDocument::of(of)),
        }
    }

    fn into_rollout(self, kind: KindId) -> Result<Rollout, String> {
        Ok(match self {
            Self::Replaces { incoming, incoming_id, retired, keeps_old, takes_over, turn } => {
                let (incoming, retired) = (record::name(kind, &incoming)?, record::name(kind, &retired)?);
                Rollout::Replaces { incoming, incoming_id, retired, keeps_old, takes_over, turn }
            }
            Self::Returns => Rollout::Returns,
            Self::LeftOf(of) => Rollout::Leftover { of: of.to_key()? },
        })
    }
}

const CAUSES: [(&str, Cause); 3] = [("declared", Cause::Declared), ("drift", Cause::Drift), ("both", Cause::Both)];

impl FieldDocument {
    fn of(change: &FieldChange) -> Self {
        let json = |value: &Option<kinds::Value>| value.as_ref().map(kinds::Value::to_json);
        let cause = CAUSES.iter().find(|(_, cause)| *cause == change.cause);
        Self {
            path: change.path.to_owned(),
            from: json(&change.from),
            to: json(&change.to),
            applied: json(&change.applied),
            cause: cause.map(|(word, _)| (*word).to_owned()).expect("each cause has its word"),
        }
    }

    fn into_field(self, kind: KindId) -> Result<FieldChange, String> {
        let field = field_of(kind, &self.path)?;
        let value = |json: Option<Json>| json.map(|json| kinds::value_from_json(field, &json)).transpose();
        let cause = CAUSES.iter().find(|(word, _)| *word == self.cause);
        Ok(FieldChange {
            path: field.path,
            change: field.change,
            from: value(self.from)?,
            to: value(self.to)?,
            applied: value(self.applied)?,
            cause: cause.map(|(_, cause)| *cause).ok_or_else(|| format!("there is no cause `{}`", self.cause))?,
        })
    }
}

impl WordsDocument {
    fn of_note(note: &Note) -> Self {
        Self { text: note.to_string(), help: note.help(), is_obstacle: note.is_obstacle() }
    }

    fn into_note(self) -> Note {
        Note::Saved { text: self.text, help: self.help, is_obstacle: self.is_obstacle }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        Self { text: refusal.to_string(), help: Some(refusal.help()), is_obstacle: true }
    }

    fn into_refusal(self) -> Refusal {
        let help = self.help.map(|help| format!("in a new plan: {help}"));
        Refusal::Saved { text: self.text, help: help.unwrap_or_default() }
    }
}

impl PeakDocument {
    fn of(peak: &Peak) -> Self {
        let Peak { what, before, peak, after, limit } = *peak;
        Self { what: what.to_string(), before, peak, after, limit }
    }

    fn into_peak(self) -> Result<Peak, String> {
        let what = Resource::ALL.into_iter().find(|what| what.to_string() == self.what);
        let Self { before, peak, after, limit, .. } = self;
        Ok(Peak { what: what.ok_or_else(|| format!("`{}` is not limited", self.what))?, before, peak, after, limit })
    }
}
