//! The file service: what is known of the files in a folder, and what is in them. A change through this program invalidates
//! at once; one by somebody else, with an editor or `cp`, as soon as the watcher has seen it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::{cache_invalidate, cached};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::work::Work;

/// How often the watcher looks.
const LOOKS: Duration = Duration::from_millis(250);

/// The files that are there at first: a text and two tables of this project.
const SEEDS: [(&str, &str); 3] = [
    ("LICENSE-APACHE", include_str!("../../../LICENSE-APACHE")),
    ("countries.tsv", include_str!("../../data/countries.tsv")),
    ("subdivisions.tsv", include_str!("../../data/subdivisions.tsv")),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub name: String,
    pub bytes: usize,
    pub lines: usize,
    pub words: usize,
    /// Seconds since 1970.
    pub modified: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    work: Work,
}

impl Files {
    /// The files of `folder`, which is made and filled if it is not there.
    pub(crate) async fn open(folder: PathBuf, work: Work) -> Result<Self> {
        tokio::fs::create_dir_all(&folder).await?;
        for (name, text) in SEEDS {
            let path = folder.join(name);
            if !tokio::fs::try_exists(&path).await? {
                tokio::fs::write(path, text).await?;
            }
        }
        Ok(Self { folder, work })
    }

    #[cached(key = "file:<name>:about", ttl = "1h", skip(self))]
    pub(crate) async fn about(&self, name: &str) -> Result<Option<About>> {
        let Some(text) = self.read(name).await? else { return Ok(None) };
        let modified = tokio::fs::metadata(self.path(name)?).await?.modified()?;
        Ok(Some(About {
            name: name.to_owned(),
            bytes: text.len(),
            lines: text.lines().count(),
            words: text.split_whitespace().count(),
            modified: modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        }))
    }

    #[cached(key = "file:<name>:text", ttl = "1h", skip(self))]
    pub(crate) async fn text(&self, name: &str) -> Result<Option<String>> {
        self.read(name).await
    }

    #[cache_invalidate("file:<name>:*")]
    pub(crate) async fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name)?;
        // In one step, or whoever reads meanwhile has half of it.
        let whole = tempfile::NamedTempFile::new_in(&self.folder)?;
        tokio::fs::write(whole.path(), text).await?;
        whole.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    #[cache_invalidate("file:<name>:*")]
    pub(crate) async fn delete(&self, name: &str) -> Result<bool> {
        match tokio::fs::remove_file(self.path(name)?).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets what was known before, and then looks for changes by others, for ever.
    pub(crate) async fn watch(self) -> impl Future<Output = ()> {
        let mut known = self.list().await.unwrap_or_default();
        self.nobody_looked().await;
        async move {
            loop {
                tokio::time::sleep(LOOKS).await;
                let Ok(seen) = self.list().await else { continue };
                let gone = known.keys().filter(|name| !seen.contains_key(*name));
                let changed = seen.iter().filter(|(name, state)| known.get(*name) != Some(state));
                for name in changed.map(|(name, _)| name).chain(gone) {
                    self.changed(name).await;
                }
                known = seen;
            }
        }
    }

    #[cache_invalidate("file:<name>:*")]
    async fn changed(&self, name: &str) {}

    // Redis may hold what was read before this program was started, and nobody knows what was changed since.
    #[cache_invalidate("file:*")]
    async fn nobody_looked(&self) {}

    /// What is in the folder, and how a change shows.
    async fn list(&self) -> Result<HashMap<String, (SystemTime, u64)>> {
        let mut files = HashMap::new();
        let mut folder = tokio::fs::read_dir(&self.folder).await?;
        while let Some(file) = folder.next_entry().await? {
            let about = file.metadata().await?;
            // Beginning with a dot, it is no file of ours, or half of one.
            if let (true, Ok(name)) = (about.is_file(), file.file_name().into_string())
                && !name.starts_with('.')
            {
                files.insert(name, (about.modified()?, about.len()));
            }
        }
        Ok(files)
    }

    async fn read(&self, name: &str) -> Result<Option<String>> {
        self.work.disk_reads.count();
        match tokio::fs::read_to_string(self.path(name)?).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Where `name` is: in the folder, and nowhere else.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(allowed) {
            return Err(Error::bad_request(format!(
                "{name:?} is no name of a file here: use letters, digits, `.`, `-` and `_`, 100 at most, and no `.` first"
            )));
        }
        Ok(self.folder.join(name))
    }
}
