//! The tree being checked: where it is, its packages and features, and commands that run in it.
//! What is checked is not decided here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace this program was built in.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub(crate) fn here() -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: own.parent().unwrap_or(own).to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The target folder that all steps share, also those that check a crate outside the workspace.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// A command that runs at the root of the workspace.
    /// The reader's own cache settings are kept out: a check must mean the same on every machine.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env_remove("CARGO_TERM_COLOR");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CACHE_") || name.starts_with("REDIS_")) {
                command.env_remove(name);
            }
        }
        command
    }

    /// `cargo` with these arguments.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = self.command(&cargo);
        command.args(arguments);
        command
    }

    /// `cargo` of the given toolchain, with these arguments.
    pub(crate) fn cargo_of(&self, toolchain: &str, arguments: &[&str]) -> Command {
        let mut command = self.command("rustup");
        command.args(["run", toolchain, "cargo"]).args(arguments);
        command
    }

    /// Every package's name and declared features, `default` left out; the facade first.
    pub(crate) fn packages(&self) -> io::Result<Vec<Package>> {
        let mut folders = vec![self.root.clone()];
        for entry in fs::read_dir(&self.root)? {
            folders.push(entry?.path());
        }
        folders[1..].sort();
        let manifests = folders.iter().map(|folder| folder.join("Cargo.toml")).filter(|path| path.is_file());
        manifests.map(|path| Ok(Package::read(&fs::read_to_string(path)?))).collect()
    }
}

/// What a manifest says about a package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) features: Vec<String>,
}

impl Package {
    /// Reads a manifest line by line; a full TOML parser would be this program's only dependency.
    fn read(manifest: &str) -> Self {
        let (mut name, mut features, mut section) = (String::new(), Vec::new(), "");
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line.trim();
            } else if let Some((left, right)) = line.split_once('=') {
                match (section, left.trim()) {
                    ("[package]", "name") => right.trim().trim_matches('"').clone_into(&mut name),
                    ("[features]", feature) if feature != "default" && !feature.starts_with('#') => {
                        features.push(feature.trim_matches('"').to_owned());
                    }
                    _ => {}
                }
            }
        }
        Self { name, features }
    }
}

/// The names of all test targets, read from `cargo metadata --no-deps`.
pub(crate) fn test_targets(metadata: &str) -> Vec<String> {
    let targets = metadata.split(r#""kind":["test"]"#).skip(1);
    targets
        .filter_map(|target| target.split_once(r#""name":""#)?.1.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_gives_its_name_and_features() {
        let manifest = r#"
[workspace.package]
version = "0.1.0"

[package]
name = "larder"

[features]
default = ["memory"]
# Off = on.
memory = ["dep:cache-memory"]
redis = [
    "dep:cache-redis",
]

[dependencies]
serde = "1"
"#;
        let expected =
            Package { name: "larder".to_owned(), features: vec!["memory".to_owned(), "redis".to_owned()] };
        assert_eq!(Package::read(manifest), expected);
    }

    #[test]
    fn every_member_is_found() {
        let packages = Workspace::here().packages().unwrap();
        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names[0], "larder");
        assert!(names.contains(&"cache-core") && names.contains(&"xtask"), "{names:?}");
    }

    #[test]
    fn test_targets_are_found_among_others() {
        let metadata = r#"{"targets":[{"kind":["lib"],"crate_types":["lib"],"name":"tests","src_path":"a"},
            {"kind":["test"],"crate_types":["bin"],"name":"ui","src_path":"b"},
            {"kind":["test"],"crate_types":["bin"],"name":"contract","src_path":"c"}]}"#;
        assert_eq!(test_targets(metadata), ["ui", "contract"]);
        assert!(test_targets("{}").is_empty());
    }
}
