//! Manifests that moved to another version, as files: each where its original is, with what is to be known as comments.

use std::path::{Path, PathBuf};

use sbx::kinds::migration::{Example, Moved, Note, Weight};
use sbx::kinds::{Object, object_to_manifest};
use sbx::manifest::{Document, Documents};
use serde_json::{Map, Value as Json};

use crate::folder::File;
use crate::ui::escape;

/// How wide a line of comment is at most.
const WIDTH: usize = 100;

/// New manifests, and what is to be known about them.
#[derive(Debug, Default)]
pub(crate) struct Migrated {
    /// The text for each original, in their order, with its place below the folder.
    pages: Vec<(PathBuf, String)>,
    /// What stands in their comments, in the order of the files.
    pub(crate) remarks: Vec<Remark>,
}

/// A note, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) weight: Weight,
    /// The file, below the folder.
    pub(crate) file: PathBuf,
    /// The line, counted from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Migrated {
    /// Writes what became of the documents of each file, where `path_of` says which file a document is for.
    pub(crate) fn of(moved: &[Moved], documents: &Documents, path_of: impl Fn(&Document) -> PathBuf) -> Self {
        let mut migrated = Self::default();
        let source = |moved: &&Moved| moved.origin.source;
        let mut rest = moved;
        while let Some(first) = rest.first() {
            let (of_file, others) =
                rest.split_at(rest.iter().take_while(|moved| source(moved) == source(&first)).count());
            rest = others;
            let mut page = Page::new();
            for moved in of_file {
                let document = &documents.documents[moved.origin.document];
                page.object(&Old { moved, document, documents });
            }
            migrated.add(path_of(&documents.documents[first.origin.document]), page);
        }
        migrated
    }

    fn add(&mut self, path: PathBuf, page: Page) {
        let Page { text, notes, .. } = page;
        // What a file begins with is about the file.
        let (text, n_before) = if text.starts_with('#') { (format!("#\n{text}"), 2) } else { (text, 1) };
        let remark = |(line, weight, text)| Remark { weight, file: path.clone(), line: n_before + line, text };
        self.remarks.extend(notes.into_iter().map(remark));
        self.pages.push((path, text));
    }

    /// Returns the files of a folder.
    pub(crate) fn files(&self) -> Vec<File> {
        self.pages.iter().map(|(path, text)| File::manifest(path.clone(), text)).collect()
    }

    /// Returns all manifests as one stream.
    pub(crate) fn to_stream(&self) -> String {
        self.pages.iter().map(|(_, text)| text.trim_start_matches("#\n")).collect::<Vec<_>>().join("---\n")
    }
}

/// What an object was, and what became of it.
struct Old<'a> {
    moved: &'a Moved,
    document: &'a Document,
    documents: &'a Documents,
}

/// The text of one file as it grows.
struct Page {
    text: String,
    n_lines: usize,
    notes: Vec<(usize, Weight, String)>,
}

impl Page {
    fn new() -> Self {
        Self { text: String::new(), n_lines: 0, notes: Vec::new() }
    }

