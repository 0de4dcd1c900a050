//! One text to its documents.

use std::ops::Range;

use saphyr_parser::Parser;

use super::budget::{Shared, Stop};
use super::build::Builder;
use super::diagnostic::{Diagnostic, Diagnostics, code};
use super::encoding::first_control;
use super::intern::Interner;
use super::load::{Limits, mib};
use super::node::Node;
use super::piece::Piece;
use super::source::SourceId;
use super::split::Pieces;

/// What was found in one text.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The root of each document that is not empty, with its number in the text, counted from 0.
    pub(super) roots: Vec<(u32, Node)>,
    /// Whether all of the text could be read.
    pub(super) is_complete: bool,
}

/// Reads all documents of a text. A document that cannot be read is reported and left out.
pub(super) fn parse(
    source: SourceId,
    text: &str,
    limits: &Limits,
    interner: &mut Interner,
    out: &mut Diagnostics,
) -> Parsed {
    let (nodes_left, problems_left) = (limits.nodes, limits.problems);
    let mut shared = Shared { source, limits, interner, out, nodes_left, problems_left };
    let mut parsed = Parsed { is_complete: true, ..Parsed::default() };
    let mut number = 0;
    for range in Pieces::new(text) {
        let before = parsed.roots.len();
        let piece = Piece::new(source, range.start, &text[range]);
        let ended = read(&mut shared, piece, |root| {
            parsed.roots.push((number, root));
            number += 1;
        });
        if let Err(stop) = ended {
            parsed.is_complete = false;
            // A document that failed counts too, unless it had been handed over before the failure.
            number += u32::from(parsed.roots.len() == before);
            if stop == Stop::File {
                break;
            }
        }
    }
    parsed
}

/// Reads one piece of a text, which has one document as a rule. Hands over each root that is not empty.
fn read(shared: &mut Shared<'_>, piece: Piece<'_>, mut found: impl FnMut(Node)) -> Result<(), Stop> {
    check(shared, &piece)?;
    let mut parser = Parser::new_from_str(piece.text);
    let mut builder = Builder::new(shared, piece);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, marks)) => {
                if let Some(root) = builder.event(event, marks)?
                    && !root.is_null()
                {
                    found(root);
                }
            }
            Err(error) => {
                builder.scan_error(&error)?;
                return Err(Stop::Document);
            }
        }
    }
    Ok(())
}

/// Checks what must hold before the parser may see a piece.
fn check(shared: &mut Shared<'_>, piece: &Piece<'_>) -> Result<(), Stop> {
    if piece.text.len() > shared.limits.document_bytes {
        let (size, most) = (mib(piece.text.len()), mib(shared.limits.document_bytes));
        let message = format!("the document is too large: it has {size} MiB, at most {most} MiB are read");
        let error = Diagnostic::error(code::LIMIT, message).primary(piece.span(0, 0), "starts here");
        shared.report(error.help("split it into documents with lines `---`, one object in each"))?;
        return Err(Stop::Document);
    }
    if let Some((at, c)) = first_control(piece.text) {
        let message = format!("the character U+{c:04X} is not allowed in YAML");
        let error = Diagnostic::error(code::ENCODING, message);
        let error = error.primary(piece.span(at, at + 1), "a control character");
        shared.report(error.help(match c {
            0 => "save the file as UTF-8 text",
            _ => "remove it, or write it as an escape in double quotes",
        }))?;
        return Err(Stop::Document);
    }
    if let Some(directive) = unknown_directive(piece.text) {
        let error = Diagnostic::error(code::SYNTAX, "an unknown directive");
        let error = error.primary(piece.span(directive.start, directive.end), "YAML has only `%YAML` and `%TAG`");
        shared.report(error.help("remove the line, or put the text in quotes if the `%` is part of it"))?;
        return Err(Stop::Document);
    }
    Ok(())
}

/// Returns the first directive before a document that is none of YAML's two. YAML has it ignored, but it is a mistake,
/// and the parser's marks are wrong behind one that is not ASCII.
fn unknown_directive(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let trimmed = line.trim_start_matches('\u{FEFF}').trim_ascii();
        if trimmed.starts_with('%') {
            let name = trimmed.split([' ', '\t']).next().unwrap_or_default();
            if !matches!(name, "%YAML" | "%TAG") {
                return Some(start..start + line.trim_end().len());
            }
        } else if !trimmed.is_empty() && !trimmed.starts_with('#') {
            return None;
        }
        start += line.len();
    }
    None
}
