//! Which target a command is meant for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sbx::manifest::{self, Input, Limits, suggest};
use sbx::reconcile::plan::{Policy, Scope};

use super::{FILE, ProjectFile, Target, file, find_file, paths, root};
use crate::args::{Connection, ManifestArgs, Whereabouts};
use crate::env;
use crate::failure::Failure;
use crate::ui::{Ui, diagnostic};

/// The project that a command works in, and the target that it is meant for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    /// Its folder: what paths in it are relative to.
    pub(crate) root: PathBuf,
    /// Its name, if its file gives one.
    pub(crate) name: Option<String>,
    /// Its file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The target, if one is meant.
    pub(crate) target: Option<Target>,
    /// Every target of its file.
    pub(crate) targets: Vec<Target>,
    /// The patches of all targets: files and folders that are no manifests.
    pub(crate) patches: BTreeSet<PathBuf>,
}

/// Whether a command changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It only looks.
    Reads,
    /// It changes live objects, or what is recorded of them.
    Writes,
}

impl Project {
    /// Returns the name of the target that is meant, if one is.
    pub(crate) fn target_name(&self) -> Option<&str> {
        self.target.as_ref().map(|target| target.name.as_str())
    }

    /// Returns the project, with the target that manifests are meant for: the one that is named or, where nothing else
    /// says which manifests are meant, the one that goes without saying.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when no target and no manifests are meant, and [`Failure::BadFile`] when the project's file is
    /// not good.
    pub(crate) fn of_manifests(args: &ManifestArgs, access: Access, ui: &mut Ui) -> Result<Self, Failure> {
        let opened = Opened::here(ui)?;
        let target = match &args.target {
            Some(name) => Some(opened.named(name)?),
            None if !args.files.is_empty() => None,
            None => Some(opened.unsaid(access, "name one of")?),
        };
        Ok(opened.aimed_at(target, ui))
    }

    /// Returns the project for a command that does with manifests or without them: with the target that is named or, where
    /// neither manifests nor a server are named, the one that goes without saying.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when several targets could be meant, and [`Failure::BadFile`] when the project's file is not
    /// good.
    pub(crate) fn of_either(
        args: &ManifestArgs,
        connection: &Connection,
        access: Access,
        ui: &mut Ui,
    ) -> Result<Self, Failure> {
        let opened = Opened::here(ui)?;
        let target = match &args.target {
            Some(name) => Some(opened.named(name)?),
            None if !args.files.is_empty() || connection.server.names_server() || opened.file.is_none() => None,
            None => Some(opened.unsaid(access, "name one of")?),
        };
        Ok(opened.aimed_at(target, ui))
    }

    /// Returns the project, with the target that objects are looked for in: the one that is named or, where nothing says
    /// which server is meant, the one that goes without saying.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when several targets could be meant, and [`Failure::BadFile`] when the project's file is not
    /// good.
    pub(crate) fn of_objects(place: &Whereabouts, access: Access, ui: &mut Ui) -> Result<Self, Failure> {
        let opened = Opened::here(ui)?;
        let target = match &place.target {
            Some(name) => Some(opened.named(name)?),
            None if place.connection.server.names_server() || opened.file.is_none() => None,
            None if access == Access::Reads => opened.unsaid(access, "pass --in with one of").ok(),
            None => Some(opened.unsaid(access, "pass --in with one of")?),
        };
        Ok(opened.aimed_at(target, ui))
    }

    /// Returns what a plan may do, as the target says.
    pub(crate) fn policy(&self) -> Policy {
        let Some(target) = &self.target else { return Policy::default() };
        let scope = Scope { selector: target.selector.clone(), ..Scope::default() };
        Policy { prune: target.prune, on_drift: target.on_drift, scope, ..Policy::default() }
    }
}

/// The project, before a target is chosen.
struct Opened {
    root: PathBuf,
    path: Option<PathBuf>,
    file: Option<ProjectFile>,
}

impl Opened {
    fn here(ui: &mut Ui) -> Result<Self, Failure> {
        let directory = env::working_directory();
        let Some(path) = find_file(&directory) else {
            return Ok(Self { root: root(&directory), path: None, file: None });
        };
        let root = root(&directory);
        let file = read(&path, &root, ui)?;
        Ok(Self { root, path: Some(path), file: Some(file) })
    }

    fn aimed_at(self, target: Option<Target>, ui: &mut Ui) -> Project {
        ui.aim_at(target.as_ref().map(|target| target.name.as_str()));
        Project {
            patches: self.targets().iter().flat_map(|target| target.patches.iter().cloned()).collect(),
            targets: self.targets().to_vec(),
            name: self.file.as_ref().and_then(|file| file.name.as_ref()).map(ToString::to_string),
            root: self.root,
            file: self.path,
            target,
        }
    }

    fn targets(&self) -> &[Target] {
        self.file.as_ref().map_or(&[], |file| &file.targets)
    }

    fn named(&self, name: &str) -> Result<Target, Failure> {
        if let Some(target) = self.targets().iter().find(|target| target.name.as_str() == name) {
            return Ok(target.clone());
        }
        let message = match &self.path {
            Some(path) => format!("there is no target `{name}` in `{}`", shown(path)),
            None => format!("there is no target `{name}`: no `{FILE}` is here or above"),
        };
        Err(Failure::Usage { message, hint: Some(self.instead_of(name)) })
    }

