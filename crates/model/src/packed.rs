//! Values in few bytes, for what is held for long: a tree of maps costs some fifteen times its JSON,
//! this some half of it. It must not know what the values are for.
//!
//! ```text
//! value  = 0x00 null | 0x01 false | 0x02 true
//!        | 0x03 varint            a number from 0
//!        | 0x04 varint            a number below 0: -1 - n
//!        | 0x05 eight bytes       any other number
//!        | 0x06 varint bytes      a text
//!        | 0x07 varint value*     a list
//!        | 0x08 varint (key value)*
//!        | 0x09 byte              a text that many objects have
//!        | 0x40+n                 a number below 64
//!        | 0x80+n bytes           a text of less than 128 bytes
//! key    = varint                 0: a text of its own follows, as varint and bytes; else a word
//! packed = value | 0x0a varint lz4   a value that is squeezed, with its length
//! ```

mod common_texts;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Number};

use crate::Value;

/// A value that is held in few bytes and does not change. Clones share the bytes. `Debug` shows no
/// values.
#[derive(Clone)]
pub struct Packed(Arc<[u8]>);

/// Begins what is squeezed.
const SQUEEZED: u8 = 0x0a;
/// What is shorter is not squeezed: there is hardly anything to gain.
const SHORTEST: usize = 64;

/// How many words are kept: field names of the objects of all clusters, some thousands as a rule.
const WORD_LIMIT: usize = 1 << 14;
/// A longer field name is written out.
const WORD_LENGTH: usize = 64;

/// Field names and API versions, each held once for all values. They are never forgotten, so their
/// number is bounded.
#[derive(Default)]
struct Words {
    numbers: HashMap<Arc<str>, usize>,
    texts: Vec<Arc<str>>,
}

static WORDS: RwLock<Option<Words>> = RwLock::new(None);

impl Packed {
    /// Packs a value.
    pub fn new(value: &Value) -> Self {
        loop {
            let unknown = {
                let guard = WORDS.read().unwrap_or_else(PoisonError::into_inner);
                let mut writer = Writer::new(guard.as_ref());
                writer.write(value);
                if writer.unknown.is_empty() {
                    return Self(writer.bytes.into());
                }
                writer.unknown
            };
            let mut guard = WORDS.write().unwrap_or_else(PoisonError::into_inner);
            let words = guard.get_or_insert_default();
            for name in unknown {
                words.learn(name);
            }
        }
    }

    /// The same in half the bytes as a rule, for what is held for long. Packing takes a third longer
    /// with it, and unpacking some percent.
    pub fn squeezed(self) -> Self {
        if self.is_squeezed() || self.0.len() < SHORTEST {
            return self;
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 16);
        bytes.push(SQUEEZED);
        write_varint(self.0.len() as u64, &mut bytes);
        bytes.extend(lz4_flex::block::compress(&self.0));
        match bytes.len() < self.0.len() - self.0.len() / 8 {
            true => Self(bytes.into()),
            false => self,
        }
    }

    fn is_squeezed(&self) -> bool {
        self.0.first() == Some(&SQUEEZED)
    }

    /// The bytes of the value.
    fn bytes(&self) -> Cow<'_, [u8]> {
        if !self.is_squeezed() {
            return Cow::Borrowed(&self.0);
        }
        let mut reader = Reader {
            rest: self.0.get(1..).unwrap_or_default(),
            words: &[],
        };
        let length = reader.length().unwrap_or_default();
        Cow::Owned(lz4_flex::block::decompress(reader.rest, length).unwrap_or_default())
    }

    /// The value.
    pub fn unpack(&self) -> Value {
        self.read(|reader| reader.value()).unwrap_or_default()
    }

    /// What is found below these names, one inside the other; only that is unpacked.
    pub fn find(&self, names: &[&str]) -> Option<Value> {
        self.read(|reader| {
            for name in names {
                reader.descend(name)?;
            }
            reader.value()
        })
    }

    /// The text that is found below these names.
    pub fn text(&self, names: &[&str]) -> Option<String> {
        match self.find(names)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is another clone of it.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn read<T>(&self, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Option<T> {
        let guard = WORDS.read().unwrap_or_else(PoisonError::into_inner);
        let texts = guard.as_ref().map(|words| words.texts.as_slice());
        let bytes = self.bytes();
        let mut reader = Reader {
            rest: &bytes,
            words: texts.unwrap_or_default(),
        };
        read(&mut reader)
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
            || self.is_squeezed() != other.is_squeezed() && self.bytes() == other.bytes()
    }
}

impl Eq for Packed {}

impl Hash for Packed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Packed({} bytes)", self.0.len())
    }
}

