//! Two different argument tuples never give one key, whatever is in them.

use std::net::Ipv6Addr;

use cache_core::{Key, KeyPart, KeyWriter, Pattern};
use proptest::collection::vec;
use proptest::prelude::*;

/// Text made of what could be taken for something else: markers, separators, escapes of both.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "", "a", "b", ":", "*", "%", "%3A", "3A", "<none>", "<empty>", "<unit>", "(", ")", "()", "[", "]",
        "{", "}", "<", ">", "?", "\\", " ", "\n", "\u{0}", "\u{7f}", "\u{85}", "é", "%~", "-", "1",
    ]);
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

type Arguments = (String, Option<Option<String>>, Vec<Option<String>>, (String, i64, char), [Vec<String>; 2]);

fn arguments() -> impl Strategy<Value = Arguments> {
    (
        tricky(),
        prop::option::of(prop::option::of(tricky())),
        vec(prop::option::of(tricky()), 0..3),
        (tricky(), -11_i64..11, prop::sample::select(vec!['a', ':', '%', '(', 'é'])),
        [vec(tricky(), 0..3), vec(tricky(), 0..3)],
    )
}

fn write(arguments: &Arguments, key: &mut KeyWriter) {
    let (text, nested, list, tuple, array) = arguments;
    let parts: [&dyn KeyPart; 5] = [text, nested, list, tuple, array];
    key.literal("t");
    for part in parts {
        key.literal(":");
        part.write(key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn different_arguments_have_different_keys(one in arguments(), other in arguments()) {
        let keys = [&one, &other].map(|arguments| Key::build(|key| write(arguments, key)));
        prop_assert_eq!(one == other, keys[0] == keys[1], "{} and {}", keys[0], keys[1]);
    }

    #[test]
    fn one_changed_argument_changes_the_key(one in arguments(), other in arguments(), which in 0_usize..5) {
        let mut changed = one.clone();
        match which {
            0 => changed.0 = other.0,
            1 => changed.1 = other.1,
            2 => changed.2 = other.2,
            3 => changed.3 = other.3,
            _ => changed.4 = other.4,
        }
        let keys = [&one, &changed].map(|arguments| Key::build(|key| write(arguments, key)));
        prop_assert_eq!(one == changed, keys[0] == keys[1], "{} and {}", keys[0], keys[1]);
    }

    #[test]
    fn a_value_never_leaves_its_segment(value in tricky()) {
        let key = Key::build(|key| KeyPart::write(&value, key));
        let text = key.whole();
        prop_assert!(!text.contains([':', '*', '?', '<', '>', '{', '}', '[', ']', '(', ')', '\\', ' ']), "{}", text);
        prop_assert!(!text.contains(char::is_control), "{}", text);
    }

    #[test]
    fn a_key_as_a_pattern_names_itself_alone(one in arguments(), other in arguments()) {
        let [one_key, other_key] = [&one, &other].map(|arguments| Key::build(|key| write(arguments, key)));
        let pattern = Pattern::build(|pattern| write(&one, pattern));
        prop_assert!(pattern.matches(one_key.whole()));
        prop_assert_eq!(pattern.matches(other_key.whole()), one == other);
    }
}

#[test]
fn the_examples_of_the_contract() {
    let key = |parts: &[&dyn KeyPart]| {
        Key::build(|key| {
            key.literal("x");
            for part in parts {
                key.literal(":");
                part.write(key);
            }
        })
        .to_string()
    };
    assert_eq!(key(&[&"a:b"]), "x:a%3Ab");
    assert_ne!(key(&[&"a:b", &"c"]), key(&[&"a", &"b:c"]));
    assert_eq!(key(&[&"*"]), "x:%2A");
    assert_eq!(key(&[&Ipv6Addr::LOCALHOST]), "x:%3A%3A1");
    assert_ne!(key(&[&None::<&str>]), key(&[&Some("")]));
    assert_ne!(key(&[&""]), key(&[&Some("")]));
    assert_ne!(key(&[&""]), key(&[&None::<&str>]));
}