    fn instead_of(&self, name: &str) -> String {
        if env::working_directory().join(name).exists() {
            return format!("pass -f {name} for the manifests in it");
        }
        let names = || self.targets().iter().map(|target| target.name.as_str());
        match suggest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.path.is_some() => format!("the targets are {}", self.names()),
            None => "`sbx init` writes one, or pass -f PATH".to_owned(),
        }
    }

    /// What writes is told where to, unless there is only one place.
    fn unsaid(&self, access: Access, how: &str) -> Result<Target, Failure> {
        let Some(file) = &self.file else {
            let message = format!("nothing says which manifests: no -f, and no `{FILE}` here or above");
            let hint = "pass -f PATH, or let `sbx init` write something to begin with".to_owned();
            return Err(Failure::Usage { message, hint: Some(hint) });
        };
        let default = file.default_target.as_deref().filter(|_| access == Access::Reads);
        match (&file.targets[..], default) {
            ([target], _) => Ok(target.clone()),
            (_, Some(name)) => self.named(name),
            _ => {
                let hint = format!("{how} {}", self.names());
                Err(Failure::Usage { message: "which target?".to_owned(), hint: Some(hint) })
            }
        }
    }

    fn names(&self) -> String {
        self.targets().iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Reads the project's file, and shows all that is wrong with it.
fn read(path: &Path, root: &Path, ui: &mut Ui) -> Result<ProjectFile, Failure> {
    let shown = shown(path);
    let (documents, mut out) = manifest::load(&[Input::Path(shown.clone().into())], &Limits::default());
    let decoded = match &documents.documents[..] {
        [document] => file::decode(document, root, &mut out),
        [_, second, ..] => {
            let diagnostic = manifest::Diagnostic::error("two-documents", "a project's file is one document");
            out.push(diagnostic.primary(second.root.head(), "a second one begins here"));
            None
        }
        [] => None,
    };
    out.sort();
    let summary = diagnostic::counts(&out);
    ui.problem(&diagnostic::draw(&out, &documents.sources, ui.width()));
    match decoded {
        Some(file) if !out.has_errors() => Ok(file),
        _ => Err(Failure::BadFile { path: shown, summary }),
    }
}

fn shown(path: &Path) -> String {
    paths::seen_from(&env::working_directory(), path).display().to_string()
}

#[cfg(test)]
mod tests {
    use sbx::types::Name;

    use super::*;
    use crate::project::Place;

    fn opened(names: &[&str], default_target: Option<&str>) -> Opened {
        let target = |name: &&str| Target {
            name: Name::parse(name).unwrap(),
            place: Place::Unsaid,
            manifests: Vec::new(),
            patches: Vec::new(),
            inventory: None,
            prune: false,
            selector: sbx::types::Selector::default(),
            on_drift: sbx::reconcile::plan::OnDrift::default(),
        };
        let targets = names.iter().map(target).collect();
        let file = ProjectFile { name: None, default_target: default_target.map(ToOwned::to_owned), targets };
        Opened { root: "/p".into(), path: Some("/p/sbx.yaml".into()), file: Some(file) }
    }

    fn shown_choice(opened: &Opened, access: Access) -> String {
        match opened.unsaid(access, "name one of") {
            Ok(target) => target.name.to_string(),
            Err(failure) => format!("{failure} {}", failure.hints().join("; ")),
        }
    }

    #[test]
    fn what_goes_without_saying() {
        let one = opened(&["prod"], None);
        let several = opened(&["dev", "prod"], None);
        let with_default = opened(&["dev", "prod"], Some("dev"));
        let nothing = Opened { root: "/p".into(), path: None, file: None };
        insta::assert_snapshot!(shown_choice(&one, Access::Reads), @"prod");
        insta::assert_snapshot!(shown_choice(&one, Access::Writes), @"prod");
        insta::assert_snapshot!(shown_choice(&several, Access::Reads), @"which target? name one of dev, prod");
        insta::assert_snapshot!(shown_choice(&several, Access::Writes), @"which target? name one of dev, prod");
        insta::assert_snapshot!(shown_choice(&with_default, Access::Reads), @"dev");
        insta::assert_snapshot!(shown_choice(&with_default, Access::Writes), @"which target? name one of dev, prod");
        insta::assert_snapshot!(shown_choice(&nothing, Access::Reads), @"nothing says which manifests: no -f, and no `sbx.yaml` here or above pass -f PATH, or let `sbx init` write something to begin with");
    }

    #[test]
    fn a_name_that_is_none() {
        let failure = |name| opened(&["dev", "staging"], None).named(name).unwrap_err();
        let shown = |name| format!("{} {}", failure(name), failure(name).hints().join("; "));
        insta::assert_snapshot!(shown("stagin"), @"there is no target `stagin` in `/p/sbx.yaml` did you mean `staging`?");
        insta::assert_snapshot!(shown("qa"), @"there is no target `qa` in `/p/sbx.yaml` the targets are dev, staging");
        // A folder of the repository, where tests run.
        insta::assert_snapshot!(shown("manifests"), @"there is no target `manifests` in `/p/sbx.yaml` pass -f manifests for the manifests in it");
    }
}
