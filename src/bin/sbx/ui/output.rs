//! Where a plan, or what is wrong with manifests, is shown: several places over one result.
//!
//! A command hands its [`Outputs`] to the [`Ui`] before it does anything, so that whatever comes of it, a refusal or an
//! error in a manifest too, is written to all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::adapter::strip_str;
use sbx::manifest::{Diagnostics, Sources};
use sbx::reconcile::Outcome;
use sbx::types::Timestamp;
use serde_json::json;

use super::outcome::Report;
use super::plan::View;
use super::terminal::text_of;
use super::{Ui, diagnostic, drift, github, json, markdown};
use crate::failure::Failure;
use crate::perform::Format;

/// How to show the result, and where else.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Outputs {
    /// How to show the result: text, json, markdown or github; with =FILE, into a file; may be repeated
    ///
    /// `text`, `json` and `markdown` go to standard output, one of them at most, and with `=FILE` into that file.
    /// `github` prints annotations for GitHub Actions, beside text. What goes to standard output is text unless
    /// something else does.
    #[arg(long = "output", short = 'o', value_name = "FORMAT[=FILE]", value_parser = parse)]
    outputs: Vec<Output>,
}

/// How to show drift, and where else.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct DriftOutputs {
    /// How to show it: text, json, markdown, github or patch; with =FILE, into a file; may be repeated
    ///
    /// `patch` is a diff that brings the manifests to what is live. All go to standard output, one of them at most, and
    /// with `=FILE` into that file. `github` prints annotations for GitHub Actions, beside text. What goes to standard
    /// output is text unless something else does.
    #[arg(long = "output", short = 'o', value_name = "FORMAT[=FILE]", value_parser = parse_of_drift)]
    outputs: Vec<Output>,
}

impl From<DriftOutputs> for Outputs {
    fn from(DriftOutputs { outputs }: DriftOutputs) -> Self {
        Self { outputs }
    }
}

/// One way to show a result.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Output {
    shape: Shape,
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Json,
    Markdown,
    Github,
    Patch,
}

const SHAPES: [(&str, Shape); 4] =
    [("text", Shape::Text), ("json", Shape::Json), ("markdown", Shape::Markdown), ("github", Shape::Github)];

fn parse(text: &str) -> Result<Output, String> {
    parse_one_of(&SHAPES, text)
}

fn parse_of_drift(text: &str) -> Result<Output, String> {
    parse_one_of(&[&SHAPES[..], &[("patch", Shape::Patch)]].concat(), text)
}

fn parse_one_of(shapes: &[(&str, Shape)], text: &str) -> Result<Output, String> {
    let (word, file) = text.split_once('=').map_or((text, None), |(word, file)| (word, Some(file)));
    let Some((_, shape)) = shapes.iter().find(|(candidate, _)| *candidate == word) else {
        let words: Vec<_> = shapes.iter().map(|(word, _)| *word).collect();
        return Err(format!("write {}, and =FILE behind it for a file", words.join(", ")));
    };
    // As elsewhere, `-` is standard output.
    match (shape, file.filter(|file| *file != "-")) {
        (_, Some("")) => Err(format!("name a file behind `{word}=`")),
        (Shape::Github, Some(_)) => Err("`github` goes to standard output, where GitHub reads it".to_owned()),
        (shape, file) => Ok(Output { shape: *shape, file: file.map(PathBuf::from) }),
    }
}

impl Outputs {
    /// Checks that they can be shown together, and hands them to the terminal.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`].
    pub(crate) fn begin(&self, command: &'static str, ui: &mut Ui) -> Result<(), Failure> {
        let has = |shape| self.outputs.iter().any(|output| output.shape == shape && output.file.is_none());
        let n_on_stdout = self.outputs.iter().filter(|output| output.file.is_none() && output.shape != Shape::Github);
        let hint = Some("write `=FILE` behind all but one".to_owned());
        if n_on_stdout.count() > 1 {
            return Err(Failure::Usage { message: "two outputs want standard output".to_owned(), hint });
        }
        if has(Shape::Github) && self.stdout() != Shape::Text {
            let message = "annotations for GitHub would be mixed into what a program reads".to_owned();
            return Err(Failure::Usage { message, hint });
        }
        let mut files: Vec<_> = self.outputs.iter().filter_map(|output| output.file.as_ref()).collect();
        files.sort();
        if let Some(pair) = files.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Failure::usage(format!("two outputs want `{}`", pair[0].display())));
        }
        ui.show_as(self.clone(), command);
        Ok(())
    }

    /// Returns how the run itself is told on standard output.
    pub(crate) fn format(&self) -> Format {
        if self.stdout() == Shape::Json { Format::Json } else { Format::Text }
    }

    fn stdout(&self) -> Shape {
        let on_stdout = self.outputs.iter().filter(|output| output.file.is_none());
        on_stdout.map(|output| output.shape).find(|shape| *shape != Shape::Github).unwrap_or(Shape::Text)
    }

    /// Returns whether a diff of the manifests is wanted.
    pub(crate) fn has_patch(&self) -> bool {
        self.outputs.iter().any(|output| output.shape == Shape::Patch)
    }

    fn has_github(&self) -> bool {
        self.outputs.iter().any(|output| output.shape == Shape::Github)
    }

    /// Writes each file with what `text` makes for its shape.
    fn write_files(&self, text: impl Fn(Shape) -> String) -> Result<(), Failure> {
        self.each_file(|path, shape| write(path, &strip_str(&text(shape)).to_string()))
    }

    /// Goes on to the other files where one cannot be written, and returns the first failure.
    fn each_file(&self, write: impl Fn(&Path, Shape) -> Result<(), Failure>) -> Result<(), Failure> {
        let files = self.outputs.iter().filter_map(|output| Some((output.file.as_deref()?, output.shape)));
        let written: Vec<_> = files.map(|(path, shape)| write(path, shape)).collect();
        written.into_iter().collect()
    }
}

