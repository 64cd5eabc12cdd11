//! Prints values as Go's `fmt` does: every verb and flag, and what it says of wrong ones.
//!
//! It must not know templates; the text of what is printed is bounded by its callers.

mod printf;

pub(crate) use printf::sprintf;

use std::rc::Rc;

use holdfast_go::quote;

use crate::float::{self, Layout};
use crate::value::Value;

/// How deep values are printed. Deeper ones are circles, which would never end.
const MAX_DEPTH: usize = 100;

/// Where printing stops; whoever asked finds a text longer than any limit.
const MAX_TEXT: usize = 65 << 20;

/// Appends what `{{ value }}` prints.
pub(crate) fn print_to(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Invalid | Value::Nil => out.extend_from_slice(crate::exec::NO_VALUE.as_bytes()),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Raw(bytes) => out.extend_from_slice(bytes),
        Value::Object(object) if object.printed().is_some() => {
            let text = object.printed().unwrap_or_default();
            out.extend_from_slice(text.as_bytes());
        }
        value => {
            let mut printer = Printer::new(std::mem::take(out));
            printer.argument(value, 'v');
            *out = printer.out;
        }
    }
}

/// `fmt.Sprintf("%v", value)`.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Text(_) | Value::Raw(_) => value.clone(),
        value => {
            let mut printer = Printer::new(Vec::new());
            printer.argument(value, 'v');
            Value::string(printer.out)
        }
    }
}

/// `fmt.Sprint`: spaces between operands where neither is a string.
pub(crate) fn sprint(values: &[Value]) -> Vec<u8> {
    let mut printer = Printer::new(Vec::new());
    let mut was_text = false;
    for (index, value) in values.iter().enumerate() {
        let is_text = value.as_bytes().is_some();
        if index > 0 && !is_text && !was_text {
            printer.out.push(b' ');
        }
        printer.argument(value, 'v');
        was_text = is_text;
    }
    printer.out
}

/// `fmt.Sprintln`.
pub(crate) fn sprintln(values: &[Value]) -> Vec<u8> {
    let mut printer = Printer::new(Vec::new());
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.out.push(b' ');
        }
        printer.argument(value, 'v');
    }
    printer.out.push(b'\n');
    printer.out
}

#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the format"
)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    plus_v: bool,
    sharp_v: bool,
}

struct Printer {
    out: Vec<u8>,
    flags: Flags,
}

