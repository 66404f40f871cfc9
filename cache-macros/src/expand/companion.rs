//! What `#[cached]` writes beside the function: `get_user::key`, `load_key`, and the body under its own name.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, Lifetime, PathArguments, Signature, Type, TypeReference,
    parse_quote,
};

use super::cached::{refresh, site_fn, write_fn};
use super::{Private, any_reads, base, by_reference, derived, site, span_of, used, write_value};
use crate::check::{Home, Keyed, KeyedAs, Part, Plan, Root, values};
use crate::function::{Color, contains_impl_trait, mentions};

/// The companion of a function.
pub(super) fn expand(plan: &Plan<'_>) -> TokenStream {
    let private = &Private(plan.args.krate.get());
    at_home(plan, |names| {
        let (site, write, body) =
            (site(plan, private, names), write_key(plan, private, names), uncached(plan, names));
        let refresh = renamed(plan, names, &names.refresh, &refresh(plan, private));
        let (key, pattern) = (key(plan, private, names, None), pattern(plan, private, names, None));
        (quote!(#site #write #key #pattern #refresh), body)
    })
}

/// The companion of a function whose attribute is wrong: there, so that code which names it has no errors of its own,
/// and empty, since none of it will run.
pub(super) fn fallback(plan: &Plan<'_>) -> TokenStream {
    if matches!(plan.function.color, Color::Blocking) {
        return TokenStream::new();
    }
    let private = &Private(plan.args.krate.get());
    let empty = quote!(::core::unreachable!());
    at_home(plan, |names| {
        let (key, pattern) =
            (key(plan, private, names, Some(&empty)), pattern(plan, private, names, Some(&empty)));
        if plan.function.output().is_some_and(contains_impl_trait) {
            return (quote!(#key #pattern), TokenStream::new());
        }
        let body = renamed(plan, names, &names.uncached, &empty);
        let refresh = renamed(plan, names, &names.refresh, &empty);
        (quote!(#key #pattern #body #refresh), TokenStream::new())
    })
}

/// What the members of a companion are called, who sees them, and the attributes that each needs of its own.
struct Names {
    vis: TokenStream,
    attrs: TokenStream,
    site: Ident,
    write: Ident,
    key: Ident,
    pattern: Ident,
    uncached: Ident,
    refresh: Ident,
}

/// Puts the members where they belong: those that repeat the signature, and the body, which is linted as it was.
fn at_home(plan: &Plan<'_>, members: impl FnOnce(&Names) -> (TokenStream, TokenStream)) -> TokenStream {
    match &plan.home {
        Home::Nowhere => TokenStream::new(),
        Home::Beside(name) => {
            let (members, body) = members(&Names {
                vis: plan.function.vis.to_token_stream(),
                attrs: beside_attrs(plan),
                site: site_fn(name),
                write: write_fn(name),
                key: derived(name, "{}_key"),
                pattern: derived(name, "{}_pattern"),
                uncached: derived(name, "{}_uncached"),
                refresh: derived(name, "{}_refresh"),
            });
            quote!(#members #body)
        }
        Home::Type(name) => {
            let ident = |text: &str| Ident::new(text, Span::mixed_site());
            let (members, body) = members(&Names {
                // As far as the type is seen.
                vis: quote!(pub),
                attrs: TokenStream::new(),
                site: ident("site"),
                write: ident("write_key"),
                key: ident("key"),
                pattern: ident("pattern"),
                uncached: ident("uncached"),
                refresh: ident("refresh"),
            });
            let (attrs, vis) = (beside_attrs(plan), &plan.function.vis);
            let body = (!body.is_empty()).then(|| quote!(impl #name { #body }));
            let cfgs = plan.function.cfgs();
            let doc =
                format!("The keys of [`{}()`], and the function without its cache.", plan.function.name());
            quote! {
                #attrs
                #[doc = #doc]
                #vis struct #name {}
                #attrs
                impl #name { #members }
                #(#cfgs)*
                #body
            }
        }
    }
}

/// The site, registered where it is described.
fn site(plan: &Plan<'_>, private: &Private<'_>, names: &Names) -> TokenStream {
    let (name, value) = (&names.site, site::of_cached(plan, private));
    let attrs = &names.attrs;
    quote! {
        #attrs
        #[doc(hidden)]
        #[inline]
        fn #name() -> &'static #private::Site {
            #value
        }
    }
}

/// The one place that writes the key: an argument that is `None` is every value.
fn write_key(plan: &Plan<'_>, private: &Private<'_>, names: &Names) -> TokenStream {
    let (name, writer) = (&names.write, Ident::new("key", Span::mixed_site()));
    let (generics, receiver) = (kept_generics(plan), receiver(plan));
    let (parameters, _, predicates) = generics.split_for_impl();
    let arguments = plan.keyed.iter().map(|keyed| {
        let (argument, ty) = (argument(plan, keyed), argument_type(plan, keyed));
        if matches!(keyed.by, KeyedAs::Part) {
            quote!(#argument: &impl #private::PatternPart)
        } else {
            quote!(#argument: ::core::option::Option<&#ty>)
        }
    });
    let head = head(plan, private);
    let statements = plan.key.iter().map(|part| match part {
        Part::Text(text) => quote!(#writer.literal(#text);),
        Part::Wildcard => quote!(#writer.wildcard();),
        Part::Value(value) => {
            let write = |base| {
                write_value(private, value, base, span_of(plan.function, value), &writer.to_token_stream())
            };
            let Some(keyed) = plan.keyed.iter().find(|keyed| reads(&value.root, keyed)) else {
                return write(base(value));
            };
            let argument = argument(plan, keyed);
            let param = &plan.function.params[keyed.at];
            if matches!(keyed.by, KeyedAs::Part) {
                return quote!(#private::PatternPart::write(#argument, #writer););
            }
            let (name, _) = base(value);
            // A plain argument is a reference here; what a pattern binds may be a value.
            let is_reference = param.is_plain() || matches!(keyed.by, KeyedAs::Item(_));
            let (pattern, write) = (
                if is_reference {
                    argument.to_token_stream()
                } else {
                    by_reference(&param.pat).to_token_stream()
                },
                write((name, is_reference)),
            );
            quote! {
                match #argument {
                    ::core::option::Option::Some(#pattern) => { #write }
                    ::core::option::Option::None => #writer.wildcard(),
                }
            }
        }
    });
    let attrs = &names.attrs;
    quote! {
        #attrs
        #[doc(hidden)]
        #[inline]
        fn #name #parameters (#receiver #writer: &mut #private::KeyWriter, #(#arguments),*) #predicates {
            #head
            #(#statements)*
        }
    }
}

/// `key(..)`: the keyed arguments in their order, by value or by reference.
fn key(plan: &Plan<'_>, private: &Private<'_>, names: &Names, empty: Option<&TokenStream>) -> TokenStream {
    let generics = kept_generics(plan);
    let (parameters, _, predicates) = generics.split_for_impl();
    let (arguments, values): (Vec<_>, Vec<_>) = plan
        .keyed
        .iter()
        .map(|keyed| {
            let (name, ty) = (argument(plan, keyed), argument_type(plan, keyed));
            match keyed.by {
                KeyedAs::Part => (quote!(#name: impl #private::KeyPart), quote!(&#private::part(&#name))),
                _ => (
                    quote!(#name: impl #private::KeyArgument<#ty>),
                    quote!(::core::option::Option::Some(#private::KeyArgument::<#ty>::argument(&#name))),
                ),
            }
        })
        .unzip();
    let (name, receiver, vis) = (&names.key, receiver(plan), &names.vis);
    let body = built(plan, private, names, empty, "Key", &values);
    let doc = format!("The key of [`{}`] for these arguments.", plan.function.name());
    let attrs = &names.attrs;
    quote! {
        #attrs
        #[doc = #doc]
        #vis fn #name #parameters (#receiver #(#arguments),*) -> #private::Key #predicates { #body }
    }
}

/// `pattern(..)`: the same, where `Any` stands for every value.
fn pattern(
    plan: &Plan<'_>,
    private: &Private<'_>,
    names: &Names,
    empty: Option<&TokenStream>,
) -> TokenStream {
    let mut generics = kept_generics(plan);
    let (arguments, values): (Vec<_>, Vec<_>) = plan
        .keyed
        .iter()
        .map(|keyed| {
            let (name, ty) = (argument(plan, keyed), argument_type(plan, keyed));
            if matches!(keyed.by, KeyedAs::Part) {
                return (quote!(#name: impl #private::PatternPart), quote!(&#name));
            }
            let marker = format_ident!("M{}", keyed.at, span = Span::mixed_site());
            generics.params.push(parse_quote!(#marker));
            (
                quote!(#name: impl #private::PatternArgument<#ty, #marker>),
                quote!(#private::PatternArgument::<#ty, #marker>::argument(&#name)),
            )
        })
        .unzip();
    let (parameters, _, predicates) = generics.split_for_impl();
    let (name, receiver, vis) = (&names.pattern, receiver(plan), &names.vis);
    let body = built(plan, private, names, empty, "Pattern", &values);
    let doc =
        format!("The keys of [`{}`] for these arguments, where `Any` is every value.", plan.function.name());
    let attrs = &names.attrs;
    quote! {
        #attrs
        #[doc = #doc]
        #vis fn #name #parameters (#receiver #(#arguments),*) -> #private::Pattern #predicates { #body }
    }
}

/// `Key::build(…)` or `Pattern::build(…)` over `write_key`.
fn built(
    plan: &Plan<'_>,
    private: &Private<'_>,
    names: &Names,
    empty: Option<&TokenStream>,
    what: &str,
    values: &[TokenStream],
) -> TokenStream {
    if let Some(empty) = empty {
        return empty.clone();
    }
    let (what, write, key) =
        (Ident::new(what, Span::mixed_site()), &names.write, Ident::new("key", Span::mixed_site()));
    let (turbofish, this) =
        (turbofish(plan), if plan.function.receiver().is_some() { quote!(self.) } else { quote!(Self::) });
    quote!(#private::#what::build(|#key| #this #write #turbofish (#key, #(#values),*)))
}

/// The body under its own name, where every name means what it means in the function.
fn uncached(plan: &Plan<'_>, names: &Names) -> TokenStream {
    let mut sig = plan.function.sig.clone();
    sig.ident = names.uncached.clone();
    // The key of a user without a body that asks for it is still the user's key: rustc is not to call it unused.
    let typed = sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    for (typed, param) in typed.zip(&plan.function.params) {
        if !param.bindings.is_empty() && param.bindings.iter().all(|name| is_read(plan, name)) {
            let used = used();
            typed.attrs.push(parse_quote!(#used));
        }
    }
    let (attrs, vis, body) = (plan.function.body_attrs(), &names.vis, &plan.function.body);
    let doc = format!("The body of [`{}`], without the cache.", plan.function.name());
    quote! {
        #(#attrs)*
        #[doc = #doc]
        #[allow(
            dead_code, unreachable_pub, clippy::missing_errors_doc, clippy::missing_panics_doc,
            clippy::must_use_candidate, clippy::too_many_arguments, clippy::unused_async,
            reason = "what is true of the signature is said at the function"
        )]
        #vis #sig #body
    }
}

/// Whether the attribute itself reads the argument `name`: in the key, a tag, or a condition.
pub(super) fn is_read(plan: &Plan<'_>, name: &Ident) -> bool {
    let values = values(&plan.key).chain(plan.tags.iter().flat_map(values));
    any_reads(name, values, plan.args.when.get().into_iter())
}

/// The function's outer signature under another name.
fn renamed(plan: &Plan<'_>, names: &Names, name: &Ident, body: &TokenStream) -> TokenStream {
    let mut sig: Signature = super::cached::outer_signature(plan);
    sig.ident = name.clone();
    let vis = &names.vis;
    let doc =
        format!("Runs the body of [`{}`], stores what it returns, and returns it.", plan.function.name());
    let attrs = &names.attrs;
    quote! {
        #attrs
        #[doc = #doc]
        #vis #sig { #body }
    }
}

/// What stands for a missing `key`: the path of the function.
pub(super) fn head(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let (writer, name) = (Ident::new("key", Span::mixed_site()), plan.function.name());
    if !plan.default_head {
        return TokenStream::new();
    }
    match &plan.home {
        // Functions of one name in two blocks of one module differ by the type's name, not by the module's.
        Home::Type(companion) if *companion == plan.function.sig.ident => {
            quote!(#writer.literal(::core::any::type_name::<Self>());)
        }
        Home::Type(_) => quote!(#writer.literal(::core::concat!(::core::module_path!(), "::", #name));),
        Home::Beside(_) => {
            let method = format!("::{name}");
            quote!(#writer.literal(::core::any::type_name::<Self>()); #writer.literal(#method);)
        }
        Home::Nowhere => quote! {{
            fn here() {}
            #writer.literal(#private::location(::core::any::type_name_of_val(&here)));
        }},
    }
}

/// `::<T, N>` for the generic parameters that the key needs.
pub(super) fn turbofish(plan: &Plan<'_>) -> TokenStream {
    let generics = kept_generics(plan);
    let names = generics.params.iter().filter_map(|param| match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    });
    let names: Vec<&Ident> = names.collect();
    if names.is_empty() { TokenStream::new() } else { quote!(::<#(#names),*>) }
}

/// Whether `root` is what `keyed` stands for.
fn reads(root: &Root, keyed: &Keyed) -> bool {
    match (root, &keyed.by) {
        (Root::Item(name), KeyedAs::Item(item)) => name == item,
        (Root::Argument(at, _), KeyedAs::Argument | KeyedAs::Part) => *at == keyed.at,
        _ => false,
    }
}

fn argument<'p>(plan: &'p Plan<'_>, keyed: &'p Keyed) -> &'p Ident {
    match &keyed.by {
        KeyedAs::Item(item) => item,
        _ => &plan.function.params[keyed.at].name,
    }
}

/// The type that a companion asks for, without a reference around it: `str` for `String` too, since all that the key
/// needs of either is its text.
fn argument_type(plan: &Plan<'_>, keyed: &Keyed) -> Type {
    let mut ty = &plan.function.params[keyed.at].ty;
    while let Type::Reference(reference) = ty {
        ty = &reference.elem;
    }
    let mut ty = match (ty, &keyed.by) {
        (Type::Slice(slice), KeyedAs::Item(_)) => (*slice.elem).clone(),
        (Type::Path(path), KeyedAs::Argument) if path.path.is_ident("String") => parse_quote!(str),
        (Type::Path(path), KeyedAs::Argument) => match path.path.segments.last() {
            Some(vec) if path.path.segments.len() == 1 && vec.ident == "Vec" => match &vec.arguments {
                PathArguments::AngleBracketed(list) => match list.args.first() {
                    Some(GenericArgument::Type(item)) if list.args.len() == 1 => parse_quote!([#item]),
                    _ => ty.clone(),
                },
                _ => ty.clone(),
            },
            _ => ty.clone(),
        },
        _ => ty.clone(),
    };
    Renamed(lifetime_of(keyed)).visit_type_mut(&mut ty);
    ty
}

/// The lifetime of all that an argument's type borrows.
fn lifetime_of(keyed: &Keyed) -> Lifetime {
    Lifetime::new(&format!("'k{}", keyed.at), Span::mixed_site())
}

/// Gives every lifetime in a type one name: those of the function have none outside of it, and `impl Trait` wants them
/// named.
struct Renamed(Lifetime);

impl VisitMut for Renamed {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            *lifetime = self.0.clone();
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.get_or_insert_with(|| self.0.clone());
        visit_mut::visit_type_reference_mut(self, reference);
    }
}

/// The type and const parameters that the key's arguments name, with the bounds that name nothing else.
fn kept_generics(plan: &Plan<'_>) -> Generics {
    let generics = &plan.function.sig.generics;
    let types: Vec<TokenStream> = plan
        .keyed
        .iter()
        .filter(|keyed| !matches!(keyed.by, KeyedAs::Part))
        .map(|keyed| argument_type(plan, keyed).to_token_stream())
        .collect();
    let is_kept = |name: &Ident| {
        types.iter().any(|ty| mentions(ty, &|ident| ident == name))
            || values(&plan.key)
                .any(|value| matches!(&value.root, Root::Const(of) | Root::Type(of) if of == name))
    };
    let dropped: Vec<String> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) if !is_kept(&param.ident) => Some(param.ident.to_string()),
            GenericParam::Const(param) if !is_kept(&param.ident) => Some(param.ident.to_string()),
            GenericParam::Lifetime(param) => Some(param.lifetime.ident.to_string()),
            _ => None,
        })
        .collect();
    let names_dropped =
        |tokens: TokenStream| mentions(&tokens, &|ident| dropped.iter().any(|name| ident == name));

    let mut kept = Generics::default();
    for keyed in plan.keyed.iter().filter(|keyed| !matches!(keyed.by, KeyedAs::Part)) {
        let lifetime = lifetime_of(keyed);
        if mentions(&argument_type(plan, keyed).to_token_stream(), &|ident| *ident == lifetime.ident) {
            kept.params.push(parse_quote!(#lifetime));
        }
    }
    for param in &generics.params {
        match param {
            GenericParam::Type(param) if is_kept(&param.ident) => {
                let mut param = param.clone();
                param.bounds = param
                    .bounds
                    .into_iter()
                    .filter(|bound| !names_dropped(bound.to_token_stream()))
                    .collect();
                kept.params.push(GenericParam::Type(param));
            }
            GenericParam::Const(param) if is_kept(&param.ident) => {
                kept.params.push(GenericParam::Const(param.clone()));
            }
            _ => {}
        }
    }
    if kept.params.is_empty() {
        return kept;
    }
    let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    kept.make_where_clause()
        .predicates
        .extend(predicates.filter(|predicate| !names_dropped(predicate.to_token_stream())).cloned());
    kept
}

/// `&self,` for a method.
fn receiver(plan: &Plan<'_>) -> TokenStream {
    if plan.function.receiver().is_some() { quote!(&self,) } else { TokenStream::new() }
}

/// Attributes of what repeats the signature and the options: the conditions it is compiled under, and no lints, since
/// the function itself is linted.
fn beside_attrs(plan: &Plan<'_>) -> TokenStream {
    let cfgs = plan.function.cfgs();
    quote! {
        #(#cfgs)*
        #[allow(
            warnings, clippy::all, clippy::pedantic, clippy::nursery,
            reason = "made from the signature and the options of the function, which has been checked"
        )]
    }
}
