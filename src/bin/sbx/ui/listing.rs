//! Live objects in tables and descriptions, for any kind.

use std::fmt::Write as _;
use std::time::Duration;

use sbx::kinds::{self, Health, KindId, Live};
use sbx::reconcile::World;
use sbx::reconcile::inventory::Standing;
use sbx::types::Timestamp;

use super::escape;
use super::style::{self, paint};
use super::table::Table;

/// What the first column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heading {
    /// The name.
    Name,
    /// `KIND/NAME`, where several kinds are listed.
    KindAndName,
}

/// Returns a table of objects of one kind: its fields, and its status where objects of the kind have one.
pub(crate) fn table(kind: KindId, objects: &[&Live], heading: Heading, now: Timestamp) -> Table {
    // What has a life of its own has a status; all else is there or is not.
    let has_status = kind.info().expires || objects.iter().any(|live| live.health != Health::Good);
    let mut headings = vec!["NAME".to_owned()];
    headings.extend(headings_of(&kind.fields().iter().map(|field| field.path).collect::<Vec<_>>()));
    headings.extend(has_status.then(|| "STATUS".to_owned()));
    headings.push("AGE".to_owned());

    let mut table = Table::new(headings);
    for live in objects {
        let name = match heading {
            Heading::Name => live.key.name.to_string(),
            Heading::KindAndName => live.key.to_string(),
        };
        let mut cells = vec![name];
        cells.extend(values(live));
        cells.extend(has_status.then(|| status_word(&live.health).to_owned()));
        cells.push(live.created_at.map_or_else(|| "-".to_owned(), |at| age(now.saturating_since(at))));
        table.row(cells);
    }
    table
}

fn values(live: &Live) -> Vec<String> {
    match &live.spec {
        Ok(spec) => {
            let cell = |value: &Option<kinds::Value>| match value {
                Some(value) => escape(&value.to_string()).into_owned(),
                None => "-".to_owned(),
            };
            spec.values().iter().map(cell).collect()
        }
        Err(_) => live.key.kind.fields().iter().map(|_| "?".to_owned()).collect(),
    }
}

/// Returns the headings for fields; of two that would have the same one, the deeper has its parent's in front.
fn headings_of(paths: &[&str]) -> Vec<String> {
    let words: Vec<_> = paths.iter().map(|path| heading_of(path)).collect();
    let heading = |(path, word): (&&str, &String)| match path.rsplit_once('.') {
        Some((parent, _)) if words.iter().filter(|other| *other == word).count() > 1 => {
            format!("{}.{word}", heading_of(parent))
        }
        _ => word.clone(),
    };
    paths.iter().zip(&words).map(heading).collect()
}

/// Returns the heading for a field: its last word, without what every value tells anyway.
fn heading_of(path: &str) -> String {
    let word = path.rsplit('.').next().unwrap_or(path);
    let word = word.trim_end_matches("_name").trim_end_matches("_seconds").trim_start_matches("volume_");
    word.replace('_', "-").to_uppercase()
}

fn status_word(health: &Health) -> &str {
    match health {
        Health::Good => "ready",
        Health::Stopped => "stopped",
        Health::Pending(status) => status,
        _ => "failed",
    }
}

/// Returns a duration in its largest whole unit.
pub(crate) fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns everything that is known about an object, ending in a line break.
pub(crate) fn description(live: &Live, world: &World, now: Timestamp) -> String {
    let mut facts: Vec<(&str, String)> =
        vec![("Name", live.key.name.to_string()), ("Kind", live.key.kind.recorded_as())];
    facts.extend(live.id.as_ref().map(|id| ("Id", id.to_string())));
    match &live.health {
        Health::Good if !live.key.kind.info().expires => {}
        Health::Failed(message) if !message.is_empty() => facts.push(("Status", format!("failed: {message}"))),
        health => facts.push(("Status", status_word(health).to_owned())),
    }
    facts.extend(live.created_at.map(|at| ("Created", format!("{at} ({} ago)", age(now.saturating_since(at))))));
    facts.extend(live.expires_at.map(|at| ("Expires", format!("{at} (in {})", age(at.saturating_since(now))))));
    facts.extend(live.mark.as_ref().map(|mark| ("Owner", mark.owner.to_string())));
    facts.extend(live.build.as_ref().map(|build| ("Built from", format!("{}, then {}", build.source, build.digest))));
    facts.extend(managed(live, world).map(|managed| ("Managed", managed)));
    facts.push(("Used by", joined(world.holders(&live.key).map(|holder| holder.key.to_string()))));

    let mut out = lines(&facts, "");
    out.push_str(&paint(style::STRONG, "Spec:"));
    out.push('\n');
    match &live.spec {
        Ok(spec) => {
            let fields = spec.kind().fields().iter().zip(spec.values());
            let given = fields.filter_map(|(field, value)| Some((field.path, value.as_ref()?.to_string())));
            out.push_str(&lines(&given.collect::<Vec<_>>(), "  "));
        }
        Err(unreadable) => {
            writeln!(out, "  cannot be read: {}", escape(&unreadable.why)).expect("a string takes everything");
        }
    }
    let extra: Vec<_> = live.extra.iter().filter(|(_, value)| !value.is_null()).collect();
    if !extra.is_empty() {
        out.push_str(&paint(style::STRONG, "Not known to this version:"));
        out.push('\n');
        let extra: Vec<_> = extra.into_iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
        out.push_str(&lines(&extra, "  "));
    }
    out
}

