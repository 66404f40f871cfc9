//! Where the function stands: in a module, an inherent `impl`, or a trait and its `impl`s.
//!
//! An attribute sees the function alone, and the three look the same from inside. The source around it says which;
//! where that cannot be read (an editor, code made by a macro), the function's own tokens are asked.

mod source;

use proc_macro2::{Ident, TokenTree};
use quote::ToTokens as _;
use syn::Signature;

use crate::function::mentions;

/// Which items may be written beside the function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Any: the companion is a type of the function's name.
    Module,
    /// Functions and constants: companions are `load_key`, `load_uncached`, ….
    Inherent,
    /// None: a trait's `impl` holds what the trait declares.
    Trait,
}

impl Place {
    pub(crate) fn of(sig: &Signature, body: &TokenTree, async_trait: bool) -> Self {
        if async_trait {
            return Self::Trait;
        }
        match source::around(sig.ident.span()) {
            // A function with a receiver is none of a module's, whatever the source looks like.
            Some(Self::Module) if sig.receiver().is_some() => Self::Inherent,
            Some(place) => place,
            None => Self::of_tokens(sig, body),
        }
    }

    fn of_tokens(sig: &Signature, body: &TokenTree) -> Self {
        let says_self = |ident: &Ident| ident == "Self";
        let is_associated = sig.receiver().is_some()
            || mentions(&sig.to_token_stream(), &says_self)
            || mentions(&body.to_token_stream(), &says_self);
        if is_associated { Self::Inherent } else { Self::Module }
    }
}
