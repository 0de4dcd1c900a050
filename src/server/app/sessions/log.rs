//! The output of a command, as far back as it is kept.

use std::collections::VecDeque;

/// How much of each stream is kept at least, in bytes (contract G48).
pub(super) const KEPT: usize = 1 << 20;

/// How large one piece may be, in bytes: a frame that carries it stays far below what clients take.
const PIECE: usize = 32 << 10;

/// One of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) stream: Stream,
    /// Where in its stream the piece begins, in bytes.
    pub(crate) offset: u64,
    pub(crate) data: String,
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.data.len() as u64
    }
}

/// What a command wrote, both streams in the order in which it wrote them.
///
/// The oldest pieces of a stream go when more than enough of it is kept.
#[derive(Debug, Default)]
pub(super) struct Log {
    pieces: VecDeque<(u64, Piece)>,
    next_number: u64,
    totals: [Total; 2],
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    written: u64,
    kept: usize,
}

/// How far somebody has read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    /// The offsets of the next byte of each stream.
    offsets: [u64; 2],
    /// The number of the piece to go on with.
    number: u64,
}

impl Position {
    /// Makes a position from offsets that a client knows.
    pub(super) fn new(stdout: u64, stderr: u64) -> Self {
        Self { offsets: [stdout, stderr], number: 0 }
    }
}

impl Log {
    /// Adds text of a stream.
    pub(super) fn push(&mut self, stream: Stream, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
            self.push_piece(stream, piece);
            rest = after;
        }
        self.forget(stream);
    }

    fn push_piece(&mut self, stream: Stream, text: &str) {
        let total = &mut self.totals[stream as usize];
        let offset = total.written;
        total.written += text.len() as u64;
        total.kept += text.len();
        // Small writes share a piece, so that a command which writes byte by byte costs no more memory than another.
        if let Some((_, last)) = self.pieces.back_mut()
            && last.stream == stream
            && last.data.len() + text.len() <= PIECE
        {
            last.data.push_str(text);
            return;
        }
        let piece = Piece { stream, offset, data: text.to_owned() };
        self.pieces.push_back((self.next_number, piece));
        self.next_number += 1;
    }

    fn forget(&mut self, stream: Stream) {
        while let Some(index) = self.pieces.iter().position(|(_, piece)| piece.stream == stream) {
            let len = self.pieces[index].1.data.len();
            if self.totals[stream as usize].kept < KEPT + len {
                break;
            }
            self.pieces.remove(index);
            self.totals[stream as usize].kept -= len;
        }
    }

    /// Returns how much of a stream is written behind a position, in bytes: of the stream that has more.
    pub(super) fn ahead_of(&self, position: &Position) -> u64 {
        let behind = self.totals.iter().zip(position.offsets).map(|(total, read)| total.written.saturating_sub(read));
        behind.max().unwrap_or(0)
    }

    /// Returns the next piece after a position, and moves the position behind it.
    pub(super) fn read(&self, position: &mut Position) -> Option<Piece> {
        let from = self.pieces.partition_point(|(number, _)| *number < position.number);
        for (number, piece) in self.pieces.range(from..) {
            let wanted = &mut position.offsets[piece.stream as usize];
            if piece.end() <= *wanted {
                continue;
            }
            let skipped = usize::try_from(wanted.saturating_sub(piece.offset)).unwrap_or(piece.data.len());
            let start = piece.data.ceil_char_boundary(skipped);
            *wanted = piece.end();
            // The piece may still grow: reading goes on with it.
            position.number = *number;
            let data = piece.data[start..].to_owned();
            if !data.is_empty() {
                return Some(Piece { stream: piece.stream, offset: piece.offset + start as u64, data });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(log: &Log, mut position: Position) -> Vec<(Stream, u64, String)> {
        std::iter::from_fn(|| log.read(&mut position)).map(|piece| (piece.stream, piece.offset, piece.data)).collect()
    }

    #[test]
    fn keeps_the_order_of_the_streams() {
        let mut log = Log::default();
        for (stream, text) in
            [(Stream::Stdout, "a"), (Stream::Stdout, "b"), (Stream::Stderr, "c"), (Stream::Stdout, "d")]
        {
            log.push(stream, text);
        }
        let whole = [
            (Stream::Stdout, 0, "ab".to_owned()),
            (Stream::Stderr, 0, "c".to_owned()),
            (Stream::Stdout, 2, "d".to_owned()),
        ];
        assert_eq!(rest(&log, Position::default()), whole);
        let part = [(Stream::Stdout, 1, "b".to_owned()), (Stream::Stdout, 2, "d".to_owned())];
        assert_eq!(rest(&log, Position::new(1, 1)), part);
    }

    #[test]
    fn a_piece_that_grows_is_read_on() {
        let mut log = Log::default();
        let mut position = Position::default();
        let mut read = Vec::new();
        for text in ["ab", "cd", "ef"] {
            log.push(Stream::Stdout, text);
            read.extend(log.read(&mut position).map(|piece| (piece.offset, piece.data)));
            assert_eq!(log.read(&mut position), None);
        }
        assert_eq!(read, [(0, "ab".to_owned()), (2, "cd".to_owned()), (4, "ef".to_owned())]);
    }

    #[test]
    fn forgets_the_oldest_of_each_stream_alone() {
        let mut log = Log::default();
        log.push(Stream::Stderr, "kept");
        for _ in 0..100 {
            log.push(Stream::Stdout, &"é".repeat(PIECE / 2));
        }
        let pieces = rest(&log, Position::default());
        assert_eq!(pieces[0], (Stream::Stderr, 0, "kept".to_owned()));
        let kept: usize = pieces[1..].iter().map(|(_, _, data)| data.len()).sum();
        assert!((KEPT..KEPT + PIECE).contains(&kept), "{kept}");
        assert_eq!(pieces[1].1 + kept as u64, 100 * PIECE as u64, "the gap shows in the offset");
        assert_eq!(rest(&log, Position::new(1, 0))[1].1, pieces[1].1, "what is gone is skipped");
    }

    #[test]
    fn an_offset_inside_a_character_skips_it() {
        let mut log = Log::default();
        log.push(Stream::Stdout, "é!");
        assert_eq!(rest(&log, Position::new(1, 0)), [(Stream::Stdout, 2, "!".to_owned())]);
    }
}
