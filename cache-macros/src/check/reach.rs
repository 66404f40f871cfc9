//! The rules of `#[cache_invalidate]` and `#[cache_put]`, and the plans that their expansions follow.

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Expr, ExprPath};

use super::cached::values;
use super::is_async;
use super::names::{Names, Part, ResultName, Root};
use crate::args::{InvalidateArgs, PutArgs, Target, TypedTarget};
use crate::diagnose::{Mistake, Problems};
use crate::function::Function;

/// Everything that the expansion of `#[cache_invalidate]` needs to know.
pub(crate) struct InvalidatePlan<'a> {
    pub(crate) function: &'a Function,
    pub(crate) args: &'a InvalidateArgs,
    /// Known from the arguments, before the body.
    pub(crate) before: Vec<Reach<'a>>,
    /// Known from what the function returned.
    pub(crate) after: Vec<Reach<'a>>,
}

/// One thing that is invalidated.
pub(crate) enum Reach<'a> {
    Key(Vec<Part>),
    Pattern(Vec<Part>),
    Tag(Vec<Part>),
    Function(&'a TypedTarget),
}

/// Everything that the expansion of `#[cache_put]` needs to know.
pub(crate) struct PutPlan<'a> {
    pub(crate) function: &'a Function,
    pub(crate) args: &'a PutArgs,
    pub(crate) key: Vec<Part>,
    pub(crate) tags: Vec<Vec<Part>>,
}

/// Applies every rule of `#[cache_invalidate]`.
pub(crate) fn invalidate<'a>(
    function: &'a Function,
    args: &'a InvalidateArgs,
    problems: &mut Problems,
) -> InvalidatePlan<'a> {
    is_async(function, problems);
    if !args.any_target && !args.tags.is_written() {
        problems.at_span(proc_macro2::Span::call_site(), Mistake::NoTarget);
    }
    let result = if function.output().is_some() { ResultName::Returned } else { ResultName::Nothing };
    let names = Names { function, each: None, each_is_unclear: false, result };
    let mut seen = BTreeSet::new();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for target in &args.targets {
        let (reach, reads_result) = match target {
            Target::Text(template) => {
                if !seen.insert(template.literal.value()) {
                    problems.at(
                        &template.literal,
                        Mistake::DuplicateTarget { template: &template.literal.value() },
                    );
                }
                let (parts, _) = names.resolve(template, problems);
                let reads = reads_result(&parts);
                (if template.is_pattern() { Reach::Pattern(parts) } else { Reach::Key(parts) }, reads)
            }
            Target::Function(target) => (
                Reach::Function(target),
                target.arguments.iter().flatten().any(|argument| says_result(&names, argument)),
            ),
        };
        if reads_result { after.push(reach) } else { before.push(reach) }
    }
    for tag in args.tags.get().into_iter().flatten() {
        let (parts, _) = names.resolve(tag, problems);
        if reads_result(&parts) { after.push(Reach::Tag(parts)) } else { before.push(Reach::Tag(parts)) }
    }
    InvalidatePlan { function, args, before, after }
}

/// Applies every rule of `#[cache_put]`.
pub(crate) fn put<'a>(function: &'a Function, args: &'a PutArgs, problems: &mut Problems) -> PutPlan<'a> {
    is_async(function, problems);
    super::returns_a_value(function, args.local.is_written(), problems);
    if !args.key.is_written() {
        let mistake = Mistake::MissingOption {
            attribute: "cache_put",
            option: "key",
            example: "key = \"user:<user.id>\"",
        };
        problems.at_span(proc_macro2::Span::call_site(), mistake);
    }
    let names = Names { function, each: None, each_is_unclear: false, result: ResultName::Returned };
    let key = args.key.get().map(|template| names.resolve(template, problems).0).unwrap_or_default();
    let tags = args.tags.get().into_iter().flatten().map(|tag| names.resolve(tag, problems).0).collect();
    PutPlan { function, args, key, tags }
}

/// Whether a placeholder reads what the function returned.
pub(crate) fn reads_result(parts: &[Part]) -> bool {
    values(parts).any(|value| matches!(value.root, Root::Result))
}

/// Whether `expr` reads what the function returned: names `result`, and no argument is called so.
fn says_result(names: &Names<'_>, expr: &Expr) -> bool {
    struct Finder(bool);
    impl Visit<'_> for Finder {
        fn visit_expr_path(&mut self, path: &ExprPath) {
            self.0 |= path.path.is_ident("result");
            visit::visit_expr_path(self, path);
        }
        // Arguments of macros such as `format!` are tokens.
        fn visit_macro(&mut self, mac: &syn::Macro) {
            self.0 |= crate::function::mentions(&mac.to_token_stream(), &|ident| ident == "result");
        }
    }
    let mut finder = Finder(false);
    finder.visit_expr(expr);
    finder.0 && names.find("result").is_none()
}
