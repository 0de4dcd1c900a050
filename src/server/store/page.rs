//! One page of a list, in either of the API's two styles.

use std::fmt::Write as _;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::Error;

/// Which objects of a list, and in which order.
#[derive(Debug, Clone)]
pub(crate) struct ListOptions {
    /// How many at most.
    pub(crate) limit: u32,
    /// How many to leave out first.
    pub(crate) offset: u64,
    /// Only those that come after this one; the offset then counts for nothing.
    pub(crate) after: Option<Place>,
    /// Only those whose name contains this.
    pub(crate) name_contains: Option<String>,
    /// Only those where the column equals the text.
    pub(crate) equal: Vec<(&'static str, String)>,
    /// Only those with all of these labels.
    pub(crate) labels: Vec<LabelFilter>,
    /// The column to sort by.
    pub(crate) sort_by: &'static str,
    /// The direction to sort in.
    pub(crate) direction: Direction,
}

/// A label that an object must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelFilter {
    pub(crate) key: String,
    /// Any value when `None`.
    pub(crate) value: Option<String>,
}

/// Where an object stands in a list: what the list is sorted by, and the object's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: PlaceKey,
    pub(crate) id: String,
}

/// What an object has in the column that its list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaceKey {
    Nothing,
    Number(i64),
    Text(String),
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
            after: None,
            name_contains: None,
            equal: Vec::new(),
            labels: Vec::new(),
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
    /// The place of the last object, when there is a next page.
    pub(crate) last: Option<Place>,
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
    let column = qualified(table, options.sort_by);
    let mut query = Query { sql: with_place(select, table, &column), values: Vec::new() };
    let _ = write!(query.sql, " WHERE {base}");
    query.filter(table, options);
    if let Some(place) = &options.after {
        query.after(table, &column, options.direction, place);
    }
    let direction = match options.direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let _ = write!(query.sql, " ORDER BY {column} {direction}, {table}.id LIMIT ? OFFSET ?");
    // One more than asked for tells whether there is a next page.
    query.values.push(Value::Integer(i64::from(options.limit) + 1));
    let offset = if options.after.is_some() { 0 } else { options.offset };
    query.values.push(Value::Integer(i64::try_from(offset).unwrap_or(i64::MAX)));

    let mut statement = connection.prepare_cached(&query.sql)?;
    let mut rows = statement.query(params_from_iter(query.values))?;
    let mut page = Page { items: Vec::new(), next_offset: 0, last: None };
    let mut last = None;
    while let Some(row) = rows.next()? {
        if page.items.len() == options.limit as usize {
            page.next_offset = offset.saturating_add(u64::from(options.limit));
            page.last = last;
            break;
        }
        last = Some(place_of(row)?);
        page.items.push(decode(row)?);
    }
    Ok(page)
}

/// Names a column so that no other table of the statement has it, too.
fn qualified(table: &str, column: &str) -> String {
    if column.contains('.') { column.to_owned() } else { format!("{table}.{column}") }
}

/// Adds to a statement what tells the place of each row.
fn with_place(select: &str, table: &str, column: &str) -> String {
    let (columns, from) = select.split_once(" FROM ").expect("a statement of this crate");
    format!("{columns}, {column} AS place_key, {table}.id AS place_id FROM {from}")
}

fn place_of(row: &Row<'_>) -> Result<Place, Error> {
    let key = match row.get_ref("place_key")? {
        ValueRef::Integer(number) => PlaceKey::Number(number),
        ValueRef::Text(text) => PlaceKey::Text(String::from_utf8_lossy(text).into_owned()),
        // No list is sorted by anything else.
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => PlaceKey::Nothing,
    };
    Ok(Place { key, id: row.get("place_id")? })
}

/// A statement that grows.
struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    fn filter(&mut self, table: &str, options: &ListOptions) {
        if let Some(part) = &options.name_contains {
            // Names are in lower case, and who searches need not be.
            let _ = write!(self.sql, " AND instr({table}.name, ?) > 0");
            self.values.push(part.to_lowercase().into());
        }
        for (column, text) in &options.equal {
            let _ = write!(self.sql, " AND {column} = ?");
            self.values.push(text.clone().into());
        }
        for LabelFilter { key, value } in &options.labels {
            let _ =
                write!(self.sql, " AND EXISTS (SELECT 1 FROM json_each({table}.labels) AS label WHERE label.key = ?");
            self.values.push(key.clone().into());
            if let Some(value) = value {
                self.sql.push_str(" AND label.value = ?");
                self.values.push(value.clone().into());
            }
            self.sql.push(')');
        }
    }

    /// Leaves out everything up to a place. What has nothing in the column comes first in ascending order.
    fn after(&mut self, table: &str, column: &str, direction: Direction, place: &Place) {
        let same = |condition: &str| format!("({column} IS {condition} AND {table}.id > ?)");
        let beyond = match (direction, &place.key) {
            (Direction::Ascending, PlaceKey::Nothing) => format!("{column} IS NOT NULL OR {}", same("NULL")),
            (Direction::Descending, PlaceKey::Nothing) => same("NULL"),
            (Direction::Ascending, _) => format!("{column} > ? OR {}", same("?")),
            (Direction::Descending, _) => format!("{column} < ? OR {column} IS NULL OR {}", same("?")),
        };
        let _ = write!(self.sql, " AND ({beyond})");
        let key = match &place.key {
            PlaceKey::Nothing => None,
            PlaceKey::Number(number) => Some(Value::Integer(*number)),
            PlaceKey::Text(text) => Some(Value::Text(text.clone())),
        };
        if let Some(key) = key {
            self.values.extend([key.clone(), key]);
        }
        self.values.push(place.id.clone().into());
    }
}
