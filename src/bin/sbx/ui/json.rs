//! What programs read. Fields are added and never change their meaning within one format version.

use std::num::NonZeroUsize;
use std::time::Duration;

use sbx::client::Pace;
use sbx::kinds::{self, Health, Key, Live};
use sbx::manifest::{Diagnostic, Diagnostics, Severity, Sources};
use sbx::reconcile::plan::{Change, Note, Peak, Refusal, Rollout, Step, Summary, Verb};
use sbx::reconcile::{Cause, Event, FieldChange, Outcome, Phase, Plan};
use serde_json::{Map, Value as Json, json};

use super::output::Against;
use super::plan::{InventorySeen, View};
use super::progress::PaceChange;
use crate::failure::causes_of;

/// The version of everything that is written here.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Returns a plan.
pub(crate) fn plan(view: &View<'_>) -> Json {
    let plan = view.plan;
    let changes = plan.changes.iter().enumerate();
    json!({
        "format_version": FORMAT_VERSION,
        "summary": summary(plan.summary()),
        "changes": changes.map(|(index, change)| change_to_json(index, change, view)).collect::<Vec<_>>(),
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "refused_by": plan.protected().iter().map(key).collect::<Vec<_>>(),
        "refusals": plan.refusals.iter().map(refusal).collect::<Vec<_>>(),
        "n_unmanaged": plan.n_unmanaged,
        "n_undeclared": plan.n_undeclared,
        "peaks": plan.peaks.iter().map(peak).collect::<Vec<_>>(),
        "inventory": view.inventory.as_ref().map(inventory),
    })
}

/// Adds to a document how old the live state is that it rests on, if that was saved.
pub(crate) fn against(mut document: Json, against: Option<Against>) -> Json {
    if let Some(Against { at, age }) = against {
        document["against"] = json!({"observed_at": at, "age_seconds": age.as_secs()});
    }
    document
}

/// Returns an inventory as a command found it.
pub(crate) fn inventory(seen: &InventorySeen) -> Json {
    let InventorySeen { location, serial, exists } = seen;
    json!({"location": location, "serial": serial, "exists": exists})
}

fn summary(summary: Summary) -> Json {
    let Summary { create, update, rename, replace, delete, adopt, keep, blocked } = summary;
    json!({
        "create": create,
        "update": update,
        "rename": rename,
        "replace": replace,
        "delete": delete,
        "adopt": adopt,
        "keep": keep,
        "blocked": blocked,
    })
}

fn change_to_json(index: usize, change: &Change, view: &View<'_>) -> Json {
    let mut out = key(&change.key);
    out["action"] = json!(change.action.as_str());
    out["id"] = json!(change.id.as_ref().map(ToString::to_string));
    out["was"] = json!(change.was.as_ref().map(ToString::to_string));
    out["spec"] = json!(change.spec.as_ref().map(kinds::spec_to_json));
    out["fields"] = change.fields.iter().map(field).collect();
    out["notes"] = change.notes.iter().map(note).collect();
    out["rollout"] = json!(change.rollout.as_ref().map(rollout));
    let steps = view.plan.steps.iter().enumerate().filter(|(_, step)| step.change == index);
    out["steps"] = steps.map(|(step, _)| step).collect();
    out["place"] = match (view.place)(change) {
        Some(place) => json!({"file": place.file, "line": place.line, "column": place.column}),
        None => Json::Null,
    };
    out
}

/// Returns the part of a change in a replacement without a gap, as a saved plan has it.
fn rollout(rollout: &Rollout) -> Json {
    match rollout {
        Rollout::Replaces { incoming, incoming_id, retired, keeps_old, turn, .. } => json!({"replaces": {
            "incoming": incoming.as_str(),
            "incoming_id": incoming_id.as_ref().map(ToString::to_string),
            "retired": retired.as_str(),
            "keeps_old": keeps_old,
            "turn": turn,
        }}),
        Rollout::Leftover { of } => json!({"left_of": key(of)}),
        _ => json!("returns"),
    }
}

/// Returns the parts in which a field differs; nothing for fields without parts.
fn parts(from: Option<&kinds::Value>, to: Option<&kinds::Value>) -> Option<Json> {
    let part = |part: kinds::Part| {
        let json = |tree: &Option<kinds::Tree>| tree.as_ref().map(kinds::Tree::to_json);
        json!({"path": part.path, "from": json(&part.from), "to": json(&part.to)})
    };
    Some(kinds::Value::parts(from, to)?.into_iter().map(part).collect())
}

