//! Cuts the demonstration stream: a generated picture with a running clock and a tone, in two sizes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stream::{PARTS_FILE, RENDITIONS, SEGMENT_SECS, STREAM_SECS};

/// Bytes of ffmpeg's complaints that are kept.
const COMPLAINT_BYTES_MAX: u64 = 4096;
const FPS: u32 = 25;
/// Shortest fragment of the low-latency channel, microseconds.
const PART_US: u32 = 500_000;

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
    run(folder, arguments(draws_text.then(font).flatten()), progress).await?;
    for rendition in &RENDITIONS {
        run(folder, parts(rendition.name), |_| ()).await?;
    }
    Ok(())
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
            let percent = us.saturating_mul(100) / (u64::from(STREAM_SECS) * 1_000_000);
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
    args.push(format!("sine=frequency=220:beep_factor=4:sample_rate=48000:duration={STREAM_SECS}"));
    args.extend(["-filter_complex".to_owned(), filter(font)]);
    args.extend(outputs());
    args
}

/// Packs the segments of a size anew, in fragments of half a second.
fn parts(name: &str) -> Vec<String> {
    let text = format!(
        "-hide_banner -loglevel error -nostdin -y -progress pipe:1 -i {name}/index.m3u8 -map 0:v -map 0:a \
         -c copy -f mp4 -movflags +empty_moov+default_base_moof+frag_keyframe+cmaf \
         -frag_duration {PART_US} {name}/{PARTS_FILE}"
    );
    text.split(' ').map(str::to_owned).collect()
}

/// Without a font the picture is the one that has a clock of its own.
fn picture(has_font: bool) -> String {
    let source = if has_font { "testsrc2" } else { "testsrc" };
    let (width, height) = (RENDITIONS[0].width, RENDITIONS[0].height);
    format!("{source}=size={width}x{height}:rate={FPS}:duration={STREAM_SECS}")
}

fn filter(font: Option<&str>) -> String {
    let clock = font.map_or_else(String::new, |font| {
        let font = font.replace('\\', "\\\\").replace(':', "\\:").replace('\'', "\\'");
        format!(
            "drawtext=fontfile='{font}':text='%{{pts\\:hms}}':fontsize=64:fontcolor=white:box=1:\
             boxcolor=black@0.6:boxborderw=16:x=(w-tw)/2:y=(h-th)/2,"
        )
    });
    let small = &RENDITIONS[1];
    format!("[0:v]{clock}split=2[v0][b];[b]scale={}:{}[v1]", small.width, small.height)
}

fn outputs() -> Vec<String> {
    let mut args = Vec::new();
    let mut add = |text: &str| args.extend(text.split(' ').map(str::to_owned));
    add("-map [v0] -map 1:a -map [v1] -map 1:a -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    // Every segment begins with a key frame of its own, whatever the picture does.
    let gop = FPS * SEGMENT_SECS;
    add(&format!("-g {gop} -keyint_min {gop} -sc_threshold 0"));
    for (index, r) in RENDITIONS.iter().enumerate() {
        let (rate, most, buffer) = (r.kbit, r.kbit * 115 / 100, r.kbit * 2);
        add(&format!(
            "-b:v:{index} {rate}k -maxrate:v:{index} {most}k -bufsize:v:{index} {buffer}k"
        ));
    }
    add("-c:a aac -b:a 64k -ac 2 -f hls -hls_playlist_type vod -hls_flags independent_segments");
    add(&format!(
        "-hls_time {SEGMENT_SECS} -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4"
    ));
    add("-hls_segment_filename %v/%05d.m4s -master_pl_name master.m3u8 -var_stream_map");
    let map = RENDITIONS.iter().enumerate().map(|(i, r)| format!("v:{i},a:{i},name:{}", r.name));
    args.push(map.collect::<Vec<_>>().join(" "));
    args.push("%v/index.m3u8".to_owned());
    args
}
