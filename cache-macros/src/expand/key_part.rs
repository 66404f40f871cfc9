//! `#[derive(KeyPart)]`: newtypes write what they hold, structs every field, enums the variant's name first.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Field, Fields, GenericParam, Path, parse_quote};

use super::{Private, local};
use crate::diagnose::{Mistake, Problems};

/// The whole derive.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut problems = Problems::default();
    let krate = krate(&input, &mut problems);
    for attr in
        fields(&input.data).flat_map(|field| &field.attrs).filter(|attr| attr.path().is_ident("key_part"))
    {
        problems.at(attr, Mistake::KeyPartOnField);
    }
    if let Data::Union(data) = &input.data {
        problems.at(&data.union_token, Mistake::UnionKey);
    }
    if problems.is_empty() { expand(&input, &Private(krate.as_ref())) } else { problems.into_tokens() }
}

/// All fields of a type.
fn fields(data: &Data) -> Box<dyn Iterator<Item = &Field> + '_> {
    match data {
        Data::Struct(data) => Box::new(data.fields.iter()),
        Data::Enum(data) => Box::new(data.variants.iter().flat_map(|variant| &variant.fields)),
        Data::Union(data) => Box::new(data.fields.named.iter()),
    }
}

/// `#[key_part(crate = path)]`, the only option.
fn krate(input: &DeriveInput, problems: &mut Problems) -> Option<Path> {
    let mut krate = None;
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("key_part")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error(Mistake::UnknownKeyPartOption));
            }
            krate = Some(meta.value()?.parse()?);
            Ok(())
        });
        if parsed.is_err() {
            problems.at(attr, Mistake::UnknownKeyPartOption);
        }
    }
    krate
}

fn expand(input: &DeriveInput, private: &Private<'_>) -> TokenStream {
    let name = &input.ident;
    let key = local("key");
    let body = match &input.data {
        Data::Struct(data) => {
            let pattern = pattern(&data.fields);
            let writes = struct_fields(private, &data.fields);
            quote! {
                let Self #pattern = self;
                #writes
            }
        }
        Data::Enum(data) if data.variants.is_empty() => quote!(match *self {}),
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let (ident, pattern) = (&variant.ident, pattern(&variant.fields));
                let (text, groups) = (syn::ext::IdentExt::unraw(ident).to_string(), groups(&variant.fields));
                quote! {
                    Self::#ident #pattern => {
                        #key.literal(#text);
                        #groups
                    }
                }
            });
            quote!(match self { #(#arms)* })
        }
        Data::Union(_) => TokenStream::new(),
    };

    let mut generics = input.generics.clone();
    for param in &mut generics.params {
        if let GenericParam::Type(param) = param {
            param.bounds.push(parse_quote!(#private::KeyPart));
        }
    }
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #private::KeyPart for #name #type_generics #where_clause {
            fn write(&self, #key: &mut #private::KeyWriter) {
                #body
            }
        }
    }
}

/// Binds every field to `field0`, `field1`, ….
fn pattern(fields: &Fields) -> TokenStream {
    let names = (0..fields.len()).map(|at| local(&format!("field{at}")));
    match fields {
        Fields::Named(list) => {
            let fields = list.named.iter().map(|field| &field.ident);
            quote!({ #(#fields: #names),* })
        }
        Fields::Unnamed(_) => quote!((#(#names),*)),
        Fields::Unit => TokenStream::new(),
    }
}

/// A newtype is what it holds; a struct without fields is the unit.
fn struct_fields(private: &Private<'_>, fields: &Fields) -> TokenStream {
    let key = local("key");
    match fields {
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
            let span = at(&unnamed.unnamed[0].ty);
            let (field, private) = (Ident::new("field0", span), private.at(span));
            quote_spanned!(span=> #private::KeyPart::write(#field, #key);)
        }
        _ if fields.is_empty() => quote!(#private::KeyPart::write(&(), #key);),
        _ => groups(fields),
    }
}

/// `(a)(b)`.
fn groups(fields: &Fields) -> TokenStream {
    let key = local("key");
    let writes = fields.iter().enumerate().map(|(index, field)| {
        let span = at(&field.ty);
        let name = Ident::new(&format!("field{index}"), span);
        quote_spanned!(span=> #key.group(#name);)
    });
    quote!(#(#writes)*)
}

fn at(ty: &syn::Type) -> Span {
    Span::mixed_site().located_at(ty.span())
}
