//! Reading what `-f` names.

use std::io::Read as _;
use std::path::Path;

use sbx::kinds::{self, Object};
use sbx::manifest::{self, Diagnostics, Documents, Input, Limits};
use sbx::reconcile::Desired;
use sbx::reconcile::plan::{Change, Note};

use crate::args::ManifestArgs;
use crate::failure::Failure;
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
}

impl Manifests {
    /// Returns where a change comes from: the field that is in the way, or the object's name.
    pub(crate) fn place_of(&self, change: &Change) -> Option<Place> {
        let object = self.desired.get(&change.key)?;
        let span = match field_at_fault(change) {
            Some(field) => object.place_of(&self.documents, field),
            None => object.origin.name,
        };
        let location = self.documents.sources.location(span);
        Some(Place { file: location.name.to_owned(), line: location.line, column: location.column })
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
pub(crate) fn read(args: &ManifestArgs, ui: &mut Ui) -> Result<Manifests, Failure> {
    let (documents, objects, diagnostics) = load(args)?;
    report(&documents, &diagnostics, ui)?;
    Ok(Manifests { documents, desired: Desired::new(objects), diagnostics })
}

fn load(args: &ManifestArgs) -> Result<(Documents, Vec<Object>, Diagnostics), Failure> {
    let limits = Limits::default();
    let inputs = args.files.iter().map(|path| input(path, &limits)).collect::<Result<Vec<_>, _>>()?;
    let (documents, mut diagnostics) = manifest::load(&inputs, &limits);
    let objects = kinds::decode(&documents, &mut diagnostics);
    diagnostics.sort();
    Ok((documents, objects, diagnostics))
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

fn report(documents: &Documents, diagnostics: &Diagnostics, ui: &mut Ui) -> Result<(), Failure> {
    if diagnostics.is_empty() {
        return Ok(());
    }
    let summary = diagnostic::summary(diagnostics);
    output::diagnostics(diagnostics, &documents.sources, ui)?;
    ui.problem(&diagnostic::draw(diagnostics, &documents.sources, ui.width()));
    if diagnostics.has_errors() {
        return Err(Failure::Manifests { summary });
    }
    ui.status(&format!("{summary}."));
    Ok(())
}
