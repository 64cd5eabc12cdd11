//! RSA keys and signatures.
//!
//! It must not know certificates.

use num_bigint::BigUint;

use super::der;
use super::hash::sha256;
use super::power::power;
use super::prime;
use crate::chance::Chance;

/// A private key with everything that makes it fast to use.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) modulus: BigUint,
    pub(crate) exponent: BigUint,
    secret: BigUint,
    primes: [BigUint; 2],
    /// The secret exponent by each prime less one, and the inverse of the second prime.
    parts: [BigUint; 3],
}

impl Key {
    /// Draws a key whose modulus has that many bits.
    pub(crate) fn draw(chance: &mut Chance, bits: usize) -> Self {
        let exponent = BigUint::from(65_537u32);
        loop {
            let first = prime::prime(chance, bits / 2);
            let second = prime::prime(chance, bits / 2);
            if let Some(key) = Self::of(first, second, &exponent)
                && key.modulus.bits() == bits as u64
            {
                return key;
            }
        }
    }

    fn of(first: BigUint, second: BigUint, exponent: &BigUint) -> Option<Self> {
        let one = BigUint::from(1u8);
        if first == second || first <= one || second <= one {
            return None;
        }
        let (first_less, second_less) = (&first - &one, &second - &one);
        let secret = exponent.modinv(&(&first_less * &second_less))?;
        let inverse = second.modinv(&first)?;
        Some(Self {
            modulus: &first * &second,
            exponent: exponent.clone(),
            parts: [&secret % &first_less, &secret % &second_less, inverse],
            secret,
            primes: [first, second],
        })
    }

    /// Reads PKCS#1.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = der::Reader::new(bytes).enter(der::SEQUENCE)?;
        let mut next = || Some(BigUint::from_bytes_be(reader.take(der::INTEGER)?));
        let (_version, modulus, exponent) = (next()?, next()?, next()?);
        let secret = next()?;
        let (first, second) = (next()?, next()?);
        let mut key = Self::of(first, second, &exponent)?;
        if key.modulus != modulus {
            return None;
        }
        key.secret = secret;
        Some(key)
    }

    /// Writes PKCS#1.
    pub(crate) fn write(&self) -> Vec<u8> {
        let [first, second] = &self.primes;
        let [first_part, second_part, inverse] = &self.parts;
        let numbers = [
            &BigUint::ZERO,
            &self.modulus,
            &self.exponent,
            &self.secret,
            first,
            second,
            first_part,
            second_part,
            inverse,
        ];
        let fields: Vec<Vec<u8>> = numbers.into_iter().map(der::integer).collect();
        der::sequence(&fields)
    }

    /// The public half as PKCS#1 has it.
    pub(crate) fn public(&self) -> Vec<u8> {
        der::sequence(&[der::integer(&self.modulus), der::integer(&self.exponent)])
    }

    /// A signature of SHA-256 by PKCS#1 version 1.5.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let size = usize::try_from(self.modulus.bits().div_ceil(8)).unwrap_or(0);
        let info = der::sequence(&[
            der::sequence(&[der::oid(der::SHA256), der::null()]),
            der::octets(&sha256(message)),
        ]);
        let mut padded = vec![0xff; size.saturating_sub(info.len())];
        if padded.len() >= 3 {
            padded[0] = 0;
            padded[1] = 1;
        }
        if let Some(last) = padded.last_mut() {
            *last = 0;
        }
        padded.extend(info);
        let message = BigUint::from_bytes_be(&padded);
        let [first, second] = &self.primes;
        let [first_part, second_part, inverse] = &self.parts;
        let by_first = power(&message, first_part, first);
        let by_second = power(&message, second_part, second);
        let difference = (&by_first + first - &by_second % first) % first;
        let signature = by_second + second * (difference * inverse % first);
        der::padded(&signature, size)
    }
}
