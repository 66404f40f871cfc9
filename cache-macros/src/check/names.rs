//! Which names a template may say, and what each of its placeholders stands for.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt as _;
use syn::{Index, Member};

use crate::args::Each;
use crate::diagnose::{Mistake, Problems, nearest};
use crate::function::Function;
use crate::template::{Format, Placeholder, Segment, Template};

/// A segment whose placeholder has found its argument.
pub(crate) enum Part {
    Text(String),
    Wildcard,
    Value(Value),
}

/// `<root.field:format>`, resolved.
pub(crate) struct Value {
    pub(crate) root: Root,
    pub(crate) fields: Vec<Member>,
    pub(crate) format: Format,
    /// As the user wrote it, and where.
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// What a placeholder begins with. Idents are the argument's own tokens, so that macros may have made them.
#[derive(Clone)]
pub(crate) enum Root {
    Receiver,
    /// An argument by its place among those without the receiver, and the name it is bound to.
    Argument(usize, Ident),
    /// A const parameter.
    Const(Ident),
    /// A type parameter, which writes its name.
    Type(Ident),
    /// One of the ids of `each(id in ids)`.
    Item(Ident),
    /// What the function returned.
    Result,
}

/// The names of one function that its attribute may use.
pub(crate) struct Names<'f> {
    pub(crate) function: &'f Function,
    pub(crate) each: Option<&'f Each>,
    /// Whether `each` was written in a way that cannot be read.
    pub(crate) each_is_unclear: bool,
    /// Whether `<result>` means what the function returned.
    pub(crate) result: ResultName,
}

/// What `<result…>` means when no argument is called so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultName {
    Returned,
    /// There will be none.
    Nothing,
    /// A key is needed before there is a result.
    TooEarlyForKey,
    /// Tags known from the result are added in the body.
    TooEarlyForTag,
}

