//! From templates, pools and volumes to snapshots: the API's first generation to its second.
//!
//! What has which equivalent is section 8 of the contract of the second generation.

use serde_json::{Value as Json, json};

use super::declared::Declared;
use super::{Migration, Moved, Note, sandbox, size, steps};
use crate::kinds::kind::{Key, KindId};
use crate::kinds::object::{Lifecycle, Object, RenamedFrom, Timeout};
use crate::kinds::pool::PoolSpec;
use crate::kinds::sandbox::SandboxSpec;
use crate::kinds::template::TemplateSpec;
use crate::kinds::volume::VolumeSpec;
use crate::kinds::{SANDBOX_V2, SNAPSHOT, spec_from_json};
use crate::types::ByteSize;

/// The disk of a snapshot whose template left it to the server: no server tells what it chose, and a snapshot has to say.
const GUESSED_DISK: &str = "8Gi";

/// Returns what becomes of each of these objects, which stay in their order.
///
/// The objects are all that are declared: what a template is used for decides what becomes of it. What is of the second
/// generation already stays as it is.
pub fn to_snapshots(objects: &[&Object]) -> Migration {
    let declared = Declared::of(objects);
    let moved: Vec<_> = objects.iter().map(|object| moved(object, &declared)).collect();
    Migration { steps: steps::of(&moved), moved }
}

/// What fields are called in a snapshot, and in the template that it comes from.
const OF_TEMPLATE: &[(&str, &str)] =
    &[("spec.docker_image", "spec.image"), ("spec.fs_capacity_bytes", "spec.resources.storage")];

/// What fields are called in a sandbox of the second generation, and in one of the first.
const OF_SANDBOX: &[(&str, &str)] =
    &[("spec.snapshot", "spec.template_name"), ("lifecycle.on_snapshot_change", "lifecycle.on_template_change")];

fn moved(object: &Object, declared: &Declared<'_>) -> Moved {
    let (to, renamed, notes) = if let Some(template) = object.spec.downcast::<TemplateSpec>() {
        let (to, notes) = of_template(object, template, declared);
        (to, OF_TEMPLATE, notes)
    } else if let Some(sandbox) = object.spec.downcast::<SandboxSpec>() {
        let (to, notes) = of_sandbox(object, sandbox, declared);
        (to, OF_SANDBOX, notes)
    } else if let Some(pool) = object.spec.downcast::<PoolSpec>() {
        (None, &[][..], vec![of_pool(object, pool, declared)])
    } else if let Some(volume) = object.spec.downcast::<VolumeSpec>() {
        (None, &[][..], vec![of_volume(object, volume, declared)])
    } else {
        let text = format!("{} is of {} already, and stays as it is", object.key, object.key.kind.info().api_version);
        (Some(object.clone()), &[][..], vec![Note::decided("", text)])
    };
    Moved { from: object.key.clone(), origin: object.origin, to, renamed, notes }
}

/// A template's image and disk become a snapshot; the rest goes to whatever is made from it.
fn of_template(object: &Object, template: &TemplateSpec, declared: &Declared<'_>) -> (Option<Object>, Vec<Note>) {
    let Key { name, .. } = &object.key;
    if let Some(snapshot) = declared.snapshot(name.as_str()) {
        let text = format!("{} is left out: {snapshot}, which is declared too, has taken its place", object.key);
        return (None, vec![Note::decided("", text)]);
    }
    let is_used = !declared.sandboxes_of(name.as_str()).is_empty();
    let mut notes = vec![whose_size(object, template, declared)];
    if !is_used && !template.volume_mounts.is_empty() {
        let mounts = mounts_in_words(template);
        let text = format!("{} mounted {mounts}: whoever makes a sandbox now asks for what it mounts", object.key);
        notes.push(Note::lost("", text));
    }
    let disk = template.storage.as_ref().map_or(GUESSED_DISK, ByteSize::as_str);
    if template.storage.is_none() {
        let text = format!("{} left its disk to the server; a snapshot has to say, and {disk} is a guess", object.key);
        notes.push(Note::to_do("spec.fs_capacity_bytes", text));
    }
    let lifecycle = of_a_snapshot(&object.lifecycle, &mut notes);
    let spec = json!({"docker_image": template.image.as_str(), "fs_capacity_bytes": disk});
    (Some(in_place_of(object, SNAPSHOT, lifecycle, &spec)), notes)
}

/// Says where a template's size stands now.
fn whose_size(object: &Object, template: &TemplateSpec, declared: &Declared<'_>) -> Note {
    let from = format!("{} had cpu {} and memory {}", object.key, template.cpu, template.memory);
    let sandboxes = declared.sandboxes_of(object.key.name.as_str());
    if !sandboxes.is_empty() {
        let sandboxes: Vec<_> = sandboxes.iter().map(ToString::to_string).collect();
        return Note::decided("", format!("{from}, which stand in {} now", sandboxes.join(", ")));
    }
    let size::Fitted { vcpus, memory, .. } = size::fit(&template.cpu, &template.memory);
    let text = format!(
        "{from}, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus {vcpus} and mem_bytes {memory}"
    );
    Note::to_do("", text)
}

