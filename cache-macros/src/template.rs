//! `"user:<id>:*"` → segments: the one parser for keys, patterns and tags.
//!
//! It knows the grammar alone; which arguments exist is for `check` to say.

use proc_macro2::{Ident, Span};
use syn::LitStr;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;

use crate::diagnose::{Mistake, Problems};

/// What a template is for, which decides what may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The key of an entry: no wildcard.
    Key,
    /// What an invalidation reaches: `*` matches any run of characters.
    Target,
    /// A tag: no wildcard.
    Tag,
}

impl Use {
    /// What it is called in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Target => "target",
            Self::Tag => "tag",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Key => "user:<id>",
            Self::Target => "user:*",
            Self::Tag => "users",
        }
    }
}

/// A parsed template and the literal it was read from.
pub(crate) struct Template {
    pub(crate) literal: LitStr,
    pub(crate) segments: Vec<Segment>,
    /// How many placeholders could not be read: each may have meant any argument.
    pub(crate) broken: usize,
}

/// One piece of a template.
pub(crate) enum Segment {
    Text(String),
    Wildcard,
    Value(Placeholder),
}

/// `<root.field.field:format>`.
pub(crate) struct Placeholder {
    /// As the user wrote it, brackets included.
    pub(crate) text: String,
    pub(crate) root: String,
    pub(crate) fields: Vec<String>,
    pub(crate) format: Format,
}

/// How the value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Hash,
    Lower,
}

impl Template {
    /// Reads `literal`, reporting everything that is wrong with it. What could be read is returned all the same, so
    /// that the checks that follow see as much as possible.
    pub(crate) fn parse(literal: LitStr, usage: Use, problems: &mut Problems) -> Self {
        let text = literal.value();
        let span = literal.span();
        let mut broken = 0;
        if text.trim().is_empty() {
            broken = usize::MAX;
            let mistake = Mistake::EmptyTemplate { what: usage.name(), example: usage.example() };
            problems.at_span(span, mistake);
        }
        let segments =
            Parser { whole: &text, span, usage, problems, broken: &mut broken, glob: false }.segments();
        let template = Self { literal, segments, broken };
        template.check_touching(problems);
        template
    }

    pub(crate) fn span(&self) -> Span {
        self.literal.span()
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Value(placeholder) => Some(placeholder),
            _ => None,
        })
    }

    /// Whether it reaches more than one key.
    pub(crate) fn is_pattern(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Wildcard))
    }

    /// Two placeholders need text between them that no value writes, else two calls can have one key.
    fn check_touching(&self, problems: &mut Problems) {
        let mut before: Option<&Placeholder> = None;
        for segment in &self.segments {
            match segment {
                Segment::Text(text) if text.contains(SEPARATORS) => before = None,
                Segment::Text(_) => {}
                Segment::Wildcard => before = None,
                Segment::Value(placeholder) => {
                    if let Some(first) = before {
                        let mistake = Mistake::Touching { first: &first.text, second: &placeholder.text };
                        problems.at_span(self.span(), mistake);
                    }
                    before = Some(placeholder);
                }
            }
        }
    }
}

/// Characters that stand in literals and that no value ever writes, escaped or not.
const SEPARATORS: [char; 3] = [':', '{', '}'];

struct Parser<'t, 'p> {
    whole: &'t str,
    span: Span,
    usage: Use,
    problems: &'p mut Problems,
    broken: &'p mut usize,
    /// Whether a glob character was reported: brackets come in pairs.
    glob: bool,
}

