//! `/snapshots` (contract section 2 of the second generation).

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::decode::{Decode, Fields};
use super::query::{Cursors, ListOf, Listing};
use super::registries::EVERYBODY;
use super::{Body, Failing, Held, Named, configs};
use crate::server::app::{App, INCLUDABLE, LATEST, NewCapture, NewSnapshot, Place};
use crate::server::error::Failure;
use crate::server::store::snapshots::{Snapshot, Source, Status};
use crate::types::RegistryId;
use crate::wire;

pub(crate) async fn create(
    State(app): State<App>,
    Held(held): Held,
    Failing(failing): Failing,
    Body(mut new): Body<NewSnapshot>,
) -> Result<(StatusCode, Json<wire::Snapshot>), Failure> {
    new.held = held;
    new.failing = failing;
    Ok((StatusCode::CREATED, Json(render(app.create_snapshot(new).await?))))
}

pub(crate) async fn capture(
    State(app): State<App>,
    Named(name): Named,
    Held(held): Held,
    Body(mut new): Body<NewCapture>,
) -> Result<(StatusCode, Json<wire::Snapshot>), Failure> {
    new.held = held;
    Ok((StatusCode::CREATED, Json(render(app.capture_snapshot(name, new).await?))))
}

pub(crate) async fn list(
    State(app): State<App>,
    query: ListOf<Snapshots>,
) -> Result<Json<wire::SnapshotList>, Failure> {
    let page = app.snapshots(query.options.clone()).await?;
    let next_cursor = query.next_cursor(&page);
    let snapshots = page.items.into_iter().map(render).collect();
    Ok(Json(wire::SnapshotList { snapshots, offset: page.next_offset, next_cursor }))
}

pub(crate) async fn get(State(app): State<App>, Named(reference): Named) -> Result<Json<wire::Snapshot>, Failure> {
    Ok(Json(render(app.snapshot(reference).await?)))
}

pub(crate) async fn tags(State(app): State<App>, Named(name): Named) -> Result<Json<wire::SnapshotTags>, Failure> {
    let tags = app.snapshot_tags(name.clone()).await?.into_iter();
    let tags = tags.map(|(tag, snapshot_id)| wire::SnapshotTag { tag, snapshot_id }).collect();
    Ok(Json(wire::SnapshotTags { name, tags }))
}

pub(crate) async fn delete(State(app): State<App>, Named(reference): Named) -> Result<StatusCode, Failure> {
    app.delete_snapshot(reference).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The list of snapshots.
pub(crate) struct Snapshots;

impl Listing for Snapshots {
    const SORT_BY: &'static [(&'static str, &'static str)] =
        &[("name", "name"), ("status", "status"), ("created_at", "created_at")];
    const FILTERS: &'static [(&'static str, &'static str, &'static [&'static str])] = &[
        ("status", "snapshots.status", &["building", "ready", "failed", "deleting"]),
        // Whoever asks created everything but what is the server's own.
        ("created_by", "iif(snapshots.is_system, 'nobody', 'me')", &["me"]),
    ];
    const CURSORS: Option<Cursors> = Some(Cursors { list: "snapshots", default_size: 50, max_size: 500 });
    const HAS_LABELS: bool = true;
}

impl Decode for NewSnapshot {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let place = place(fields);
        let image = fields.text("docker_image").map(str::to_owned);
        if image.as_ref().is_some_and(|image| image.trim().is_empty()) {
            fields.report("docker_image", "value_error", "Input should not be empty");
        }
        let capacity = fields.integer("fs_capacity_bytes", 1..=i64::MAX - 1);
        let registry = fields.optional_text("registry_id").filter(|id| !id.is_empty()).map(RegistryId::new);
        Some(Self {
            labels: configs::labels(fields),
            description: configs::description(fields),
            run_config: configs::run_config(fields).unwrap_or_default(),
            place: place?,
            image: image?,
            registry,
            capacity_bytes: capacity?.unsigned_abs(),
            held: false,
            failing: None,
        })
    }
}

impl Decode for NewCapture {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let place = place(fields);
        Some(Self {
            labels: configs::labels(fields),
            description: configs::description(fields),
            run_config: configs::run_config(fields).unwrap_or_default(),
            include: include(fields),
            allows_secrets: fields.flag("confirm_allow_snapshot_secret_values", false),
            exports_image: fields.optional_text("docker_image").is_some_and(|image| !image.is_empty()),
            names_checkpoint: fields.optional_text("checkpoint").is_some_and(|checkpoint| !checkpoint.is_empty()),
            place: place?,
            held: false,
        })
    }
}

