//! Draws what is wrong with manifests under the lines where it is wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use sbx::manifest::{Diagnostic, Diagnostics, Label, Severity, Source, SourceId, Sources, Span};

use super::escape;
use super::style::{self, paint};

/// How many problems are drawn; a broken generator makes thousands, and the first ones tell.
const MOST: usize = 50;
/// How far apart two places in one file may be to be drawn in one picture, in lines.
const NEAR: u32 = 200;

/// Draws problems, each with its places, and counts those that are too many.
pub(crate) fn draw(diagnostics: &Diagnostics, sources: &Sources, width: usize) -> String {
    let renderer = Renderer::styled().term_width(width);
    let labels = diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels);
    let concealed: Vec<_> = labels.filter(|label| label.concealed).map(|label| label.span).collect();
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MOST) {
        let drawn = renderer.render(&[picture(diagnostic, sources, &concealed)]);
        writeln!(out, "{drawn}\n").expect("a string takes everything");
    }
    let n_more = diagnostics.len().saturating_sub(MOST);
    if n_more > 0 {
        out.push_str(&paint(style::DIM, format_args!("… and {n_more} more\n")));
    }
    out
}

/// Counts problems in words: `3 errors, 1 warning in 2 files`.
pub(crate) fn summary(diagnostics: &Diagnostics) -> String {
    let mut files: Vec<_> = diagnostics.iter().filter_map(Diagnostic::span).map(|span| span.source).collect();
    files.sort_unstable();
    files.dedup();
    let place = if files.is_empty() { String::new() } else { format!(" in {}", counted(files.len(), "file")) };
    format!("{}{place}", counts(diagnostics))
}

/// Counts the problems of one file in words: `3 errors, 1 warning`.
pub(crate) fn counts(diagnostics: &Diagnostics) -> String {
    let counts = [(diagnostics.errors().count(), "error"), (diagnostics.warnings().count(), "warning")];
    let counts = counts.into_iter().filter(|(n, _)| *n > 0);
    counts.map(|(n, word)| counted(n, word)).collect::<Vec<_>>().join(", ")
}

/// Returns a number with its word, in the plural where that is due.
pub(crate) fn counted(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

fn picture<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources, concealed: &[Span]) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(escape(&diagnostic.message)).id(diagnostic.code);
    let help = diagnostic.help.as_deref().map(|help| Element::from(Level::HELP.message(escape(help))));
    title.elements(snippets(diagnostic, sources, concealed).into_iter().chain(help))
}

/// Cuts out of each source the lines that the labels are on: a file may be large, and a picture needs little of it.
fn snippets<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources, concealed: &[Span]) -> Vec<Element<'a>> {
    let mut by_source: BTreeMap<SourceId, Vec<&Label>> = BTreeMap::new();
    for label in &diagnostic.labels {
        by_source.entry(label.span.source).or_default().push(label);
    }
    // The file of the problem itself comes first.
    let first = diagnostic.span().map(|span| span.source);
    let mut files: Vec<_> = by_source.into_iter().collect();
    files.sort_by_key(|(source, _)| (Some(*source) != first, *source));
    let pictures = |(source, labels)| {
        let concealed: Vec<_> = concealed.iter().filter(|span| span.source == source).copied().collect();
        pictures_of(sources.get(source), labels, &concealed)
    };
    files.into_iter().flat_map(pictures).collect()
}

fn pictures_of<'a>(source: &'a Source, mut labels: Vec<&'a Label>, concealed: &[Span]) -> Vec<Element<'a>> {
    let line_of = |label: &Label| source.line_column(label.span.start).0;
    labels.sort_by_key(|label| label.span.start);
    let mut groups: Vec<Vec<&Label>> = Vec::new();
    for label in labels {
        match groups.last_mut() {
            Some(group) if line_of(label) - line_of(group[group.len() - 1]) <= NEAR => group.push(label),
            _ => groups.push(vec![label]),
        }
    }
    groups.sort_by_key(|group| !group.iter().any(|label| label.primary));
    groups.into_iter().map(|group| cut(source, &group, concealed)).collect()
}

