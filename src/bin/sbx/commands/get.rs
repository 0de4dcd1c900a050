//! `sbx get`: what is live?

use std::collections::HashSet;

use clap::builder::ArgPredicate;
use sbx::client::{Error, Kind, Reader};
use sbx::kinds::{self, KindId, Live, Misnamed};
use sbx::reconcile::World;

use crate::args::Whereabouts;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::naming::{self, Named};
use crate::perform::{tell_oddities, tell_of_misnamed};
use crate::project::{Access, Project};
use crate::ui::listing::{self, Heading};
use crate::ui::{Ui, escape, json};
use crate::workspace::Workspace;

/// List live objects
///
/// KIND is a kind in the singular, the plural or short (`pool`, `pools`, `po`), or `all`. Where two versions of the API have a
/// kind of one name, `sandbox` means both, and `sandbox.v1` and `sandbox.v2` tell them apart, here and in all commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx get all
  sbx get pools
  sbx get --unmanaged                      What sbx apply never touches
  sbx get template python -o yaml          A manifest for what is live
  sbx get sandboxes -o name | xargs -r sbx delete --yes")]
pub(crate) struct Get {
    /// The kind, or `all`; KIND/NAME names one object; left out only with --unmanaged
    #[arg(value_name = "KIND", required = false, required_unless_present = "unmanaged")]
    #[arg(default_value_if("unmanaged", ArgPredicate::IsPresent, "all"))]
    kind: String,
    /// The objects, all of the kind when left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How to show them: table, json with all that is known, yaml as manifests, or name
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: ListFormat,
    /// Only those that no inventory has: nobody's apply touches them
    #[arg(long)]
    unmanaged: bool,
    #[command(flatten)]
    place: Whereabouts,
}

/// How objects are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum ListFormat {
    /// For people.
    #[default]
    Table,
    /// One object with all that is known.
    Json,
    /// Manifests.
    Yaml,
    /// `KIND/NAME`, one a line.
    Name,
}

/// What was asked for.
enum Wanted {
    All,
    /// A kind, or those of several versions that have its name.
    Kind(Vec<KindId>),
    Objects(Vec<Named>),
}

impl Get {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let wanted = self.wanted()?;
        let project = Project::of_objects(&self.place, Access::Reads, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let reading = async {
            let mut found = wanted.read(&workspace).await?;
            if self.unmanaged {
                let world = workspace.observe().await?;
                if world.inventory.is_none() {
                    return Err(no_record());
                }
                let unmanaged: HashSet<_> = world.unmanaged().map(|live| &live.key).collect();
                found.live.retain(|live| unmanaged.contains(&live.key));
            }
            Ok(found)
        };
        let result = interrupt::or_stop(reading).await;
        let Found { live, misnamed, missing, world } = workspace.finish(result, &mut cx.ui).await?;

        match &world {
            Some(world) => tell_oddities(world, &mut cx.ui),
            None => tell_of_misnamed(&misnamed, &mut cx.ui),
        }
        show(&live, self.output, &wanted, &mut cx.ui);
        if live.is_empty() && matches!(self.output, ListFormat::Table) {
            self.nothing_found(&wanted).into_iter().for_each(|said| cx.ui.status(&said));
        }
        if missing.is_empty() { Ok(Exit::Done) } else { Err(Failure::NotFound { objects: missing }) }
    }

    /// Returns what an empty table means; objects that were named and are not there are an error of their own.
    fn nothing_found(&self, wanted: &Wanted) -> Option<String> {
        match (wanted, self.unmanaged) {
            (Wanted::Objects(_), _) => None,
            (Wanted::Kind(kinds), false) => Some(format!("There are no {}.", kinds[0].info().plural)),
            (Wanted::Kind(kinds), true) => Some(format!("There are no unmanaged {}.", kinds[0].info().plural)),
            (Wanted::All, false) => Some("The workspace is empty.".to_owned()),
            (Wanted::All, true) => Some("Everything that is live is managed.".to_owned()),
        }
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        if self.kind == "all" {
            return match self.names.first() {
                None => Ok(Wanted::All),
                Some(_) => Err(Failure::usage("`all` takes no names")),
            };
        }
        if self.names.is_empty() && !self.kind.contains('/') {
            return naming::kinds(&self.kind).map(Wanted::Kind);
        }
        let words: Vec<_> = std::iter::once(&self.kind).chain(&self.names).cloned().collect();
        naming::keys(&words).map(Wanted::Objects)
    }
}