impl Printer {
    fn new(out: Vec<u8>) -> Self {
        Self {
            out,
            flags: Flags::default(),
        }
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn argument(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Invalid | Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (value, 'T') => self.string(value.type_name().to_owned().as_bytes(), 's', value),
            (value, 'p') => self.bad_verb(value, verb),
            (value, verb) => self.value(value, verb, 0),
        }
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if depth > MAX_DEPTH || self.out.len() > MAX_TEXT {
            self.text("...");
            return;
        }
        if !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = own_text(value)
        {
            self.string(text.as_bytes(), verb, value);
            return;
        }
        match value {
            Value::Invalid | Value::Nil if depth > 0 => {
                let sharp = self.flags.sharp_v;
                self.text(if sharp { "interface {}(nil)" } else { "<nil>" });
            }
            Value::Invalid | Value::Nil => self.bad_verb(value, verb),
            Value::Bool(flag) => match verb {
                't' | 'v' => self.pad(if *flag { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(kind, number) => {
                let unsigned = kind.is_unsigned();
                let is_negative = !unsigned && *number < 0;
                #[expect(clippy::cast_sign_loss, reason = "unsigned numbers keep their bits")]
                let magnitude = if is_negative {
                    number.unsigned_abs()
                } else {
                    *number as u64
                };
                self.integer(value, (magnitude, is_negative, unsigned), verb);
            }
            Value::Float(number) => self.float(value, *number, verb),
            Value::Text(text) => self.string(text.as_bytes(), verb, value),
            Value::Raw(bytes) => self.string(bytes, verb, value),
            Value::Bytes(bytes) => self.bytes(value, bytes, verb),
            Value::List(list) => self.list(value, list.items(), verb, depth),
            Value::Map(map) => {
                let entries: Vec<_> = map
                    .entries()
                    .iter()
                    .map(|(key, item)| (key.clone(), item.clone()))
                    .collect();
                self.map(value.type_name(), &entries, verb, depth);
            }
            Value::Time(_) | Value::Version(_) => self.bad_verb(value, verb),
            Value::Object(object) if object.kind() == "map" => {
                self.map(object.type_name(), &object.entries(), verb, depth);
            }
            Value::Object(object) => {
                let pointer = if object.kind() == "ptr" { "&" } else { "" };
                self.text(pointer);
                self.structure(object.type_name(), &object.entries(), verb, depth);
            }
        }
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.text(&format!("%!{verb}("));
        if value.is_nil() {
            self.text("<nil>");
        } else {
            self.text(value.type_name());
            self.text("=");
            self.argument(value, 'v');
        }
        self.text(")");
    }

    fn pad(&mut self, text: &[u8]) {
        let width = self.flags.width.unwrap_or(0);
        let length = count_runes(text);
        let missing = width.saturating_sub(length);
        if self.flags.minus {
            self.out.extend_from_slice(text);
            self.out.extend(std::iter::repeat_n(b' ', missing));
        } else {
            let fill = if self.flags.zero { b'0' } else { b' ' };
            self.out.extend(std::iter::repeat_n(fill, missing));
            self.out.extend_from_slice(text);
        }
    }

    fn string(&mut self, bytes: &[u8], verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(bytes),
            'v' | 's' => {
                let cut = self.cut(bytes).to_vec();
                self.pad(&cut);
            }
            'x' | 'X' => self.hex(bytes, verb),
            'q' => self.quoted(bytes),
            _ => self.bad_verb(value, verb),
        }
    }

    /// What a precision leaves of a text.
    fn cut<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(limit) = self.flags.precision else {
            return bytes;
        };
        let mut count = 0;
        for (index, byte) in bytes.iter().enumerate() {
            if byte & 0xc0 != 0x80 {
                count += 1;
                if count > limit {
                    return &bytes[..index];
                }
            }
        }
        bytes
    }

    fn quoted(&mut self, bytes: &[u8]) {
        let cut = self.cut(bytes).to_vec();
        let raw = std::str::from_utf8(&cut).ok().filter(|text| {
            self.flags.sharp
                && !text.chars().any(|letter| {
                    letter == '`' || letter == '\u{feff}' || letter.is_control() && letter != '\t'
                })
        });
        let text = match raw {
            Some(text) => format!("`{text}`"),
            None => quote::quote_with(&cut, '"', self.flags.plus),
        };
        self.pad(text.as_bytes());
    }

    fn hex(&mut self, bytes: &[u8], verb: char) {
        let bytes = &bytes[..self.flags.precision.unwrap_or(usize::MAX).min(bytes.len())];
        let prefix = match (self.flags.sharp, verb) {
            (true, 'x') => "0x",
            (true, _) => "0X",
            (false, _) => "",
        };
        let mut text = String::with_capacity(bytes.len() * 2 + 2);
        for (index, byte) in bytes.iter().enumerate() {
            if index == 0 || self.flags.space {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(prefix);
            }
            let digits = format!("{byte:02x}");
            text.push_str(&digits);
        }
        if verb == 'X' {
            text = text.to_uppercase();
        }
        self.pad(text.as_bytes());
    }

    fn bytes(&mut self, value: &Value, bytes: &[u8], verb: char) {
        match verb {
            's' => {
                let cut = self.cut(bytes).to_vec();
                self.pad(&cut);
            }
            'x' | 'X' => self.hex(bytes, verb),
            'q' => self.quoted(bytes),
            'v' | 'd' if self.flags.sharp_v => {
                let items: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:x}")).collect();
                self.text(&format!("{}{{{}}}", value.type_name(), items.join(", ")));
            }
            _ => {
                let items: Vec<Value> = bytes
                    .iter()
                    .map(|byte| Value::Int(crate::value::IntKind::Uint8, i64::from(*byte)))
                    .collect();
                self.list(value, &items, verb, 0);
            }
        }
    }

