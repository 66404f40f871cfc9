//! The rules of `#[cached]`, and the plan that its expansion follows.

use std::collections::BTreeSet;

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::Type;
use syn::ext::IdentExt as _;

use super::names::{Names, Part, ResultName, Root, Value};
use super::{is_async, is_safe, leaves_self_alone, returns_a_value};
use crate::args::{CachedArgs, Companion, Slot};
use crate::diagnose::{Mistake, Problems, quoted};
use crate::function::{Function, contains_impl_trait, mentions};
use crate::place::Place;
use crate::template::Format;

/// Everything that the expansion of `#[cached]` needs to know.
pub(crate) struct Plan<'a> {
    pub(crate) function: &'a Function,
    pub(crate) args: &'a CachedArgs,
    /// The key, without the head that stands for a missing template.
    pub(crate) key: Vec<Part>,
    /// Whether the key begins with the function's own place: there is no `key` option.
    pub(crate) default_head: bool,
    pub(crate) tags: Vec<Vec<Part>>,
    pub(crate) keyed: Vec<Keyed>,
    pub(crate) home: Home,
}

/// An argument that the key reads, in the order of the signature.
pub(crate) struct Keyed {
    pub(crate) at: usize,
    pub(crate) by: KeyedAs,
}

/// How a companion takes an argument.
pub(crate) enum KeyedAs {
    /// By its type.
    Argument,
    /// By any key part: its type is generic, and the key writes it whole.
    Part,
    /// By the type of its items, which are called so.
    Item(Ident),
}

/// Where companions live.
#[derive(Clone)]
pub(crate) enum Home {
    /// In a type of this name.
    Type(Ident),
    /// Beside the function, under names that begin with this one.
    Beside(Ident),
    Nowhere,
}

/// Applies every rule. The plan is complete if there are no problems, and as complete as it can be otherwise.
pub(crate) fn cached<'a>(function: &'a Function, args: &'a CachedArgs, problems: &mut Problems) -> Plan<'a> {
    is_async(function, problems);
    is_safe(function, problems);
    leaves_self_alone(function, problems);
    returns_a_value(function, args.local.is_written(), problems);

    let each_is_unclear = args.each.is_written() && !each_names_a_slice(function, args, problems);
    let each = args.each.get();
    let names = Names { function, each, each_is_unclear, result: ResultName::TooEarlyForKey };
    let (key, lost) = match args.key.get() {
        Some(template) => names.resolve(template, problems),
        None if args.key.is_written() => (Vec::new(), usize::MAX),
        None => (default_key(function, args), 0),
    };
    let tag_names = Names { result: ResultName::TooEarlyForTag, ..names };
    let tags = args
        .tags
        .get()
        .into_iter()
        .flat_map(|tags| &tags.templates)
        .map(|tag| tag_names.resolve(tag, problems).0)
        .collect();

    let lost = skips_are_known(&tag_names, args, &key, problems).saturating_add(lost);
    if lost != usize::MAX && !each_is_unclear {
        everything_is_keyed(&tag_names, args, &key, lost, problems);
    }
    options_agree(args, problems);
    arguments_can_be_kept(function, args, problems);
    let home = home(function, args);
    body_can_be_called_again(function, args, &home, problems);

    Plan {
        function,
        args,
        keyed: keyed(function, args, &key),
        key,
        default_head: !args.key.is_written(),
        tags,
        home,
    }
}

/// Without `key`, every argument that is not skipped is in the key.
fn default_key(function: &Function, args: &CachedArgs) -> Vec<Part> {
    let skipped: Vec<String> =
        args.skip.get().into_iter().flatten().map(|name| name.unraw().to_string()).collect();
    let wanted = |name: &Ident| !skipped.contains(&name.unraw().to_string());
    let mut roots = Vec::new();
    if let Some(receiver) = function.receiver()
        && !skipped.iter().any(|name| name == "self")
    {
        roots.push((Root::Receiver, "self".to_owned(), receiver.self_token.span));
    }
    let each = args.each.get();
    for (at, param) in function.params.iter().enumerate() {
        for binding in param.bindings.iter().filter(|name| wanted(name)) {
            match each.filter(|each| each.list == *binding) {
                Some(each) => {
                    roots.push((Root::Item(each.item.clone()), each.item.to_string(), each.item.span()));
                }
                None => roots.push((
                    Root::Argument(at, binding.clone()),
                    binding.unraw().to_string(),
                    binding.span(),
                )),
            }
        }
    }
    for (name, kind) in function.generics().filter(|&(name, kind)| kind == "const" && wanted(name)) {
        debug_assert_eq!(kind, "const");
        roots.push((Root::Const(name.clone()), name.to_string(), name.span()));
    }
    let parts = roots.into_iter().flat_map(|(root, name, span)| {
        let text = format!("<{name}>");
        let value = Value { root, fields: Vec::new(), format: Format::Plain, text, span };
        [Part::Text(":".to_owned()), Part::Value(value)]
    });
    parts.collect()
}

