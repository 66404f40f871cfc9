//! What is checked, in order: the cheap and telling first, so that a mistake is known early.
//! The steps share one target folder, in which the one with other compiler flags has a folder of its own; a step that
//! needs no binary only checks.

use std::fs;
use std::path::Path;

use crate::counts::Counts;
use crate::process::{self, check};
use crate::redis::{self, Server};
use crate::suite::{Done, Failure, Outcome, Step};
use crate::tree::Tree;
use crate::version::Version;
use crate::workspace::{Package, Workspace, test_targets};
use crate::{browser, claims, house, postgres, report};

/// Every step of `cargo xtask test`.
pub(crate) const ALL: &[Step] = &[
    Step {
        name: "redis",
        about: "a redis-server 7 or newer is here, or can be installed",
        run: |_| redis::ensure(),
    },
    Step {
        name: "postgres",
        about: "a PostgreSQL 13 or newer is here, or can be installed",
        run: |_| postgres::ensure(),
    },
    Step {
        name: "house",
        about: "files say what lives in them, stay short, and name no machine",
        run: house,
    },
    Step { name: "claims", about: "each row of docs/features.md names a test that is there", run: claims },
    Step { name: "fmt", about: "rustfmt has nothing to change", run: fmt },
    Step {
        name: "clippy",
        about: "no warning in any target with all features, none in a user's crate",
        run: clippy,
    },
    Step {
        name: "features",
        about: "each feature alone, none, and all together build without a warning",
        run: features,
    },
    Step { name: "budget", about: "at most 40 external crates by default, one of them syn", run: budget },
    Step { name: "test", about: "unit and integration tests", run: test },
    Step {
        name: "schedules",
        about: "three threads at once, in thousands of orders; a planted fault is noticed",
        run: schedules,
    },
    Step {
        name: "instructions",
        about: "a hit runs no more instructions than it may, in a release build",
        run: instructions,
    },
    Step { name: "doctest", about: "every example in the documentation and the README", run: doctest },
    Step {
        name: "contract",
        about: "a user's crate outside the workspace, with memory, with Redis, and with both",
        run: contract,
    },
    Step { name: "ui", about: "every mistake in an attribute gets its message, word by word", run: ui },
    Step { name: "docs", about: "the documentation builds without a warning", run: docs },
    Step { name: "msrv", about: "the oldest supported Rust builds the crates", run: msrv },
    Step { name: "deny", about: "licences, sources and duplicates of the dependencies", run: deny },
    Step { name: "quickstart", about: "the example, as the README runs it", run: quickstart },
    Step {
        name: "quickstart-redis",
        about: "the same program on Redis alone",
        run: |w| quickstart_on(w, "redis"),
    },
    Step {
        name: "quickstart-tiered",
        about: "the same program on memory over Redis",
        run: |w| quickstart_on(w, "tiered"),
    },
    Step {
        name: "quickstart-down",
        about: "the same program with a Redis that is not there",
        run: quickstart_down,
    },
    Step {
        name: "browser",
        about: "the dashboard in Chromium, over a Redis that goes and comes back",
        run: browser::run,
    },
];

/// External crates a user builds with the default features, at most.
const BUDGET: usize = 40;

/// The crate that stands for a user's, outside of the workspace.
const USER: &str = "tests/contract/Cargo.toml";

/// The features that choose a store; without one of them the facade says so instead of building.
const BACKENDS: [&str; 2] = ["memory", "redis"];

/// The compiler whose wording the UI fixtures hold.
const BLESSED: Version = Version { major: 1, minor: 95, patch: 0 };

fn house(workspace: &Workspace) -> Outcome {
    let mut git = workspace.command("git");
    git.args(["-c", "core.quotePath=false", "ls-files"]);
    let Some(listed) = process::run(git).ok().filter(|ran| ran.ok) else {
        return Ok(Done::skipped("not a git checkout, so which files are the project's is not known"));
    };
    let mut faults = Vec::new();
    let mut files = 0;
    for path in listed.output.lines().skip(1) {
        // Not text, or deleted and not yet committed: nothing to read either way.
        if let Ok(text) = fs::read_to_string(workspace.root().join(path)) {
            files += 1;
            faults.extend(house::faults(path, &text));
        }
    }
    if faults.is_empty() {
        Ok(Done::passed(format!("{files} files")))
    } else {
        Err(Failure(faults.join("\n")))
    }
}