fn field(field: &FieldChange) -> Json {
    let mut out = json!({
        "path": field.path,
        "from": field.from.as_ref().map(kinds::Value::to_json),
        "to": field.to.as_ref().map(kinds::Value::to_json),
        "change": match field.change {
            kinds::Change::GrowOnly => "grow_only",
            change if change.makes_anew() => "replace",
            _ => "in_place",
        },
        "cause": match field.cause {
            Cause::Declared => "declared",
            Cause::Drift => "drift",
            Cause::Both => "both",
        },
        "applied": field.applied.as_ref().map(kinds::Value::to_json),
    });
    if let Some(parts) = parts(field.from.as_ref(), field.to.as_ref()) {
        out["parts"] = parts;
    }
    out
}

fn note(note: &Note) -> Json {
    json!({"text": note.to_string(), "help": note.help(), "is_obstacle": note.is_obstacle()})
}

fn refusal(refusal: &Refusal) -> Json {
    json!({"text": refusal.to_string(), "help": refusal.help()})
}

fn peak(peak: &Peak) -> Json {
    let Peak { what, before, peak, after, limit } = *peak;
    json!({"what": what.to_string(), "before": before, "peak": peak, "after": after, "limit": limit})
}

/// Returns what is wrong with manifests.
pub(crate) fn diagnostics(found: &Diagnostics, sources: &Sources) -> Json {
    let found: Vec<_> = found.iter().map(|diagnostic| self::diagnostic(diagnostic, sources)).collect();
    json!({"format_version": FORMAT_VERSION, "diagnostics": found})
}

fn diagnostic(diagnostic: &Diagnostic, sources: &Sources) -> Json {
    let labels = diagnostic.labels.iter().map(|label| {
        let place = sources.location(label.span);
        json!({
            "file": place.name,
            "line": place.line,
            "column": place.column,
            "text": label.text,
            "is_primary": label.primary,
        })
    });
    json!({
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "labels": labels.collect::<Vec<_>>(),
    })
}

fn step(step: &Step) -> Json {
    let mut out = key(&step.key);
    out["verb"] = json!(step.verb.as_str());
    out["change"] = json!(step.change);
    out["after"] = json!(step.after);
    match &step.verb {
        Verb::Rename { to } => out["to"] = json!(to.as_str()),
        Verb::Swap { retired, incoming, .. } => {
            out["retired"] = json!(retired);
            out["incoming"] = json!(incoming);
        }
        Verb::Verify { holders, .. } => out["holders"] = holders.iter().map(key).collect(),
        Verb::Create { .. } | Verb::Update { .. } | Verb::Delete { .. } => {}
    }
    out
}

/// Returns the kind and the name of an object.
pub(crate) fn key(key: &Key) -> Json {
    json!({"kind": key.kind.recorded_as(), "name": key.name.as_str()})
}

/// Returns the first line of an apply: what is going to be done.
pub(crate) fn planned(view: &View<'_>) -> Json {
    let inventory = view.inventory.as_ref().and_then(|seen| seen.location.as_deref());
    json!({"format_version": FORMAT_VERSION, "type": "plan", "plan": plan(view), "inventory": inventory})
}

/// Returns the line that comes before the first step.
pub(crate) fn begin(workspace: &str, parallelism: NonZeroUsize, timeout: Option<Duration>) -> Json {
    json!({
        "format_version": FORMAT_VERSION,
        "type": "begin",
        "workspace": workspace,
        "parallelism": parallelism,
        "timeout_ms": timeout.map(|timeout| timeout.as_millis()),
    })
}

/// Returns the line about a change of the server's pace.
pub(crate) fn throttled(change: PaceChange, pace: &Pace) -> Json {
    let (wait, limit) = match change {
        PaceChange::Slower { wait, limit } => (wait, Some(limit)),
        PaceChange::Restored => (Duration::ZERO, None),
    };
    json!({
        "format_version": FORMAT_VERSION,
        "type": "throttled",
        "wait_ms": wait.as_millis(),
        "limit": limit,
        "refused": pace.n_refused,
    })
}

/// Returns an event of an apply, one line each.
pub(crate) fn event(plan: &Plan, event: &Event) -> Json {
    let step = &plan.steps[event.step];
    let mut out = key(&step.key);
    out["format_version"] = json!(FORMAT_VERSION);
    out["type"] = json!("step");
    out["step"] = json!(event.step);
    out["verb"] = json!(step.verb.as_str());
    out["phase"] = json!(phase_word(&event.phase));
    match &event.phase {
        Phase::Waiting { status, elapsed } => {
            out["status"] = json!(status);
            out["elapsed_ms"] = json!(elapsed.as_millis());
        }
        Phase::Done { how, elapsed } => {
            out["how"] = json!(how.to_string());
            out["elapsed_ms"] = json!(elapsed.as_millis());
        }
        Phase::Failed { error, elapsed } => {
            out["error"] = json!(error.to_string());
            out["causes"] = json!(causes_of(&**error));
            out["is_stale"] = json!(error.is_stale());
            out["elapsed_ms"] = json!(elapsed.as_millis());
        }
        Phase::Skipped { because_of } => out["because_of"] = json!(because_of),
        _ => {}
    }
    out
}

