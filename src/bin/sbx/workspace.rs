//! The workspace that a command works on: a client, and whatever has to be kept alive for it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sbx::client::{Client, Config, Error};
use sbx::kinds::Secrets;
use sbx::reconcile::{Plan, World, look_again, observe};
use sbx::server::{self, Embedded};

use crate::args::{Connection, SandboxPlace, Whereabouts};
use crate::context::Context;
use crate::contexts::Contexts;
use crate::env;
use crate::failure::Failure;
use crate::project::{self, Access, Project};
use crate::record::{LockArgs, Record};
use crate::settings::{self, Remote, Server, Settings, Source};
use crate::ui::plan::InventorySeen;
use crate::ui::{Ui, escape};
use crate::{interrupt, local, secrets};

/// What is said where no record is kept.
const NO_RECORD: &str = "No inventory: what is applied is not recorded, so that nothing can be pruned, and drift cannot \
                         be told from a change. What has a declared name is taken for what is declared, whoever made it.";

/// A workspace, opened for one command.
pub(crate) struct Workspace {
    /// The client of its server.
    pub(crate) client: Client,
    /// What it was found by.
    pub(crate) settings: Settings,
    server: Server,
    embedded: Option<Embedded>,
    /// What was said of the server that is built in.
    notice: Option<String>,
    /// The record of what is owned in it; `None` if there is to be none.
    pub(crate) record: Option<Record>,
    /// Who we are in the labels of what is made in it; `None` if nothing names us that is the same on every machine.
    pub(crate) owner: Option<Arc<str>>,
    /// Where the secrets are that its manifests name.
    secrets: secrets::Place,
}

impl Workspace {
    /// Opens the workspace that flags, the project's target, variables and contexts name. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// [`Failure::NoServer`] when nothing names one, and whatever keeps the client or the local server from being set
    /// up.
    pub(crate) async fn open(connection: &Connection, project: &Project, cx: &mut Context) -> Result<Self, Failure> {
        let contexts = || Contexts::load(&cx.environment, &mut cx.ui);
        let settings = Settings::resolve(&connection.server, project, contexts, &cx.environment)?;
        let Some(server) = settings.server.clone() else {
            return Err(Failure::NoServer { has_stray_key: settings.has_stray_key });
        };
        let record = Record::open(&connection.record, &settings, &server, &cx.environment)?;
        let secrets = secrets::Place::new(cx.environment.clone(), project.root.clone());
        let mut workspace = match server {
            Server::Local { data_dir, from } => Self::open_local(data_dir, from, settings, secrets, cx).await?,
            Server::Remote(remote) => {
                let remote = with_key(remote, &settings, cx).await?;
                Self::connect(remote, settings, secrets)?
            }
        };
        workspace.owner = owner_of(project, record.as_ref()).map(Into::into);
        workspace.record = record;
        Ok(workspace)
    }

    /// Opens the workspace of a command that works in sandboxes.
    ///
    /// # Errors
    ///
    /// Those of [`Workspace::open`], and [`Failure::Usage`] when several targets could be meant.
    pub(crate) async fn of_sandboxes(place: &SandboxPlace, access: Access, cx: &mut Context) -> Result<Self, Failure> {
        let place = Whereabouts::from(place.clone());
        let project = Project::of_objects(&place, access, &mut cx.ui)?;
        Self::open(&place.connection, &project, cx).await
    }

    fn connect(remote: Remote, settings: Settings, secrets: secrets::Place) -> Result<Self, Failure> {
        let client = client_of(&remote, &settings)?;
        let server = Server::Remote(remote);
        Ok(Self { client, settings, server, embedded: None, notice: None, record: None, owner: None, secrets })
    }

