//! Media: the demonstration stream, cut once by ffmpeg into CMAF segments, and the minting of signed
//! addresses for it.
//!
//! The same segments are served twice: as a short film that is complete (`vod`), and as a channel that
//! never ends (`live`), whose playlist moves with the clock and loops over them. A third form, `ll`, is the
//! channel at low latency: the same film in parts of half a second, with blocking playlists and hints.
//!
//! It verifies no signature: that is the edge's part. It keeps no state but the segments.
//!
//! **Invariant:** a playlist names only segments that are there: the folder appears whole or not at all.
//! **Invariant:** the live playlist's sequence numbers never go back, not over a restart either.
//! **Invariant:** a minted address opens this stream alone, for ten minutes at most.
//!
//! The entry is [`service`].

#[expect(unused_qualifications, reason = "the macro of the document writes paths out")]
mod api;
mod cut;
mod ffmpeg;
mod fragments;
mod low_latency;
mod mint;
mod playlist;
mod shelf;
mod stream;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tidegate_origin_kit::service::BootError;
use tidegate_origin_kit::{Cx, Service};

use api::Desk;
use shelf::Shelf;

pub use ffmpeg::{FfmpegStatus, ffmpeg_status};
pub use mint::Signer;

/// The context's name, in settings and on the command line.
pub const NAME: &str = "media";

/// Gives the routes, and the task that cuts the demonstration stream where it is not there yet.
///
/// # Errors
/// None today; contexts have one shape.
pub fn service(cx: &Cx, signer: Signer) -> Result<Service, BootError> {
    let shelf = Arc::new(Shelf::default());
    let folder = cx.data_dir.join("media");
    let desk = Desk { shelf: Arc::clone(&shelf), clock: cx.clock.clone(), signer };
    let work = shelf::fill(shelf, folder, cx.clock.clone(), cx.stop.clone());
    Ok(Service::new(NAME, api::router(desk)).task("media demo stream", work))
}
