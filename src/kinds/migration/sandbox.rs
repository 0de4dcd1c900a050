//! A sandbox that was made from a template, as one that is made from a snapshot.

use serde_json::{Map, Value as Json, json};

use super::declared::Declared;
use super::snapshots::mounts_in_words;
use super::{Example, Note, Weight, size};
use crate::kinds::kind::Key;
use crate::kinds::sandbox::SandboxSpec;
use crate::kinds::template::TemplateSpec;
use crate::types::Ttl;

/// The shortest time, in seconds, from its stop to its deletion; 0 is for ever.
const AT_ONCE: u64 = 60;
const FOR_EVER: u64 = 0;

/// Returns the spec of the new sandbox.
pub(super) fn moved(key: &Key, old: &SandboxSpec, declared: &Declared<'_>, notes: &mut Vec<Note>) -> Json {
    let template_name = &old.template_name;
    let mut spec = Map::from_iter([("snapshot".to_owned(), json!(template_name))]);
    if let Some(template) = declared.template(template_name) {
        sized(&mut spec, old, template, notes);
        if !template.volume_mounts.is_empty() {
            notes.push(mounting(key, template, declared));
        }
    } else {
        let text = format!(
            "{key} was made from template/{template_name}, which is not declared here: its cpu, its memory and its mounts \
             are not known, and the snapshot has to come from elsewhere"
        );
        notes.push(Note::to_do("spec.snapshot", text));
    }
    living(&mut spec, key, old, notes);
    Json::Object(spec)
}

/// Gives it the size that its template had, or the next one that there is.
fn sized(spec: &mut Map<String, Json>, old: &SandboxSpec, template: &TemplateSpec, notes: &mut Vec<Note>) {
    let size::Fitted { vcpus, memory, reasons, is_less } = size::fit(&template.cpu, &template.memory);
    let from = format!("template/{} had cpu {} and memory {}", old.template_name, template.cpu, template.memory);
    let text = if reasons.is_empty() { from } else { format!("{from}: {}", reasons.join("; ")) };
    let weight = if is_less { Weight::Lost } else { Weight::Decided };
    notes.push(Note::new(weight, "spec.vcpus", text));
    spec.insert("vcpus".to_owned(), json!(vcpus.as_str()));
    spec.insert("mem_bytes".to_owned(), json!(memory.as_str()));
}

/// Says how long it lives: what was deleted when it was idle is stopped now, and deleted a while after that.
fn living(spec: &mut Map<String, Json>, key: &Key, old: &SandboxSpec, notes: &mut Vec<Note>) {
    let (delete_after_stop, at, text) = match old.idle_ttl {
        Some(Ttl::DISABLED) => {
            let text = "`idle_ttl_seconds: 0` meant that idleness never deletes it. Now it means that idleness never stops \
                        it, and `delete_after_stop_seconds: 0` keeps it when somebody does";
            (FOR_EVER, "spec.idle_ttl_seconds", text.to_owned())
        }
        Some(idle) => {
            let text = format!(
                "{key} was deleted after {} s without use. Now that stops it, and `delete_after_stop_seconds` deletes it \
                 with its disk: {AT_ONCE} is the least, and 0 keeps it, stopped, until it is used again",
                idle.as_seconds()
            );
            (AT_ONCE, "spec.idle_ttl_seconds", text)
        }
        None => {
            let text = "idleness did not delete it, and does not now. Servers stop what is idle, after 10 minutes unless \
                        `idle_ttl_seconds` says otherwise, and start it when it is used again";
            (FOR_EVER, "spec.delete_after_stop_seconds", text.to_owned())
        }
    };
    notes.push(Note::decided(at, text));
    if let Some(idle) = old.idle_ttl {
        spec.insert("idle_ttl_seconds".to_owned(), json!(idle.as_seconds()));
    }
    spec.insert("delete_after_stop_seconds".to_owned(), json!(delete_after_stop));
    if let Some(ttl) = old.ttl.filter(|ttl| *ttl != Ttl::DISABLED) {
        let seconds = ttl.as_seconds();
        let text = format!("{key} had `ttl_seconds: {seconds}`; nothing deletes a sandbox at a certain age any more");
        notes.push(Note::lost("spec.ttl_seconds", text));
    }
}

/// Says what it mounted, with something to fill in: where the data is going to be nobody can know here.
fn mounting(key: &Key, template: &TemplateSpec, declared: &Declared<'_>) -> Note {
    let mounts = || template.volume_mounts.iter();
    let bucket = |path: &str, name: &str| {
        let s3 = json!({"bucket": "BUCKET", "region": "REGION", "endpoint_url": "https://s3.REGION.amazonaws.com"});
        json!({"id": name, "type": "s3", "mount_path": path, "s3": s3})
    };
    let keys = json!({
        "access_key_id": {"env": "AWS_ACCESS_KEY_ID"},
        "secret_access_key": {"env": "AWS_SECRET_ACCESS_KEY"},
    });
    let buckets: Vec<_> = mounts().map(|(path, volume)| bucket(path, &volume.name)).collect();
    let volumes: Vec<_> = mounts().map(|(path, volume)| json!({"volume": volume.name, "mount_path": path})).collect();
    let size = |name: &str| Some(format!("{name} of {}", declared.volume(name)?.size));
    let sizes: Vec<_> = mounts().filter_map(|(_, volume)| size(&volume.name)).collect();
    let made = if sizes.is_empty() { String::new() } else { format!(", here {}", sizes.join(" and ")) };
    let text = format!(
        "{key} mounted {}. Where the data is going to be is not known here: say it with one of these",
        mounts_in_words(template)
    );
    let mut note = Note::to_do("spec.mount_config", text);
    note.examples = vec![
        Example {
            when: "where the data is in buckets".to_owned(),
            fields: json!({"mount_config": {"auth": {"aws": keys}, "mounts": buckets}}),
        },
        Example {
            when: format!("where the workspace has the beta of volumes, and somebody made them{made}"),
            fields: json!({"volumes": volumes}),
        },
    ];
    note
}
