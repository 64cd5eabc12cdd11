//! Fermat's test by two for eight numbers at once, on processors with wide registers: what most
//! numbers fail that a prime is looked for among.
//!
//! It must not know how numbers are chosen. Each lane of a vector belongs to one number. Limbs have
//! so few bits that a column of products fits into 64, as in `power`, and the code is plain loops
//! over lanes: the compiler makes it once for each width of registers, and the width that the
//! processor has is taken when it runs.

use std::array::from_fn;
use std::ops::{Add, Range};

use multiversion::multiversion;
use num_bigint::BigUint;

/// How many numbers are tested together.
pub(crate) const LANES: usize = 8;

/// How many columns are added up together: it spares loads, and more do not fit into registers.
const BLOCK: usize = 4;

/// Whether this processor tests eight numbers together faster than one after the other.
fn has_wide_registers() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Which of up to eight odd numbers may be primes, after Fermat's test by two. All of them may where
/// the test is no faster than the ones that follow.
pub(crate) fn pass_two(numbers: &[BigUint]) -> [bool; LANES] {
    let (Some(first), true) = (numbers.first(), has_wide_registers()) else {
        return [true; LANES];
    };
    // The bits of all limbs leave room for four times a number.
    match first.bits() {
        1000..=1024 => Numbers::<37, 41, 28>::of(numbers).pass(numbers, power_of_1024),
        2000..=2048 => Numbers::<77, 81, 27>::of(numbers).pass(numbers, power_of_2048),
        _ => [true; LANES],
    }
}

/// A limb of each of the numbers, or a digit of their exponents.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct Lane([u64; LANES]);

const ZERO: Lane = Lane([0; LANES]);

impl Lane {
    #[inline]
    fn map(self, change: impl Fn(u64) -> u64) -> Self {
        Self(self.0.map(change))
    }

    /// The product of limbs of at most 32 bits.
    #[inline]
    fn times(self, other: Self) -> Self {
        let half = u64::from(u32::MAX);
        Self(from_fn(|lane| {
            (self.0[lane] & half) * (other.0[lane] & half)
        }))
    }
}

impl Add for Lane {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }
}

/// Eight odd moduli of so many limbs, which have so many bits. `PADDED` is four limbs more, which
/// are zero, so that a block of columns may reach beyond the end.
struct Numbers<const LIMBS: usize, const PADDED: usize, const BITS: usize> {
    limbs: [Lane; PADDED],
    /// Minus the inverses of the lowest limbs.
    inverse: Lane,
    /// The numbers less one, by digits of 64 bits.
    exponents: Vec<Lane>,
    /// One, after Montgomery.
    one: [Lane; PADDED],
}

/// Adds to the columns from `first` on what belongs to them of the products of some limbs of `left`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it is made for the registers of its caller"
)]
fn add_products(
    columns: &mut [Lane; BLOCK],
    (left, limbs): (&[Lane], Range<usize>),
    right: &[Lane],
    first: usize,
) {
    let mut sums = *columns;
    for index in limbs {
        let others = &right[first - index..][..BLOCK];
        for (sum, other) in sums.iter_mut().zip(others) {
            *sum = *sum + left[index].times(*other);
        }
    }
    *columns = sums;
}

impl<const LIMBS: usize, const PADDED: usize, const BITS: usize> Numbers<LIMBS, PADDED, BITS> {
    const MASK: u64 = (1 << BITS) - 1;

    /// Lanes without a number repeat the first one.
    fn of(numbers: &[BigUint]) -> Self {
        let numbers: [&BigUint; LANES] = from_fn(|lane| numbers.get(lane).unwrap_or(&numbers[0]));
        let radix = BigUint::from(1u8) << (LIMBS * BITS);
        let limbs = Self::limbs_of(&numbers.map(BigUint::to_u64_digits));
        let ones = numbers.map(|number| (&radix % number).to_u64_digits());
        let exponents = numbers.map(|number| (number - 1u8).to_u64_digits());
        let digits = exponents.iter().map(Vec::len).max().unwrap_or(0);
        let digit = |index: usize| {
            Lane(from_fn(|lane| {
                exponents[lane].get(index).copied().unwrap_or(0)
            }))
        };
        // Each step doubles the number of bits that are right.
        let lowest = limbs[0];
        let inverse = (0..5).fold(lowest, |inverse, _| {
            let step = lowest.times(inverse).map(|step| 2u64.wrapping_sub(step));
            inverse
                .times(step.map(|step| step & Self::MASK))
                .map(|inverse| inverse & Self::MASK)
        });
        Self {
            limbs,
            inverse: inverse.map(|inverse| inverse.wrapping_neg() & Self::MASK),
            exponents: (0..digits).map(digit).collect(),
            one: Self::limbs_of(&ones),
        }
    }

    fn limbs_of(digits: &[Vec<u64>; LANES]) -> [Lane; PADDED] {
        from_fn(|index| {
            let (word, shift) = (index * BITS / 64, index * BITS % 64);
            Lane(from_fn(|lane| {
                let digit = |word: usize| digits[lane].get(word).copied().unwrap_or(0);
                let both = u128::from(digit(word)) | u128::from(digit(word + 1)) << 64;
                u64::try_from(both >> shift & u128::from(Self::MASK)).unwrap_or(0)
            }))
        })
    }

    /// The number in a lane.
    fn number_of(limbs: &[Lane; PADDED], lane: usize) -> BigUint {
        limbs.iter().rev().fold(BigUint::ZERO, |number, limb| {
            (number << BITS) + limb.0[lane]
        })
    }