/// Reads where a snapshot is published (contract section 2.2 of the second generation).
fn place(fields: &mut Fields<'_>) -> Option<Place> {
    let name = fields.text("name");
    if name.is_some_and(|name| name.len() > 255 || !name.split('/').all(is_component)) {
        let message = "Input should be lower-case components of letters, digits and single '.', '_' or '-' between \
                       them, separated by '/', of at most 255 characters";
        fields.report("name", "value_error", message);
    }
    let tag = fields.optional_text("tag").filter(|tag| !tag.is_empty()).unwrap_or(LATEST).to_owned();
    if !is_tag(&tag) {
        let message = "Input should be at most 128 letters, digits, '_', '.' and '-', and not begin with '.' or '-'";
        fields.report("tag", "value_error", message);
    }
    Some(Place { name: name?.to_owned(), tag })
}

/// As registries have it: separators stand alone, but for two `_` and any number of `-`.
fn is_component(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = part.split(|c: char| c.is_ascii() && is_word(c as u8)).filter(|separator| !separator.is_empty());
    let bytes = part.as_bytes();
    let has_edges = bytes.first().is_some_and(|&byte| is_word(byte)) && bytes.last().is_some_and(|&byte| is_word(byte));
    let is_separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    has_edges && separators.into_iter().all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

/// Reads which settings a capture carries, `all` taken apart.
fn include(fields: &mut Fields<'_>) -> Vec<String> {
    if fields.present("include").is_none() {
        return Vec::new();
    }
    let words = fields.texts("include").unwrap_or_default();
    for word in words.iter().filter(|word| *word != "all" && !INCLUDABLE.contains(&word.as_str())) {
        let message = format!("'{word}' should be 'all' or one of {}", INCLUDABLE.join(", "));
        fields.report("include", "value_error", message);
    }
    let has = |word: &&str| words.iter().any(|included| included == word || included == "all");
    INCLUDABLE.iter().filter(|word| has(word)).map(|word| (*word).to_owned()).collect()
}

pub(super) fn render(snapshot: Snapshot) -> wire::Snapshot {
    let (docker_image, registry_id, source_sandbox_id) = match snapshot.source {
        Source::Image { reference, registry } => (Some(reference), registry, None),
        Source::Sandbox { id } => (None, None, Some(id)),
    };
    let settings = snapshot.settings;
    wire::Snapshot {
        id: Some(snapshot.id),
        name: snapshot.name,
        tags: snapshot.tags,
        status: match snapshot.status {
            Status::Building => wire::SnapshotStatus::Building,
            Status::Ready => wire::SnapshotStatus::Ready,
            Status::Failed => wire::SnapshotStatus::Failed,
        },
        status_message: snapshot.status_message,
        docker_image,
        image_digest: snapshot.image_digest,
        source_sandbox_id,
        fs_capacity_bytes: snapshot.capacity_bytes,
        fs_used_bytes: snapshot.used_bytes,
        memory_snapshot_size_bytes: None,
        labels: snapshot.labels,
        registry_id,
        created_by: (!snapshot.is_system).then(|| EVERYBODY.to_owned()),
        created_at: Some(snapshot.created_at),
        updated_at: Some(snapshot.updated_at),
        description: settings.description,
        run_config: (!settings.run_config.is_empty()).then(|| configs::render_run_config(settings.run_config)),
        included: (!settings.included.is_empty())
            .then(|| settings.included.into_iter().map(wire::SnapshotInclude::from).collect()),
        mount_config: configs::render(settings.carried.mount_config),
        proxy_config: configs::render(settings.carried.proxy_config),
        extra: wire::Extra::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_registries() {
        for name in ["a", "a1", "a-b", "a--b", "a.b", "a_b", "a__b", "0"] {
            assert!(is_component(name), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a..b", "a___b", "a._b", "a b", ".", "ä"] {
            assert!(!is_component(name), "{name}");
        }
    }

    #[test]
    fn tags_are_those_of_registries() {
        assert!(["latest", "V1.0-rc_1", "_"].iter().all(|tag| is_tag(tag)));
        assert!(["", ".a", "-a", "a:b", "a/b", &"a".repeat(129)].iter().all(|tag| !is_tag(tag)));
    }
}
