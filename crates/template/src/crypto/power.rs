//! Powers by an odd modulus, after Montgomery: what drawing keys spends its time on.
//!
//! It must not know keys. Numbers are arrays of 64-bit words, the lowest first, whose length is
//! known at compile time: that makes it twice as fast as the general way.

use num_bigint::BigUint;

/// Bits of the exponent that are taken together.
const WINDOW: usize = 5;

/// A base to an exponent by a modulus greater than one.
pub(crate) fn power(base: &BigUint, exponent: &BigUint, modulus: &BigUint) -> BigUint {
    match (modulus.bit(0), modulus.bits()) {
        (true, 961..=1024) => power_in::<16>(base, exponent, modulus),
        (true, 1985..=2048) => power_in::<32>(base, exponent, modulus),
        _ => base.modpow(exponent, modulus),
    }
}

struct Modulus<const N: usize> {
    words: [u64; N],
    /// Minus the inverse of the lowest word.
    inverse: u64,
}

fn words_of<const N: usize>(number: &BigUint) -> [u64; N] {
    let mut words = [0; N];
    for (word, digit) in words.iter_mut().zip(number.to_u64_digits()) {
        *word = digit;
    }
    words
}

fn power_in<const N: usize>(base: &BigUint, exponent: &BigUint, modulus: &BigUint) -> BigUint {
    let words = words_of::<N>(modulus);
    // Each step doubles the number of bits that are right.
    let mut inverse = words[0];
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(words[0].wrapping_mul(inverse)));
    }
    let inner = Modulus {
        words,
        inverse: inverse.wrapping_neg(),
    };
    let one = words_of::<N>(&((BigUint::from(1u8) << (64 * N)) % modulus));
    let base = words_of::<N>(&(((base % modulus) << (64 * N)) % modulus));
    let mut table: Vec<[u64; N]> = vec![one, base];
    for index in 2..1 << WINDOW {
        table.push(inner.multiply(&table[index - 1], &base));
    }
    let mut result = one;
    let bits = usize::try_from(exponent.bits()).unwrap_or(0);
    for window in (0..bits.div_ceil(WINDOW)).rev() {
        for _ in 0..WINDOW {
            result = inner.multiply(&result, &result);
        }
        let digit = (0..WINDOW).rev().fold(0, |digit, bit| {
            digit << 1 | usize::from(exponent.bit((window * WINDOW + bit) as u64))
        });
        if digit > 0 {
            result = inner.multiply(&result, &table[digit]);
        }
    }
    let mut unit = [0; N];
    unit[0] = 1;
    let result = inner.multiply(&result, &unit);
    let bytes: Vec<u8> = result.iter().flat_map(|word| word.to_le_bytes()).collect();
    BigUint::from_bytes_le(&bytes)
}

/// A word, and a product and a carry added to it: the low and the high word of the sum.
fn add_product(word: u64, left: u64, right: u64, carry: u64) -> (u64, u64) {
    split(u128::from(word) + u128::from(left) * u128::from(right) + u128::from(carry))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves are what is wanted"
)]
fn split(number: u128) -> (u64, u64) {
    (number as u64, (number >> 64) as u64)
}

impl<const N: usize> Modulus<N> {
    /// The product of two numbers, reduced word by word while it is made.
    fn multiply(&self, left: &[u64; N], right: &[u64; N]) -> [u64; N] {
        let mut sum = [0; N];
        let mut top = 0;
        for factor in left {
            let (first, mut product_carry) = add_product(sum[0], *factor, right[0], 0);
            // What is added makes the lowest word zero, and the rest moves down by one.
            let reducer = first.wrapping_mul(self.inverse);
            let (_, mut reduce_carry) = add_product(first, reducer, self.words[0], 0);
            for index in 1..N {
                let (word, carry) = add_product(sum[index], *factor, right[index], product_carry);
                product_carry = carry;
                let (word, carry) = add_product(word, reducer, self.words[index], reduce_carry);
                reduce_carry = carry;
                sum[index - 1] = word;
            }
            let total = u128::from(product_carry) + u128::from(reduce_carry) + u128::from(top);
            (sum[N - 1], top) = split(total);
        }
        let mut less = [0; N];
        let mut borrow = false;
        for index in 0..N {
            let (difference, first) = sum[index].overflowing_sub(self.words[index]);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            less[index] = difference;
            borrow = first || second;
        }
        if top > 0 || !borrow { less } else { sum }
    }
}