fn phase_word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Started => "started",
        Phase::Waiting { .. } => "waiting",
        Phase::Done { .. } => "done",
        Phase::Failed { .. } => "failed",
        Phase::Skipped { .. } => "skipped",
        _ => "not_started",
    }
}

/// Returns the last line of an apply: how it ended.
pub(crate) fn outcome(plan: &Plan, outcome: &Outcome) -> Json {
    let counts = outcome.counts();
    json!({
        "format_version": FORMAT_VERSION,
        "type": "outcome",
        "is_complete": outcome.is_complete(),
        "is_interrupted": outcome.is_interrupted,
        "is_out_of_time": outcome.is_out_of_time,
        "steps": {
            "done": counts.done,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "not_started": counts.not_started,
        },
        "blocked": plan.summary().blocked,
    })
}

/// Returns live objects.
pub(crate) fn objects<'a>(objects: impl IntoIterator<Item = &'a Live>) -> Json {
    json!({"format_version": FORMAT_VERSION, "objects": objects.into_iter().map(object).collect::<Vec<_>>()})
}

/// Returns a live object.
pub(crate) fn object(live: &Live) -> Json {
    let mut out = key(&live.key);
    out["id"] = json!(live.id.as_ref().map(ToString::to_string));
    match &live.spec {
        Ok(spec) => out["spec"] = kinds::spec_to_json(spec),
        Err(unreadable) => out["unreadable"] = json!(unreadable.why),
    }
    out["health"] = match &live.health {
        Health::Good => json!({"state": "good"}),
        Health::Stopped => json!({"state": "stopped"}),
        Health::Pending(status) => json!({"state": "pending", "message": status}),
        Health::Failed(message) => json!({"state": "failed", "message": message}),
        _ => Json::Null,
    };
    out["created_at"] = json!(live.created_at);
    out["expires_at"] = json!(live.expires_at);
    if let Some(mark) = &live.mark {
        out["owner"] = json!(mark.owner);
    }
    if let Some(build) = &live.build {
        out["build"] = json!({"source": build.source, "digest": build.digest});
    }
    out["extra"] = Json::Object(Map::clone(&live.extra));
    out
}

#[cfg(test)]
mod tests {
    use sbx::reconcile::plan::{Policy, plan as plan_of};

    use super::*;
    use crate::ui::plan::Purpose;
    use crate::ui::progress::tests::{desired, world};

    #[test]
    fn a_plan_in_json() {
        let live = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}";
        let declared = format!(
            "{}\n---\n{{apiVersion: sbx/v1, kind: Sandbox, metadata: {{name: a}}, spec: {{template_name: b}}}}",
            live.replace("10Gi", "20Gi")
        );
        let plan_made = plan_of(&desired(&declared), &world(live), &Policy::default());
        let view = View {
            plan: &plan_made,
            place: &|_| None,
            purpose: Purpose::Apply,
            show_unchanged: false,
            inventory: None,
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&plan(&view)).unwrap(), @r#"
        {
          "changes": [
            {
              "action": "update",
              "fields": [
                {
                  "applied": null,
                  "cause": "declared",
                  "change": "grow_only",
                  "from": "10Gi",
                  "path": "size",
                  "to": "20Gi"
                }
              ],
              "id": null,
              "kind": "Volume",
              "name": "data",
              "notes": [],
              "place": null,
              "rollout": null,
              "spec": {
                "size": "20Gi"
              },
              "steps": [
                0
              ],
              "was": null
            },
            {
              "action": "blocked",
              "fields": [],
              "id": null,
              "kind": "Sandbox",
              "name": "a",
              "notes": [
                {
                  "help": "declare the template `b`, or create it first",
                  "is_obstacle": true,
                  "text": "template `b` is neither declared nor live"
                }
              ],
              "place": null,
              "rollout": null,
              "spec": {
                "template_name": "b"
              },
              "steps": [],
              "was": null
            }
          ],
          "format_version": 1,
          "inventory": null,
          "n_undeclared": 0,
          "n_unmanaged": 0,
          "peaks": [],
          "refusals": [],
          "refused_by": [],
          "steps": [
            {
              "after": [],
              "change": 0,
              "kind": "Volume",
              "name": "data",
              "verb": "update"
            }
          ],
          "summary": {
            "adopt": 0,
            "blocked": 1,
            "create": 0,
            "delete": 0,
            "keep": 0,
            "rename": 0,
            "replace": 0,
            "update": 1
          }
        }
        "#);
    }
}
