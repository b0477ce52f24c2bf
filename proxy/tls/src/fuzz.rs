//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.

use crate::{
    Fingerprint,
    hello::{self, Parsed},
};

/// The first message of a client: no panic, and what is complete stays what it is with more behind it.
pub fn client_hello(data: &[u8]) {
    let parsed = hello::parse(data);
    if let Parsed::Complete(hello) = &parsed {
        assert_eq!(Fingerprint::of(hello).as_str().len(), 36, "a fingerprint has one length");
        let longer = [data, b"\x16\x03\x01"].concat();
        assert_eq!(hello::parse(&longer), parsed, "what follows changes nothing");
    }
    if parsed != Parsed::Partial {
        return;
    }
    for end in 0..data.len() {
        let before = hello::parse(&data[..end]);
        assert_eq!(before, Parsed::Partial, "a part of something partial is partial");
    }
}
