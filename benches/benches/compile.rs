//! What an attribute costs whoever compiles it: 300 annotated functions, checked and built, beside the same functions without.
//! `cargo bench -p benches --bench compile`. Takes some minutes; what the functions depend on is built before.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use benches::table::{Table, ratio};

/// How many functions a crate has.
const FUNCTIONS: usize = 300;

/// How often each crate is compiled; the median counts.
const ROUNDS: usize = 5;

/// A crate that differs from the others in what stands above its functions; `@` is the function's number.
struct Subject {
    krate: &'static str,
    name: &'static str,
    attribute: &'static str,
}

const SUBJECTS: [Subject; 5] = [
    Subject { krate: "plain", name: "no attribute", attribute: "" },
    Subject {
        krate: "ours",
        name: "larder #[cached(ttl, key)]",
        attribute: "#[larder::cached(ttl = 300, key = \"user@:<id>\")]",
    },
    Subject {
        krate: "ours_alone",
        name: "the same, companion = none",
        attribute: "#[larder::cached(ttl = 300, key = \"user@:<id>\", companion = none)]",
    },
    Subject {
        krate: "theirs",
        name: "cached 4.1 #[cached(max_size, ttl)], u64 key",
        attribute: "#[cached::macros::cached(max_size = 1000, ttl_secs = 300)]",
    },
    Subject {
        krate: "theirs_text",
        name: "cached 4.1 #[cached(max_size, ttl)], String key",
        attribute: "#[cached::macros::cached(max_size = 1000, ttl_secs = 300, key = \"String\", \
                    convert = { format!(\"user@:{id}\") })]",
    },
];

fn main() -> io::Result<()> {
    let effort = if env::args().any(|argument| argument == "--quick") { 1 } else { ROUNDS };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile");
    write(&folder)?;
    println!(
        "{FUNCTIONS} functions in a crate; processor time of cargo and rustc together, then what a clock shows.\n"
    );
    for (verb, about) in [("check", "cargo check"), ("build", "cargo build, debug")] {
        for subject in &SUBJECTS {
            // What it depends on.
            compile(&folder, subject, verb)?;
        }
        let mut samples: Vec<Vec<Sample>> = SUBJECTS.iter().map(|_| Vec::new()).collect();
        for round in 0..effort {
            for turn in 0..SUBJECTS.len() {
                // Nobody always comes after the same neighbour.
                let number = (turn + round) % SUBJECTS.len();
                samples[number].push(compile(&folder, &SUBJECTS[number], verb)?);
            }
        }
        println!("{}", table(about, &samples));
    }
    Ok(())
}

fn table(about: &str, samples: &[Vec<Sample>]) -> Table {
    let headings = ["s, processor", "of no attribute", "ms each", "s, clock"];
    let mut table = Table::new(&[&[about], &headings[..]].concat());
    let median = |samples: &[Sample], of: fn(&Sample) -> f64| {
        let mut samples: Vec<f64> = samples.iter().map(of).collect();
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    let plain = median(&samples[0], |sample| sample.processor);
    for (subject, samples) in SUBJECTS.iter().zip(samples) {
        let processor = median(samples, |sample| sample.processor);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let each = (processor - plain) * 1000.0 / FUNCTIONS as f64;
        table.row(vec![
            subject.name.to_owned(),
            ratio(processor),
            ratio(processor / plain),
            ratio(each),
            ratio(median(samples, |sample| sample.elapsed)),
        ]);
    }
    table
}

/// What one run of cargo took, in seconds.
struct Sample {
    processor: f64,
    elapsed: f64,
}

/// Compiles the crate of `subject`, and nothing else: its dependencies have not changed since the last time.
fn compile(folder: &Path, subject: &Subject, verb: &str) -> io::Result<Sample> {
    fs::write(source(folder, subject), functions(subject))?;
    let (start, before) = (Instant::now(), processor_time());
    let status = Command::new(env!("CARGO"))
        .args([verb, "--offline", "--quiet", "--package", subject.krate])
        .current_dir(folder)
        // As for a first build, so that the whole crate is compiled each time.
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .stdin(Stdio::null())
        .status()?;
    let (elapsed, processor) = (start.elapsed(), processor_time().saturating_sub(before));
    if !status.success() {
        return Err(io::Error::other(format!("`{}` does not compile", subject.krate)));
    }
    Ok(Sample { processor: processor.as_secs_f64(), elapsed: elapsed.as_secs_f64() })
}

/// What the processes that this one has waited for have taken of all processors so far. Linux says it, in hundredths of a
/// second; elsewhere the column is empty.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses, which may hold anything.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

/// One workspace, so that all crates share what they depend on, at the versions of this project.
fn write(folder: &Path) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    fs::create_dir_all(folder)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let members: Vec<&str> = SUBJECTS.iter().map(|subject| subject.krate).collect();
    fs::write(
        folder.join("Cargo.toml"),
        format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[profile.dev]\ndebug = \"line-tables-only\"\n"
        ),
    )?;
    for subject in &SUBJECTS {
        let krate = folder.join(subject.krate);
        fs::create_dir_all(krate.join("src"))?;
        fs::write(
            krate.join("Cargo.toml"),
            format!(
                "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 cached = {{ version = \"4.1\", features = [\"async\"] }}\nlarder = {{ path = \"{}\" }}\n\
                 serde = {{ version = \"1\", features = [\"derive\"] }}\n",
                subject.krate,
                root.display()
            ),
        )?;
        fs::write(source(folder, subject), functions(subject))?;
    }
    Ok(())
}

fn source(folder: &Path, subject: &Subject) -> PathBuf {
    folder.join(subject.krate).join("src").join("lib.rs")
}

/// The functions, and a list of their futures: what nobody polls would not be built.
fn functions(subject: &Subject) -> String {
    let mut text = String::from(
        "//! Functions as a service has them.\n\
         use std::pin::Pin;\n\
         #[derive(Clone, serde::Serialize, serde::Deserialize)]\n\
         pub struct User { pub id: u64, pub name: String }\n\
         #[derive(Clone)]\n\
         pub struct Error;\n\
         async fn load(id: u64) -> Result<User, Error> {\n\
         \x20   if id == 0 { Err(Error) } else { Ok(User { id, name: id.to_string() }) }\n\
         }\n",
    );
    let mut list = String::new();
    for number in 0..FUNCTIONS {
        let attribute = subject.attribute.replace('@', &number.to_string());
        let _ = write!(
            text,
            "{attribute}\npub async fn user{number}(id: u64) -> Result<User, Error> {{\n    \
             let user = load(id).await?;\n    Ok(User {{ name: user.name, id: user.id + {number} }})\n}}\n"
        );
        let _ = write!(list, "Box::pin(user{number}(id)), ");
    }
    let _ = writeln!(
        text,
        "pub fn all(id: u64) -> Vec<Pin<Box<dyn Future<Output = Result<User, Error>>>>> {{ vec![{list}] }}"
    );
    text
}
