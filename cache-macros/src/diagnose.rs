//! Every sentence this crate says to its users, and the list of those said about one attribute.
//!
//! One voice: lower case, the user's token in backticks, the fix at the end. No rule is decided here.

use std::fmt;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found in one attribute, reported together.
#[derive(Default)]
pub(crate) struct Problems(Option<syn::Error>);

impl Problems {
    /// Reports `mistake` at all of `tokens`.
    pub(crate) fn at(&mut self, tokens: &impl ToTokens, mistake: Mistake<'_>) {
        self.push(syn::Error::new_spanned(tokens, mistake));
    }

    /// Reports `mistake` at `span`.
    pub(crate) fn at_span(&mut self, span: Span, mistake: Mistake<'_>) {
        self.push(syn::Error::new(span, mistake));
    }

    /// Reports what syn found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }
}

/// What can be wrong with an attribute.
#[derive(Clone, Copy)]
pub(crate) enum Mistake<'a> {
    // The item.
    NotAFunction { attribute: &'a str },
    NoBody { name: &'a str },
    NotAsync { name: &'a str },
    ReturnsFuture { name: &'a str },
    MutableSelf { name: &'a str },
    Unsafe { name: &'a str },
    ReturnsNothing { name: &'a str },
    ReturnsImpl { output: &'a str },
    ReturnsStatic { borrow: &'a str, owned: &'a str },
    ReturnsBorrow { borrow: &'a str, owned: &'a str },

    // Options.
    UnknownOption { option: &'a str, attribute: &'a str, options: &'a [&'a str] },
    OptionOfCached { option: &'a str, attribute: &'a str, options: &'a [&'a str] },
    DuplicateOption { option: &'a str },
    ColonForEquals { option: &'a str },
    OptionForm { option: &'a str, takes: &'a str, form: &'a str },
    LooseTemplate { text: &'a str },
    LooseTokens { token: &'a str, attribute: &'a str },
    UnexpectedArgument { token: &'a str, attribute: &'a str },
    StrayComma,
    NoValue { option: &'a str },
    NoExpression { option: &'a str, value: &'a str },
    MissingOption { attribute: &'a str, option: &'a str, example: &'a str },
    NeedsOption { option: &'a str, other: &'a str, why: &'a str },
    Contradiction { option: &'a str, other: &'a str, why: &'a str },
    NoTarget,
    NamedTarget { name: &'a str, form: &'a str },
    BareFunction { name: &'a str },
    TargetForm { text: &'a str },
    NestedAny,
    CompanionForm,
    EachForm,
    TagForm,
    TagWord { word: &'a str },
    AutoTagHere,

    // Durations.
    ZeroDuration { option: &'a str },
    BadDuration { text: &'a str, option: &'a str },
    DurationSuffix { literal: &'a str, option: &'a str },
    FloatDuration { literal: &'a str, option: &'a str },
    TinyDuration { text: &'a str, option: &'a str },
    HugeDuration { text: &'a str, option: &'a str },
    ClosureForbidden { option: &'a str },
    ClosureArity { option: &'a str, argument: &'a str },
    BadVersion,
    BadBeta { literal: &'a str },

    // Templates.
    EmptyTemplate { what: &'a str, example: &'a str },
    EmptyPlaceholder { template: &'a str },
    Unclosed { placeholder: &'a str },
    Unopened { template: &'a str },
    NotAPath { placeholder: &'a str, suggestion: &'a str },
    UnknownFormatter { placeholder: &'a str, formatter: &'a str, plain: &'a str },
    PatternInKey { what: &'a str, template: &'a str },
    GlobInKey { glob: char, what: &'a str, template: &'a str },
    GlobInTarget { glob: char, template: &'a str },
    Braces { braced: &'a str, placeholder: &'a str },
    EmptyBraces { example: Option<&'a str> },
    Touching { first: &'a str, second: &'a str },
    DuplicateTarget { template: &'a str },

    // Placeholders and arguments.
    UnknownPlaceholder { placeholder: &'a str, root: &'a str, function: &'a str, known: &'a [String] },
    ResultInKey { placeholder: &'a str },
    ResultInTag { placeholder: &'a str },
    ResultIsArgument { placeholder: &'a str },
    ResultOfNothing { placeholder: &'a str, function: &'a str },
    NoSelf { placeholder: &'a str, function: &'a str },
    GenericPath { placeholder: &'a str, root: &'a str },
    Unkeyed { argument: &'a str, placeholder: &'a str },
    UnkeyedSelf,
    UnkeyedGeneric { parameter: &'a str, kind: &'a str },
    UnknownSkip { name: &'a str, function: &'a str, known: &'a [String] },
    SkipKeyed { name: &'a str, placeholder: &'a str },
    SkipTwice { name: &'a str },
    SkipForm,
    CannotOutlive { option: &'a str, argument: &'a str, ty: &'a str, why: &'a str },
    EachUnknown { list: &'a str, function: &'a str, known: &'a [String] },
    EachNotSlice { list: &'a str, ty: &'a str },
    EachShadows { item: &'a str },
    NeedsCompanion { option: &'a str, name: &'a str },
    EachUnkeyed { item: &'a str, list: &'a str },

    // `#[derive(KeyPart)]`.
    UnionKey,
    UnknownKeyPartOption,
    KeyPartOnField,
}

impl fmt::Display for Mistake<'_> {
    #[expect(clippy::too_many_lines, reason = "it is the table of all messages")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotAFunction { attribute } => {
                write!(f, "`#[{attribute}]` belongs on a function: move it to an `async fn`")
            }
            Self::NoBody { name } => {
                write!(f, "`{name}` has no body to run: move the attribute to where it is implemented")
            }
            Self::NotAsync { name } => {
                write!(f, "`{name}` is not async, and a cache may have to be waited for: make it `async fn {name}`")
            }
            Self::ReturnsFuture { name } => write!(
                f,
                "`{name}` returns a future that is opaque to the attribute: make it `async fn {name}`"
            ),
            Self::MutableSelf { name } => write!(
                f,
                "`{name}` takes `&mut self`, and a cached call would leave out what it changes: take `&self`"
            ),
            Self::Unsafe { name } => write!(
                f,
                "`{name}` is unsafe, and its cached calls could not prove their safety: cache a safe function around it"
            ),
            Self::ReturnsNothing { name } => {
                write!(f, "`{name}` returns nothing that could be cached: give it a return type, or remove the attribute")
            }
            Self::ReturnsImpl { output } => {
                write!(f, "`{output}` has no name under which it could be stored: return a concrete type")
            }
            Self::ReturnsStatic { borrow, owned } => write!(
                f,
                "`{borrow}` cannot be read back from bytes: return {owned}, or write `local` so that the value never \
                 leaves the process"
            ),
            Self::ReturnsBorrow { borrow, owned } => write!(
                f,
                "`{borrow}` in the return type borrows from the caller, and an entry outlives every caller: \
                 return {owned}"
            ),

            Self::UnknownOption { option, attribute, options } => {
                write!(f, "`#[{attribute}]` has no option `{option}`")?;
                match meant(option, options) {
                    Some(name) => write!(f, "; did you mean `{name}`?"),
                    None => write!(f, "; its options are {}", Listed(options)),
                }
            }
            Self::OptionOfCached { option, attribute, options } => write!(
                f,
                "`{option}` is an option of `#[cached]` and none of `#[{attribute}]`: write it where the value is loaded; \
                 the options here are {}",
                Listed(options)
            ),
            Self::DuplicateOption { option } => write!(f, "`{option}` is given twice: keep one"),
            Self::ColonForEquals { option } => write!(f, "options take `=`: write `{option} = …`"),
            Self::OptionForm { option, takes, form } => write!(f, "`{option}` takes {takes}: write `{form}`"),
            Self::LooseTemplate { text } => {
                write!(f, "{text} stands alone: write `key = {text}`")
            }
            Self::LooseTokens { token, attribute } => {
                write!(f, "`{token}` is not expected here: separate the options of `#[{attribute}]` with `,`")
            }
            Self::UnexpectedArgument { token, attribute } => {
                write!(f, "`{token}` is no option of `#[{attribute}]`: write options as `name = value`, separated by `,`")
            }
            Self::StrayComma => f.write_str("`,` separates nothing here: remove it"),
            Self::NoValue { option } => write!(f, "`{option}` has no value: write `{option} = …`"),
            Self::NoExpression { option, value } => {
                write!(f, "`{value}` is no complete expression: write `{option} = …` with one")
            }
            Self::MissingOption { attribute, option, example } => {
                write!(f, "`#[{attribute}]` needs `{option}`: write `{example}`")
            }
            Self::NeedsOption { option, other, why } => {
                write!(f, "`{option}` without `{other}`: {why}; add `{other}` or remove `{option}`")
            }
            Self::Contradiction { option, other, why } => {
                write!(f, "`{option}` contradicts `{other}`: {why}; remove one of the two")
            }
            Self::NoTarget => f.write_str(
                "`#[cache_invalidate]` names nothing to invalidate: write a key such as `\"user:<id>\"`, a pattern such as \
                 `\"user:*\"`, a cached function such as `get_user(id)`, or `tags = [\"users\"]`",
            ),
            Self::NamedTarget { name, form } => {
                write!(f, "`{name}` is no option, and targets stand without a name: write `{form}`")
            }
            Self::BareFunction { name } => write!(
                f,
                "`{name}` names a function without its arguments: write `{name}(…)`, with `_` for every value"
            ),
            Self::TargetForm { text } => write!(
                f,
                "`{text}` is nothing that can be invalidated: write a template such as `\"user:<id>\"`, or a call of a \
                 cached function such as `get_user(id)`"
            ),
            Self::NestedAny => f.write_str("`_` stands for a whole argument: write `_` alone in its place"),
            Self::CompanionForm => {
                f.write_str("`companion` takes a name: write `companion = none`, `companion = method` or `companion = user_cache`")
            }
            Self::EachForm => f.write_str(
                "`each` names an argument and its items: write `each(id in ids)`, with `ids` a slice argument and `<id>` in the key",
            ),
            Self::TagWord { word } => {
                write!(f, "`{word}` is nothing that `tags` knows: did you mean `auto`, or the text `\"{word}\"`?")
            }
            Self::AutoTagHere => f.write_str(
                "`auto` stands for what a `#[cached]` function reads: name the tags here, as in `tags = [\"users\"]`",
            ),
            Self::TagForm => f.write_str("`tags` takes a list of texts: write `tags = [\"team:<team>\", \"users\"]`"),

            Self::ZeroDuration { option: "ttl" } => {
                write!(f, "`ttl = 0` would store nothing that can be read: remove the attribute, or write a longer `ttl`")
            }
            Self::ZeroDuration { option } => {
                write!(f, "`{option} = 0` is the same as none: remove `{option}`, or write a longer time")
            }
            Self::BadDuration { text, option } => write!(
                f,
                "`{text}` is no duration: write seconds as in `{option} = 300`, or a text such as `\"5m\"`, \
                 `\"1h 30m\"` or `\"250ms\"`"
            ),
            Self::DurationSuffix { literal, option } => {
                write!(f, "`{literal}` is no number: write it as text, `{option} = \"{literal}\"`")
            }
            Self::FloatDuration { literal, option } => {
                write!(f, "`{literal}` is no whole number of seconds: write it as text, `{option} = \"{literal}s\"`")
            }
            Self::TinyDuration { text, option } => {
                write!(f, "`{text}` is shorter than a millisecond: write a longer `{option}`")
            }
            Self::HugeDuration { text, option } => {
                write!(f, "`{text}` is longer than the clock can count: write a shorter `{option}`")
            }
            Self::ClosureForbidden { option } => write!(
                f,
                "`{option}` is decided before there is a value to look at: write a duration in place of the closure"
            ),
            Self::ClosureArity { option, argument } => {
                write!(f, "`{option}` is asked about one thing: write `{option} = |{argument}| …`")
            }
            Self::BadVersion => f.write_str("`version` is a whole number: write `version = 2`"),
            Self::BadBeta { literal } => write!(
                f,
                "`early = {literal}` would never refresh early: write `early = true`, or a factor above 0 such as `early = 1.5`"
            ),

            Self::EmptyTemplate { what, example } => {
                write!(f, "the {what} is empty: write one such as `\"{example}\"`")
            }
            Self::EmptyPlaceholder { template } => {
                write!(f, "`{template}` names no argument: write one between `<` and `>`, as in `<id>`")
            }
            Self::Unclosed { placeholder } => {
                write!(f, "`{placeholder}` is never closed: end the placeholder with `>`")
            }
            Self::Unopened { template } => {
                write!(f, "`>` in `{template}` closes nothing: begin the placeholder with `<`, or remove the `>`")
            }
            Self::NotAPath { placeholder, suggestion } => write!(
                f,
                "`{placeholder}` is more than a name: a placeholder holds an argument and its fields, as in `{suggestion}`"
            ),
            Self::UnknownFormatter { placeholder, formatter, plain } => {
                write!(f, "`{placeholder}` names no formatter: ")?;
                match nearest(formatter, ["hash", "lower"]) {
                    Some(name) => write!(f, "did you mean `<{plain}:{name}>`?"),
                    None => write!(f, "write `<{plain}>`, `<{plain}:hash>` or `<{plain}:lower>`"),
                }
            }
            Self::PatternInKey { what, template } => write!(
                f,
                "`*` makes `{template}` a pattern, and a {what} names one thing: remove the `*`, or write a \
                 placeholder for the part that varies"
            ),
            Self::GlobInKey { glob, what, template } => write!(
                f,
                "`{glob}` in `{template}` reads as part of a pattern: remove it from the {what}, or write `:` in its place"
            ),
            Self::GlobInTarget { glob, template } => write!(
                f,
                "`{glob}` in `{template}` is no wildcard here: write `*`, which matches any run of characters"
            ),
            Self::Braces { braced, placeholder } => {
                write!(f, "`{braced}` is literal text, the same for every call: write `{placeholder}`")
            }
            Self::EmptyBraces { example } => {
                f.write_str("`{}` is literal text, the same for every call: ")?;
                match example {
                    Some(example) => write!(f, "name the argument, as in `{example}`"),
                    None => f.write_str("remove it, as there is no argument to write in its place"),
                }
            }
            Self::Touching { first, second } => write!(
                f,
                "`{first}` and `{second}` can run into each other, so that two calls share one entry: \
                 write `{first}:{second}`"
            ),
            Self::DuplicateTarget { template } => write!(f, "`{template}` is given twice: keep one"),

            Self::UnknownPlaceholder { placeholder, root, function, known } => {
                write!(f, "unknown placeholder `{placeholder}`: `{function}` has no argument `{root}`")?;
                match nearest(root, known.iter().map(String::as_str)) {
                    Some(name) => write!(f, "; did you mean `<{name}>`?"),
                    None => match known {
                        [] => f.write_str("; it has none, so write the text without placeholders"),
                        [only] => write!(f, "; write `<{only}>`"),
                        known => write!(f, "; write one of {}", Placeholders(known)),
                    },
                }
            }
            Self::ResultInKey { placeholder } => write!(
                f,
                "`{placeholder}` reads the result, and the key is needed before there is one: write a placeholder \
                 for an argument"
            ),
            Self::ResultInTag { placeholder } => write!(
                f,
                "`{placeholder}` reads the result, which tags of a cached function cannot: call `larder::tag(…)` in its body"
            ),
            Self::ResultIsArgument { placeholder } => write!(
                f,
                "`{placeholder}` could mean the argument `result` or what the function returns: rename the argument"
            ),
            Self::ResultOfNothing { placeholder, function } => write!(
                f,
                "`{placeholder}` reads what `{function}` returns, which is nothing: return the value, or write a \
                 placeholder for an argument"
            ),
            Self::NoSelf { placeholder, function } => {
                write!(f, "`{placeholder}` needs a receiver: write `&self` in `{function}`, or remove the placeholder")
            }
            Self::GenericPath { placeholder, root } => {
                write!(f, "`{placeholder}` reads a field of a generic parameter, which has none: write `<{root}>`")
            }
            Self::Unkeyed { argument, placeholder } => write!(
                f,
                "`{argument}` is neither in the key nor skipped: calls that differ only in `{argument}` would share one \
                 entry; add `{placeholder}` to the key, or `skip({argument})` if it does not change the answer"
            ),
            Self::UnkeyedSelf => f.write_str(
                "`self` is neither in the key nor skipped: calls that differ only in `self` would share one entry; \
                 add a field such as `<self.id>` to the key, or `skip(self)` if it does not change the answer",
            ),
            Self::UnkeyedGeneric { parameter, kind } => write!(
                f,
                "the {kind} parameter `{parameter}` is neither in the key nor skipped: calls that differ only in \
                 `{parameter}` would share one entry; add `<{parameter}>` to the key, or `skip({parameter})` if it \
                 does not change the answer"
            ),
            Self::UnknownSkip { name, function, known } => {
                write!(f, "`{function}` has no argument `{name}` to skip")?;
                match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => write!(f, "; did you mean `{near}`?"),
                    None => write!(f, "; remove `{name}` from `skip(…)`"),
                }
            }
            Self::SkipKeyed { name, placeholder } => {
                write!(f, "`{name}` is skipped, and the key says `{placeholder}`: remove one of the two")
            }
            Self::SkipTwice { name } => write!(f, "`{name}` is skipped twice: keep one"),
            Self::SkipForm => f.write_str("`skip` lists arguments by name: write `skip(db, self)`"),
            Self::CannotOutlive { option, argument, ty, why } => write!(
                f,
                "`{option}` refreshes in the background, and `{argument}: {ty}` {why}, so it cannot outlive the call: take it \
                 owned or as `Arc`, or remove `{option}`"
            ),
            Self::EachUnknown { list, function, known } => {
                write!(f, "`{function}` has no argument `{list}` to split")?;
                match nearest(list, known.iter().map(String::as_str)) {
                    Some(name) => write!(f, "; did you mean `{name}`?"),
                    None => write!(f, "; write `each(id in ids)` with `ids` a slice argument"),
                }
            }
            Self::EachNotSlice { list, ty } => write!(
                f,
                "`{list}: {ty}` is no slice, and `each` calls the body with the ids that are missing: take `&[…]`"
            ),
            Self::EachShadows { item } => {
                write!(f, "`{item}` is an argument already: write another name for the items in `each`")
            }
            Self::EachUnkeyed { item, list } => write!(
                f,
                "`each` gives every `{item}` in `{list}` an entry of its own, and the key does not tell them apart: \
                 add `<{item}>` to the key"
            ),

            Self::NeedsCompanion { option, name } => write!(
                f,
                "`{option}` calls the body of `{name}` in the background, and a trait's method has none to call: put the \
                 attribute on an inherent method or a free function that `{name}` calls, or remove `{option}`"
            ),

            Self::UnionKey => f.write_str("a union does not know which field it holds: make it an enum"),
            Self::UnknownKeyPartOption => {
                f.write_str("`#[key_part(…)]` has one option, `crate`: write `#[key_part(crate = path::to::larder)]`")
            }
            Self::KeyPartOnField => f.write_str(
                "`#[key_part(…)]` belongs on the type, and every field is part of the key: remove it from the field",
            ),
        }
    }
}

/// The option that `wrong` most likely meant: its name in another cache, or one misspelt.
pub(crate) fn meant<'o>(wrong: &str, options: &[&'o str]) -> Option<&'o str> {
    renamed(wrong, options).or_else(|| nearest(wrong, options.iter().copied()))
}

/// The name among `known` that `wrong` most likely meant.
pub(crate) fn nearest<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let room = match wrong.chars().count() {
        0 | 1 => return None,
        2..=3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|&(distance, name)| distance <= room && distance < name.chars().count())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// Tokens as a user would write them.
pub(crate) fn quoted(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (loose, tight) in [
        (" :: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        ("[ ", "["),
        (" ]", "]"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("' ", "'"),
        ("- ", "-"),
        (" .", "."),
        (". ", "."),
    ] {
        text = text.replace(loose, tight);
    }
    text
}

/// What other caches call our options.
fn renamed<'o>(option: &str, options: &[&'o str]) -> Option<&'o str> {
    let ours = match option {
        "time" | "expire" | "expires" | "expiry" | "expiration" | "max_age" | "duration" | "seconds"
        | "ttl_secs" | "ttl_seconds" | "time_to_live" | "lifetime" => "ttl",
        "prefix" | "name" | "id" | "keys" | "convert" | "template" => "key",
        "ignore" | "exclude" | "except" | "without" | "skip_args" => "skip",
        "condition" | "cond" | "only_if" | "if" => "when",
        "skip_if" | "dont_cache_if" | "no_store" => "unless",
        "tag" | "labels" | "groups" => "tags",
        "swr" | "stale_while_revalidate" | "grace" | "refresh" | "stale_ttl" => "stale",
        "stale_if_error" => "stale_if",
        "null_ttl" | "cache_none" | "option" | "negative_ttl" => "none_ttl",
        "beta" | "xfetch" | "jitter" => "early",
        "batch" | "many" | "bulk" => "each",
        "store" | "backend" | "client" | "pool" | "manager" => "cache",
        "memory" | "in_memory" | "local_only" => "local",
        "mutex" | "distributed" | "sync" | "sync_writes" | "locked" => "lock",
        "on_success" | "after_success" | "ok_only" => "on_ok",
        _ => return None,
    };
    options.iter().copied().find(|&name| name == ours)
}

/// `` `a`, `b` ``.
struct Listed<'a>(&'a [&'a str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// `` `<a>`, `<b>` ``.
struct Placeholders<'a>(&'a [String]);

impl fmt::Display for Placeholders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}`<{name}>`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