/// What a plan is for, as its readers know it.
pub(crate) struct Subject<'a> {
    /// What is being done, such as `plan`.
    pub(crate) command: &'a str,
    /// The target's name, if it has one: with the command, what tells one comment on a pull request from another.
    pub(crate) target: Option<&'a str>,
    /// The workspace, as people name it.
    pub(crate) workspace: &'a str,
    /// The saved live state that it rests on; `None` if it was read just now.
    pub(crate) against: Option<Against>,
}

/// A live state that was saved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Against {
    /// When it was read.
    pub(crate) at: Timestamp,
    /// How long ago that is.
    pub(crate) age: Duration,
}

/// Shows a plan that is only looked at, on standard output and wherever else it is wanted.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn show_plan(view: &View<'_>, subject: &Subject<'_>, ui: &mut Ui) -> Result<(), Failure> {
    let outputs = ui.outputs().clone();
    let text = |shape| plan_text(shape, view, subject);
    let shown = text(outputs.stdout());
    ui.data(&shown);
    also_plan(view, subject, ui)
}

/// Writes a plan wherever it is wanted beside standard output, where it is shown already.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn also_plan(view: &View<'_>, subject: &Subject<'_>, ui: &mut Ui) -> Result<(), Failure> {
    ui.answer();
    let outputs = ui.outputs().clone();
    if outputs.has_github() {
        ui.data(&github::plan(view));
    }
    outputs.write_files(|shape| plan_text(shape, view, subject))
}

fn plan_text(shape: Shape, view: &View<'_>, subject: &Subject<'_>) -> String {
    match shape {
        Shape::Text | Shape::Github | Shape::Patch => view.to_text(),
        Shape::Json => format!("{:#}\n", json::against(json::plan(view), subject.against)),
        Shape::Markdown => markdown::plan(view, subject, None),
    }
}

/// Writes what became of a plan wherever it is wanted beside standard output.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn also_outcome(
    view: &View<'_>,
    subject: &Subject<'_>,
    outcome: &Outcome,
    ui: &mut Ui,
) -> Result<(), Failure> {
    ui.answer();
    let outputs = ui.outputs().clone();
    let report = Report::new(view.plan, outcome);
    let text = |shape| match shape {
        Shape::Text | Shape::Github | Shape::Patch => view.to_text() + &report.to_text(),
        Shape::Json => format!("{}\n{}\n", json::planned(view), json::outcome(view.plan, outcome)),
        Shape::Markdown => markdown::plan(view, subject, Some(&report)),
    };
    if outputs.stdout() == Shape::Markdown {
        ui.data(&text(Shape::Markdown));
    }
    if outputs.has_github() {
        ui.data(&github::outcome(view, &report));
    }
    outputs.write_files(text)
}

/// Shows drift, on standard output and wherever else it is wanted.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn show_drift(view: &drift::View<'_>, subject: &Subject<'_>, ui: &mut Ui) -> Result<(), Failure> {
    ui.answer();
    let outputs = ui.outputs().clone();
    let text = |shape| match shape {
        Shape::Text | Shape::Github => view.report.to_text(),
        Shape::Json => format!("{:#}\n", json::against(view.report.to_json(), subject.against)),
        Shape::Markdown => markdown::drift(view.report, subject),
        Shape::Patch => view.patch.to_owned(),
    };
    ui.data(&text(outputs.stdout()));
    if outputs.has_github() {
        ui.data(&github::drift(view));
    }
    outputs.write_files(text)
}

