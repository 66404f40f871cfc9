//! Who is in the shop: customers who look at what is popular, and somebody who keeps it. All of it is made up.

use std::time::Duration;

use tokio::time::sleep;

use crate::shop;

const WORDS: [&str; 6] = ["tea", "honey", "rye bread", "salt", "olives", "cheese"];

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// A number below `sides`, of which small ones are much more frequent.
    fn popular(&mut self, sides: u64) -> u64 {
        let below = 1 + self.roll(sides);
        let below = 1 + self.roll(below);
        self.roll(below)
    }
}

/// A customer, who never leaves. When the database is away, they try something else.
pub(crate) async fn shops(customer: u64) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (customer + 1));
    loop {
        // Looking around takes many small steps; the next one comes soon.
        for _ in 0..12 {
            let id = dice.popular(600);
            let _ = shop::product(id).await.map(|product| (product.id, product.name, product.description));
            let _ = shop::price(id).await;
        }
        let id = dice.popular(600);
        let _ = shop::stock(id).await;
        let someone = dice.roll(12) * customer % 40;
        let words = WORDS[usize::try_from(dice.popular(6)).unwrap_or_default()];
        let _ = match dice.roll(400) {
            0..120 => shop::search(words, dice.popular(8)).await.map(drop),
            120..200 => shop::recommended(someone).await.map(drop),
            200..360 => shop::basket(someone).await.map(drop),
            360 => shop::rename_product(id).await,
            361 => shop::order(someone).await,
            _ => Ok(()),
        };
        sleep(Duration::from_millis(40 + dice.roll(80))).await;
    }
}

/// Somebody who keeps the shop: goods come every few seconds, and the catalogue now and then.
pub(crate) async fn keeps_shop() {
    for day in 1_u32.. {
        sleep(Duration::from_secs(9)).await;
        let _ = shop::deliver().await;
        if day % 6 == 0 {
            let _ = shop::import_catalogue().await;
        }
    }
}
