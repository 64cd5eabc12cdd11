//! Numbers of schemas: exact comparison, and how messages write them.
//!
//! It must not know schemas.

use std::cmp::Ordering;

use holdfast_model::Value as Json;

/// A decimal number without a loss: sign, digits without zeros at either end, and the power of ten
/// of the last digit. Equal numbers are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    /// The number that a JSON value is. A float is the shortest decimal that reads back as it.
    pub(super) fn of(json: &Json) -> Option<Self> {
        let Json::Number(number) = json else {
            return None;
        };
        Self::read(&number.to_string())
    }

    fn read(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0i32),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let letters = whole.bytes().chain(fraction.bytes());
        let mut digits: Vec<u8> = letters.map(|letter| letter.wrapping_sub(b'0')).collect();
        if digits.iter().any(|digit| *digit > 9) {
            return None;
        }
        let mut exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        while digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits,
                exponent: 0,
            });
        }
        Some(Self {
            is_negative,
            digits,
            exponent,
        })
    }

    /// Whether it is a whole number.
    pub(super) fn is_whole(&self) -> bool {
        self.exponent >= 0
    }

    /// The whole number that it is, the nearest one that there is for one too large.
    pub(super) fn whole(&self) -> Option<i64> {
        if !self.is_whole() {
            return None;
        }
        let mut whole: i64 = 0;
        for digit in &self.digits {
            whole = whole.saturating_mul(10).saturating_add(i64::from(*digit));
        }
        for _ in 0..self.exponent.min(20) {
            whole = whole.saturating_mul(10);
        }
        Some(if self.is_negative { -whole } else { whole })
    }

    /// Whether it is a whole number of times another.
    pub(super) fn is_multiple_of(&self, other: &Self) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        let (Some(divisor), Some(zeros)) =
            (other.mantissa(), self.exponent.checked_sub(other.exponent))
        else {
            return false;
        };
        // The last digit is no zero, so no number that ends in zeros fits into it.
        if divisor == 0 || zeros < 0 {
            return false;
        }
        let rest = |rest: u128, digit: u8| (rest * 10 + u128::from(digit)) % divisor;
        let mut remains = self.digits.iter().fold(0, |sum, digit| rest(sum, *digit));
        for _ in 0..zeros {
            if remains == 0 {
                break;
            }
            remains = rest(remains, 0);
        }
        remains == 0
    }

    /// The digits as one number; nothing where it would be too large to calculate with.
    fn mantissa(&self) -> Option<u128> {
        let mut whole: u128 = 0;
        for digit in &self.digits {
            whole = whole.checked_mul(10)?.checked_add(u128::from(*digit))?;
        }
        (whole < u128::MAX / 20).then_some(whole)
    }

    /// The power of ten of the first digit, plus one.
    fn magnitude(&self) -> i64 {
        i64::from(self.exponent) + i64::try_from(self.digits.len()).unwrap_or(i64::MAX / 2)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let signs = sign(self).cmp(&sign(other));
        if signs != Ordering::Equal || self.digits.is_empty() {
            return signs;
        }
        let sizes = self.magnitude().cmp(&other.magnitude());
        let sizes = sizes.then_with(|| self.digits.cmp(&other.digits));
        if self.is_negative {
            sizes.reverse()
        } else {
            sizes
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A count as the library's English printer writes it: with a comma after thousands.
pub(super) fn count(number: i64) -> String {
    let digits = grouped(&number.unsigned_abs().to_string());
    format!("{}{digits}", if number < 0 { "-" } else { "" })
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A float as the library's English printer writes it: from a million on, and below a ten
/// thousandth, with a power of ten of at least two digits.
pub(super) fn float(number: &Json) -> String {
    let number = number.as_f64().unwrap_or_default();
    let text = format!("{:e}", number.abs());
    let sign = if number < 0.0 { "-" } else { "" };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        let plain = number.abs().to_string();
        return match plain.split_once('.') {
            Some((whole, fraction)) => format!("{sign}{}.{fraction}", grouped(whole)),
            None => format!("{sign}{}", grouped(&plain)),
        };
    }
    let minus = if exponent < 0 { "⁻" } else { "" };
    let digits = format!("{:02}", exponent.unsigned_abs());
    let raised: String = digits.bytes().map(superscript).collect();
    format!("{sign}{mantissa}×10{minus}{raised}")
}

fn superscript(digit: u8) -> char {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    DIGITS[usize::from(digit.saturating_sub(b'0').min(9))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: &str, expected: &str) {
        let number: Json = serde_json::from_str(number).expect("a number");
        assert_eq!(float(&number), expected);
    }

    #[test]
    fn floats_are_written_as_in_english() {
        check("1234", "1,234");
        check("1000000", "1×10⁰⁶");
        check("1234567", "1.234567×10⁰⁶");
        check("0.00001", "1×10⁻⁰⁵");
        check("0.0001", "0.0001");
        check("-70000.25", "-70,000.25");
        check("1e21", "1×10²¹");
        check("123456.789", "123,456.789");
        check("0", "0");
    }

    #[test]
    fn numbers_are_compared_exactly() {
        let read = |text: &str| Decimal::read(text).expect("a number");
        assert_eq!(read("1.0"), read("1"));
        assert_eq!(read("100"), read("1e2"));
        assert_eq!(read("-0"), read("0"));
        assert!(read("-10") < read("-9.5"));
        assert!(read("0.1") < read("0.11"));
        assert!(read("9") < read("10"));
        assert!(read("0.3").is_multiple_of(&read("0.1")));
        assert!(!read("0.35").is_multiple_of(&read("0.1")));
        assert!(read("-7.5").is_multiple_of(&read("2.5")));
        assert!(read("0").is_multiple_of(&read("7")));
        assert!(!read("1").is_multiple_of(&read("1e300")));
        assert!(read("1.5e3").is_whole() && !read("1.5").is_whole());
    }
}
