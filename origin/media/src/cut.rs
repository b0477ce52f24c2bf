//! Cuts the demonstration stream: a generated picture with a running clock, in two sizes, and a tone.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stream::{
    AUDIO_HZ, FPS, PART_US, SEGMENT_FRAMES, SEGMENT_US, SEGMENTS, TRACKS, TrackPlan, file_of,
};

/// Bytes of ffmpeg's complaints that are kept.
const COMPLAINT_BYTES_MAX: u64 = 4096;
/// Microseconds of the film.
const FILM_US: u64 = SEGMENT_US as u64 * SEGMENTS;

const FONTS: &[&str] = &[
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/TTF/DejaVuSansMono.ttf",
    "/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono.ttf",
    "/usr/share/fonts/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationMono-Regular.ttf",
    "/System/Library/Fonts/Supplemental/Courier New.ttf",
];

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CutError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("ffmpeg failed: {0}")]
    Ffmpeg(String),
}

/// Writes the stream into `folder`, which must be empty; `progress` is told the percent done.
pub(crate) async fn cut(
    folder: &Path,
    draws_text: bool,
    progress: impl Fn(u8) + Send,
) -> Result<(), CutError> {
    run(folder, arguments(draws_text.then(font).flatten()), progress).await
}

/// Runs ffmpeg in the folder.
async fn run(
    folder: &Path,
    arguments: Vec<String>,
    progress: impl Fn(u8) + Send,
) -> Result<(), CutError> {
    let mut child = Command::new("ffmpeg")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| CutError::Io { path: "ffmpeg".into(), source })?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ((), complaint) = tokio::join!(follow(out, progress), hear(err));
    ended(child, complaint).await
}

async fn ended(mut child: Child, complaint: String) -> Result<(), CutError> {
    let status = child.wait().await.map_err(|e| CutError::Ffmpeg(e.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let last = complaint.lines().last().unwrap_or("no message").to_owned();
    Err(CutError::Ffmpeg(format!("{status}: {last}")))
}

/// Reads what `-progress` writes: lines `out_time_us=<n>`.
async fn follow(out: Option<tokio::process::ChildStdout>, progress: impl Fn(u8)) {
    let Some(out) = out else { return };
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let time = line.strip_prefix("out_time_us=").and_then(|us| us.parse::<u64>().ok());
        if let Some(us) = time {
            let percent = us.saturating_mul(100) / FILM_US;
            progress(u8::try_from(percent.min(99)).unwrap_or(99));
        }
    }
}

async fn hear(err: Option<tokio::process::ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(err) = err {
        let mut err = err.take(COMPLAINT_BYTES_MAX);
        let _ = err.read_to_end(&mut text).await;
        // Whatever is left is read as well, so that ffmpeg does not wait for room.
        let _ = tokio::io::copy(&mut err.into_inner(), &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn font() -> Option<&'static str> {
    FONTS.iter().copied().find(|path| Path::new(path).exists())
}

fn arguments(font: Option<&str>) -> Vec<String> {
    let mut args: Vec<String> =
        "-hide_banner -loglevel error -nostdin -y -progress pipe:1 -f lavfi -i"
            .split(' ')
            .map(str::to_owned)
            .collect();
    args.push(picture(font.is_some()));
    args.extend(["-f".to_owned(), "lavfi".to_owned(), "-i".to_owned()]);
    args.push(format!(
        "sine=frequency=220:beep_factor=4:sample_rate={AUDIO_HZ}:duration={}",
        FILM_US.div_ceil(1_000_000)
    ));
    args.extend(["-filter_complex".to_owned(), filter(font)]);
    args.extend(outputs());
    args
}

/// Without a font the picture is the one that has a clock of its own.
fn picture(has_font: bool) -> String {
    let source = if has_font { "testsrc2" } else { "testsrc" };
    let (width, height) = size(&TRACKS[0]);
    let frames = u64::from(SEGMENT_FRAMES) * SEGMENTS;
    format!("{source}=size={width}x{height}:rate={FPS},trim=end_frame={frames}")
}

fn filter(font: Option<&str>) -> String {
    let clock = font.map_or_else(String::new, |font| {
        let font = font.replace('\\', "\\\\").replace(':', "\\:").replace('\'', "\\'");
        format!(
            "drawtext=fontfile='{font}':text='%{{pts\\:hms}}':fontsize=64:fontcolor=white:box=1:\
             boxcolor=black@0.6:boxborderw=16:x=(w-tw)/2:y=(h-th)/2,"
        )
    });
    let (width, height) = size(&TRACKS[1]);
    format!("[0:v]{clock}split=2[v0][b];[b]scale={width}:{height}[v1]")
}

fn size(plan: &TrackPlan) -> (u32, u32) {
    plan.picture.map_or((0, 0), |picture| (picture.width, picture.height))
}

/// One file a track, in fragments that are the parts of the channel.
fn outputs() -> Vec<String> {
    let mut args = Vec::new();
    let mut add = |text: String| args.extend(text.split(' ').map(str::to_owned));
    for (index, plan) in TRACKS.iter().enumerate() {
        let rate = plan.kbit;
        if plan.picture.is_some() {
            let (most, buffer) = (rate * 115 / 100, rate * 2);
            // Every segment begins with a key frame of its own, whatever the picture does.
            let gop = SEGMENT_FRAMES;
            add(format!(
                "-map [v{index}] -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g {gop} \
                 -keyint_min {gop} -sc_threshold 0 -b:v {rate}k -maxrate {most}k -bufsize {buffer}k"
            ));
        } else {
            // So many frames last exactly as long as the picture.
            let frames = FILM_US * u64::from(AUDIO_HZ) / 1_000_000 / 1024;
            add(format!("-map 1:a -c:a aac -b:a {rate}k -ac 2 -frames:a {frames}"));
        }
        add(format!(
            "-f mp4 -movflags +cmaf+empty_moov+default_base_moof+frag_keyframe \
             -frag_duration {PART_US} {}",
            file_of(plan.name)
        ));
    }
    args
}
