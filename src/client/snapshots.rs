//! Snapshots (contract section 2 of the second generation).
//!
//! A snapshot has no name of its own: `name:tag` is a pointer, which a create moves. So a create whose answer was lost
//! is looked for under the pointer, and what stood there before does not count.

use std::time::Duration;

use http::Method;

use super::connect::Client;
use super::error::{Detail, Error, Kind, Mapped, Resource};
use super::filter::ListFilter;
use super::generation::Generation;
use super::hiding::secrets_of;
use super::object::object;
use super::reader::Reader;
use super::request::{Operation, Request, Verb};
use super::setters::setters;
use super::wait::WaitOptions;
use super::write::Naming;
use crate::types::{ByteSize, Labels, RegistryId, SnapshotId};
use crate::wire::{
    CaptureSnapshot, CreateSnapshot, HiddenExtra, ImageConfig, RunConfig, Snapshot, SnapshotInclude, SnapshotList,
    SnapshotStatus, SnapshotTags, route,
};

/// The tag of a snapshot that is given none. It is sent, so that the snapshot can be found: servers differ in whether
/// they take the image's own.
const DEFAULT_TAG: &str = "latest";

/// How [`Client::create_snapshot`] creates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateSnapshotOptions {
    /// The tag to publish under: `latest` by default.
    pub tag: Option<String>,
    /// The registry to pull a private image with; none by default.
    pub registry_id: Option<RegistryId>,
    /// Labels, which win over those of the image; none by default.
    pub labels: Labels,
    /// A text for people, of at most 1024 characters; none by default. Older servers do not keep it.
    pub description: Option<String>,
    /// How commands run in its sandboxes; as the image says by default. Older servers do not heed it.
    pub run_config: Option<RunConfig>,
    /// Whether to wait until it is built; by default that is waited for.
    pub wait_for_ready: bool,
    /// For how long to wait, and how often to look: 60 s and 2 s by default.
    pub wait: WaitOptions,
}

impl Default for CreateSnapshotOptions {
    fn default() -> Self {
        Self {
            tag: None,
            registry_id: None,
            labels: Labels::new(),
            description: None,
            run_config: None,
            wait_for_ready: true,
            wait: default_wait(),
        }
    }
}

setters! { impl CreateSnapshotOptions {
    /// Sets the tag to publish under.
    tag = Some(into String);
    /// Sets the text for people.
    description = Some(into String);
    /// Sets how commands run in its sandboxes.
    run_config = Some(RunConfig);
    /// Sets whether to wait until it is built.
    wait_for_ready = bool;
} }

impl CreateSnapshotOptions {
    /// Sets the registry to pull a private image with.
    #[must_use]
    pub fn registry(mut self, id: RegistryId) -> Self {
        self.registry_id = Some(id);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets for how long to wait until it is built.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.wait.timeout = timeout;
        self
    }
}

/// How [`Client::capture_snapshot`] captures.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaptureSnapshotOptions {
    /// The tag to publish under: `latest` by default.
    pub tag: Option<String>,
    /// An image of the sandbox's own image store to export in place of its disk; by default the disk is captured.
    pub docker_image: Option<String>,
    /// The size of the root disk; the sandbox's own by default, which an exported image needs not have.
    pub fs_capacity: Option<ByteSize>,
    /// A checkpoint that exists; by default a fresh one is taken.
    pub checkpoint: Option<String>,
    /// Whether memory is captured as well; by default it is not.
    pub include_memory: bool,
    /// Labels; none by default.
    pub labels: Labels,
    /// A text for people, of at most 1024 characters; none by default.
    pub description: Option<String>,
    /// How commands run in its sandboxes; as in the sandbox by default.
    pub run_config: Option<RunConfig>,
    /// What to replace of the image's own settings; nothing by default.
    pub image_config: Option<ImageConfig>,
    /// Which settings of the sandbox to carry along; none by default.
    pub include: Vec<SnapshotInclude>,
    /// Whether secrets and variables among them may be carried along; by default the server refuses that.
    pub allow_secret_values: bool,
    /// Whether to wait until it is captured; by default that is waited for.
    pub wait_for_ready: bool,
    /// For how long to wait, and how often to look: 60 s and 2 s by default.
    pub wait: WaitOptions,
}

impl Default for CaptureSnapshotOptions {
    fn default() -> Self {
        Self {
            tag: None,
            docker_image: None,
            fs_capacity: None,
            checkpoint: None,
            include_memory: false,
            labels: Labels::new(),
            description: None,
            run_config: None,
            image_config: None,
            include: Vec::new(),
            allow_secret_values: false,
            wait_for_ready: true,
            wait: default_wait(),
        }
    }
}

