//! Reading the query of a list (contract section 2.2, and 1.2 of the second generation).

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use super::cursor;
use super::decode::{Problems, key, out_of_range, parse_integer};
use crate::server::error::Failure;
use crate::server::store::{Direction, LabelFilter, ListOptions, Page};
use crate::wire::ListQuery;

/// What a kind's list can be filtered and sorted by.
pub(crate) trait Listing {
    /// The names of `sort_by`, with their columns.
    const SORT_BY: &'static [(&'static str, &'static str)];
    /// The names of the filters, with their columns and the values that they take (any, when empty).
    const FILTERS: &'static [(&'static str, &'static str, &'static [&'static str])] = &[];
    /// How it is read by cursor, if it can be.
    const CURSORS: Option<Cursors> = None;
    /// The names of parameters that this server does not serve: not to heed them would show what was not asked for.
    const UNSERVED: &'static [&'static str] = &[];
    /// Whether its objects have labels, and so can be selected by them.
    const HAS_LABELS: bool = false;
}

/// How a list is read by cursor.
pub(crate) struct Cursors {
    /// The list's name: a cursor of another one is refused.
    pub(crate) list: &'static str,
    pub(crate) default_size: u32,
    pub(crate) max_size: u32,
}

/// The query of a list.
pub(crate) struct ListOf<L> {
    pub(crate) options: ListOptions,
    list: PhantomData<L>,
}

impl<L: Listing> ListOf<L> {
    /// Returns what to ask for the next page with, if there is one.
    pub(crate) fn next_cursor<T>(&self, page: &Page<T>) -> Option<String> {
        let cursors = L::CURSORS?;
        Some(cursor::encode(cursors.list, self.options.sort_by, page.last.as_ref()?))
    }
}

impl<S: Send + Sync, L: Listing> FromRequestParts<S> for ListOf<L> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        // A query that is not even form-encoded has no parameters, as in the real service.
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|Query(pairs)| pairs);
        let mut problems = Problems::default();
        let mut options = ListOptions::default();
        let mut by_cursor = ByCursor::default();
        for (name, value) in pairs.unwrap_or_default() {
            if L::UNSERVED.contains(&name.as_str()) {
                return Err(Failure::not_implemented(&name));
            }
            if let Some(cursors) = &L::CURSORS
                && by_cursor.take(&name, &value, cursors, &mut problems)
            {
                continue;
            }
            read::<L>(&name, value, &mut options, &mut problems);
        }
        by_cursor.apply::<L>(&mut options, &mut problems);
        problems.none_or_fail(Some(Self { options, list: PhantomData }))
    }
}

/// What a query says in the style of cursors, which wins over the other one (contract S14 of the second generation).
#[derive(Default)]
struct ByCursor {
    is_asked_for: bool,
    size: Option<u32>,
    cursor: Option<String>,
}

impl ByCursor {
    /// Reads a parameter; `false` when it is none of this style.
    fn take(&mut self, name: &str, value: &str, cursors: &Cursors, problems: &mut Problems) -> bool {
        match name {
            "page_size" => match integer(value, 1..=i64::from(cursors.max_size)) {
                Ok(size) => self.size = u32::try_from(size).ok(),
                Err((kind, message)) => problems.add(&[key("query"), key(name)], kind, message),
            },
            // An empty one asks for the first page.
            "cursor" => self.cursor = Some(value.to_owned()).filter(|cursor| !cursor.is_empty()),
            _ => return false,
        }
        self.is_asked_for = true;
        true
    }

    fn apply<L: Listing>(self, options: &mut ListOptions, problems: &mut Problems) {
        let Some(cursors) = L::CURSORS.filter(|_| self.is_asked_for) else { return };
        options.limit = self.size.unwrap_or(cursors.default_size);
        options.offset = 0;
        let place = self.cursor.map(|cursor| cursor::decode(&cursor, cursors.list, options.sort_by));
        match place {
            Some(None) => problems.add(&[key("query"), key("cursor")], "value_error", NO_CURSOR),
            place => options.after = place.flatten(),
        }
    }
}

const NO_CURSOR: &str = "Input should be a `next_cursor` of this list, with its filters and its order";

fn read<L: Listing>(name: &str, value: String, options: &mut ListOptions, problems: &mut Problems) {
    let at = [key("query"), key(name)];
    let max_limit = i64::try_from(ListQuery::MAX_LIMIT).expect("it is small");
    match name {
        "limit" => match integer(&value, 1..=max_limit) {
            Ok(limit) => options.limit = u32::try_from(limit).expect("checked to be small"),
            Err((kind, message)) => problems.add(&at, kind, message),
        },
        "offset" => match integer(&value, 0..=i64::MAX) {
            Ok(offset) => options.offset = u64::try_from(offset).expect("checked not to be negative"),
            Err((kind, message)) => problems.add(&at, kind, message),
        },
        "name_contains" => options.name_contains = Some(value).filter(|part| !part.is_empty()),
        "sort_by" => match L::SORT_BY.iter().find(|(known, _)| *known == value) {
            Some((_, column)) => options.sort_by = column,
            None => problems.add(&at, "value_error", one_of(L::SORT_BY.iter().map(|(known, _)| *known))),
        },
        "sort_direction" | "sort_order" => match value.as_str() {
            "asc" => options.direction = Direction::Ascending,
            "desc" => options.direction = Direction::Descending,
            _ => problems.add(&at, "value_error", one_of(["asc", "desc"])),
        },
        "label" if L::HAS_LABELS => match value.split_once('=') {
            Some(("", _)) => problems.add(&at, "value_error", "Input should be 'key' or 'key=value'"),
            Some((label, text)) => {
                options.labels.push(LabelFilter { key: label.to_owned(), value: Some(text.to_owned()) });
            }
            None => options.labels.push(LabelFilter { key: value, value: None }),
        },
        _ => {
            // Unknown parameters are left alone, like unknown fields.
            let Some((_, column, allowed)) = L::FILTERS.iter().find(|(known, _, _)| *known == name) else { return };
            if allowed.is_empty() || allowed.contains(&value.as_str()) {
                options.equal.push((column, value));
            } else {
                problems.add(&at, "value_error", one_of(allowed.iter().copied()));
            }
        }
    }
}

fn integer(text: &str, range: std::ops::RangeInclusive<i64>) -> Result<i64, (&'static str, String)> {
    let number = parse_integer(text).map_err(|(kind, message)| (kind, message.to_owned()))?;
    if range.contains(&number) { Ok(number) } else { Err(("value_error", out_of_range(&range))) }
}

fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("'{word}'")).collect();
    format!("Input should be {}", words.join(" or "))
}
