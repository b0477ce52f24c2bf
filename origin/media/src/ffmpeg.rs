//! Whether ffmpeg is here and good enough, and how to get it.

use std::path::Path;
use std::process::Command;

/// What became of the search for ffmpeg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FfmpegStatus {
    /// It is here and has what the demonstration stream needs.
    Ready {
        /// Its version, as it says itself.
        version: String,
        /// Whether it can write text into the picture.
        draws_text: bool,
    },
    /// It is not on the `PATH`.
    Missing {
        /// The command that installs it.
        install: String,
    },
    /// It is here and lacks something.
    Unfit {
        /// What it lacks.
        reason: String,
        /// The command that installs another one.
        install: String,
    },
}

impl FfmpegStatus {
    /// A line for people; absent when all is well.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Ready { .. } => None,
            Self::Missing { install } => {
                Some(format!("ffmpeg is not installed, so there is no demo video: {install}"))
            }
            Self::Unfit { reason, install } => {
                Some(format!("ffmpeg {reason}, so there is no demo video: {install}"))
            }
        }
    }
}

/// Looks for ffmpeg on the `PATH`; takes some tens of milliseconds and blocks for that long.
pub fn ffmpeg_status() -> FfmpegStatus {
    let install = install_line();
    let Some(version) = ask(&["-version"]) else { return FfmpegStatus::Missing { install } };
    let version = version.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
    let encoders = ask(&["-encoders"]).unwrap_or_default();
    for wanted in ["libx264", "aac"] {
        if !has_word(&encoders, wanted) {
            return FfmpegStatus::Unfit { reason: format!("has no encoder {wanted}"), install };
        }
    }
    let draws_text = has_word(&ask(&["-filters"]).unwrap_or_default(), "drawtext");
    FfmpegStatus::Ready { version, draws_text }
}

fn ask(args: &[&str]) -> Option<String> {
    let output = Command::new("ffmpeg").arg("-hide_banner").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn has_word(text: &str, word: &str) -> bool {
    text.lines().any(|line| line.split_whitespace().nth(1) == Some(word))
}

/// The command of the package manager that this machine has.
fn install_line() -> String {
    const MANAGERS: [(&str, &str); 6] = [
        ("/usr/bin/apt-get", "sudo apt-get install -y ffmpeg fonts-dejavu-core"),
        ("/usr/bin/dnf", "sudo dnf install -y ffmpeg-free"),
        ("/usr/bin/pacman", "sudo pacman -S --noconfirm ffmpeg"),
        ("/sbin/apk", "sudo apk add ffmpeg font-dejavu"),
        ("/opt/homebrew/bin/brew", "brew install ffmpeg"),
        ("/usr/local/bin/brew", "brew install ffmpeg"),
    ];
    let here = MANAGERS.iter().find(|(program, _)| Path::new(program).exists());
    here.map_or("install ffmpeg from https://ffmpeg.org/download.html", |(_, line)| line).to_owned()
}
