//! Contexts: the servers that a user knows by name, in `~/.config/sbx/config.yaml`.
//!
//! The file never holds a key, only where to get it. What reads it is here; [`key`] gets keys, [`edit`] changes the file.

pub(crate) mod edit;
mod file;
pub(crate) mod key;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sbx::manifest::{self, Document, Input, Limits, Sources, suggest};

use crate::env::{self, Environment};
use crate::failure::Failure;
use crate::ui::{Ui, diagnostic, escape};
use key::KeySource;

/// The contexts of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contexts {
    /// The file that they are in; there may be none yet. `None` where there is no home to have one in.
    pub(crate) path: Option<PathBuf>,
    /// The one that is used when nothing else says where the server is.
    pub(crate) current: Option<String>,
    /// All of them, in the order of the file.
    pub(crate) all: Vec<Named>,
}

/// A server that has a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    /// What it is called.
    pub(crate) name: String,
    /// The URL of the server, with or without the API's path.
    pub(crate) endpoint: String,
    /// Where its key is.
    pub(crate) key: Option<KeySource>,
    /// A file with certificates to trust.
    pub(crate) ca_file: Option<PathBuf>,
}

/// The rights of others that make a file no place to take commands from.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The rights of others that the file has no need to give.
const READABLE_BY_OTHERS: u32 = 0o044;

impl Contexts {
    /// Reads the user's file, and shows all that is wrong with it.
    ///
    /// # Errors
    ///
    /// [`Failure::BadFile`] when it is not good, [`Failure::OpenToOthers`] when others could have written it: it may name
    /// commands to run.
    pub(crate) fn load(environment: &Environment, ui: &mut Ui) -> Result<Self, Failure> {
        let Some(path) = path(environment) else { return Ok(Self::default()) };
        let Some(read) = read(&path)? else { return Ok(Self { path: Some(path), ..Self::default() }) };
        if read.is_readable_by_others {
            let shown = path.display();
            ui.warning(&format!("`{shown}` can be read by others: `chmod 600 {shown}`"));
        }
        let ReadFile { document, sources, mut out, .. } = read;
        let decoded = match document {
            Some(document) => file::decode(&document, &path, &file::Home::new(environment), &mut out),
            None if out.has_errors() => None,
            None => Some(Self { path: Some(path.clone()), ..Self::default() }),
        };
        out.sort();
        let summary = diagnostic::counts(&out);
        ui.problem(&diagnostic::draw(&out, &sources, ui.width()));
        match decoded {
            Some(contexts) if !out.has_errors() => Ok(contexts),
            _ => Err(Failure::BadFile { path: path.display().to_string(), summary }),
        }
    }

    /// Returns the context of this name.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when there is none; `said_by` tells who named it.
    pub(crate) fn named(&self, name: &str, said_by: &str) -> Result<&Named, Failure> {
        if let Some(found) = self.all.iter().find(|context| context.name == name) {
            return Ok(found);
        }
        let message = format!("there is no context `{name}`, which {said_by} names");
        Err(Failure::Usage { message, hint: Some(self.instead_of(name)) })
    }

    fn instead_of(&self, name: &str) -> String {
        let names = || self.all.iter().map(|context| context.name.as_str());
        if let Some(near) = suggest(name, names()) {
            return format!("did you mean `{near}`?");
        }
        let Some(path) = &self.path else { return "contexts need a home: set HOME or XDG_CONFIG_HOME".to_owned() };
        let path = path.display();
        if self.all.is_empty() {
            return format!("write `contexts: {{{name}: {{endpoint: URL, api_key_env: NAME}}}}` into {path}");
        }
        format!("the contexts of {path} are {}", names().collect::<Vec<_>>().join(", "))
    }
}

/// Returns where the user's file is.
pub(crate) fn path(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute(env::XDG_CONFIG_HOME).or_else(|| Some(absolute(env::HOME)?.join(".config")))?;
    Some(folder.join("sbx").join("config.yaml"))
}

/// The user's file as it was read.
struct ReadFile {
    document: Option<Document>,
    sources: Sources,
    out: manifest::Diagnostics,
    is_readable_by_others: bool,
}

/// Reads the user's file; nothing if there is none.
fn read(path: &Path) -> Result<Option<ReadFile>, Failure> {
    let failed = |source| Failure::File { action: "read", path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(Failure::OpenToOthers { path: path.to_owned() });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let input = Input::Text { name: escape(&path.display().to_string()).to_string(), text };
    let (documents, out) = manifest::load(&[input], &Limits::default());
    let document = documents.documents.into_iter().next();
    let is_readable_by_others = metadata.mode() & READABLE_BY_OTHERS != 0;
    Ok(Some(ReadFile { document, sources: documents.sources, out, is_readable_by_others }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_where_such_files_are() {
        let at = |variables: &'static [(&str, &str)]| {
            path(&Environment::new(|name| Some(variables.iter().find(|(key, _)| *key == name)?.1.to_owned())))
        };
        assert_eq!(at(&[("HOME", "/h")]), Some("/h/.config/sbx/config.yaml".into()));
        assert_eq!(at(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), Some("/x/sbx/config.yaml".into()));
        assert_eq!(at(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]), Some("/h/.config/sbx/config.yaml".into()));
        assert_eq!(at(&[]), None);
    }
}
