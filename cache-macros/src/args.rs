//! The options of each attribute: what the user wrote, each in a slot that is filled once and keeps its place.
//!
//! Only the form of one option at a time is judged here; how options go together is for `check`.

mod list;
mod read;

use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::{AngleBracketedGenericArguments, Expr, ExprClosure, ExprPath, Path};

use self::list::{Item, Named, items};
use self::read::{
    beta, cached_tags, closure, companion, each, expression, flag, lock, path, skip, tags, template, time,
    time_before_value, time_while_compiling, version,
};
use crate::diagnose::{Mistake, Problems, meant, quoted};
use crate::template::{Template, Use};

/// An option that may be given once. Remembers where, and that it was given even if its value could not be read,
/// so that no other check trips over its absence.
pub(crate) struct Slot<T> {
    name: Option<Ident>,
    value: Option<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { name: None, value: None }
    }
}

impl<T> Slot<T> {
    /// Takes the option in, once.
    fn fill(
        &mut self,
        option: &Named,
        problems: &mut Problems,
        read: impl FnOnce(&Named, &mut Problems) -> Option<T>,
    ) {
        if self.name.is_some() {
            problems.at(&option.name, Mistake::DuplicateOption { option: &option.name.unraw().to_string() });
            return;
        }
        self.name = Some(option.name.clone());
        self.value = read(option, problems);
    }

    /// The value, if it was given and could be read.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The option's name where the user wrote it, if they did.
    pub(crate) fn written(&self) -> Option<&Ident> {
        self.name.as_ref()
    }

    pub(crate) fn is_written(&self) -> bool {
        self.name.is_some()
    }
}

/// A length of time: `300`, `"5m"`, `CONFIG.ttl`, `|user| user.ttl`.
pub(crate) enum Time {
    /// Known while compiling.
    Fixed(Duration),
    /// An expression of type `Duration`.
    Computed(Expr),
    /// Decided by the value that is stored.
    FromValue(ExprClosure),
}

/// `lock`, `lock = "5s"`.
pub(crate) enum Lock {
    AsLongAsTheCacheSays,
    Within(Time),
}

/// `each(id in ids)`.
pub(crate) struct Each {
    pub(crate) item: Ident,
    pub(crate) list: Ident,
}

/// `companion = …`.
pub(crate) enum Companion {
    /// None at all.
    None,
    /// Beside the function in its `impl`, as for a method.
    Method,
    /// Under another name.
    Named(Ident),
}

/// `tags = auto`, `tags = ["team:<team>", auto]`.
pub(crate) struct CachedTags {
    pub(crate) templates: Vec<Template>,
    /// Whether what the function reads becomes its tags, too.
    pub(crate) auto: bool,
}

/// Options of `#[cached]`.
#[derive(Default)]
pub(crate) struct CachedArgs {
    pub(crate) key: Slot<Template>,
    pub(crate) ttl: Slot<Time>,
    pub(crate) none_ttl: Slot<Time>,
    pub(crate) stale: Slot<Time>,
    pub(crate) stale_if: Slot<ExprClosure>,
    pub(crate) timeout: Slot<Time>,
    pub(crate) early: Slot<f64>,
    pub(crate) max_staleness: Slot<Duration>,
    pub(crate) tags: Slot<CachedTags>,
    pub(crate) each: Slot<Each>,
    pub(crate) skip: Slot<Vec<Ident>>,
    pub(crate) when: Slot<Expr>,
    pub(crate) unless: Slot<ExprClosure>,
    pub(crate) lock: Slot<Lock>,
    pub(crate) local: Slot<()>,
    pub(crate) cache: Slot<Expr>,
    pub(crate) version: Slot<u64>,
    pub(crate) shared: Slot<()>,
    pub(crate) companion: Slot<Companion>,
    pub(crate) krate: Slot<Path>,
}

impl CachedArgs {
    pub(crate) const OPTIONS: &[&str] = &[
        "key",
        "ttl",
        "none_ttl",
        "stale",
        "stale_if",
        "timeout",
        "early",
        "tags",
        "each",
        "skip",
        "when",
        "unless",
        "lock",
        "max_staleness",
        "local",
        "cache",
        "version",
        "shared",
        "companion",
        "crate",
    ];

    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> Self {
        let mut args = Self::default();
        for item in items("cached", tokens, problems) {
            match item {
                Item::Named(option) => args.take(&option, problems),
                Item::Loose(value) => loose(&value, "cached", &mut args.key, problems),
            }
        }
        args
    }

