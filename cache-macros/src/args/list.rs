//! `name = value, name(list), name, value` → items, going on after a mistake so that all are found at once.
//!
//! No option is known here.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, LitStr, Token, token};

use crate::diagnose::{Mistake, Problems};

/// One thing between commas.
pub(crate) enum Item {
    Named(Named),
    Loose(Expr),
}

/// An option.
pub(crate) struct Named {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

/// What follows an option's name.
pub(crate) enum Value {
    Flag,
    Is(Expr),
    List(TokenStream),
}

impl Named {
    pub(crate) fn text(&self) -> String {
        self.name.unraw().to_string()
    }

    pub(crate) fn is_flag(&self) -> bool {
        matches!(self.value, Value::Flag)
    }

    /// The text in `name = "text"`.
    pub(crate) fn string(&self) -> Option<&LitStr> {
        match &self.value {
            Value::Is(value) => super::read::as_string(value),
            _ => None,
        }
    }

    /// The text in `name = "text"`, or the texts in `name = ["text", "text"]`, as they stand.
    pub(crate) fn texts(&self) -> Option<String> {
        let Value::Is(value) = &self.value else { return None };
        let texts: Option<Vec<&LitStr>> = match value {
            Expr::Array(list) => list.elems.iter().map(super::read::as_string).collect(),
            other => super::read::as_string(other).map(|text| vec![text]),
        };
        let texts: Vec<String> = texts?.into_iter().map(|text| text.token().to_string()).collect();
        Some(texts.join(", "))
    }

    /// `name(…)` as the call that it may also be.
    pub(crate) fn as_call(&self) -> Option<Expr> {
        let (name, Value::List(list)) = (&self.name, &self.value) else { return None };
        syn::parse2(quote!(#name(#list))).ok()
    }
}

/// Reads all items of an attribute.
pub(crate) fn items(attribute: &str, tokens: TokenStream, problems: &mut Problems) -> Vec<Item> {
    let parse = |input: ParseStream<'_>| {
        let mut items = Vec::new();
        while !input.is_empty() {
            if let Ok(comma) = input.parse::<Token![,]>() {
                problems.at(&comma, Mistake::StrayComma);
                continue;
            }
            items.extend(item(attribute, input, problems));
            end_of_item(attribute, input, problems);
        }
        Ok(items)
    };
    // The closure reads to the end and reports for itself, so there is no error left to see.
    parse.parse2(tokens).unwrap_or_default()
}

fn item(attribute: &str, input: ParseStream<'_>, problems: &mut Problems) -> Option<Item> {
    let named = input.peek(Ident::peek_any) && !input.peek(Token![self]) && !input.peek(Token![Self]);
    if named && (input.peek2(Token![,]) || is_last(input)) {
        return Some(Item::Named(Named { name: input.call(Ident::parse_any).ok()?, value: Value::Flag }));
    }
    if named && input.peek2(token::Paren) && call_ends_item(input) {
        let name = input.call(Ident::parse_any).ok()?;
        let list: Group = input.parse().ok()?;
        return Some(Item::Named(Named { name, value: Value::List(list.stream()) }));
    }
    if named && input.peek2(Token![=]) && !input.peek2(Token![==]) {
        let name = input.call(Ident::parse_any).ok()?;
        input.parse::<Token![=]>().ok()?;
        return value(name, input, problems).map(Item::Named);
    }
    if named && input.peek2(Token![:]) && !input.peek2(Token![::]) {
        let name = input.call(Ident::parse_any).ok()?;
        problems.at(&name, Mistake::ColonForEquals { option: &name.unraw().to_string() });
        skip_item(input);
        return None;
    }
    let start = input.fork();
    if let Ok(value) = input.parse() {
        return Some(Item::Loose(value));
    }
    if let Ok(token) = start.parse::<TokenTree>() {
        problems.at(&token, Mistake::UnexpectedArgument { token: &token.to_string(), attribute });
    }
    skip_item(input);
    None
}

/// What stands behind `name =`.
fn value(name: Ident, input: ParseStream<'_>, problems: &mut Problems) -> Option<Named> {
    let start = input.fork();
    if let Ok(value) = input.parse() {
        return Some(Named { name, value: Value::Is(value) });
    }
    let written = skip_item(&start);
    skip_item(input);
    let option = name.unraw().to_string();
    if written.is_empty() {
        problems.at(&name, Mistake::NoValue { option: &option });
    } else {
        problems.at(&written, Mistake::NoExpression { option: &option, value: &written.to_string() });
    }
    None
}

/// After an item comes a comma or the end.
fn end_of_item(attribute: &str, input: ParseStream<'_>, problems: &mut Problems) {
    if input.is_empty() || input.parse::<Token![,]>().is_ok() {
        return;
    }
    if let Ok(token) = input.fork().parse::<TokenTree>() {
        problems.at(&token, Mistake::LooseTokens { token: &token.to_string(), attribute });
    }
    skip_item(input);
    // The comma, if there is one: `skip_item` stops in front of it.
    let _ = input.parse::<Token![,]>();
}

/// Goes on to the next comma outside of any bracket, or to the end. Returns what was passed.
fn skip_item(input: ParseStream<'_>) -> TokenStream {
    let mut passed = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>() {
            Ok(token) => passed.extend([token]),
            Err(_) => break,
        }
    }
    passed
}

/// Whether one token is left.
fn is_last(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<TokenTree>().is_ok() && ahead.is_empty()
}

/// Whether `name(…)` is all there is before the comma.
fn call_ends_item(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<TokenTree>().is_ok()
        && ahead.parse::<TokenTree>().is_ok()
        && (ahead.is_empty() || ahead.peek(Token![,]))
}
