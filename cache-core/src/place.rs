//! Where a thread keeps what it does not share: its place in whatever has one for each thread.
//!
//! What is kept there is in `tally`, and in `store::front`.

use parking_lot::Mutex;

/// Threads that have a cell of every counter to themselves: they add to it without a locked instruction.
pub(crate) const OWNED: usize = 16;
/// Cells that all further threads share.
const SHARED: usize = 8;
/// What threads have one of each: those of their own, and those that many share.
pub(crate) const PLACES: usize = OWNED + SHARED;

thread_local! {
    /// The place of this thread's cell in every counter; beyond all of them before its first count.
    static PLACE: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
    /// Gives the place back when the thread ends.
    static TENANCY: Tenancy = Tenancy::begin();
}

/// The owned places that are free, and how many threads have come too late for one.
static TENANCIES: Mutex<Tenancies> = Mutex::new(Tenancies { begun: 0, vacated: Vec::new() });

struct Tenancies {
    begun: usize,
    vacated: Vec<usize>,
}

/// The right of a thread to the place it has.
struct Tenancy(usize);

impl Tenancy {
    fn begin() -> Self {
        let mut places = TENANCIES.lock();
        if let Some(vacated) = places.vacated.pop() {
            return Self(vacated);
        }
        let begun = places.begun;
        places.begun += 1;
        Self(if begun < OWNED { begun } else { OWNED + begun % SHARED })
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        if self.0 < OWNED {
            // What this thread still counts while it ends must not disturb the next owner.
            PLACE.set(OWNED);
            TENANCIES.lock().vacated.push(self.0);
        }
    }
}

/// The place of this thread; beyond all of them if it has none yet, which [`place`] gives it.
#[inline]
pub(crate) fn settled() -> usize {
    PLACE.get()
}

/// The place of this thread, below [`PLACES`].
#[inline]
pub(crate) fn place() -> usize {
    let place = settled();
    if place == usize::MAX { settle() } else { place }
}

#[cold]
fn settle() -> usize {
    let place = TENANCY.try_with(|tenancy| tenancy.0).unwrap_or(OWNED);
    PLACE.set(place);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_run_at_once_own_different_cells() {
        let ready = std::sync::Barrier::new(OWNED + 4);
        let places: Vec<usize> = std::thread::scope(|scope| {
            let place = || {
                let place = place();
                ready.wait();
                place
            };
            let threads: Vec<_> = (0..OWNED + 4).map(|_| scope.spawn(place)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut owned: Vec<_> = places.into_iter().filter(|place| *place < OWNED).collect();
        let taken = owned.len();
        owned.sort_unstable();
        owned.dedup();
        assert_eq!(owned.len(), taken, "a cell has one owner");
    }
}