    fn integer(&mut self, value: &Value, number: (u64, bool, bool), verb: char) {
        let (magnitude, negative, unsigned) = number;
        match verb {
            'v' if self.flags.sharp_v && unsigned => {
                self.flags.sharp = true;
                self.digits(number, 16, verb);
                self.flags.sharp = false;
            }
            'v' | 'd' => self.digits(number, 10, verb),
            'b' => self.digits(number, 2, verb),
            'o' | 'O' => self.digits(number, 8, verb),
            'x' | 'X' => self.digits(number, 16, verb),
            'c' | 'q' => {
                let letter = rune(magnitude, negative);
                let text = match verb {
                    'c' => letter.to_string(),
                    _ => quote::quote_with(
                        letter.encode_utf8(&mut [0; 4]).as_bytes(),
                        '\'',
                        self.flags.plus,
                    ),
                };
                self.pad(text.as_bytes());
            }
            'U' => {
                let digits = self.flags.precision.unwrap_or(4).max(4);
                let code = if negative {
                    magnitude.wrapping_neg()
                } else {
                    magnitude
                };
                let mut text = format!("U+{code:0digits$X}");
                let letter = u32::try_from(code).ok().and_then(char::from_u32);
                if let Some(letter) = letter
                    && self.flags.sharp
                    && quote::is_printable(letter)
                {
                    text.push_str(&format!(" '{letter}'"));
                }
                let old = std::mem::take(&mut self.flags.zero);
                self.pad(text.as_bytes());
                self.flags.zero = old;
            }
            _ => self.bad_verb(value, verb),
        }
    }

    fn digits(&mut self, (magnitude, negative, _): (u64, bool, bool), base: u32, verb: char) {
        let flags = self.flags;
        let wants_sign = negative || flags.plus || flags.space;
        let mut wanted = 0;
        if let Some(precision) = flags.precision {
            wanted = precision;
            if precision == 0 && magnitude == 0 {
                self.flags.zero = false;
                self.pad(b"");
                self.flags.zero = flags.zero;
                return;
            }
        } else if flags.zero && !flags.minus {
            wanted = flags
                .width
                .unwrap_or(0)
                .saturating_sub(usize::from(wants_sign));
        }
        let digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if verb == 'X' => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let mut text = format!("{digits:0>wanted$}");
        if flags.sharp {
            match base {
                2 => text.insert_str(0, "0b"),
                8 if !text.starts_with('0') => text.insert(0, '0'),
                16 => text.insert_str(0, if verb == 'X' { "0X" } else { "0x" }),
                _ => {}
            }
        }
        if verb == 'O' {
            text.insert_str(0, "0o");
        }
        if wants_sign {
            let sign = match (negative, flags.plus) {
                (true, _) => '-',
                (_, true) => '+',
                _ => ' ',
            };
            text.insert(0, sign);
        }
        self.flags.zero = false;
        self.pad(text.as_bytes());
        self.flags.zero = flags.zero;
    }

