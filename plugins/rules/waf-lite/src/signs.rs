//! Signs of attacks and their points: 5 is certain enough alone, 3 wants company.

/// A sign: all its words appear, in this order.
struct Sign {
    words: &'static [&'static str],
    points: u32,
}

const fn sign(points: u32, words: &'static [&'static str]) -> Sign {
    Sign { words, points }
}

/// Texts are lower case, decoded, with single spaces.
const SIGNS: [Sign; 44] = [
    // Out of the document folder.
    sign(5, &["../../"]),
    sign(5, &["..\\..\\"]),
    sign(3, &["/../"]),
    sign(5, &["/etc/passwd"]),
    sign(5, &["/etc/shadow"]),
    sign(5, &["/proc/self/"]),
    sign(5, &["c:\\windows\\"]),
    sign(3, &["php://filter"]),
    sign(3, &["file:///"]),
    // SQL.
    sign(5, &["union", "select", "from"]),
    sign(5, &["union all select"]),
    sign(5, &["union select"]),
    sign(5, &["' or '1'='1"]),
    sign(5, &["' or 1=1"]),
    sign(5, &["\" or 1=1"]),
    sign(5, &["\" or \"1\"=\"1"]),
    sign(5, &["') or ('"]),
    sign(5, &["'; drop table"]),
    sign(5, &["; drop table"]),
    sign(5, &["information_schema."]),
    sign(5, &["waitfor delay '"]),
    sign(5, &["sleep(", ") --"]),
    sign(3, &["' and sleep("]),
    sign(5, &["benchmark(", "md5("]),
    sign(3, &["' --"]),
    sign(3, &["'--"]),
    sign(5, &["load_file("]),
    sign(5, &["into outfile"]),
    sign(5, &["xp_cmdshell"]),
    // Scripts in pages.
    sign(5, &["<script"]),
    sign(5, &["javascript:", "("]),
    sign(5, &["<svg", "onload"]),
    sign(5, &["<img", "onerror"]),
    sign(5, &["<body", "onload"]),
    sign(5, &["<iframe", "src"]),
    sign(3, &["onerror="]),
    sign(3, &["document.cookie"]),
    // Commands and lookups.
    sign(5, &["${jndi:"]),
    sign(5, &["; cat /"]),
    sign(5, &["| cat /"]),
    sign(5, &["$(curl "]),
    sign(5, &["; wget http"]),
    sign(5, &["<?php"]),
    sign(3, &["cmd.exe"]),
];

/// Points of a text. A text that only mentions a word of SQL has none.
pub(crate) fn points(text: &str) -> u32 {
    SIGNS.iter().filter(|sign| appears(sign.words, text)).map(|sign| sign.points).sum()
}

fn appears(words: &[&str], mut text: &str) -> bool {
    words.iter().all(|word| match text.find(word) {
        Some(at) => {
            text = &text[at + word.len()..];
            true
        }
        None => false,
    })
}
