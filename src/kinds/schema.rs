//! What the kinds' data says to people and editors: the JSON Schema, explanations, and manifests written from specs.

use serde_json::{Map, Value as Json, json};

use super::field::{Absent, Change, Field, Shape};
use super::kind::{KindId, KindInfo, Naming};
use super::lifecycle::{self, Takes};
use super::lifecycle_json::lifecycle_to_json;
use super::nested;
use super::object::Object;
use super::spec::Spec;
use super::version::ApiVersion;
use crate::types::Name;

/// What is known about a kind or a field, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What it is called, such as `pool.replicas`.
    pub title: String,
    /// What it looks like, such as `a quantity`.
    pub shape: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Facts as pairs of a word and a text: default, change, example.
    pub facts: Vec<(&'static str, String)>,
    /// The fields below it, each with the first sentence about it.
    pub fields: Vec<(&'static str, &'static str)>,
}

/// Returns the JSON Schema (draft 2020-12) of a manifest of any kind.
pub fn manifest_schema() -> Json {
    let kinds: Vec<_> = super::all().map(kind_schema).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sbx manifest",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"enum": ApiVersion::with_kinds().map(ApiVersion::as_str).collect::<Vec<_>>()},
            "kind": {"enum": names_of_kinds()},
        },
        "oneOf": kinds,
    })
}

/// Returns the name of every kind, once.
fn names_of_kinds() -> Vec<&'static str> {
    let mut names = Vec::new();
    for kind in super::all() {
        if !names.contains(&kind.info().kind) {
            names.push(kind.info().kind);
        }
    }
    names
}

/// Explains a kind (`pool`) or one of its fields (`pool.replicas`); `None` if there is no such thing. Where kinds of several
/// versions have the name, it is the first one that has the field; `sandbox.v2` means the one of that version.
pub fn explain(path: &str) -> Option<Explanation> {
    let (word, rest) = split_kind(path);
    super::meant_by(word).into_iter().find_map(|kind| explain_in(kind, rest))
}

/// Splits a path like `sandbox.v2.snapshot` into the words for the kind and for the field; the latter may be empty.
pub fn split_kind(path: &str) -> (&str, &str) {
    let (word, rest) = path.split_once('.').unwrap_or((path, ""));
    let (second, below) = rest.split_once('.').unwrap_or((rest, ""));
    if ApiVersion::ALL.iter().any(|version| version.suffix() == second) {
        (&path[..=word.len() + second.len()], below)
    } else {
        (word, rest)
    }
}

fn explain_in(kind: KindId, path: &str) -> Option<Explanation> {
    if let Some(rest) = path.strip_prefix("lifecycle") {
        return explain_lifecycle(kind.info(), rest);
    }
    let path = path.strip_prefix("spec.").unwrap_or(path);
    if path.is_empty() || path == "spec" {
        return Some(explain_kind(kind));
    }
    let field = kind.fields().iter().find(|field| field.path == path);
    field
        .map(|field| explain_field(kind.info(), field))
        .or_else(|| explain_group(kind, path))
        .or_else(|| explain_part(kind.info(), kind, path))
}

/// Returns a spec as a manifest has it.
pub fn spec_to_json(spec: &Spec) -> Json {
    let mut root = Json::Object(Map::new());
    for (field, value) in spec.kind().fields().iter().zip(spec.values()) {
        let Some(value) = value else { continue };
        if field.absent == Absent::Default("[]") && value.is_satisfied_by_absence() {
            continue;
        }
        insert(&mut root, field.path, value.to_json());
    }
    root
}

/// Returns a whole manifest for an object.
pub fn to_manifest(name: &Name, spec: &Spec) -> Json {
    json!({
        "apiVersion": spec.kind().info().api_version.as_str(),
        "kind": spec.kind().info().kind,
        "metadata": {"name": name.as_str()},
        "spec": spec_to_json(spec),
    })
}