    /// Opens the local data in this process, or connects to the `sbx serve` that has it open.
    async fn open_local(
        data_dir: PathBuf,
        from: Source,
        settings: Settings,
        secrets: secrets::Place,
        cx: &mut Context,
    ) -> Result<Self, Failure> {
        project::ignore_local_data(&data_dir)?;
        if let Some(running) = server::running(&data_dir) {
            return Self::join(&running.url, settings, secrets, cx);
        }
        match interrupt::or_stop(local::open(&data_dir)).await {
            Ok(embedded) => {
                let shown = settings::shown_path(&data_dir);
                let notice = embedded.notice().map(ToOwned::to_owned);
                let note = notice.as_deref().map(|notice| format!(" Note: {notice}.")).unwrap_or_default();
                cx.ui.status(&format!("Local server, data in {}.{note}", escape(&shown)));
                let client = local::client(&embedded);
                let server = Server::Local { data_dir, from };
                Ok(Self {
                    client,
                    settings,
                    server,
                    embedded: Some(embedded),
                    notice,
                    record: None,
                    owner: None,
                    secrets,
                })
            }
            // It came while this process waited for the data.
            Err(Failure::Server { source: server::Error::DataDirBusy { url: Some(url), .. } }) => {
                Self::join(&url, settings, secrets, cx)
            }
            Err(failure) => Err(failure),
        }
    }

    fn join(url: &str, settings: Settings, secrets: secrets::Place, cx: &mut Context) -> Result<Self, Failure> {
        cx.ui.status(&format!("Local server, running at {}.", escape(url)));
        Self::connect(Remote::running(url, &cx.environment), Settings { ca_file: None, ..settings }, secrets)
    }

    /// Takes the lock of the record, so that what is read from now on is what an apply may begin with. Without a record
    /// it tells what that means.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`] and [`Failure::Interrupted`].
    pub(crate) async fn lock(&self, command: &str, args: &LockArgs, ui: &mut Ui) -> Result<(), Failure> {
        if let Some(record) = &self.record {
            interrupt::or_stop(record.lock(command, args, ui)).await
        } else {
            self.tell_of_no_record(ui);
            Ok(())
        }
    }

    /// Tells what it means that no record is kept, if none is.
    pub(crate) fn tell_of_no_record(&self, ui: &mut Ui) {
        if self.record.is_none() {
            ui.status(NO_RECORD);
        }
    }

    /// Returns the record of what is owned in it.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when there is to be none.
    pub(crate) fn recorded(&self) -> Result<&Record, Failure> {
        self.record.as_ref().ok_or_else(|| Failure::Usage {
            message: "this works on the inventory, and there is none".to_owned(),
            hint: Some("leave `--inventory none` away, or name one with --inventory URL".to_owned()),
        })
    }

    /// Refuses to prune by a record that the next run will not find.
    ///
    /// # Errors
    ///
    /// [`Failure::PassingInventory`].
    pub(crate) fn check_prune(&self, prunes: bool) -> Result<(), Failure> {
        self.record.as_ref().map_or(Ok(()), |record| record.check_prune(prunes))
    }

    /// Reads the live state, and what is recorded of it.
    ///
    /// # Errors
    ///
    /// [`Failure::Call`], [`Failure::Inventory`] and [`Failure::OtherWorkspace`].
    pub(crate) async fn observe(&self) -> Result<World, Failure> {
        let world = self.live().await?;
        match &self.record {
            Some(record) => {
                let (reading, siblings) = record.read().await?;
                let world = look_again(world, &reading.inventory, &self.client.reader()).await;
                record.settle(world.map_err(|error| self.failure(error))?, reading, siblings)
            }
            None => Ok(world),
        }
    }

    /// Reads the live state, and what is recorded of it, as far as that can be read: what cannot is told.
    ///
    /// # Errors
    ///
    /// [`Failure::Call`].
    pub(crate) async fn observe_leniently(&self, ui: &mut Ui) -> Result<World, Failure> {
        match self.observe().await {
            Err(failure @ (Failure::Inventory(_) | Failure::OtherWorkspace { .. })) => {
                let reasons: Vec<_> = std::iter::once(failure.to_string()).chain(failure.causes()).collect();
                ui.warning(&escape(&reasons.join(": ")));
                self.live().await
            }
            observed => observed,
        }
    }

    /// Reads the live state alone.
    ///
    /// # Errors
    ///
    /// [`Failure::Call`].
    pub(crate) async fn live(&self) -> Result<World, Failure> {
        let mut world = observe(&self.client.reader(), env::now()).await.map_err(|error| self.failure(error))?;
        world.owner.clone_from(&self.owner);
        Ok(world)
    }

    /// Reads the secrets that a plan takes.
    ///
    /// # Errors
    ///
    /// [`Failure::Secrets`].
    pub(crate) fn secrets(&self, plan: &Plan) -> Result<Secrets, Failure> {
        self.secrets.read(plan)
    }

