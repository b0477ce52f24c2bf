//! Where the stream lies once it is there, and the task that puts it there.
//!
//! # Life
//!
//! ```text
//! Looking -> Ready                       the folder is whole
//!         -> Cutting(percent) -> Ready   ffmpeg is here
//!                             -> Failed  and is tried again after a while
//!         -> Lacking                     no ffmpeg; looked for again after a while
//! ```

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tidegate_origin_kit::Clock;
use tidegate_origin_kit::service::Stop;

use crate::cut::{self, CutError};
use crate::ffmpeg::{FfmpegStatus, ffmpeg_status};
use crate::stream::{MARK, Mark, Stream};

/// Pause before ffmpeg is looked for, or tried, again.
const AGAIN: Duration = Duration::from_secs(15);

/// What there is to serve.
#[derive(Debug)]
pub(crate) enum Stock {
    /// Nobody looked yet.
    Looking,
    /// ffmpeg is at work, so many percent done.
    Cutting(u8),
    /// All there.
    Ready(Stream),
    /// There is no ffmpeg that could do it; what to do about it.
    Lacking(String),
    /// ffmpeg did not do it; why.
    Failed(String),
}

/// The one place where [`Stock`] lies.
#[derive(Debug)]
pub(crate) struct Shelf(ArcSwap<Stock>);

impl Shelf {
    /// What there is now.
    pub(crate) fn now(&self) -> Arc<Stock> {
        self.0.load_full()
    }

    pub(crate) fn put(&self, stock: Stock) {
        self.0.store(Arc::new(stock));
    }
}

impl Default for Shelf {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Stock::Looking))
    }
}

/// Puts the stream on the shelf, from `folder` or by cutting it there; returns once it is there.
pub(crate) async fn fill(shelf: Arc<Shelf>, folder: PathBuf, clock: Clock, mut stop: Stop) {
    loop {
        let stock = stock(&shelf, &folder, &clock).await;
        let ready = matches!(stock, Stock::Ready(_));
        report(&stock, &shelf.now());
        shelf.put(stock);
        if ready || !stop.sleep(AGAIN).await {
            return;
        }
    }
}

async fn stock(shelf: &Shelf, folder: &Path, clock: &Clock) -> Stock {
    let whole = folder.join("film");
    if let Ok(stream) = load(whole.clone()).await {
        return Stock::Ready(stream);
    }
    let status = tokio::task::spawn_blocking(ffmpeg_status).await;
    let draws_text = match status {
        Ok(FfmpegStatus::Ready { draws_text, .. }) => draws_text,
        Ok(other) => return Stock::Lacking(other.advice().unwrap_or_default()),
        Err(error) => return Stock::Failed(error.to_string()),
    };
    match make(shelf, folder, &whole, draws_text, clock).await {
        Ok(()) => load(whole).await.map_or_else(|e| Stock::Failed(e.to_string()), Stock::Ready),
        Err(error) => Stock::Failed(error.to_string()),
    }
}

async fn load(folder: PathBuf) -> std::io::Result<Stream> {
    tokio::task::spawn_blocking(move || Stream::load(&folder)).await?
}

/// Cuts into a folder aside, which takes its name when it is whole.
async fn make(
    shelf: &Shelf,
    folder: &Path,
    whole: &Path,
    draws_text: bool,
    clock: &Clock,
) -> Result<(), CutError> {
    let aside = folder.join("film.new");
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| CutError::Io { path, source }
    };
    let _ = tokio::fs::remove_dir_all(&aside).await;
    tokio::fs::create_dir_all(&aside).await.map_err(at(&aside))?;
    tracing::info!("cutting the demo video, this takes some seconds");
    shelf.put(Stock::Cutting(0));
    cut::cut(&aside, draws_text, |percent| shelf.put(Stock::Cutting(percent))).await?;
    let mark = serde_json::to_vec(&Mark { epoch: clock.now() }).unwrap_or_default();
    tokio::fs::write(aside.join(MARK), mark).await.map_err(at(&aside))?;
    let _ = tokio::fs::remove_dir_all(whole).await;
    tokio::fs::rename(&aside, whole).await.map_err(at(whole))
}

/// Says what changed, once.
fn report(new: &Stock, old: &Stock) {
    match (new, old) {
        (Stock::Ready(stream), _) => {
            let segments = stream.segments();
            tracing::info!(segments, "demo video ready");
        }
        (Stock::Lacking(_), Stock::Lacking(_)) | (Stock::Failed(_), Stock::Failed(_)) => {}
        (Stock::Lacking(advice), _) => tracing::warn!("{advice}"),
        (Stock::Failed(why), _) => tracing::warn!(%why, "demo video not made"),
        _ => {}
    }
}
