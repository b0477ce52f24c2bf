//! Files of records: loading them at the start, and the index that each full one ends in.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _};
use tidegate_cache::Key;

use super::index::{Index, Line};
use super::record::{self, Header};

/// key 16, variant 8, generation 8, offset 4, length 4.
pub(super) const LINE_BYTES: usize = 40;
/// crc 4, number of lines 4, magic 8.
pub(super) const TRAILER_BYTES: usize = 16;
/// `tgindex1`.
const MAGIC: u64 = 0x3178_6564_6e69_6774;
const SUFFIX: &str = ".segment";

/// The file of a segment.
pub(super) fn path(dir: &Path, id: u32) -> PathBuf {
    dir.join(format!("{id:08x}{SUFFIX}"))
}

/// Opens every segment of a folder, oldest first, and fills the index; returns the number of the next one. A segment
/// that does not end in an index is scanned up to its last whole record and then gets one.
pub(super) fn load(dir: &Path, index: &Index) -> io::Result<u32> {
    let mut next = 0;
    for id in ids(dir)? {
        let file = File::options().read(true).write(true).open(path(dir, id))?;
        let lines = match read_lines(&file)? {
            Some(lines) => lines,
            None => repair(&file)?,
        };
        next = id + 1;
        if lines.is_empty() {
            fs::remove_file(path(dir, id))?;
            continue;
        }
        let bytes = file.metadata()?.len();
        index.add_segment(id, Arc::new(file), bytes);
        index.apply(id, &lines, bytes);
    }
    Ok(next)
}

/// Ends a segment of `length` bytes with the index of its records.
pub(super) fn write_lines(file: &File, length: u64, lines: &[Line]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(lines.len() * LINE_BYTES + TRAILER_BYTES);
    for line in lines {
        bytes.put_u128_le(line.key.as_u128());
        bytes.put_u64_le(line.variant);
        bytes.put_u64_le(line.generation);
        bytes.put_u32_le(line.offset);
        bytes.put_u32_le(line.length);
    }
    bytes.put_u32_le(crc32fast::hash(&bytes));
    bytes.put_u32_le(lines.len() as u32);
    bytes.put_u64_le(MAGIC);
    file.write_all_at(&bytes, length)
}

/// The index that a segment ends in; `None` when it does not.
pub(super) fn read_lines(file: &File) -> io::Result<Option<Vec<Line>>> {
    let length = file.metadata()?.len();
    let Some(trailer_at) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, trailer_at)?;
    let mut fields = &trailer[..];
    let (crc, count) = (fields.get_u32_le(), fields.get_u32_le() as usize);
    let lines_bytes = count * LINE_BYTES;
    let Some(lines_at) = trailer_at.checked_sub(lines_bytes as u64) else { return Ok(None) };
    if fields.get_u64_le() != MAGIC {
        return Ok(None);
    }
    let mut bytes = vec![0; lines_bytes];
    file.read_exact_at(&mut bytes, lines_at)?;
    Ok((crc32fast::hash(&bytes) == crc).then(|| bytes.chunks_exact(LINE_BYTES).map(line).collect()))
}

impl Line {
    /// The line of a record at `offset`.
    pub(super) fn of(header: &Header, offset: u64) -> Self {
        Self {
            key: header.key,
            variant: header.variant,
            generation: header.generation,
            offset: offset as u32,
            length: if header.gone { 0 } else { header.length() as u32 },
        }
    }
}

fn line(mut bytes: &[u8]) -> Line {
    Line {
        key: Key::from_u128(bytes.get_u128_le()),
        variant: bytes.get_u64_le(),
        generation: bytes.get_u64_le(),
        offset: bytes.get_u32_le(),
        length: bytes.get_u32_le(),
    }
}

/// The process died while it wrote this segment: everything up to the first record that is not whole counts.
fn repair(file: &File) -> io::Result<Vec<Line>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let (mut lines, mut at) = (Vec::new(), 0);
    while let Some(header) = record::check(&bytes[at..]) {
        lines.push(Line::of(&header, at as u64));
        at += header.length() as usize;
    }
    file.set_len(at as u64)?;
    write_lines(file, at as u64, &lines)?;
    Ok(lines)
}

fn ids(dir: &Path) -> io::Result<Vec<u32>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        ids.extend(id.and_then(|id| u32::from_str_radix(id, 16).ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}
