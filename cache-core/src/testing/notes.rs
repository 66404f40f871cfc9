//! What one process has noted, as text, and what others have noted beside it: histories of several processes as one.
//! What the notes mean is not known here.

use serde::{Deserialize, Serialize};

use super::log::{Got, Invalidated, Loaded, Log};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::pattern::Pattern;
use crate::scope::Scope;
use crate::tag::Tag;

/// All notes of a process. Keys are named by their place in `keys`.
#[derive(Serialize, Deserialize)]
struct Notes {
    processes: u32,
    keys: Vec<String>,
    edges: Vec<(String, Vec<String>)>,
    loads: Vec<Load>,
    invalidations: Vec<Invalidation>,
    reads: Vec<Read>,
    nothing: u64,
}

#[derive(Serialize, Deserialize)]
struct Load {
    number: u64,
    key: usize,
    span: (u64, u64),
    tags: Vec<String>,
    includes: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct Invalidation {
    target: Target,
    process: u32,
    everywhere: bool,
    span: (u64, u64),
    spared: u64,
}

#[derive(Serialize, Deserialize)]
enum Target {
    Key(String),
    Pattern(String),
    Tag(String),
    Everything,
}

#[derive(Serialize, Deserialize)]
struct Read {
    key: usize,
    process: u32,
    span: (u64, u64),
    number: u64,
}

/// Everything that was noted so far.
pub(super) fn write(log: &Log) -> Result<String> {
    let closed = log.close();
    let text = |tag: &Tag| tag.as_str().to_owned();
    let loads = closed.loads().map(|load| Load {
        number: load.number,
        key: load.key.index(),
        span: (load.began, load.ended),
        tags: load.tags.iter().map(text).collect(),
        includes: load.includes.clone(),
    });
    let invalidations = closed.invalidations().map(|invalidated| Invalidation {
        target: Target::of(&invalidated.target),
        process: invalidated.process,
        everywhere: invalidated.everywhere,
        span: (invalidated.began, invalidated.ended),
        spared: invalidated.spared,
    });
    let reads = closed.reads().map(|read| Read {
        key: read.key.index(),
        process: read.process,
        span: (read.began, read.ended),
        number: read.number,
    });
    let notes = Notes {
        processes: closed.processes,
        keys: closed.keys.iter().map(|key| key.whole().to_owned()).collect(),
        edges: closed.edges.iter().map(|(tag, to)| (text(tag), to.iter().map(text).collect())).collect(),
        loads: loads.collect(),
        invalidations: invalidations.collect(),
        reads: reads.collect(),
        nothing: closed.pages.iter().map(|page| page.nothing).sum(),
    };
    serde_json::to_string(&notes).map_err(|error| Error::new(ErrorKind::Encode, error.to_string()))
}

/// Notes all of `text` in `log`.
pub(super) fn add(log: &Log, text: &str) -> Result<()> {
    let malformed = || Error::new(ErrorKind::Protocol, "these are no notes of a history");
    let notes: Notes = serde_json::from_str(text).map_err(|_| malformed())?;
    let names: Vec<_> = notes.keys.iter().map(|key| log.name(&Key::from(key))).collect();
    let name = |place: usize| names.get(place).copied().ok_or_else(malformed);
    log.at_least(notes.processes);
    for (tag, dependents) in notes.edges {
        log.depend(Tag::from(tag), dependents.into_iter().map(Tag::from).collect());
    }
    let mut page = log.page();
    for Load { number, key, span: (began, ended), tags, includes } in notes.loads {
        let tags = tags.into_iter().map(Tag::from).collect();
        page.loads.push(Loaded { number, key: name(key)?, began, ended, tags, includes });
    }
    for Invalidation { target, process, everywhere, span: (began, ended), spared } in notes.invalidations {
        let target = target.scope();
        log.at_least(process);
        page.invalidations.push(Invalidated { target, process, everywhere, began, ended, spared });
    }
    for Read { key, process, span: (began, ended), number } in notes.reads {
        log.at_least(process);
        page.reads.push(Got { key: name(key)?, process, began, ended, number });
    }
    page.nothing += notes.nothing;
    Ok(())
}

impl Target {
    fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Key(key) => Self::Key(key.whole().to_owned()),
            Scope::Pattern(pattern) => Self::Pattern(pattern.as_str().to_owned()),
            Scope::Tag(tag) => Self::Tag(tag.as_str().to_owned()),
            Scope::Everything => Self::Everything,
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Key(key) => Scope::Key(Key::from(key)),
            Self::Pattern(pattern) => Scope::Pattern(Pattern::from(pattern)),
            Self::Tag(tag) => Scope::Tag(Tag::from(tag)),
            Self::Everything => Scope::Everything,
        }
    }
}
