//! Floats as Go's `strconv` writes them.

/// How a float is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `%e`.
    Exponent,
    /// `%f`.
    Plain,
    /// `%g`: whichever is shorter by Go's rule.
    General,
}

/// The shortest text that reads back as the same number, as `%v` and `%g` print it.
pub(crate) fn shortest(number: f64) -> String {
    write(number, Layout::General, None)
}

/// A float in a layout; without a precision as many digits as the number needs.
pub(crate) fn write(number: f64, layout: Layout, precision: Option<usize>) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match (layout, precision) {
        (Layout::Plain, None) => format!("{number}"),
        (Layout::Plain, Some(digits)) => format!("{number:.digits$}"),
        (Layout::Exponent, None) => exponent_form(&format!("{number:e}")),
        (Layout::Exponent, Some(digits)) => exponent_form(&format!("{number:.digits$e}")),
        (Layout::General, _) => general(number, precision),
    }
}

/// Go writes a sign and at least two digits after the `e`.
fn exponent_form(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    match exponent.strip_prefix('-') {
        Some(digits) => format!("{mantissa}e-{digits:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

fn general(number: f64, precision: Option<usize>) -> String {
    let precision = precision.map(|digits| digits.max(1));
    let text = match precision {
        None => format!("{number:e}"),
        Some(digits) => format!("{number:.*e}", digits - 1),
    };
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let mut digits = mantissa.replace('.', "");
    digits.truncate(digits.trim_end_matches('0').len().max(1));
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let limit = match precision {
        // The shortest form decides as if six digits had been asked for.
        None => 6,
        Some(wanted) => {
            let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
            if wanted > count && count > exponent {
                count
            } else {
                wanted
            }
        }
    };
    if exponent < -4 || exponent >= limit {
        let rest = &digits[1..];
        let point = if rest.is_empty() { "" } else { "." };
        return exponent_form(&format!("{sign}{}{point}{rest}e{exponent}", &digits[..1]));
    }
    format!("{sign}{}", plain(&digits, exponent))
}

fn plain(digits: &str, exponent: i32) -> String {
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
        return format!("0.{}{digits}", "0".repeat(zeros));
    };
    if whole == 0 {
        return format!("0.{digits}");
    }
    if digits.len() <= whole {
        return format!("{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{}.{}", &digits[..whole], &digits[whole..])
}

/// `%b`: the mantissa as a whole number and a power of two.
pub(crate) fn binary(number: f64) -> String {
    let (mantissa, exponent) = split(number);
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let plus = if exponent < 0 { "" } else { "+" };
    format!("{sign}{mantissa}p{plus}{exponent}")
}

/// Mantissa and power of two of a finite number.
fn split(number: f64) -> (u64, i64) {
    let bits = number.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i64::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    }
}

/// `%x`: hexadecimal digits of the mantissa and a power of two.
pub(crate) fn hex(number: f64, precision: Option<usize>) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let (mut mantissa, mut exponent) = split(number);
    if mantissa == 0 {
        exponent = 0;
    } else {
        let shift = mantissa.leading_zeros().saturating_sub(3);
        mantissa <<= shift;
        // The leading one stands in front of sixty bits of fraction.
        exponent += 60 - i64::from(shift);
    }
    if let Some(digits) = precision.filter(|digits| *digits < 15) {
        let drop = 60 - 4 * u32::try_from(digits).unwrap_or(0);
        let rest = mantissa & ((1 << drop) - 1);
        mantissa >>= drop;
        let half = 1u64 << (drop - 1);
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= drop;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let lead = mantissa >> 60;
    let mut digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        None => digits.truncate(digits.trim_end_matches('0').len()),
        Some(count) if count < 15 => digits.truncate(count),
        Some(count) => digits.extend(std::iter::repeat_n('0', count - 15)),
    }
    let point = if digits.is_empty() { "" } else { "." };
    let power = if exponent < 0 { '-' } else { '+' };
    format!("{sign}0x{lead}{point}{digits}p{power}{:02}", exponent.abs())
}
