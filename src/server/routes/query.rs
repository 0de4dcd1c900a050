//! Reading the query of a list (contract section 2.2).

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use super::decode::{Problems, key, out_of_range, parse_integer};
use crate::server::error::Failure;
use crate::server::store::{Direction, ListOptions};
use crate::wire::ListQuery;

/// What a kind's list can be filtered and sorted by.
pub(crate) trait Listing {
    /// The names of `sort_by`, with their columns.
    const SORT_BY: &'static [(&'static str, &'static str)];
    /// The names of the filters, with their columns and the values that they take (any, when empty).
    const FILTERS: &'static [(&'static str, &'static str, &'static [&'static str])] = &[];
}

/// The query of a list.
pub(crate) struct ListOf<L>(pub(crate) ListOptions, pub(crate) PhantomData<L>);

impl<S: Send + Sync, L: Listing> FromRequestParts<S> for ListOf<L> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        // A query that is not even form-encoded has no parameters, as in the real service.
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|Query(pairs)| pairs);
        let mut problems = Problems::default();
        let mut options = ListOptions::default();
        for (name, value) in pairs.unwrap_or_default() {
            read::<L>(&name, value, &mut options, &mut problems);
        }
        problems.none_or_fail(Some(Self(options, PhantomData)))
    }
}

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
        "sort_direction" => match value.as_str() {
            "asc" => options.direction = Direction::Ascending,
            "desc" => options.direction = Direction::Descending,
            _ => problems.add(&at, "value_error", one_of(["asc", "desc"])),
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
