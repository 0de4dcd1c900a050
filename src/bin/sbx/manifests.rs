//! Reading what `-f` or a target names, with what the target changes in it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sbx::kinds::{self, Key, Object, Unmatched};
use sbx::manifest::{self, Diagnostic, Diagnostics, Documents, Input, Limits, Span, code};
use sbx::reconcile::Desired;
use sbx::reconcile::plan::{Change, Note, Policy, Scope};

use crate::args::ManifestArgs;
use crate::env;
use crate::failure::Failure;
use crate::project::{Project, paths};
use crate::ui::plan::Place;
use crate::ui::{Ui, diagnostic, output};

/// Manifests without an error in them.
pub(crate) struct Manifests {
    /// The texts, for naming places in them.
    pub(crate) documents: Documents,
    /// What they declare.
    pub(crate) desired: Desired,
    /// What is odd about them, which has been told.
    pub(crate) diagnostics: Diagnostics,
    /// The files and folders that were named, as [`Object::source`] names them; `None` for all that the target has.
    part: Option<Vec<Arc<str>>>,
}

impl Manifests {
    /// Returns how many files declare something.
    pub(crate) fn n_files(&self) -> usize {
        let documents = self.documents.documents.iter();
        documents.map(|document| document.source).collect::<BTreeSet<_>>().len()
    }

    /// Returns what a plan of them may do: what their target says, in the part that was named.
    pub(crate) fn policy(&self, project: &Project) -> Policy {
        let policy = project.policy();
        Policy { scope: Scope { sources: self.part.clone(), ..policy.scope }, ..policy }
    }

    /// Returns where a change comes from: the field that is in the way, or the object's name.
    pub(crate) fn place_of(&self, change: &Change) -> Option<Place> {
        let object = self.desired.get(&change.key)?;
        Some(self.place_at(match field_at_fault(change) {
            Some(field) => object.place_of(&self.documents, field),
            None => object.origin.name,
        }))
    }

    /// Returns where an object is declared, if it is.
    pub(crate) fn place_of_key(&self, key: &Key) -> Option<Place> {
        self.desired.get(key).map(|object| self.place_at(object.origin.name))
    }

    fn place_at(&self, span: Span) -> Place {
        let location = self.documents.sources.location(span);
        Place { file: location.name.to_owned(), line: location.line, column: location.column }
    }
}

fn field_at_fault(change: &Change) -> Option<&'static str> {
    let spec = change.spec.as_ref()?;
    change.notes.iter().find_map(|note| match note {
        Note::WouldShrink { path, .. } => Some(*path),
        Note::MissingReference { missing: reference } | Note::ReferenceRenamed { stale: reference, .. } => {
            let mut fields = spec.kind().fields().iter().zip(spec.values());
            let refers = |value: &kinds::Value| value.references().contains(&reference);
            let field = fields.find(|(_, value)| value.as_ref().is_some_and(refers));
            field.map(|(field, _)| field.path)
        }
        _ => None,
    })
}

/// Reads everything that is named, and shows all that is wrong with it.
///
/// # Errors
///
/// [`Failure::Manifests`] when something is wrong; warnings are no reason.
pub(crate) fn read(args: &ManifestArgs, project: &Project, ui: &mut Ui) -> Result<Manifests, Failure> {
    let (documents, objects, diagnostics) = load(args, project)?;
    report(&documents, &diagnostics, project.target_name(), ui)?;
    let working_directory = env::working_directory();
    let name = |path: &PathBuf| source_name(&path.display().to_string(), &working_directory, &project.root).into();
    let part = (!args.files.is_empty()).then(|| args.files.iter().map(name).collect());
    Ok(Manifests { documents, desired: Desired::new(objects), diagnostics, part })
}

/// Reads what is named, if anything is: a target, or files.
///
/// # Errors
///
/// Those of [`read`].
pub(crate) fn read_if_named(args: &ManifestArgs, project: &Project, ui: &mut Ui) -> Result<Option<Manifests>, Failure> {
    let is_named = project.target.is_some() || !args.files.is_empty();
    if is_named { read(args, project, ui).map(Some) } else { Ok(None) }
}

fn load(args: &ManifestArgs, project: &Project) -> Result<(Documents, Vec<Object>, Diagnostics), Failure> {
    let limits = Limits::default();
    let working_directory = env::working_directory();
    let shown = |path: &PathBuf| Input::Path(paths::seen_from(&working_directory, path));
    let target = project.target.as_ref();
    // First, so that a patch that lies among the manifests is read as what it is.
    let mut inputs: Vec<_> = target.iter().flat_map(|target| &target.patches).map(shown).collect();
    let n_patches = inputs.len();
    if args.files.is_empty() {
        inputs.extend(target.iter().flat_map(|target| &target.manifests).map(shown));
    } else {
        let named = args.files.iter().map(|path| input(path, &limits)).collect::<Result<Vec<_>, _>>()?;
        inputs.extend(named);
    }
    let (mut documents, found) = manifest::load(&inputs, &limits);
    let mut diagnostics = Diagnostics::new();
    diagnostics.extend(found.into_iter().map(|diagnostic| with_who_names_it(diagnostic, args, project)));
    let all = std::mem::take(&mut documents.documents);
    let (patches, manifests) = all.into_iter().partition(|document| document.input < n_patches);
    documents.documents = manifests;
    leave_out_what_is_no_manifest(&mut documents, project, &working_directory);
    let unmatched = if args.files.is_empty() { Unmatched::Error } else { Unmatched::Ignored };
    kinds::patch(&mut documents, &patches, unmatched, &mut diagnostics);
    let mut objects = kinds::decode(&documents, &mut diagnostics);
    name_sources(&mut objects, &working_directory, &project.root);
    diagnostics.sort();
    Ok((documents, objects, diagnostics))
}

