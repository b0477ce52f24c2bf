//! Media: the demonstration stream, cut once by ffmpeg into CMAF segments, and the minting of signed
//! addresses for it.
//!
//! The same CMAF tracks are served as a short film that is complete (`vod`), as a channel that repeats it for
//! ever (`live`), and as that channel at low latency (`ll`): in parts, with blocking playlists and hints, and
//! in segments that are sent while they grow. Each form has an HLS and a DASH manifest.
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
mod channel;
mod cut;
mod ffmpeg;
mod fragments;
mod mint;
mod mpd;
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