impl Words {
    fn has_room(&self) -> bool {
        self.texts.len() < WORD_LIMIT
    }

    fn learn(&mut self, name: &str) {
        if self.has_room() && !self.numbers.contains_key(name) {
            let word: Arc<str> = name.into();
            self.numbers.insert(Arc::clone(&word), self.texts.len());
            self.texts.push(word);
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }
}

/// A text that many objects have, such as a version: held once for all of them.
pub(crate) fn word(text: &str) -> Arc<str> {
    let known = |words: &Words| {
        let number = words.number(text)?;
        words.texts.get(number).cloned()
    };
    let guard = WORDS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = guard.as_ref().and_then(known) {
        return word;
    }
    drop(guard);
    let mut guard = WORDS.write().unwrap_or_else(PoisonError::into_inner);
    let words = guard.get_or_insert_default();
    if is_word(text) {
        words.learn(text);
    }
    known(words).unwrap_or_else(|| text.into())
}

/// Whether a name may come again in other objects. Items of lists in sets of owned fields are named
/// by what they hold.
fn is_word(name: &str) -> bool {
    name.len() <= WORD_LENGTH && !name.starts_with("k:") && !name.starts_with("v:")
}

/// Writes a value, and notes the words in it that are to be learned first.
struct Writer<'w, 'v> {
    words: Option<&'w Words>,
    bytes: Vec<u8>,
    unknown: Vec<&'v str>,
}

impl<'w, 'v> Writer<'w, 'v> {
    fn new(words: Option<&'w Words>) -> Self {
        Self {
            words,
            bytes: Vec::with_capacity(256),
            unknown: Vec::new(),
        }
    }