fn claims(workspace: &Workspace) -> Outcome {
    const PAGE: &str = "docs/features.md";
    let read = |path: &str| fs::read_to_string(workspace.root().join(path)).ok();
    let page = read(PAGE).ok_or_else(|| Failure(format!("{PAGE} cannot be read")))?;
    match claims::check(&page, read) {
        Ok(claims) => Ok(Done::passed(format!("{} rows, {} tests", claims.rows, claims.tests))),
        Err(faults) => {
            Err(Failure(faults.iter().map(|fault| format!("{PAGE}, {fault}")).collect::<Vec<_>>().join("\n")))
        }
    }
}

fn fmt(workspace: &Workspace) -> Outcome {
    check(workspace.cargo(&["fmt", "--all", "--check", "--", "--color", "never"]))?;
    Ok(Done::passed(""))
}

fn clippy(workspace: &Workspace) -> Outcome {
    const ARGUMENTS: [&str; 7] =
        ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    check(workspace.cargo(&ARGUMENTS))?;
    // What the attributes write into a user's crate, under the strictest lints: `tests/contract/tests/lints.rs`.
    let mut user =
        workspace.cargo(&["clippy", "--manifest-path", USER, "--all-targets", "--", "-D", "warnings"]);
    user.env("CARGO_TARGET_DIR", workspace.target());
    check(user)?;
    Ok(Done::passed(""))
}

fn features(workspace: &Workspace) -> Outcome {
    let packages = workspace.packages()?;
    let mut built = 0;
    for package in &packages {
        if package.features.is_empty() {
            continue;
        }
        let facade = package.name == "larder";
        let alone = builds_alone(workspace, package)?;
        for feature in &package.features {
            // Where a store is required, a feature that is not one comes with the default store.
            let with_store = facade && !alone && !BACKENDS.contains(&feature.as_str());
            let chosen = if with_store { format!("memory,{feature}") } else { feature.clone() };
            check(workspace.cargo(&lint(
                &package.name,
                facade,
                &["--no-default-features", "--features", &chosen],
            )))?;
            built += 1;
        }
        check(workspace.cargo(&lint(&package.name, facade, &[])))?;
        check(workspace.cargo(&lint(&package.name, facade, &["--all-features"])))?;
        built += 2;
    }
    Ok(Done::passed(format!("{built} sets of features")))
}

/// The arguments that lint one package, the facade together with the program its users read first.
fn lint<'a>(package: &'a str, facade: bool, features: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["clippy", "--package", package, "--lib"];
    if facade {
        arguments.extend(["--example", "quickstart"]);
    }
    arguments.extend(features);
    arguments.extend(["--", "-D", "warnings"]);
    arguments
}

/// Whether `package` builds with no feature at all. One that does not must say which to choose, and nothing else.
fn builds_alone(workspace: &Workspace, package: &Package) -> Result<bool, Failure> {
    let arguments = lint(&package.name, false, &["--no-default-features"]);
    let ran = process::run(workspace.cargo(&arguments))?;
    if ran.ok {
        return Ok(true);
    }
    let mut errors =
        ran.output.lines().filter(|line| line.starts_with("error") && !line.contains("could not compile"));
    let first = errors.next().unwrap_or_default();
    let helpful = errors.next().is_none() && BACKENDS.iter().all(|backend| first.contains(backend));
    if helpful {
        Ok(false)
    } else {
        Err(Failure(format!(
            "{}\nwithout a feature: one error is expected, and it names the stores",
            ran.output
        )))
    }
}

fn budget(workspace: &Workspace) -> Outcome {
    let tree = |more: &[&str]| -> Result<Tree, Failure> {
        let mut arguments = vec!["tree", "--package", "larder", "--prefix", "none"];
        arguments.extend(more);
        Ok(Tree::read(&check(workspace.cargo(&arguments))?))
    };
    let default = tree(&["--edges", "normal,build"])?;
    if default.len() > BUDGET {
        let fault = format!("{} external crates by default, and {BUDGET} are the limit", default.len());
        return Err(Failure(format!("{}\n{fault}", default.listed())));
    }
    let syn = default.versions("syn");
    if syn.len() != 1 {
        return Err(Failure(format!("syn is there {} times: {}", syn.len(), syn.join(", "))));
    }
    let redis = tree(&["--edges", "normal,build", "--features", "redis"])?;
    let example = tree(&["--edges", "normal,build,dev"])?;
    Ok(Done::passed(format!(
        "{} crates; {} with redis; {} for the quickstart",
        default.len(),
        redis.len(),
        example.len()
    )))
}

