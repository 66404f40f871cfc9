//! The traffic: which request is the n-th. It looks like chance, and is the same each time.

use axum::http::Method;

use crate::flags::mixed;

/// A kind of page that is measured. Its number is its place in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Profile,
    Achievements,
    Board,
}

#[derive(Debug)]
pub(crate) struct Wanted {
    /// What is measured; nothing of a write.
    pub(crate) kind: Option<Kind>,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) requests: u64,
    /// How often the first users are asked for, all together: the n-th user 1/n as often as the first.
    weights: Vec<u64>,
}

/// What a thousand requests are, for the report.
pub(crate) const MIX: &str = "Of 1000 requests 550 are profile pages (420 full ones), 250 achievement pages, 170 boards (95 the first page), \
15 profile updates, 10 changes of preferences, 5 awards. The n-th user is asked for 1/n as often as the first.";

impl Traffic {
    pub(crate) fn new(users: i64, requests: u64) -> Self {
        let mut sum = 0;
        let users = 1..=users.unsigned_abs();
        let weights = users.map(|rank| {
            sum += 1_000_000_000 / rank;
            sum
        });
        Self { requests, weights: weights.collect() }
    }

    /// The n-th request; none after the last.
    pub(crate) fn request(&self, number: u64) -> Option<Wanted> {
        if number >= self.requests {
            return None;
        }
        // Two numbers from one, each as if by chance.
        let (which, who) = (mixed(2 * number) % 1000, mixed(2 * number + 1));
        let total = self.weights.last().copied().unwrap_or(1);
        let user = 1 + self.weights.partition_point(|sum| *sum <= who % total);
        let users = format!("/api/v1/users/{user}");
        let achievements = format!("/api/v1/achievements/{user}");
        let board = |offset: u32| format!("/api/v1/achievements/leaderboard?limit=10&offset={offset}");
        Some(match which {
            0..420 => read(Kind::Profile, format!("{users}/full-profile")),
            420..550 => read(Kind::Profile, users),
            550..650 => read(Kind::Achievements, achievements),
            650..750 => read(Kind::Achievements, format!("{achievements}/summary")),
            750..800 => read(Kind::Achievements, format!("{achievements}/stats")),
            800..895 => read(Kind::Board, board(0)),
            895..915 => read(Kind::Board, board(10)),
            915..920 => read(Kind::Board, board(20)),
            920..970 => read(Kind::Board, "/api/v1/achievements/recent?limit=10".to_owned()),
            970..985 => write(Method::PUT, users, format!("{{\"bio\":\"Changed by request {number}\"}}")),
            985..995 => write(
                Method::PUT,
                format!("{users}/preferences"),
                format!("{{\"theme\":\"dark\",\"locale\":\"sw\",\"digest\":{}}}", number.is_multiple_of(2)),
            ),
            _ => write(Method::POST, achievements, "{\"badge\":\"kind word\",\"points\":5}".to_owned()),
        })
    }
}

/// The request of which the answer has no content.
pub(crate) fn nothing() -> Wanted {
    Wanted { kind: None, method: Method::GET, path: "/nothing".to_owned(), body: String::new() }
}

fn read(kind: Kind, path: String) -> Wanted {
    Wanted { kind: Some(kind), method: Method::GET, path, body: String::new() }
}

fn write(method: Method, path: String, body: String) -> Wanted {
    Wanted { kind: None, method, path, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_each_time_and_few_are_asked_for_often() {
        let (one, other) = (Traffic::new(100, 5_000), Traffic::new(100, 5_000));
        let pages: Vec<_> = (0..5_000).map_while(|number| one.request(number)).collect();
        for (number, page) in (0..).zip(&pages) {
            assert_eq!(other.request(number).map(|other| other.path), Some(page.path.clone()));
        }
        let of = |user: u32| {
            let pages = pages.iter().filter(|page| page.path == format!("/api/v1/users/{user}/full-profile"));
            pages.count()
        };
        assert!(of(1) > 5 * of(10) && of(10) > of(100), "{} {} {}", of(1), of(10), of(100));
        assert!(other.request(5_000).is_none());
    }
}