/// `skip` names arguments, once each, that the key does not read. Returns how many names stand for nothing known.
fn skips_are_known(names: &Names<'_>, args: &CachedArgs, key: &[Part], problems: &mut Problems) -> usize {
    if args.skip.is_written() && args.skip.get().is_none() {
        return usize::MAX;
    }
    let mut lost = 0;
    let mut seen = BTreeSet::new();
    for skipped in args.skip.get().into_iter().flatten() {
        let name = skipped.unraw().to_string();
        if !seen.insert(name.clone()) {
            problems.at(skipped, Mistake::SkipTwice { name: &name });
        } else if names.find(&name).is_none() {
            let (function, known) = (names.function.name(), names.known());
            problems.at(skipped, Mistake::UnknownSkip { name: &name, function: &function, known: &known });
            lost += 1;
        } else if let Some(value) = values(key).find(|value| root_name(&value.root) == name)
            && args.key.is_written()
        {
            problems.at(skipped, Mistake::SkipKeyed { name: &name, placeholder: &value.text });
        }
    }
    lost
}

/// A mistake that may turn out to be another one.
type Report<'f> = Box<dyn FnOnce(&mut Problems) + 'f>;

/// An argument that is neither in the key nor skipped would make different calls share an entry.
fn everything_is_keyed(
    names: &Names<'_>,
    args: &CachedArgs,
    key: &[Part],
    lost: usize,
    problems: &mut Problems,
) {
    let function = names.function;
    let mut settled: BTreeSet<String> = values(key).map(|value| root_name(&value.root)).collect();
    settled.extend(args.skip.get().into_iter().flatten().map(|name| name.unraw().to_string()));
    if let Some(each) = args.each.get() {
        // A template that forgets `<id>` is reported by `each_names_a_slice`.
        settled.insert(each.list.unraw().to_string());
    }

    let mut missing: Vec<Report<'_>> = Vec::new();
    if let Some(receiver) = function.receiver().filter(|_| !settled.contains("self")) {
        let token = receiver.self_token;
        missing.push(Box::new(move |problems| problems.at(&token, Mistake::UnkeyedSelf)));
    }
    for binding in function.params.iter().flat_map(|param| &param.bindings) {
        let name = binding.unraw().to_string();
        if !settled.contains(&name) {
            missing.push(Box::new(move |problems| {
                problems.at(binding, Mistake::Unkeyed { argument: &name, placeholder: &format!("<{name}>") });
            }));
        }
    }
    for (parameter, kind) in function.generics() {
        // A parameter of an argument's type goes where the argument goes.
        let in_argument = function
            .params
            .iter()
            .any(|param| mentions(&param.ty.to_token_stream(), &|ident| ident == parameter));
        if !in_argument && !settled.contains(&parameter.to_string()) {
            missing.push(Box::new(move |problems| {
                let name = parameter.to_string();
                problems.at(parameter, Mistake::UnkeyedGeneric { parameter: &name, kind });
            }));
        }
    }
    // As many as were lost may only be misspelt.
    if missing.len() > lost {
        for report in missing {
            report(problems);
        }
    }
}

/// Options that need or exclude each other.
fn options_agree(args: &CachedArgs, problems: &mut Problems) {
    needs(
        &args.stale,
        "ttl",
        args.ttl.is_written(),
        "an entry becomes stale when its `ttl` is over",
        problems,
    );
    needs(
        &args.stale_if,
        "stale",
        args.stale.is_written(),
        "there is no stale value to fall back to",
        problems,
    );
    needs(
        &args.timeout,
        "stale",
        args.stale.is_written(),
        "there is no stale value to answer with",
        problems,
    );
    excludes(
        &args.local,
        &args.lock,
        "what never leaves the process needs no lock across processes",
        problems,
    );
    excludes(&args.each, &args.stale, "a batch loads its missing ids in its caller's task", problems);
    excludes(&args.each, &args.early, "a batch loads its missing ids in its caller's task", problems);
    excludes(&args.each, &args.lock, "two batches could each hold an id that the other waits for", problems);
}

fn needs<T>(option: &Slot<T>, other: &str, present: bool, why: &str, problems: &mut Problems) {
    if let Some(name) = option.written().filter(|_| !present) {
        problems.at(name, Mistake::NeedsOption { option: &name.unraw().to_string(), other, why });
    }
}

fn excludes<T, U>(option: &Slot<T>, other: &Slot<U>, why: &str, problems: &mut Problems) {
    if let (Some(option), Some(other)) = (option.written(), other.written()) {
        let (option, text) = (option.unraw().to_string(), other.unraw().to_string());
        problems.at(other, Mistake::Contradiction { option: &text, other: &option, why });
    }
}

