//! Resource quantities such as `100m` or `1Gi`: reading, comparing, and the canonical form in
//! which the API writes them back. It must not know what is measured.

/// What a text that is no quantity is answered with.
pub const PROBLEM: &str = "quantities must match the regular expression \
     '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// A quantity in billionths, and the family of suffixes that it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The amount in billionths.
    pub nanos: i128,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The largest amount that a quantity holds; larger ones are taken for it.
const MAX: i128 = i64::MAX as i128 * 1_000_000_000;

impl Quantity {
    /// Reads a quantity; `None` when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let number_end = text
            .char_indices()
            .find(|(index, letter)| {
                !(letter.is_ascii_digit()
                    || *letter == '.'
                    || *index == 0 && "+-".contains(*letter))
            })
            .map_or(text.len(), |(index, _)| index);
        let (number, suffix) = text.split_at(number_end);
        let (negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || text.len() > 64 {
            return None;
        }
        let (family, base, exponent) = suffix_of(suffix)?;
        let mut mantissa: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = i128::from(digit.checked_sub(b'0')?);
            mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
        }
        let scale = 9 - i32::try_from(fraction.len()).ok()?;
        let nanos = match base {
            10 => scaled(mantissa, scale + exponent),
            _ => {
                let factor = 1_i128.checked_shl(u32::try_from(exponent).ok()? * 10)?;
                scaled(mantissa.saturating_mul(factor), scale)
            }
        };
        let nanos = nanos.min(MAX);
        Some(Self {
            nanos: if negative { -nanos } else { nanos },
            family,
        })
    }

    /// Rounded up to thousandths, as resource lists keep their amounts.
    pub fn in_thousandths(self) -> Self {
        let step = 1_000_000;
        let nanos = self.nanos.div_euclid(step) + i128::from(self.nanos.rem_euclid(step) != 0);
        Self {
            nanos: nanos * step,
            ..self
        }
    }

    /// The form in which the API writes it.
    pub fn canonical(self) -> String {
        let size = self.nanos.unsigned_abs();
        let sign = if self.nanos < 0 { "-" } else { "" };
        if size == 0 {
            return "0".to_owned();
        }
        if self.family == Family::Binary && size >= 1024 * 1_000_000_000 {
            let mut amount = size.div_ceil(1_000_000_000);
            let mut power = 0;
            while amount.is_multiple_of(1024) && power < BINARY.len() - 1 {
                amount /= 1024;
                power += 1;
            }
            return format!("{sign}{amount}{}", BINARY[power]);
        }
        let mut amount = size;
        let mut step = 0;
        while amount.is_multiple_of(1000) && step < DECIMAL.len() - 1 {
            amount /= 1000;
            step += 1;
        }
        let (suffix, exponent) = DECIMAL[step];
        match (self.family, exponent) {
            (Family::Exponent, 0) => format!("{sign}{amount}"),
            (Family::Exponent, exponent) => format!("{sign}{amount}e{exponent}"),
            _ => format!("{sign}{amount}{suffix}"),
        }
    }
}

/// `mantissa * 10^exponent`, rounded up.
fn scaled(mantissa: i128, exponent: i32) -> i128 {
    if exponent >= 0 {
        let factor = 10_i128.checked_pow(exponent.unsigned_abs());
        return factor
            .and_then(|factor| mantissa.checked_mul(factor))
            .unwrap_or(if mantissa == 0 { 0 } else { MAX });
    }
    match 10_i128.checked_pow(exponent.unsigned_abs()) {
        Some(factor) => (mantissa + factor - 1) / factor,
        None => i128::from(mantissa != 0),
    }
}

fn suffix_of(suffix: &str) -> Option<(Family, i32, i32)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some((Family::Decimal, 10, *exponent));
    }
    if let Some(power) = BINARY.iter().position(|known| *known == suffix) {
        return Some((Family::Binary, 2, i32::try_from(power).ok()?));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    (-40..=40)
        .contains(&exponent)
        .then_some((Family::Exponent, 10, exponent))
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    fn check(text: &str, expected: &str) {
        let found = Quantity::parse(text).map(Quantity::canonical);
        assert_eq!(found.as_deref(), Some(expected), "{text}");
    }

    // The expected values are what a real API server stored for limits written like this.
    #[test]
    fn quantities_are_written_in_their_shortest_form() {
        check("1000m", "1");
        check("0.5", "500m");
        check("1024Mi", "1Gi");
        check("1.5Gi", "1536Mi");
        check("1000", "1k");
        check("100", "100");
        check("1e3", "1e3");
        check("0.1Ki", "102400m");
        check("2048", "2048");
        check("0", "0");
        check("1.0", "1");
        check("123456789", "123456789");
        check("1Ki", "1Ki");
        check("0.0001m", "100n");
    }

    #[test]
    fn other_texts_are_no_quantities() {
        for text in ["", "x", "1x", "1.2.3", "m", "1 Gi", "--1", "1e", "1ee3"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }
}