fn of_pool(object: &Object, pool: &PoolSpec, declared: &Declared<'_>) -> Note {
    let PoolSpec { template_name, replicas } = pool;
    let each = declared.template(template_name).map_or_else(String::new, |template| {
        format!(", each with cpu {} and memory {}", template.cpu, template.memory)
    });
    let kept = match (replicas.min, replicas.max) {
        (_, 0) => format!("was paused, and kept no sandbox of template/{template_name} warm"),
        (1, 1) => format!("kept 1 sandbox of template/{template_name} warm{each}"),
        _ => format!("kept {replicas} sandboxes of template/{template_name} warm{each}"),
    };
    let text = format!(
        "{} {kept}. Nothing is kept warm any more: a sandbox is made from the snapshot `{template_name}` when it is wanted",
        object.key
    );
    Note::lost("", text)
}

fn of_volume(object: &Object, volume: &VolumeSpec, declared: &Declared<'_>) -> Note {
    let at = |(template, path): &(&Key, &str)| {
        let sandboxes: Vec<_> = declared.sandboxes_of(template.name.as_str()).iter().map(ToString::to_string).collect();
        let whose = if sandboxes.is_empty() { String::new() } else { format!(" ({})", sandboxes.join(", ")) };
        format!("at {path} by {template}{whose}")
    };
    let mounts: Vec<_> = declared.mounts_of(object.key.name.as_str()).iter().map(at).collect();
    let mounted =
        if mounts.is_empty() { "not mounted".to_owned() } else { format!("mounted {}", mounts.join(" and ")) };
    let text = format!(
        "{} of {} was {mounted}. No manifest makes volumes any more: a sandbox mounts a bucket, or a volume that was made \
         elsewhere. What is on this one stays there until somebody moves it",
        object.key, volume.size
    );
    Note::lost("", text)
}

fn of_sandbox(object: &Object, spec: &SandboxSpec, declared: &Declared<'_>) -> (Option<Object>, Vec<Note>) {
    let key = &object.key;
    if declared.has_moved_sandbox(&key.name) {
        let version = SANDBOX_V2.info().api_version;
        let text = format!("{key} is left out: one of {version}, which is declared too, has taken its place");
        return (None, vec![Note::decided("", text)]);
    }
    let mut notes = Vec::new();
    let spec = sandbox::moved(key, spec, declared, &mut notes);
    (Some(in_place_of(object, SANDBOX_V2, object.lifecycle.clone(), &spec)), notes)
}

/// Returns what of a template's lifecycle holds for a snapshot, whose name is a pointer and which is always made anew
/// beside the old one.
fn of_a_snapshot(old: &Lifecycle, notes: &mut Vec<Note>) -> Lifecycle {
    let mut lifecycle = old.clone();
    if let Some(RenamedFrom::Name(old)) = lifecycle.renamed_from.take() {
        let text = format!("`renamed_from: {old}`: a snapshot is not renamed, it is published under another name");
        notes.push(Note::lost("lifecycle.renamed_from", text));
    }
    if lifecycle.replace.take().is_some() {
        let text = "`replace`: a snapshot that changes is published anew beside the old one, whatever is said";
        notes.push(Note::lost("lifecycle.replace", text));
    }
    if let Some(Timeout(timeout)) = lifecycle.timeout.take() {
        let text = format!(
            "`timeout: {}s` was for a template, which is there at once; a snapshot has to be built, and gets the default",
            timeout.as_secs()
        );
        notes.push(Note::decided("lifecycle.timeout", text));
    }
    lifecycle
}

/// Makes the object that takes the place of `old`, under its name and with its labels.
fn in_place_of(old: &Object, kind: KindId, lifecycle: Lifecycle, spec: &Json) -> Object {
    let spec = spec_from_json(kind, spec).expect("what is written here is a spec of that kind");
    let name = kind.name(old.key.name.as_str()).expect("a label is good as a name of every kind");
    Object {
        labels: old.labels.clone(),
        annotations: old.annotations.clone(),
        ..Object::recorded(Key { kind, name }, spec, lifecycle)
    }
}

/// Returns what a template mounts, such as `volume/a at /data`.
pub(super) fn mounts_in_words(template: &TemplateSpec) -> String {
    let mounts = template.volume_mounts.iter().map(|(path, volume)| format!("volume/{} at {path}", volume.name));
    mounts.collect::<Vec<_>>().join(" and ")
}
