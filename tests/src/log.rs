//! What larder says in the log, as a test reads it.
//! Whether it should have said that is the tests' business.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Level, span};

use crate::secrets;

thread_local! {
    static OF_THREAD: RefCell<Option<Log>> = const { RefCell::new(None) };
}

static OF_PROCESS: Mutex<Option<Log>> = Mutex::new(None);

/// What is logged: by this thread under `larder`, debug level included, or by the whole process from the level INFO on.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<(String, String)>>>);

impl Log {
    /// Listens to what this thread says under `larder`, from now on.
    ///
    /// There is one subscriber for the whole process: with one for each thread, `tracing` now and then
    /// remembers that nobody listens to an event because the thread that logged it first did not.
    #[must_use]
    pub fn of_this_thread() -> Self {
        listen();
        let log = Self::default();
        OF_THREAD.set(Some(log.clone()));
        log
    }

    /// Listens to whatever any thread says from the level INFO on, other crates included, from now on. What is said below it
    /// may be a lot: it is looked through for secrets, and not kept.
    #[must_use]
    pub fn of_this_process() -> Self {
        listen();
        let log = Self::default();
        *OF_PROCESS.lock().unwrap_or_else(PoisonError::into_inner) = Some(log.clone());
        log
    }

    /// Level, target and message of each event.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.said().iter().map(|(line, _)| line.clone()).collect()
    }

    /// The events of level WARN.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with("WARN")).collect()
    }

    /// Everything, fields included.
    #[must_use]
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.said().iter().map(|(line, fields)| format!("{line}{fields}")).collect();
        lines.join("\n")
    }

    fn said(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Router).expect("no other subscriber"));
}

/// Brings every event to whoever listens.
struct Router;

impl tracing::Subscriber for Router {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut words = Words::default();
        attributes.record(&mut words);
        tell(attributes.metadata(), words);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut words = Words::default();
        values.record(&mut words);
        secrets::note(&words.fields);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        tell(event.metadata(), words);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn tell(metadata: &tracing::Metadata<'_>, words: Words) {
    let line = format!("{} {} {}", metadata.level(), metadata.target(), words.message);
    secrets::note(&format!("{line}{}", words.fields));
    if *metadata.level() <= Level::INFO
        && let Some(log) = &*OF_PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
    {
        log.said().push((line.clone(), words.fields.clone()));
    }
    if metadata.target() == "larder" && *metadata.level() <= Level::DEBUG {
        let log = OF_THREAD.try_with(|log| log.borrow().clone()).ok().flatten();
        if let Some(log) = log {
            log.said().push((line, words.fields));
        }
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            let _ = write!(self.fields, " {field}={value:?}");
        }
    }
}
