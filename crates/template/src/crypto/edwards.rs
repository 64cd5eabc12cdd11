//! Ed25519 keys and signatures.
//!
//! It must not know certificates.

use num_bigint::BigUint;

use super::hash::sha512;

/// A private key: its seed and its public half.
#[derive(Clone)]
pub(crate) struct Key {
    seed: [u8; 32],
    public: [u8; 32],
}

/// The numbers that make the curve.
struct Curve {
    field: BigUint,
    order: BigUint,
    /// Twice the curve's coefficient.
    double_d: BigUint,
}

/// A point in extended coordinates.
#[derive(Clone)]
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
    t: BigUint,
}

fn decimal(text: &str) -> BigUint {
    BigUint::parse_bytes(text.as_bytes(), 10).unwrap_or_default()
}

impl Curve {
    fn new() -> Self {
        let field = (BigUint::from(1u8) << 255) - BigUint::from(19u8);
        let d = decimal(
            "37095705934669439343138083508754565189542113879843219016388785533085940283555",
        );
        Self {
            double_d: d * 2u8 % &field,
            order: (BigUint::from(1u8) << 252) + decimal("27742317777372353535851937790883648493"),
            field,
        }
    }

    fn base(&self) -> Point {
        let x = decimal(
            "15112221349535400772501151409588531511454012693041857206046113283949847762202",
        );
        let y = decimal(
            "46316835694926478169428394003475163141307993866256225615783033603165251855960",
        );
        Point {
            t: &x * &y % &self.field,
            x,
            y,
            z: BigUint::from(1u8),
        }
    }

    fn sub(&self, left: &BigUint, right: &BigUint) -> BigUint {
        (left + &self.field - right) % &self.field
    }

    fn add(&self, left: &Point, right: &Point) -> Point {
        let field = &self.field;
        let a = self.sub(&left.y, &left.x) * self.sub(&right.y, &right.x) % field;
        let b = (&left.y + &left.x) * (&right.y + &right.x) % field;
        let c = &left.t * &self.double_d % field * &right.t % field;
        let d = &left.z * 2u8 * &right.z % field;
        let (e, f) = (self.sub(&b, &a), self.sub(&d, &c));
        let (g, h) = ((d + c) % field, (b + a) % field);
        Point {
            x: &e * &f % field,
            y: &g * &h % field,
            z: f * g % field,
            t: e * h % field,
        }
    }

    /// The base point times a number, as it is written.
    fn times(&self, number: &BigUint) -> [u8; 32] {
        let base = self.base();
        let mut sum = Point {
            x: BigUint::ZERO,
            y: BigUint::from(1u8),
            z: BigUint::from(1u8),
            t: BigUint::ZERO,
        };
        for index in (0..number.bits()).rev() {
            sum = self.add(&sum, &sum);
            if number.bit(index) {
                sum = self.add(&sum, &base);
            }
        }
        let inverse = sum.z.modinv(&self.field).unwrap_or_default();
        let x = sum.x * &inverse % &self.field;
        let y = sum.y * inverse % &self.field;
        let mut bytes = little(&y);
        bytes[31] |= u8::from(x.bit(0)) << 7;
        bytes
    }
}

fn little(number: &BigUint) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, digit) in bytes.iter_mut().zip(number.to_bytes_le()) {
        *byte = digit;
    }
    bytes
}

/// The secret number and the secret prefix of a seed.
fn expand(seed: &[u8; 32]) -> (BigUint, [u8; 32]) {
    let digest = sha512(&[seed]);
    let (mut low, mut prefix) = ([0; 32], [0; 32]);
    low.copy_from_slice(&digest[..32]);
    prefix.copy_from_slice(&digest[32..]);
    low[0] &= 248;
    low[31] = low[31] & 127 | 64;
    (BigUint::from_bytes_le(&low), prefix)
}

impl Key {
    pub(crate) fn of(seed: [u8; 32]) -> Self {
        let (secret, _) = expand(&seed);
        Self {
            seed,
            public: Curve::new().times(&secret),
        }
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(crate) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let curve = Curve::new();
        let (secret, prefix) = expand(&self.seed);
        let nonce = BigUint::from_bytes_le(&sha512(&[&prefix, message])) % &curve.order;
        let first = curve.times(&nonce);
        let challenge = sha512(&[&first, &self.public, message]);
        let challenge = BigUint::from_bytes_le(&challenge) % &curve.order;
        let second = (nonce + challenge * secret) % &curve.order;
        [first, little(&second)].concat()
    }
}
