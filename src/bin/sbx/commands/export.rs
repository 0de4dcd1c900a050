//! `sbx export`: manifests for what is live.

use std::path::{Path, PathBuf};

use sbx::kinds::{self, KindId, Live};
use sbx::reconcile::World;

use crate::args::Whereabouts;
use crate::context::Context;
use crate::export;
use crate::failure::{Exit, Failure};
use crate::folder::Folder;
use crate::interrupt;
use crate::naming::{self, Named};
use crate::perform::tell_oddities;
use crate::project::{Access, Project};
use crate::ui::diagnostic::counted;
use crate::ui::{Ui, escape};
use crate::workspace::Workspace;

/// Write manifests for what is live
///
/// A plan of what is written is empty. What no manifest can declare is left out and listed on standard error, and so is
/// what a replacement built or left, and what another project owns. Sandboxes are exported only when asked for: most are
/// made by programs, for a while.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx export > live.yaml                   All but sandboxes, as one stream
  sbx export -o manifests                  One file for each kind
  sbx export -o manifests --split          One for each object, such as volumes/datasets.yaml
  sbx export pools template/python         Some kinds, some objects
  sbx export --in prod --sandboxes")]
pub(crate) struct Export {
    /// What to export: kinds, and objects as KIND/NAME; all but sandboxes when left out
    #[arg(value_name = "KIND[/NAME]")]
    objects: Vec<String>,
    /// Write files into this folder, with the schema for editors
    #[arg(long = "output", short = 'o', value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Write a file for each object, in a folder for each kind
    #[arg(long, requires = "folder")]
    split: bool,
    /// Replace files that are there already
    #[arg(long, requires = "folder")]
    force: bool,
    /// Export sandboxes too
    #[arg(long)]
    sandboxes: bool,
    #[command(flatten)]
    place: Whereabouts,
}

/// What is to be exported.
enum Wanted {
    All { sandboxes: bool },
    Named { kinds: Vec<KindId>, objects: Vec<Named> },
}

impl Export {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let wanted = self.wanted()?;
        let project = Project::of_objects(&self.place, Access::Reads, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let result = interrupt::or_stop(workspace.observe()).await;
        let world = workspace.finish(result, &mut cx.ui).await?;

        wanted.check(&world)?;
        tell_oddities(&world, &mut cx.ui);
        let exported = export::Export::of(&world, |live| wanted.has(live));
        for (key, why) in &exported.left_out {
            cx.ui.warning(&format!("left out: {key}: {}", escape(why)));
        }
        let n_sandboxes = world.iter().filter(|live| is_left_out(live.key.kind)).count();
        if matches!(wanted, Wanted::All { sandboxes: false }) && n_sandboxes > 0 {
            cx.ui.status(&format!("{} not exported; --sandboxes exports them too.", counted_boxes(n_sandboxes)));
        }
        match &self.folder {
            None => cx.ui.data(&exported.to_stream()),
            Some(folder) => self.write(folder, &exported, &mut cx.ui)?,
        }
        Ok(Exit::Done)
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        if self.objects.is_empty() {
            return Ok(Wanted::All { sandboxes: self.sandboxes });
        }
        let (objects, kinds): (Vec<_>, Vec<_>) = self.objects.iter().partition(|word| word.contains('/'));
        let kinds = kinds.into_iter().map(|word| naming::kinds(word)).collect::<Result<Vec<_>, _>>()?;
        let mut kinds = kinds.concat();
        kinds.extend(kinds::all().filter(|kind| self.sandboxes && is_left_out(*kind)));
        let objects = objects.into_iter().map(|word| naming::key(word)).collect::<Result<_, _>>()?;
        Ok(Wanted::Named { kinds, objects })
    }

    fn write(&self, path: &Path, exported: &export::Export, ui: &mut Ui) -> Result<(), Failure> {
        let files = exported.files(self.split);
        Folder { path, force: self.force }.write(&files, ui)?;
        let n = counted(exported.objects.len(), "object");
        ui.status(&format!("Exported {n} into {}.", counted(files.len(), "file")));
        ui.hint(&format!("`sbx plan -f {}` compares them with what is live", escape(&path.display().to_string())));
        Ok(())
    }
}

/// Returns whether objects of a kind are exported only when that is asked for: programs make them for themselves.
fn is_left_out(kind: KindId) -> bool {
    kind.info().made_by_programs
}

fn counted_boxes(n: usize) -> String {
    if n == 1 { "1 sandbox is".to_owned() } else { format!("{n} sandboxes are") }
}

impl Wanted {
    fn has(&self, live: &Live) -> bool {
        match self {
            Self::All { sandboxes } => *sandboxes || !is_left_out(live.key.kind),
            Self::Named { kinds, objects } => {
                kinds.contains(&live.key.kind) || objects.iter().any(|named| named.keys().contains(&live.key))
            }
        }
    }

    /// Fails if an object that is named is not there.
    fn check(&self, world: &World) -> Result<(), Failure> {
        let Self::Named { objects, .. } = self else { return Ok(()) };
        let keys = naming::among(objects, |key| world.get(key).is_some())?;
        let missing: Vec<_> = keys.iter().filter(|key| world.get(key).is_none()).map(ToString::to_string).collect();
        if missing.is_empty() { Ok(()) } else { Err(Failure::NotFound { objects: missing }) }
    }
}
