//! Rendering a clip: a critical section that one program at a time is in, however many serve the same clips.

use std::fmt::Write as _;
use std::time::Duration;

use larder::{Cache, LockGuard};
use serde::Serialize;

use crate::database::{Clip, Database};
use crate::error::{Error, Result};
use crate::files::Files;
use crate::work::Work;

/// If the program dies while it renders, others may begin after this.
const LEASE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(crate) struct Renderer {
    pub database: Database,
    pub files: Files,
    pub work: Work,
}

#[derive(Debug, Serialize)]
pub(crate) struct Rendered {
    file: String,
    /// Whether it was rendered for this request.
    new: bool,
}

impl Renderer {
    /// The file of the clip, which is rendered if it is not there yet.
    ///
    /// If somebody else is rendering it, this waits for so long, or not at all.
    pub(crate) async fn render(&self, id: i64, wait: Option<Duration>) -> Result<Rendered> {
        let clip = self.clip(id).await?;
        if let Some(file) = clip.rendered {
            return Ok(Rendered { file, new: false });
        }
        let lock = held(&format!("render:{id}"), wait).await?;
        // Whoever had the lock before us may have done it.
        let clip = self.clip(id).await?;
        if let Some(file) = clip.rendered {
            return Ok(Rendered { file, new: false });
        }
        let file = format!("clip-{id}.svg");
        self.work.renders.count();
        self.files.write(&file, &storyboard(&clip)).await?;
        let new = self.database.set_rendered(&clip, &file).await?;
        // Dropping it would do; this way the next one need not wait for that. If it fails, the lease ends by itself.
        let _ = lock.release().await;
        Ok(Rendered { file, new })
    }

    async fn clip(&self, id: i64) -> Result<Clip> {
        self.database.clip(id).await?.ok_or_else(|| Error::not_found(format!("there is no clip {id}")))
    }
}

async fn held(name: &str, wait: Option<Duration>) -> Result<LockGuard> {
    let cache = Cache::global();
    let lock = match wait {
        None => cache.try_lock(name, LEASE).await?,
        Some(longest) => match tokio::time::timeout(longest, cache.lock(name, LEASE)).await {
            Ok(lock) => Some(lock?),
            Err(_elapsed) => None,
        },
    };
    lock.ok_or_else(|| {
        Error::conflict("this clip is being rendered; ask again in a moment, or with `?wait=10`")
    })
}

/// What a clip looks like: a bar for each beat of its title, ten times over.
fn storyboard(clip: &Clip) -> String {
    let mut svg = String::from(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1280 720">"#);
    for (beat, letter) in clip.title.chars().cycle().take(clip.title.chars().count() * 10).enumerate() {
        let height = 40 + u32::from(letter) % 600;
        // Writing to a String cannot fail.
        let _ = write!(svg, r#"<rect x="{}" y="{}" width="3" height="{height}"/>"#, beat * 5, 720 - height);
    }
    svg.push_str("</svg>\n");
    svg
}
