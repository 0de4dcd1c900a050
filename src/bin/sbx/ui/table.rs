//! Tables for people.

use super::style::{self, paint};

/// A table with a line of headings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The space between two columns.
const GAP: usize = 3;

impl Table {
    /// Starts a table.
    pub(crate) fn new(headings: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row, with texts that are escaped already.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Returns the table as text, no line of it wider than `width`.
    pub(crate) fn to_text(&self, width: Option<usize>) -> String {
        let widths: Vec<_> = (0..self.headings.len()).map(|column| self.width_of(column)).collect();
        let mut out = paint(style::STRONG, line(&self.headings, &widths, width));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&line(row, &widths, width));
            out.push('\n');
        }
        out
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain([&self.headings]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

fn line(cells: &[String], widths: &[usize], width: Option<usize>) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + GAP));
    }
    let line = line.trim_end();
    match width {
        Some(width) if line.chars().count() > width => {
            line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let mut table = Table::new(["NAME", "SIZE"]);
        table.row(["é", "1Gi"]);
        table.row(["datasets", ""]);
        let text = |width| strip_str(&table.to_text(width)).to_string();
        assert_eq!(text(None), "NAME       SIZE\né          1Gi\ndatasets\n");
        assert_eq!(text(Some(13)), "NAME       S…\né          1…\ndatasets\n");
    }
}
