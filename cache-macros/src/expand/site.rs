//! The `static` that describes one attribute to the runtime: every fact known while compiling.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote};

use super::{Private, millis, shape};
use crate::args::{CachedArgs, CachedTags, Lock, PutArgs, Slot, Target, Time};
use crate::check::{Home, InvalidatePlan, Part, Plan, PutPlan};
use crate::diagnose::quoted;
use crate::function::mentions;
use crate::template::{Segment, Template};

/// An expression of type `&'static Site` for `#[cached]`, which registers the site and claims its template.
pub(super) fn of_cached(plan: &Plan<'_>, private: &Private<'_>) -> TokenStream {
    let name = plan.function.name();
    let template = if let Some(template) = plan.args.key.get() {
        template.literal.value().to_token_stream()
    } else {
        let rest = text_of(&plan.key);
        quote!(::core::concat!(::core::module_path!(), "::", #name, #rest))
    };
    let facts = cached_facts(plan.args);
    let value_type = value_type(plan, private);
    let claim = plan
        .args
        .key
        .get()
        .filter(|_| !plan.args.shared.is_written())
        .map(|template| claim(template, plan.args));
    quote!({
        #claim
        static NUMBER: #private::Number = #private::Number::new();
        static SITE: #private::Site =
            #private::Site::new(#name, ::core::module_path!(), ::core::file!(), ::core::line!(), #template)
                .numbered_at(&NUMBER) #facts #value_type;
        #private::submit!(&SITE);
        &SITE
    })
}

/// The same for `#[cache_put]`, which stores under another function's template and claims none.
pub(super) fn of_put(plan: &PutPlan<'_>, private: &Private<'_>) -> TokenStream {
    let name = plan.function.name();
    let template = plan.args.key.get().map(|template| template.literal.value());
    let facts = put_facts(plan.args);
    quote!({
        static NUMBER: #private::Number = #private::Number::new();
        static SITE: #private::Site =
            #private::Site::new(#name, ::core::module_path!(), ::core::file!(), ::core::line!(), #template)
                .numbered_at(&NUMBER) #facts;
        &SITE
    })
}

/// The name of the stored type, for those who list the sites. A static belongs to no instance of a generic function or
/// `impl`, so there it stays unnamed.
fn value_type(plan: &Plan<'_>, private: &Private<'_>) -> Option<TokenStream> {
    let output = plan.function.output()?;
    let is_generic =
        |name: &Ident| name == "Self" || plan.function.generics().any(|(param, _)| param == name);
    if !matches!(plan.home, Home::Type(_)) || mentions(&output.to_token_stream(), &is_generic) {
        return None;
    }
    let shape = shape(private, output);
    let shape = if plan.args.each.is_written() { quote!(#private::each(#shape)) } else { shape };
    Some(quote!(.value_type(|| #private::value_type_name(#shape))))
}

/// The `static` that describes what an attribute invalidates: of functions that it refers to, the names.
pub(super) fn of_invalidate(plan: &InvalidatePlan<'_>, private: &Private<'_>) -> TokenStream {
    let name = plan.function.name();
    let targets = plan.args.targets.iter().filter_map(|target| match target {
        Target::Text(template) => Some(template.literal.value()),
        Target::Function(_) => None,
    });
    let targets: Vec<String> = targets.collect();
    let targets = (!targets.is_empty()).then(|| quote!(.targets(&[#(#targets),*])));
    let functions = plan.args.targets.iter().filter_map(|target| match target {
        Target::Text(_) => None,
        Target::Function(target) => target.callee.name(),
    });
    let functions: Vec<String> = functions.collect();
    let functions = (!functions.is_empty()).then(|| quote!(.functions(&[#(#functions),*])));
    let tags = plan.args.tags.get().map(|templates| tags(templates));
    if targets.is_none() && tags.is_none() && functions.is_none() {
        return TokenStream::new();
    }
    // In a block of its own, where no expression of the user sees the static.
    quote!({
        static MUTATION: #private::Mutation =
            #private::Mutation::new(#name, ::core::module_path!(), ::core::file!(), ::core::line!()) #targets #functions
                #tags;
        #private::submit!(mutation &MUTATION);
    })
}

fn cached_facts(args: &CachedArgs) -> TokenStream {
    let mut facts = TokenStream::new();
    facts.extend(fixed(&args.ttl, "ttl_millis"));
    facts.extend(fixed(&args.none_ttl, "none_ttl_millis"));
    facts.extend(fixed(&args.stale, "stale_millis"));
    facts.extend(fixed(&args.timeout, "timeout_millis"));
    if let Some(staleness) = args.max_staleness.get() {
        let millis = millis(*staleness);
        facts.extend(quote!(.max_staleness_millis(#millis)));
    }
    if let Some(beta) = args.early.get() {
        facts.extend(quote!(.early(#beta)));
    }
    match args.lock.get() {
        Some(Lock::Within(Time::Fixed(wait))) => {
            let millis = millis(*wait);
            facts.extend(quote!(.lock_millis(#millis)));
        }
        Some(_) => facts.extend(quote!(.lock())),
        None => {}
    }
    if let Some(CachedTags { templates, auto }) = args.tags.get() {
        if !templates.is_empty() || !auto {
            facts.extend(tags(templates));
        }
        if *auto {
            facts.extend(quote!(.auto()));
        }
    }
    facts.extend(args.version.get().map(|version| quote!(.version(#version))));
    facts.extend(args.shared.get().map(|()| quote!(.shared())));
    facts.extend(args.cache.get().map(|cache| {
        let text = quoted(cache);
        quote!(.cache(#text))
    }));
    facts
}

fn put_facts(args: &PutArgs) -> TokenStream {
    let mut facts = TokenStream::new();
    facts.extend(fixed(&args.ttl, "ttl_millis"));
    facts.extend(fixed(&args.none_ttl, "none_ttl_millis"));
    facts.extend(args.tags.get().map(|templates| tags(templates)));
    facts.extend(args.version.get().map(|version| quote!(.version(#version))));
    facts
}

fn fixed(slot: &Slot<Time>, verb: &str) -> Option<TokenStream> {
    let Some(Time::Fixed(duration)) = slot.get() else { return None };
    let (verb, millis) = (Ident::new(verb, Span::mixed_site()), millis(*duration));
    Some(quote!(.#verb(#millis)))
}

fn tags(templates: &[Template]) -> TokenStream {
    let tags = templates.iter().map(|tag| tag.literal.value());
    quote!(.tags(&[#(#tags),*]))
}

/// Exported macros share the root of their crate, so a second one of the same name does not compile, and rustc shows
/// both places.
fn claim(template: &Template, args: &CachedArgs) -> TokenStream {
    let mut name = String::from("two_cached_functions_have_the_key_");
    for segment in &template.segments {
        match segment {
            Segment::Text(text) => name.push_str(&identifier(text)),
            Segment::Value(_) | Segment::Wildcard => name.push_str("_ARG_"),
        }
    }
    if let Some(cache) = args.cache.get() {
        name.push_str("_in_");
        name.push_str(&identifier(&cache.to_token_stream().to_string()));
    }
    let name = Ident::new(&name, template.span());
    quote! {
        const _: () = {
            #[doc(hidden)]
            #[allow(non_local_definitions, non_snake_case, reason = "its name is all there is to it")]
            #[macro_export]
            macro_rules! #name { () => {}; }
        };
    }
}

/// `text` with everything that cannot stand in an identifier in hexadecimal: different for different texts.
fn identifier(text: &str) -> String {
    let piece = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => c.to_string(),
        ':' => "__".to_owned(),
        _ => format!("_{:x}_", u32::from(c)),
    };
    text.chars().filter(|c| *c != ' ').map(piece).collect()
}

/// A template for what is written without one.
fn text_of(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => text.as_str(),
        Part::Value(value) => value.text.as_str(),
        Part::Wildcard => "*",
    });
    texts.collect()
}
