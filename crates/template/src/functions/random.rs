//! Chance: every function here draws from the entropy of the render.
//!
//! It must not use any other source.

use holdfast_go::base64;

use super::arguments::{check_size, int, text};
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::Value;

fn letters(run: &mut Run<'_>, arguments: &[Value], alphabet: &[u8]) -> Outcome {
    // A negative count gives nothing, as the error is dropped in Go.
    let count = usize::try_from(int(arguments, 0)).unwrap_or(0);
    check_size(run, count as u128)?;
    let chance = run.chance.call();
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let index = usize::try_from(chance.below(alphabet.len() as u64)).unwrap_or(0);
        out.push(alphabet[index]);
    }
    Ok(Value::string(out))
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";

pub(super) fn alpha_numeric(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    letters(run, arguments, &[LETTERS, DIGITS].concat())
}

pub(super) fn alpha(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    letters(run, arguments, LETTERS)
}

pub(super) fn numeric(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    letters(run, arguments, DIGITS)
}

pub(super) fn ascii(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let printable: Vec<u8> = (b' '..=b'~').collect();
    letters(run, arguments, &printable)
}

pub(super) fn bytes(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let Ok(count) = usize::try_from(int(arguments, 0)) else {
        return Err(Error::execute("runtime error: makeslice: len out of range"));
    };
    check_size(run, count as u128 * 2)?;
    let mut bytes = vec![0; count];
    run.chance.call().fill(&mut bytes);
    Ok(Value::from(base64::encode(&bytes)))
}

pub(super) fn integer(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let (low, high) = (int(arguments, 0), int(arguments, 1));
    let width = high
        .checked_sub(low)
        .and_then(|width| u64::try_from(width).ok());
    let Some(width) = width.filter(|width| *width > 0) else {
        return Err(Error::execute("invalid argument to Intn"));
    };
    let drawn = run.chance.call().below(width);
    let drawn = i64::try_from(drawn).unwrap_or(0);
    Ok(Value::int(low.saturating_add(drawn)))
}

pub(super) fn shuffle(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let mut letters: Vec<char> = text(arguments, 0).chars().collect();
    let chance = run.chance.call();
    for index in (1..letters.len()).rev() {
        let other = usize::try_from(chance.below(index as u64 + 1)).unwrap_or(0);
        letters.swap(index, other);
    }
    Ok(Value::from(letters.into_iter().collect::<String>()))
}

pub(super) fn uuid(run: &mut Run<'_>, _: &[Value]) -> Outcome {
    let mut bytes = [0; 16];
    run.chance.call().fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(Value::from(parts.join("-")))
}
