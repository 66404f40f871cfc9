//! Answers to questions with parameters, each endpoint with a time to live of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use larder::{KeyPart, cached};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::db::Database;
use crate::problem::Problem;

#[derive(Clone, Copy, Debug, Deserialize, KeyPart)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Endpoint {
    Countries,
    Subdivisions,
    Kinds,
}

impl Endpoint {
    /// What never changes is kept for a day, what many look for in many ways for five minutes.
    pub(crate) fn ttl(self) -> Duration {
        Duration::from_secs(match self {
            Self::Countries => 86_400,
            Self::Kinds => 3_600,
            Self::Subdivisions => 300,
        })
    }

    /// The parameters that it reads. Another one would make an entry of its own for the same answer.
    fn knows(self, parameter: &str) -> bool {
        match self {
            Self::Countries => parameter == "name",
            Self::Kinds => parameter == "country",
            Self::Subdivisions => matches!(parameter, "country" | "kind"),
        }
    }
}

/// The answer as JSON. The parameters are a map in order, hashed: whoever writes them in another order gets the same entry.
#[cached(key = "api:<endpoint>:<parameters:hash>", ttl = endpoint.ttl(), skip(db))]
pub(crate) async fn answer(
    db: &Database,
    endpoint: Endpoint,
    parameters: &BTreeMap<String, String>,
) -> Result<Value, Problem> {
    let wanted = |parameter: &str| parameters.get(parameter).cloned().unwrap_or_else(|| "%".to_owned());
    let rows: Vec<(String, String)> = match endpoint {
        Endpoint::Countries => {
            let countries = "SELECT code, name FROM countries WHERE name LIKE ? ORDER BY code";
            sqlx::query_as(countries).bind(wanted("name")).fetch_all(db.query()).await?
        }
        Endpoint::Subdivisions => {
            let subdivisions =
                "SELECT code, name FROM subdivisions WHERE country LIKE ? AND kind LIKE ? ORDER BY code";
            let subdivisions = sqlx::query_as(subdivisions).bind(wanted("country")).bind(wanted("kind"));
            subdivisions.fetch_all(db.query()).await?
        }
        Endpoint::Kinds => {
            let kinds =
                "SELECT kind, CAST(COUNT(*) AS TEXT) FROM subdivisions WHERE country LIKE ? GROUP BY kind";
            sqlx::query_as(kinds).bind(wanted("country")).fetch_all(db.query()).await?
        }
    };
    let rows: Vec<Value> =
        rows.into_iter().map(|(code, name)| json!({ "code": code, "name": name })).collect();
    Ok(json!({ "count": rows.len(), "rows": rows }))
}

/// Refuses parameters that the endpoint does not read.
pub(crate) fn checked(endpoint: Endpoint, parameters: &BTreeMap<String, String>) -> Result<(), Problem> {
    if parameters.keys().all(|parameter| endpoint.knows(parameter)) {
        return Ok(());
    }
    Err(Problem::Refused(match endpoint {
        Endpoint::Countries => "`countries` takes `name`, such as `?name=New%25`",
        Endpoint::Subdivisions => {
            "`subdivisions` takes `country` and `kind`, such as `?country=NZ&kind=Region`"
        }
        Endpoint::Kinds => "`kinds` takes `country`, such as `?country=NZ`",
    }))
}
