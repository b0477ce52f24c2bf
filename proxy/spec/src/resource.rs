//! The declarations' grammar: one table of keys gives the type, the reader, the writer and the schema.

/// A map with known keys.
///
/// `short key` lets a bare text stand for the map with only that key;
/// `check f` calls `f(&value, &node, &mut reader)` after reading.
macro_rules! resource {
    ($(#[doc = $doc:literal])* pub struct $name:ident $(short $short:literal)? $(check $check:path)? {
        $($(#[doc = $fdoc:literal])* pub $field:ident $(as $key:literal)? : $ty:ty $(= $default:expr)?,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $fdoc])* pub $field: $ty,)*
        }

        impl $crate::value::Value for $name {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::reader::Reader) -> Self {
                $(let long = $crate::resource::long_form(node, $short);
                let node = long.as_ref().unwrap_or(node);)?
                reader.open(node, &[$($crate::resource::key_of!($field $($key)?)),*], $crate::resource::map_form!($($short)?));
                let value = Self {
                    $($field: reader.field(node, $crate::resource::key_of!($field $($key)?), $crate::resource::default_of!($ty $(, $default)?)),)*
                };
                $($check(&value, node, reader);)?
                value
            }

            fn absent() -> Option<Self> {
                Some(Self { $($field: $crate::resource::default_of!($ty $(, $default)?)?,)* })
            }

            fn placeholder() -> Self {
                Self {
                    $($field: $crate::resource::default_of!($ty $(, $default)?)
                        .unwrap_or_else(<$ty as $crate::value::Value>::placeholder),)*
                }
            }

            fn write(&self) -> serde_json::Value {
                let mut map = serde_json::Map::new();
                $(let default: Option<$ty> = $crate::resource::default_of!($ty $(, $default)?);
                if default.as_ref() != Some(&self.$field) {
                    let key = $crate::resource::key_of!($field $($key)?).to_owned();
                    map.insert(key, $crate::value::Value::write(&self.$field));
                })*
                $(if let Some(short) = $crate::resource::short_form(&map, $short) {
                    return short;
                })?
                serde_json::Value::Object(map)
            }

            fn schema(defs: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
                $crate::resource::named(defs, stringify!($name), |defs| {
                    let mut shape = $crate::resource::Shape::new(concat!($($doc),*));
                    $(shape.key(
                        $crate::resource::key_of!($field $($key)?),
                        <$ty as $crate::value::Value>::schema(defs),
                        concat!($($fdoc),*),
                        $crate::resource::default_of!($ty $(, $default)?).map(|d: $ty| $crate::value::Value::write(&d)),
                    );)*
                    $(shape.short = Some($short);)?
                    shape.finish()
                })
            }
        }
    };
}

/// A map with exactly one key, which says what the value is.
macro_rules! choice {
    ($(#[doc = $doc:literal])* pub enum $name:ident {
        $($(#[doc = $vdoc:literal])* $variant:ident($ty:ty) = $key:literal,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $($(#[doc = $vdoc])* $variant($ty),)*
        }

        impl $name {
            /// The key that names the choice.
            pub fn key(&self) -> &'static str {
                match self { $(Self::$variant(_) => $key,)* }
            }
        }

        impl $crate::value::Value for $name {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::reader::Reader) -> Self {
                let Some((key, child)) = $crate::resource::only_key(node, reader, &[$($key),*]) else {
                    return Self::placeholder();
                };
                let step = $crate::reader::Step::Key(key.to_owned());
                reader.inside(step, |reader| match key {
                    $($key => Self::$variant($crate::value::Value::read(child, reader)),)*
                    _ => Self::placeholder(),
                })
            }

            fn placeholder() -> Self {
                $crate::resource::first(&[$(|| Self::$variant($crate::value::Value::placeholder())),*])
            }

            fn write(&self) -> serde_json::Value {
                let value = match self { $(Self::$variant(value) => $crate::value::Value::write(value),)* };
                serde_json::json!({ self.key(): value })
            }

            fn schema(defs: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
                $crate::resource::named(defs, stringify!($name), |defs| {
                    let mut shape = $crate::resource::Shape::new(concat!($($doc),*));
                    $(shape.key(
                        $key,
                        <$ty as $crate::value::Value>::schema(defs),
                        concat!($($vdoc),*),
                        Some(serde_json::Value::Null),
                    );)*
                    shape.exactly_one = true;
                    shape.finish()
                })
            }
        }
    };
}

/// One word out of a few.
macro_rules! words {
    ($(#[doc = $doc:literal])* pub enum $name:ident {
        $($(#[doc = $vdoc:literal])* $variant:ident = $word:literal,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $vdoc])* $variant,)*
        }

        impl $name {
            /// All of them, in the order declared.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As written in a spec.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::value::Value for $name {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::reader::Reader) -> Self {
                let found = Self::ALL.iter().find(|word| node.text() == Some(word.as_str()));
                found.copied().unwrap_or_else(|| {
                    $crate::resource::not_a_word(node, reader, &[$($word),*]);
                    Self::placeholder()
                })
            }

            fn placeholder() -> Self {
                Self::ALL[0]
            }

            fn write(&self) -> serde_json::Value {
                self.as_str().into()
            }

            fn schema(defs: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
                $crate::resource::named(defs, stringify!($name), |_| {
                    serde_json::json!({ "description": concat!($($doc),*).trim(), "enum": [$($word),*] })
                })
            }
        }
    };
}

/// The name of a key: the field's, unless given.
macro_rules! key_of {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// What a map is called when something else was found.
macro_rules! map_form {
    () => {
        "a map"
    };
    ($short:literal) => {
        concat!("text (the ", $short, ") or a map")
    };
}

/// The default of a key: as given, or what the type says of absence.
macro_rules! default_of {
    ($ty:ty) => {
        <$ty as $crate::value::Value>::absent()
    };
    ($ty:ty, $default:expr) => {
        Some($default)
    };
}

use serde_json::{Map, Value as Json, json};

use crate::problem::{did_you_mean, nearest};
use crate::reader::{Reader, Step};
use crate::tree::{Kind, Node};

pub(crate) use {choice, default_of, key_of, map_form, resource, words};

/// The map that a bare text stands for.
pub(crate) fn long_form(node: &Node, short: &str) -> Option<Node> {
    node.text()?;
    let kind = Kind::Map(vec![(short.to_owned(), node.clone())]);
    Some(Node { kind, line: node.line })
}

/// The bare text that stands for a map with only the short key.
pub(crate) fn short_form(map: &Map<String, Json>, short: &str) -> Option<Json> {
    let value = map.get(short)?;
    (map.len() == 1 && value.is_string()).then(|| value.clone())
}

/// The one key of a choice, with its value; anything else is a problem.
pub(crate) fn only_key<'n>(
    node: &'n Node,
    reader: &mut Reader,
    known: &[&str],
) -> Option<(&'n str, &'n Node)> {
    let Kind::Map(entries) = &node.kind else {
        reader.expected(node, &format!("a map with one of: {}", known.join(", ")));
        return None;
    };
    let [(key, value)] = entries.as_slice() else {
        let message = format!("expected exactly one of: {}", known.join(", "));
        reader.problem(node, message, None);
        return None;
    };
    if known.contains(&key.as_str()) {
        return Some((key, value));
    }
    let hint = nearest(key, known.iter().copied())
        .map_or_else(|| format!("one of: {}", known.join(", ")), did_you_mean);
    reader
        .inside(Step::Key(key.clone()), |reader| reader.problem(value, "unknown key", Some(hint)));
    None
}

/// Notes that `node` is none of the words.
pub(crate) fn not_a_word(node: &Node, reader: &mut Reader, words: &[&str]) {
    let near = node.text().and_then(|text| nearest(text, words.iter().copied()));
    let message = format!("expected one of {}, found {}", words.join(", "), node.described());
    reader.problem(node, message, near.map(did_you_mean));
}

/// The first variant's stand-in.
pub(crate) fn first<T>(variants: &[fn() -> T]) -> T {
    variants[0]()
}

/// Puts a named schema into `defs` once, and refers to it.
pub(crate) fn named(
    defs: &mut Map<String, Json>,
    name: &str,
    schema: impl FnOnce(&mut Map<String, Json>) -> Json,
) -> Json {
    if !defs.contains_key(name) {
        // Taken before it is known, so that a type that contains itself ends.
        defs.insert(name.to_owned(), Json::Null);
        let schema = schema(defs);
        defs.insert(name.to_owned(), schema);
    }
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A schema of an object under construction.
pub(crate) struct Shape {
    description: &'static str,
    properties: Map<String, Json>,
    required: Vec<Json>,
    pub(crate) short: Option<&'static str>,
    pub(crate) exactly_one: bool,
}

impl Shape {
    pub(crate) fn new(description: &'static str) -> Self {
        let properties = Map::new();
        Self { description, properties, required: Vec::new(), short: None, exactly_one: false }
    }

    pub(crate) fn key(&mut self, key: &str, schema: Json, doc: &str, default: Option<Json>) {
        let mut property = json!({ "description": doc.trim(), "allOf": [schema] });
        match default {
            None => self.required.push(key.into()),
            Some(Json::Null) => {}
            Some(default) => property["default"] = default,
        }
        self.properties.insert(key.to_owned(), property);
    }

    pub(crate) fn finish(self) -> Json {
        let mut object = json!({
            "type": "object", "additionalProperties": false, "properties": self.properties,
        });
        if !self.required.is_empty() {
            object["required"] = Json::Array(self.required);
        }
        if self.exactly_one {
            object["minProperties"] = 1.into();
            object["maxProperties"] = 1.into();
        }
        if let Some(short) = self.short {
            let text =
                json!({ "type": "string", "description": format!("short for {{{short}: …}}") });
            object = json!({ "anyOf": [text, object] });
        }
        object["description"] = self.description.trim().into();
        object
    }
}
