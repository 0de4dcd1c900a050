//! The steps of a saved plan as a document.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::record::{self, KeyDocument};
use crate::kinds::{self, CreateOptions, Field, KindId};
use crate::reconcile::plan::{Change, Expectation, Step, Verb};
use crate::types::ObjectId;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StepDocument {
    #[serde(flatten)]
    key: KeyDocument,
    change: usize,
    after: Vec<usize>,
    #[serde(flatten)]
    verb: VerbDocument,
    expects: Option<ExpectationDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
enum VerbDocument {
    Create { spec: Json, ready_timeout_ms: Option<u64>, carry: Vec<String> },
    Update { values: Vec<ValueDocument> },
    Rename { to: String },
    Delete { is_waited_for: bool },
    Swap { retired: Option<String>, incoming: String, incoming_id: Option<ObjectId> },
    Verify { holders: Vec<KeyDocument>, swap: usize, is_news: bool },
}

#[derive(Debug, Serialize, Deserialize)]
struct ValueDocument {
    path: String,
    to: Json,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExpectationDocument {
    id: Option<ObjectId>,
    spec: Option<Json>,
    renamed: Vec<RenamedDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RenamedDocument {
    from: KeyDocument,
    to: String,
}

pub(super) fn field_of(kind: KindId, path: &str) -> Result<&'static Field, String> {
    let found = kind.fields().iter().find(|field| field.path == path);
    found.ok_or_else(|| format!("a {} has no field `{path}`", kind.info().singular))
}

impl StepDocument {
    pub(super) fn of(step: &Step) -> Self {
        Self {
            key: KeyDocument::of(&step.key),
            change: step.change,
            after: step.after.clone(),
            verb: VerbDocument::of(&step.verb),
            expects: step.expects.as_ref().map(ExpectationDocument::of),
        }
    }

    pub(super) fn into_step(self, changes: &[Change]) -> Result<Step, String> {
        let key = self.key.to_key()?;
        if changes.get(self.change).is_none_or(|change| change.key.kind != key.kind) {
            return Err("it is of another kind than its change".to_owned());
        }
        Ok(Step {
            change: self.change,
            verb: self.verb.into_verb(key.kind)?,
            after: self.after,
            expects: self.expects.map(|expects| expects.into_expectation(key.kind)).transpose()?,
            key,
        })
    }
}

impl VerbDocument {
    fn of(verb: &Verb) -> Self {
        match verb {
            Verb::Create { spec, options } => Self::Create {
                spec: kinds::spec_to_json(spec),
                ready_timeout_ms: options.ready_timeout.map(record::milliseconds),
                carry: options.carry.keys().cloned().collect(),
            },
            Verb::Update { changes } => Self::Update {
                values: changes
                    .iter()
                    .map(|(path, to)| ValueDocument { path: (*path).to_owned(), to: to.to_json() })
                    .collect(),
            },
            Verb::Rename { to } => Self::Rename { to: to.to_string() },
            Verb::Delete { is_waited_for } => Self::Delete { is_waited_for: *is_waited_for },
            Verb::Swap { retired, incoming, incoming_id } => Self::Swap {
                retired: retired.as_ref().map(ToString::to_string),
                incoming: incoming.to_string(),
                incoming_id: incoming_id.clone(),
            },
            Verb::Verify { holders, swap, is_news } => {
                Self::Verify { holders: holders.iter().map(KeyDocument::of).collect(), swap: *swap, is_news: *is_news }
            }
        }
    }

    fn into_verb(self, kind: KindId) -> Result<Verb, String> {
        Ok(match self {
            Self::Create { spec, ready_timeout_ms, carry } => Verb::Create {
                spec: kinds::spec_from_json(kind, &spec)?,
                options: CreateOptions {
                    ready_timeout: ready_timeout_ms.map(Duration::from_millis),
                    // Their values are read from the live object when the plan is held against the world.
                    carry: carry.into_iter().map(|name| (name, Json::Null)).collect(),
                },
            },
            Self::Update { values } => {
                let value = |value: ValueDocument| {
                    let field = field_of(kind, &value.path)?;
                    Ok::<_, String>((field.path, kinds::value_from_json(field, &value.to)?))
                };
                Verb::Update { changes: values.into_iter().map(value).collect::<Result<_, _>>()? }
            }
            Self::Rename { to } => Verb::Rename { to: record::name(kind, &to)? },
            Self::Delete { is_waited_for } => Verb::Delete { is_waited_for },
            Self::Swap { retired, incoming, incoming_id } => Verb::Swap {
                retired: retired.as_deref().map(|retired| record::name(kind, retired)).transpose()?,
                incoming: record::name(kind, &incoming)?,
                incoming_id,
            },
            Self::Verify { holders, swap, is_news } => {
                let holders = holders.iter().map(KeyDocument::to_key).collect::<Result<_, _>>()?;
                Verb::Verify { holders, swap, is_news }
            }
        })
    }
}

impl ExpectationDocument {
    fn of(expects: &Expectation) -> Self {
        let renamed = expects
            .renamed
            .iter()
            .map(|(from, to)| RenamedDocument { from: KeyDocument::of_reference(from), to: to.as_ref().to_owned() });
        Self {
            id: expects.id.clone(),
            spec: expects.spec.as_ref().map(kinds::spec_to_json),
            renamed: renamed.collect(),
        }
    }

    fn into_expectation(self, kind: KindId) -> Result<Expectation, String> {
        let renamed =
            self.renamed.iter().map(|renamed| Ok((renamed.from.to_reference()?, Arc::from(renamed.to.as_str()))));
        Ok(Expectation {
            id: self.id,
            spec: self.spec.map(|spec| kinds::spec_from_json(kind, &spec)).transpose()?,
            renamed: renamed.collect::<Result<_, String>>()?,
        })
    }
}