    fn float(&mut self, value: &Value, number: f64, verb: char) {
        let flags = self.flags;
        let (layout, default) = match verb {
            'v' | 'g' | 'G' | 'b' | 'x' | 'X' => (Layout::General, None),
            'e' | 'E' => (Layout::Exponent, Some(6)),
            'f' | 'F' => (Layout::Plain, Some(6)),
            _ => return self.bad_verb(value, verb),
        };
        let precision = flags.precision.or(default);
        let mut text = match verb {
            'b' if number.is_finite() => float::binary(number),
            'x' | 'X' if number.is_finite() => float::hex(number, precision),
            _ => float::write(number, layout, precision),
        };
        if matches!(verb, 'E' | 'G' | 'X') && number.is_finite() {
            text = text.to_uppercase();
        }
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if flags.space && text.starts_with('+') && !flags.plus {
            text.replace_range(..1, " ");
        }
        if !number.is_finite() {
            if number.is_nan() && !flags.space && !flags.plus
                || text.starts_with('+') && !flags.plus
            {
                text.remove(0);
            }
            self.flags.zero = false;
            self.pad(text.as_bytes());
            self.flags.zero = flags.zero;
            return;
        }
        if flags.sharp && verb != 'b' {
            text = with_point(&text, verb, flags.precision);
        }
        let keeps_sign = flags.plus || !text.starts_with('+');
        let width = flags.width.unwrap_or(0);
        if keeps_sign && flags.zero && !flags.minus && width > text.len() {
            self.out.push(text.as_bytes()[0]);
            self.out
                .extend(std::iter::repeat_n(b'0', width - text.len()));
            self.text(&text[1..]);
        } else {
            self.pad(&text.as_bytes()[usize::from(!keeps_sign)..]);
        }
    }

    fn list(&mut self, value: &Value, items: &[Value], verb: char, depth: usize) {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.text(value.type_name());
        }
        self.text(if sharp { "{" } else { "[" });
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text(if sharp { ", " } else { " " });
            }
            self.value(item, verb, depth + 1);
        }
        self.text(if sharp { "}" } else { "]" });
    }

    fn map(&mut self, type_name: &str, entries: &[(Rc<str>, Value)], verb: char, depth: usize) {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.text(type_name);
            self.text("{");
        } else {
            self.text("map[");
        }
        for (index, (key, item)) in entries.iter().enumerate() {
            if index > 0 {
                self.text(if sharp { ", " } else { " " });
            }
            self.value(&Value::Text(Rc::clone(key)), verb, depth + 1);
            self.text(":");
            self.value(item, verb, depth + 1);
        }
        self.text(if sharp { "}" } else { "]" });
    }

    fn structure(
        &mut self,
        type_name: &str,
        entries: &[(Rc<str>, Value)],
        verb: char,
        depth: usize,
    ) {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.text(type_name.trim_start_matches('*'));
        }
        self.text("{");
        for (index, (name, item)) in entries.iter().enumerate() {
            if index > 0 {
                self.text(if sharp { ", " } else { " " });
            }
            if sharp || self.flags.plus_v {
                self.text(name);
                self.text(":");
            }
            self.value(item, verb, depth + 1);
        }
        self.text("}");
    }
}

/// What a value's own `String` method gives.
fn own_text(value: &Value) -> Option<String> {
    use crate::value::IntKind;
    match value {
        Value::Int(IntKind::Duration, number) => Some(crate::moment::duration_text(*number)),
        Value::Int(IntKind::Month, number) => Some(crate::moment::month_name(*number)),
        Value::Int(IntKind::Weekday, number) => Some(crate::moment::weekday_name(*number)),
        Value::Time(moment) => Some(moment.to_string()),
        Value::Version(version) => Some(version.to_string()),
        Value::Object(object) => object.text(),
        _ => None,
    }
}

fn rune(magnitude: u64, negative: bool) -> char {
    let code = if negative { u64::MAX } else { magnitude };
    u32::try_from(code)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn count_runes(text: &[u8]) -> usize {
    text.utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

/// `#` keeps the decimal point, and for `%g` and `%x` the zeros behind it.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let (body, tail) = match (text.find(['p', 'P']), text.find(['e', 'E']), verb) {
        (Some(at), ..) => text.split_at(at),
        (None, Some(at), verb) if verb != 'x' && verb != 'X' => text.split_at(at),
        _ => (text, ""),
    };
    let mut wanted = match verb {
        'v' | 'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    // Everything but the point counts from the first character that is no zero.
    let digits = body[1..].trim_start_matches(['0', '.']);
    wanted = wanted.saturating_sub(digits.chars().filter(|letter| *letter != '.').count());
    let mut out = body.to_owned();
    if !out.contains('.') {
        if out.len() == 2 && out.ends_with('0') {
            wanted = wanted.saturating_sub(1);
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', wanted));
    out.push_str(tail);
    out
}
