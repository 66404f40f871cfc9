//! Plans → tokens, and no decisions. Here is what the attributes share: templates, bodies, the path to the runtime.
//!
//! All paths are absolute and all locals are at mixed site, so nothing of ours is in scope in a user's expression.

pub(crate) mod cached;
mod companion;
pub(crate) mod invalidate;
pub(crate) mod key_part;
pub(crate) mod put;
mod site;

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprClosure, Pat, PatIdent, Path, Signature, Token, Type};

use crate::args::Time;
use crate::check::{Part, Root, Value, values};
use crate::diagnose::Problems;
use crate::function::{Color, Function, contains_impl_trait, mentions};
use crate::template::Format;

/// The errors, and the item as if the attribute were not there.
fn beside(problems: Problems, item: TokenStream) -> TokenStream {
    let mut tokens = problems.into_tokens();
    tokens.extend(item);
    tokens
}

/// The runtime, as expansions name it: through the facade, or through the path in `crate = …`.
struct Private<'a>(Option<&'a Path>);

impl Private<'_> {
    /// The same, as if it stood at `place`, where rustc then reports what `place` has to do with. A path of the user
    /// stays where it is: if it is wrong, that is where.
    fn at(&self, place: Span) -> TokenStream {
        if self.0.is_some() {
            self.to_token_stream()
        } else {
            quote_spanned!(Span::mixed_site().located_at(place)=> ::larder::__private)
        }
    }
}

impl ToTokens for Private<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(if let Some(path) = self.0 {
            let span = Span::mixed_site().located_at(path.span());
            quote_spanned!(span=> #path::__private)
        } else {
            quote!(::larder::__private)
        });
    }
}

/// A local that no expression of the user can see.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The cache to use: the option's expression, which is asked whether it is a cache, else the global one.
fn cache(private: &Private<'_>, cache: Option<&Expr>) -> TokenStream {
    if let Some(expr) = cache {
        let (cache, span) = (borrowed(expr), Span::mixed_site().located_at(expr.span()));
        let (private, asked) = (private.at(span), Ident::new("asked", span));
        // The expression stands outside of the block: our traits are not in its scope, and its value lives on.
        quote_spanned! {span=>
            match #private::caching(#cache) {
                #asked => {
                    use #private::probe::*;
                    (&#asked).cache()
                }
            }
        }
    } else {
        quote!(&#private::Global)
    }
}

