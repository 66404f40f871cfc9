//! What a program declares about its cache, and the mistakes that show only when all of it is seen together.

use std::fmt;
use std::time::Duration;

use crate::overlap::overlap;
use crate::scope::Scope;
use crate::site::{Mutation, Place, Registered, Site, registered};

/// What one `#[cached]` function declares.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Declared {
    /// The name of the function.
    pub function: &'static str,
    /// The path of its module.
    pub module: &'static str,
    /// The file its attribute is in.
    pub file: &'static str,
    /// The line its attribute is on.
    pub line: u32,
    /// The template of its key.
    pub template: &'static str,
    /// Its time to live, where that is a constant.
    pub ttl: Option<Duration>,
    /// The templates of its tags.
    pub tags: &'static [&'static str],
    /// Whether other functions may have its template.
    pub shared: bool,
    /// The type of its value, where that does not depend on type parameters.
    pub value_type: Option<&'static str>,
    /// The expression that names its cache; nothing for the global one.
    pub cache: Option<&'static str>,
    /// For how long after its time to live a value may still be served, where that is a constant.
    pub stale: Option<Duration>,
    /// What invalidates it, as far as attributes say so.
    pub invalidated_by: Vec<Invalidator>,
}

/// A target of a `#[cache_invalidate]` function that can reach a `#[cached]` one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidator {
    /// The name of the function.
    pub function: &'static str,
    /// The path of its module.
    pub module: &'static str,
    /// The file its attribute is in.
    pub file: &'static str,
    /// The line its attribute is on.
    pub line: u32,
    /// What it invalidates, as it is written there.
    pub target: &'static str,
    /// What kind of target that is.
    pub by: Means,
}

/// How a target names what it invalidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Means {
    /// By the template of keys, which may hold `*`.
    Key,
    /// By the template of a tag.
    Tag,
    /// By the name of a cached function. All functions of that name are taken for meant, unless one of them is in the
    /// same module: an attribute sees no further.
    Function,
}

/// What [`check`] found. Prints one line for each finding, also with `{:?}`, so that `unwrap` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Findings(Vec<String>);

/// Every `#[cached]` function of the linked crates, by its template.
///
/// Functions with type parameters are not among them, and neither are those of crates that the program
/// never names: `use my_app as _;` in a test links them.
#[must_use]
pub fn keys() -> Vec<Declared> {
    let (sites, mutations): (Vec<_>, Vec<_>) = (sites().collect(), mutations().collect());
    let mut declared: Vec<_> = sites.iter().map(|site| Declared::of(site, &sites, &mutations)).collect();
    declared.sort_by_key(|declared| (declared.template, declared.file, declared.line));
    declared
}

/// Looks for mistakes that no single attribute shows. For a test: `larder::check().unwrap();`
///
/// Finds string targets of `#[cache_invalidate]` that no `#[cached]` function can match, tags that none
/// declares, and functions of one cache whose keys can meet although their values are of different types or versions.
/// No `#[cached]` function at all is a finding too, since then nothing was checked. A key that is only ever set by hand is
/// known to no function, and so is a finding as a target: delete it by hand as well.
pub fn check() -> Result<(), Findings> {
    let sites: Vec<_> = sites().collect();
    let findings = findings(&sites, &mutations().collect::<Vec<_>>());
    if findings.is_empty() { Ok(()) } else { Err(Findings(findings)) }
}

fn sites() -> impl Iterator<Item = &'static Site> {
    registered().filter_map(|registered| match registered {
        Registered::Cached(site) => Some(*site),
        Registered::Mutation(_) => None,
    })
}

fn mutations() -> impl Iterator<Item = &'static Mutation> {
    registered().filter_map(|registered| match registered {
        Registered::Mutation(mutation) => Some(*mutation),
        Registered::Cached(_) => None,
    })
}

