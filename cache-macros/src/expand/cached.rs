//! `#[cached]`: the function as one lookup, whose miss loads the body.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ExprClosure, FnArg, GenericParam, Pat, PatIdent, ReceiverKind, Signature, Type};

use super::companion;
use super::{
    Private, beside, body_future, cache, computed, derived, key_closure, local, question, site, storing,
    with_body,
};
use crate::args::{CachedArgs, Lock, Time};
use crate::check::{self, Home, KeyedAs, Plan, Root, values};
use crate::diagnose::{Mistake, Problems};
use crate::function::{Function, Param, mentions};

/// The whole attribute.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let args = CachedArgs::parse(args, &mut problems);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        problems.at_span(Span::call_site(), Mistake::NotAFunction { attribute: "cached" });
        return beside(problems, item);
    };
    let plan = check::cached(&function, &args, &mut problems);
    if problems.is_empty() {
        let (function, companion) = (expand(&plan), companion::expand(&plan));
        return quote!(#function #companion);
    }
    let companion = companion::fallback(&plan);
    let function = function.verbatim();
    beside(problems, quote!(#function #companion))
}

fn expand(plan: &Plan<'_>) -> TokenStream {
    let private = &Private(plan.args.krate.get());
    let let_site = matches!(plan.home, Home::Nowhere).then(|| {
        let (site, value) = (local("site"), site::of_cached(plan, private));
        quote!(let #site: &'static #private::Site = #value;)
    });
    let call = if plan.args.each.get().is_some() {
        let (lookup, load) = (lookup(plan, private, "lookup_each", "bypass_each"), load(plan, private));
        quote!(#lookup #load.await)
    } else {
        let (verb, answer) = if refreshes_itself(plan.args) {
            ("lookup_stale", reload(plan, private))
        } else {
            let (load, miss) = (load(plan, private), local("miss"));
            ("lookup", quote!(#miss #load))
        };
        let (lookup, output, miss) = (lookup(plan, private, verb, "bypass"), local("output"), local("miss"));
        let pending = local("pending");
        // What was looked up is gone before anything is waited for: the function's future has no room for it.
        quote! {
            let #pending = match #lookup {
                #private::Lookup::Hit(#output) => return #output,
                #private::Lookup::Miss(#miss) => { #answer }
            };
            #pending.await
        }
    };
    with_body(plan.function, &outer_signature(plan), &quote!(#let_site #call))
}

/// Whether the value may be refreshed while a caller is answered with it.
fn refreshes_itself(args: &CachedArgs) -> bool {
    args.stale.is_written() || args.early.is_written()
}

/// The lookup itself, or what stands for it when `when` says no.
fn lookup(plan: &Plan<'_>, private: &Private<'_>, verb: &str, bypass: &str) -> TokenStream {
    let (verb, bypass) = (local(verb), local(bypass));
    let storage = storage(plan, private);
    let (list, key) = (list(plan), write_call(plan, private));
    let lookup = quote!(#private::#verb(#storage, #list #key));
    let Some(when) = plan.args.when.get() else { return lookup };
    let enabled = local("enabled");
    quote!({
        let #enabled: bool = #when;
        if #enabled { #lookup } else { #private::#bypass(#storage, #list) }
    })
}

/// The same without asking what is stored, for `refresh`.
pub(super) fn refresh(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let verb = local(if plan.args.each.get().is_some() { "refresh_each" } else { "refresh" });
    let (storage, list, key, load) =
        (storage(plan, private), list(plan), write_call(plan, private), load(plan, private));
    quote!(#private::#verb(#storage, #list #key) #load.await)
}

/// Where the value is: its site, its cache, what of it is stored and how it travels.
fn storage(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let site = match &plan.home {
        Home::Type(name) => quote!(#name::site()),
        Home::Beside(name) => {
            let site = site_fn(name);
            quote!(Self::#site())
        }
        Home::Nowhere => local("site").to_token_stream(),
    };
    let cache = cache(private, plan.args.cache.get());
    let storing = storing(private, plan.function, plan.args.each.is_written(), plan.args.local.is_written());
    quote!(#site, #cache, #storing)
}

/// The slice of ids and a comma, for `each`.
fn list(plan: &Plan<'_>) -> TokenStream {
    match plan.args.each.get() {
        Some(each) => {
            let list = &each.list;
            quote!(#list,)
        }
        None => TokenStream::new(),
    }
}

/// The id that is written, as an argument of closures, for `each`.
fn item(plan: &Plan<'_>) -> Option<TokenStream> {
    let item = &plan.args.each.get()?.item;
    Some(quote!(#item: &_,))
}

/// The closure that writes the key, from the function's arguments.
fn write_call(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let (key, item) = (local("key"), item(plan));
    let call = match &plan.home {
        Home::Nowhere => {
            let head = companion::head(plan, private);
            return key_closure(private, plan.function, &plan.key, item.as_ref(), &head);
        }
        Home::Type(name) => quote!(#name::write_key),
        Home::Beside(name) => {
            let write = write_fn(name);
            if plan.function.receiver().is_some() { quote!(self.#write) } else { quote!(Self::#write) }
        }
    };
    let turbofish = companion::turbofish(plan);
    let arguments = plan.keyed.iter().map(|keyed| {
        let param = &plan.function.params[keyed.at];
        match &keyed.by {
            KeyedAs::Item(item) => quote!(::core::option::Option::Some(#item)),
            KeyedAs::Part => {
                let span = Span::mixed_site().located_at(param.ty.span());
                let (argument, private) = (reference_at(param, span), private.at(span));
                quote_spanned!(span=> &#private::part(#argument))
            }
            KeyedAs::Argument => {
                let argument = reference(param);
                quote!(::core::option::Option::Some(#argument))
            }
        }
    });
    quote!(|#item #key: &mut #private::KeyWriter| #call #turbofish(#key, #(#arguments),*))
}

/// The options that hold for one load, and the load.
fn load(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let options = options(plan, private);
    let body = match plan.args.each.get() {
        None => body_call(plan),
        Some(each) => {
            let (list, body) = (&each.list, body_call(plan));
            // The body may run more than once, for ids that others failed to load.
            let copies =
                plan.function.params.iter().filter(|param| {
                    !matches!(param.ty, Type::Reference(_)) && !param.bindings.contains(list)
                });
            let copies = copies.map(|param| {
                let (span, name) = (Span::mixed_site().located_at(param.ty.span()), &param.name);
                quote_spanned!(span=> let #name = ::core::clone::Clone::clone(&#name);)
            });
            quote!(move |#list: ::std::vec::Vec<_>| {
                #(#copies)*
                async move {
                    let #list = &*#list;
                    #body.await
                }
            })
        }
    };
    quote!(#options.load(#body))
}

/// What is not known while compiling goes along with each miss.
fn options(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let args = plan.args;
    let mut tokens = TokenStream::new();
    let lock = match args.lock.get() {
        Some(Lock::Within(time)) => Some(time),
        _ => None,
    };
    let times = [
        ("ttl", args.ttl.get()),
        ("none_ttl", args.none_ttl.get()),
        ("stale", args.stale.get()),
        ("timeout", args.timeout.get()),
        ("lock", lock),
    ];
    for (name, time) in times {
        let (verb, verb_from) = (local(name), local(&format!("{name}_from")));
        tokens.extend(match time {
            Some(Time::Computed(expr)) => {
                let time = computed(private, expr);
                quote!(.#verb(#time))
            }
            Some(Time::FromValue(closure)) => {
                let closure = asked(plan, private, closure);
                quote!(.#verb_from(#closure))
            }
            Some(Time::Fixed(_)) | None => TokenStream::new(),
        });
    }
    for (verb, closure) in [("unless", args.unless.get()), ("stale_if", args.stale_if.get())] {
        if let Some(closure) = closure {
            let (verb, closure) = (local(verb), asked(plan, private, closure));
            tokens.extend(quote!(.#verb(#closure)));
        }
    }
    for tag in &plan.tags {
        let reads_item = values(tag).any(|value| matches!(value.root, Root::Item(_)));
        let item = item(plan).map(|item| if reads_item { item } else { quote!(_: &_,) });
        let closure = key_closure(private, plan.function, tag, item.as_ref(), &TokenStream::new());
        tokens.extend(quote!(.tag(#closure)));
    }
    tokens
}

/// A closure of the user as an argument. Where a refresh outlives the call, it takes copies of the arguments it reads.
fn asked(plan: &Plan<'_>, private: &Private<'_>, closure: &ExprClosure) -> TokenStream {
    let question = question(closure);
    let read = plan
        .function
        .params
        .iter()
        .filter(|param| mentions(&closure.body.to_token_stream(), &|ident| *ident == param.name));
    let read: Vec<&Param> = read.collect();
    if !refreshes_itself(plan.args) || read.is_empty() {
        return question;
    }
    let keep = read.iter().map(|param| {
        let (name, copied) = (&param.name, copied(private, Span::mixed_site(), &reference(param)));
        quote!(let #name = #copied;)
    });
    let lend = read.iter().map(|param| {
        let name = &param.name;
        if let Type::Reference(reference) = &param.ty {
            let elem = &reference.elem;
            quote!(let #name: &#elem = #name.lend();)
        } else {
            quote!(let #name = ::core::clone::Clone::clone(&#name).give();)
        }
    });
    let (inputs, body) = (&closure.inputs, &closure.body);
    quote!({
        #(#keep)*
        move |#inputs| {
            #(#lend)*
            #body
        }
    })
}

/// A call of the body.
fn body_call(plan: &Plan<'_>) -> TokenStream {
    let receiver = plan.function.receiver().map(|_| quote!(self,));
    let arguments = plan.function.params.iter().map(|param| param.name.to_token_stream());
    body_call_with(plan, receiver.as_ref(), arguments)
}

fn body_call_with(
    plan: &Plan<'_>,
    receiver: Option<&TokenStream>,
    arguments: impl Iterator<Item = TokenStream>,
) -> TokenStream {
    let path = match &plan.home {
        Home::Type(name) => quote!(#name::uncached),
        Home::Beside(name) => {
            let body = derived(name, "{}_uncached");
            quote!(Self::#body)
        }
        Home::Nowhere => return body_future(plan.function, &|name| companion::is_read(plan, name)),
    };
    let generics = plan.function.sig.generics.params.iter().filter_map(|param| match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    });
    quote!(#path::<#(#generics),*>(#receiver #(#arguments),*))
}

/// What answers a miss that may have an old value at hand: one call refreshes that, with owned arguments.
fn reload(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let (miss, this) = (local("miss"), local("this"));
    let receiver = plan.function.receiver().map(|receiver| {
        let span = Span::mixed_site().located_at(receiver.span());
        let is_reference = match &receiver.kind {
            ReceiverKind::Reference(..) => true,
            ReceiverKind::Typed(_, ty) => matches!(**ty, Type::Reference(_)),
            _ => false,
        };
        let borrowed = if is_reference { quote!(self) } else { quote!(&self) };
        let copied = copied(private, span, &borrowed);
        let keep = quote_spanned!(span=> let #this = #copied;);
        let pass = if is_reference { quote!(#this.lend(),) } else { quote!(#this.give(),) };
        (keep, pass)
    });
    let (keep_self, pass_self) = receiver.unzip();
    let keep = plan.function.params.iter().map(|param| {
        let (span, name, argument) =
            (Span::mixed_site().located_at(param.ty.span()), &param.name, reference(param));
        let copied = copied(private, span, &argument);
        quote_spanned!(span=> let #name = #copied;)
    });
    let pass = plan.function.params.iter().map(|param| {
        let name = &param.name;
        if matches!(param.ty, Type::Reference(_)) { quote!(#name.lend()) } else { quote!(#name.give()) }
    });
    let options = options(plan, private);
    let body = body_call_with(plan, pass_self.as_ref(), pass);
    quote! {
        let #miss = #miss #options;
        #keep_self
        #(#keep)*
        #miss.reload(move || async move { #body.await })
    }
}

/// A copy of an argument, which outlives the call.
fn copied(private: &Private<'_>, span: Span, argument: &TokenStream) -> TokenStream {
    let private = private.at(span);
    quote_spanned! {span=>
        {
            use #private::probe::*;
            (&#private::argument(#argument)).duplicate()
        }
    }
}

/// The signature with a name for every argument: patterns are for the body.
pub(super) fn outer_signature(plan: &Plan<'_>) -> Signature {
    let mut sig = plan.function.sig.clone();
    if matches!(plan.home, Home::Nowhere) {
        return sig;
    }
    let typed = sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    for (typed, param) in typed.zip(&plan.function.params) {
        *typed.pat = Pat::Ident(PatIdent {
            attrs: Vec::new(),
            by_ref: None,
            mutability: None,
            ident: param.name.clone(),
            subpat: None,
        });
    }
    sig
}

/// A reference to what `param` holds.
fn reference(param: &Param) -> TokenStream {
    reference_at(param, Span::mixed_site())
}

/// The same, reported at `span`.
fn reference_at(param: &Param, span: Span) -> TokenStream {
    let name = &param.name;
    match &param.ty {
        Type::Reference(reference) if reference.mutability.is_some() => quote_spanned!(span=> &*#name),
        Type::Reference(_) => name.to_token_stream(),
        _ => quote_spanned!(span=> &#name),
    }
}

/// `__load_site` of `load`.
pub(super) fn site_fn(name: &Ident) -> Ident {
    derived(name, "__{}_site")
}

/// `__load_write_key` of `load`.
pub(super) fn write_fn(name: &Ident) -> Ident {
    derived(name, "__{}_write_key")
}