    fn write(&mut self, value: &'v Value) {
        match value {
            Value::Null => self.bytes.push(0x00),
            Value::Bool(false) => self.bytes.push(0x01),
            Value::Bool(true) => self.bytes.push(0x02),
            Value::Number(number) => write_number(number, &mut self.bytes),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.bytes.push(0x07);
                write_varint(items.len() as u64, &mut self.bytes);
                for item in items {
                    self.write(item);
                }
            }
            Value::Object(map) => {
                self.bytes.push(0x08);
                write_varint(map.len() as u64, &mut self.bytes);
                for (name, below) in map {
                    self.name(name);
                    self.write(below);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(number) = common_texts::number(text) {
            self.bytes.extend([0x09, number]);
            return;
        }
        match u8::try_from(text.len()) {
            Ok(length) if length < 0x80 => self.bytes.push(0x80 | length),
            _ => {
                self.bytes.push(0x06);
                write_varint(text.len() as u64, &mut self.bytes);
            }
        }
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, name: &'v str) {
        if let Some(number) = self.words.and_then(|words| words.number(name)) {
            write_varint(number as u64 + 1, &mut self.bytes);
            return;
        }
        if is_word(name) && self.words.is_none_or(Words::has_room) {
            self.unknown.push(name);
        }
        write_varint(0, &mut self.bytes);
        write_varint(name.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(name.as_bytes());
    }
}

fn write_number(number: &Number, bytes: &mut Vec<u8>) {
    if let Some(number) = number.as_u64() {
        match u8::try_from(number) {
            Ok(small) if small < 0x40 => bytes.push(0x40 | small),
            _ => {
                bytes.push(0x03);
                write_varint(number, bytes);
            }
        }
    } else if let Some(number) = number.as_i64() {
        bytes.push(0x04);
        write_varint(number.unsigned_abs() - 1, bytes);
    } else {
        bytes.push(0x05);
        bytes.extend_from_slice(&number.as_f64().unwrap_or_default().to_le_bytes());
    }
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn write_varint(mut number: u64, bytes: &mut Vec<u8>) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Reads what `write` wrote. Nothing else makes these bytes, so `None` is never met in them.
struct Reader<'a> {
    rest: &'a [u8],
    words: &'a [Arc<str>],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    fn key(&mut self) -> Option<&'a str> {
        match self.length()? {
            0 => {
                let length = self.length()?;
                self.text(length)
            }
            number => self.words.get(number - 1).map(AsRef::as_ref),
        }
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0x00 => Value::Null,
            0x01 => Value::Bool(false),
            0x02 => Value::Bool(true),
            0x03 => Value::from(self.varint()?),
            0x04 => Value::from(-1 - i64::try_from(self.varint()?).ok()?),
            0x05 => {
                let (number, rest) = self.rest.split_first_chunk::<8>()?;
                self.rest = rest;
                Value::from(f64::from_le_bytes(*number))
            }
            0x06 => {
                let length = self.length()?;
                Value::from(self.text(length)?)
            }
            0x09 => Value::from(common_texts::text(self.byte()?)?),
            0x07 => {
                let length = self.length()?;
                let items = (0..length).map(|_| self.value());
                Value::Array(items.collect::<Option<_>>()?)
            }
            0x08 => {
                let length = self.length()?;
                let fields = (0..length).map(|_| Some((self.key()?.to_owned(), self.value()?)));
                Value::Object(fields.collect::<Option<Map<_, _>>>()?)
            }
            small @ 0x40..0x80 => Value::from(small & 0x3f),
            short @ 0x80.. => Value::from(self.text(usize::from(short & 0x7f))?),
            _ => return None,
        })
    }

    /// Goes to what is below a name of the map that is next; `None` where there is no such.
    fn descend(&mut self, name: &str) -> Option<()> {
        if self.byte()? != 0x08 {
            return None;
        }
        for _ in 0..self.length()? {
            if self.key()? == name {
                return Some(());
            }
            self.skip()?;
        }
        None
    }

    fn skip(&mut self) -> Option<()> {
        match self.byte()? {
            0x03 | 0x04 => {
                self.varint()?;
            }
            0x09 => {
                self.byte()?;
            }
            0x05 => self.rest = self.rest.get(8..)?,
            0x06 => {
                let length = self.length()?;
                self.rest = self.rest.get(length..)?;
            }
            0x07 => {
                for _ in 0..self.length()? {
                    self.skip()?;
                }
            }
            0x08 => {
                for _ in 0..self.length()? {
                    self.key()?;
                    self.skip()?;
                }
            }
            short @ 0x80.. => self.rest = self.rest.get(usize::from(short & 0x7f)..)?,
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (0_u64..200).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,10}".prop_map(Value::from),
            prop_oneof![Just("Always"), Just("apps/v1"), Just("v1")].prop_map(Value::from),
            "[a-z]{120,140}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-d:.]{0,3}|k:.{60,70}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(value in any_value()) {
            let packed = Packed::new(&value);
            prop_assert_eq!(&packed.unpack(), &value);
            let squeezed = packed.clone().squeezed();
            prop_assert_eq!(&squeezed, &packed);
            prop_assert_eq!(&squeezed.unpack(), &value);
            if let Value::Object(map) = &value {
                for (name, below) in map {
                    let found = packed.find(&[name]);
                    prop_assert_eq!(found.as_ref(), Some(below));
                }
            }
        }
    }

    #[test]
    fn a_part_is_found_without_the_rest() {
        let value = json!({
            "a": [1, -5, 2.5, "text", "x".repeat(300), {"in": {"a": "list"}}],
            "metadata": {"labels": {"one": "1"}, "annotations": {"wave": "3"}},
        });
        let packed = Packed::new(&value);
        let wave = packed.text(&["metadata", "annotations", "wave"]);
        assert_eq!(wave.as_deref(), Some("3"));
        assert_eq!(
            packed.find(&["metadata", "labels"]),
            Some(json!({"one": "1"}))
        );
        assert_eq!(packed.find(&["metadata", "labels", "two"]), None);
        assert_eq!(packed.find(&["a", "in"]), None);
        assert_eq!(packed.text(&["metadata", "labels"]), None);
        assert_eq!(packed.find(&[]), Some(value));
        assert!(!format!("{packed:?}").contains("text"));
    }
}
