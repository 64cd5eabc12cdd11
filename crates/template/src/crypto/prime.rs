//! Large numbers and primes, drawn from chance.
//!
//! It must not know keys.

use std::sync::OnceLock;

use num_bigint::BigUint;

use super::lanes::{LANES, pass_two};
use super::power::power;
use crate::chance::Chance;

/// Numbers that have no factor below this are put to the real test.
const SIEVE: u32 = 1 << 17;

/// Rounds of the real test after the one by two: for drawn numbers of a key's size five in all are
/// beyond doubt (FIPS 186-5, table B.1).
const ROUNDS: usize = 4;

/// A number of exactly that many bits.
pub(crate) fn number(chance: &mut Chance, bits: usize) -> BigUint {
    let mut bytes = vec![0; bits.div_ceil(8)];
    chance.fill(&mut bytes);
    let mut number = BigUint::from_bytes_be(&bytes) >> (bytes.len() * 8 - bits);
    number.set_bit(bits as u64 - 1, true);
    number
}

/// A number from one up to a bound, which is left out.
pub(crate) fn below(chance: &mut Chance, bound: &BigUint) -> BigUint {
    let bits = usize::try_from(bound.bits()).unwrap_or(0);
    let mut bytes = vec![0; bits.div_ceil(8)];
    loop {
        chance.fill(&mut bytes);
        let drawn = BigUint::from_bytes_be(&bytes) >> (bytes.len() * 8 - bits);
        if drawn != BigUint::ZERO && drawn < *bound {
            return drawn;
        }
    }
}

/// The primes below the sieve's bound, without two.
fn small_primes() -> Vec<u32> {
    let size = SIEVE as usize;
    let mut composite = vec![false; size];
    let mut primes = Vec::new();
    for candidate in (3..size).step_by(2) {
        if composite[candidate] {
            continue;
        }
        primes.push(u32::try_from(candidate).unwrap_or(3));
        for multiple in (candidate * candidate..size).step_by(candidate) {
            composite[multiple] = true;
        }
    }
    primes
}

/// Primes whose product fits into a word: the remainder by it has the remainders by all of them.
struct Group {
    product: u64,
    primes: Vec<u32>,
}

/// The groups of all small primes.
fn groups() -> &'static [Group] {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    GROUPS.get_or_init(|| grouped(small_primes()))
}

fn grouped(primes: Vec<u32>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for prime in primes {
        let wider = |group: &Group| group.product.checked_mul(u64::from(prime));
        match groups.last_mut().map(|group| (wider(group), group)) {
            Some((Some(product), group)) => {
                group.product = product;
                group.primes.push(prime);
            }
            _ => groups.push(Group {
                product: u64::from(prime),
                primes: vec![prime],
            }),
        }
    }
    groups
}

/// The remainder of a number, given by its digits from the highest one down.
fn remainder(digits: impl Iterator<Item = u64>, divisor: u64) -> u64 {
    let divisor = u128::from(divisor);
    let rest = digits.fold(0, |rest, digit| (rest << 64 | u128::from(digit)) % divisor);
    u64::try_from(rest).unwrap_or(0)
}

/// A prime of that many bits whose two highest bits are set, so that two of them make a modulus
/// of twice the bits.
pub(crate) fn prime(chance: &mut Chance, bits: usize) -> BigUint {
    loop {
        let mut start = number(chance, bits);
        start.set_bit(bits as u64 - 2, true);
        start.set_bit(0, true);
        if let Some(found) = search(chance, &start, bits) {
            return found;
        }
    }
}

/// How far from a drawn number a prime is looked for.
const REACH: usize = 1 << 14;

fn search(chance: &mut Chance, start: &BigUint, bits: usize) -> Option<BigUint> {
    // Offsets count in twos, as only odd numbers are looked at.
    let mut composite = vec![false; REACH];
    let digits = start.to_u64_digits();
    for group in groups() {
        let rest = remainder(digits.iter().rev().copied(), group.product);
        for prime in &group.primes {
            let wide = u64::from(*prime);
            let first = (wide - rest % wide) * wide.div_ceil(2) % wide;
            let first = usize::try_from(first).unwrap_or(0);
            for offset in (first..REACH).step_by(*prime as usize) {
                composite[offset] = true;
            }
        }
    }
    let offsets = (0..REACH).filter(|offset| !composite[*offset]);
    let mut candidates = offsets
        .map(|offset| start + BigUint::from(2 * offset))
        .filter(|candidate| candidate.bits() == bits as u64);
    loop {
        let batch: Vec<BigUint> = candidates.by_ref().take(LANES).collect();
        if batch.is_empty() {
            return None;
        }
        // What is found does not depend on how many are tested together.
        let passed = pass_two(&batch);
        let likely = batch.into_iter().zip(passed).filter(|(_, passed)| *passed);
        let found = likely
            .map(|(candidate, _)| candidate)
            .find(|candidate| is_prime(chance, candidate));
        if found.is_some() {
            return found;
        }
    }
}

/// Miller and Rabin's test: first with two, then with drawn bases.
pub(crate) fn is_prime(chance: &mut Chance, candidate: &BigUint) -> bool {
    let one = BigUint::from(1u8);
    let less = candidate - &one;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    let witness = |base: &BigUint| {
        let mut raised = power(base, &odd, candidate);
        if raised == one || raised == less {
            return false;
        }
        for _ in 1..twos {
            raised = &raised * &raised % candidate;
            if raised == less {
                return false;
            }
        }
        true
    };
    if witness(&BigUint::from(2u8)) {
        return false;
    }
    (0..ROUNDS).all(|_| !witness(&below(chance, &less)))
}
