//! Shamir's way of splitting a secret, byte for byte over the field with 256 elements, in the form in
//! which SOPS stores it: the last byte of a share is where it was taken.

use zeroize::Zeroizing;

use crate::error::Error;

/// A secret or a share of one.
pub(crate) type Bytes = Zeroizing<Vec<u8>>;

/// The product of two elements, modulo x⁸ + x⁴ + x³ + x + 1. It takes equally long for all.
fn multiply(left: u8, right: u8) -> u8 {
    let mut product = 0u8;
    for bit in (0..8).rev() {
        let carry = (product >> 7).wrapping_neg() & 0x1b;
        let taken = (right >> bit & 1).wrapping_neg() & left;
        product = (product << 1) ^ carry ^ taken;
    }
    product
}

/// The element that gives 1 with this one: its power of 254.
fn inverse(element: u8) -> u8 {
    let mut power = 1u8;
    for bit in (0..8).rev() {
        power = multiply(power, power);
        if 254u8 >> bit & 1 == 1 {
            power = multiply(power, element);
        }
    }
    power
}

/// Splits a secret so that any `threshold` of the shares give it back, and fewer tell nothing.
pub(crate) fn split(secret: &[u8], shares: u8, threshold: u8) -> Result<Vec<Bytes>, Error> {
    let problem = "a secret is split among 2 to 255 groups, of which at least 2 are needed";
    if threshold < 2 || shares < threshold || secret.is_empty() {
        return Err(Error::DataKey { problem });
    }
    let degree = usize::from(threshold) - 1;
    let mut chance = Zeroizing::new(vec![0u8; secret.len() * degree]);
    getrandom::fill(&mut chance).map_err(|_| Error::Entropy)?;
    let share = |at: u8| {
        let value = |(byte, coefficients): (&u8, &[u8])| {
            let higher = coefficients
                .iter()
                .fold(0, |sum, coefficient| multiply(sum, at) ^ coefficient);
            multiply(higher, at) ^ byte
        };
        let values = secret.iter().zip(chance.chunks(degree)).map(value);
        Zeroizing::new(values.chain([at]).collect())
    };
    Ok((1..=shares).map(share).collect())
}

/// The secret that shares give. Too few of them give something else.
pub(crate) fn combine(shares: &[Bytes]) -> Result<Bytes, Error> {
    let refuse = |problem| Err(Error::DataKey { problem });
    let length = shares.first().map_or(0, |share| share.len());
    if shares.len() < 2 || length < 2 {
        return refuse("fewer than two shares");
    }
    if shares.iter().any(|share| share.len() != length) {
        return refuse("its shares have different lengths");
    }
    let places: Vec<u8> = shares.iter().map(|share| share[length - 1]).collect();
    let repeated = (1..places.len()).any(|index| places[..index].contains(&places[index]));
    if repeated || places.contains(&0) {
        return refuse("two of its shares are the same");
    }
    let weight = |index: usize| {
        let others = (0..places.len()).filter(|other| *other != index);
        others.fold(1, |weight, other| {
            let apart = inverse(places[other] ^ places[index]);
            multiply(weight, multiply(places[other], apart))
        })
    };
    let weights: Vec<u8> = (0..places.len()).map(weight).collect();
    let byte = |at: usize| {
        let parts = shares.iter().zip(&weights);
        parts.fold(0, |sum, (share, weight)| sum ^ multiply(share[at], *weight))
    };
    Ok(Zeroizing::new((0..length - 1).map(byte).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_shares_that_are_enough_give_the_secret_back_and_fewer_do_not() {
        let secret: Vec<u8> = (0..32).map(|byte| byte * 7).collect();
        let shares = split(&secret, 5, 3).expect("it can be split");
        for picked in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let some: Vec<Bytes> = picked.iter().map(|at| shares[*at].clone()).collect();
            assert_eq!(combine(&some).as_deref(), Ok(&secret));
        }
        assert_ne!(combine(&shares[..2]).as_deref(), Ok(&secret));
        let twice = [shares[0].clone(), shares[0].clone()];
        assert!(combine(&twice).is_err());
        assert!(combine(&shares[..1]).is_err());
        assert!(split(&secret, 2, 1).is_err());
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        assert!((1..=255).all(|element| multiply(element, inverse(element)) == 1));
        assert_eq!(multiply(0x57, 0x83), 0xc1);
    }
}
