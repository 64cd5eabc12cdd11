//! Exact decimal numbers, as far as `addf`, `subf`, `mulf` and `divf` need them.
//!
//! It must not know values or templates. A number is a list of digits and a power of ten.

use std::cmp::Ordering;

/// A decimal number: sign, digits from the lowest up, and a power of ten.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i32,
}

/// Digits behind the point that a division gives.
const DIVISION_DIGITS: i32 = 16;

/// The most digits of a number; floats need fewer than 800.
const MAX_DIGITS: usize = 20_000;

impl Decimal {
    pub(crate) fn zero() -> Self {
        Self {
            negative: false,
            digits: Vec::new(),
            exponent: 0,
        }
    }

    /// The shortest decimal that reads back as this float; `None` for what is no number.
    pub(crate) fn from_float(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        let text = format!("{:e}", number.abs());
        let (mantissa, exponent) = text.split_once('e')?;
        let fraction = mantissa
            .split_once('.')
            .map_or(0, |(_, digits)| digits.len());
        let digits = mantissa.bytes().rev().filter(u8::is_ascii_digit);
        let exponent: i32 = exponent.parse().ok()?;
        let mut decimal = Self {
            negative: number < 0.0,
            digits: digits.map(|digit| digit - b'0').collect(),
            exponent: exponent - i32::try_from(fraction).ok()?,
        };
        decimal.trim();
        Some(decimal)
    }

    pub(crate) fn to_float(&self) -> f64 {
        let digits: String = self
            .digits
            .iter()
            .rev()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        let sign = if self.negative { "-" } else { "" };
        let digits = if digits.is_empty() { "0" } else { &digits };
        let text = format!("{sign}{digits}e{}", self.exponent);
        text.parse().unwrap_or(0.0)
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.negative = false;
        }
    }

    /// The same number with a lower power of ten.
    fn at(&self, exponent: i32) -> Option<Vec<u8>> {
        let zeros = usize::try_from(self.exponent - exponent).ok()?;
        if zeros + self.digits.len() > MAX_DIGITS {
            return None;
        }
        let mut digits = vec![0; zeros];
        digits.extend_from_slice(&self.digits);
        Some(digits)
    }

    pub(crate) fn add(&self, other: &Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let (left, right) = (self.at(exponent)?, other.at(exponent)?);
        let (negative, digits) = if self.negative == other.negative {
            (self.negative, add_digits(&left, &right))
        } else if compare(&left, &right) == Ordering::Less {
            (other.negative, sub_digits(&right, &left))
        } else {
            (self.negative, sub_digits(&left, &right))
        };
        let mut sum = Self {
            negative,
            digits,
            exponent,
        };
        sum.trim();
        Some(sum)
    }

    pub(crate) fn sub(&self, other: &Self) -> Option<Self> {
        let mut negated = other.clone();
        negated.negative = !negated.negative;
        self.add(&negated)
    }

    pub(crate) fn mul(&self, other: &Self) -> Option<Self> {
        if self.digits.len() + other.digits.len() > MAX_DIGITS {
            return None;
        }
        let mut product = vec![0u32; self.digits.len() + other.digits.len() + 1];
        for (index, left) in self.digits.iter().enumerate() {
            let mut carry = 0;
            for (offset, right) in other.digits.iter().enumerate() {
                let place = &mut product[index + offset];
                let sum = *place + u32::from(*left) * u32::from(*right) + carry;
                *place = sum % 10;
                carry = sum / 10;
            }
            product[index + other.digits.len()] += carry;
        }
        let mut out = Self {
            negative: self.negative != other.negative,
            digits: product
                .iter()
                .map(|digit| u8::try_from(*digit).unwrap_or(0))
                .collect(),
            exponent: self.exponent.checked_add(other.exponent)?,
        };
        out.trim();
        Some(out)
    }

    /// A quotient rounded half away from zero to sixteen digits behind the point.
    pub(crate) fn div(&self, other: &Self) -> Option<Self> {
        if other.digits.is_empty() {
            return None;
        }
        // The quotient has its last digit at 10^-16 when the dividend is scaled like this.
        let shift = self.exponent - other.exponent + DIVISION_DIGITS;
        let (mut dividend, mut divisor) = (self.digits.clone(), other.digits.clone());
        let zeros = usize::try_from(shift.unsigned_abs()).ok()?;
        if zeros + dividend.len().max(divisor.len()) > MAX_DIGITS {
            return None;
        }
        let scaled = if shift >= 0 {
            &mut dividend
        } else {
            &mut divisor
        };
        scaled.splice(0..0, std::iter::repeat_n(0, zeros));
        let (mut digits, rest) = divide_digits(&dividend, &divisor);
        if compare(&add_digits(&rest, &rest), &divisor) != Ordering::Less {
            digits = add_digits(&digits, &[1]);
        }
        let mut out = Self {
            negative: self.negative != other.negative,
            digits,
            exponent: -DIVISION_DIGITS,
        };
        out.trim();
        Some(out)
    }
}

fn significant(digits: &[u8]) -> &[u8] {
    let length = digits
        .iter()
        .rposition(|digit| *digit != 0)
        .map_or(0, |at| at + 1);
    &digits[..length]
}

fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (significant(left), significant(right));
    left.len()
        .cmp(&right.len())
        .then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn add_digits(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(left.len().max(right.len()) + 1);
    let mut carry = 0;
    for index in 0..left.len().max(right.len()) {
        let digit = |digits: &[u8]| digits.get(index).copied().unwrap_or(0);
        let sum = digit(left) + digit(right) + carry;
        out.push(sum % 10);
        carry = sum / 10;
    }
    out.push(carry);
    out
}

/// The difference of a number and one that is not greater.
fn sub_digits(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(left.len());
    let mut borrow = 0;
    for (index, digit) in left.iter().enumerate() {
        let taken = right.get(index).copied().unwrap_or(0) + borrow;
        borrow = u8::from(*digit < taken);
        out.push(digit + borrow * 10 - taken);
    }
    out
}

fn divide_digits(dividend: &[u8], divisor: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut quotient = Vec::with_capacity(dividend.len());
    let mut rest: Vec<u8> = Vec::new();
    for digit in dividend.iter().rev() {
        rest.insert(0, *digit);
        let mut count = 0;
        while compare(&rest, divisor) != Ordering::Less {
            rest = sub_digits(&rest, divisor);
            count += 1;
        }
        rest.truncate(significant(&rest).len());
        quotient.push(count);
    }
    quotient.reverse();
    (quotient, rest)
}
