//! Reads from the source file which block a function stands in. Nothing but braces and what stands before them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proc_macro2::Span;

use super::Place;

/// The place of the token at `span`, if its source can be read and says so.
pub(super) fn around(span: Span) -> Option<Place> {
    if !proc_macro::is_available() {
        return None;
    }
    let span = span.unwrap();
    let path = span.local_file()?;
    with_file(&path, |file| place_in(&file.blocks, file.offset(span.line(), span.column())?))?
}

/// A file's blocks. Attributes of one file come one after the other, so the last file is kept.
struct File {
    path: PathBuf,
    modified: SystemTime,
    lines: Vec<usize>,
    text: String,
    blocks: Vec<Block>,
}

impl File {
    fn read(path: &Path, modified: SystemTime) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let blocks = blocks(&text);
        Some(Self { path: path.to_owned(), modified, lines, text, blocks })
    }

    /// The byte at a line and a column in characters, both counted from one.
    fn offset(&self, line: usize, column: usize) -> Option<usize> {
        let start = *self.lines.get(line.checked_sub(1)?)?;
        let (at, _) = self.text[start..].char_indices().nth(column.checked_sub(1)?)?;
        Some(start + at)
    }
}

fn with_file<T>(path: &Path, ask: impl FnOnce(&File) -> T) -> Option<T> {
    thread_local! {
        static LAST: RefCell<Option<File>> = const { RefCell::new(None) };
    }
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    LAST.with_borrow_mut(|last| {
        if !last.as_ref().is_some_and(|file| file.path == path && file.modified == modified) {
            *last = File::read(path, modified);
        }
        last.as_ref().map(ask)
    })
}

/// What is between two braces.
struct Block {
    start: usize,
    end: usize,
    /// `None` for braces that a macro gives a meaning to.
    place: Option<Place>,
}

fn place_in(blocks: &[Block], offset: usize) -> Option<Place> {
    let around = blocks.iter().filter(|block| block.start < offset && offset < block.end);
    match around.min_by_key(|block| block.end - block.start) {
        Some(block) => block.place,
        None => Some(Place::Module),
    }
}

/// All blocks in `text`, each with what its head says about it.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Vec<(usize, Option<Place>, String)> = Vec::new();
    let mut head = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        let mut len = skipped(rest);
        if len == 0 {
            len = c.len_utf8();
            match c {
                '{' => open.push((at, place_of(&head), String::new())),
                '(' | '[' => open.push((at, None, std::mem::take(&mut head))),
                '}' | ')' | ']' => {
                    let (start, place, before) = open.pop().unwrap_or_default();
                    head = before;
                    if c == '}' {
                        blocks.push(Block { start, end: at, place });
                    } else {
                        head.push_str("()");
                    }
                }
                ';' => {}
                _ => head.push(c),
            }
            if matches!(c, '{' | '(' | '[' | '}' | ';') {
                head.clear();
            }
        }
        rest = &rest[len..];
    }
    blocks
}