fn no_record() -> Failure {
    let hint = Some("leave `--inventory none` away, or name the inventory".to_owned());
    Failure::Usage { message: "there is no inventory that says what is managed".to_owned(), hint }
}

/// What was there.
#[derive(Default)]
struct Found {
    live: Vec<Live>,
    /// Objects that no manifest could name.
    misnamed: Vec<Misnamed>,
    /// The names of those that are not there.
    missing: Vec<String>,
    /// All that was read, if it was everything.
    world: Option<World>,
}

impl Wanted {
    /// Reads what is wanted, and no more than that.
    async fn read(&self, workspace: &Workspace) -> Result<Found, Failure> {
        let reader = workspace.client.reader();
        let failure = |error| workspace.failure(error);
        match self {
            Self::All => {
                let world = workspace.live().await?;
                let live = world.iter().cloned().collect();
                Ok(Found { live, world: Some(world), ..Found::default() })
            }
            Self::Kind(kinds) => list(kinds, &reader).await.map_err(failure),
            Self::Objects(objects) => {
                let mut found = Found::default();
                for named in objects {
                    match look(named, &reader).await.map_err(failure)? {
                        Some(live) => found.live.push(live),
                        None => found.missing.push(named.keys()[0].to_string()),
                    }
                }
                Ok(found)
            }
        }
    }
}

/// Lists what there is of kinds of one name; not being spoken by the server is an error only where none of them is.
async fn list(kinds: &[KindId], reader: &Reader) -> Result<Found, Error> {
    let (mut found, mut unspoken, mut is_spoken) = (Found::default(), None, false);
    for kind in kinds {
        let objects = match kind.list(reader).await {
            Err(error) if error.kind() == Kind::WrongGeneration => {
                unspoken.get_or_insert(error);
                continue;
            }
            objects => objects?,
        };
        is_spoken = true;
        for object in objects {
            match object {
                Ok(live) => found.live.push(live),
                Err(misnamed) => found.misnamed.push(misnamed),
            }
        }
    }
    found.live.sort_by(|a, b| a.key.cmp(&b.key));
    match unspoken {
        Some(error) if !is_spoken => Err(error),
        _ => Ok(found),
    }
}

/// Reads an object, of the first of the kinds that it may be of.
async fn look(named: &Named, reader: &Reader) -> Result<Option<Live>, Error> {
    for key in named.keys() {
        match key.kind.get(reader, &key.name).await {
            Ok(live) => return Ok(Some(live)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn show(found: &[Live], format: ListFormat, wanted: &Wanted, ui: &mut Ui) {
    match format {
        ListFormat::Json => ui.line(&format!("{:#}", json::objects(found))),
        ListFormat::Yaml => yaml(found, ui),
        ListFormat::Name => found.iter().for_each(|live| ui.line(&live.key.to_string())),
        ListFormat::Table => tables(found, wanted, ui),
    }
}

fn yaml(found: &[Live], ui: &mut Ui) {
    let mut is_first = true;
    for live in found {
        match &live.spec {
            Ok(spec) => {
                let manifest = kinds::to_manifest(&live.key.name, spec);
                let text = serde_yaml::to_string(&manifest).expect("a manifest is plain data with text keys");
                ui.data(&format!("{}{text}", if is_first { "" } else { "---\n" }));
                is_first = false;
            }
            Err(unreadable) => ui.warning(&format!("{} cannot be read: {}", live.key, escape(&unreadable.why))),
        }
    }
}

fn tables(found: &[Live], wanted: &Wanted, ui: &mut Ui) {
    let heading = if matches!(wanted, Wanted::Kind(_)) { Heading::Name } else { Heading::KindAndName };
    let now = crate::env::now();
    let mut texts = Vec::new();
    for kind in kinds::all() {
        let of_kind: Vec<_> = found.iter().filter(|live| live.key.kind == kind).collect();
        if !of_kind.is_empty() {
            texts.push(listing::table(kind, &of_kind, heading, now).to_text(ui.table_width()));
        }
    }
    ui.data(&texts.join("\n"));
}
