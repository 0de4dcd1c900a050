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
/// How narrow a column may become.
const NARROWEST: usize = 8;

impl Table {
    /// Starts a table.
    pub(crate) fn new(headings: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row, with texts that are escaped already.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Returns the table as text, where that can be done with no line of it wider than `width`.
    pub(crate) fn to_text(&self, width: Option<usize>) -> String {
        let mut widths: Vec<_> = (0..self.headings.len()).map(|column| self.width_of(column)).collect();
        if let Some(width) = width {
            narrow(&mut widths, width);
        }
        let heading = paint(style::STRONG, line(&self.headings, &widths));
        let rows = self.rows.iter().map(|row| line(row, &widths));
        std::iter::once(heading).chain(rows).map(|line| line + "\n").collect()
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain([&self.headings]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// Takes from the widest columns, never from the first, which says what a row is about.
fn narrow(widths: &mut [usize], most: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > most {
        let Some(widest) = widths.iter_mut().skip(1).max().filter(|widest| **widest > NARROWEST) else { return };
        *widest -= 1;
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, &width) in cells.iter().zip(widths) {
        let n_chars = cell.chars().count();
        if n_chars > width {
            line.extend(cell.chars().take(width - 1).chain(['…']));
        } else {
            line.push_str(cell);
        }
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(n_chars) + GAP));
    }
    line.trim_end().to_owned()
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
    }

    #[test]
    fn the_widest_column_gives_way() {
        let mut table = Table::new(["NAME", "MOUNTS", "AGE"]);
        table.row(["a-rather-long-name", "/data (datasets), /cache (cache)", "3h"]);
        let text = |width| strip_str(&table.to_text(Some(width))).to_string();
        let narrow = "NAME                 MOUNTS          AGE\na-rather-long-name   /data (datas…   3h\n";
        assert_eq!(text(40), narrow);
        assert!(text(10).contains("a-rather-long-name   /data (…   3h"), "{}", text(10));
    }
}
