//! What no output may show: passwords, key arguments and values. Tests of Redis use ones that bear [`MARK`], and every
//! server of a test, when it ends, makes sure that nothing has shown it.
//!
//! Looked through are all events and spans of every crate in the process, at every level, and what the library
//! panics with; of errors and of `Debug` what a test hands to [`clean`].

use std::any::Any;
use std::error::Error;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// Part of everything secret.
pub const MARK: &str = "canary";

static SHOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Looks through whatever this process says from now on.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        crate::log::listen();
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // What a test says when it fails is its own business.
            if !info.location().is_some_and(|location| location.file().contains("tests/")) {
                note(&text_of(info));
            }
            report(info);
        }));
    });
}

/// Notes `said`, if it shows a secret.
pub(crate) fn note(said: &str) {
    SEEN.fetch_add(1, Ordering::Relaxed);
    if said.contains(MARK) {
        SHOWN.lock().unwrap_or_else(PoisonError::into_inner).push(said.to_owned());
    }
}

/// How much was looked through.
#[must_use]
pub fn seen() -> usize {
    SEEN.load(Ordering::Relaxed)
}

/// That nothing was said that shows a secret.
///
/// # Panics
///
/// If something was.
pub fn assert_kept() {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(shown.is_empty(), "a secret is shown: {shown:#?}");
}

/// The error, after a look through all that can be shown of it and of what it was caused by.
///
/// # Panics
///
/// If that shows a secret.
#[must_use]
pub fn clean<E: Error + 'static>(error: E) -> E {
    let mut next: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(part) = next {
        for text in [format!("{part}"), format!("{part:?}"), format!("{part:#?}")] {
            assert!(!text.contains(MARK), "an error shows a secret: {text}");
        }
        next = part.source();
    }
    error
}

fn text_of(info: &PanicHookInfo<'_>) -> String {
    let payload: &dyn Any = info.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned()
}
