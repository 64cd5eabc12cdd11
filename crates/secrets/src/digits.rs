//! Numbers as SOPS writes them.

/// A float in plain digits, as short as it can be and still read back the same.
pub(crate) fn plain_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    // Rust writes without an exponent, and as short as it can be.
    format!("{number}")
}

/// A float as Go's `ParseFloat` reads it.
pub(crate) fn read_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text if text.bytes().any(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}
