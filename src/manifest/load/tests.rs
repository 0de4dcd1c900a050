use std::fs;
use std::path::{Path, PathBuf};

use super::{Documents, Input, Limits, load};
use crate::manifest::{Diagnostics, Severity, code};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, names: &[&str]) -> (Documents, Diagnostics) {
        let inputs: Vec<_> = names.iter().map(|name| Input::Path(self.path(name))).collect();
        load(&inputs, &Limits::default())
    }
}

fn summary(diagnostics: &Diagnostics) -> Vec<(&'static str, String)> {
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Error));
    diagnostics.iter().map(|diagnostic| (diagnostic.code, diagnostic.message.clone())).collect()
}

fn names(documents: &Documents, below: &Path) -> Vec<String> {
    let name =
        |source: &super::super::Source| Path::new(source.name()).strip_prefix(below).unwrap().display().to_string();
    documents.sources.iter().map(name).collect()
}

#[test]
fn directories_are_read_in_path_order() {
    let folder =
        Folder::new(&[("b.yml", "b: 1"), ("a/z.json", "{\"z\": 1}"), ("a.yaml", "a: 1\n---\na: 2"), ("x.txt", "[")]);
    let (documents, diagnostics) = folder.read(&["."]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(names(&documents, folder.0.path()), ["a/z.json", "a.yaml", "b.yml"]);
    let order: Vec<_> =
        documents.documents.iter().map(|d| (documents.sources.get(d.source).name().len(), d.index)).collect();
    assert_eq!(order.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0, 0, 1, 0]);
}

#[test]
fn a_named_file_may_have_any_name_and_is_read_once() {
    let folder = Folder::new(&[("x.txt", "a: 1"), (".hidden.yaml", "b: 1"), ("d/e.yaml", "c: 1")]);
    let (documents, diagnostics) = folder.read(&["x.txt", ".hidden.yaml", "d", "x.txt", "d/e.yaml", "d/../d"]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(documents.documents.len(), 3);
}

#[test]
fn paths_that_hold_nothing_are_errors() {
    let folder = Folder::new(&[("empty.yaml", "# nothing\n---\n"), ("sub/readme.md", "x"), ("hollow/a.yaml", "")]);
    let (documents, diagnostics) = folder.read(&["gone.yaml", "empty.yaml", "sub", "hollow"]);
    let expected = [
        (code::UNREADABLE, format!("`{}` does not exist", folder.path("gone.yaml").display())),
        (code::NO_DOCUMENT, format!("`{}` holds no document", folder.path("empty.yaml").display())),
        (code::NO_DOCUMENT, format!("`{}` has no manifest in it", folder.path("sub").display())),
        (code::NO_DOCUMENT, format!("`{}` holds no document", folder.path("hollow").display())),
    ];
    assert_eq!(summary(&diagnostics), expected);
    assert!(!documents.is_complete);
}

#[test]
fn an_empty_file_beside_others_is_no_error() {
    let folder = Folder::new(&[("a.yaml", "# all commented out\n"), ("b.yaml", "b: 1")]);
    assert!(folder.read(&["."]).1.is_empty());
}

#[test]
fn standard_input_must_hold_something() {
    let (documents, diagnostics) = load(&[Input::Stdin(b"a: 1\n---\nb: 2\n".to_vec())], &Limits::default());
    assert!(diagnostics.is_empty());
    assert_eq!((documents.documents.len(), documents.sources.iter().next().unwrap().name()), (2, "<stdin>"));
    let (_, diagnostics) = load(&[Input::Stdin(Vec::new())], &Limits::default());
    assert_eq!(summary(&diagnostics), [(code::NO_DOCUMENT, "standard input holds no document".to_owned())]);
}

#[test]
fn one_bad_document_hides_nothing() {
    let folder = Folder::new(&[("a.yaml", "a: [\n---\na: 1\n---\nb: 'c\n--- \nd: 4\n"), ("b.yaml", "x: 1\nx: 2\n")]);
    let (documents, diagnostics) = folder.read(&["."]);
    let codes: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, [code::SYNTAX, code::SYNTAX, code::DUPLICATE_KEY]);
    let indices: Vec<_> = documents.documents.iter().map(|document| document.index).collect();
    assert_eq!(indices, [1, 3, 0], "documents that failed are counted");
    assert!(!documents.is_complete);
}

#[test]
fn a_duplicate_key_leaves_the_documents_complete() {
    let folder = Folder::new(&[("b.yaml", "x: 1\nx: 2\n")]);
    assert!(folder.read(&["b.yaml"]).0.is_complete);
}

#[test]
fn json_may_be_indented_with_tabs() {
    let text = "{\r\n\t\"a\": [\r\n\t\t1,\r\n\t\t\"x\\/\\u00e9\"\r\n\t],\r\n\t\"b\":{\"c\":null}\r\n}\r\n";
    let folder = Folder::new(&[("a.json", text)]);
    let (documents, diagnostics) = folder.read(&["a.json"]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(crate::manifest::tests::shape(&documents.documents[0].root), "{a: [1, x/é], b: {c: null}}");
}

#[test]
fn what_is_not_utf8_is_shown_where_it_is() {
    let (documents, diagnostics) = load(&[Input::Stdin(b"a: 1\nb: caf\xE9\n".to_vec())], &Limits::default());
    let only = diagnostics.iter().next().unwrap();
    assert_eq!(only.code, code::ENCODING);
    let at = documents.sources.location(only.span().unwrap());
    assert_eq!((at.line, at.column), (2, 7));
    assert_eq!(diagnostics.len(), 1, "and is not called empty as well");
    let (_, diagnostics) = load(&[Input::Stdin(b"\xFF\xFEa\0".to_vec())], &Limits::default());
    assert!(diagnostics.iter().next().unwrap().message.contains("UTF-16"));
    let (_, diagnostics) = load(&[Input::Stdin(b"a\0".to_vec())], &Limits::default());
    assert_eq!(diagnostics.iter().next().unwrap().message, "the character U+0000 is not allowed in YAML");
}

#[test]
fn size_limits_are_told_from_each_other() {
    let limits = Limits { file_bytes: 100, document_bytes: 20, ..Limits::default() };
    let folder = Folder::new(&[
        ("file.yaml", &"a: 1\n---\n".repeat(20)),
        ("document.yaml", "a: 0123456789012345678901234567890\n---\nb: 1\n"),
        ("good.yaml", "b: 2"),
    ]);
    let (documents, diagnostics) = load(&[Input::Path(folder.path("."))], &limits);
    let found = summary(&diagnostics);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(code, _)| *code == code::LIMIT));
    assert!(found[0].1.contains("file.yaml` is too large"), "{found:?}");
    assert!(found[1].1.starts_with("the document is too large"), "{found:?}");
    assert_eq!(documents.documents.len(), 2, "the rest is read");
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_read_is_reported() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[("a.yaml", "a: 1")]);
    symlink("gone", folder.path("b.yaml")).unwrap();
    let (documents, diagnostics) = folder.read(&["."]);
    assert_eq!(
        summary(&diagnostics),
        [(code::UNREADABLE, format!("`{}` does not exist", folder.path("./b.yaml").display()))]
    );
    assert_eq!(documents.documents.len(), 1);
}