/// Returns who manages an object; `None` where no record says so.
fn managed(live: &Live, world: &World) -> Option<String> {
    let recorded = world.inventory.as_ref()?.entry_of(live);
    let owned = recorded.filter(|(_, entry)| entry.standing == Standing::Owned);
    let Some((key, entry)) = owned else {
        let others = world.sibling(live).or_else(|| world.marked_by_another(live));
        let others = others.map(|owner| format!("by another project: {owner}"));
        let released = || recorded.map(|_| "no, it was let go of".to_owned());
        return others.or_else(released).or_else(|| Some("no".to_owned()));
    };
    let name = if *key == live.key { String::new() } else { format!(", as {key}") };
    let source = entry.source.as_ref().map(|source| format!(", declared in {source}")).unwrap_or_default();
    Some(format!("yes{name}{source}"))
}

fn joined(names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn lines(facts: &[(&str, String)], indent: &str) -> String {
    let width = facts.iter().map(|(word, _)| word.chars().count()).max().unwrap_or(0) + 1;
    let line =
        |(word, text): &(&str, String)| format!("{indent}{:<width$} {}\n", format!("{}:", escape(word)), escape(text));
    facts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::ui::progress::tests::world;

    const LIVE: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: x, volume_mounts: [{volume_name: data, mount_path: /a}]}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: a, ttl_seconds: 3600}}
";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_microseconds(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn headings_are_short() {
        for (path, heading) in [
            ("template_name", "TEMPLATE"),
            ("resources.cpu", "CPU"),
            ("idle_ttl_seconds", "IDLE-TTL"),
            ("volume_mounts", "MOUNTS"),
        ] {
            assert_eq!(heading_of(path), heading);
        }
        let paths = ["run_config.user", "run_config.env_vars", "env_vars"];
        assert_eq!(headings_of(&paths), ["USER", "RUN-CONFIG.ENV-VARS", "ENV-VARS"]);
    }

    #[test]
    fn tables_of_two_kinds() {
        let world = world(LIVE);
        for kind in [kinds::TEMPLATE, kinds::SANDBOX] {
            let objects: Vec<_> = world.iter().filter(|live| live.key.kind == kind).collect();
            let text = strip_str(&table(kind, &objects, Heading::Name, at(60)).to_text(None)).to_string();
            if kind == kinds::TEMPLATE {
                insta::assert_snapshot!(text, @r"
                NAME   IMAGE   CPU    MEMORY   STORAGE   MOUNTS      AGE
                a      x       500m   512Mi    -         /a (data)   -
                ");
            } else {
                insta::assert_snapshot!(text, @r"
                NAME   TEMPLATE   TTL    IDLE-TTL   STATUS   AGE
                box    a          3600   -          ready    -
                ");
            }
        }
    }

    #[test]
    fn a_description_tells_who_uses_it_and_what_is_unknown() {
        let world = world(LIVE);
        let mut live = world.iter().find(|live| live.key.kind == kinds::TEMPLATE).unwrap().clone();
        live.created_at = Some(at(0));
        live.extra.insert("proxy_config".to_owned(), serde_json::json!({"a": "\u{1b}"}));
        let text = description(&live, &world, at(90_000));
        insta::assert_snapshot!(strip_str(&text).to_string(), @r#"
        Name:    a
        Kind:    Template
        Created: 1970-01-01T00:00:00Z (1d ago)
        Used by: sandbox/box
        Spec:
          image:            x
          resources.cpu:    500m
          resources.memory: 512Mi
          volume_mounts:    /a (data)
        Not known to this version:
          proxy_config: {"a":"\u001b"}
        "#);
    }

    #[test]
    fn ages_have_one_unit() {
        let ages: Vec<_> =
            [0, 59, 60, 3599, 3600, 86_400, 864_000].map(|seconds| age(Duration::from_secs(seconds))).into();
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h", "1d", "10d"]);
    }
}
