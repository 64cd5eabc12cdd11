//! Powers by an odd modulus, after Montgomery: what drawing keys spends its time on.
//!
//! It must not know keys. Numbers are arrays of limbs, the lowest first, of fewer than 64 bits
//! each: a column of products then fits into 128 bits, and carries wait until all are added up.
//! Nothing is reduced below twice the modulus before the end, for which the radix has room.

use num_bigint::BigUint;

/// Bits of the exponent that are taken together.
const WINDOW: usize = 5;

/// A base to an exponent by a modulus greater than one.
pub(crate) fn power(base: &BigUint, exponent: &BigUint, modulus: &BigUint) -> BigUint {
    // A column holds a product for each limb, twice: 34 of 122 bits, and 70 of 120 bits.
    match (modulus.bit(0), modulus.bits()) {
        (true, 961..=1024) => power_in::<17, 34, 61>(base, exponent, modulus),
        (true, 1985..=2048) => power_in::<35, 70, 60>(base, exponent, modulus),
        _ => base.modpow(exponent, modulus),
    }
}

/// A modulus of so many limbs, which have so many bits; products have twice the limbs.
struct Modulus<const LIMBS: usize, const TWICE: usize, const BITS: usize> {
    limbs: [u64; LIMBS],
    /// Minus the inverse of the lowest limb.
    inverse: u64,
}

fn power_in<const LIMBS: usize, const TWICE: usize, const BITS: usize>(
    base: &BigUint,
    exponent: &BigUint,
    modulus: &BigUint,
) -> BigUint {
    let inner = Modulus::<LIMBS, TWICE, BITS>::of(modulus);
    let one = inner.limbs_of(&((BigUint::from(1u8) << (LIMBS * BITS)) % modulus));
    let result = if *base == BigUint::from(2u8) {
        inner.power_of_two(one, exponent)
    } else {
        let base = inner.limbs_of(&(((base % modulus) << (LIMBS * BITS)) % modulus));
        inner.power_of(one, base, exponent)
    };
    let mut unit = [0; LIMBS];
    unit[0] = 1;
    inner.number_of(&inner.multiply(&result, &unit)) % modulus
}

fn product(left: u64, right: u64) -> u128 {
    u128::from(left) * u128::from(right)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
fn low(number: u128) -> u64 {
    number as u64
}

impl<const LIMBS: usize, const TWICE: usize, const BITS: usize> Modulus<LIMBS, TWICE, BITS> {
    const MASK: u64 = (1 << BITS) - 1;

    fn of(modulus: &BigUint) -> Self {
        let mut inner = Self {
            limbs: [0; LIMBS],
            inverse: 0,
        };
        inner.limbs = inner.limbs_of(modulus);
        // Each step doubles the number of bits that are right.
        let lowest = inner.limbs[0];
        let mut inverse = lowest;
        for _ in 0..6 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(lowest.wrapping_mul(inverse)));
        }
        inner.inverse = inverse.wrapping_neg() & Self::MASK;
        inner
    }

    fn limbs_of(&self, number: &BigUint) -> [u64; LIMBS] {
        let digits = number.to_u64_digits();
        let digit = |index: usize| digits.get(index).copied().unwrap_or(0);
        std::array::from_fn(|index| {
            let (word, shift) = (index * BITS / 64, index * BITS % 64);
            let both = u128::from(digit(word)) | u128::from(digit(word + 1)) << 64;
            low(both >> shift) & Self::MASK
        })
    }

    fn number_of(&self, limbs: &[u64; LIMBS]) -> BigUint {
        let mut bytes = Vec::with_capacity(LIMBS * 8);
        let (mut pending, mut bits) = (0u128, 0);
        for limb in limbs {
            pending |= u128::from(*limb) << bits;
            bits += BITS;
            while bits >= 8 {
                bytes.push((pending & 0xff) as u8);
                pending >>= 8;
                bits -= 8;
            }
        }
        bytes.push((pending & 0xff) as u8);
        BigUint::from_bytes_le(&bytes)
    }

    /// Powers of two need no products but squares: that is what a number is tested with first.
    fn power_of_two(&self, one: [u64; LIMBS], exponent: &BigUint) -> [u64; LIMBS] {
        let mut result = one;
        for bit in (0..exponent.bits()).rev() {
            result = self.square(&result);
            if exponent.bit(bit) {
                result = Self::double(&result);
            }
        }
        result
    }

    fn power_of(&self, one: [u64; LIMBS], base: [u64; LIMBS], exponent: &BigUint) -> [u64; LIMBS] {
        let mut table = vec![one, base];
        for index in 2..1 << WINDOW {
            table.push(self.multiply(&table[index - 1], &base));
        }
        let mut result = one;
        let bits = usize::try_from(exponent.bits()).unwrap_or(0);
        for window in (0..bits.div_ceil(WINDOW)).rev() {
            for _ in 0..WINDOW {
                result = self.square(&result);
            }
            let digit = (0..WINDOW).rev().fold(0, |digit, bit| {
                digit << 1 | usize::from(exponent.bit((window * WINDOW + bit) as u64))
            });
            if digit > 0 {
                result = self.multiply(&result, &table[digit]);
            }
        }
        result
    }

    fn double(number: &[u64; LIMBS]) -> [u64; LIMBS] {
        let mut carry = 0;
        std::array::from_fn(|index| {
            let twice = number[index] << 1 | carry;
            carry = twice >> BITS;
            twice & Self::MASK
        })
    }

    fn square(&self, number: &[u64; LIMBS]) -> [u64; LIMBS] {
        let mut columns = [0; TWICE];
        for (index, limb) in number.iter().enumerate() {
            columns[2 * index] += product(*limb, *limb);
            let above = columns[2 * index + 1..].iter_mut();
            for (column, other) in above.zip(&number[index + 1..]) {
                *column += product(limb << 1, *other);
            }
        }
        self.reduce(columns)
    }

    fn multiply(&self, left: &[u64; LIMBS], right: &[u64; LIMBS]) -> [u64; LIMBS] {
        let mut columns = [0; TWICE];
        for (index, limb) in left.iter().enumerate() {
            for (column, other) in columns[index..].iter_mut().zip(right) {
                *column += product(*limb, *other);
            }
        }
        self.reduce(columns)
    }

    /// Adds multiples of the modulus that make the lower half zero, and gives the upper one.
    fn reduce(&self, mut columns: [u128; TWICE]) -> [u64; LIMBS] {
        let mut carry = 0;
        for index in 0..LIMBS {
            columns[index] += carry;
            let factor = low(columns[index]).wrapping_mul(self.inverse) & Self::MASK;
            for (column, limb) in columns[index..].iter_mut().zip(&self.limbs) {
                *column += product(factor, *limb);
            }
            carry = columns[index] >> BITS;
        }
        std::array::from_fn(|index| {
            let column = columns[LIMBS + index] + carry;
            carry = column >> BITS;
            low(column) & Self::MASK
        })
    }
}
