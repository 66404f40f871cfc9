//! A shop with two pages that are cached, and a write that clears what it changes.
//!
//! ```sh
//! cargo run -p shop                                   # prints its address
//! curl -i localhost:3000/products                     # takes a while: cache-status: larder; fwd=uri-miss; stored
//! curl -i localhost:3000/products                     # at once: cache-status: larder; hit; ttl=…
//! curl -i localhost:3000/products/2
//! curl -i -X PUT 'localhost:3000/products/2/price?cents=275'
//! curl -i localhost:3000/products/2                   # the new price
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::{get, put};
use axum::{Json, Router};
use larder::http::CacheLayer;
use larder::{Cache, Memory, cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use tower_http::compression::CompressionLayer;

/// What everybody waits for who asks the database.
const DATABASE: Duration = Duration::from_millis(300);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Product {
    id: u64,
    name: String,
    cents: u64,
}

/// The shop: a cache, and a database that is slow.
#[derive(Clone)]
struct Shop {
    cache: Cache,
    products: Arc<Mutex<BTreeMap<u64, Product>>>,
}

impl Shop {
    fn new(cache: Cache) -> Self {
        let products = [(1, "bread", 420), (2, "jam", 350), (3, "tea", 510)];
        let products = products.map(|(id, name, cents)| (id, Product { id, name: name.to_owned(), cents }));
        Self { cache, products: Arc::new(Mutex::new(products.into())) }
    }

    async fn all(&self) -> Vec<Product> {
        tokio::time::sleep(DATABASE).await;
        self.products.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    // The page that shows it has its tag.
    #[cached(key = "product:<id>", ttl = "10m", tags = ["product:<id>"], skip(self), cache = self.cache)]
    async fn product(&self, id: u64) -> Option<Product> {
        tokio::time::sleep(DATABASE).await;
        self.products.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    // When it returns, nobody sees the old price any more: neither the product, nor its page, nor the list.
    #[cache_invalidate(tags = ["product:<id>", "products"], cache = self.cache)]
    async fn set_price(&self, id: u64, cents: u64) -> bool {
        let mut products = self.products.lock().unwrap_or_else(PoisonError::into_inner);
        products.get_mut(&id).map(|product| product.cents = cents).is_some()
    }
}

fn app(shop: Shop) -> Router {
    // Its routes say how long they live; one of them leaves it to the layer.
    let pages = CacheLayer::new(shop.cache.clone())
        .ttl(Duration::from_secs(60))
        .stale_while_revalidate(Duration::from_secs(30))
        .stale_if_error(Duration::from_secs(3600))
        // The list has the tag of all products; what else it shows, its handler knows.
        .tags(|request| (request.uri.path() == "/products").then_some("products"));
    Router::new()
        .route("/products", get(list))
        .route("/products/{id}", get(show))
        .route("/products/{id}/price", put(set_price))
        .layer(pages)
        // Outside, so that one page is kept, and compressed as each client wants it.
        .layer(CompressionLayer::new())
        .with_state(shop)
}

async fn list(State(shop): State<Shop>) -> Json<Vec<Product>> {
    Json(shop.all().await)
}

async fn show(State(shop): State<Shop>, Path(id): Path<u64>) -> impl IntoResponse {
    let product = shop.product(id).await.ok_or(StatusCode::NOT_FOUND)?;
    Ok::<_, StatusCode>(([(CACHE_CONTROL, "max-age=300, stale-if-error=3600")], Json(product)))
}

#[derive(Deserialize)]
struct Price {
    cents: u64,
}

async fn set_price(State(shop): State<Shop>, Path(id): Path<u64>, Query(price): Query<Price>) -> StatusCode {
    if shop.set_price(id, price.cents).await { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let cache = Cache::builder().local(Memory::new(10_000)).build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/products", listener.local_addr()?);
    axum::serve(listener, app(Shop::new(cache))).await
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_price_is_on_both_pages() {
        let app = app(Shop::new(Cache::builder().local(Memory::new(100)).build()));
        let ask = async |method: &str, uri: &str| {
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            let status = response.headers()["cache-status"].to_str().unwrap().to_owned();
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        for page in ["/products", "/products/2"] {
            assert!(ask("GET", page).await.1.contains(r#""cents":350"#));
            assert!(ask("GET", page).await.0.starts_with("larder; hit"));
        }
        ask("PUT", "/products/2/price?cents=275").await;
        for page in ["/products", "/products/2"] {
            let (status, body) = ask("GET", page).await;
            assert!(status.contains("fwd") && body.contains(r#""cents":275"#), "{status} {body}");
        }
    }
}
