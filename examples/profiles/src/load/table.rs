//! The report of two runs as text: what was measured, what was expected, and what explains the difference.

use std::fmt::Write as _;
use std::time::Duration;

use super::traffic::{Kind, MIX, Traffic};
use super::{Lookups, Run, Seen, different, median};
use crate::db::Seed;
use crate::settings::Settings;

/// What the document expects of a kind of page: the reduction of its median time, and its hit rate, in percent.
struct Expected {
    name: &'static str,
    kind: Kind,
    reduction: u64,
    hit_rate: (u64, u64),
}

const EXPECTED: [Expected; 3] = [
    Expected { name: "profile pages", kind: Kind::Profile, reduction: 70, hit_rate: (85, 90) },
    Expected { name: "achievement pages", kind: Kind::Achievements, reduction: 60, hit_rate: (80, 85) },
    Expected { name: "leaderboards", kind: Kind::Board, reduction: 80, hit_rate: (90, 95) },
];

const QUERIES: u64 = 50;

pub(super) fn report(
    settings: &Settings,
    people: Seed,
    clients: usize,
    traffic: &Traffic,
    off: &Run,
    on: &Run,
) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = write(&mut text, settings, people, clients, traffic, off, on);
    text
}

fn write(
    text: &mut String,
    settings: &Settings,
    people: Seed,
    clients: usize,
    traffic: &Traffic,
    off: &Run,
    on: &Run,
) -> std::fmt::Result {
    let Seed { users, awards } = people;
    let requests = traffic.requests;
    writeln!(
        text,
        "{requests} requests by {clients} readers at once over HTTP; {users} users, {awards} awards in SQLite."
    )?;
    writeln!(text, "{MIX}")?;
    writeln!(
        text,
        "First with the cache off, then the same with the cache on ({}), empty at first.\n",
        place()
    )?;

    writeln!(text, "{:18} {:>11} {:>11} {:>8} {:>9}", "median", "off", "on", "change", "expected")?;
    for expected in &EXPECTED {
        let (off, on) = (of(off, expected.kind), of(on, expected.kind));
        let (before, after) = (median(&off.times), median(&on.times));
        let change = change(before.as_nanos(), after.as_nanos());
        let verdict = verdict(change, expected.reduction);
        let wanted = format!("-{} %", expected.reduction);
        let name = expected.name;
        writeln!(
            text,
            "{name:18} {:>11} {:>11} {change:>+6} % {wanted:>9}  {verdict}",
            ms(before),
            ms(after)
        )?;
    }
    let fewer = change(off.queries.into(), on.queries.into());
    let verdict = verdict(fewer, QUERIES);
    let (before, after) = (off.queries, on.queries);
    writeln!(
        text,
        "{:18} {before:>11} {after:>11} {fewer:>+6} % {:>9}  {verdict}\n",
        "database queries", "-50 %"
    )?;

    writeln!(text, "{:18} {:>11} {:>11} {:>18}", "hit rate", "measured", "second half", "expected")?;
    for expected in &EXPECTED {
        let [first, second] = of(on, expected.kind).halves;
        let all = first.and(second);
        let (low, high) = expected.hit_rate;
        let verdict = match permille(all.hits, all.asked) {
            rate if rate < low * 10 => "missed",
            rate if rate > high * 10 => "met, and more",
            _ => "met",
        };
        let (measured, later) = (percent(all), percent(second));
        let wanted = format!("{low}-{high} %");
        writeln!(text, "{:18} {measured:>11} {later:>11} {wanted:>18}  {verdict}", expected.name)?;
    }
    writeln!(text)?;
    for expected in &EXPECTED {
        let [first, second] = of(on, expected.kind).halves;
        let Lookups { asked, hits, joined } = first.and(second);
        let (misses, pages) = (asked - hits, different(traffic, expected.kind));
        let name = expected.name;
        writeln!(
            text,
            "{name}: {misses} of {asked} lookups were no hits, {joined} of them waited for another reader's load; {pages} \
             pages were asked for, each of them for a first time."
        )?;
    }
    writeln!(text, "\nThe traffic took {:.1} s and {:.1} s.", off.took.as_secs_f64(), on.took.as_secs_f64())?;
    let empty = on.empty.min(off.empty);
    writeln!(
        text,
        "An answer without content takes {}: HTTP alone, which no cache makes shorter.",
        ms(empty)
    )?;
    let without = EXPECTED.iter().map(|expected| {
        let page = |run| median(&of(run, expected.kind).times).saturating_sub(empty).as_nanos();
        format!("{} {:+} %", expected.name, change(page(off), page(on)))
    });
    writeln!(text, "Without that part: {}.", without.collect::<Vec<_>>().join(", "))?;
    let ttl = settings.ttl;
    let shortest = ttl.user.min(ttl.achievement).min(ttl.leaderboard).min(ttl.recent);
    if on.took < shortest {
        writeln!(text, "Nothing expired: the shortest time to live is {} s.", shortest.as_secs())?;
    }
    if on.evictions > 0 {
        let evictions = on.evictions;
        writeln!(
            text,
            "{evictions} entries went to make room in this process: `CACHE_MAX_ENTRIES` is for more."
        )?;
    }
    writeln!(text, "What is neither a first time nor made room for follows a write.")?;
    write!(
        text,
        "SQLite is in this process: a query by key costs no way to a server, which a cache would save."
    )
}

fn of(run: &Run, kind: Kind) -> &Seen {
    let [profiles, achievements, boards] = &run.seen;
    match kind {
        Kind::Profile => profiles,
        Kind::Achievements => achievements,
        Kind::Board => boards,
    }
}

fn place() -> &'static str {
    match std::env::var("CACHE_BACKEND").as_deref() {
        Ok("redis") => "Redis",
        Ok("tiered") => "Redis and memory",
        _ if std::env::var_os("REDIS_URL").is_some() => "Redis and memory",
        _ => "memory",
    }
}

/// By how many percent `after` is more than `before`; rounded so that a small gain is none.
fn change(before: u128, after: u128) -> i64 {
    if before == 0 {
        return 0;
    }
    let change = |part: u128| i64::try_from(part * 100 / before).unwrap_or(i64::MAX);
    if after <= before { -change(before - after) } else { change(after - before) }
}

fn verdict(change: i64, reduction: u64) -> &'static str {
    if change < 0 && change.unsigned_abs() >= reduction { "met" } else { "missed" }
}

fn permille(part: u64, whole: u64) -> u64 {
    (part * 1000).checked_div(whole).unwrap_or_default()
}

fn percent(of: Lookups) -> String {
    let rate = permille(of.hits, of.asked);
    format!("{}.{} %", rate / 10, rate % 10)
}

fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_met_where_it_is_large_enough() {
        assert_eq!(change(1000, 300), -70);
        assert_eq!(verdict(change(1000, 300), 70), "met");
        assert_eq!(verdict(change(1000, 301), 70), "missed");
        assert_eq!(verdict(change(300, 1000), 70), "missed");
        assert_eq!(change(0, 5), 0);
        assert_eq!((permille(9, 10), permille(0, 0)), (900, 0));
    }
}