impl<'t> Parser<'t, '_> {
    fn segments(mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut rest = self.whole;
        while !rest.is_empty() {
            let end = rest.find(['<', '*']).unwrap_or(rest.len());
            let (text, tail) = rest.split_at(end);
            if !text.is_empty() {
                self.check_text(text);
                segments.push(Segment::Text(text.to_owned()));
            }
            rest = match tail.chars().next() {
                Some('*') => {
                    self.check_wildcard();
                    segments.push(Segment::Wildcard);
                    &tail[1..]
                }
                Some(_) => {
                    let end = placeholder_end(tail);
                    let (text, tail) = tail.split_at(end);
                    match self.placeholder(text) {
                        Some(placeholder) => segments.push(Segment::Value(placeholder)),
                        None => *self.broken = self.broken.saturating_add(1),
                    }
                    tail
                }
                None => "",
            };
        }
        segments
    }

    /// `text` is `<…>`, or from `<` to where it should have been closed.
    fn placeholder(&mut self, text: &'t str) -> Option<Placeholder> {
        let Some(inner) = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')) else {
            self.problems.at_span(self.span, Mistake::Unclosed { placeholder: text });
            return None;
        };
        let (path, formatter) = match inner.split_once(':') {
            Some((path, formatter)) if !inner.contains("::") => (path, Some(formatter)),
            _ => (inner, None),
        };
        if path.trim().is_empty() {
            self.problems.at_span(self.span, Mistake::EmptyPlaceholder { template: text });
            return None;
        }
        let format = match formatter {
            None => Format::Plain,
            Some("hash") => Format::Hash,
            Some("lower") => Format::Lower,
            Some(formatter) => {
                let mistake = Mistake::UnknownFormatter { placeholder: text, formatter, plain: path };
                self.problems.at_span(self.span, mistake);
                // The path is still good, so the argument counts as keyed.
                Format::Plain
            }
        };
        let mut names = path.split('.');
        let root = names.next().unwrap_or_default();
        let fields: Vec<&str> = names.collect();
        if !is_name(root) || !fields.iter().all(|field| is_name(field) || is_index(field)) {
            let suggestion = format!("<{}>", plausible_path(path));
            let mistake = Mistake::NotAPath { placeholder: text, suggestion: &suggestion };
            self.problems.at_span(self.span, mistake);
            return None;
        }
        Some(Placeholder {
            text: text.to_owned(),
            root: unraw(root).to_owned(),
            fields: fields.into_iter().map(str::to_owned).collect(),
            format,
        })
    }

    fn check_wildcard(&mut self) {
        if self.usage != Use::Target {
            // It stands where a placeholder should.
            *self.broken = self.broken.saturating_add(1);
            let mistake = Mistake::PatternInKey { what: self.usage.name(), template: self.whole };
            self.problems.at_span(self.span, mistake);
        }
    }

    fn check_text(&mut self, text: &str) {
        if text.contains('>') {
            *self.broken = self.broken.saturating_add(1);
            self.problems.at_span(self.span, Mistake::Unopened { template: self.whole });
        }
        // What is in braces is said to be literal, or meant to be a placeholder; not both.
        let outside = text.split('{').enumerate().map(|(at, rest)| match rest.split_once('}') {
            Some((_, outside)) if at > 0 => outside,
            _ => rest,
        });
        let is_glob = |c: &char| matches!(c, '?' | '[' | ']' | '\\');
        if let Some(glob) = outside.flat_map(str::chars).find(is_glob).filter(|_| !self.glob) {
            self.glob = true;
            let mistake = match self.usage {
                Use::Target => Mistake::GlobInTarget { glob, template: self.whole },
                usage => Mistake::GlobInKey { glob, what: usage.name(), template: self.whole },
            };
            self.problems.at_span(self.span, mistake);
        }
    }
}

/// Where the placeholder that begins `text` ends: after its `>`, or where it was forgotten.
fn placeholder_end(text: &str) -> usize {
    match text[1..].find(['>', '<']) {
        Some(at) if text[1 + at..].starts_with('>') => at + 2,
        Some(at) => at + 1,
        None => text.len(),
    }
}

fn is_name(text: &str) -> bool {
    // `<type>` means the argument `r#type`.
    text != "_" && !text.contains(char::is_whitespace) && Ident::parse_any.parse_str(text).is_ok()
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn unraw(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// What the user may have meant by a path that is none: `&user.id()` → `user.id`, `Self::ID` → `id`.
fn plausible_path(path: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let begin = path.trim_start_matches(|c: char| !c.is_alphabetic());
    let end = begin.find(|c| !is_part(c)).unwrap_or(begin.len());
    let (mut kept, rest) = begin.split_at(end);
    if rest.starts_with('(') {
        // A method: what it is called on is the argument.
        kept = kept.rsplit_once('.').map_or("", |(receiver, _)| receiver);
    }
    let kept = kept.trim_matches('.');
    let is_path = !rest.starts_with("::") && kept.split('.').all(|name| is_name(name) || is_index(name));
    if is_path { kept.to_owned() } else { "id".to_owned() }
}