/// How much of the beginning of `text` is a comment or a literal, where braces mean nothing.
fn skipped(text: &str) -> usize {
    let until =
        |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    if text.starts_with("//") {
        return until(2, "\n").max(2);
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let raw = text.trim_start_matches(['b', 'c']);
    if let Some(raw) = raw.strip_prefix('r').filter(|raw| text.len() - raw.len() <= 2) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let start = text.len() - raw.len() + hashes + 1;
            return until(start, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    match text.as_bytes()[0] {
        b'"' => quoted(text, '"'),
        // A character, unless it is a lifetime: `'a'` against `'a`.
        b'\'' if text[1..].starts_with('\\') || text.chars().nth(2) == Some('\'') => quoted(text, '\''),
        _ => 0,
    }
}

/// The length of a literal with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// What kind of block stands behind `head`.
fn place_of(head: &str) -> Option<Place> {
    let head = head.trim();
    if head.ends_with('!')
        || head.ends_with("=>")
        || head.ends_with("()") && !head.contains(char::is_alphabetic)
    {
        return None;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '!';
    let keyword = head.split(|c: char| !is_word(c)).find(|word| {
        !matches!(*word, "" | "pub" | "crate" | "in" | "unsafe" | "default" | "async" | "const" | "auto")
    });
    Some(match keyword {
        Some("trait") => Place::Trait,
        Some("impl") if is_trait_impl(head) => Place::Trait,
        Some("impl") => Place::Inherent,
        Some(word) if word.ends_with('!') && word != "!" => return None,
        _ => Place::Module,
    })
}

/// Whether `impl … for …`: `for<'a>` is a quantifier.
fn is_trait_impl(head: &str) -> bool {
    head.match_indices("for").any(|(at, word)| {
        let before = head[..at].chars().next_back();
        let after = head[at + word.len()..].trim_start().chars().next();
        before.is_some_and(|c| !c.is_alphanumeric() && c != '_')
            && !after.is_some_and(|c| c == '<' || c == '_')
            && head[at + word.len()..].starts_with(|c: char| !c.is_alphanumeric() && c != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of `HERE` in `text`.
    fn place(text: &str) -> Option<Place> {
        place_in(&blocks(text), text.find("HERE").expect("the text says HERE"))
    }

    #[test]
    fn a_head_says_what_its_block_is() {
        for (text, expected) in [
            ("fn HERE() {}", Some(Place::Module)),
            ("mod a { fn HERE() {} }", Some(Place::Module)),
            ("fn outer() { fn HERE() {} }", Some(Place::Module)),
            ("fn outer() -> impl Iterator<Item = u8> { fn HERE() {} }", Some(Place::Module)),
            ("impl Repo { fn HERE() {} }", Some(Place::Inherent)),
            ("impl Repo { fn a() { x } #[cached(key = \"{\")] fn HERE() {} }", Some(Place::Inherent)),
            ("impl<T> Repo<T> where T: for<'a> Fn(&'a str) { fn HERE() {} }", Some(Place::Inherent)),
            ("impl Store for Repo { fn HERE() {} }", Some(Place::Trait)),
            ("impl Store for [u8; 4] { fn HERE() {} }", Some(Place::Trait)),
            ("#[async_trait] unsafe impl<T> a::Store<T> for Repo<T> { fn HERE() {} }", Some(Place::Trait)),
            ("pub trait Store: Send { async fn HERE() {} }", Some(Place::Trait)),
            ("impl Store for Repo { fn a() { fn HERE() {} } }", Some(Place::Module)),
            ("impl Format { fn HERE() {} }", Some(Place::Inherent)),
            ("mod a { impl Store for Repo {} fn HERE() {} }", Some(Place::Module)),
            ("mod a { impl Repo {} mod b { fn HERE() {} } }", Some(Place::Module)),
        ] {
            assert_eq!(place(text), expected, "{text}");
        }
    }

    #[test]
    fn braces_of_macros_say_nothing() {
        assert_eq!(place("functions! { fn HERE() {} }"), None);
        assert_eq!(place("macro_rules! m { ($t:ty) => { fn HERE() {} } }"), None);
        assert_eq!(
            place("macro_rules! m { ($t:ty) => { impl $t { fn HERE() {} } } }"),
            Some(Place::Inherent)
        );
    }

    #[test]
    fn braces_in_literals_and_comments_are_text() {
        for text in [
            "impl Repo { const A: &str = \"}\"; fn HERE() {} }",
            "impl Repo { const A: &str = r#\"}\"\"#; fn HERE() {} }",
            "impl Repo { const A: &[u8] = br\"}\\\"; fn HERE() {} }",
            "impl Repo { const A: char = '}'; const B: char = '\\''; fn HERE() {} }",
            "impl<'a> Repo<'a> { // }\n /* } /* } */ } */ fn HERE() {} }",
            "impl Repo { fn var(r: u8) { r } fn HERE() {} }",
        ] {
            assert_eq!(place(text), Some(Place::Inherent), "{text}");
        }
    }
}