/// `&expr`, reported at `expr`.
fn borrowed(expr: &Expr) -> TokenStream {
    let span = Span::mixed_site().located_at(expr.span());
    match expr {
        Expr::Path(_)
        | Expr::Field(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Paren(_)
        | Expr::Lit(_)
        | Expr::Macro(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Index(_)
        | Expr::Reference(_) => {
            quote_spanned!(span=> &#expr)
        }
        _ => quote_spanned!(span=> &(#expr)),
    }
}

/// What of `output` is stored, selected by its type.
///
/// The type stands in no list of generic arguments: of one that does not exist, rustc would there say something else than
/// in the signature, and so say it twice.
fn shape(private: &Private<'_>, output: &Type) -> TokenStream {
    quote!({
        use #private::probe::*;
        (&&&&&&#private::Probe::like(&([] as [#output; 0]))).shape()
    })
}

/// What of the function's output is stored, asked at the return type whether it can be, and how it is.
fn storing(private: &Private<'_>, function: &Function, each: bool, local: bool) -> TokenStream {
    let Some(output) = function.output() else { return TokenStream::new() };
    let span = Span::mixed_site().located_at(output.span());
    let (shape, private) = (shape(private, output), private.at(span));
    let shape = if each { quote_spanned!(span=> #private::each(#shape)) } else { shape };
    let wire = Ident::new(if local { "Local" } else { "Serde" }, span);
    quote_spanned! {span=>
        {
            use #private::probe::*;
            (&#private::storing(#shape, #private::#wire)).checked()
        },
        #private::#wire
    }
}

/// The same for the value of a local, whose type may have no name.
fn shape_of(private: &Private<'_>, output: &Ident) -> TokenStream {
    quote!({
        use #private::probe::*;
        (&&&&&&#private::Probe::of(&#output)).shape()
    })
}

/// A time as an expression of type `Duration`; a closure has none.
fn duration(private: &Private<'_>, time: &Time) -> Option<TokenStream> {
    match time {
        Time::Fixed(duration) => {
            let millis = millis(*duration);
            Some(quote!(::core::time::Duration::from_millis(#millis)))
        }
        Time::Computed(expr) => Some(computed(private, expr)),
        Time::FromValue(_) => None,
    }
}

/// `expr`, asked at its place whether it is a duration.
fn computed(private: &Private<'_>, expr: &Expr) -> TokenStream {
    let span = Span::mixed_site().located_at(expr.span());
    let private = private.at(span);
    quote_spanned!(span=> #private::duration(#expr))
}

/// A closure of the user as an argument. Its bars are ours, so that clippy does not ask for a path in place of the
/// closure that the option asks for.
fn question(closure: &ExprClosure) -> TokenStream {
    let (inputs, body) = (&closure.inputs, &closure.body);
    let span = Span::mixed_site().located_at(closure.inputs_begin.span);
    quote_spanned!(span=> |#inputs| #body)
}

/// Whole milliseconds; `args` has refused what does not fit.
fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Statements that write `parts` to `writer`, with the function's arguments in scope.
fn write_parts(private: &Private<'_>, function: &Function, parts: &[Part], writer: &Ident) -> TokenStream {
    let mut tokens = unpack(function, values(parts));
    for part in parts {
        tokens.extend(match part {
            Part::Text(text) => quote!(#writer.literal(#text);),
            Part::Wildcard => quote!(#writer.wildcard();),
            Part::Value(value) => {
                write_value(private, value, base(value), span_of(function, value), &writer.to_token_stream())
            }
        });
    }
    tokens
}

/// The tokens that `value` begins with, and whether they are a reference already.
fn base(value: &Value) -> (TokenStream, bool) {
    match &value.root {
        Root::Receiver if value.fields.is_empty() => {
            (quote_spanned!(Span::call_site().located_at(value.span)=> &*self), true)
        }
        Root::Receiver => (quote!(self), true),
        Root::Argument(_, name) | Root::Const(name) => (name.to_token_stream(), false),
        Root::Item(name) => (name.to_token_stream(), true),
        Root::Type(name) => (quote!(::core::any::type_name::<#name>()), true),
        Root::Result => {
            let result = Ident::new("result", Span::mixed_site().located_at(value.span));
            (result.to_token_stream(), true)
        }
    }
}

/// One statement that writes the placeholder `value`.
fn write_value(
    private: &Private<'_>,
    value: &Value,
    (base, is_reference): (TokenStream, bool),
    span: Span,
    writer: &TokenStream,
) -> TokenStream {
    let fields = &value.fields;
    let reference = if let (true, true) = (fields.is_empty(), is_reference) {
        base
    } else {
        quote_spanned!(span=> &#base #(.#fields)*)
    };
    let private = private.at(span);
    match value.format {
        Format::Plain => quote_spanned!(span=> #private::KeyPart::write(#reference, #writer);),
        Format::Hash => quote_spanned!(span=> #private::write_hash(#reference, #writer);),
        Format::Lower => quote_spanned!(span=> #private::write_lower(#reference, #writer);),
    }
}

/// Where rustc reports that a value is no key part: at the argument's type, or at the template for a field.
fn span_of(function: &Function, value: &Value) -> Span {
    let at = match &value.root {
        Root::Argument(at, _) if value.fields.is_empty() => function.params[*at].ty.span(),
        _ => value.span,
    };
    Span::mixed_site().located_at(at)
}

/// Brings into scope, by reference, what `values` read out of arguments whose pattern is in the body.
fn unpack<'v>(function: &Function, values: impl Iterator<Item = &'v Value>) -> TokenStream {
    let mut tokens = TokenStream::new();
    if !matches!(function.color, Color::Boxed(_)) {
        return tokens;
    }
    let read: BTreeSet<usize> = values
        .filter_map(|value| match &value.root {
            Root::Argument(at, _) => Some(*at),
            _ => None,
        })
        .collect();
    for param in read.into_iter().map(|at| &function.params[at]).filter(|param| !param.is_plain()) {
        let (pat, name) = (by_reference(&param.pat), &param.name);
        tokens.extend(quote! {
            #[allow(unused_variables, reason = "the key may read one name of many")]
            let #pat = &#name;
        });
    }
    tokens
}

/// `pat` for matching through a reference, where `mut` has no place.
fn by_reference(pat: &Pat) -> Pat {
    struct Strip;
    impl VisitMut for Strip {
        fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
            pat.mutability = None::<Token![mut]>;
            pat.by_ref = None;
            visit_mut::visit_pat_ident_mut(self, pat);
        }
    }
    let mut pat = pat.clone();
    Strip.visit_pat_mut(&mut pat);
    pat
}

/// `|item, key| { head; parts }`.
fn key_closure(
    private: &Private<'_>,
    function: &Function,
    parts: &[Part],
    item: Option<&TokenStream>,
    head: &TokenStream,
) -> TokenStream {
    let writer = local("key");
    let statements = write_parts(private, function, parts, &writer);
    quote!(|#item #writer: &mut #private::KeyWriter| { #head #statements })
}

/// The body as a future that resolves to what the function returns.
///
/// The type is named in front and behind, so that `?`, `return` and coercions mean what they mean in the function.
///
/// `read` says what the attribute reads, which is used if the body has no use for it.
fn body_future(function: &Function, read: &dyn Fn(&Ident) -> bool) -> TokenStream {
    let body = function.body_tokens();
    match (&function.color, function.output()) {
        (Color::Async, Some(output)) if !contains_impl_trait(output) => {
            let returned = local("returned");
            quote!(async move {
                if let ::core::option::Option::Some(#returned) = ::core::option::Option::None {
                    let #returned: #output = #returned;
                    return #returned;
                }
                #[allow(clippy::diverging_sub_expression, reason = "the body may always return early")]
                let #returned: #output = { #body };
                #[allow(unreachable_code, reason = "the body may always return early")]
                #returned
            })
        }
        // `#[async_trait]` has named the type already, and every argument: `let id = id;`.
        (Color::Boxed(_), _) => {
            let body = marked_as_used(body, read);
            quote!(async move { #body })
        }
        _ => quote!(async move { #body }),
    }
}

/// `body` with a mark on each `let name = name;` for what is `read` elsewhere.
fn marked_as_used(body: TokenStream, read: &dyn Fn(&Ident) -> bool) -> TokenStream {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let mut marked = TokenStream::new();
    for (at, token) in tokens.iter().enumerate() {
        if let [
            TokenTree::Ident(keyword),
            TokenTree::Ident(name),
            TokenTree::Punct(_),
            TokenTree::Ident(value),
            ..,
        ] = &tokens[at..]
            && keyword == "let"
            && name == value
            && read(name)
        {
            marked.extend(used());
        }
        marked.extend([token.clone()]);
    }
    marked
}

/// The mark on an argument that the attribute reads.
fn used() -> TokenStream {
    quote!(#[allow(unused_variables, reason = "the attribute reads it")])
}

/// Whether the argument `name` is one of `values`, or stands in one of `expressions`.
fn any_reads<'p>(
    name: &Ident,
    mut values: impl Iterator<Item = &'p Value>,
    mut expressions: impl Iterator<Item = &'p Expr>,
) -> bool {
    values.any(|value| matches!(&value.root, Root::Argument(_, argument) if argument == name))
        || expressions.any(|expr| mentions(&expr.to_token_stream(), &|ident| ident == name))
}

/// The function with `body` in place of its own.
fn with_body(function: &Function, sig: &Signature, body: &TokenStream) -> TokenStream {
    let Function { vis, default, color, .. } = function;
    let attrs = function.own_attrs();
    let body = match color {
        Color::Boxed(_) => quote!(::std::boxed::Box::pin(async move { #body })),
        _ => body.clone(),
    };
    quote! {
        #(#attrs)*
        #vis #default #sig { #body }
    }
}

/// A name made of `name` and more, in the user's hygiene, so that macros can have made it.
fn derived(name: &Ident, pattern: &str) -> Ident {
    use syn::ext::IdentExt as _;
    let text = pattern.replace("{}", &name.unraw().to_string());
    format_ident!("{text}", span = name.span())
}
