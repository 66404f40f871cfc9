//! Whether two templates can ever write the same text: pure, and decided without values.
//!
//! A placeholder writes any text without a raw `:`, so it never leaves its segment; a `*` stands for anything.

/// One step of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Literal(char),
    /// A placeholder.
    Value,
    /// A `*`.
    Anything,
}

/// Whether some text is written by both templates, where `*` in either stands for any run of characters.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (steps(one), steps(other));
    // met[i][j]: some text is written by the first i steps of one and by the first j of the other.
    let mut met = vec![vec![false; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            let (last, other_last) = (i.checked_sub(1).map(|i| one[i]), j.checked_sub(1).map(|j| other[j]));
            met[i][j] = match (last, other_last) {
                (None, None) => true,
                (Some(Step::Literal(a)), Some(Step::Literal(b))) => a == b && met[i - 1][j - 1],
                // A wildcard writes nothing, or also what the other side ends with.
                (Some(wild @ (Step::Value | Step::Anything)), ends) => {
                    met[i - 1][j] || ends.is_some_and(|end| takes(wild, end) && met[i][j - 1])
                }
                (ends, Some(wild @ (Step::Value | Step::Anything))) => {
                    met[i][j - 1] || ends.is_some_and(|end| takes(wild, end) && met[i - 1][j])
                }
                (Some(Step::Literal(_)), None) | (None, Some(Step::Literal(_))) => false,
            };
        }
    }
    met[one.len()][other.len()]
}

/// Whether a wildcard can write what `end` writes. Two wildcards can both write nothing.
fn takes(wildcard: Step, end: Step) -> bool {
    wildcard == Step::Anything || end != Step::Literal(':')
}

fn steps(template: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = template;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        match next {
            '*' => steps.push(Step::Anything),
            '<' => {
                steps.push(Step::Value);
                rest = rest.split_once('>').map_or("", |(_, rest)| rest);
            }
            literal => steps.push(Step::Literal(literal)),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_overlap_iff_some_text_is_both() {
        let cases = [
            ("user:<id>", "user:*", true),
            ("user:<id>", "user:<name>", true),
            ("user:<id>", "usr:*", false),
            ("user:<id>", "user:<id>:*", false),
            ("user:<id>:posts", "user:<id>:*", true),
            ("user:<id>:posts:<page>", "*:posts:*", true),
            ("user:<id>", "*:posts", true),
            ("user:<id>", "*:posts:", false),
            ("user:<id>", "user:admin", true),
            ("user:<id>", "user:a:b", false),
            ("<a>:x", "y:<b>", true),
            ("<a>:x", "<b>:y", false),
            ("*", "user:<id>", true),
            ("a*b", "ab", true),
            ("a*b", "<x>", true),
            ("a:b", "<x>", false),
            ("{<id>}:profile", "{*}:profile", true),
            ("", "*", true),
            ("", "a", false),
            ("a<x>c", "<y>bc", true),
            ("feed:<a>:<b>", "feed:<c>", false),
        ];
        for (one, other, expected) in cases {
            assert_eq!(overlap(one, other), expected, "{one} and {other}");
            assert_eq!(overlap(other, one), expected, "{other} and {one}");
        }
    }
}
