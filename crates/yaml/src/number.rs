//! Numbers as Go's `strconv` and `encoding/json` write and read them.

/// Shortest decimal digits that read back as the same number, and the exponent of the first.
fn shortest(number: f64) -> (String, i32) {
    let text = format!("{:e}", number.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.replace('.', "");
    (digits, exponent.parse().unwrap_or(0))
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

fn plain(digits: &str, exponent: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1).unsigned_abs() as usize);
        format!("0.{zeros}{digits}")
    } else if exponent + 1 >= count {
        let zeros = "0".repeat((exponent + 1 - count).unsigned_abs() as usize);
        format!("{digits}{zeros}")
    } else {
        let (whole, fraction) = digits.split_at(exponent.unsigned_abs() as usize + 1);
        format!("{whole}.{fraction}")
    }
}

/// A number as Go's `strconv.FormatFloat(number, 'g', -1, 64)` writes it, which is also `%v`:
/// shortest digits, with an exponent below 1e-4 and from 1e6 on. `NaN`, `+Inf` and `-Inf` are
/// written so.
pub fn format_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let (digits, exponent) = shortest(number);
    let body = if (-4..6).contains(&exponent) {
        plain(&digits, exponent)
    } else {
        with_exponent(&digits, exponent)
    };
    signed(number, body)
}

/// A number as Go's `encoding/json` writes it: plain digits from 1e-6 to below 1e21. Infinities
/// and `NaN` have no JSON form and give `None`.
pub fn format_json_float(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let (digits, exponent) = shortest(number);
    let body = if number == 0.0 || (1e-6..1e21).contains(&number.abs()) {
        plain(&digits, exponent)
    } else {
        // JSON exponents have no leading zero where they are negative.
        with_exponent(&digits, exponent).replace("e-0", "e-")
    };
    Some(signed(number, body))
}

fn signed(number: f64, body: String) -> String {
    if number.is_sign_negative() {
        format!("-{body}")
    } else {
        body
    }
}

/// Reads a float as Go's `strconv.ParseFloat` does for plain decimal notation; `None` for other
/// notations and for what is too large.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let decimal =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !text.bytes().all(decimal) || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whether a text is a float by the grammar that YAML readers in Go use:
/// sign, digits with at most one point, exponent.
pub(crate) fn looks_like_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    mantissa_fits && exponent_fits
}

/// An integer of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    Signed(i64),
    Unsigned(u64),
}

/// Reads an integer with its base from the prefix, as Go's `strconv` does with base 0 after
/// underscores were taken out.
pub(crate) fn parse_integer(text: &str) -> Option<Integer> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (Some(true), &text[1..]),
        b'+' => (Some(false), &text[1..]),
        _ => (None, text),
    };
    let lower = |prefix: &str| {
        unsigned
            .get(..2)
            .filter(|head| head.eq_ignore_ascii_case(prefix))
            .map(|_| &unsigned[2..])
    };
    let (radix, digits) = if let Some(digits) = lower("0x") {
        (16, digits)
    } else if let Some(digits) = lower("0b") {
        (2, digits)
    } else if let Some(digits) = lower("0o") {
        (8, digits)
    } else if unsigned.len() > 1 && unsigned.starts_with('0') {
        (8, &unsigned[1..])
    } else {
        (10, unsigned)
    };
    // Rust's own parser would take a second sign.
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match sign {
        Some(true) => 0_i64.checked_sub_unsigned(magnitude).map(Integer::Signed),
        Some(false) => i64::try_from(magnitude).ok().map(Integer::Signed),
        None => Some(match i64::try_from(magnitude) {
            Ok(number) => Integer::Signed(number),
            Err(_) => Integer::Unsigned(magnitude),
        }),
    }
}
