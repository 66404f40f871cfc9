//! What keys look like, and that no two values share one.

use super::*;

fn text(part: impl KeyPart) -> String {
    Key::build(|key| part.write(key)).whole().to_owned()
}

#[test]
fn values_escape_what_has_a_meaning() {
    assert_eq!(text("a:b"), "a%3Ab");
    assert_eq!(text("*"), "%2A");
    assert_eq!(text("100%"), "100%25");
    assert_eq!(text("é ü"), "é%20ü");
    assert_eq!(text(r"<>{}[]()\?"), "%3C%3E%7B%7D%5B%5D%28%29%5C%3F");
    assert_eq!(text("\n\u{7f}"), "%0A%7F");
    assert_eq!(text("\u{80}\u{9b}\u{a0}\u{15b}"), "%C2%80%C2%9B\u{a0}\u{15b}");
    assert_eq!(text(':'), "%3A");
    assert_eq!(text("::1".parse::<std::net::Ipv6Addr>().unwrap()), "%3A%3A1");
}

#[test]
fn nothing_some_nothing_and_empty_differ() {
    let forms = [
        text(None::<Option<&str>>),
        text(Some(None::<&str>)),
        text(Some(Some(""))),
        text(Some(Some("<none>"))),
        text(Some(Some("a"))),
        text(""),
    ];
    for (at, form) in forms.iter().enumerate() {
        assert!(!forms[..at].contains(form), "{form} twice in {forms:?}");
    }
}

#[test]
fn sequences_keep_their_shape() {
    assert_eq!(text([1, 23]), "[1][23]");
    assert_ne!(text(Vec::<&str>::new()), text([""]));
    assert_ne!(text(([1], [2, 3])), text(([1, 2], [3])));
    assert_ne!(text(("a", "")), text(("", "a")));
}

#[test]
fn integers_of_every_width() {
    assert_eq!(text(i64::MIN), "-9223372036854775808");
    assert_eq!(text(u128::MAX), u128::MAX.to_string());
    assert_eq!(text(std::num::NonZeroU8::MIN), "1");
}

#[test]
fn a_long_key_keeps_its_head_and_stays_within_the_limit() {
    let long = format!("search:{}", "x".repeat(600));
    let key = Key::from(long.as_str());
    assert!(key.as_str().starts_with("search:%~"), "{key}");
    assert!(key.as_str().len() <= MAX_KEY_LEN);
    assert_eq!(key.whole(), long);
    assert_ne!(key.as_str(), Key::from(format!("{long}x")).as_str());
    assert!(KeyRef::from(long.as_str()).names(&key));

    let exact = "y".repeat(MAX_KEY_LEN);
    assert_eq!(Key::from(exact.as_str()).as_str(), exact);
}

#[test]
fn a_key_longer_than_the_stack_buffer_is_whole() {
    for length in [100, 119, 120, 121, 300] {
        let value = "z".repeat(length);
        assert_eq!(text((value.as_str(), 7)), format!("({value})(7)"));
        assert_eq!(text(Some(("", value.as_str()))), format!("(()({value}))"));
    }
}

#[test]
fn the_digest_of_a_map_does_not_depend_on_its_order() {
    use std::collections::HashMap;

    let one: HashMap<_, _> = (0..50).map(|n| (n.to_string(), n)).collect();
    let other: HashMap<_, _> = (0..50).rev().map(|n| (n.to_string(), n)).collect();
    let digest = |map: &HashMap<String, i32>| Key::build(|key| write_hash(map, key)).to_string();
    assert_eq!(digest(&one), digest(&other));
    assert_eq!(digest(&one).len(), 32);
}

#[test]
fn a_value_that_json_cannot_hold_makes_the_key_unusable() {
    let map: std::collections::BTreeMap<(u8, u8), u8> = [((1, 2), 3)].into();
    let mut writer = KeyWriter::new();
    write_hash(&map, &mut writer);
    assert!(!writer.is_usable());

    let mut again = KeyWriter::new();
    write_hash(&map, &mut again);
    assert_ne!(writer.as_bytes(), again.as_bytes(), "nothing is found under an unusable key");
}
