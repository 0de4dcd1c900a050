//! What is said about manifests that moved: what became of what, what is to be known about it, and what comes next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sbx::kinds::KindId;
use sbx::kinds::migration::{Migration, Weight};

use crate::env;
use crate::migrated::{Migrated, Remark};
use crate::project::{Place, Project, Target, paths};
use crate::ui::diagnostic::counted;
use crate::ui::style::{self, paint};
use crate::ui::{Ui, escape};

/// How many remarks of a weight are listed; all of them stand in the new manifests.
const MOST: usize = 20;

/// Says what became of what, and lists what the new manifests say in comments.
pub(super) fn tell(migration: &Migration, migrated: &Migrated, folder: Option<&Path>, ui: &mut Ui) {
    let mut numbers: BTreeMap<(KindId, Option<KindId>), usize> = BTreeMap::new();
    for moved in &migration.moved {
        *numbers.entry((moved.from.kind, moved.to.as_ref().map(|to| to.key.kind))).or_default() += 1;
    }
    for ((from, to), n) in numbers {
        let before = number_of(n, from);
        ui.status(&match to {
            Some(to) if to == from => format!("{before} of {}: as before.", from.info().api_version),
            Some(to) => format!("{before} became {} of {}.", number_of(n, to), to.info().api_version),
            None => format!("{before} became nothing."),
        });
    }
    for (weight, heading) in [(Weight::ToDo, "To do"), (Weight::Lost, "Lost")] {
        list(heading, migrated.remarks.iter().filter(|remark| remark.weight == weight), folder, ui);
    }
    let n_decided = migrated.remarks.iter().filter(|remark| remark.weight == Weight::Decided).count();
    if n_decided > 0 {
        ui.status(&format!("{} more: see `decided:` in the new manifests.", counted(n_decided, "comment")));
    }
}

fn number_of(n: usize, kind: KindId) -> String {
    let info = kind.info();
    format!("{n} {}", if n == 1 { info.singular } else { info.plural })
}

fn list<'a>(heading: &str, remarks: impl Iterator<Item = &'a Remark>, folder: Option<&Path>, ui: &mut Ui) {
    let remarks: Vec<_> = remarks.collect();
    if remarks.is_empty() {
        return;
    }
    ui.status(&paint(style::STRONG, format_args!("{heading}:")));
    for Remark { file, line, text, .. } in remarks.iter().take(MOST) {
        let place = folder.map_or_else(String::new, |folder| format!("{}:{line}: ", folder.join(file).display()));
        ui.status(&format!("  {}", escape(&format!("{place}{text}"))));
    }
    let n_more = remarks.len().saturating_sub(MOST);
    if n_more > 0 {
        ui.status(&format!("  … and {n_more} more in the new manifests"));
    }
}

/// Says what is to be done with the new manifests, and beside them.
pub(super) fn tell_what_is_next(
    migration: &Migration,
    inputs: &[PathBuf],
    folder: Option<&Path>,
    project: &Project,
    ui: &mut Ui,
) {
    if migration.moved.iter().all(|moved| moved.to.is_none()) {
        ui.warning("no manifest came of it: there is nothing but comments");
    }
    let Some(folder) = folder else {
        ui.hint("-o FOLDER writes it into files");
        return;
    };
    let shown = folder.display();
    ui.hint(&format!(
        "`sbx validate -f {shown}` checks what you fill in, and `sbx plan -f {shown}` shows what it would do"
    ));
    for step in &migration.steps {
        ui.hint(step);
    }
    let directory = env::working_directory();
    let inputs: Vec<_> = inputs.iter().map(|input| paths::normal(&directory.join(input))).collect();
    for target in project.targets.iter().filter(|target| reads_any(target, &inputs)) {
        tell_of_target(target, &paths::normal(&directory.join(folder)), project, ui);
    }
}

fn reads_any(target: &Target, inputs: &[PathBuf]) -> bool {
    let mut pairs = target.manifests.iter().flat_map(|read| inputs.iter().map(move |input| (read, input)));
    pairs.any(|(read, input)| read.starts_with(input) || input.starts_with(read))
}

/// Two targets have two records: with one, each apply would take the other's objects for declared no longer.
fn tell_of_target(target: &Target, folder: &Path, project: &Project, ui: &mut Ui) {
    let place = match &target.place {
        Place::Local => "local: true, ".to_owned(),
        Place::Context(name) => format!("context: {name}, "),
        Place::Unsaid => String::new(),
    };
    let name = &target.name;
    let folder = paths::seen_from(&project.root, folder);
    ui.hint(&format!(
        "`sbx.yaml` is as it was: give the new manifests a target of their own beside `{name}`, such as `{name}-v2: \
         {{{place}manifests: [{}]}}`",
        folder.display()
    ));
    let patches: Vec<_> =
        target.patches.iter().map(|patch| paths::seen_from(&project.root, patch).display().to_string()).collect();
    if !patches.is_empty() {
        ui.hint(&format!(
            "the patches of `{name}` are for the old manifests, and were not applied: {}",
            patches.join(", ")
        ));
    }
}
