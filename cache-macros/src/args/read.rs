//! The value of each kind of option, read from what stands after its name. One function per form.

use std::time::Duration;

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, ExprClosure, ExprLit, ExprPath, ExprUnary, Lit, LitStr, Path, Token};

use super::list::{Named, Value};
use super::{CachedTags, Callee, Companion, Each, Lock, Target, Time, TypedTarget};
use crate::diagnose::{Mistake, Problems, nearest, quoted};
use crate::template::{Template, Use};

/// The text of a literal, also when a macro passed it on as `$text:expr`.
pub(super) fn as_string(value: &Expr) -> Option<&LitStr> {
    match ungroup(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        _ => None,
    }
}

/// `macro_rules!` wraps what it passes on in groups without delimiters.
fn ungroup(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// Reports that `option` takes something else: at its value, if there is one.
fn wrong_form(option: &Named, takes: &str, form: &str, problems: &mut Problems) {
    let mistake = Mistake::OptionForm { option: &option.text(), takes, form };
    match &option.value {
        Value::Is(value) => problems.at(value, mistake),
        _ => problems.at(&option.name, mistake),
    }
}

/// `name`.
pub(super) fn flag(option: &Named, problems: &mut Problems) -> Option<()> {
    if option.is_flag() {
        return Some(());
    }
    wrong_form(option, "no value", &option.text(), problems);
    None
}

/// `name = expression`.
pub(super) fn expression(option: &Named, problems: &mut Problems) -> Option<Expr> {
    if let Value::Is(value) = &option.value {
        return Some(value.clone());
    }
    wrong_form(option, "a value", &format!("{} = …", option.text()), problems);
    None
}

/// `name = |argument| expression`.
pub(super) fn closure(option: &Named, argument: &str, problems: &mut Problems) -> Option<ExprClosure> {
    if let Value::Is(value) = &option.value
        && let Expr::Closure(closure) = ungroup(value)
    {
        return checked_closure(closure, option, argument, problems);
    }
    wrong_form(option, "a closure", &format!("{} = |{argument}| …", option.text()), problems);
    None
}

fn checked_closure(
    closure: &ExprClosure,
    option: &Named,
    argument: &str,
    problems: &mut Problems,
) -> Option<ExprClosure> {
    if closure.inputs.len() == 1 {
        return Some(closure.clone());
    }
    problems.at(closure, Mistake::ClosureArity { option: &option.text(), argument });
    None
}

/// `name = "text"`.
pub(super) fn template(option: &Named, usage: Use, problems: &mut Problems) -> Option<Template> {
    if let Some(text) = option.string() {
        return Some(Template::parse(text.clone(), usage, problems));
    }
    wrong_form(option, "a text in quotes", &format!("{} = \"user:<id>\"", option.text()), problems);
    None
}

/// `tags = ["text", "text"]`.
pub(super) fn tags(option: &Named, problems: &mut Problems) -> Option<Vec<Template>> {
    let CachedTags { templates, auto } = cached_tags(option, problems)?;
    if auto {
        problems.at(&option.name, Mistake::AutoTagHere);
    }
    Some(templates)
}

/// `tags = auto`, `tags = ["text", auto]`.
pub(super) fn cached_tags(option: &Named, problems: &mut Problems) -> Option<CachedTags> {
    let Value::Is(value) = &option.value else {
        problems.at(&option.name, Mistake::TagForm);
        return None;
    };
    let mut tags = CachedTags { templates: Vec::new(), auto: false };
    let Expr::Array(list) = ungroup(value) else {
        tags.auto = is_auto(value, problems);
        return tags.auto.then_some(tags);
    };
    for element in &list.elems {
        let Some(text) = as_string(element) else {
            let auto = is_auto(element, problems);
            if auto && tags.auto {
                problems.at(element, Mistake::DuplicateTarget { template: "auto" });
            }
            tags.auto |= auto;
            continue;
        };
        if tags.templates.iter().any(|template| template.literal.value() == text.value()) {
            problems.at(text, Mistake::DuplicateTarget { template: &text.value() });
            continue;
        }
        tags.templates.push(Template::parse(text.clone(), Use::Tag, problems));
    }
    Some(tags)
}

/// Whether `value` is the word `auto`; reported, if it is none.
fn is_auto(value: &Expr, problems: &mut Problems) -> bool {
    let word = match ungroup(value) {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    };
    match word {
        Some(word) if word == "auto" => return true,
        Some(word) if nearest(&word, ["auto"]).is_some() => {
            problems.at(value, Mistake::TagWord { word: &word });
        }
        _ => problems.at(value, Mistake::TagForm),
    }
    false
}

/// `skip(db, self)`.
pub(super) fn skip(option: &Named, problems: &mut Problems) -> Option<Vec<Ident>> {
    let names = |input: ParseStream<'_>| {
        Punctuated::<Ident, Token![,]>::parse_terminated_with(input, Ident::parse_any)
    };
    if let Value::List(list) = &option.value
        && let Ok(names) = names.parse2(list.clone())
    {
        return Some(names.into_iter().collect());
    }
    problems.at(&option.name, Mistake::SkipForm);
    None
}

