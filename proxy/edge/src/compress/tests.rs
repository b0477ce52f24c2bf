use std::io::Read;

use bytes::Bytes;
use tidegate_http::{ContentCoding, FieldList};

use super::{code, encoder::Encoder, take_over_vary, vary};

fn decoded(coding: ContentCoding, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        ContentCoding::Gzip => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out)),
        ContentCoding::Brotli => drop(brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out)),
        ContentCoding::Zstd => {
            drop(zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut out));
        }
    }
    out
}

fn text() -> Vec<u8> {
    (0..20_000_u32).flat_map(|n| format!("line {} of a text\n", n * n % 977).into_bytes()).collect()
}

#[test]
fn what_is_coded_can_be_decoded() {
    let text = text();
    for coding in ContentCoding::ALL {
        let pieces: Vec<Bytes> = text.chunks(30_000).map(Bytes::copy_from_slice).collect();
        let whole = super::encoder::whole(coding, &pieces).unwrap();
        assert!(whole.len() * 3 < text.len(), "{coding:?}");
        assert_eq!(decoded(coding, &whole), text, "{coding:?}");
    }
}

#[test]
fn what_was_flushed_can_be_read_before_the_end() {
    for coding in ContentCoding::ALL {
        let mut encoder = Encoder::stream(coding).unwrap();
        let mut sent = Vec::new();
        for event in ["data: one\n\n", "data: two\n\n"] {
            encoder.write(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            sent.extend_from_slice(&encoder.take());
            assert!(decoded(coding, &sent).ends_with(event.as_bytes()), "{coding:?} {event:?}");
        }
        sent.extend_from_slice(&encoder.finish().unwrap());
        assert_eq!(decoded(coding, &sent), b"data: one\n\ndata: two\n\n");
    }
}

#[test]
fn fields_of_a_coded_response() {
    let mut fields: FieldList =
        [("ETag", "\"v1\""), ("Accept-Ranges", "bytes"), ("Content-MD5", "x"), ("Vary", "Origin")]
            .into_iter()
            .collect();
    vary(&mut fields);
    vary(&mut fields);
    code(&mut fields, ContentCoding::Brotli);
    assert_eq!(fields.value("etag"), Some(&b"W/\"v1\""[..]));
    assert_eq!(fields.value("content-encoding"), Some(&b"br"[..]));
    assert_eq!(fields.value("accept-ranges"), None);
    assert_eq!(fields.value("content-md5"), None);
    assert_eq!(fields.iter().filter(|f| f.name.eq_ignore_ascii_case(b"vary")).count(), 2);
    take_over_vary(&mut fields);
    assert_eq!(fields.value("vary"), Some(&b"Origin"[..]));
    let mut only: FieldList = [("Vary", "accept-encoding")].into_iter().collect();
    take_over_vary(&mut only);
    assert_eq!(only.value("vary"), None);
}
