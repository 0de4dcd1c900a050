//! Lists, read to the end.

use std::collections::HashSet;

use super::error::{Error, Kind};
use super::generation::Generation;
use super::link::Link;
use super::object::{Object, Page};
use super::request::Request;
use crate::wire::ListQuery;

/// How many pages are read before a list is taken for endless: enough for a million objects.
const MAX_PAGES: u32 = 2_000;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// After so many objects.
    Offset(u64),
    /// Where an earlier page said that it goes on.
    Cursor(String),
}

impl Link {
    /// Reads all objects of a kind, each once, in the server's order.
    ///
    /// The list is not a snapshot. What is created meanwhile may be missing; so may an object be if one before it was
    /// deleted between two pages of a server that pages by offset.
    pub(super) async fn list<T: Object>(&self) -> Result<Vec<T>, Error> {
        self.search("").await
    }

    /// Reads all objects that pass a filter, which is the end of a query: `&name_contains=a`.
    pub(super) async fn search<T: Object>(&self, filter: &str) -> Result<Vec<T>, Error> {
        let mut pages = Pages::default();
        for _ in 0..MAX_PAGES {
            let request = Request::list::<T>(&pages.position, filter);
            let answer = self.fetch(&request).await;
            if let Some(generation) = Generation::told_by(T::RESOURCE) {
                match &answer {
                    Ok(_) => self.known().note(generation, true),
                    Err(error) if error.is_a(Kind::WrongGeneration) => self.known().note(generation, false),
                    Err(_) => {}
                }
            }
            match pages.add(T::unpack(answer?)) {
                Next::Page => {}
                Next::End => return Ok(pages.items),
                Next::Same => return Err(Error::new(Kind::InvalidBody, &request, "the list goes on where it is")),
            }
        }
        let request = Request::list::<T>(&pages.position, filter);
        let message = format!("the list has not ended after {MAX_PAGES} pages");
        Err(Error::new(Kind::InvalidBody, &request, message))
    }
}

/// What has been read of a list.
struct Pages<T> {
    items: Vec<T>,
    seen: HashSet<String>,
    position: Position,
    longest_page: u64,
}

/// Whether a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There may be more.
    Page,
    /// This was the last page.
    End,
    /// The next page is said to be the one that was just read.
    Same,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { items: Vec::new(), seen: HashSet::new(), position: Position::Offset(0), longest_page: 0 }
    }
}

impl<T: Object> Pages<T> {
    /// Adds a page, and says whether to ask for another.
    fn add(&mut self, page: Page<T>) -> Next {
        let len = page.items.len() as u64;
        let n_known = self.items.len();
        for item in page.items {
            // Ids are unique for sure; names only at any one moment.
            let key = item.id().unwrap_or_else(|| item.name()).to_owned();
            if self.seen.insert(key) {
                self.items.push(item);
            }
        }
        // A server that gives a cursor says all there is to say with it, and its absence ends a list that has had one.
        if let Some(cursor) = page.next_cursor.filter(|cursor| !cursor.is_empty()) {
            let next = Position::Cursor(cursor);
            let is_same = next == self.position;
            self.position = next;
            return if is_same { Next::Same } else { Next::Page };
        }
        match self.position {
            Position::Cursor(_) => Next::End,
            Position::Offset(asked) => self.after(asked, len, page.offset, self.items.len() > n_known),
        }
    }

    /// Judges a page of a server that pages by offset. `hint` is the `offset` that the page carries.
    fn after(&mut self, asked: u64, len: u64, hint: u64, has_news: bool) -> Next {
        self.position = Position::Offset(asked + len);
        self.longest_page = self.longest_page.max(len);

        if !has_news || len > ListQuery::MAX_LIMIT {
            // Nothing new, or more than was asked for: the server ignores paging, or there is nothing left.
            return Next::End;
        }
        if hint > asked {
            // Published as "the offset of the next page", and by others sent as the offset of this one.
            return Next::Page;
        }
        // A server may give shorter pages than it is asked for, so a page is the last if it is shorter than another
        // was, or shorter than any server's page.
        if len < self.longest_page.max(ListQuery::DEFAULT_LIMIT) { Next::End } else { Next::Page }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Volume, VolumeList};