    /// Which numbers leave one when two is raised to them less one.
    fn pass(&self, numbers: &[BigUint], power: fn(&Self) -> [Lane; PADDED]) -> [bool; LANES] {
        let result = power(self);
        from_fn(|lane| {
            numbers.get(lane).is_some_and(|number| {
                Self::number_of(&result, lane) % number == Self::number_of(&self.one, lane)
            })
        })
    }

    /// Two to the exponents, after Montgomery: squares, and doubles where a bit is set.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it is made for the registers of its caller"
    )]
    fn power_of_two(&self) -> [Lane; PADDED] {
        let mut result = self.one;
        for digit in self.exponents.iter().rev() {
            for bit in (0..64).rev() {
                result = self.square(&result);
                let mask = digit.map(|digit| (digit >> bit & 1).wrapping_neg());
                for limb in &mut result {
                    *limb = *limb + Lane(from_fn(|lane| limb.0[lane] & mask.0[lane]));
                }
            }
        }
        result
    }

    /// Squares, with multiples of the moduli that make the lower half zero, and gives the upper half.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it is made for the registers of its caller"
    )]
    fn square(&self, number: &[Lane; PADDED]) -> [Lane; PADDED] {
        let mut factors = [ZERO; PADDED];
        let mut result = [ZERO; PADDED];
        let mut carry = ZERO;
        for first in (0..2 * LIMBS).step_by(BLOCK) {
            let lowest = (first + 1).saturating_sub(LIMBS);
            let middle = first / 2;
            let mut columns = [ZERO; BLOCK];
            add_products(&mut columns, (number, lowest..middle), number, first);
            // Where a limb meets those next to it: what is below the middle meets what is above.
            let near: [Lane; BLOCK] = from_fn(|above| number[middle + above]);
            columns[1] = columns[1] + near[0].times(near[1]);
            columns[2] = columns[2] + near[0].times(near[2]);
            columns[3] = columns[3] + near[0].times(near[3]) + near[1].times(near[2]);
            let mut columns = columns.map(|column| column + column);
            columns[0] = columns[0] + near[0].times(near[0]);
            columns[2] = columns[2] + near[1].times(near[1]);
            let known = first.min(LIMBS);
            add_products(&mut columns, (&factors, lowest..known), &self.limbs, first);
            for (place, column) in columns.into_iter().enumerate() {
                let index = first + place;
                let newer = known..index.min(LIMBS);
                let mut sum = newer.fold(column + carry, |sum, newer| {
                    sum + factors[newer].times(self.limbs[index - newer])
                });
                if index < LIMBS {
                    let low = sum.map(|sum| sum & Self::MASK);
                    factors[index] = low.times(self.inverse).map(|factor| factor & Self::MASK);
                    sum = sum + factors[index].times(self.limbs[0]);
                } else {
                    result[index - LIMBS] = sum.map(|sum| sum & Self::MASK);
                }
                carry = sum.map(|sum| sum >> BITS);
            }
        }
        result
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn power_of_1024(numbers: &Numbers<37, 41, 28>) -> [Lane; 41] {
    numbers.power_of_two()
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn power_of_2048(numbers: &Numbers<77, 81, 27>) -> [Lane; 81] {
    numbers.power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Powers of lanes, whatever the processor: they are only slow where registers are narrow.
    fn powers<const LIMBS: usize, const PADDED: usize, const BITS: usize>(
        numbers: &[BigUint],
        power: fn(&Numbers<LIMBS, PADDED, BITS>) -> [Lane; PADDED],
    ) -> Vec<BigUint> {
        let result = power(&Numbers::of(numbers));
        let radix = BigUint::from(1u8) << (LIMBS * BITS);
        let number_of = |(lane, number): (usize, &BigUint)| {
            let back = radix.modinv(number).unwrap_or_default();
            Numbers::<LIMBS, PADDED, BITS>::number_of(&result, lane) * back % number
        };
        numbers.iter().enumerate().map(number_of).collect()
    }

    #[test]
    fn powers_are_those_of_the_library() {
        let mut chance = crate::chance::Chance::new([7; 32]);
        for bits in [1000, 1023, 1024, 2000, 2048] {
            let mut numbers: Vec<BigUint> = (0..LANES)
                .map(|_| crate::crypto::prime::number(&mut chance, bits) | BigUint::from(1u8))
                .collect();
            // The largest one, where limbs are as full as they get.
            numbers[3] = (BigUint::from(1u8) << bits) - 1u8;
            let expected: Vec<BigUint> = numbers
                .iter()
                .map(|number| BigUint::from(2u8).modpow(&(number - 1u8), number))
                .collect();
            let found = match bits {
                ..=1024 => powers(&numbers, power_of_1024),
                _ => powers(&numbers, power_of_2048),
            };
            assert_eq!(found, expected, "{bits} bits");
        }
    }

    #[test]
    fn primes_pass_and_others_do_not() {
        // 2^1024 - 105 is the largest prime of 1,024 bits.
        let prime: BigUint = (BigUint::from(1u8) << 1024) - 105u8;
        let other: BigUint = (BigUint::from(1u8) << 1024) - 107u8;
        let passed = pass_two(&[other.clone(), prime, other]);
        assert!(passed[1]);
        if has_wide_registers() {
            assert_eq!(
                passed,
                [false, true, false, false, false, false, false, false]
            );
        }
    }
}