    fn take(&mut self, option: &Named, problems: &mut Problems) {
        match option.text().as_str() {
            "key" => self.key.fill(option, problems, |option, problems| template(option, Use::Key, problems)),
            "ttl" => self.ttl.fill(option, problems, time),
            "none_ttl" => self.none_ttl.fill(option, problems, time_before_value),
            "stale" => self.stale.fill(option, problems, time),
            "stale_if" => {
                self.stale_if.fill(option, problems, |option, problems| closure(option, "error", problems));
            }
            "timeout" => self.timeout.fill(option, problems, time_before_value),
            "early" => self.early.fill(option, problems, beta),
            "tags" => self.tags.fill(option, problems, cached_tags),
            "each" => self.each.fill(option, problems, each),
            "skip" => self.skip.fill(option, problems, skip),
            "when" => self.when.fill(option, problems, expression),
            "unless" => {
                self.unless.fill(option, problems, |option, problems| closure(option, "value", problems));
            }
            "lock" => self.lock.fill(option, problems, lock),
            "max_staleness" => self.max_staleness.fill(option, problems, time_while_compiling),
            "local" => self.local.fill(option, problems, flag),
            "cache" => self.cache.fill(option, problems, expression),
            "version" => self.version.fill(option, problems, version),
            "shared" => self.shared.fill(option, problems, flag),
            "companion" => self.companion.fill(option, problems, companion),
            "crate" => self.krate.fill(option, problems, path),
            _ => unknown_option(option, "cached", Self::OPTIONS, problems),
        }
    }
}

/// Options of `#[cache_put]`.
#[derive(Default)]
pub(crate) struct PutArgs {
    pub(crate) key: Slot<Template>,
    pub(crate) ttl: Slot<Time>,
    pub(crate) none_ttl: Slot<Time>,
    pub(crate) tags: Slot<Vec<Template>>,
    pub(crate) when: Slot<Expr>,
    pub(crate) unless: Slot<ExprClosure>,
    pub(crate) local: Slot<()>,
    pub(crate) cache: Slot<Expr>,
    pub(crate) version: Slot<u64>,
    pub(crate) krate: Slot<Path>,
}

impl PutArgs {
    pub(crate) const OPTIONS: &[&str] =
        &["key", "ttl", "none_ttl", "tags", "when", "unless", "local", "cache", "version", "crate"];

    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> Self {
        let mut args = Self::default();
        for item in items("cache_put", tokens, problems) {
            match item {
                Item::Named(option) => args.take(&option, problems),
                Item::Loose(value) => loose(&value, "cache_put", &mut args.key, problems),
            }
        }
        args
    }

    fn take(&mut self, option: &Named, problems: &mut Problems) {
        match option.text().as_str() {
            "key" => self.key.fill(option, problems, |option, problems| template(option, Use::Key, problems)),
            "ttl" => self.ttl.fill(option, problems, time),
            "none_ttl" => self.none_ttl.fill(option, problems, time_before_value),
            "tags" => self.tags.fill(option, problems, tags),
            "when" => self.when.fill(option, problems, expression),
            "unless" => {
                self.unless.fill(option, problems, |option, problems| closure(option, "value", problems));
            }
            "local" => self.local.fill(option, problems, flag),
            "cache" => self.cache.fill(option, problems, expression),
            "version" => self.version.fill(option, problems, version),
            "crate" => self.krate.fill(option, problems, path),
            _ => unknown_option(option, "cache_put", Self::OPTIONS, problems),
        }
    }
}

/// One thing that `#[cache_invalidate]` reaches.
pub(crate) enum Target {
    /// `"user:<id>"`, `"user:*"`.
    Text(Template),
    /// `get_user(user.id)`, `Self::load(id)`, `self.load(id)`.
    Function(TypedTarget),
}

/// A reference to a cached function with its arguments, where `None` is `_`.
pub(crate) struct TypedTarget {
    pub(crate) callee: Callee,
    pub(crate) arguments: Vec<Option<Expr>>,
}

