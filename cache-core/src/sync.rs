//! The locks and atomics of whatever decides about invalidation, in one place so that a test can put
//! scheduled ones there: under `--cfg shuttle` every use of one is a point at which another thread may run.
//! `tests/tests/schedules.rs` looks for orders of those points that break the promise.

#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub(crate) use std::sync::atomic;
#[cfg(not(shuttle))]
pub(crate) use tokio::task_local;

#[cfg(shuttle)]
pub(crate) use scheduled::{Mutex, RwLock, TaskLocal, task_local};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{MutexGuard, atomic};

/// The scheduled locks, and what belongs to a task, with the methods of the usual ones.
#[cfg(shuttle)]
mod scheduled {
    use std::cell::RefCell;
    use std::mem::swap;
    use std::sync::PoisonError;

    use shuttle::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
    use shuttle::thread::{AccessError, LocalKey};

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// A value of the task, kept by the scheduled thread: all of them are one thread of the system.
    pub(crate) struct TaskLocal<T: 'static>(pub(crate) &'static LocalKey<RefCell<Option<T>>>);

    impl<T: Clone> TaskLocal<T> {
        pub(crate) fn try_with<R>(&self, ask: impl FnOnce(&T) -> R) -> Result<R, Option<AccessError>> {
            let value = self.0.try_with(|kept| kept.borrow().clone())?;
            value.as_ref().map(ask).ok_or(None)
        }

        pub(crate) fn sync_scope<R>(&self, value: T, part: impl FnOnce() -> R) -> R {
            let mut value = Some(value);
            let mut exchange = || self.0.with(|kept| swap(&mut *kept.borrow_mut(), &mut value));
            exchange();
            let done = part();
            exchange();
            done
        }
    }

    macro_rules! task_local {
        (static $name:ident: $of:ty;) => {
            static $name: $crate::sync::TaskLocal<$of> = {
                shuttle::thread_local! {
                    static KEPT: std::cell::RefCell<Option<$of>> = std::cell::RefCell::new(None);
                }
                $crate::sync::TaskLocal(&KEPT)
            };
        };
    }
    pub(crate) use task_local;
}
