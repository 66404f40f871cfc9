//! Versions as tools print them: `rustc 1.95.0 (…)`, `Redis server v=7.0.15 sha=…`.

use std::fmt;

/// The first two or three numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}

impl Version {
    /// The first version in `text`: at least two numbers with a dot between them.
    pub(crate) fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
            let mut numbers = word.split('.').map_while(|number| number.parse().ok());
            Some(Self {
                major: numbers.next()?,
                minor: numbers.next()?,
                patch: numbers.next().unwrap_or_default(),
            })
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(u32, u32, u32)> {
        Version::find(text).map(|v| (v.major, v.minor, v.patch))
    }

    #[test]
    fn versions_are_found_in_what_tools_print() {
        assert_eq!(
            found("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some((7, 0, 15))
        );
        assert_eq!(found("Valkey server v=8.1.0 sha=0"), Some((8, 1, 0)));
        assert_eq!(found("rustc 1.95.0 (f2d3ce0bd 2026-03-21)"), Some((1, 95, 0)));
        assert_eq!(found("rustc 1.97.0-nightly (0a1b2c 2026-05-01)"), Some((1, 97, 0)));
        assert_eq!(found("cargo-nextest 0.9.143"), Some((0, 9, 143)));
        assert_eq!(found("1.88"), Some((1, 88, 0)));
    }

    #[test]
    fn numbers_alone_are_no_version() {
        assert_eq!(found("command not found"), None);
        assert_eq!(found("error 127"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(Version::find("6.10.0") < Version::find("7.0.0"));
        assert!(Version::find("7.0.9") < Version::find("7.0.15"));
    }
}
