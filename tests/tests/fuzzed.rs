//! The checks of the fuzz targets, over inputs that are the same in every run: random ones, and the ones that are
//! worst for a matcher. Whoever looks for new ones runs the targets in `fuzz/`.

use tests::fuzzed::{self, END, matched_linearly};
use tests::random::Random;

/// Texts that have a meaning somewhere, and a few that have none.
const PIECES: [&str; 38] = [
    "", "a", "b", "ab", "a", "b", "*", "**", ":", ":", "user", "posts", "%", "%2A", "%3a", "%~", "<none>",
    "(", ")", "()", "[", "]", "][", "{", "}", "<", ">", "?", "\\", " ", "\n", "\u{0}", "\u{7f}", "\u{80}",
    "\u{9f}", "\u{a0}", "é", "🗝",
];

/// Up to 24 pieces, among which a text ends now and then; a few bytes are no text.
fn bytes(random: &mut Random, pieces: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(25) {
        match random.below(16) {
            0..3 => bytes.push(END),
            3 if random.below(8) == 0 => bytes.push(u8::try_from(random.below(256)).unwrap_or(END)),
            _ => bytes.extend_from_slice(piece(random, pieces).as_bytes()),
        }
    }
    bytes
}

fn piece<'p>(random: &mut Random, pieces: &[&'p str]) -> &'p str {
    pieces[usize::try_from(random.below(pieces.len() as u64)).unwrap_or_default()]
}

/// A pattern, a key that it matches, and one that it nearly matches.
fn pattern_and_keys(random: &mut Random, pieces: &[&str]) -> Vec<u8> {
    let pattern: String = (0..random.below(25)).map(|_| piece(random, pieces)).collect();
    let mut key = String::new();
    for (at, literal) in pattern.split('*').enumerate() {
        let run = if at > 0 { random.below(4) } else { 0 };
        key.extend((0..run).map(|_| piece(random, pieces)));
        key.push_str(literal);
    }
    let left_out = random.below(1 + key.len() as u64);
    let near: String = (0..).zip(key.chars()).filter(|&(at, _)| at != left_out).map(|(_, c)| c).collect();
    [pattern.as_bytes(), key.as_bytes(), near.as_bytes()].join(&END)
}

fn random_inputs(who: u64, pieces: &[&str], count: u64, check: fn(&[u8])) {
    let mut random = Random::new(0x1A4D_E400, who);
    for _ in 0..count {
        check(&bytes(&mut random, pieces));
        check(&pattern_and_keys(&mut random, pieces));
    }
}

#[test]
fn keys_are_read_back_whatever_they_are_written_from() {
    random_inputs(1, &PIECES, 200, fuzzed::key);
    for byte in [b'%', b':', 0x80, 0xC2, 0xFE] {
        fuzzed::key(&[byte]);
    }
    let characters = ('\u{0}'..='\u{2ff}').chain('\u{2000}'..='\u{206f}').map(String::from);
    fuzzed::key(&characters.map(String::into_bytes).collect::<Vec<_>>().join(&END));
    fuzzed::key("x".repeat(5_000).as_bytes());
    fuzzed::key(":".repeat(5_000).as_bytes());
}

#[test]
fn any_text_is_a_pattern_that_takes_what_it_matches() {
    random_inputs(2, &PIECES, 300, fuzzed::pattern);
    random_inputs(3, &["a", "b", ":", "*"], 1_000, fuzzed::pattern);
    // Deeper than the prefixes that an entry knows it is covered by.
    for depth in 0..20 {
        let head = "a:".repeat(depth);
        let texts = [format!("{head}*"), format!("{head}b"), format!("{head}a:b"), "a:".repeat(depth / 2)];
        fuzzed::pattern(&texts.map(String::into_bytes).join(&END));
    }
}

#[test]
fn a_pattern_matches_what_the_definition_says() {
    random_inputs(4, &PIECES, 20_000, fuzzed::glob);
    random_inputs(5, &["a", "b", "*"], 30_000, fuzzed::glob);
}

#[test]
fn whatever_is_stored_is_an_entry_or_a_miss() {
    let mut random = Random::new(0x1A4D_E400, 6);
    for _ in 0..1_000 {
        let length = random.below(40);
        let bytes: Vec<u8> = (0..2 + length).map(|_| random.draw().to_le_bytes()[0]).collect();
        fuzzed::envelope(&bytes);
    }
    // Each byte of a real entry replaced by those that mean something in a length, a flag or a text.
    for form in 0..4 {
        for place in 0..=255 {
            for byte in [0, 0x80, 0xFF] {
                fuzzed::envelope(&[form << 2, place, byte, byte, byte, byte]);
            }
        }
    }
}

/// Each is where some matcher goes over the same bytes again and again. Of the last size one that is not linear
/// does not come to an end.
#[test]
fn the_worst_patterns_take_no_more_steps_than_there_are_bytes() {
    for size in [10, 1_000, 1_000_000] {
        let (all_a, half) = ("a".repeat(size), "a".repeat(size / 2));
        let cases = [
            ("stars that give way", "*a".repeat(size / 4) + "*b", false),
            ("stars that give way, anchored", "a*".repeat(size / 4) + "b", false),
            ("nothing but stars", "*".repeat(size), true),
            ("a needle that nearly fits everywhere", format!("*{half}b*"), false),
            ("the same from its end", format!("*b{half}*"), false),
            ("a needle that fits everywhere", format!("*{half}*"), true),
            ("a needle that is too long", format!("*{all_a}a*"), false),
            ("a tail that nearly fits", format!("*b{half}"), false),
            ("head and tail that would overlap", format!("{half}*{half}a"), false),
        ];
        for (name, pattern, expected) in cases {
            assert_eq!(matched_linearly(&pattern, &all_a), expected, "{name}, {size} bytes");
        }

        let words = fibonacci(size);
        let (word, next) = (&words[words.len() - 2], &words[words.len() - 1]);
        assert!(matched_linearly(&format!("*{word}*"), next), "a word of two periods, {size} bytes");
        assert!(!matched_linearly(&format!("*{word}{word}{word}{word}*"), next), "{size} bytes");
        let teeth = "ab".repeat(size / 2);
        assert!(!matched_linearly(&format!("*{}aa*", "ab".repeat(size / 4)), &teeth), "{size} bytes");
        assert!(matched_linearly(&"*ab".repeat(size / 2), &teeth), "as many stars as fit, {size} bytes");
        assert!(!matched_linearly(&"*ab".repeat(size / 2 + 1), &teeth), "one more, {size} bytes");
    }
}

/// Words each of which is the two before it, up to about this length: as periodic as a text can be without a period.
fn fibonacci(size: usize) -> Vec<String> {
    let mut words = vec!["b".to_owned(), "a".to_owned()];
    while words[words.len() - 1].len() < size {
        let next = format!("{}{}", words[words.len() - 1], words[words.len() - 2]);
        words.push(next);
    }
    words
}
