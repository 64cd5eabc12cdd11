//! The order in which Go's YAML emitters write the keys of a mapping: numbers inside of texts
//! count as numbers, letters come behind other characters.

use std::cmp::Ordering;

use crate::resolve::Rules;

/// Compares two keys as `go-yaml` does.
///
/// This is not always a total order: `sort_keys` does not rely on it being one.
pub fn compare_keys(left: &str, right: &str, rules: Rules) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let left_chars: Vec<char> = left.chars().collect();
    let right_chars: Vec<char> = right.chars().collect();
    let common = left_chars.len().min(right_chars.len());
    let Some(at) = (0..common).find(|&at| left_chars[at] != right_chars[at]) else {
        return left_chars.len().cmp(&right_chars.len());
    };
    let (a, b) = (left_chars[at], right_chars[at]);
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a.cmp(&b),
        (false, false) => {}
        (a_letter, _) => {
            // By v3's rules a number that ended comes before one that goes on.
            let after_digit = rules == Rules::V3 && at > 0 && left_chars[at - 1].is_ascii_digit();
            return if a_letter == after_digit {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
    }
    let lead = i64::from((a == '0' || b == '0') && follows_number(&left_chars[..at]));
    let (a_number, a_end) = number_from(&left_chars, at, lead);
    let (b_number, b_end) = number_from(&right_chars, at, lead);
    a_number
        .cmp(&b_number)
        .then(a_end.cmp(&b_end))
        .then(a.cmp(&b))
}

/// Whether the digits at the end hold one that is not zero, so that a zero behind them counts.
fn follows_number(chars: &[char]) -> bool {
    chars
        .iter()
        .rev()
        .take_while(|letter| letter.is_ascii_digit())
        .any(|&letter| letter != '0')
}

fn number_from(chars: &[char], start: usize, lead: i64) -> (i64, usize) {
    let mut number = lead;
    let mut end = start;
    while let Some(digit) = chars.get(end).and_then(|letter| letter.to_digit(10)) {
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
        end += 1;
    }
    (number, end)
}

/// Sorts entries by key. A merge sort of our own: the library's may panic when an order is not
/// total, and this one is not for some mixtures of digits and letters.
pub(crate) fn sort_keys<T: Clone>(entries: &mut Vec<T>, rules: Rules, key: fn(&T) -> &str) {
    let before = |left: &T, right: &T| compare_keys(key(left), key(right), rules).is_le();
    if entries.windows(2).all(|pair| before(&pair[0], &pair[1])) {
        return;
    }
    let mut width = 1;
    while width < entries.len() {
        let mut sorted = Vec::with_capacity(entries.len());
        for run in entries.chunks(width * 2) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([first, left_rest @ ..], [second, right_rest @ ..]) = (left, right) {
                if before(first, second) {
                    sorted.push(first.clone());
                    left = left_rest;
                } else {
                    sorted.push(second.clone());
                    right = right_rest;
                }
            }
            sorted.extend_from_slice(left);
            sorted.extend_from_slice(right);
        }
        *entries = sorted;
        width *= 2;
    }
}
