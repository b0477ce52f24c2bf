//! Codes for cameras (ISO/IEC 18004), as SVG and PNG.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder, QRCode};

/// Light modules around the code; the standard asks for four.
const QUIET: usize = 4;
/// Pixels of a module in the smallest and the largest picture.
pub(crate) const SCALE_MAX: usize = 32;

/// The dark modules of a code, with the quiet zone around them.
pub(crate) struct Picture {
    code: QRCode,
}

impl Picture {
    /// The code of a text; `None` for one too long for any code.
    pub(crate) fn of(text: &str) -> Option<Self> {
        QRBuilder::new(text).ecl(ECL::M).build().ok().map(|code| Self { code })
    }

    /// Modules of an edge.
    pub(crate) fn modules(&self) -> usize {
        self.code.size + 2 * QUIET
    }

    fn is_dark(&self, row: usize, column: usize) -> bool {
        let inside = QUIET..QUIET + self.code.size;
        inside.contains(&row)
            && inside.contains(&column)
            && self.code[row - QUIET][column - QUIET].value()
    }

    /// A scalable picture.
    pub(crate) fn svg(&self) -> String {
        let size = self.modules();
        let mut path = String::new();
        for row in 0..size {
            for column in (0..size).filter(|column| self.is_dark(row, *column)) {
                let _ = write!(path, "M{column} {row}h1v1h-1z");
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" \
             shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/>\
             <path d=\"{path}\"/></svg>"
        )
    }

    /// A picture of `scale` pixels a module, one bit a pixel.
    pub(crate) fn png(&self, scale: usize) -> Vec<u8> {
        let side = self.modules() * scale.clamp(1, SCALE_MAX);
        let rows = self.scanlines(side, scale.clamp(1, SCALE_MAX));
        let side = u32::try_from(side).unwrap_or(u32::MAX).to_be_bytes();
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        // One bit of grey a pixel, no interlace.
        let header = [&side[..], &side[..], &[1, 0, 0, 0, 0]].concat();
        chunk(&mut out, b"IHDR", &header);
        chunk(&mut out, b"IDAT", &stored(&rows));
        chunk(&mut out, b"IEND", &[]);
        out
    }

    /// Each line: filter 0, then the pixels, light as 1.
    fn scanlines(&self, side: usize, scale: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(side * (side / 8 + 2));
        for y in 0..side {
            out.push(0);
            for first in (0..side).step_by(8) {
                let bits = (0..8).filter(|bit| !self.is_dark(y / scale, (first + bit) / scale));
                out.push(bits.fold(0, |byte, bit| byte | (0x80 >> bit)));
            }
        }
        out
    }
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let body = [&kind[..], data].concat();
    out.extend_from_slice(&body);
    out.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
}

/// A zlib stream (RFC 1950) of stored blocks (RFC 1951 section 3.2.4): the picture is small enough.
fn stored(data: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 0xffff;
    let mut out = vec![0x78, 0x01];
    let last = data.chunks(BLOCK).count().saturating_sub(1);
    for (index, block) in data.chunks(BLOCK).enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(0);
        out.push(u8::from(index == last));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&adler32(data).to_be_bytes());
    out
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    (b << 16) | a
}