    fn line(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.text.extend(std::iter::repeat_n(' ', indent));
        }
        self.text.push_str(text);
        self.text.push('\n');
        self.n_lines += 1;
    }

    /// Writes what became of an object.
    fn object(&mut self, old: &Old<'_>) {
        let moved = old.moved;
        if self.n_lines > 0 {
            self.line(0, if moved.to.is_some() { "---" } else { "" });
        }
        let own = old.documents.comment_before(old.document);
        for line in &own {
            self.line(0, line);
        }
        let about_it: Vec<_> = moved.notes.iter().filter(|note| note.at.is_empty()).collect();
        if !own.is_empty() && !about_it.is_empty() {
            self.line(0, "#");
        }
        for note in about_it {
            self.note(0, note);
        }
        if let Some(object) = &moved.to {
            self.manifest(object, old);
        }
    }

    fn manifest(&mut self, object: &Object, old: &Old<'_>) {
        let manifest = object_to_manifest(object);
        for key in ["apiVersion", "kind"] {
            self.field(0, key, &manifest[key]);
        }
        let of_spec: Vec<_> = object.spec.kind().fields().iter().map(|field| top(field.path)).collect();
        for (section, order) in
            [("metadata", &["name", "labels", "annotations"][..]), ("spec", &of_spec[..]), ("lifecycle", &[][..])]
        {
            self.section(section, order, manifest[section].as_object(), old);
        }
    }

    /// Writes a section of a manifest: first the fields that have an order, then the others. Each is below what is to be
    /// known about it; what is about a field that is not there comes last.
    fn section(&mut self, section: &str, order: &[&str], fields: Option<&Map<String, Json>>, old: &Old<'_>) {
        let mut notes: Vec<_> = old.moved.notes.iter().filter(|note| is_below(section, note.at)).map(Some).collect();
        let place = |name: &str| order.iter().position(|known| *known == name).unwrap_or(order.len());
        let mut fields: Vec<_> = fields.into_iter().flatten().collect();
        fields.sort_by_key(|(name, _)| place(name));
        let indent = if fields.is_empty() { 0 } else { 2 };
        if !fields.is_empty() {
            self.comments_of(section, 0, old);
            self.line(0, &format!("{section}:"));
        }
        for (name, value) in fields {
            let path = format!("{section}.{name}");
            self.comments_of(&path, indent, old);
            for note in &mut notes {
                if let Some(note) = note.take_if(|note| note.at == path) {
                    self.note(indent, note);
                }
            }
            self.field(indent, name, value);
        }
        for note in notes.into_iter().flatten() {
            self.note(indent, note);
        }
    }

    /// Writes the comments that the field at a path had before.
    fn comments_of(&mut self, path: &str, indent: usize, old: &Old<'_>) {
        for line in old.documents.comment_about(old.document, old.moved.field_before(path)) {
            self.line(indent, line);
        }
    }

    fn field(&mut self, indent: usize, name: &str, value: &Json) {
        for line in yaml(name, value).lines() {
            self.line(indent, line);
        }
    }

    fn note(&mut self, indent: usize, note: &Note) {
        self.notes.push((self.n_lines + 1, note.weight, note.text.clone()));
        self.comment(indent, &format!("{}: {}", note.weight.word(), note.text));
        for Example { when, fields } in &note.examples {
            self.comment(indent, &format!("{when}:"));
            for (name, value) in fields.as_object().into_iter().flatten() {
                for line in yaml(name, value).lines() {
                    self.line(indent, &format!("# {line}"));
                }
            }
        }
    }

    /// Writes a comment, on as many lines as it takes.
    fn comment(&mut self, indent: usize, text: &str) {
        let text = escape(text);
        let mut line = String::from("#");
        for word in text.split(' ') {
            if line.len() > 1 && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(indent, &line);
                line.truncate(1);
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(indent, &line);
    }
}

fn yaml(name: &str, value: &Json) -> String {
    let field = Map::from_iter([(name.to_owned(), value.clone())]);
    serde_yaml::to_string(&field).expect("a manifest is plain data with text keys")
}

fn top(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

fn is_below(section: &str, path: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Returns where the new manifests of a file are: where it is below `input`, under a name that is read as YAML, which alone
/// has comments.
pub(crate) fn path_below(input: &Path, file: &Path) -> PathBuf {
    let below = file.strip_prefix(input).ok().filter(|below| !below.as_os_str().is_empty());
    let below = below.or_else(|| file.file_name().map(Path::new)).unwrap_or(file);
    let is_yaml = below.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    if is_yaml { below.to_owned() } else { below.with_extension("yaml") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_where_they_are_and_are_read_again() {
        let below = |input, file| path_below(Path::new(input), Path::new(file)).display().to_string();
        assert_eq!(below("old", "old/a/b.yaml"), "a/b.yaml");
        assert_eq!(below("./old/", "./old/b.yml"), "b.yml");
        assert_eq!(below("old/b.yaml", "old/b.yaml"), "b.yaml");
        assert_eq!(below("old", "old/a.json"), "a.yaml");
        assert_eq!(below("/dev/fd/63", "/dev/fd/63"), "63.yaml");
    }

    #[test]
    fn a_comment_stays_within_its_lines() {
        let mut page = Page::new();
        let word = "word ".repeat(30);
        page.comment(2, &format!("{word}\u{1b}[31m\nkind: Pool {}", "x".repeat(120)));
        assert_eq!(page.n_lines, page.text.lines().count());
        for line in page.text.lines() {
            assert!(line.starts_with("  # ") && (line.len() <= WIDTH || !line[4..].contains(' ')), "{line}");
        }
        assert!(page.text.contains("\\u{1b}[31m\\nkind: Pool"), "{}", page.text);
    }
}
