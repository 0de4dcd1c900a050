//! Specs read back from the JSON that [`spec_to_json`](super::spec_to_json) writes.
//!
//! Not the manifests' reader: what a server said may break the rules that manifests follow (a reference to a name that
//! no manifest could have), and nobody wrote it by hand, so that one problem is enough and has no place in a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::field::{Absent, Field, Shape};
use super::kind::KindId;
use super::nested::Nested;
use super::secret::SecretRef;
use super::spec::Spec;
use super::value::{Reference, Replicas, Value};
use crate::types::{Image, Ttl};

/// Reads a spec of this kind, the inverse of [`spec_to_json`](super::spec_to_json).
///
/// # Errors
///
/// What is wrong, in words, with the path of the field.
pub fn spec_from_json(kind: KindId, json: &Json) -> Result<Spec, String> {
    let mut rest = json.clone();
    let fields = kind.fields().iter();
    let values = fields.map(|field| value_of(field, take(&mut rest, field.path))).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = first_leaf(&rest) {
        return Err(format!("a {} has no field `{path}`", kind.info().singular));
    }
    kind.spec_from_values(values).ok_or_else(|| format!("this is no {}", kind.info().singular))
}

/// Takes the value at a path with dots out of a tree.
fn take(root: &mut Json, path: &str) -> Option<Json> {
    let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = root;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        place = place.get_mut(parent)?;
    }
    place.as_object_mut()?.remove(key)
}

/// Returns the path of something that is neither an object nor below one that is empty.
fn first_leaf(json: &Json) -> Option<String> {
    let Json::Object(entries) = json else { return Some(String::new()) };
    entries.iter().find_map(|(key, value)| {
        let below = first_leaf(value)?;
        Some(if below.is_empty() { key.clone() } else { format!("{key}.{below}") })
    })
}

fn value_of(field: &Field, json: Option<Json>) -> Result<Option<Value>, String> {
    let json = match (json, field.absent) {
        (Some(json), _) => json,
        (None, Absent::LeaveAlone) => return Ok(None),
        // A default is written as YAML: a list is JSON as well, anything else is a text.
        (None, Absent::Default(text)) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        (None, Absent::Required) => return Err(format!("`{}` is missing", field.path)),
    };
    value_from_json(field, &json).map(Some)
}

/// Reads the value of a field, the inverse of [`Value::to_json`].
///
/// # Errors
///
/// What is wrong, in words, with the path of the field.
pub fn value_from_json(field: &Field, json: &Json) -> Result<Value, String> {
    read(field.shape, json).ok_or_else(|| format!("`{}` is not {}: {json}", field.path, field.shape.name()))
}

fn read(shape: Shape, json: &Json) -> Option<Value> {
    Some(match shape {
        Shape::Cpu => Value::Cpu(json.as_str()?.parse().ok()?),
        Shape::Size => Value::Size(json.as_str()?.parse().ok()?),
        Shape::Image => Value::Image(Image::new(json.as_str()?)),
        Shape::Reference(kind) => Value::Reference(Reference { kind, name: json.as_str()?.into() }),
        Shape::Replicas => Value::Replicas(replicas(json)?),
        Shape::Ttl => Value::Ttl(Ttl::from_seconds(json.as_i64()?).ok()?),
        Shape::Text => Value::Text(json.as_str()?.into()),
        Shape::Number => Value::Number(json.as_u64()?),
        Shape::Flag => Value::Flag(json.as_bool()?),
        Shape::Map => Value::Map(texts(json.as_object()?)?),
        Shape::Secret => Value::Secret(SecretRef::from_json(json)?),
        Shape::Nested(form) => Value::Nested(Nested::from_json(form, json)?),
        Shape::Mounts(kind) => {
            let mounts = json.as_array()?.iter().map(|mount| self::mount(kind, mount.as_object()?));
            Value::Mounts(mounts.collect::<Option<BTreeMap<_, _>>>()?)
        }
    })
}

fn texts(map: &Map<String, Json>) -> Option<BTreeMap<Arc<str>, Arc<str>>> {
    map.iter().map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into()))).collect()
}

fn replicas(json: &Json) -> Option<Replicas> {
    let count = |json: &Json| u32::try_from(json.as_u64()?).ok();
    match json {
        Json::Object(range) if range.len() == 2 => {
            let (min, max) = (count(range.get("min")?)?, count(range.get("max")?)?);
            (min <= max).then_some(Replicas { min, max })
        }
        json => count(json).map(Replicas::exactly),
    }
}

fn mount(kind: KindId, mount: &Map<String, Json>) -> Option<(Arc<str>, Reference)> {
    let text = |key| Some(Arc::from(mount.get(key)?.as_str()?));
    (mount.len() == 2).then_some(())?;
    Some((text("mount_path")?, Reference { kind, name: text("volume_name")? }))
}
