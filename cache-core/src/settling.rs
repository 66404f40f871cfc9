//! `fence` and `settle`, as this process keeps to them: scopes whose source may change at any time, since a mutation is
//! under way, or may show old values for a while yet, such as a database replica that lags. Loads that begin meanwhile
//! are returned and not stored.
//!
//! That says nothing about values that are there, which is the rule's business, nor about what the remote store keeps
//! out, which is its own.

use std::time::Duration;

use crate::clock::Moment;
use crate::key::Key;
use crate::scope::Scope;
use crate::store::Token;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tag::Tag;

/// Scopes that are remembered. Beyond it everything settles, until the last of them has.
const MAX_SCOPES: usize = 1024;

/// Under which nothing is lifted.
const UNFENCED: Token = Token([0; 16]);

/// How long a scope is remembered after it has settled, for loads that began before. Loads that take longer are
/// not stored, whatever they load.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The scopes of one cache that settle.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    /// When the last of all has settled, for a look without the lock. Loads that begin later need no other.
    last: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// Each scope, by which fence, and when it has settled.
    scopes: Vec<(Scope, Token, Moment)>,
    /// When the last had settled of those that are forgotten.
    forgotten: Moment,
}

impl Default for Known {
    fn default() -> Self {
        Self { scopes: Vec::new(), forgotten: Moment::from_nanos(0) }
    }
}

impl Settling {
    /// Keeps loads that begin before `until` from being stored under `scopes`, or before the fence is lifted, if it is
    /// for one.
    pub(crate) fn add(&self, scopes: &[Scope], fence: Option<Token>, now: Moment, until: Moment) {
        let Known { scopes: known, forgotten } = &mut *self.known.lock();
        known.retain(|(_, _, until)| {
            let remembered = now < *until + REMEMBERED;
            if !remembered {
                *forgotten = (*forgotten).max(*until);
            }
            remembered
        });
        known.extend(scopes.iter().map(|scope| (scope.clone(), fence.unwrap_or(UNFENCED), until)));
        // Written under the lock, so that whoever sees it finds the scopes.
        let last = self.last.fetch_max(until.nanos(), Ordering::AcqRel).max(until.nanos());
        if known.len() > MAX_SCOPES {
            *known = vec![(Scope::Everything, UNFENCED, Moment::from_nanos(last))];
        }
    }

    /// Lets what is loaded from now on be stored again, as far as this fence kept it from that.
    ///
    /// What was loaded before, the rule knows: whoever lifts a fence has moved its scopes.
    pub(crate) fn lift(&self, fence: Token) {
        let Known { scopes: known, forgotten } = &mut *self.known.lock();
        known.retain(|(_, by, _)| *by != fence);
        let last = known.iter().map(|(_, _, until)| *until).max().unwrap_or(*forgotten).max(*forgotten);
        self.last.store(last.nanos(), Ordering::Release);
    }

    /// Whether what a load makes that began at `began` must not be stored under `key`, with these tags: those that it
    /// has by itself, and those that it met.
    pub(crate) fn keeps_out(&self, key: &Key, tags: [&[Tag]; 2], began: Moment) -> bool {
        if began.nanos() >= self.last.load(Ordering::Acquire) {
            return false;
        }
        let known = self.known.lock();
        let kept_out =
            |(scope, _, until): &(Scope, Token, Moment)| began < *until && covers(scope, key, tags);
        began < known.forgotten || known.scopes.iter().any(kept_out)
    }
}

fn covers(scope: &Scope, key: &Key, tags: [&[Tag]; 2]) -> bool {
    match scope {
        Scope::Key(covered) => covered == key,
        Scope::Pattern(pattern) => pattern.matches(key.as_str()),
        Scope::Tag(tag) => tags.iter().any(|tags| tags.contains(tag)),
        Scope::Everything => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    const NOW: Moment = Moment::from_nanos(1_000_000_000);
    const WHILE: Duration = Duration::from_millis(500);

    fn keeps_out(settling: &Settling, key: &str, tags: &[&str], began: Moment) -> bool {
        let tags: Vec<Tag> = tags.iter().map(|tag| Tag::from(*tag)).collect();
        settling.keeps_out(&Key::from(key), [&tags, &[]], began)
    }

    #[test]
    fn a_load_that_begins_while_its_scope_settles_is_kept_out() {
        let scopes: [Scope; 3] =
            [Key::from("user:1").into(), Pattern::from("feed:*:new").into(), Tag::from("team:7").into()];
        for scope in scopes {
            let settling = Settling::default();
            assert!(!keeps_out(&settling, "user:1", &["team:7"], NOW));
            settling.add(&[scope], None, NOW, NOW + WHILE);
            let all = [("user:1", ""), ("feed:1:new", ""), ("other", "team:7")];
            let out =
                |began| all.iter().filter(|(key, tag)| keeps_out(&settling, key, &[tag], began)).count();
            assert_eq!(out(NOW), 1);
            assert_eq!(out(NOW + WHILE), 0, "it has settled");
            assert!(!keeps_out(&settling, "user:2", &["team:8"], NOW));
        }
    }

    #[test]
    fn a_scope_is_remembered_for_loads_that_began_before_it_had_settled() {
        let settling = Settling::default();
        settling.add(&[Key::from("a").into()], None, NOW, NOW + WHILE);
        let later = NOW + Duration::from_secs(30);
        settling.add(&[Key::from("b").into()], None, later, later + WHILE);
        assert!(keeps_out(&settling, "a", &[], NOW));
        assert!(!keeps_out(&settling, "c", &[], NOW));
        let much_later = NOW + 2 * REMEMBERED;
        settling.add(&[Key::from("d").into()], None, much_later, much_later + WHILE);
        assert!(!keeps_out(&settling, "a", &[], much_later), "it is forgotten, and has settled long ago");
        assert!(keeps_out(&settling, "c", &[], NOW), "for a load so old there is no telling");
    }

    #[test]
    fn a_fence_that_is_lifted_leaves_the_others() {
        let settling = Settling::default();
        let scopes = [Key::from("a").into()];
        let [one, other] = [1, 2].map(|number| Token([number; 16]));
        settling.add(&scopes, Some(one), NOW, NOW + 4 * WHILE);
        settling.add(&scopes, Some(other), NOW, NOW + 2 * WHILE);
        settling.add(&scopes, None, NOW, NOW + WHILE);
        settling.lift(one);
        assert!(
            keeps_out(&settling, "a", &[], NOW + WHILE) && !keeps_out(&settling, "a", &[], NOW + 2 * WHILE)
        );
        settling.lift(other);
        assert!(keeps_out(&settling, "a", &[], NOW) && !keeps_out(&settling, "a", &[], NOW + WHILE));
    }

    #[test]
    fn too_many_scopes_widen_to_everything() {
        let settling = Settling::default();
        let scopes: Vec<Scope> = (0..=MAX_SCOPES).map(|id| Key::from(format!("user:{id}")).into()).collect();
        settling.add(&scopes, None, NOW, NOW + WHILE);
        assert!(keeps_out(&settling, "user:1", &[], NOW) && keeps_out(&settling, "other", &[], NOW));
        assert!(!keeps_out(&settling, "other", &[], NOW + WHILE));
    }
}
