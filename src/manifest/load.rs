//! Files, directories and standard input to documents.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Diagnostics, code};
use super::encoding;
use super::intern::Interner;
use super::node::Node;
use super::parse::parse;
use super::source::{SourceId, Sources, Span};
use super::walk::walk;

/// Something to read manifests from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, or a directory with everything below it. A relative path is relative to the process's directory.
    Path(PathBuf),
    /// What was read from standard input; reports call it `<stdin>`.
    Stdin(Vec<u8>),
    /// A text under a name of its own.
    Text {
        /// The name that reports show.
        name: String,
        /// The text.
        text: String,
    },
}

/// How much is read before it is called an error. The defaults are far above what manifests have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one file or of standard input; at most 4 GiB whatever is said. Default 64 MiB.
    pub file_bytes: usize,
    /// Bytes of one document. Default 1 MiB: the parser holds back a flow collection until it has seen its end, at a
    /// hundred times its size, and one document is one object.
    pub document_bytes: usize,
    /// How deep collections are nested, with aliases resolved; in brackets at most 255 whatever is said. Default 64.
    pub depth: usize,
    /// Values (keys count too) in one file. Default 5,000,000.
    pub nodes: usize,
    /// Values that the aliases of one document repeat, counted each time. Default 100,000.
    pub alias_nodes: usize,
    /// Problems of one file after which the rest of it is not read. Default 100.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            document_bytes: 1 << 20,
            depth: 64,
            nodes: 5_000_000,
            alias_nodes: 100_000,
            problems: 100,
        }
    }
}

/// Everything that was read.
#[derive(Debug)]
pub struct Documents {
    /// The texts, for showing what is reported.
    pub sources: Sources,
    /// The documents that are not empty, in the order of the inputs, files and lines.
    pub documents: Vec<Document>,
    /// Whether every document of every input could be read. If not, that something is not declared proves nothing.
    pub is_complete: bool,
}

/// One document.
#[derive(Debug, Clone)]
pub struct Document {
    /// The input that it came by, counted from 0.
    pub input: usize,
    /// The text it is in.
    pub source: SourceId,
    /// Which document of the text it is, counted from 0; empty ones do not count.
    pub index: u32,
    /// Its value.
    pub root: Node,
}

/// Reads all inputs, in their order, and reports all that is wrong with them, in the order of the sources.
///
/// A directory stands for the `*.yaml`, `*.yml` and `*.json` files at any depth below it, in path order, without hidden
/// files and directories; a file that is named is read whatever it is called. A file is read once, however often it is
/// named. Empty documents are skipped, but an input with no document at all is an error.
pub fn load(inputs: &[Input], limits: &Limits) -> (Documents, Diagnostics) {
    let mut loader = Loader::new(limits);
    for (index, input) in inputs.iter().enumerate() {
        loader.current = index;
        loader.input(input);
    }
    loader.out.sort();
    (loader.documents, loader.out)
}

struct Loader<'a> {
    limits: &'a Limits,
    documents: Documents,
    out: Diagnostics,
    interner: Interner,
    /// The input that is being read.
    current: usize,
    /// The true paths of the files that were read.
    read: HashSet<PathBuf>,
}

/// Whether an input held anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// A document, or something that was reported.
    Something,
    /// Nothing but blanks, comments and empty documents.
    Nothing,
}

impl<'a> Loader<'a> {
    fn new(limits: &'a Limits) -> Self {
        let documents = Documents { sources: Sources::default(), documents: Vec::new(), is_complete: true };
        Self {
            limits,
            documents,
            out: Diagnostics::new(),
            interner: Interner::default(),
            current: 0,
            read: HashSet::new(),
        }
    }

    fn input(&mut self, input: &Input) {
        match input {
            Input::Path(path) => self.path(path),
            Input::Stdin(bytes) => {
                if self.bytes("<stdin>".to_owned(), bytes) == Held::Nothing {
                    let error = Diagnostic::error(code::NO_DOCUMENT, "standard input holds no document");
                    self.fail(error.help("check the command before the pipe: it may have failed"));
                }
            }
            Input::Text { name, text } => {
                if self.bytes(name.clone(), text.as_bytes()) == Held::Nothing {
                    self.fail(Diagnostic::error(code::NO_DOCUMENT, format!("`{name}` holds no document")));
                }
            }
        }
    }