    /// Returns whether its server is in this process, with no address.
    pub(crate) fn ends_with_the_command(&self) -> bool {
        self.embedded.is_some()
    }

    /// Returns the workspace as messages name it: the server, and what is said to mean it.
    pub(crate) fn label(&self) -> String {
        self.settings.label_of(&self.server)
    }

    /// Returns what tells this workspace from others, in a saved plan.
    pub(crate) fn identity(&self) -> String {
        match &self.settings.server {
            Some(Server::Local { .. }) | None => "local".to_owned(),
            Some(server @ Server::Remote(_)) => server.label(),
        }
    }

    /// Returns the target that it was found by.
    pub(crate) fn target(&self) -> Option<&str> {
        self.settings.target.as_deref()
    }

    /// Returns the inventory as it was read; `None` if there is to be none.
    pub(crate) fn inventory(&self) -> Option<InventorySeen> {
        self.record.as_ref().map(Record::shown)
    }

    /// Returns the one word that means the workspace.
    pub(crate) fn name(&self) -> String {
        self.settings.name_of(&self.server)
    }

    /// Makes a failure of a call.
    pub(crate) fn failure(&self, source: Error) -> Failure {
        Failure::Call { server: Box::new(self.server.clone()), source, near: None }
    }

    /// Closes the workspace after a command and passes on how that ended. What was begun is finished, unless somebody
    /// says stop. What the server that is built in found out meanwhile is told.
    ///
    /// # Errors
    ///
    /// Those of `result`, and [`Failure::Interrupted`].
    pub(crate) async fn finish<T>(mut self, result: Result<T, Failure>, ui: &mut Ui) -> Result<T, Failure> {
        let found = self.embedded.as_ref().and_then(Embedded::notice);
        if let Some(notice) = found.filter(|notice| self.notice.as_deref() != Some(notice)) {
            ui.status(&format!("Note: {notice}."));
        }
        // On an interrupt too: who waits for the lock would have to wait until it dies.
        if let Some(record) = self.record.take() {
            record.close().await;
        }
        if matches!(result, Err(Failure::Interrupted)) {
            return result;
        }
        let close = async {
            self.close().await;
            result
        };
        interrupt::or_stop(close).await
    }

    async fn close(self) {
        self.client.close().await;
        if let Some(embedded) = self.embedded {
            embedded.close().await;
        }
    }
}

/// Makes the client of a server whose key is known. Nothing is called yet.
///
/// # Errors
///
/// [`Failure::Usage`], [`Failure::File`] and [`Failure::Config`] when what it is made from is not good.
pub(crate) fn client_of(remote: &Remote, settings: &Settings) -> Result<Client, Failure> {
    if remote.has_credentials() {
        let message = format!("the endpoint from {} carries a user name or a password", remote.url_from);
        return Err(Failure::Usage { message, hint: Some(format!("put the key into {}", remote.key_from)) });
    }
    let mut config = Config::new(remote.base_url.clone()).socket_timeouts(settings.socket_timeouts);
    if let Some(key) = &remote.key {
        config = config.api_key(key.clone());
    }
    if let Some((path, _)) = &settings.ca_file {
        let pem = fs::read(path).map_err(|source| Failure::File { action: "read", path: path.clone(), source })?;
        config = config.ca_certificate(pem);
    }
    Client::new(config).map_err(|source| Failure::Config { server: Box::new(Server::Remote(remote.clone())), source })
}

/// Returns what names us on the server: the project with its target, or else the address of the record.
fn owner_of(project: &Project, record: Option<&Record>) -> Option<String> {
    match (&project.name, project.target_name()) {
        (Some(name), Some(target)) => Some(format!("{name}/{target}")),
        (Some(name), None) => Some(name.clone()),
        (None, _) => record.and_then(Record::address),
    }
}

/// Gets the key of a server, where it has to be got.
async fn with_key(mut remote: Remote, settings: &Settings, cx: &mut Context) -> Result<Remote, Failure> {
    if let Some(key) = remote.key_source.take() {
        let fetched = interrupt::or_stop(async { Ok(key.fetch(&cx.environment, &mut cx.ui).await) }).await?;
        let context = settings.context.clone().unwrap_or_default();
        remote.key = Some(fetched.map_err(|source| Failure::Key { context, source })?);
    }
    Ok(remote)
}