fn test(workspace: &Workspace) -> Outcome {
    let output = if process::exists("cargo-nextest", &["--version"]) {
        check(workspace.cargo(&["nextest", "run", "--workspace", "--all-features", "-E", "not binary(ui)"]))?
    } else {
        let metadata = check(workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        let targets = test_targets(&metadata);
        let mut arguments = vec!["test", "--workspace", "--all-features", "--lib", "--bins"];
        for target in targets.iter().filter(|target| *target != "ui") {
            arguments.extend(["--test", target]);
        }
        check(workspace.cargo(&arguments))?
    };
    counted(&output, "tests")
}

fn schedules(workspace: &Workspace) -> Outcome {
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command =
        workspace.cargo(&["test", "--package", "tests", "--test", "schedules", "--", "--nocapture"]);
    command
        .env("RUSTFLAGS", format!("{given} --cfg shuttle").trim_start())
        // Next to what is built with the usual flags, it would throw that out.
        .env("CARGO_TARGET_DIR", workspace.target().join("shuttle"))
        // Nobody debugs or edits what is here: a small folder is all that matters.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0");
    let output = check(command)?;
    let count = |what| output.lines().filter(|line| line.contains(what)).count();
    match (count(" orders"), count(" is noticed in ")) {
        (0, _) | (_, 0) => Err(Failure(format!("{output}\nno order was tried, or no fault was planted"))),
        (stories, faults) => {
            Ok(Done::passed(format!("{stories} stories without a violation, {faults} faults noticed")))
        }
    }
}

fn instructions(workspace: &Workspace) -> Outcome {
    if !process::exists("valgrind", &["--version"]) {
        return Ok(Done::skipped("valgrind is not here to count them; install it with your package manager"));
    }
    let arguments = ["test", "--release", "--package", "hits", "--", "--nocapture"];
    let output = check(workspace.cargo(&arguments))?;
    let counts: Vec<&str> = output.lines().filter(|line| line.ends_with(" at most")).collect();
    if counts.is_empty() { Ok(Done::skipped(output)) } else { Ok(Done::passed(counts.join("; "))) }
}

fn doctest(workspace: &Workspace) -> Outcome {
    let output = check(workspace.cargo(&["test", "--workspace", "--all-features", "--doc"]))?;
    counted(&output, "documented examples")
}

fn contract(workspace: &Workspace) -> Outcome {
    let target = workspace.target();
    let nobody = format!("redis://127.0.0.1:{}", redis::free_port()?);
    let mut output = String::new();
    for features in ["memory", "redis", "memory,redis"] {
        let arguments = ["test", "--manifest-path", USER, "--no-default-features", "--features", features];
        let mut command = workspace.cargo(&arguments);
        command.env("CARGO_TARGET_DIR", &target);
        if features == "redis" {
            // Its tests expect that no server is there, and the default address may have one.
            command.env("CACHE_BACKEND", "redis").env("REDIS_URL", &nobody);
        }
        output.push_str(&check(command)?);
    }
    counted(&output, "tests")
}

/// A step that found no test has not tested anything: that is a failure of its own.
fn counted(output: &str, what: &str) -> Outcome {
    let Counts { passed: count, ignored } = Counts::read(output);
    match (count, ignored) {
        (0, _) => Err(Failure(format!("{output}\nno test ran"))),
        (_, 0) => Ok(Done::passed(format!("{count} {what}"))),
        _ => Ok(Done::passed(format!("{count} {what}, {ignored} ignored"))),
    }
}

fn ui(workspace: &Workspace) -> Outcome {
    const ARGUMENTS: [&str; 5] = ["test", "--workspace", "--all-features", "--test", "ui"];
    let metadata = check(workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    if !test_targets(&metadata).iter().any(|target| target == "ui") {
        return Err(Failure("no package has a test target `ui`".to_owned()));
    }
    let blessed = format!("{}.{}", BLESSED.major, BLESSED.minor);
    let mut rustc = workspace.command("rustc");
    rustc.arg("--version");
    let found = Version::find(&check(rustc)?).map(|version| format!("{}.{}", version.major, version.minor));
    let command = if found.as_deref() == Some(blessed.as_str()) {
        workspace.cargo(&ARGUMENTS)
    } else if has_toolchain(&BLESSED.to_string()) {
        workspace.cargo_of(&BLESSED.to_string(), &ARGUMENTS)
    } else {
        return Ok(Done::skipped(format!(
            "the fixtures hold the wording of rustc {blessed}; run `rustup toolchain install {BLESSED}`"
        )));
    };
    check(command)?;
    let (fail, pass) = (
        fixtures(&workspace.root().join("tests/ui"), "fail"),
        fixtures(&workspace.root().join("tests/ui"), "pass"),
    );
    Ok(Done::passed(format!("{} fixtures: {fail} mistakes, {pass} correct uses", fail + pass)))
}

/// How many programs lie in the folders called `kind` under `folder`.
fn fixtures(folder: &Path, kind: &str) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let inside = |path: &Path| {
        if path.is_dir() {
            fixtures(path, kind)
        } else {
            usize::from(folder.ends_with(kind) && path.extension().is_some_and(|extension| extension == "rs"))
        }
    };
    entries.flatten().map(|entry| inside(&entry.path())).sum()
}

fn has_toolchain(toolchain: &str) -> bool {
    process::exists("rustup", &["run", toolchain, "rustc", "--version"])
}

fn docs(workspace: &Workspace) -> Outcome {
    // The members nobody depends on are documented for readers of their source only.
    const ARGUMENTS: [&str; 14] = [
        "doc",
        "--workspace",
        "--all-features",
        "--no-deps",
        "--exclude",
        "xtask",
        "--exclude",
        "tests",
        "--exclude",
        "hits",
        "--exclude",
        "benches",
        "--exclude",
        "protocol",
    ];
    let mut command = workspace.cargo(&ARGUMENTS);
    command.env("RUSTDOCFLAGS", "-D warnings");
    check(command)?;
    Ok(Done::passed(""))
}

fn msrv(workspace: &Workspace) -> Outcome {
    let manifest = fs::read_to_string(workspace.root().join("Cargo.toml"))?;
    let line = manifest.lines().find(|line| line.starts_with("rust-version"));
    let Some(oldest) = line.and_then(Version::find) else {
        return Err(Failure("no `rust-version` in Cargo.toml".to_owned()));
    };
    let toolchain = oldest.to_string();
    if !has_toolchain(&toolchain) {
        return Ok(Done::skipped(format!(
            "Rust {toolchain} is not here; run `rustup toolchain install {toolchain}`"
        )));
    }
    // All but `sea-orm`: SeaORM itself needs a newer one.
    check(workspace.cargo_of(&toolchain, &["check", "--package", "larder", "--features", "full,testing"]))?;
    Ok(Done::passed(format!("Rust {toolchain}")))
}

fn deny(workspace: &Workspace) -> Outcome {
    if !process::exists("cargo-deny", &["--version"]) {
        return Ok(Done::skipped("cargo-deny is not here; run `cargo install --locked cargo-deny`"));
    }
    check(workspace.cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"]))?;
    Ok(Done::passed(""))
}

fn quickstart(workspace: &Workspace) -> Outcome {
    let output = check(workspace.cargo(&["run", "--example", "quickstart"]))?;
    report::cached(&output)
}

fn quickstart_on(workspace: &Workspace, backend: &str) -> Outcome {
    let server = Server::start()?;
    let output = with_redis(workspace, backend, &server.url())?;
    report::cached(&output)
}

fn quickstart_down(workspace: &Workspace) -> Outcome {
    let nobody = format!("redis://127.0.0.1:{}", redis::free_port()?);
    let output = with_redis(workspace, "redis", &nobody)?;
    report::uncached(&output)
}

fn with_redis(workspace: &Workspace, backend: &str, url: &str) -> Result<String, Failure> {
    let mut command = workspace.cargo(&["run", "--features", "redis", "--example", "quickstart"]);
    command.env("CACHE_BACKEND", backend).env("REDIS_URL", url);
    check(command)
}
