//! As much of CBOR (RFC 8949) as tokens need, read without recursion deeper than a few levels.

#[cfg(test)]
mod tests;

/// Deepest nesting of a token.
const DEPTH_MAX: usize = 12;
/// Most values in a token, at all depths together.
const VALUES_MAX: usize = 1024;

/// A value; texts and bytes are those of the input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'t> {
    Int(i64),
    Float(f64),
    Bytes(&'t [u8]),
    Text(&'t str),
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Tag(u64, Box<Self>),
    /// true, false, null and the other simple values, by number.
    Simple(u8),
}

/// Reads one value that takes up the whole input.
pub(crate) fn read(bytes: &[u8]) -> Option<Value<'_>> {
    let mut reader = Reader { rest: bytes, values: 0 };
    let value = reader.value(0)?;
    reader.rest.is_empty().then_some(value)
}

/// Appends the head of a value: its major type and its argument in the shortest form.
pub(crate) fn write_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a value.
pub(crate) fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    let text = |major, bytes: &[u8], out: &mut Vec<u8>| {
        write_head(major, bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Int(int @ 0..) => write_head(0, int.unsigned_abs(), out),
        Value::Int(int) => write_head(1, (-1 - int).unsigned_abs(), out),
        Value::Float(float) => {
            out.push(7 << 5 | 27);
            out.extend_from_slice(&float.to_bits().to_be_bytes());
        }
        Value::Bytes(bytes) => text(2, bytes, out),
        Value::Text(chars) => text(3, chars.as_bytes(), out),
        Value::Array(items) => {
            write_head(4, items.len() as u64, out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Map(entries) => {
            write_head(5, entries.len() as u64, out);
            entries.iter().for_each(|(name, value)| {
                write(name, out);
                write(value, out);
            });
        }
        Value::Tag(tag, inner) => {
            write_head(6, *tag, out);
            write(inner, out);
        }
        Value::Simple(number) => out.push(7 << 5 | (number & 31)),
    }
}

struct Reader<'t> {
    rest: &'t [u8],
    values: usize,
}

impl<'t> Value<'t> {
    pub(crate) fn as_text(&self) -> Option<&'t str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_bytes(&self) -> Option<&'t [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(crate) fn as_map(&self) -> Option<&[(Self, Self)]> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Option<Value<'t>> {
        self.values += 1;
        if depth > DEPTH_MAX || self.values > VALUES_MAX {
            return None;
        }
        let first = *self.take(1)?.first()?;
        let (major, short) = (first >> 5, first & 31);
        if major == 7 {
            return self.simple(short);
        }
        let argument = self.argument(short)?;
        Some(match major {
            0 => Value::Int(i64::try_from(argument).ok()?),
            1 => Value::Int(-1 - i64::try_from(argument).ok()?),
            2 => Value::Bytes(self.take(argument)?),
            3 => Value::Text(std::str::from_utf8(self.take(argument)?).ok()?),
            4 => Value::Array(self.array(argument, depth)?),
            5 => Value::Map(self.map(argument, depth)?),
            _ => Value::Tag(argument, Box::new(self.value(depth + 1)?)),
        })
    }

    /// Lengths that are not known beforehand (31) are not deterministic CBOR, and not read.
    fn argument(&mut self, short: u8) -> Option<u64> {
        let width = match short {
            0..=23 => return Some(short.into()),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        Some(self.take(width)?.iter().fold(0, |value, &b| value << 8 | u64::from(b)))
    }

    fn array(&mut self, length: u64, depth: usize) -> Option<Vec<Value<'t>>> {
        (0..self.room(length)?).map(|_| self.value(depth + 1)).collect()
    }

    fn map(&mut self, length: u64, depth: usize) -> Option<Vec<(Value<'t>, Value<'t>)>> {
        let mut entries: Vec<(Value<'t>, Value<'t>)> = Vec::new();
        for _ in 0..self.room(length)? {
            let key = self.value(depth + 1)?;
            // Two values for one claim would let two readers see two tokens.
            if entries.iter().any(|(other, _)| *other == key) {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
        }
        Some(entries)
    }

    fn simple(&mut self, short: u8) -> Option<Value<'t>> {
        match short {
            0..=23 => Some(Value::Simple(short)),
            25 => Some(Value::Float(half(self.argument(25)? as u16))),
            26 => Some(Value::Float(f32::from_bits(self.argument(26)? as u32).into())),
            27 => Some(Value::Float(f64::from_bits(self.argument(27)?))),
            _ => None,
        }
    }

    /// A length that the rest of the input can hold.
    fn room(&self, length: u64) -> Option<usize> {
        usize::try_from(length).ok().filter(|&length| length <= self.rest.len())
    }

    fn take(&mut self, length: u64) -> Option<&'t [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }
}

/// A number of half precision (RFC 8949 appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => mantissa * (-24f64).exp2(),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * f64::from(exponent - 25).exp2(),
    };
    if bits >> 15 == 1 { -size } else { size }
}
