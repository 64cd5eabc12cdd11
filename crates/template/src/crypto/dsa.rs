//! DSA keys with 2048 and 256 bits, which nobody should use and `genPrivateKey` offers.
//!
//! It must not sign anything.

use num_bigint::BigUint;

use super::{der, prime};
use crate::chance::Chance;

/// Draws parameters and a key, in the form that OpenSSL reads.
pub(crate) fn draw(chance: &mut Chance) -> Vec<u8> {
    let (p, q) = parameters(chance);
    let one = BigUint::from(1u8);
    let power = (&p - &one) / &q;
    let mut base = BigUint::from(2u8);
    let mut generator = base.modpow(&power, &p);
    while generator == one {
        base += 1u8;
        generator = base.modpow(&power, &p);
    }
    let secret = prime::below(chance, &q);
    let public = generator.modpow(&secret, &p);
    der::sequence(&[
        der::integer(&BigUint::ZERO),
        der::integer(&p),
        der::integer(&q),
        der::integer(&generator),
        der::integer(&public),
        der::integer(&secret),
    ])
}

/// A prime, and a smaller one that divides it less one.
fn parameters(chance: &mut Chance) -> (BigUint, BigUint) {
    let one = BigUint::from(1u8);
    let q = prime::prime(chance, 256);
    let step = &q * 2u8;
    loop {
        let start = prime::number(chance, 2048);
        let p = &start - &start % &step + &one;
        // Small factors are cheap to find, and most candidates have one.
        let has_factor = [
            3u32, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61,
        ]
        .iter()
        .any(|factor| &p % factor == BigUint::ZERO);
        if p.bits() == 2048 && !has_factor && prime::is_prime(chance, &p) {
            return (p, q);
        }
    }
}