    fn path(&mut self, path: &Path) {
        match fs::metadata(path) {
            Err(error) => self.unreadable(path, &error),
            Ok(metadata) if metadata.is_dir() => self.directory(path),
            Ok(_) => {
                // What has no true path, such as a pipe of the shell, is never the same file as another.
                let identity = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                if self.file(path, identity) == Held::Nothing {
                    let message = format!("`{}` holds no document", path.display());
                    self.fail(
                        Diagnostic::error(code::NO_DOCUMENT, message).help("leave the path out, or remove the file"),
                    );
                }
            }
        }
    }

    fn directory(&mut self, path: &Path) {
        let walk = walk(path);
        let mut held = Held::Nothing;
        let n_files = walk.files.len();
        for (path, error) in &walk.failed {
            self.unreadable(path, error);
            held = Held::Something;
        }
        for found in walk.files {
            if self.file(&found.path, found.identity) == Held::Something {
                held = Held::Something;
            }
        }
        if held == Held::Nothing {
            let path = path.display();
            let (message, help) = if n_files == 0 {
                let help = "`*.yaml`, `*.yml` and `*.json` files are read at any depth; hidden ones are skipped";
                (format!("`{path}` has no manifest in it"), help)
            } else {
                (format!("`{path}` holds no document"), "all of its manifests are empty")
            };
            self.fail(Diagnostic::error(code::NO_DOCUMENT, message).help(help));
        }
    }

    fn file(&mut self, path: &Path, identity: PathBuf) -> Held {
        if !self.read.insert(identity) {
            return Held::Something;
        }
        let most = self.limits.file_bytes.min(u32::MAX as usize);
        match read(path, most) {
            Ok(bytes) => self.bytes(path.display().to_string(), &bytes),
            Err(error) => {
                self.unreadable(path, &error);
                Held::Something
            }
        }
    }

    fn bytes(&mut self, name: String, bytes: &[u8]) -> Held {
        let most = self.limits.file_bytes.min(u32::MAX as usize);
        if bytes.len() > most {
            let message = format!("`{name}` is too large: at most {} MiB are read", mib(most));
            self.fail(Diagnostic::error(code::LIMIT, message).help("split it into several files"));
            return Held::Something;
        }
        match encoding::decode(bytes) {
            Ok(text) => self.text(name, text),
            Err(error) => {
                self.not_utf8(name, error);
                Held::Something
            }
        }
    }

    fn text(&mut self, name: String, text: String) -> Held {
        let n_problems = self.out.len();
        let source = self.documents.sources.add(name, text);
        let text = self.documents.sources.get(source).text();
        let parsed = parse(source, text, self.limits, &mut self.interner, &mut self.out);
        let held = parsed.roots.is_empty() && self.out.len() == n_problems;
        self.documents.is_complete &= parsed.is_complete;
        let input = self.current;
        let documents = parsed.roots.into_iter().map(|(index, root)| Document { input, source, index, root });
        self.documents.documents.extend(documents);
        if held { Held::Nothing } else { Held::Something }
    }

    fn not_utf8(&mut self, name: String, error: encoding::NotUtf8) {
        let bad = error.shown[error.start..].chars().next().map_or(0, char::len_utf8);
        let offset = |at: usize| u32::try_from(at).expect("a file is shorter than 4 GiB");
        let source = self.documents.sources.add(name, error.shown);
        let span = Span { source, start: offset(error.start), end: offset(error.start + bad) };
        let diagnostic = Diagnostic::error(code::ENCODING, error.message);
        self.fail(diagnostic.primary(span, "not UTF-8 from here on").help(error.help));
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let path = path.display();
        let diagnostic = match error.kind() {
            io::ErrorKind::NotFound => Diagnostic::error(code::UNREADABLE, format!("`{path}` does not exist")),
            _ => Diagnostic::error(code::UNREADABLE, format!("cannot read `{path}`: {error}")),
        };
        self.fail(diagnostic);
    }

    /// Reports something that keeps documents from being read.
    fn fail(&mut self, diagnostic: Diagnostic) {
        self.documents.is_complete = false;
        self.out.push(diagnostic);
    }
}

/// Reads a file to its end, or to one byte more than `most`.
fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len().min(most as u64);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(most));
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns a number of bytes in MiB, rounded up, for messages.
pub(super) fn mib(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests;
