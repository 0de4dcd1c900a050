//! Parser events to one tree.
//!
//! The tree is built on a stack of open collections, never by recursion, and every limit is checked before anything is
//! added, so that a hostile document ends in a diagnostic while it is still small.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle as Style, ScanError, Span as Marks, Tag};

use super::budget::{Shared, Stop};
use super::diagnostic::{Diagnostic, code, shown};
use super::mapping::Mapping;
use super::node::{Node, Value};
use super::piece::Piece;
use super::scalar::{Scalar, ScalarKind, ScalarStyle};
use super::source::Span;
use super::syntax;
use super::tag::CoreTag;

/// A finished node, and what it costs to use it again.
#[derive(Clone)]
struct Built {
    node: Node,
    /// How many nodes it has when walked, aliases resolved.
    weight: usize,
    /// How many collections are nested in it.
    height: usize,
}

/// A collection that is still open.
struct Frame {
    start: u32,
    /// Behind the last part so far.
    end: u32,
    anchor: usize,
    weight: usize,
    height: usize,
    parts: Parts,
}

enum Parts {
    Sequence(Vec<Node>),
    Mapping(Mapping),
}

/// Builds the tree of one document at a time.
pub(super) struct Builder<'a, 's> {
    shared: &'a mut Shared<'s>,
    piece: Piece<'a>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    aliased: usize,
    root: Option<Node>,
}

impl<'a, 's> Builder<'a, 's> {
    pub(super) fn new(shared: &'a mut Shared<'s>, piece: Piece<'a>) -> Self {
        Self { shared, piece, frames: Vec::new(), anchors: HashMap::new(), aliased: 0, root: None }
    }

