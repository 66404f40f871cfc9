//! Keys that people type: what is refused, and what becomes of the rest.
//!
//! They live under `pad:`, so that nobody reads a session or plants a user. A [`Key`] names one entry, whatever is in it:
//! `*` is a letter like any other. Only what is given as a pattern is one.

use larder::{Key, Pattern};

use crate::error::{Error, Result};

const LONGEST: usize = 200;

/// The key that `typed` names.
pub(crate) fn key(typed: &str) -> Result<Key> {
    checked(typed, "key")?;
    Ok(Key::from(format!("pad:{typed}")))
}

/// The keys that `typed` means, among all that the cache has: for whoever runs the service.
pub(crate) fn pattern(typed: &str) -> Result<Pattern> {
    checked(typed, "pattern")?;
    Ok(Pattern::from(typed))
}

/// The name of a lock that `typed` is.
pub(crate) fn lock(typed: &str) -> Result<&str> {
    checked(typed, "name of the lock")?;
    Ok(typed)
}

fn checked(typed: &str, what: &str) -> Result<()> {
    if typed.trim().is_empty() {
        return Err(Error::bad_request(format!("the {what} is empty; write one, such as `greeting`")));
    }
    if typed.len() > LONGEST {
        let length = typed.len();
        return Err(Error::bad_request(format!("the {what} has {length} bytes; write {LONGEST} at most")));
    }
    if let Some(at) = typed.chars().position(char::is_control) {
        let number = at + 1;
        return Err(Error::bad_request(format!(
            "letter {number} of the {what} is a control character; leave it out"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_means_is_refused() {
        for typed in ["", "  ", "line\nbreak", "nul\0", "\u{85}", &"x".repeat(201)] {
            assert!(key(typed).is_err() && pattern(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn a_typed_key_is_one_key_under_the_prefix() {
        assert_eq!(key("*").unwrap().as_str(), "pad:*");
        assert_eq!(key("user:1").unwrap().as_str(), "pad:user:1");
    }
}