/// Which function a typed target refers to.
pub(crate) enum Callee {
    Path(ExprPath),
    Method { receiver: Box<Expr>, method: Ident, turbofish: Option<AngleBracketedGenericArguments> },
}

impl Callee {
    /// The name of the function, as its own attribute knows it.
    pub(crate) fn name(&self) -> Option<String> {
        let name = match self {
            Self::Path(path) => &path.path.segments.last()?.ident,
            Self::Method { method, .. } => method,
        };
        Some(name.unraw().to_string())
    }
}

/// Options of `#[cache_invalidate]`.
#[derive(Default)]
pub(crate) struct InvalidateArgs {
    pub(crate) targets: Vec<Target>,
    /// Whether a target was written, even one that could not be read.
    pub(crate) any_target: bool,
    pub(crate) tags: Slot<Vec<Template>>,
    pub(crate) on_ok: Slot<()>,
    pub(crate) strict: Slot<()>,
    pub(crate) when: Slot<Expr>,
    pub(crate) fence: Slot<Time>,
    pub(crate) settle: Slot<Time>,
    pub(crate) cache: Slot<Expr>,
    pub(crate) krate: Slot<Path>,
}

impl InvalidateArgs {
    pub(crate) const OPTIONS: &[&str] =
        &["tags", "on_ok", "strict", "when", "fence", "settle", "cache", "crate"];

    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> Self {
        let mut args = Self::default();
        for item in items("cache_invalidate", tokens, problems) {
            match item {
                Item::Named(option) => args.take(&option, problems),
                Item::Loose(value) => args.reach(value, problems),
            }
        }
        args
    }

    fn take(&mut self, option: &Named, problems: &mut Problems) {
        match option.text().as_str() {
            "tags" => self.tags.fill(option, problems, tags),
            "on_ok" => self.on_ok.fill(option, problems, flag),
            "strict" => self.strict.fill(option, problems, flag),
            "when" => self.when.fill(option, problems, expression),
            "fence" => self.fence.fill(option, problems, time_before_value),
            "settle" => self.settle.fill(option, problems, time_before_value),
            "cache" => self.cache.fill(option, problems, expression),
            "crate" => self.krate.fill(option, problems, path),
            unknown => {
                // `get_user(id)` has the form of an option with a list.
                if let Some(call) = option.as_call() {
                    self.reach(call, problems);
                } else {
                    self.any_target = true;
                    unknown_target(unknown, option, problems);
                }
            }
        }
    }

    fn reach(&mut self, value: Expr, problems: &mut Problems) {
        self.any_target = true;
        self.targets.extend(read::target(value, problems));
    }
}

fn unknown_option(option: &Named, attribute: &str, options: &[&str], problems: &mut Problems) {
    let text = &option.text();
    let mistake = if CachedArgs::OPTIONS.contains(&text.as_str()) {
        Mistake::OptionOfCached { option: text, attribute, options }
    } else {
        Mistake::UnknownOption { option: text, attribute, options }
    };
    problems.at(&option.name, mistake);
}

/// A name in `#[cache_invalidate]` that is neither an option nor a call.
fn unknown_target(name: &str, option: &Named, problems: &mut Problems) {
    match option.texts() {
        Some(texts) if matches!(name, "key" | "keys" | "pattern" | "patterns" | "target" | "targets") => {
            problems.at(&option.name, Mistake::NamedTarget { name, form: &texts });
        }
        _ if option.is_flag() && meant(name, InvalidateArgs::OPTIONS).is_none() => {
            problems.at(&option.name, Mistake::BareFunction { name });
        }
        _ => unknown_option(option, "cache_invalidate", InvalidateArgs::OPTIONS, problems),
    }
}

/// An expression where `#[cached]` and `#[cache_put]` have options: a text is taken for the key.
fn loose(value: &Expr, attribute: &str, key: &mut Slot<Template>, problems: &mut Problems) {
    let Some(text) = read::as_string(value) else {
        problems.at(value, Mistake::UnexpectedArgument { token: &quoted(value), attribute });
        return;
    };
    problems.at(value, Mistake::LooseTemplate { text: &text.token().to_string() });
    if !key.is_written() {
        key.name = Some(Ident::new("key", text.span()));
        key.value = Some(Template::parse(text.clone(), Use::Key, problems));
    }
}
