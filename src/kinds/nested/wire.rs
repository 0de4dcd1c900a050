//! Nested values as the API has them (contract section 5.2 of the second generation says how secrets look).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::{Nested, Tree};
use crate::kinds::form::{Form, ListForm, Member, Secrecy};
use crate::kinds::quota::size_of;
use crate::kinds::secret::Secrets;

/// The members that a secret has on the wire.
const OF_A_SECRET: [&str; 3] = ["type", "value", "is_set"];

/// Reads what the server says; what the form has no place for is left out.
pub(in crate::kinds) fn from_wire(form: &'static Form, json: &Json) -> Option<Nested> {
    Some(Nested { form, tree: read(form, json)? })
}

fn read(form: &Form, json: &Json) -> Option<Tree> {
    Some(match form {
        Form::Text(_) | Form::Path | Form::Choice(_) => {
            Tree::Text(json.as_str().filter(|text| !text.is_empty())?.into())
        }
        Form::Number(..) => Tree::Number(json.as_u64()?),
        Form::Flag => Tree::Flag(json.as_bool()?),
        Form::Size => Tree::Size(size_of(json.as_u64()?)),
        Form::Secret(_) => secret(json)?,
        Form::Map(form) => {
            let members = json.as_object()?.iter();
            Tree::Object(members.filter_map(|(name, json)| Some((name.as_str().into(), read(form, json)?))).collect())
        }
        Form::List(form) => Tree::List(json.as_array()?.iter().filter_map(|json| read(&form.of, json)).collect()),
        Form::Object(form) => {
            let object = json.as_object()?;
            let member = |member: &'static Member| {
                let json = if is_beside(member) { json } else { object.get(member.name)? };
                Some((Arc::from(member.name), read(&member.form, json)?))
            };
            Tree::Object(form.members.iter().filter_map(member).collect::<BTreeMap<_, _>>())
        }
    })
}

/// Returns whether the parts of a secret stand beside its name, rather than below it.
fn is_beside(member: &Member) -> bool {
    matches!(member.form, Form::Secret(Secrecy::Told))
}

fn secret(json: &Json) -> Option<Tree> {
    let value = json.get("value").and_then(Json::as_str);
    match (json.get("type")?.as_str()?, value) {
        ("plaintext", Some(text)) => Some(Tree::Text(text.into())),
        ("workspace_secret", Some(name)) => {
            let name = name.trim_start_matches('{').trim_end_matches('}');
            Some(Tree::Workspace(name.into()))
        }
        _ => (json.get("is_set") == Some(&Json::Bool(true))).then_some(Tree::Untold),
    }
}

/// Returns what is sent. A secret that nobody tells is sent without its value, which keeps it.
pub(in crate::kinds) fn to_wire(nested: &Nested, secrets: &Secrets) -> Json {
    write(nested.form, &nested.tree, secrets)
}

fn write(form: &Form, tree: &Tree, secrets: &Secrets) -> Json {
    match (form, tree) {
        (Form::Secret(_), Tree::Text(text)) => json!({"type": "plaintext", "value": text}),
        (_, Tree::Secret(secret)) => match secrets.get(secret) {
            Some(secret) => json!({"type": "opaque", "value": secret.expose()}),
            None => json!({"type": "opaque"}),
        },
        (_, Tree::Workspace(name)) => json!({"type": "workspace_secret", "value": format!("{{{name}}}")}),
        (_, Tree::Untold) => json!({"type": "opaque"}),
        (_, Tree::Size(size)) => json!(size.bytes()),
        (Form::List(form), Tree::List(items)) => items.iter().map(|item| write(&form.of, item, secrets)).collect(),
        (Form::Map(form), Tree::Object(members)) => {
            members.iter().map(|(name, part)| (name.to_string(), write(form, part, secrets))).collect()
        }
        (Form::Object(form), Tree::Object(members)) => {
            let mut out = Map::new();
            for (member, part) in form.members.iter().filter_map(|member| Some((member, members.get(member.name)?))) {
                match write(&member.form, part, secrets) {
                    Json::Object(parts) if is_beside(member) => out.extend(parts),
                    json => drop(out.insert(member.name.to_owned(), json)),
                }
            }
            Json::Object(out)
        }
        _ => tree.to_json(),
    }
}

/// Returns what of a live value the form has no place for, with what says where it belongs; `None` if there is nothing.
pub(in crate::kinds) fn residue(form: &Form, json: &Json) -> Option<Json> {
    match (form, json) {
        (Form::Object(form), Json::Object(members)) => {
            let has_secret = form.members.iter().any(is_beside);
            let part = |(name, json): (&String, &Json)| match form.member(name) {
                Some(member) => Some((name.clone(), residue(&member.form, json)?)),
                None if json.is_null() || (has_secret && OF_A_SECRET.contains(&name.as_str())) => None,
                None => Some((name.clone(), json.clone())),
            };
            let parts: Map<_, _> = members.iter().filter_map(part).collect();
            (!parts.is_empty()).then_some(Json::Object(parts))
        }
        (Form::List(ListForm { of, key: Some(key), .. }), Json::Array(items)) => {
            let item = |item: &Json| {
                let mut rest = residue(of, item)?;
                rest[*key] = item.get(*key)?.clone();
                Some(rest)
            };
            let items: Vec<_> = items.iter().filter_map(item).collect();
            (!items.is_empty()).then_some(Json::Array(items))
        }
        _ => None,
    }
}

/// Puts a residue back where its place is still there.
pub(in crate::kinds) fn overlay(form: &Form, json: &mut Json, rest: &Json) {
    match (form, json, rest) {
        (Form::Object(form), Json::Object(members), Json::Object(rest)) => {
            for (name, rest) in rest {
                match (form.member(name), members.get_mut(name)) {
                    (Some(member), Some(json)) => overlay(&member.form, json, rest),
                    (None, None) => drop(members.insert(name.clone(), rest.clone())),
                    _ => {}
                }
            }
        }
        (Form::List(ListForm { of, key: Some(key), .. }), Json::Array(items), Json::Array(rest)) => {
            for item in items {
                if let Some(rest) = rest.iter().find(|rest| rest.get(*key) == item.get(*key)) {
                    overlay(of, item, rest);
                }
            }
        }
        _ => {}
    }
}