    /// Reads `total` volumes from a server that answers `(limit, offset)` with a range of them.
    fn read(total: u64, serve: impl Fn(u64, u64) -> (u64, u64), hint: impl Fn(u64) -> u64) -> (usize, u32) {
        let mut pages = Pages::<Volume>::default();
        let mut n_requests = 0;
        loop {
            let Position::Offset(asked) = pages.position else { panic!("no cursor was given") };
            let (from, to) = serve(ListQuery::MAX_LIMIT, asked);
            let items = (from.min(total)..to.min(total)).map(|n| volume(&format!("v{n}"))).collect();
            n_requests += 1;
            assert!(n_requests < 100, "the list does not end");
            if pages.add(page(items, hint(asked))) == Next::End {
                return (pages.items.len(), n_requests);
            }
        }
    }

    fn page(items: Vec<Volume>, offset: u64) -> Page<Volume> {
        Page { items, offset, next_cursor: None }
    }

    fn volume(name: &str) -> Volume {
        let body = format!(r#"{{"volumes":[{{"name":"{name}"}}]}}"#);
        let list: VolumeList = serde_json::from_str(&body).expect("a list of one volume");
        list.volumes.into_iter().next().expect("one volume")
    }

    #[test]
    fn every_sort_of_server_is_read_to_the_end() {
        let whole = |limit, offset| (offset, offset + limit);
        let capped = |cap| move |_, offset| (offset, offset + cap);
        let ignores = |_, _| (0, u64::MAX);
        for total in [0, 1, 49, 50, 51, 99, 100, 101, 499, 500, 501, 1000, 1001] {
            let all = usize::try_from(total).expect("a small number");
            assert_eq!(read(total, whole, |_| 0).0, all, "honours the limit, {total} objects");
            assert_eq!(read(total, whole, |offset| offset).0, all, "echoes the offset, {total} objects");
            assert_eq!(read(total, capped(50), |_| 0).0, all, "50 a page, {total} objects");
            assert_eq!(read(total, capped(100), |_| 0).0, all, "100 a page, {total} objects");
            assert_eq!(read(total, ignores, |_| 0).0, all, "ignores paging, {total} objects");
        }
        // Pages this short are followed when the server says where the next one is.
        assert_eq!(read(25, capped(10), |offset| if offset < 20 { offset + 10 } else { 0 }).0, 25);
    }

    #[test]
    fn no_request_more_than_it_takes() {
        let whole = |limit, offset| (offset, offset + limit);
        for (total, n_requests) in [(0, 1), (1, 1), (49, 1), (499, 2), (500, 2), (501, 2), (9_849, 20)] {
            assert_eq!(read(total, whole, |_| 0).1, n_requests, "{total} objects");
        }
        assert_eq!(read(700, |_, _| (0, 700), |_| 0).1, 1, "all at once, and more than the limit");
        assert_eq!(read(60, |_, _| (0, 60), |_| 0).1, 2, "all at once");
    }

    #[test]
    fn what_moves_between_pages_is_kept_once() {
        let mut pages = Pages::<Volume>::default();
        let first = (0..500).map(|n| volume(&format!("v{n}"))).collect();
        assert_eq!(pages.add(page(first, 0)), Next::Page);
        // Something was created: the last object of the first page is the first of the second.
        let second = (499..999).map(|n| volume(&format!("v{n}"))).collect();
        assert_eq!(pages.add(page(second, 500)), Next::Page);
        assert_eq!(pages.items.len(), 999);
        assert_eq!(pages.add(page(Vec::new(), 1000)), Next::End);
    }

    #[test]
    fn a_cursor_is_followed_to_its_end_whatever_the_length_of_the_pages() {
        let mut pages = Pages::<Volume>::default();
        let with = |items, cursor: Option<&str>| Page { items, offset: 0, next_cursor: cursor.map(ToOwned::to_owned) };
        assert_eq!(pages.add(with(vec![volume("a")], Some("1"))), Next::Page);
        assert_eq!(pages.position, Position::Cursor("1".to_owned()));
        assert_eq!(pages.add(with(Vec::new(), Some("2"))), Next::Page, "a page may be empty, and the list go on");
        assert_eq!(pages.add(with(vec![volume("a"), volume("b")], Some("2"))), Next::Same);
        let many = (0..500).map(|n| volume(&format!("v{n}"))).collect();
        assert_eq!(pages.add(with(many, None)), Next::End, "as long as it is, it is the last");
        assert_eq!(pages.items.len(), 502);
        assert_eq!(Pages::<Volume>::default().add(with(Vec::new(), Some(""))), Next::End);
    }
}
