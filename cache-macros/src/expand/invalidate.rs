//! `#[cache_invalidate]`: the function inside a guard that moves the scopes, whatever becomes of the body.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprPath, PathArguments};

use super::{
    Private, any_reads, base, beside, body_future, cache, derived, duration, local, shape_of, site, span_of,
    unpack, with_body, write_parts, write_value,
};
use crate::args::{Callee, InvalidateArgs, TypedTarget};
use crate::check::{self, InvalidatePlan, Part, Reach, Root, Value, values};
use crate::diagnose::{Mistake, Problems};
use crate::function::{Function, contains_impl_trait};

/// The whole attribute.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let args = InvalidateArgs::parse(args, &mut problems);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        problems.at_span(Span::call_site(), Mistake::NotAFunction { attribute: "cache_invalidate" });
        return beside(problems, item);
    };
    let plan = check::invalidate(&function, &args, &mut problems);
    if problems.is_empty() { expand(&plan) } else { beside(problems, function.verbatim()) }
}

fn expand(plan: &InvalidatePlan<'_>) -> TokenStream {
    let InvalidatePlan { function, args, before, after } = plan;
    let private = &Private(args.krate.get());
    let (invalidation, output, shape) = (&local("invalidation"), &local("output"), &local("shape"));

    let (site, cache) = (site::of_invalidate(plan, private), cache(private, args.cache.get()));
    let settings = settings(private, args, invalidation);
    let before = before.iter().map(|reach| match reach {
        Reach::Function(target) => function_target(private, target, invalidation),
        Reach::Key(parts) | Reach::Pattern(parts) | Reach::Tag(parts) => {
            let (verb, key) = (verb(reach), &local("key"));
            let statements = write_parts(private, function, parts, key);
            quote!(#invalidation.#verb(|#key: &mut #private::KeyWriter| { #statements });)
        }
    });
    let (snapshots, after): (Vec<_>, Vec<_>) = after
        .iter()
        .enumerate()
        .map(|(at, reach)| after_body(private, function, reach, at, invalidation))
        .unzip();
    let body = body_future(function, &|name| is_read(plan, name));
    let annotation =
        function.output().filter(|output| !contains_impl_trait(output)).map(|output| quote!(: #output));

    let asks_shape = !after.is_empty() || args.on_ok.is_written();
    let let_shape = asks_shape.then(|| {
        let selected = shape_of(private, output);
        quote!(let #shape = #selected;)
    });
    let result = local("result");
    let after = (!after.is_empty()).then(|| {
        quote! {
            if let ::core::option::Option::Some(#result) = #private::Shape::value(&#shape, &#output) {
                #(#after)*
            }
        }
    });
    let succeeded =
        if asks_shape { quote!(#private::Shape::succeeded(&#shape, &#output)) } else { quote!(true) };
    let finish = if let Some(strict) = args.strict.written() {
        let acknowledged = local("acknowledged");
        let span = Span::mixed_site().located_at(strict.span());
        let private = private.at(span);
        let output = Ident::new("output", span);
        let returned = quote_spanned!(span=> #private::strict(#output, #acknowledged));
        quote! {
            let #acknowledged = #invalidation.acknowledge(#succeeded).await;
            #returned
        }
    } else {
        quote! {
            #invalidation.finish(#succeeded).await;
            #output
        }
    };
    with_body(
        function,
        &function.sig,
        &quote! {
            #site
        let mut #invalidation = #private::invalidation(#cache);
            #settings
            #(#before)*
            #(#snapshots)*
            let #output #annotation = #invalidation.run(#body).await;
            #let_shape
            #after
            #finish
        },
    )
}

/// Whether the attribute itself reads the argument `name`: in a target, or in the condition.
fn is_read(plan: &InvalidatePlan<'_>, name: &Ident) -> bool {
    let reaches = || plan.before.iter().chain(&plan.after);
    let parts = reaches().flat_map(|reach| match reach {
        Reach::Key(parts) | Reach::Pattern(parts) | Reach::Tag(parts) => parts.as_slice(),
        Reach::Function(_) => &[] as &[Part],
    });
    let arguments = reaches().flat_map(|reach| match reach {
        Reach::Function(target) => target.arguments.as_slice(),
        _ => &[],
    });
    any_reads(name, values(parts), arguments.flatten().chain(plan.args.when.get()))
}

/// The options that set up the guard.
fn settings(private: &Private<'_>, args: &InvalidateArgs, invalidation: &Ident) -> TokenStream {
    let mut tokens = TokenStream::new();
    if let Some(when) = args.when.get() {
        let enabled = local("enabled");
        tokens.extend(quote! {
            let #enabled: bool = #when;
            if !#enabled {
                #invalidation.disarm();
            }
        });
    }
    if args.on_ok.is_written() {
        tokens.extend(quote!(#invalidation.on_ok();));
    }
    for (verb, time) in [("fence", &args.fence), ("settle", &args.settle)] {
        if let Some(time) = time.get().and_then(|time| duration(private, time)) {
            let verb = format_ident!("{verb}");
            tokens.extend(quote!(#invalidation.#verb(#time);));
        }
    }
    tokens
}

/// The guard's method for a target that is text.
fn verb(reach: &Reach<'_>) -> Ident {
    local(match reach {
        Reach::Key(_) | Reach::Function(_) => "key",
        Reach::Pattern(_) => "pattern",
        Reach::Tag(_) => "tag",
    })
}

/// A target that reads the result: what it reads of the arguments is written before the body may move them, and the
/// rest after it.
fn after_body(
    private: &Private<'_>,
    function: &Function,
    reach: &Reach<'_>,
    at: usize,
    invalidation: &Ident,
) -> (TokenStream, TokenStream) {
    let parts = match reach {
        Reach::Key(parts) | Reach::Pattern(parts) | Reach::Tag(parts) => parts,
        Reach::Function(target) => {
            let call = function_target(private, target, invalidation);
            let (theirs, ours) = (result_name(target), local("result"));
            return (TokenStream::new(), quote!({ let #theirs = #ours; #call }));
        }
    };
    let (key, verb) = (&local("key"), verb(reach));
    let (before, statements) = split(private, function, parts, &format!("{at}"), key);
    (before, quote!(#invalidation.#verb(|#key: &mut #private::KeyWriter| { #statements });))
}

/// Statements that write what `parts` reads of the arguments into locals, and those that write all of it to `key`.
pub(super) fn split(
    private: &Private<'_>,
    function: &Function,
    parts: &[Part],
    prefix: &str,
    key: &Ident,
) -> (TokenStream, TokenStream) {
    let (mut before, mut after) = (TokenStream::new(), TokenStream::new());
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Value(value @ Value { root: Root::Result, .. }) => {
                let writer = key.to_token_stream();
                after.extend(write_value(private, value, base(value), span_of(function, value), &writer));
            }
            Part::Value(value) => {
                let part = local(&format!("part_{prefix}_{at}"));
                let unpack = unpack(function, std::iter::once(value));
                let statement =
                    write_value(private, value, base(value), span_of(function, value), &quote!(&mut #part));
                before.extend(quote! {
                    let mut #part = #private::KeyWriter::new();
                    { #unpack #statement }
                });
                after.extend(quote!(#key.append(&#part);));
            }
            Part::Text(text) => after.extend(quote!(#key.literal(#text);)),
            Part::Wildcard => after.extend(quote!(#key.wildcard();)),
        }
    }
    (before, after)
}

/// A call that names the entry of a cached function, or with `_` all that fit.
fn function_target(private: &Private<'_>, target: &TypedTarget, invalidation: &Ident) -> TokenStream {
    let every = target.arguments.iter().any(Option::is_none);
    let verb = if every { "pattern" } else { "key" };
    // At the user's place and with the user's span, so that rustc speaks of it; clippy is told that we know.
    let arguments = target.arguments.iter().map(|argument| match argument {
        Some(place @ (Expr::Path(_) | Expr::Field(_) | Expr::Index(_) | Expr::Unary(_) | Expr::Paren(_))) => {
            let span = place.span();
            quote_spanned!(span=> &#place)
        }
        Some(value) => value.to_token_stream(),
        None => quote!(#private::Any),
    });
    let call = match &target.callee {
        Callee::Path(path) => {
            let function = companion(path, verb);
            quote!(#function(#(#arguments),*))
        }
        Callee::Method { receiver, method, turbofish } => {
            let method = derived(method, &format!("{{}}_{verb}"));
            quote!(#receiver.#method #turbofish(#(#arguments),*))
        }
    };
    quote! {
        #[allow(clippy::needless_borrows_for_generic_args, reason = "the argument may not be `Copy`")]
        #invalidation.target(#call);
    }
}

/// `users::get_user` → `<users::get_user>::key`, and `Repo::load` → `Repo::load_key`: what stands behind a type is a
/// method's name.
///
/// In angle brackets rustc looks for a type, where it knows similar names, and not for a module or a crate.
fn companion(function: &ExprPath, verb: &str) -> TokenStream {
    let mut function = function.clone();
    let behind_type = function.path.segments.iter().rev().nth(1);
    let behind_type =
        behind_type.is_some_and(|segment| segment.ident.to_string().starts_with(|c: char| c.is_uppercase()));
    let Some(last) = function.path.segments.last_mut() else { return function.to_token_stream() };
    if behind_type || function.qself.is_some() {
        last.ident = derived(&last.ident, &format!("{{}}_{verb}"));
        return function.to_token_stream();
    }
    let generics = std::mem::replace(&mut last.arguments, PathArguments::None);
    let span = last.ident.span();
    let verb = Ident::new(verb, span);
    quote_spanned!(span=> <#function>::#verb #generics)
}

/// What a typed target calls the result: the user's own token, which a macro may have made.
fn result_name(target: &TypedTarget) -> Ident {
    target
        .arguments
        .iter()
        .flatten()
        .find_map(|argument| find_ident(argument.to_token_stream(), "result"))
        .unwrap_or_else(|| Ident::new("result", Span::call_site()))
}

fn find_ident(tokens: TokenStream, name: &str) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == name => Some(ident),
        TokenTree::Group(group) => find_ident(group.stream(), name),
        _ => None,
    })
}