setters! { impl CaptureSnapshotOptions {
    /// Sets the tag to publish under.
    tag = Some(into String);
    /// Exports an image of the sandbox's own image store, in place of its disk. The sandbox must run.
    docker_image = Some(into String);
    /// Sets the size of the root disk.
    fs_capacity = Some(ByteSize);
    /// Publishes a checkpoint that exists.
    checkpoint = Some(into String);
    /// Sets whether memory is captured as well. The sandbox must run.
    include_memory = bool;
    /// Sets the text for people.
    description = Some(into String);
    /// Sets how commands run in its sandboxes.
    run_config = Some(RunConfig);
    /// Replaces settings of the image.
    image_config = Some(ImageConfig);
    /// Sets whether secrets and variables may be carried along.
    allow_secret_values = bool;
    /// Sets whether to wait until it is captured.
    wait_for_ready = bool;
} }

impl CaptureSnapshotOptions {
    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Carries a setting of the sandbox along.
    #[must_use]
    pub fn include(mut self, setting: SnapshotInclude) -> Self {
        self.include.push(setting);
        self
    }

    /// Sets for how long to wait until it is captured.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.wait.timeout = timeout;
        self
    }
}

impl Client {
    /// Builds a snapshot from an image, publishes it as `name:tag`, and waits until it is built (`POST /snapshots`).
    ///
    /// A tag that exists moves to the new snapshot; the old one is still there under its id. The build goes on when the
    /// time to wait is over.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`] of a [`Resource::Registry`]: there is no such registry.
    /// * [`Kind::Authentication`]: the name belongs to somebody else.
    /// * [`Kind::Validation`]: the server refuses a value; [`Error::field`] names it.
    /// * [`Kind::Creation`] and [`Kind::Timeout`]: the build failed, or was not done in time.
    /// * [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn create_snapshot(
        &self,
        name: &str,
        docker_image: &str,
        fs_capacity: &ByteSize,
        options: CreateSnapshotOptions,
    ) -> Result<Snapshot, Error> {
        let tag = options.tag.unwrap_or_else(|| DEFAULT_TAG.to_owned());
        let reference = format!("{name}:{tag}");
        let body = CreateSnapshot {
            name: name.to_owned(),
            docker_image: docker_image.to_owned(),
            fs_capacity_bytes: fs_capacity.bytes(),
            tag: Some(tag),
            registry_id: options.registry_id,
            labels: options.labels,
            description: options.description,
            run_config: options.run_config,
            extra: HiddenExtra::default(),
        };
        let request = Request::create::<Snapshot>(&reference, &body).hiding(secrets_of(&body));
        let wait = options.wait_for_ready.then_some(options.wait);
        self.publish(&request, wait, |found| is_asked(found, &body)).await
    }

    /// Captures a sandbox of the second generation as a snapshot, publishes it as `name:tag`, and waits until it is
    /// ready (`POST /boxes/{name}/snapshot`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`] of a [`Resource::Sandbox`]: there is no such sandbox.
    /// * [`Kind::NotReady`]: what was asked for needs a sandbox that runs.
    /// * Those of [`Client::create_snapshot`].
    pub async fn capture_snapshot(
        &self,
        sandbox_name: &str,
        name: &str,
        options: CaptureSnapshotOptions,
    ) -> Result<Snapshot, Error> {
        let tag = options.tag.unwrap_or_else(|| DEFAULT_TAG.to_owned());
        let mut operation = Operation::on::<Snapshot>(Verb::Capture, &format!("{name}:{tag}"));
        operation.sandbox = Some(sandbox_name.to_owned());
        let body = CaptureSnapshot {
            name: name.to_owned(),
            tag: Some(tag),
            docker_image: options.docker_image,
            fs_capacity_bytes: options.fs_capacity.map(|size| size.bytes()),
            checkpoint: options.checkpoint,
            include_memory: options.include_memory.then_some(true),
            labels: options.labels,
            description: options.description,
            run_config: options.run_config,
            image_config: options.image_config,
            include: options.include,
            confirm_allow_snapshot_secret_values: options.allow_secret_values.then_some(true),
            extra: HiddenExtra::default(),
        };
        let request = Request::on_item(operation, Method::POST, route::SANDBOX_SNAPSHOT)?;
        let request = request.json(&body).hiding(secrets_of(&body));
        let wait = options.wait_for_ready.then_some(options.wait);
        self.publish(&request, wait, |found| is_captured(found, &body)).await
    }

    /// Returns all snapshots (`GET /snapshots`, every page), those that the service publishes among them.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn list_snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        self.reader().list_snapshots().await
    }

    /// Returns the snapshots that pass a filter (`GET /snapshots`, every page).
    ///
    /// # Errors
    ///
    /// Those of [`Client::list_snapshots`].
    pub async fn search_snapshots(&self, filter: &ListFilter) -> Result<Vec<Snapshot>, Error> {
        self.reader().search_snapshots(filter).await
    }

    /// Returns a snapshot (`GET /snapshots/{ref}`). The reference is an id, `name:tag`, or `name` for its tag `latest`.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such snapshot.
    /// * [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn get_snapshot(&self, reference: &str) -> Result<Snapshot, Error> {
        self.reader().get_snapshot(reference).await
    }

    /// Returns the tags of a name, and where they point (`GET /snapshots-by-name/{name}`). Older servers have no such
    /// list.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: nothing was ever published under the name.
    /// * [`Kind::WrongGeneration`]: the server has no such list.
    pub async fn list_snapshot_tags(&self, name: &str) -> Result<SnapshotTags, Error> {
        self.reader().list_snapshot_tags(name).await
    }

    /// Deletes a snapshot with all its tags (`DELETE /snapshots/{ref}`). Its storage is freed later.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such snapshot.
    /// * [`Kind::InUse`]: sandboxes refer to it; the message names them.
    /// * [`Kind::Authentication`]: it is the service's own.
    pub async fn delete_snapshot(&self, reference: &str) -> Result<(), Error> {
        self.link().delete::<Snapshot>(reference).await
    }

    /// Sends what publishes a snapshot, once, and waits for it.
    async fn publish(
        &self,
        request: &Request,
        wait: Option<WaitOptions>,
        is_asked: impl Fn(&Snapshot) -> bool,
    ) -> Result<Snapshot, Error> {
        self.link().require(Generation::Second, request)?;
        // Without looking first, a snapshot that stood there could be taken for the one whose answer was lost.
        let before = match self.link().max_retries() {
            0 => None,
            _ => match self.link().find::<Snapshot>(&request.operation.name).await {
                // Whether that is so, the request itself tells better.
                Err(error) if error.is_a(Kind::WrongGeneration) => None,
                found => found?,
            },
        };
        let before = before.as_ref().and_then(|snapshot| snapshot.id.as_ref()).map(SnapshotId::as_str);
        let created = self.link().create_under(request, Naming::Moves { before }, is_asked).await;
        // Whoever stands under the name now, this call's own may be there too.
        let is_beside = |error: &Error| error.is_a(Kind::AlreadyExists) && error.status().is_none();
        let created = created.map_err(|error| if is_beside(&error) { error.with_ambiguous(true) } else { error });
        let snapshot = created?.into_object();
        match wait {
            Some(wait) if snapshot.status != SnapshotStatus::Ready => {
                let id = snapshot.id.as_ref().map_or(request.operation.name.as_str(), SnapshotId::as_str);
                self.wait_for_snapshot(id, wait).await
            }
            _ => Ok(snapshot),
        }
    }
}