    /// Takes the next event. At the end of a document, returns its root.
    pub(super) fn event(&mut self, event: Event<'_>, marks: Marks) -> Result<Option<Node>, Stop> {
        match event {
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.aliased = 0;
            }
            Event::DocumentEnd => return Ok(self.root.take()),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), marks)?,
            Event::SequenceStart(anchor, tag) => {
                self.open(Parts::Sequence(Vec::new()), anchor, tag.as_deref(), marks)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.open(Parts::Mapping(Mapping::default()), anchor, tag.as_deref(), marks)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(marks)?,
            Event::Alias(anchor) => self.alias(anchor, marks)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(None)
    }

    /// Reports a complaint of the parser.
    pub(super) fn scan_error(&mut self, error: &ScanError) -> Result<(), Stop> {
        let starts = self.frames.iter().rev().map(|frame| self.piece.within(frame.start));
        let bracket = starts.clone().find(|&start| self.piece.text[start..].starts_with(['[', '{']));
        self.shared.report(syntax::diagnostic(error, &self.piece, bracket, self.shared.limits.depth))
    }

    /// Returns the place of the parser's marks.
    fn span(&self, marks: Marks) -> Span {
        let start = self.piece.byte(marks.start);
        self.piece.span(start, self.piece.byte(marks.end).max(start))
    }

    fn scalar(&mut self, text: &str, style: Style, anchor: usize, tag: Option<&Tag>, marks: Marks) -> Result<(), Stop> {
        let span = self.scalar_span(style, marks);
        self.shared.spend_node(span)?;
        let tag = self.tag(tag, span)?;
        let kind = match (tag, style) {
            (Some(CoreTag::Text | CoreTag::NonSpecific), _) => ScalarKind::Text,
            (Some(tag), _) => self.tagged(tag, text, span)?,
            (None, Style::Plain) => ScalarKind::of_plain(text),
            (None, _) => ScalarKind::Text,
        };
        let style = match style {
            Style::Plain => ScalarStyle::Plain,
            Style::SingleQuoted | Style::DoubleQuoted => ScalarStyle::Quoted,
            Style::Literal | Style::Folded => ScalarStyle::Block,
        };
        let scalar = Scalar::new(self.shared.interner.share(text), style, kind);
        let node = Node { span, value: Value::Scalar(scalar) };
        self.finish(Built { node, weight: 1, height: 0 }, anchor)
    }

    /// Returns the place of a scalar. The parser's mark of a quoted one runs on over blanks and comments, that of a
    /// block one over the line breaks behind it.
    fn scalar_span(&self, style: Style, marks: Marks) -> Span {
        let start = self.piece.byte(marks.start);
        let end = self.piece.byte(marks.end).max(start);
        let covered = &self.piece.text[start..end];
        let length = match style {
            Style::Plain => covered.len(),
            Style::SingleQuoted => quoted_length(covered, b'\''),
            Style::DoubleQuoted => quoted_length(covered, b'"'),
            Style::Literal | Style::Folded => covered.trim_end().len(),
        };
        self.piece.span(start, start + length)
    }

    fn tag(&mut self, tag: Option<&Tag>, span: Span) -> Result<Option<CoreTag>, Stop> {
        let Some(tag) = tag else { return Ok(None) };
        let known = CoreTag::of(&tag.handle, &tag.suffix);
        if known.is_none() {
            let message = format!("unknown tag `{}`", shown(&tag.to_string()));
            let error = Diagnostic::error(code::TAG, message).primary(span, "has a tag that has no meaning here");
            self.shared
                .report(error.help("remove the tag: manifests have only plain values, sequences and mappings"))?;
        }
        Ok(known)
    }

    fn tagged(&mut self, tag: CoreTag, text: &str, span: Span) -> Result<ScalarKind, Stop> {
        if let Some(kind) = tag.kind_of(text) {
            return Ok(kind);
        }
        self.misfit(tag, span)?;
        Ok(ScalarKind::of_plain(text))
    }

    fn misfit(&mut self, tag: CoreTag, span: Span) -> Result<(), Stop> {
        let message = format!("the value does not fit its tag `{}`", tag.name());
        let error = Diagnostic::error(code::TAG, message).primary(span, format!("is not {}", tag.meaning()));
        self.shared.report(error.help("remove the tag"))
    }

    fn open(&mut self, parts: Parts, anchor: usize, tag: Option<&Tag>, marks: Marks) -> Result<(), Stop> {
        let span = self.span(Marks::empty(marks.start));
        self.shared.spend_node(span)?;
        self.check_depth(0, span)?;
        match (self.tag(tag, span)?, &parts) {
            (None | Some(CoreTag::NonSpecific), _)
            | (Some(CoreTag::Sequence), Parts::Sequence(_))
            | (Some(CoreTag::Mapping), Parts::Mapping(_)) => {}
            (Some(tag), _) => self.misfit(tag, span)?,
        }
        self.frames.push(Frame { start: span.start, end: span.start, anchor, weight: 1, height: 1, parts });
        Ok(())
    }

    /// Checks that a collection with `height` more below it may be opened here.
    fn check_depth(&mut self, height: usize, span: Span) -> Result<(), Stop> {
        if self.frames.len() + height < self.shared.limits.depth {
            return Ok(());
        }
        self.shared.report(syntax::too_deep(self.shared.limits.depth).primary(span, "one level too many"))?;
        Err(Stop::Document)
    }

    fn close(&mut self, marks: Marks) -> Result<(), Stop> {
        let at = self.piece.byte(marks.start);
        let is_bracket = !marks.is_empty() && self.piece.text[at..].starts_with([']', '}']);
        let bracket_end = self.piece.span(at, at + usize::from(is_bracket)).end;
        let frame = self.frames.pop().expect("the parser closes only what it opened");
        let end = if is_bracket { bracket_end } else { frame.end };
        let span = Span { source: self.shared.source, start: frame.start, end };
        let value = match frame.parts {
            Parts::Sequence(items) => Value::Sequence(items.into()),
            Parts::Mapping(mapping) => Value::Mapping(mapping.into_entries()),
        };
        let built = Built { node: Node { span, value }, weight: frame.weight, height: frame.height };
        self.finish(built, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, marks: Marks) -> Result<(), Stop> {
        let span = self.span(marks);
        let Some(mut built) = self.anchors.get(&anchor).cloned() else {
            let error = Diagnostic::error(code::ALIAS, "an alias stands inside the value that it repeats");
            self.shared.report(error.primary(span, "repeats a value that has not ended yet"))?;
            return Err(Stop::Document);
        };
        self.aliased = self.aliased.saturating_add(built.weight);
        if self.aliased > self.shared.limits.alias_nodes {
            let message = format!("aliases repeat more than {} values", self.shared.limits.alias_nodes);
            let error = Diagnostic::error(code::LIMIT, message).primary(span, "one repetition too many");
            self.shared.report(error.help("write the values out, or repeat less"))?;
            return Err(Stop::Document);
        }
        if built.height > 0 {
            self.check_depth(built.height - 1, span)?;
        }
        built.node.span = span;
        self.attach(built)
    }

    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            self.anchors.insert(anchor, built.clone());
        }
        self.attach(built)
    }

    /// Puts a finished node where it belongs.
    fn attach(&mut self, built: Built) -> Result<(), Stop> {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        frame.end = frame.end.max(built.node.span.end);
        frame.weight = frame.weight.saturating_add(built.weight);
        frame.height = frame.height.max(built.height + 1);
        let problem = match &mut frame.parts {
            Parts::Sequence(items) => {
                items.push(built.node);
                None
            }
            Parts::Mapping(mapping) => mapping.take(built.node),
        };
        problem.map_or(Ok(()), |problem| self.shared.report(problem))
    }
}

/// Returns how much of `covered` is the quoted scalar, with the tag and anchor before it.
fn quoted_length(covered: &str, quote: u8) -> usize {
    let bytes = covered.as_bytes();
    let mut at = 0;
    // An anchor may have quotes in its name: skip whole words.
    while at < bytes.len() && bytes[at] != quote {
        let is_property = matches!(bytes[at], b'&' | b'!' | b'#');
        let ends = |byte: &u8| if bytes[at] == b'#' { *byte == b'\n' } else { byte.is_ascii_whitespace() };
        at = if is_property { bytes[at..].iter().position(ends).map_or(bytes.len(), |n| at + n) } else { at + 1 };
    }
    at += 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote && quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    covered.len()
}

#[cfg(test)]
mod tests;
