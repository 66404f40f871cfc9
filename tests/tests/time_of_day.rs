//! The time of day under a clock that can be paused: that of the wall, until it stands still.

use std::time::{Duration, SystemTime};

use cache_core::private::time_of_day;
use tokio::time::{advance, pause};

#[tokio::test]
async fn it_is_that_of_the_wall_and_stands_still_with_the_clock() {
    let slack = Duration::from_secs(5);
    let (before, found, after) = (SystemTime::now(), time_of_day(), SystemTime::now());
    assert!(before <= found + slack && found <= after + slack, "{before:?} {found:?} {after:?}");
    pause();
    let paused = time_of_day();
    assert_eq!(time_of_day(), paused);
    advance(Duration::from_secs(60)).await;
    assert_eq!(time_of_day(), paused + Duration::from_secs(60));
}
