//! "The outside": a weather service of somebody else's, which counts who asks. It runs in this program so that the example
//! needs no network, and it is a server of its own, on a port of its own.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::error::Result;
use crate::work::Counter;

const PLACES: &str = include_str!("../../data/subdivisions.tsv");
const SKIES: [&str; 4] = ["clear", "clouds", "rain", "snow"];

struct Station {
    /// The places that it knows, in lower case, and their number.
    places: HashMap<String, usize>,
    asked: Counter,
}

/// Starts it: where it listens.
pub(crate) async fn start(asked: Counter) -> Result<String> {
    let names = PLACES.lines().skip(1).filter_map(|line| line.split('\t').nth(2));
    let places = names.zip(1..).map(|(name, number)| (name.to_lowercase(), number)).collect();
    let station = Arc::new(Station { places, asked });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/weather/{place}", get(weather)).with_state(station);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            eprintln!("clipizy: the weather service has ended: {error}");
        }
    });
    Ok(url)
}

/// Each reading has a number, so that one can tell a new one from an old one.
async fn weather(
    State(station): State<Arc<Station>>,
    Path(place): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    station.asked.count();
    let number = station.places.get(&place.to_lowercase()).ok_or(StatusCode::NOT_FOUND)?;
    let reading = station.asked.get();
    let sky = SKIES.get((number + usize::try_from(reading).unwrap_or_default()) % SKIES.len());
    Ok(Json(json!({ "place": place, "celsius": number % 35, "sky": sky, "reading": reading })))
}