/// The templates of the declared keys that `scope` can reach.
pub(crate) fn reached_by(scope: &Scope) -> Vec<&'static str> {
    let reached = |site: &&Site| match scope {
        Scope::Key(key) => overlap(site.key_template(), key.as_str()),
        Scope::Pattern(pattern) => overlap(site.key_template(), pattern.as_str()),
        Scope::Tag(tag) => site.tag_templates().iter().any(|known| overlap(known, tag.as_str())),
        Scope::Everything => true,
    };
    sites().filter(reached).map(Site::key_template).collect()
}

/// Every target of `mutations` that can reach `site`.
fn invalidators(site: &Site, sites: &[&Site], mutations: &[&Mutation]) -> Vec<Invalidator> {
    let mut found = Vec::new();
    for mutation in mutations {
        let Place { function, module, file, line } = mutation.place();
        let mut add = |target, by| found.push(Invalidator { function, module, file, line, target, by });
        for target in mutation.target_templates() {
            if overlap(site.key_template(), target) {
                add(*target, Means::Key);
            }
        }
        for tag in mutation.tag_templates() {
            if site.tag_templates().iter().any(|known| overlap(known, tag)) {
                add(*tag, Means::Tag);
            }
        }
        for name in mutation.function_names() {
            let near = |site: &Site| site.place().function == *name && site.place().module == module;
            if near(site) || (site.place().function == *name && !sites.iter().any(|site| near(site))) {
                add(*name, Means::Function);
            }
        }
    }
    found.sort_by_key(|found| (found.file, found.line, found.target));
    found
}

fn findings(sites: &[&Site], mutations: &[&Mutation]) -> Vec<String> {
    if sites.is_empty() {
        return vec![
            "no cached function is linked into this program, so nothing was checked; name the crate that has \
             them: `use my_app as _;`"
                .to_owned(),
        ];
    }
    let mut findings = Vec::new();
    for mutation in mutations {
        let place = mutation.place();
        for target in mutation.target_templates() {
            if !sites.iter().any(|site| overlap(site.key_template(), target)) {
                findings
                    .push(format!("{place}: `{target}` matches no declared key; {}", nearest(target, sites)));
            }
        }
        for tag in mutation.tag_templates() {
            // What an observed function reads is known when it has read it.
            let may_carry = |site: &&Site| site.is_observed();
            if !sites.iter().any(may_carry)
                && !sites.iter().any(|site| site.tag_templates().iter().any(|known| overlap(known, tag)))
            {
                findings.push(format!("{place}: no cached function declares the tag `{tag}`"));
            }
        }
    }
    for (at, one) in sites.iter().enumerate() {
        findings.extend(sites[at + 1..].iter().filter_map(|other| conflict(one, other)));
    }
    findings
}

/// Why two functions must not have keys that meet, if theirs can.
fn conflict(one: &Site, other: &Site) -> Option<String> {
    let (one_key, other_key) = (one.key_template(), other.key_template());
    if one.cache_name() != other.cache_name() || !overlap(one_key, other_key) {
        return None;
    }
    let (one_place, other_place) = (one.place(), other.place());
    let types = one.value_type_name().zip(other.value_type_name());
    if let Some((one_type, other_type)) = types.filter(|(one, other)| one != other) {
        return Some(format!(
            "{one_place}: `{one_key}` holds `{one_type}`, and {other_place}: `{other_key}` holds `{other_type}`; their \
             keys can meet, so give one of them another literal"
        ));
    }
    let versions = (one.value_version(), other.value_version());
    (versions.0 != versions.1).then(|| {
        format!(
            "{one_place}: `{one_key}` is of version {}, and {other_place}: `{other_key}` of version {}; in one process \
             each would answer with what the other has stored, so give both the same `version`",
            versions.0, versions.1
        )
    })
}

/// The declared template that begins most like `target`.
fn nearest(target: &str, sites: &[&Site]) -> String {
    let common = |template: &str| template.chars().zip(target.chars()).take_while(|(a, b)| a == b).count();
    match sites.iter().map(|site| site.key_template()).max_by_key(|template| common(template)) {
        Some(template) => format!("the nearest is `{template}`"),
        None => "none is declared".to_owned(),
    }
}

