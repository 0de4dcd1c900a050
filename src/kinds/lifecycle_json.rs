//! Lifecycles as they are written down in JSON.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::object::{Lifecycle, OnExpiry, OnRemove, OnSuperseded, RenamedFrom, Replace, Timeout};
use crate::types::Name;

/// Returns a lifecycle in the words of a manifest; what has its default is left out.
pub fn lifecycle_to_json(lifecycle: &Lifecycle) -> Map<String, Json> {
    let Lifecycle { prevent_destroy, renamed_from, replace, on_remove, on_superseded, on_expiry, timeout } = lifecycle;
    let mut out = Map::new();
    let mut put = |field: &str, value: Json| drop(out.insert(field.to_owned(), value));
    if *prevent_destroy {
        put("prevent_destroy", json!(true));
    }
    match renamed_from {
        None => {}
        Some(RenamedFrom::Name(name)) => put("renamed_from", json!(name.as_str())),
        Some(RenamedFrom::Nothing) => put("renamed_from", json!("none")),
    }
    match replace {
        None => {}
        Some(Replace::Rolling) => put("replace", json!("rolling")),
        Some(Replace::Recreate) => put("replace", json!("recreate")),
    }
    match on_remove {
        None => {}
        Some(OnRemove::Delete) => put("on_remove", json!("delete")),
        Some(OnRemove::Retain) => put("on_remove", json!("retain")),
    }
    match on_superseded {
        OnSuperseded::Keep => {}
        OnSuperseded::Replace => put("on_template_change", json!("replace")),
    }
    match on_expiry {
        OnExpiry::Ignore => {}
        OnExpiry::Recreate => put("on_expiry", json!("recreate")),
    }
    if let Some(Timeout(timeout)) = timeout {
        put("timeout", duration_to_json(*timeout));
    }
    out
}

/// Reads a lifecycle that [`lifecycle_to_json`] wrote.
///
/// # Errors
///
/// The field that this version cannot read. None is passed over: it may be what protects the object.
pub fn lifecycle_from_json(fields: &Map<String, Json>) -> Result<Lifecycle, String> {
    let mut lifecycle = Lifecycle::default();
    for (field, value) in fields {
        let unknown = || format!("`lifecycle.{field}` cannot be {value}");
        match (field.as_str(), value.as_str()) {
            ("prevent_destroy", None) => lifecycle.prevent_destroy = value.as_bool().ok_or_else(unknown)?,
            ("renamed_from", Some("none")) => lifecycle.renamed_from = Some(RenamedFrom::Nothing),
            ("renamed_from", Some(name)) => {
                lifecycle.renamed_from = Some(RenamedFrom::Name(Name::parse(name).map_err(|_| unknown())?));
            }
            ("replace", Some("rolling")) => lifecycle.replace = Some(Replace::Rolling),
            ("replace", Some("recreate")) => lifecycle.replace = Some(Replace::Recreate),
            ("on_remove", Some("delete")) => lifecycle.on_remove = Some(OnRemove::Delete),
            ("on_remove", Some("retain")) => lifecycle.on_remove = Some(OnRemove::Retain),
            ("on_template_change", Some("keep")) => lifecycle.on_superseded = OnSuperseded::Keep,
            ("on_template_change", Some("replace")) => lifecycle.on_superseded = OnSuperseded::Replace,
            ("on_expiry", Some("ignore")) => lifecycle.on_expiry = OnExpiry::Ignore,
            ("on_expiry", Some("recreate")) => lifecycle.on_expiry = OnExpiry::Recreate,
            ("timeout", _) => lifecycle.timeout = Some(Timeout(duration_from_json(value).ok_or_else(unknown)?)),
            _ => return Err(unknown()),
        }
    }
    Ok(lifecycle)
}

/// Whole seconds are a number, anything finer an ISO 8601 text.
fn duration_to_json(duration: Duration) -> Json {
    match (duration.subsec_nanos(), jiff::SignedDuration::try_from(duration)) {
        (1.., Ok(signed)) => json!(signed.to_string()),
        (_, _) => json!(duration.as_secs()),
    }
}

fn duration_from_json(value: &Json) -> Option<Duration> {
    match value {
        Json::String(text) => text.parse::<jiff::SignedDuration>().ok()?.try_into().ok(),
        _ => value.as_u64().map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifecycles_read_as_they_were_written() {
        let full = Lifecycle {
            prevent_destroy: true,
            renamed_from: Some(RenamedFrom::Name(Name::parse("old").unwrap())),
            replace: Some(Replace::Rolling),
            on_remove: Some(OnRemove::Retain),
            on_superseded: OnSuperseded::Replace,
            on_expiry: OnExpiry::Recreate,
            timeout: Some(Timeout(Duration::from_millis(1500))),
        };
        let other = Lifecycle {
            renamed_from: Some(RenamedFrom::Nothing),
            replace: Some(Replace::Recreate),
            on_remove: Some(OnRemove::Delete),
            timeout: Some(Timeout(Duration::from_mins(10))),
            ..Lifecycle::default()
        };
        for lifecycle in [Lifecycle::default(), full, other] {
            assert_eq!(lifecycle_from_json(&lifecycle_to_json(&lifecycle)), Ok(lifecycle));
        }
        assert_eq!(lifecycle_to_json(&Lifecycle::default()), Map::new());
        let unknown = Map::from_iter([("on_remove".to_owned(), json!("archive"))]);
        assert_eq!(lifecycle_from_json(&unknown).unwrap_err(), "`lifecycle.on_remove` cannot be \"archive\"");
    }
}