impl Reader {
    /// Returns all snapshots (`GET /snapshots`, every page).
    ///
    /// # Errors
    ///
    /// Those of [`Client::list_snapshots`].
    pub async fn list_snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        self.link().list().await
    }

    /// Returns the snapshots that pass a filter (`GET /snapshots`, every page).
    ///
    /// # Errors
    ///
    /// Those of [`Client::list_snapshots`].
    pub async fn search_snapshots(&self, filter: &ListFilter) -> Result<Vec<Snapshot>, Error> {
        self.link().search(&filter.to_query()).await
    }

    /// Returns a snapshot (`GET /snapshots/{ref}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::get_snapshot`].
    pub async fn get_snapshot(&self, reference: &str) -> Result<Snapshot, Error> {
        self.link().get(reference).await
    }

    /// Returns the tags of a name, and where they point (`GET /snapshots-by-name/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::list_snapshot_tags`].
    pub async fn list_snapshot_tags(&self, name: &str) -> Result<SnapshotTags, Error> {
        let operation = Operation::on::<Snapshot>(Verb::Tags, name);
        self.link().fetch(&Request::on_item(operation, Method::GET, route::SNAPSHOT_TAGS)?).await
    }
}

/// The official SDK's: a minute for the build, which looks every 2 s.
fn default_wait() -> WaitOptions {
    WaitOptions::for_snapshots().timeout(Duration::from_mins(1))
}

/// Images are compared as they were written: a server says what it was sent.
fn is_asked(found: &Snapshot, asked: &CreateSnapshot) -> bool {
    found.docker_image.as_deref() == Some(&asked.docker_image)
        && found.fs_capacity_bytes == asked.fs_capacity_bytes
        && found.registry_id == asked.registry_id
        && has_labels(&found.labels, &asked.labels)
}

fn is_captured(found: &Snapshot, asked: &CaptureSnapshot) -> bool {
    (found.source_sandbox_id.is_some() || asked.docker_image.is_some()) && has_labels(&found.labels, &asked.labels)
}

/// Further labels may come from the image, the snapshot or the sandbox that it was made from.
pub(super) fn has_labels(found: &Labels, asked: &Labels) -> bool {
    asked.iter().all(|(key, value)| found.get(key) == Some(value))
}

object!(Snapshot, Snapshot, SnapshotList, snapshots, route::SNAPSHOTS, route::SNAPSHOT, rules,
    only in Second, cursor in next_cursor);

fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    let mapped = match (operation.verb, status) {
        (Verb::Create, 400 | 404) if detail.misses("registry") => Mapped::new(Kind::NotFound).about(Resource::Registry),
        (Verb::Capture, 409) => Mapped::new(Kind::NotReady).about(Resource::Sandbox),
        (Verb::Delete, 409) => Mapped::new(Kind::InUse).about(Resource::Snapshot),
        _ => return None,
    };
    Some(mapped)
}
