//! Options × function × templates: which mistakes there are, and what every placeholder stands for.
//!
//! One small function per rule. All of them run, and what a mistake left unclear is assumed to be right, so that one
//! mistake is one error.

mod cached;
mod names;
mod reach;

pub(crate) use self::cached::{Home, Keyed, KeyedAs, Plan, cached, values};
pub(crate) use self::names::{Part, Root, Value};
pub(crate) use self::reach::{InvalidatePlan, PutPlan, Reach, invalidate, put, reads_result};

use syn::visit::Visit;
use syn::{GenericArgument, PathArguments, Type, TypeReference};

use crate::diagnose::{Mistake, Problems, quoted};
use crate::function::{Color, Function, contains_impl_trait, impl_trait};

/// Rules about the function that hold for every attribute: it is async and has a body.
fn is_async(function: &Function, problems: &mut Problems) {
    let name = function.name();
    if !function.has_body() {
        problems.at(&function.sig, Mistake::NoBody { name: &name });
        return;
    }
    if !matches!(function.color, Color::Blocking) {
        return;
    }
    match function.output() {
        Some(output) if contains_impl_trait(output) => {
            problems.at(output, Mistake::ReturnsFuture { name: &name });
        }
        _ => problems.at(&function.sig.fn_token, Mistake::NotAsync { name: &name }),
    }
}

/// A cached call leaves out what the body would do to `self`.
fn leaves_self_alone(function: &Function, problems: &mut Problems) {
    if let Some(receiver) = function.receiver().filter(|_| function.takes_self_mutably()) {
        problems.at(receiver, Mistake::MutableSelf { name: &function.name() });
    }
}

fn is_safe(function: &Function, problems: &mut Problems) {
    if let syn::Safety::Unsafe(token) = &function.sig.safety {
        problems.at(token, Mistake::Unsafe { name: &function.name() });
    }
}

/// Only an owned value of a nameable type can be stored.
fn returns_a_value(function: &Function, local: bool, problems: &mut Problems) {
    let Some(output) = function.output() else {
        if !matches!(function.color, Color::Blocking) {
            problems.at(&function.sig.ident, Mistake::ReturnsNothing { name: &function.name() });
        }
        return;
    };
    if matches!(function.color, Color::Blocking) {
        return;
    }
    if let Some(opaque) = impl_trait(output) {
        problems.at(opaque, Mistake::ReturnsImpl { output: &quoted(opaque) });
    }
    // An error is not stored, so that nothing has to be read back.
    let of_the_error = error_type(output).map(borrows).unwrap_or_default();
    for borrow in borrows(output) {
        let (text, owned) = (quoted(borrow), owned_form(&borrow.elem));
        let is_static = borrow.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
        if !is_static {
            problems.at(borrow, Mistake::ReturnsBorrow { borrow: &text, owned: &owned });
        } else if !local && !of_the_error.iter().any(|error| std::ptr::eq(*error, borrow)) {
            problems.at(borrow, Mistake::ReturnsStatic { borrow: &text, owned: &owned });
        }
    }
}

/// The `E` of a `Result<T, E>`.
fn error_type(output: &Type) -> Option<&Type> {
    let Type::Path(path) = output else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.get(1)? {
        GenericArgument::Type(error) => Some(error),
        _ => None,
    }
}

/// References in `ty`, the outermost of each nest.
fn borrows(ty: &Type) -> Vec<&TypeReference> {
    #[derive(Default)]
    struct Borrows<'t>(Vec<&'t TypeReference>);
    impl<'t> Visit<'t> for Borrows<'t> {
        fn visit_type_reference(&mut self, reference: &'t TypeReference) {
            self.0.push(reference);
        }
        // `fn(&str)` borrows from whoever calls it, later.
        fn visit_type_fn_ptr(&mut self, _: &'t syn::TypeFnPtr) {}
        fn visit_parenthesized_generic_arguments(&mut self, _: &'t syn::ParenthesizedGenericArguments) {}
    }
    let mut borrows = Borrows::default();
    borrows.visit_type(ty);
    borrows.0
}

/// What to return in place of a reference to `ty`.
fn owned_form(ty: &Type) -> String {
    match ty {
        Type::Path(path) if path.path.is_ident("str") => {
            "`String`, or `Arc<str>` for cheap copies".to_owned()
        }
        Type::Slice(slice) => format!("`Vec<{}>`", quoted(&slice.elem)),
        other => {
            let other = quoted(other);
            format!("`{other}`, or `Arc<{other}>` for cheap copies")
        }
    }
}