impl Names<'_> {
    /// Every name a placeholder may begin with, for messages.
    pub(crate) fn known(&self) -> Vec<String> {
        let function = self.function;
        let mut known: Vec<String> = match self.each {
            Some(each) => vec![each.item.unraw().to_string()],
            None => Vec::new(),
        };
        let arguments = function.params.iter().flat_map(|param| &param.bindings);
        known.extend(
            arguments
                .map(|name| name.unraw().to_string())
                .filter(|name| self.each.is_none_or(|each| each.list != name)),
        );
        known.extend(function.generics().map(|(name, _)| name.to_string()));
        if function.receiver().is_some() {
            known.push("self".to_owned());
        }
        known
    }

    /// What `name` stands for.
    pub(crate) fn find(&self, name: &str) -> Option<Root> {
        if name == "self" {
            return self.function.receiver().map(|_| Root::Receiver);
        }
        if let Some(each) = self.each.filter(|each| each.item.unraw() == name) {
            return Some(Root::Item(each.item.clone()));
        }
        let argument = self.function.params.iter().enumerate().find_map(|(at, param)| {
            let binding = param.bindings.iter().find(|binding| binding.unraw() == name)?;
            Some(Root::Argument(at, binding.clone()))
        });
        argument.or_else(|| {
            self.function.generics().find(|(ident, _)| ident.unraw() == name).map(
                |(ident, kind)| match kind {
                    "const" => Root::Const(ident.clone()),
                    _ => Root::Type(ident.clone()),
                },
            )
        })
    }

    fn find_or_result(&self, name: &str) -> Option<Root> {
        let result = (name == "result" && self.result == ResultName::Returned).then_some(Root::Result);
        self.find(name).or(result)
    }

    /// Resolves all of `template`. The count is of placeholders that stand for nothing known.
    pub(crate) fn resolve(&self, template: &Template, problems: &mut Problems) -> (Vec<Part>, usize) {
        let mut lost = template.broken;
        let mut parts = Vec::new();
        for segment in &template.segments {
            match segment {
                Segment::Text(text) => self.resolve_text(template, text, &mut parts, &mut lost, problems),
                Segment::Wildcard => parts.push(Part::Wildcard),
                Segment::Value(placeholder) => match self.root(template, placeholder, problems) {
                    Some(root) => parts.push(Part::Value(value(template, placeholder, root))),
                    None => lost = lost.saturating_add(1),
                },
            }
        }
        (parts, lost)
    }

    /// Braces in literal text are Redis Cluster's hash tags, unless they hold an argument's name.
    fn resolve_text(
        &self,
        template: &Template,
        text: &str,
        parts: &mut Vec<Part>,
        lost: &mut usize,
        problems: &mut Problems,
    ) {
        for inner in braced(text) {
            let name = inner.split(['.', ':']).next().unwrap_or_default();
            if inner.is_empty() {
                let example = self.known().first().map(|name| format!("<{name}>"));
                problems.at_span(template.span(), Mistake::EmptyBraces { example: example.as_deref() });
                *lost = lost.saturating_add(1);
            } else if let Some(root) = self.find_or_result(name) {
                // A format specification such as `:?` or `:>8` is none of ours.
                let path = inner.split(':').next().unwrap_or_default();
                let (braced, placeholder) = (format!("{{{inner}}}"), format!("<{path}>"));
                problems
                    .at_span(template.span(), Mistake::Braces { braced: &braced, placeholder: &placeholder });
                parts.push(Part::Value(Value {
                    root,
                    fields: Vec::new(),
                    format: Format::Plain,
                    text: placeholder,
                    span: template.span(),
                }));
            }
        }
        parts.push(Part::Text(text.to_owned()));
    }

    fn root(&self, template: &Template, placeholder: &Placeholder, problems: &mut Problems) -> Option<Root> {
        let Placeholder { text, root, fields, .. } = placeholder;
        if let Some(found) = self.find(root) {
            match &found {
                Root::Argument(..) if root == "result" && self.result == ResultName::Returned => {
                    problems.at_span(template.span(), Mistake::ResultIsArgument { placeholder: text });
                }
                Root::Const(_) | Root::Type(_) if !fields.is_empty() => {
                    problems.at_span(template.span(), Mistake::GenericPath { placeholder: text, root });
                }
                _ => {}
            }
            return Some(found);
        }
        let function = self.function.name();
        match (root.as_str(), self.result) {
            ("result", ResultName::Returned) => return Some(Root::Result),
            ("result", ResultName::Nothing) => {
                let mistake = Mistake::ResultOfNothing { placeholder: text, function: &function };
                problems.at_span(template.span(), mistake);
            }
            ("result", ResultName::TooEarlyForKey) => {
                problems.at_span(template.span(), Mistake::ResultInKey { placeholder: text });
            }
            ("result", ResultName::TooEarlyForTag) => {
                problems.at_span(template.span(), Mistake::ResultInTag { placeholder: text });
            }
            ("self", _) => {
                problems.at_span(template.span(), Mistake::NoSelf { placeholder: text, function: &function });
            }
            // Whatever the attribute's `each` was to name.
            _ if self.each_is_unclear => {}
            _ => {
                let known = self.known();
                let mistake = Mistake::UnknownPlaceholder {
                    placeholder: text,
                    root,
                    function: &function,
                    known: &known,
                };
                problems.at_span(template.span(), mistake);
                return nearest(root, known.iter().map(String::as_str)).and_then(|name| self.find(name));
            }
        }
        None
    }
}

fn value(template: &Template, placeholder: &Placeholder, root: Root) -> Value {
    // At the literal, but not the literal's own: else rustc offers to replace all of the template by a field's name.
    let span = Span::mixed_site().located_at(template.span());
    let fields = placeholder.fields.iter().map(|field| match field.parse() {
        Ok(index) => Member::Unnamed(Index { index, span }),
        Err(_) => Member::Named(ident(field, span)),
    });
    Value {
        root,
        fields: fields.collect(),
        format: placeholder.format,
        text: placeholder.text.clone(),
        span: template.span(),
    }
}

/// `name` as an identifier, raw where it is a keyword.
fn ident(name: &str, span: Span) -> Ident {
    let mut ident = syn::parse_str(name).unwrap_or_else(|_| Ident::new_raw(name, span));
    ident.set_span(span);
    ident
}

/// The content of every `{…}` in `text`.
fn braced(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner)
}
