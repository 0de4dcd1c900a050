//! Lists, read to the end.

use std::collections::HashSet;

use super::error::{Error, Kind};
use super::link::Link;
use super::object::Object;
use super::request::Request;
use crate::wire::ListQuery;

/// How many pages are read before a list is taken for endless: enough for a million objects.
const MAX_PAGES: u32 = 2_000;

impl Link {
    /// Reads all objects of a kind, each once, in the server's order.
    ///
    /// The list is not a snapshot. What is created meanwhile may be missing; so may an object be if one before it was
    /// deleted between two pages.
    pub(super) async fn list<T: Object>(&self) -> Result<Vec<T>, Error> {
        let mut pages = Pages::default();
        for _ in 0..MAX_PAGES {
            let request = Request::list::<T>(ListQuery::MAX_LIMIT, pages.offset);
            let (items, hint) = T::unpack(self.fetch(&request).await?);
            if pages.add(items, hint).is_end() {
                return Ok(pages.items);
            }
        }
        let request = Request::list::<T>(ListQuery::MAX_LIMIT, pages.offset);
        let message = format!("the list has not ended after {MAX_PAGES} pages");
        Err(Error::new(Kind::InvalidBody, &request, message))
    }
}

/// What has been read of a list.
struct Pages<T> {
    items: Vec<T>,
    seen: HashSet<String>,
    offset: u64,
    longest_page: u64,
}

/// Whether a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There may be more.
    Page,
    /// This was the last page.
    End,
}

impl Next {
    fn is_end(self) -> bool {
        self == Self::End
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { items: Vec::new(), seen: HashSet::new(), offset: 0, longest_page: 0 }
    }
}

impl<T: Object> Pages<T> {
    /// Adds a page, of which `hint` is the `offset` that it carries, and says whether to ask for another.
    fn add(&mut self, items: Vec<T>, hint: u64) -> Next {
        let len = items.len() as u64;
        let n_known = self.items.len();
        for item in items {
            // Ids are unique for sure; names only at any one moment.
            let key = item.id().unwrap_or_else(|| item.name()).to_owned();
            if self.seen.insert(key) {
                self.items.push(item);
            }
        }
        let asked = self.offset;
        self.offset += len;
        self.longest_page = self.longest_page.max(len);

        if self.items.len() == n_known || len > ListQuery::MAX_LIMIT {
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
            let (from, to) = serve(ListQuery::MAX_LIMIT, pages.offset);
            let items = (from.min(total)..to.min(total)).map(|n| volume(&format!("v{n}"))).collect();
            n_requests += 1;
            assert!(n_requests < 100, "the list does not end");
            let asked = pages.offset;
            if pages.add(items, hint(asked)).is_end() {
                return (pages.items.len(), n_requests);
            }
        }
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
        assert_eq!(pages.add(first, 0), Next::Page);
        // Something was created: the last object of the first page is the first of the second.
        let second = (499..999).map(|n| volume(&format!("v{n}"))).collect();
        assert_eq!(pages.add(second, 500), Next::Page);
        assert_eq!(pages.items.len(), 999);
        assert_eq!(pages.add(Vec::new(), 1000), Next::End);
    }
}