/// Says of a path of a target, which nobody wrote on the command line, where it was written.
fn with_who_names_it(diagnostic: Diagnostic, args: &ManifestArgs, project: &Project) -> Diagnostic {
    let working_directory = env::working_directory();
    let is_of_path = matches!(diagnostic.code, code::UNREADABLE | code::NO_DOCUMENT);
    let is_named = |path: &PathBuf| {
        diagnostic.message.contains(&format!("`{}`", paths::seen_from(&working_directory, path).display()))
    };
    match (&project.file, &project.target) {
        (Some(file), Some(target))
            if is_of_path
                && args.files.is_empty()
                && diagnostic.help.is_none()
                && target.manifests.iter().chain(&target.patches).any(is_named) =>
        {
            let file = paths::seen_from(&working_directory, file);
            diagnostic.help(format!("target `{}` in {} names it", target.name, file.display()))
        }
        _ => diagnostic,
    }
}

/// Takes out the project's file and the patches of all targets, which may lie in a folder of manifests.
fn leave_out_what_is_no_manifest(documents: &mut Documents, project: &Project, working_directory: &Path) {
    let is_other = |name: &str| {
        let path = paths::normal(&working_directory.join(name));
        let is_file = project.file.as_ref().is_some_and(|file| *file == path);
        is_file || path.ancestors().any(|ancestor| project.patches.contains(ancestor))
    };
    let others: Vec<bool> = documents.sources.iter().map(|source| is_other(source.name())).collect();
    documents.documents.retain(|document| !others[document.source.index()]);
}

/// Names each object's file from the project's root on, so that it means the same on every machine.
fn name_sources(objects: &mut [Object], working_directory: &Path, root: &Path) {
    let mut named: Option<(Arc<str>, Arc<str>)> = None;
    for object in objects {
        let Some(source) = &object.source else { continue };
        // The objects of one file share its name, and follow each other.
        let name = match &named {
            Some((known, name)) if Arc::ptr_eq(known, source) => Arc::clone(name),
            _ => source_name(source, working_directory, root).into(),
        };
        named = Some((Arc::clone(source), Arc::clone(&name)));
        object.source = Some(name);
    }
}

/// Returns a path as it is written in the project's root; what is no path, or lies outside, stays as it was named.
pub(crate) fn source_name(name: &str, working_directory: &Path, root: &Path) -> String {
    if matches!(name, "-" | "<stdin>") {
        return "<stdin>".to_owned();
    }
    let path = paths::normal(&working_directory.join(name));
    match path.strip_prefix(root) {
        Ok(below) if below.as_os_str().is_empty() => ".".to_owned(),
        Ok(below) => below.display().to_string(),
        Err(_) => name.to_owned(),
    }
}

fn input(path: &Path, limits: &Limits) -> Result<Input, Failure> {
    if path.as_os_str() != "-" {
        return Ok(Input::Path(path.to_owned()));
    }
    let mut bytes = Vec::new();
    // One byte more than is taken, so that what is too long is seen to be.
    let most = limits.file_bytes as u64 + 1;
    std::io::stdin().take(most).read_to_end(&mut bytes).map_err(|source| Failure::Input { source })?;
    Ok(Input::Stdin(bytes))
}

fn report(documents: &Documents, diagnostics: &Diagnostics, target: Option<&str>, ui: &mut Ui) -> Result<(), Failure> {
    if diagnostics.is_empty() {
        return Ok(());
    }
    let summary = diagnostic::summary(diagnostics);
    output::diagnostics(diagnostics, &documents.sources, target, ui)?;
    ui.problem(&diagnostic::draw(diagnostics, &documents.sources, ui.width()));
    if diagnostics.has_errors() {
        return Err(Failure::Manifests { summary });
    }
    ui.status(&format!("{summary}."));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_means_the_same_wherever_one_stands() {
        let name = |name, working_directory| source_name(name, Path::new(working_directory), Path::new("/p"));
        assert_eq!(name("manifests/a.yaml", "/p"), "manifests/a.yaml");
        assert_eq!(name("../manifests/a.yaml", "/p/sub"), "manifests/a.yaml");
        assert_eq!(name("/p/manifests/a.yaml", "/elsewhere"), "manifests/a.yaml");
        assert_eq!(name(".", "/p"), ".");
        assert_eq!(name("../other/a.yaml", "/p"), "../other/a.yaml");
        assert_eq!(name("-", "/p"), "<stdin>");
    }
}
