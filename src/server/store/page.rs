//! One page of a list.

use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::Error;

/// Which objects of a list, and in which order.
#[derive(Debug, Clone)]
pub(crate) struct ListOptions {
    /// How many at most.
    pub(crate) limit: u32,
    /// How many to leave out first.
    pub(crate) offset: u64,
    /// Only those whose name contains this.
    pub(crate) name_contains: Option<String>,
    /// Only those where the column equals the text.
    pub(crate) equal: Vec<(&'static str, String)>,
    /// The column to sort by.
    pub(crate) sort_by: &'static str,
    /// The direction to sort in.
    pub(crate) direction: Direction,
}

/// A direction to sort in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self {
            limit: 50,
            offset: 0,
            name_contains: None,
            equal: Vec::new(),
            sort_by: "created_at",
            direction: Direction::Descending,
        }
    }
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The objects.
    pub(crate) items: Vec<T>,
    /// The offset of the next page, 0 when this is the last one.
    pub(crate) next_offset: u64,
}

/// Reads a page of `select`, a statement without `WHERE` and `ORDER BY` whose rows are of the table `table`.
///
/// `base` is a condition that always holds for the list. The order ends in the id, so that paging is stable among
/// objects of the same microsecond.
pub(super) fn read<T>(
    connection: &Connection,
    select: &str,
    table: &str,
    base: &str,
    options: &ListOptions,
    decode: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    let mut sql = format!("{select} WHERE {base}");
    let mut values: Vec<Value> = Vec::new();
    if let Some(part) = &options.name_contains {
        let _ = write!(sql, " AND instr({table}.name, ?) > 0");
        values.push(part.clone().into());
    }
    for (column, text) in &options.equal {
        let _ = write!(sql, " AND {column} = ?");
        values.push(text.clone().into());
    }
    let direction = match options.direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let column = options.sort_by;
    let _ = write!(sql, " ORDER BY {column} {direction}, {table}.id LIMIT ? OFFSET ?");
    // One more than asked for tells whether there is a next page.
    values.push(Value::Integer(i64::from(options.limit) + 1));
    values.push(Value::Integer(i64::try_from(options.offset).unwrap_or(i64::MAX)));

    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut items = Vec::new();
    let mut next_offset = 0;
    while let Some(row) = rows.next()? {
        if items.len() == options.limit as usize {
            next_offset = options.offset.saturating_add(u64::from(options.limit));
            break;
        }
        items.push(decode(row)?);
    }
    Ok(Page { items, next_offset })
}
