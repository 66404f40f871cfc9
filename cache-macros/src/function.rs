//! The annotated function: its signature taken apart, its body left as tokens.
//!
//! The body is never parsed, so that an editor keeps completing in one that is half written.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, FnArg, GenericArgument, GenericParam, Local, Pat, Path, PathArguments, Receiver,
    ReceiverKind, ReturnType, Signature, Stmt, Token, Type, TypeImplTrait, TypeParamBound, Visibility,
};

use crate::place::Place;

/// A function under one of our attributes.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) default: Option<Token![default]>,
    pub(crate) sig: Signature,
    /// The block, braces included; `;` for a function without one.
    pub(crate) body: TokenTree,
    pub(crate) params: Vec<Param>,
    pub(crate) color: Color,
    pub(crate) place: Place,
}

/// What kind of function it is to `await`.
pub(crate) enum Color {
    Async,
    /// What `#[async_trait]` has made of an async function: `Box::pin(async move { … })`.
    Boxed(Box<Boxed>),
    Blocking,
}

/// The parts of a function that `#[async_trait]` has rewritten.
pub(crate) struct Boxed {
    pub(crate) output: Type,
    /// The content of its `async move` block.
    pub(crate) body: TokenStream,
}

/// One argument that is not the receiver.
pub(crate) struct Param {
    pub(crate) pat: Pat,
    pub(crate) ty: Type,
    /// What the argument is called outside of the body: its own name, or one made up for a pattern.
    pub(crate) name: Ident,
    /// The names that its pattern brings into the body.
    pub(crate) bindings: Vec<Ident>,
}

impl Param {
    /// Whether it is `name: T` and no pattern.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(&self.pat, Pat::Ident(pat) if pat.subpat.is_none() && pat.by_ref.is_none())
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let default = input.parse()?;
        let sig: Signature = input.parse()?;
        let body = ungroup(input.parse()?);
        let mut params: Vec<Param> = sig
            .inputs
            .iter()
            .enumerate()
            .filter_map(|(at, input)| match input {
                FnArg::Typed(typed) => Some(param(at, &typed.pat, &typed.ty)),
                FnArg::Receiver(_) => None,
            })
            .collect();
        let color = color(&sig, &body);
        if let Color::Boxed(boxed) = &color {
            restore_patterns(&mut params, &boxed.body);
        }
        let place = Place::of(&sig, &body, matches!(color, Color::Boxed(_)));
        Ok(Self { attrs, vis, default, sig, body, params, color, place })
    }
}

impl Function {
    pub(crate) fn name(&self) -> String {
        self.sig.ident.unraw().to_string()
    }

    /// The function as it was written.
    pub(crate) fn verbatim(&self) -> TokenStream {
        let mut tokens = TokenStream::new();
        self.attrs.iter().for_each(|attr| attr.to_tokens(&mut tokens));
        self.vis.to_tokens(&mut tokens);
        self.default.to_tokens(&mut tokens);
        self.sig.to_tokens(&mut tokens);
        self.body.to_tokens(&mut tokens);
        tokens
    }

    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.sig.receiver()
    }

    pub(crate) fn takes_self_mutably(&self) -> bool {
        match self.receiver().map(|receiver| &receiver.kind) {
            Some(ReceiverKind::Reference(_, _, mutability)) => mutability.is_some(),
            Some(ReceiverKind::Typed(_, ty)) => {
                matches!(&**ty, Type::Reference(ty) if ty.mutability.is_some())
            }
            _ => false,
        }
    }

    /// What the function returns to who awaits it; `None` for nothing.
    pub(crate) fn output(&self) -> Option<&Type> {
        match (&self.color, &self.sig.output) {
            (Color::Boxed(boxed), _) => Some(&boxed.output),
            (_, ReturnType::Type(_, ty)) => Some(ty),
            (_, ReturnType::Default) => None,
        }
    }

    /// Type and const parameters, by name.
    pub(crate) fn generics(&self) -> impl Iterator<Item = (&Ident, &'static str)> {
        self.sig.generics.params.iter().filter_map(|param| match param {
            GenericParam::Type(param) => Some((&param.ident, "type")),
            GenericParam::Const(param) => Some((&param.ident, "const")),
            GenericParam::Lifetime(_) => None,
        })
    }

    /// The content of the body, to be put into a block of its own.
    pub(crate) fn body_tokens(&self) -> TokenStream {
        match (&self.color, &self.body) {
            (Color::Boxed(boxed), _) => boxed.body.clone(),
            (_, TokenTree::Group(group)) => group.stream(),
            (_, other) => other.to_token_stream(),
        }
    }

    pub(crate) fn has_body(&self) -> bool {
        matches!(self.body, TokenTree::Group(_))
    }

    /// The conditions under which it is compiled.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
    }

    /// Attributes that hold for the body, wherever it stands: conditional compilation and lint levels.
    pub(crate) fn body_attrs(&self) -> impl Iterator<Item = TokenStream> {
        self.attrs.iter().filter_map(|attr| {
            let path = attr.path();
            if ["cfg", "allow", "warn", "deny", "forbid"].iter().any(|name| path.is_ident(name)) {
                return Some(attr.to_token_stream());
            }
            path.is_ident("expect").then(|| relaxed(attr))
        })
    }

    /// Attributes of the function itself.
    ///
    /// An `expect` becomes an `allow`: what it expects may be found in the function or in the body, and only one of
    /// them can fulfil it.
    pub(crate) fn own_attrs(&self) -> impl Iterator<Item = TokenStream> {
        self.attrs
            .iter()
            .map(|attr| if attr.path().is_ident("expect") { relaxed(attr) } else { attr.to_token_stream() })
    }
}

