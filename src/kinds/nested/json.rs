//! Nested values as manifests, plans and records write them.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Nested, Tree};
use crate::kinds::form::{Form, Secrecy};
use crate::kinds::secret::SecretRef;

impl Nested {
    /// Returns the value as a manifest would have it.
    pub(in crate::kinds) fn to_json(&self) -> Json {
        self.tree.to_json()
    }

    /// Reads what [`Nested::to_json`] writes; `None` for anything else.
    pub(in crate::kinds) fn from_json(form: &'static Form, json: &Json) -> Option<Self> {
        Some(Self { form, tree: read(form, json)? })
    }
}

fn read(form: &Form, json: &Json) -> Option<Tree> {
    Some(match form {
        Form::Text(_) | Form::Path | Form::Choice(_) => Tree::Text(json.as_str()?.into()),
        Form::Number(..) => Tree::Number(json.as_u64()?),
        Form::Flag => Tree::Flag(json.as_bool()?),
        Form::Size => Tree::Size(json.as_str()?.parse().ok()?),
        Form::Secret(secrecy) => secret(*secrecy, json)?,
        Form::Map(form) => {
            let members = json.as_object()?.iter();
            Tree::Object(
                members.map(|(name, json)| Some((name.as_str().into(), read(form, json)?))).collect::<Option<_>>()?,
            )
        }
        Form::List(form) => {
            Tree::List(json.as_array()?.iter().map(|json| read(&form.of, json)).collect::<Option<_>>()?)
        }
        Form::Object(form) => {
            let members = json.as_object()?.iter();
            let member = |(name, json): (&String, &Json)| {
                Some((Arc::from(name.as_str()), read(&form.member(name)?.form, json)?))
            };
            Tree::Object(members.map(member).collect::<Option<_>>()?)
        }
    })
}

fn secret(secrecy: Secrecy, json: &Json) -> Option<Tree> {
    if let Some(text) = json.as_str() {
        return (secrecy != Secrecy::Credential).then(|| Tree::Text(text.into()));
    }
    if let Some(secret) = SecretRef::from_json(json) {
        return Some(Tree::Secret(secret));
    }
    let object = json.as_object().filter(|object| object.len() == 1 && secrecy != Secrecy::Variable)?;
    match object.iter().next()? {
        (key, Json::String(name)) if key == "workspace_secret" => Some(Tree::Workspace(name.as_str().into())),
        (key, Json::Bool(true)) if key == "is_set" => Some(Tree::Untold),
        _ => None,
    }
}

impl Tree {
    /// Returns the part as a manifest would have it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Flag(flag) => json!(flag),
            Self::Size(size) => json!(size.as_str()),
            Self::Secret(secret) => secret.to_json(),
            Self::Workspace(name) => json!({"workspace_secret": name}),
            Self::Untold => json!({"is_set": true}),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(members) => members.iter().map(|(name, part)| (name.to_string(), part.to_json())).collect(),
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Secret(secret) => secret.fmt(f),
            Self::Workspace(name) => write!(f, "workspace secret {name}"),
            Self::Untold => f.write_str("(set)"),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, part)) in members.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    write!(f, "{name}: ")?;
                    part.fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}