/// Cuts out the lines that labels are on. Where a secret is on one of them, only the place is told.
fn cut<'a>(source: &'a Source, labels: &[&'a Label], concealed: &[Span]) -> Element<'a> {
    let text = source.text();
    let start = labels.iter().map(|label| label.span.start as usize).min().unwrap_or(0).min(text.len());
    let end = labels.iter().map(|label| label.span.end as usize).max().unwrap_or(0).clamp(start, text.len());
    let cut_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let cut_end = text[end..].find('\n').map_or(text.len(), |at| end + at);
    let is_shown = |span: &Span| (span.start as usize) <= cut_end && cut_start <= (span.end as usize);
    if concealed.iter().any(is_shown) {
        let (line, column) = source.line_column(u32::try_from(start).unwrap_or(u32::MAX));
        return Origin::path(escape(source.name())).line(line as usize).char_column(column as usize).into();
    }
    let (line, _) = source.line_column(u32::try_from(cut_start).unwrap_or(u32::MAX));
    let snippet = Snippet::source(&text[cut_start..cut_end]).line_start(line as usize).path(escape(source.name()));
    let annotations = labels.iter().map(|label| {
        let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let place = |at: u32| (at as usize).clamp(cut_start, cut_end) - cut_start;
        let annotation = kind.span(place(label.span.start)..place(label.span.end));
        if label.text.is_empty() { annotation } else { annotation.label(escape(&label.text)) }
    });
    snippet.annotations(annotations).into()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use sbx::kinds;
    use sbx::manifest::{self, Input, Limits};

    use super::*;

    fn drawn(texts: &[(&str, &str)]) -> String {
        let inputs: Vec<_> = texts
            .iter()
            .map(|(name, text)| Input::Text { name: (*name).to_owned(), text: (*text).to_owned() })
            .collect();
        let (documents, mut diagnostics) = manifest::load(&inputs, &Limits::default());
        kinds::decode(&documents, &mut diagnostics);
        diagnostics.sort();
        let picture = draw(&diagnostics, &documents.sources, 100);
        format!("{}{}", strip_str(&picture), summary(&diagnostics))
    }

    #[test]
    fn a_line_with_a_secret_on_it_is_drawn_for_no_problem() {
        let registry =
            |spec: &str| format!("apiVersion: sbx/v2\nkind: Registry\nmetadata: {{name: a}}\nspec: {spec}\n");
        let texts = [
            "{url: x, username: u, password: planted, oops: 1}",
            "{url: x, password: planted}",
            "{url: x, username: u, password: {value: planted}}",
            "{url: x, username: u, password: {env: A, valu: planted}}",
            "{url: x, username: u, password: [planted]}",
            "\n  url: x\n  username: u\n  oops: 1\n  password: |\n    first\n    planted",
        ];
        for text in texts {
            let drawn = drawn(&[("a.yaml", &registry(text))]);
            assert!(drawn.contains("error[secret]") && !drawn.contains("planted"), "{drawn}");
        }
        let drawn = drawn(&[("a.yaml", &registry(texts[0]))]);
        assert!(drawn.contains("--> a.yaml:4:39\n") && drawn.contains("--> a.yaml:4:48\n"), "{drawn}");
    }

    #[test]
    fn a_problem_is_drawn_under_its_line() {
        let text = "apiVersion: sbx/v1\nkind: Volume\nmetadata: {name: a}\nspec:\n  sise: 20Gi\n";
        insta::assert_snapshot!(drawn(&[("a.yaml", text)]), @r"
        error[missing-field]: missing field `size` in `spec`
         --> a.yaml:5:3
          |
        5 |   sise: 20Gi
          |   ^^^^ `size` belongs beside this

        error[unknown-field]: unknown field `sise` in `spec`
         --> a.yaml:5:3
          |
        5 |   sise: 20Gi
          |   ^^^^ unknown field
          |
          = help: did you mean `size`?

        2 errors in 1 file
        ");
    }

    #[test]
    fn both_places_are_drawn_also_in_two_files() {
        let text = "apiVersion: sbx/v1\nkind: Volume\nmetadata: {name: a}\nspec: {size: 20Gi}\n";
        insta::assert_snapshot!(drawn(&[("a.yaml", text), ("b.yaml", text)]), @r"
        error[duplicate]: volume/a is declared twice
         --> b.yaml:3:18
          |
        3 | metadata: {name: a}
          |                  ^ declared again here
          |
         ::: a.yaml:3:18
          |
        3 | metadata: {name: a}
          |                  - first declared here

        1 error in 1 file
        ");
    }

    #[test]
    fn too_many_are_counted() {
        let text = "---\n{kind: x}\n".repeat(40);
        let drawn = drawn(&[("a.yaml", &text)]);
        assert_eq!(drawn.matches("error[").count(), MOST);
        let rest: Vec<_> = drawn.lines().rev().take(2).collect();
        insta::assert_snapshot!(rest.join("\n"), @r"
        160 errors in 1 file
        … and 110 more
        ");
    }

    #[test]
    fn control_characters_do_not_get_through() {
        let text = "apiVersion: sbx/v1\nkind: \"a\\e[31m\"\nmetadata: {name: a}\nspec: {size: 1}\n";
        assert!(!drawn(&[("a\u{1b}.yaml", text)]).contains('\u{1b}'));
    }
}
