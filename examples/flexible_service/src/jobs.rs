//! Background tasks: a task on a dataset runs once, and its result is there for a day.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use larder::{KeyPart, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::db::Database;
use crate::problem::Problem;
use crate::safe;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, KeyPart)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dataset {
    Countries,
    Subdivisions,
}

/// What is found out about a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) rows: i64,
    /// Names that stand for more than one thing.
    pub(crate) shared_names: Vec<SharedName>,
    pub(crate) longest_name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct SharedName {
    pub(crate) name: String,
    pub(crate) times: i64,
}

/// The tasks of this process. Its clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs {
    running: Arc<Mutex<HashSet<Dataset>>>,
    runs: Arc<AtomicU64>,
}

/// Where a task is.
#[derive(Debug, PartialEq)]
pub(crate) enum State {
    Done(Report),
    Running,
    Unknown,
}

impl Jobs {
    /// Goes through a dataset. With `lock` it does so in one process, whoever else is asked for it at the time.
    #[cached(key = "dataset:<dataset>", ttl = "24h", lock = "1m", skip(self, db))]
    pub(crate) async fn process(&self, db: &Database, dataset: Dataset) -> Result<Report, Problem> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let (rows, shared, longest) = match dataset {
            Dataset::Countries => (
                "SELECT COUNT(*) FROM countries",
                // A country whose name is the name of a part of some country.
                "SELECT c.name, COUNT(*) AS times FROM countries c JOIN subdivisions s ON s.name = c.name
                 GROUP BY c.name ORDER BY times DESC, c.name LIMIT 10",
                "SELECT name FROM countries ORDER BY length(name) DESC, name LIMIT 1",
            ),
            Dataset::Subdivisions => (
                "SELECT COUNT(*) FROM subdivisions",
                "SELECT name, COUNT(*) AS times FROM subdivisions
                 GROUP BY name HAVING times > 1 ORDER BY times DESC, name LIMIT 10",
                "SELECT name FROM subdivisions ORDER BY length(name) DESC, name LIMIT 1",
            ),
        };
        Ok(Report {
            rows: sqlx::query_scalar(rows).fetch_one(db.query()).await?,
            shared_names: sqlx::query_as(shared).fetch_all(db.query()).await?,
            longest_name: sqlx::query_scalar(longest).fetch_one(db.query()).await?,
        })
    }

    /// Where the task is, without starting it.
    pub(crate) async fn state(&self, dataset: Dataset) -> State {
        // The same entry that the function stores: its key is written by its companion.
        match safe::get(self.process_key(dataset)).await {
            Some(report) => State::Done(report),
            None if self.running().contains(&dataset) => State::Running,
            None => State::Unknown,
        }
    }

    /// Starts the task, unless it runs or its result is there.
    pub(crate) async fn start(&self, db: &Database, dataset: Dataset) -> State {
        let state = self.state(dataset).await;
        if state != State::Unknown || !self.running().insert(dataset) {
            return state;
        }
        let (jobs, db) = (self.clone(), db.clone());
        tokio::spawn(async move {
            if let Err(problem) = jobs.process(&db, dataset).await {
                eprintln!("{dataset:?}: {problem}");
            }
            jobs.running().remove(&dataset);
        });
        State::Running
    }

    /// How often a task ran in this process.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashSet<Dataset>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
