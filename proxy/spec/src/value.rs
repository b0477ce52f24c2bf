//! What every value of a spec can do: be read with its problems, be written, describe itself.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::reader::{Reader, Step};
use crate::tree::{Kind, Node};

/// A type that stands in a spec.
pub trait Value: Sized + Clone + PartialEq {
    /// Whether an empty value (`key:`) is the same as no key.
    const NULL_IS_ABSENT: bool = true;

    /// Reads it; on a problem the reader is told and a stand-in is returned.
    fn read(node: &Node, reader: &mut Reader) -> Self;

    /// What an absent key means; `None` when the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// What stands in for a value that could not be read, so that the rest can be judged.
    fn placeholder() -> Self;

    /// As JSON.
    fn write(&self) -> Json;

    /// Its JSON Schema; named types go into `defs` and are referred to.
    fn schema(defs: &mut Map<String, Json>) -> Json;
}

impl Value for String {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        let hint = match &node.kind {
            Kind::Text(text) => return text.clone(),
            Kind::Integer(value) => Some(format!("write \"{value}\" in quotes")),
            Kind::Float(value) => Some(format!("write \"{value}\" in quotes")),
            Kind::Bool(value) => Some(format!("write \"{value}\" in quotes")),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        };
        reader.problem(node, format!("expected text, found {}", node.described()), hint);
        Self::placeholder()
    }

    fn placeholder() -> Self {
        Self::new()
    }

    fn write(&self) -> Json {
        Json::String(self.clone())
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string" })
    }
}

impl Value for bool {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        if let Kind::Bool(value) = node.kind {
            return value;
        }
        reader.expected(node, "true or false");
        false
    }

    fn placeholder() -> Self {
        false
    }

    fn write(&self) -> Json {
        Json::Bool(*self)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "boolean" })
    }
}

macro_rules! whole_numbers {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            fn read(node: &Node, reader: &mut Reader) -> Self {
                if let Kind::Integer(value) = node.kind
                    && let Ok(value) = Self::try_from(value)
                {
                    return value;
                }
                reader.expected(node, &format!("a whole number from 0 to {}", Self::MAX));
                0
            }

            fn placeholder() -> Self {
                0
            }

            fn write(&self) -> Json {
                Json::from(*self)
            }

            fn schema(_: &mut Map<String, Json>) -> Json {
                json!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64);

impl<T: Value> Value for Option<T> {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        Some(T::read(node, reader))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn placeholder() -> Self {
        None
    }

    fn write(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::write)
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        T::schema(defs)
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        let Kind::List(items) = &node.kind else {
            reader.expected(node, "a list");
            return Self::new();
        };
        let read =
            |(index, item)| reader.inside(Step::Index(index), |reader| T::read(item, reader));
        items.iter().enumerate().map(read).collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn placeholder() -> Self {
        Self::new()
    }

    fn write(&self) -> Json {
        Json::Array(self.iter().map(T::write).collect())
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "type": "array", "items": T::schema(defs) })
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        let Kind::Map(entries) = &node.kind else {
            reader.expected(node, "a map");
            return Self::new();
        };
        reader.repeated(entries);
        let read = |(key, value): &(String, Node)| {
            let step = Step::Key(key.clone());
            (key.clone(), reader.inside(step, |reader| T::read(value, reader)))
        };
        entries.iter().map(read).collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn placeholder() -> Self {
        Self::new()
    }

    fn write(&self) -> Json {
        Json::Object(self.iter().map(|(key, value)| (key.clone(), value.write())).collect())
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "type": "object", "additionalProperties": T::schema(defs) })
    }
}

/// Any JSON, kept as written: settings whose shape belongs to somebody else.
impl Value for Json {
    const NULL_IS_ABSENT: bool = false;

    fn read(node: &Node, reader: &mut Reader) -> Self {
        match &node.kind {
            Kind::Null => Self::Null,
            Kind::Bool(value) => Self::Bool(*value),
            Kind::Integer(value) => whole_json(*value),
            Kind::Float(value) => Self::from(*value),
            Kind::Text(text) => Self::String(text.clone()),
            Kind::List(_) => Self::Array(Vec::<Self>::read(node, reader)),
            Kind::Map(_) => BTreeMap::<String, Self>::read(node, reader).write(),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::Null)
    }

    fn placeholder() -> Self {
        Self::Null
    }

    fn write(&self) -> Json {
        self.clone()
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        Self::Bool(true)
    }
}

fn whole_json(value: i128) -> Json {
    let small = i64::try_from(value).map(Json::from);
    #[expect(clippy::cast_precision_loss, reason = "beyond 64 bits JSON has only floats")]
    small
        .or_else(|_| u64::try_from(value).map(Json::from))
        .unwrap_or_else(|_| Json::from(value as f64))
}