impl Declared {
    fn of(site: &Site, sites: &[&Site], mutations: &[&Mutation]) -> Self {
        let Place { function, module, file, line } = site.place();
        Self {
            function,
            module,
            file,
            line,
            template: site.key_template(),
            ttl: site.fixed_ttl(),
            tags: site.tag_templates(),
            shared: site.is_shared(),
            value_type: site.value_type_name(),
            cache: site.cache_name(),
            stale: site.fixed_stale(),
            invalidated_by: invalidators(site, sites, mutations),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} `{}`", self.file, self.line, self.function)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl fmt::Debug for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for Findings {}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Site {
        Site::new("get_user", "app", "src/app.rs", 1, "user:<id>")
            .value_type(|| "User")
            .tags(&["team:<team>"])
    }

    fn admin() -> Site {
        Site::new("get_admin", "app", "src/app.rs", 9, "user:admin").value_type(|| "Admin")
    }

    fn feed() -> Site {
        Site::new("feed", "app", "src/app.rs", 20, "feed:<user>:<page>").value_type(|| "Feed")
    }

    #[test]
    fn a_target_that_reaches_nothing_is_named_with_the_nearest_template() {
        let typo = Mutation::new("import", "app", "src/app.rs", 30).targets(&["usr:*", "feed:<user>:*"]);
        let found = findings(&[&user(), &feed()], &[&typo]);
        let expected = "src/app.rs:30 `import`: `usr:*` matches no declared key; the nearest is `user:<id>`";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_tag_that_nobody_declares() {
        let typo = Mutation::new("import", "app", "src/app.rs", 30).tags(&["teams:<id>", "team:<id>"]);
        assert_eq!(
            findings(&[&user()], &[&typo]),
            ["src/app.rs:30 `import`: no cached function declares the tag `teams:<id>`"]
        );
    }

    #[test]
    fn keys_that_meet_with_different_types() {
        let found = findings(&[&user(), &admin(), &feed()], &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("get_user") && found[0].contains("get_admin"), "{found:?}");
        let apart = admin().cache("SESSIONS");
        assert!(findings(&[&user(), &apart], &[]).is_empty(), "in different caches they do not meet");
    }

    #[test]
    fn keys_that_meet_with_different_versions() {
        let (one, other) = (user().shared().version(1), user().shared().version(2));
        let found = findings(&[&one, &other], &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("version 1") && found[0].contains("version 2"), "{found:?}");
        assert!(findings(&[&one, &user().shared().version(1)], &[]).is_empty());
    }

    #[test]
    fn what_invalidates_a_function_is_found_by_key_tag_and_name() {
        const IMPORT: Mutation =
            Mutation::new("import", "app", "src/app.rs", 30).targets(&["user:*"]).tags(&["team:<id>"]);
        const RENAME: Mutation = Mutation::new("rename", "app", "src/app.rs", 40).functions(&["get_user"]);
        let (user, feed) = (user(), feed());
        let elsewhere = Site::new("get_user", "other", "src/other.rs", 1, "person:<id>");
        let found = |site: &Site, sites: &[&Site]| -> Vec<_> {
            let found = invalidators(site, sites, &[&RENAME, &IMPORT]);
            found.iter().map(|found| (found.function, found.target, found.by)).collect()
        };
        let sites = [&user, &feed, &elsewhere];
        let (key, tag) = (("import", "user:*", Means::Key), ("import", "team:<id>", Means::Tag));
        let name = ("rename", "get_user", Means::Function);
        assert_eq!(found(&user, &sites), [tag, key, name]);
        assert!(found(&feed, &sites).is_empty());
        assert!(found(&elsewhere, &sites).is_empty(), "there is one of that name in the module");
        assert_eq!(found(&elsewhere, &[&feed, &elsewhere]), [name]);
    }

    #[test]
    fn nothing_to_check_is_a_finding() {
        assert_eq!(findings(&[], &[]).len(), 1);
    }
}
