//! A value that is larger than a user: what codecs and compression are measured with.

use serde::{Deserialize, Serialize};

/// An order with its lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    number: u64,
    customer: String,
    paid: bool,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    product: String,
    amount: u32,
    price: f64,
    note: Option<String>,
}

/// A document of so many lines, each about 110 bytes of JSON.
#[must_use]
pub fn of(lines: u32) -> Document {
    let line = |number: u32| Line {
        product: format!("product number {}", number * 7_919 % 1_000),
        amount: number % 10,
        price: f64::from(number * 37 % 10_000) / 100.0,
        note: number.is_multiple_of(3).then(|| format!("left at door {}", number % 17)),
    };
    Document {
        number: 4_711,
        customer: "Zoë Müller".to_owned(),
        paid: true,
        lines: (0..lines).map(line).collect(),
    }
}