/// Returns the whole manifest of a declared object, with its labels and its lifecycle.
pub fn object_to_manifest(object: &Object) -> Json {
    let mut manifest = to_manifest(&object.key.name, &object.spec);
    for (field, labels) in [("labels", &object.labels), ("annotations", &object.annotations)] {
        if !labels.is_empty() {
            manifest["metadata"][field] = json!(labels);
        }
    }
    let mut lifecycle = lifecycle_to_json(&object.lifecycle);
    // Records have one word for what each kind has its own for.
    if let Some(choice) = lifecycle.remove("on_template_change") {
        lifecycle.insert(object.key.kind.info().on_superseded.to_owned(), choice);
    }
    if !lifecycle.is_empty() {
        manifest["lifecycle"] = Json::Object(lifecycle);
    }
    manifest
}

fn insert(root: &mut Json, path: &str, value: Json) {
    let mut place = root;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = value;
}

fn explain_kind(kind: KindId) -> Explanation {
    let info = kind.info();
    let mut names = vec![info.plural];
    names.extend(info.short);
    Explanation {
        title: info.singular.to_owned(),
        shape: "a kind",
        doc: info.doc,
        facts: vec![
            ("also", names.join(", ")),
            ("kind", info.kind.to_owned()),
            ("apiVersion", info.api_version.to_string()),
            ("lifecycle", lifecycle::settings(info).iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ")),
        ],
        fields: kind.fields().iter().map(|field| (field.path, first_sentence(field.doc))).collect(),
    }
}

fn explain_field(info: &KindInfo, field: &'static Field) -> Explanation {
    let absent = match field.absent {
        Absent::Required => ("required", "yes".to_owned()),
        Absent::Default(value) => ("default", value.to_owned()),
        Absent::LeaveAlone => ("left out", "whatever is live is left alone".to_owned()),
    };
    let change = match field.change {
        Change::InPlace => "in place",
        Change::GrowOnly => "in place, to more only",
        Change::Replace => "by making the object anew",
        Change::WriteOnly => "in place, and is never read back",
        Change::WriteOnce => "by making the object anew, and is never read back",
    };
    Explanation {
        title: format!("{}.{}", info.singular, field.path),
        shape: field.shape.name(),
        doc: field.doc,
        facts: vec![absent, ("changes", change.to_owned()), ("example", field.example.to_owned())],
        fields: match field.shape {
            Shape::Nested(form) => {
                nested::outline(form).iter().map(|member| (member.name, first_sentence(member.doc))).collect()
            }
            _ => Vec::new(),
        },
    }
}

/// A part of a field, or one of its items.
fn explain_part(info: &KindInfo, kind: KindId, path: &str) -> Option<Explanation> {
    let field =
        kind.fields().iter().find(|field| path.strip_prefix(field.path).is_some_and(|rest| rest.starts_with('.')))?;
    let Shape::Nested(form) = field.shape else { return None };
    let mut part = None;
    let mut members = nested::outline(form);
    for name in path[field.path.len() + 1..].split('.') {
        let member = members.into_iter().find(|member| member.name == name)?;
        members = nested::outline(&member.form);
        part = Some(member);
    }
    let part = part?;
    let facts = part.is_required.then(|| ("required", "yes".to_owned()));
    let fixed = part.is_fixed.then(|| ("changes", "never".to_owned()));
    Some(Explanation {
        title: format!("{}.{path}", info.singular),
        shape: part.form.name(),
        doc: part.doc,
        facts: facts.into_iter().chain(fixed).collect(),
        fields: members.iter().map(|member| (member.name, first_sentence(member.doc))).collect(),
    })
}

/// A path that only fields have below them, such as `template.resources`.
fn explain_group(kind: KindId, path: &str) -> Option<Explanation> {
    let prefix = format!("{path}.");
    let fields: Vec<_> = kind.fields().iter().filter(|field| field.path.starts_with(&prefix)).collect();
    (!fields.is_empty()).then(|| Explanation {
        title: format!("{}.{path}", kind.info().singular),
        shape: "a mapping",
        doc: "",
        facts: Vec::new(),
        fields: fields.iter().map(|field| (field.path, first_sentence(field.doc))).collect(),
    })
}

/// What stands below `lifecycle`, or one setting there.
fn explain_lifecycle(info: &KindInfo, rest: &str) -> Option<Explanation> {
    let settings = lifecycle::settings(info);
    let title = format!("{}.lifecycle{rest}", info.singular);
    let Some(name) = rest.strip_prefix('.') else {
        return rest.is_empty().then(|| Explanation {
            title,
            shape: "a mapping, beside `spec`",
            doc: "How an object is treated over its life.",
            facts: Vec::new(),
            fields: settings.iter().map(|setting| (setting.name, first_sentence(setting.doc))).collect(),
        });
    };
    let setting = settings.into_iter().find(|setting| setting.name == name)?;
    let words = if let Takes::OneOf(words) = setting.takes { Some(("words", words.join(", "))) } else { None };
    let more = [("default", setting.default), ("example", setting.example.to_owned())];
    let facts = words.into_iter().chain(more).collect();
    Some(Explanation { title, shape: setting.takes.name(), doc: setting.doc, facts, fields: Vec::new() })
}

fn first_sentence(doc: &'static str) -> &'static str {
    doc.split_inclusive(". ").next().unwrap_or(doc).trim_end()
}

fn kind_schema(kind: KindId) -> Json {
    let info = kind.info();
    json!({
        "title": info.kind,
        "description": info.doc,
        "type": "object",
        "additionalProperties": false,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": info.api_version.as_str()},
            "kind": {"const": info.kind},
            "metadata": metadata_schema(info.naming),
            "lifecycle": lifecycle_schema(info),
            "spec": spec_schema(kind),
        },
    })
}

fn metadata_schema(naming: Naming) -> Json {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "properties": {"name": name_schema(naming), "labels": texts, "annotations": texts},
    })
}