/// `each(id in ids)`.
pub(super) fn each(option: &Named, problems: &mut Problems) -> Option<Each> {
    let parse = |input: ParseStream<'_>| {
        let item = input.parse()?;
        input.parse::<Token![in]>()?;
        Ok(Each { item, list: input.parse()? })
    };
    if let Value::List(list) = &option.value
        && let Ok(each) = parse.parse2(list.clone())
    {
        return Some(each);
    }
    problems.at(&option.name, Mistake::EachForm);
    None
}

/// `companion = none`, `companion = method`, `companion = name`.
pub(super) fn companion(option: &Named, problems: &mut Problems) -> Option<Companion> {
    let name = match &option.value {
        Value::Is(Expr::Path(path)) => path.path.get_ident(),
        _ => None,
    };
    let Some(name) = name else {
        problems.at(&option.name, Mistake::CompanionForm);
        return None;
    };
    Some(match name.to_string().as_str() {
        "none" => Companion::None,
        "method" => Companion::Method,
        _ => Companion::Named(name.clone()),
    })
}

/// `crate = path`.
pub(super) fn path(option: &Named, problems: &mut Problems) -> Option<Path> {
    if let Value::Is(value) = &option.value
        && let Expr::Path(ExprPath { qself: None, path, .. }) = ungroup(value)
    {
        return Some(path.clone());
    }
    wrong_form(option, "a path", "crate = path::to::larder", problems);
    None
}

/// `version = 2`.
pub(super) fn version(option: &Named, problems: &mut Problems) -> Option<u64> {
    let number = match &option.value {
        Value::Is(value) => match ungroup(value) {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    };
    if number.is_none() {
        match &option.value {
            Value::Is(value) => problems.at(value, Mistake::BadVersion),
            _ => problems.at(&option.name, Mistake::BadVersion),
        }
    }
    number
}

/// `early = true`, `early = 1.5`.
pub(super) fn beta(option: &Named, problems: &mut Problems) -> Option<f64> {
    let Value::Is(value) = &option.value else {
        wrong_form(option, "`true` or a factor", "early = true", problems);
        return None;
    };
    let beta = match ungroup(value) {
        Expr::Lit(ExprLit { lit: Lit::Bool(flag), .. }) => Some(f64::from(u8::from(flag.value))),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary { op: syn::UnOp::Neg(_), .. }) => Some(-1.0),
        _ => None,
    };
    match beta {
        Some(beta) if beta > 0.0 && beta.is_finite() => Some(beta),
        Some(_) => {
            problems.at(
                value,
                Mistake::BadBeta { literal: &value.to_token_stream().to_string().replace("- ", "-") },
            );
            None
        }
        None => {
            wrong_form(option, "`true` or a factor", "early = true` or `early = 1.5", problems);
            None
        }
    }
}

/// `lock`, `lock = "5s"`.
pub(super) fn lock(option: &Named, problems: &mut Problems) -> Option<Lock> {
    if option.is_flag() {
        return Some(Lock::AsLongAsTheCacheSays);
    }
    time_before_value(option, problems).map(Lock::Within)
}

/// A time that is needed before there is a value to decide it.
pub(super) fn time_before_value(option: &Named, problems: &mut Problems) -> Option<Time> {
    if let Value::Is(value) = &option.value
        && let Expr::Closure(closure) = ungroup(value)
    {
        problems.at(closure, Mistake::ClosureForbidden { option: &option.text() });
        return None;
    }
    time(option, problems)
}

/// A time that is part of what is known of the function.
pub(super) fn time_while_compiling(option: &Named, problems: &mut Problems) -> Option<Duration> {
    match time_before_value(option, problems)? {
        Time::Fixed(duration) => Some(duration),
        Time::Computed(_) | Time::FromValue(_) => {
            let name = option.text();
            let form = format!("{name} = 2` or `{name} = \"500ms\"");
            wrong_form(option, "a duration that is known while compiling", &form, problems);
            None
        }
    }
}