/// A refresh in the background outlives the call, so it takes owned copies of the arguments.
fn arguments_can_be_kept(function: &Function, args: &CachedArgs, problems: &mut Problems) {
    let Some(option) = [args.stale.written(), args.early.written()].into_iter().flatten().next() else {
        return;
    };
    let option = option.unraw().to_string();
    for param in &function.params {
        let why = match &param.ty {
            Type::Reference(reference) if reference.mutability.is_some() => "is borrowed mutably",
            Type::Reference(reference) if matches!(&*reference.elem, Type::TraitObject(_)) => {
                "is a borrowed trait object"
            }
            ty if contains_impl_trait(ty) => "has a type without a name",
            _ => continue,
        };
        let ty = quoted(&param.ty);
        problems.at(
            &param.ty,
            Mistake::CannotOutlive { option: &option, argument: &param.name.to_string(), ty: &ty, why },
        );
    }
}

/// A refresh calls the body apart from the function, so it has to have a name of its own.
fn body_can_be_called_again(function: &Function, args: &CachedArgs, home: &Home, problems: &mut Problems) {
    let option = [args.stale.written(), args.early.written()].into_iter().flatten().next();
    let (Some(option), Home::Nowhere) = (option, home) else { return };
    let (text, name) = (option.unraw().to_string(), function.name());
    if function.place == Place::Trait {
        problems.at(option, Mistake::NeedsCompanion { option: &text, name: &name });
    } else {
        let why = "a refresh in the background calls the body by the companion's name";
        problems.at(option, Mistake::Contradiction { option: &text, other: "companion = none", why });
    }
}

/// `each(id in ids)` splits a slice argument, and every id needs an entry of its own. Returns whether the argument is
/// there.
fn each_names_a_slice(function: &Function, args: &CachedArgs, problems: &mut Problems) -> bool {
    let Some(each) = args.each.get() else { return false };
    let (item, list) = (each.item.unraw().to_string(), each.list.unraw().to_string());
    let bindings =
        || function.params.iter().flat_map(|param| &param.bindings).map(|name| name.unraw().to_string());
    let Some(param) =
        function.params.iter().find(|param| param.bindings.iter().any(|name| name.unraw() == list))
    else {
        let known: Vec<String> = bindings().collect();
        problems
            .at(&each.list, Mistake::EachUnknown { list: &list, function: &function.name(), known: &known });
        return false;
    };
    if !matches!(&param.ty, Type::Reference(reference) if matches!(&*reference.elem, Type::Slice(_))) {
        problems.at(&param.ty, Mistake::EachNotSlice { list: &list, ty: &quoted(&param.ty) });
    }
    if bindings().any(|name| name == item) {
        problems.at(&each.item, Mistake::EachShadows { item: &item });
    }
    if let Some(template) = args.key.get()
        && !template.placeholders().any(|placeholder| placeholder.root == item)
        && template.broken == 0
    {
        problems.at_span(template.span(), Mistake::EachUnkeyed { item: &item, list: &list });
    }
    true
}

/// The arguments that `key` reads.
fn keyed(function: &Function, args: &CachedArgs, key: &[Part]) -> Vec<Keyed> {
    let generics: Vec<String> = function.generics().map(|(name, _)| name.to_string()).collect();
    let is_generic = |ty: &Type| {
        contains_impl_trait(ty)
            || mentions(&ty.to_token_stream(), &|ident| generics.iter().any(|name| ident == name))
    };
    let mut keyed = Vec::new();
    for (at, param) in function.params.iter().enumerate() {
        if let Some(each) = args.each.get().filter(|each| param.bindings.contains(&each.list)) {
            keyed.push(Keyed { at, by: KeyedAs::Item(each.item.clone()) });
            continue;
        }
        let mut reads =
            values(key).filter(|value| matches!(&value.root, Root::Argument(of, _) if *of == at)).peekable();
        if reads.peek().is_some() {
            let whole = reads.all(|value| value.fields.is_empty() && value.format == Format::Plain);
            let by = if whole && param.is_plain() && is_generic(&param.ty) {
                KeyedAs::Part
            } else {
                KeyedAs::Argument
            };
            keyed.push(Keyed { at, by });
        }
    }
    keyed
}

fn home(function: &Function, args: &CachedArgs) -> Home {
    let own = function.sig.ident.clone();
    match (args.companion.get(), function.place) {
        (Some(Companion::None), _) | (_, Place::Trait) => Home::Nowhere,
        (Some(Companion::Named(name)), Place::Inherent) => Home::Beside(name.clone()),
        (Some(Companion::Named(name)), Place::Module) => Home::Type(name.clone()),
        (Some(Companion::Method), _) | (None, Place::Inherent) => Home::Beside(own),
        (None, Place::Module) => Home::Type(own),
    }
}

/// The placeholders of a key.
pub(crate) fn values<'p>(parts: impl IntoIterator<Item = &'p Part>) -> impl Iterator<Item = &'p Value> {
    parts.into_iter().filter_map(|part| match part {
        Part::Value(value) => Some(value),
        _ => None,
    })
}

/// The name that a user has for `root`.
fn root_name(root: &Root) -> String {
    match root {
        Root::Receiver => "self".to_owned(),
        Root::Argument(_, name) | Root::Const(name) | Root::Type(name) | Root::Item(name) => {
            name.unraw().to_string()
        }
        Root::Result => "result".to_owned(),
    }
}
