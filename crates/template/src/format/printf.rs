//! `printf`: reads a format and prints each value as its directive says.
//!
//! It must not know how a value is printed.

use super::{Flags, Printer};
use crate::value::Value;

/// A width or precision beyond this is an error, as in Go.
const MAX_NUMBER: i64 = 1_000_000;

/// `fmt.Sprintf`.
pub(crate) fn sprintf(format: &str, values: &[Value]) -> Vec<u8> {
    let mut job = Job {
        format: format.as_bytes(),
        at: 0,
        values,
        next: 0,
        good: true,
        after_index: false,
        reordered: false,
        printer: Printer::new(Vec::new()),
    };
    job.run(format);
    job.printer.out
}

/// One `printf`.
struct Job<'v> {
    format: &'v [u8],
    at: usize,
    values: &'v [Value],
    next: usize,
    good: bool,
    after_index: bool,
    reordered: bool,
    printer: Printer,
}

impl Job<'_> {
    fn run(&mut self, format: &str) {
        while self.at < self.format.len() {
            let rest = &self.format[self.at..];
            let text = rest.iter().position(|byte| *byte == b'%');
            let text = text.unwrap_or(rest.len());
            self.printer.out.extend_from_slice(&rest[..text]);
            self.at += text;
            if self.at >= self.format.len() {
                break;
            }
            self.at += 1;
            self.directive(format);
        }
        if !self.reordered && self.next < self.values.len() {
            self.extra();
        }
    }

    fn peek(&self) -> u8 {
        self.format.get(self.at).copied().unwrap_or_default()
    }

    fn directive(&mut self, format: &str) {
        self.good = true;
        self.after_index = false;
        self.printer.flags = Flags::default();
        loop {
            let flags = &mut self.printer.flags;
            match self.format.get(self.at) {
                Some(b'#') => flags.sharp = true,
                Some(b'0') => flags.zero = true,
                Some(b'+') => flags.plus = true,
                Some(b'-') => flags.minus = true,
                Some(b' ') => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        self.index();
        self.width();
        self.precision();
        if !self.after_index {
            self.index();
        }
        let Some(verb) = format.get(self.at..).and_then(|rest| rest.chars().next()) else {
            self.printer.text("%!(NOVERB)");
            return;
        };
        self.at += verb.len_utf8();
        if verb == '%' {
            self.printer.out.push(b'%');
        } else if !self.good {
            self.printer.text(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(value) = self.values.get(self.next) {
            self.next += 1;
            let flags = &mut self.printer.flags;
            if matches!(verb, 'v' | 'w') {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            self.printer.argument(value, verb);
        } else {
            self.printer.text(&format!("%!{verb}(MISSING)"));
        }
    }

    fn width(&mut self) {
        if self.peek() == b'*' {
            self.at += 1;
            match self.number_argument() {
                Some(width) => {
                    if width < 0 {
                        self.printer.flags.minus = true;
                        self.printer.flags.zero = false;
                    }
                    self.printer.flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => self.printer.text("%!(BADWIDTH)"),
            }
            self.after_index = false;
        } else {
            self.printer.flags.width = self.digits();
            if self.after_index && self.printer.flags.width.is_some() {
                self.good = false;
            }
        }
    }

    fn precision(&mut self) {
        // A dot at the very end of the format is a verb.
        if self.peek() != b'.' || self.at + 1 >= self.format.len() {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.good = false;
        }
        self.index();
        if self.peek() == b'*' {
            self.at += 1;
            match self.number_argument() {
                Some(digits) => self.printer.flags.precision = usize::try_from(digits).ok(),
                None => self.printer.text("%!(BADPREC)"),
            }
            self.after_index = false;
        } else {
            self.printer.flags.precision = Some(self.digits().unwrap_or(0));
        }
    }

    fn digits(&mut self) -> Option<usize> {
        let start = self.at;
        let mut number = 0i64;
        while self.peek().is_ascii_digit() {
            if number > MAX_NUMBER {
                // Go gives up on such a number and on the digits it has read.
                self.at = self.format.len();
                return None;
            }
            number = number * 10 + i64::from(self.peek() - b'0');
            self.at += 1;
        }
        if self.at == start {
            return None;
        }
        usize::try_from(number).ok()
    }

    fn number_argument(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        match value {
            Value::Int(_, number) if number.abs() <= MAX_NUMBER => Some(*number),
            _ => None,
        }
    }

    /// `[3]` chooses an argument.
    fn index(&mut self) {
        if self.peek() != b'[' {
            self.after_index = false;
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == b']') else {
            self.good = false;
            self.at += 1;
            return;
        };
        let inside = std::str::from_utf8(&rest[1..length]).unwrap_or_default();
        self.at += length + 1;
        match inside.parse::<usize>() {
            Ok(number) if (1..=self.values.len()).contains(&number) => {
                self.next = number - 1;
                self.after_index = true;
            }
            Ok(_) => {
                self.good = false;
                self.after_index = true;
            }
            Err(_) => {
                self.good = false;
                self.after_index = false;
            }
        }
    }

    fn extra(&mut self) {
        self.printer.flags = Flags::default();
        self.printer.text("%!(EXTRA ");
        for (index, value) in self.values[self.next..].iter().enumerate() {
            if index > 0 {
                self.printer.text(", ");
            }
            if value.is_nil() {
                self.printer.text("<nil>");
            } else {
                self.printer.text(value.type_name());
                self.printer.text("=");
                self.printer.argument(value, 'v');
            }
        }
        self.printer.text(")");
    }
}
