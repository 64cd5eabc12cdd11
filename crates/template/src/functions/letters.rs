//! Changes the case of single letters as Go does.
//!
//! It must not change a letter into two.

/// The capital of a letter; one whose capital takes two letters stays as it is.
pub(crate) fn upper_letter(letter: char) -> char {
    let mut mapped = letter.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => letter,
    }
}

/// The small form of a letter; `İ` becomes `i` as Go's table has it.
pub(crate) fn lower_letter(letter: char) -> char {
    let mut mapped = letter.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ if letter == 'İ' => 'i',
        _ => letter,
    }
}