/// `#[expect(…)]` as `#[allow(…)]`.
fn relaxed(attr: &Attribute) -> TokenStream {
    let list = match &attr.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    quote::quote!(#[allow(#list)])
}

/// `macro_rules!` wraps a `$body:block` in a group without delimiters.
fn ungroup(body: TokenTree) -> TokenTree {
    match &body {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            group.stream().into_iter().next().map_or(body, ungroup)
        }
        _ => body,
    }
}

fn param(at: usize, pat: &Pat, mut ty: &Type) -> Param {
    // The same for a `$ty:ty`.
    while let Type::Group(group) = ty {
        ty = &group.elem;
    }
    let bindings = bindings(pat);
    let name = match &bindings[..] {
        [only] => only.clone(),
        _ => quote::format_ident!("arg{at}", span = proc_macro2::Span::mixed_site()),
    };
    Param { pat: pat.clone(), ty: ty.clone(), name, bindings }
}

/// The names that `pat` binds.
fn bindings(pat: &Pat) -> Vec<Ident> {
    #[derive(Default)]
    struct Bindings(Vec<Ident>);
    impl Visit<'_> for Bindings {
        fn visit_pat_ident(&mut self, pat: &syn::PatIdent) {
            // `None` and `MAX` in a pattern are constants.
            let name = pat.ident.unraw().to_string();
            if pat.subpat.is_some() || name.starts_with(|c: char| c == '_' || !c.is_uppercase()) {
                self.0.push(pat.ident.clone());
            }
            visit::visit_pat_ident(self, pat);
        }
    }
    let mut found = Bindings::default();
    found.visit_pat(pat);
    found.0
}

fn color(sig: &Signature, body: &TokenTree) -> Color {
    if sig.asyncness.is_some() {
        return Color::Async;
    }
    match (boxed_output(sig), body) {
        (Some(output), TokenTree::Group(group)) => match boxed_body(group) {
            Some(body) => Color::Boxed(Box::new(Boxed { output, body })),
            None => Color::Blocking,
        },
        _ => Color::Blocking,
    }
}

/// `T` of a signature with `'async_trait` and `-> Pin<Box<dyn Future<Output = T> + …>>`.
fn boxed_output(sig: &Signature) -> Option<Type> {
    sig.generics.lifetimes().find(|param| param.lifetime.ident == "async_trait")?;
    let ReturnType::Type(_, pin) = &sig.output else { return None };
    let Type::TraitObject(future) = argument_of(argument_of(pin, "Pin")?, "Box")? else { return None };
    future.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let segment = bound.path.segments.last().filter(|segment| segment.ident == "Future")?;
            let PathArguments::AngleBracketed(list) = &segment.arguments else { return None };
            list.args.iter().find_map(|argument| match argument {
                GenericArgument::AssocType(output) if output.ident == "Output" => Some(output.ty.clone()),
                _ => None,
            })
        }
        _ => None,
    })
}

/// `T` of `…::Name<T>`.
fn argument_of<'t>(ty: &'t Type, name: &str) -> Option<&'t Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(list) = &segment.arguments else { return None };
    list.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The content of `{ Box::pin(async move { … }) }`.
fn boxed_body(block: &Group) -> Option<TokenStream> {
    let parse = |input: ParseStream<'_>| {
        let path: Path = input.parse()?;
        let argument;
        syn::parenthesized!(argument in input);
        argument.parse::<Token![async]>()?;
        argument.parse::<Token![move]>()?;
        let body;
        syn::braced!(body in argument);
        let body: TokenStream = body.parse()?;
        let is_pin = path.segments.last().is_some_and(|segment| segment.ident == "pin");
        Ok((input.is_empty() && is_pin).then_some(body))
    };
    syn::parse::Parser::parse2(parse, block.stream()).ok().flatten()
}

/// `#[async_trait]` names an argument with a pattern `__arg1` and moves the pattern into the body: `let PAT = …`.
fn restore_patterns(params: &mut [Param], body: &TokenStream) {
    let Ok(statements) = syn::parse::Parser::parse2(Block::parse_within, body.clone()) else { return };
    for statement in &statements {
        let Stmt::Local(Local { pat, init: Some(init), .. }) = statement else { continue };
        let Expr::Block(block) = &*init.expr else { continue };
        let Some(Stmt::Expr(Expr::Path(path), None)) = block.block.stmts.last() else { continue };
        if let Some(param) = params.iter_mut().find(|param| path.path.is_ident(&param.name)) {
            param.bindings = bindings(pat);
            param.pat = pat.clone();
        }
    }
}

/// The first `impl Trait` in `ty`.
pub(crate) fn impl_trait(ty: &Type) -> Option<&TypeImplTrait> {
    #[derive(Default)]
    struct Finder<'t>(Option<&'t TypeImplTrait>);
    impl<'t> Visit<'t> for Finder<'t> {
        fn visit_type_impl_trait(&mut self, found: &'t TypeImplTrait) {
            self.0.get_or_insert(found);
        }
    }
    let mut finder = Finder::default();
    finder.visit_type(ty);
    finder.0
}

/// Whether `impl Trait` stands anywhere in `ty`.
pub(crate) fn contains_impl_trait(ty: &Type) -> bool {
    impl_trait(ty).is_some()
}

/// Whether one of `names` stands anywhere in `tokens`.
pub(crate) fn mentions(tokens: &TokenStream, names: &dyn Fn(&Ident) -> bool) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => names(&ident),
        TokenTree::Group(group) => mentions(&group.stream(), names),
        _ => false,
    })
}
