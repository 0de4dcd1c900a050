//! Searching files, with the sandbox's own view of paths and its own rights.
//!
//! Names and contents are whatever the sandbox made them: a search ends in time, keeps little of what it reads, and
//! follows no link on its way down, so that none leads it in circles.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use memchr::memmem::Finder;
use serde::Serialize;

use super::files;
use crate::server::runtime::{Entry, EntrySearch, Found, Glob, Line, LineSearch, Place, SearchScope};
use crate::types::Timestamp;

/// How many bytes an answer may have: less than a message can, so that others do not wait long behind it.
const LONGEST_ANSWER: usize = 4 << 20;

/// How much of a line is returned, in bytes.
const LONGEST_TEXT: usize = 4096;

/// How much of a line is looked at at once, in bytes. In a longer one, what lies across is not found.
const LONGEST_LINE: u64 = 1 << 20;

/// How much of a file is read at once, in bytes. A zero among the first ones makes it no text.
const READ_AT_ONCE: usize = 64 << 10;

/// Whether to go on.
type Flow = ControlFlow<()>;

/// Finds files and folders.
pub(super) fn entries(search: &EntrySearch, end: Instant) -> io::Result<Found<Entry>> {
    let mut results = Results::new(&search.scope);
    let is_through = walk(&search.scope.folder, &search.pattern, end, &mut |path, _| {
        // A link that leads nowhere is there all the same.
        let Ok(status) = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)) else { return Flow::Continue(()) };
        let modified = files::modified(&status).and_then(Timestamp::from_microseconds);
        results.add(Entry { path: text_of(path), is_folder: status.is_dir(), size: status.len(), modified })
    })?;
    Ok(results.finish(is_through))
}

/// Finds lines in files.
pub(super) fn lines(search: &LineSearch, end: Instant) -> io::Result<Found<Line>> {
    let everything = "**".parse().map_err(io::Error::other)?;
    let mut results = Results::new(&search.scope);
    let finder = Finder::new(&search.text);
    let files = search.files.as_ref().unwrap_or(&everything);
    let is_through = walk(&search.scope.folder, files, end, &mut |path, is_file| {
        if is_file && !is_of_kernel(path) { lines_of(path, &finder, end, &mut results) } else { Flow::Continue(()) }
    })?;
    Ok(results.finish(is_through))
}

/// Goes through all that matches below a folder, in the order of names, and tells of each whether it is a regular file.
/// Returns whether it got through in time, and was not told to stop.
fn walk(folder: &str, glob: &Glob, end: Instant, visit: &mut dyn FnMut(&Path, bool) -> Flow) -> io::Result<bool> {
    // A link may lead to where a search begins.
    let top = fs::canonicalize(folder)?;
    let may_enter = is_of_kernel(&top);
    let mut open = vec![Folder::read(top, glob.start())?];
    while let Some(folder) = open.last_mut() {
        if Instant::now() >= end {
            return Ok(false);
        }
        let Some((name, kind)) = folder.entries.pop() else {
            open.pop();
            continue;
        };
        let path = folder.path.join(&name);
        let (is_match, place) = glob.follow(&folder.place, &name.to_string_lossy());
        if is_match && visit(&path, kind.is_file()).is_break() {
            return Ok(false);
        }
        if kind.is_dir() && glob.goes_on(&place) && (may_enter || !is_of_kernel(&path)) {
            // One that went, or that leads too deep for a path, has nothing for anybody.
            open.extend(Folder::read(path, place).ok());
        }
    }
    Ok(true)
}

/// A folder on the way.
struct Folder {
    path: PathBuf,
    place: Place,
    /// What is left of it, the last one first. Names, and nothing that keeps a file open.
    entries: Vec<(OsString, fs::FileType)>,
}

impl Folder {
    fn read(path: PathBuf, place: Place) -> io::Result<Self> {
        let entries = fs::read_dir(&path)?.filter_map(Result::ok);
        let mut entries: Vec<_> =
            entries.filter_map(|entry| Some((entry.file_name(), entry.file_type().ok()?))).collect();
        entries.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        Ok(Self { path, place, entries })
    }
}

/// Returns whether a path is in one of the kernel's own trees: without an end as good as, and not what anybody's files
/// are.
fn is_of_kernel(path: &Path) -> bool {
    let kinds = [libc::PROC_SUPER_MAGIC, libc::SYSFS_MAGIC];
    rustix::fs::statfs(path).is_ok_and(|status| kinds.contains(&status.f_type))
}

/// Finds lines in one file.
fn lines_of(path: &Path, finder: &Finder<'_>, end: Instant, results: &mut Results<Line>) -> Flow {
    let Ok((file, ..)) = files::open_here(path) else { return Flow::Continue(()) };
    let mut file = BufReader::with_capacity(READ_AT_ONCE, file);
    if file.fill_buf().map_or(true, |first| first.contains(&0)) {
        return Flow::Continue(());
    }
    let (mut line, mut number, mut is_rest) = (Vec::new(), 0, false);
    loop {
        line.clear();
        // An error here is an end like another: what was found before stays.
        let Ok(1..) = file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) else { break };
        if Instant::now() >= end {
            return Flow::Break(());
        }
        number += u64::from(!is_rest);
        is_rest = line.last() != Some(&b'\n');
        let content = line.strip_suffix(b"\n").map_or(&line[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
        if finder.find(content).is_some() && results.last_line(path) != Some(number) {
            let content = &content[..content.len().min(LONGEST_TEXT)];
            results.add(Line { path: text_of(path), number, text: String::from_utf8_lossy(content).into_owned() })?;
        }
    }
    Flow::Continue(())
}

/// What was found, and how much more there may be.
struct Results<T> {
    matches: Vec<T>,
    left: usize,
    bytes_left: usize,
}

impl<T: Serialize> Results<T> {
    fn new(scope: &SearchScope) -> Self {
        Self { matches: Vec::new(), left: scope.limit, bytes_left: LONGEST_ANSWER }
    }

    /// Keeps a match; stops the search when there is no room for it.
    fn add(&mut self, found: T) -> Flow {
        let size = serde_json::to_vec(&found).map_or(usize::MAX, |text| text.len());
        match (self.left.checked_sub(1), self.bytes_left.checked_sub(size)) {
            (Some(left), Some(bytes_left)) => {
                (self.left, self.bytes_left) = (left, bytes_left);
                self.matches.push(found);
                Flow::Continue(())
            }
            _ => Flow::Break(()),
        }
    }

    fn finish(self, is_through: bool) -> Found<T> {
        Found { matches: self.matches, is_truncated: !is_through }
    }
}

impl Results<Line> {
    /// Returns the number of the last line that was found, if that was in this file.
    fn last_line(&self, path: &Path) -> Option<u64> {
        let last = self.matches.last()?;
        (last.path == path.to_string_lossy()).then_some(last.number)
    }
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
