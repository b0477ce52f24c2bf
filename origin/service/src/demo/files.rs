//! The files of the page, in the binary, each below a path that holds a hash of its bytes.

use std::sync::LazyLock;

use tidegate_origin_kit::auth::sha256_hex;

const HASH_CHARS: usize = 16;

/// One file.
pub(super) struct File {
    name: &'static str,
    /// Media type.
    pub(super) kind: &'static str,
    /// The file.
    pub(super) bytes: &'static [u8],
}

static FILES: [File; 3] = [
    File {
        name: "demo.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../../static/demo.css"),
    },
    File {
        name: "demo.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../static/demo.js"),
    },
    File {
        name: "hls.min.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../static/hls.min.js"),
    },
];

static ADDRESSES: LazyLock<Vec<String>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|f| format!("/static/{}/{}", &sha256_hex(f.bytes)[..HASH_CHARS], f.name))
        .collect()
});

/// The address of a file; empty for a name that is none.
pub(super) fn address(name: &str) -> &'static str {
    let index = FILES.iter().position(|file| file.name == name);
    index.map_or("", |index| &ADDRESSES[index])
}

/// The file at an address. One with another hash is another file, that is not here any more.
pub(super) fn find(hash: &str, name: &str) -> Option<&'static File> {
    let index = FILES.iter().position(|file| file.name == name)?;
    (ADDRESSES[index] == format!("/static/{hash}/{name}")).then(|| &FILES[index])
}