/// `name = 300`, `name = "5m"`, `name = expression`, `name = |value| expression`.
pub(super) fn time(option: &Named, problems: &mut Problems) -> Option<Time> {
    let name = option.text();
    let Value::Is(value) = &option.value else {
        wrong_form(option, "a duration", &format!("{name} = 300` or `{name} = \"5m\""), problems);
        return None;
    };
    match ungroup(value) {
        Expr::Lit(ExprLit { lit, .. }) => fixed_time(lit, &name, problems).map(Time::Fixed),
        Expr::Unary(ExprUnary { op: syn::UnOp::Neg(_), expr, .. })
            if matches!(ungroup(expr), Expr::Lit(_)) =>
        {
            let text = value.to_token_stream().to_string().replace("- ", "-");
            problems.at(value, Mistake::BadDuration { text: &text, option: &name });
            None
        }
        Expr::Closure(closure) => checked_closure(closure, option, "value", problems).map(Time::FromValue),
        _ => Some(Time::Computed(value.clone())),
    }
}

fn fixed_time(literal: &Lit, option: &str, problems: &mut Problems) -> Option<Duration> {
    let text = literal.to_token_stream().to_string();
    let duration = match literal {
        Lit::Int(number) => match (number.base10_parse::<u64>(), number.suffix()) {
            (Ok(seconds), "" | "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64") => {
                Duration::from_secs(seconds)
            }
            (_, "") => {
                problems.at(literal, Mistake::HugeDuration { text: &text, option });
                return None;
            }
            _ => {
                problems.at(literal, Mistake::DurationSuffix { literal: &text, option });
                return None;
            }
        },
        Lit::Float(number) => {
            let mistake = if number.suffix().is_empty() {
                Mistake::FloatDuration { literal: &text, option }
            } else {
                Mistake::DurationSuffix { literal: &text, option }
            };
            problems.at(literal, mistake);
            return None;
        }
        Lit::Str(string) => {
            let Ok(duration) = humantime::parse_duration(&string.value()) else {
                problems.at(literal, Mistake::BadDuration { text: &text, option });
                return None;
            };
            duration
        }
        _ => {
            problems.at(literal, Mistake::BadDuration { text: &text, option });
            return None;
        }
    };
    if duration.is_zero() {
        problems.at(literal, Mistake::ZeroDuration { option });
        return None;
    }
    if duration.as_millis() == 0 {
        problems.at(literal, Mistake::TinyDuration { text: &text, option });
        return None;
    }
    if u64::try_from(duration.as_millis()).is_err() {
        problems.at(literal, Mistake::HugeDuration { text: &text, option });
        return None;
    }
    Some(duration)
}

/// A target of `#[cache_invalidate]`.
pub(super) fn target(value: Expr, problems: &mut Problems) -> Option<Target> {
    if let Some(text) = as_string(&value) {
        return Some(Target::Text(Template::parse(text.clone(), Use::Target, problems)));
    }
    let (callee, arguments) = match value {
        Expr::Call(call) => match *call.func {
            Expr::Path(path) => (Callee::Path(path), call.args),
            other => return not_a_target(&other, problems),
        },
        Expr::MethodCall(call) => (
            Callee::Method { receiver: call.receiver, method: call.method, turbofish: call.turbofish },
            call.args,
        ),
        Expr::Path(path) if path.path.get_ident().is_none() => {
            let name = path.to_token_stream().to_string().replace(' ', "");
            problems.at(&path, Mistake::BareFunction { name: &name });
            return None;
        }
        other => return not_a_target(&other, problems),
    };
    let arguments = arguments.into_iter().map(|argument| any_or(argument, problems)).collect();
    Some(Target::Function(TypedTarget { callee, arguments }))
}

fn not_a_target(value: &Expr, problems: &mut Problems) -> Option<Target> {
    problems.at(value, Mistake::TargetForm { text: &quoted(value) });
    None
}

/// `None` for `_`.
fn any_or(argument: Expr, problems: &mut Problems) -> Option<Expr> {
    struct Any<'p>(&'p mut Problems);
    impl Visit<'_> for Any<'_> {
        fn visit_expr(&mut self, expr: &Expr) {
            if let Expr::Infer(_) = expr {
                self.0.at_span(expr.span(), Mistake::NestedAny);
            }
            visit::visit_expr(self, expr);
        }
    }
    if matches!(ungroup(&argument), Expr::Infer(_)) {
        return None;
    }
    Any(problems).visit_expr(&argument);
    Some(argument)
}
