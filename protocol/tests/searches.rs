//! With all its steps, the protocol breaks no promise, whatever happens. What each step is for is in `faults.rs`.
//!
//! The searches that are ignored take minutes: `cargo test -p protocol -- --ignored --nocapture`.

use protocol::world::{P, Q};
use protocol::{Found, Scope, search};

/// One node and a cluster, the key and its tag.
fn each() -> impl Iterator<Item = (String, Scope)> {
    [(false, false), (false, true), (true, false), (true, true)].into_iter().map(|(cluster, by_tag)| {
        let servers = if cluster { "in a cluster" } else { "on one node" };
        let target = if by_tag { "the tag" } else { "the key" };
        (format!("{target} is invalidated {servers}"), Scope::quiet(cluster, by_tag))
    })
}

/// The smallest of these.
fn key_on_one_node() -> impl Iterator<Item = (String, Scope)> {
    each().take(1)
}

/// A search through each of these scopes finds nothing.
fn sound(what: &str, scopes: impl IntoIterator<Item = (String, Scope)>) {
    for (name, scope) in scopes {
        let found = search(&scope);
        assert!(matches!(found, Found::Nothing { .. }), "{name}, {what}: {found}");
        println!("{name}, {what}: {found}");
    }
}

/// With a flight in one process only: an eighth of the states.
fn one_flies(scopes: impl IntoIterator<Item = (String, Scope)>) -> impl Iterator<Item = (String, Scope)> {
    let each = |(name, scope): (String, Scope)| {
        let p = (format!("{name}, p flies"), scope.with_flights(1, 0));
        [p, (format!("{name}, q flies"), scope.with_flights(0, 1))]
    };
    scopes.into_iter().flat_map(each)
}

#[test]
fn nothing_else_happens() {
    sound("with a flight that is replaced", each().map(|(name, scope)| (name, scope.with_flights(1, 2))));
}

#[test]
fn the_servers_cannot_be_reached() {
    sound("and is owed", each().map(|(name, scope)| (name, scope.with_outage())));
}

#[test]
fn a_server_falls_back_to_its_copy() {
    let fails = |(name, scope): (String, Scope)| (name, scope.with_failover());
    sound("with a failover", key_on_one_node().map(fails));
    sound("with a failover", one_flies(each().map(fails)));
}

#[test]
fn something_is_evicted_or_flushed() {
    let loses = |(name, scope): (String, Scope)| (name, scope.with_loss());
    sound("with a loss", key_on_one_node().map(loses));
    sound("with a loss", one_flies(each().map(loses)));
}

#[test]
fn a_put_stores_what_it_returns() {
    for who in [P, Q] {
        sound("with a put", one_flies(each().map(|(name, scope)| (name, scope.with_put(who)))));
    }
    let fails = |(name, scope): (String, Scope)| (name, scope.with_put(Q).with_flights(0, 1).with_failover());
    sound("with a put and a failover", key_on_one_node().map(fails));
}

#[test]
fn a_reader_has_the_ticket() {
    let held = |(name, scope): (String, Scope)| (name, scope.with_ticket().with_another());
    sound("with a ticket", each().map(held));
    let lost = |(name, scope): (String, Scope)| (name, scope.with_flights(0, 1).with_loss());
    sound("with a ticket and a loss", each().map(held).map(lost));
    let fails = |(name, scope): (String, Scope)| (name, scope.with_flights(0, 1).with_failover());
    sound("with a ticket and a failover", each().map(held).map(fails));
}

#[test]
#[ignore = "takes minutes"]
fn both_fly_and_a_server_falls_back_to_its_copy() {
    sound("with a failover", each().map(|(name, scope)| (name, scope.with_failover())));
}

#[test]
#[ignore = "takes minutes"]
fn both_fly_and_something_is_lost() {
    sound("with a loss", each().map(|(name, scope)| (name, scope.with_loss())));
}

#[test]
#[ignore = "takes minutes"]
fn both_fly_and_one_puts() {
    sound("with a put", each().map(|(name, scope)| (name, scope.with_put(Q))));
}

#[test]
#[ignore = "takes minutes"]
fn one_puts_and_a_server_falls_back_to_its_copy() {
    let scopes = each().map(|(name, scope)| (name, scope.with_put(Q).with_flights(0, 1).with_failover()));
    sound("with a put and a failover", scopes);
}
