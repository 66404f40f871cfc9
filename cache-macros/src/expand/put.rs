//! `#[cache_put]`: the function, whose value is stored after every call.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::invalidate::split;
use super::{
    Private, any_reads, beside, body_future, cache, computed, key_closure, local, question, site, storing,
    with_body,
};
use crate::args::{PutArgs, Time};
use crate::check::{self, PutPlan, reads_result, values};
use crate::diagnose::{Mistake, Problems};
use crate::function::Function;

/// The whole attribute.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let args = PutArgs::parse(args, &mut problems);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        problems.at_span(Span::call_site(), Mistake::NotAFunction { attribute: "cache_put" });
        return beside(problems, item);
    };
    let plan = check::put(&function, &args, &mut problems);
    if problems.is_empty() { expand(&plan) } else { beside(problems, function.verbatim()) }
}

fn expand(plan: &PutPlan<'_>) -> TokenStream {
    let PutPlan { function, args, key, tags } = plan;
    let private = &Private(args.krate.get());
    let (put, output, writer) = (&local("put"), &local("output"), &local("key"));

    let site = site::of_put(plan, private);
    let cache = cache(private, args.cache.get());
    let ty = function.output();
    let storing = storing(private, function, false, args.local.is_written());
    let disarm = args.when.get().map(|when| {
        let enabled = local("enabled");
        quote! {
            let #enabled: bool = #when;
            let #put = if #enabled { #put } else { #put.disarm() };
        }
    });

    // What reads the arguments alone is written before the body may move them.
    let (mut before, mut after) = (TokenStream::new(), TokenStream::new());
    for (at, parts) in std::iter::once(key).chain(tags).enumerate() {
        let verb = local(if at == 0 { "key" } else { "tag" });
        if reads_result(parts) {
            let (snapshots, statements) = split(private, function, parts, &at.to_string(), writer);
            before.extend(snapshots);
            after.extend(quote!(.#verb(|#writer: &mut #private::KeyWriter| { #statements })));
        } else {
            let closure = key_closure(private, function, parts, None, &TokenStream::new());
            before.extend(quote!(let #put = #put.#verb(#closure);));
        }
    }
    let after = (!after.is_empty()).then(|| {
        let result = local("result");
        quote! {
            let #put = match #put.value(&#output) {
                ::core::option::Option::Some(#result) => #put #after,
                ::core::option::Option::None => #put,
            };
        }
    });
    let read = |name: &Ident| {
        let values = values(key).chain(tags.iter().flat_map(values));
        any_reads(name, values, args.when.get().into_iter())
    };
    let body = body_future(function, &read);
    let options = options(private, args);
    with_body(
        function,
        &function.sig,
        &quote! {
            let #put = #private::put(#site, #cache, #storing);
            #disarm
            #before
            let #put = #put.begin().await;
            let #output: #ty = #body.await;
            #after
            #put #options.store(&#output).await;
            #output
        },
    )
}

/// What is not known while compiling.
fn options(private: &Private<'_>, args: &PutArgs) -> TokenStream {
    let mut tokens = TokenStream::new();
    for (name, time) in [("ttl", args.ttl.get()), ("none_ttl", args.none_ttl.get())] {
        let (verb, verb_from) = (local(name), local(&format!("{name}_from")));
        tokens.extend(match time {
            Some(Time::Computed(expr)) => {
                let time = computed(private, expr);
                quote!(.#verb(#time))
            }
            Some(Time::FromValue(closure)) => {
                let closure = question(closure);
                quote!(.#verb_from(#closure))
            }
            Some(Time::Fixed(_)) | None => TokenStream::new(),
        });
    }
    if let Some(closure) = args.unless.get().map(question) {
        tokens.extend(quote!(.unless(#closure)));
    }
    tokens
}