fn name_schema(naming: Naming) -> Json {
    match naming {
        Naming::Label => json!({"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"}),
        Naming::Published => json!({
            "type": "string",
            "pattern": "^[a-z0-9]([-._a-z0-9]*[a-z0-9])?(/[a-z0-9]([-._a-z0-9]*[a-z0-9])?)*(:[A-Za-z0-9_][-._A-Za-z0-9]*)?$",
        }),
    }
}

fn lifecycle_schema(info: &KindInfo) -> Json {
    let settings = lifecycle::settings(info);
    let properties: Map<_, _> = settings.iter().map(|setting| (setting.name.to_owned(), setting.schema())).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn spec_schema(kind: KindId) -> Json {
    let mut spec = json!({"type": "object", "additionalProperties": false, "properties": {}});
    for field in kind.fields() {
        let (parents, key) =
            field.path.rsplit_once('.').map_or((None, field.path), |(parents, key)| (Some(parents), key));
        let mut place = &mut spec;
        for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
            let group = &mut place["properties"][parent];
            if group.is_null() {
                *group = json!({"type": "object", "additionalProperties": false, "properties": {}});
            }
            place = group;
        }
        place["properties"][key] = field_schema(field);
        if field.absent == Absent::Required {
            match &mut place["required"] {
                Json::Array(required) => required.push(json!(key)),
                required => *required = json!([key]),
            }
        }
    }
    spec
}

fn field_schema(field: &Field) -> Json {
    let mut schema = match field.shape {
        Shape::Cpu | Shape::Size => json!({"type": ["string", "number"]}),
        Shape::Image | Shape::Text => json!({"type": "string", "minLength": 1}),
        Shape::Reference(kind) => name_schema(kind.info().naming),
        Shape::Ttl => json!({"type": "integer", "minimum": 0, "multipleOf": 60}),
        Shape::Replicas => {
            let count = json!({"type": "integer", "minimum": 0});
            let range = json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["min", "max"],
                "properties": {"min": count, "max": count},
            });
            json!({"oneOf": [count, range]})
        }
        Shape::Number => json!({"type": "integer", "minimum": 0}),
        Shape::Secret => json!({
            "type": "object",
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "env": {"type": "string", "minLength": 1, "description": "The environment variable that holds it."},
                "file": {"type": "string", "minLength": 1, "description": "The file that it is in."},
            },
        }),
        Shape::Nested(form) => nested::schema(form),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Map => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Shape::Mounts(kind) => json!({
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["volume_name", "mount_path"],
                "properties": {"volume_name": name_schema(kind.info().naming), "mount_path": {"type": "string", "pattern": "^/."}},
            },
        }),
    };
    schema["description"] = json!(field.doc);
    schema
}