/// Writes what is wrong with manifests wherever it is wanted; people are told on standard error.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn diagnostics(
    found: &Diagnostics,
    sources: &Sources,
    target: Option<&str>,
    ui: &mut Ui,
) -> Result<(), Failure> {
    if found.has_errors() {
        ui.answer();
    }
    let outputs = ui.outputs().clone();
    let width = ui.width();
    let text = |shape| match shape {
        Shape::Text | Shape::Github | Shape::Patch => diagnostic::draw(found, sources, width),
        Shape::Json => format!("{:#}\n", json::diagnostics(found, sources)),
        Shape::Markdown => markdown::diagnostics(found, sources, target, None),
    };
    // A plan that goes on in spite of warnings has standard output for itself.
    if found.has_errors() && matches!(outputs.stdout(), Shape::Json | Shape::Markdown) {
        ui.data(&text(outputs.stdout()));
    }
    if outputs.has_github() {
        ui.data(&github::diagnostics(found, sources));
    }
    outputs.write_files(text)
}

/// Shows that manifests are valid, with the warnings about them, which people have been told already.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn valid(
    summary: &str,
    n_objects: usize,
    warnings: &Diagnostics,
    sources: &Sources,
    target: Option<&str>,
    ui: &mut Ui,
) -> Result<(), Failure> {
    ui.answer();
    let outputs = ui.outputs().clone();
    let width = ui.width();
    let text = |shape| match shape {
        Shape::Text | Shape::Github | Shape::Patch => {
            format!("{}{summary}\n", diagnostic::draw(warnings, sources, width))
        }
        Shape::Json => {
            let mut json = json::diagnostics(warnings, sources);
            json["objects"] = json!(n_objects);
            format!("{json:#}\n")
        }
        Shape::Markdown => markdown::diagnostics(warnings, sources, target, Some(summary)),
    };
    match outputs.stdout() {
        Shape::Text | Shape::Github | Shape::Patch => ui.line(summary),
        shape => ui.data(&text(shape)),
    }
    outputs.write_files(text)
}

/// Writes why there is no result wherever one was wanted: what is there of an earlier run is none of this one.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn failure(failure: &Failure, ui: &mut Ui) -> Result<(), Failure> {
    let Some(about) = ui.answer() else { return Ok(()) };
    let outputs = ui.outputs().clone();
    let target = about.target.as_deref();
    let workspace = target.unwrap_or("manifests");
    let subject = Subject { command: about.command, target, workspace, against: None };
    if outputs.stdout() == Shape::Markdown {
        ui.data(&markdown::failure(failure, &subject));
    }
    if outputs.has_github() {
        ui.data(&github::failure(failure, about.command));
    }
    outputs.each_file(|path, shape| match shape {
        Shape::Markdown => write(path, &markdown::failure(failure, &subject)),
        Shape::Text => write(path, &strip_str(&text_of(failure)).to_string()),
        // A program reads these, and takes nothing for an answer but a whole one.
        Shape::Json | Shape::Patch => remove(path),
        Shape::Github => Ok(()),
    })
}

/// Writes a file so that a reader sees the old text or the new one, and never a part.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failure = |source| Failure::File { action: "write", path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| failure(std::io::ErrorKind::InvalidFilename.into()))?;
    // A pipe or a device is written to, and not put away.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return fs::write(path, text).map_err(failure);
    }
    let draft = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map_err(failure)
}

/// Removes a file that [`write`] would have put another one in the place of.
fn remove(path: &Path) -> Result<(), Failure> {
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        return Ok(());
    }
    fs::remove_file(path).map_err(|source| Failure::File { action: "remove", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_a_format_and_maybe_a_file() {
        assert_eq!(parse("json"), Ok(Output { shape: Shape::Json, file: None }));
        assert_eq!(parse("markdown=a=b.md"), Ok(Output { shape: Shape::Markdown, file: Some("a=b.md".into()) }));
        assert_eq!(parse("json=-"), Ok(Output { shape: Shape::Json, file: None }));
        assert_eq!(parse("markdown="), Err("name a file behind `markdown=`".to_owned()));
        assert_eq!(parse("github=x"), Err("`github` goes to standard output, where GitHub reads it".to_owned()));
        assert!(parse("yaml").unwrap_err().starts_with("write text, json"));
        assert_eq!(parse_of_drift("patch"), Ok(Output { shape: Shape::Patch, file: None }));
        assert!(parse("patch").is_err(), "only drift can be taken into manifests");
    }

    #[test]
    fn what_goes_to_standard_output_is_text_unless_something_else_does() {
        let of = |texts: &[&str]| Outputs { outputs: texts.iter().map(|text| parse(text).unwrap()).collect() };
        assert_eq!(of(&[]).stdout(), Shape::Text);
        assert_eq!(of(&["json=a", "github"]).stdout(), Shape::Text);
        assert_eq!(of(&["markdown=a", "json"]).stdout(), Shape::Json);
        assert_eq!(of(&["markdown"]).stdout(), Shape::Markdown);
    }

    #[test]
    fn a_file_is_there_in_full_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.md");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        assert!(matches!(write(&folder.path().join("none/plan.md"), "x"), Err(Failure::File { .. })));
    }
}
