//! Tables, in Markdown, so that what is printed can be committed as it is.

use std::fmt;

/// A table with a heading over each column.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0))
            .collect();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, &width) in widths.iter().enumerate() {
                // Names to the left, numbers to the right.
                match column {
                    0 => write!(f, "| {:<width$} ", cell(row, column))?,
                    _ => write!(f, "| {:>width$} ", cell(row, column))?,
                }
            }
            writeln!(f, "|")?;
            if number == 0 {
                let rule = |(column, width)| match column {
                    0 => format!("|{}", "-".repeat(width + 2)),
                    _ => format!("|{}:", "-".repeat(width + 1)),
                };
                writeln!(f, "{}|", widths.iter().copied().enumerate().map(rule).collect::<String>())?;
            }
        }
        Ok(())
    }
}

/// A number with as many digits as it deserves.
#[must_use]
pub fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "—".to_owned(),
        value if value < 9.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A ratio.
#[must_use]
pub fn ratio(value: f64) -> String {
    if value.is_nan() { "—".to_owned() } else { format!("{value:.2}") }
}
