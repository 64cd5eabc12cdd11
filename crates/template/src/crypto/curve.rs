//! The curve P-256 and ECDSA on it.
//!
//! It must not know certificates.

use num_bigint::BigUint;

use super::hash::sha256;
use super::{der, prime};
use crate::chance::Chance;

fn hex(text: &str) -> BigUint {
    BigUint::parse_bytes(text.as_bytes(), 16).unwrap_or_default()
}

/// The numbers that make the curve.
struct Curve {
    field: BigUint,
    order: BigUint,
    base: Point,
}

/// A point in Jacobian coordinates; the third is zero for the point at infinity.
#[derive(Clone)]
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
}

impl Curve {
    fn p256() -> Self {
        Self {
            field: hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
            order: hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
            base: Point {
                x: hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
                y: hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
                z: BigUint::from(1u8),
            },
        }
    }

    fn sub(&self, left: &BigUint, right: &BigUint) -> BigUint {
        (left + &self.field - right % &self.field) % &self.field
    }

    fn double(&self, point: &Point) -> Point {
        let field = &self.field;
        if point.z == BigUint::ZERO || point.y == BigUint::ZERO {
            return infinity();
        }
        // The curve's first coefficient is minus three.
        let delta = &point.z * &point.z % field;
        let gamma = &point.y * &point.y % field;
        let beta = &point.x * &gamma % field;
        let left = self.sub(&point.x, &delta);
        let right = (&point.x + &delta) % field;
        let alpha = (left * right * 3u8) % field;
        let x = self.sub(&(&alpha * &alpha % field), &(&beta * 8u8 % field));
        let sum = &point.y + &point.z;
        let z = self.sub(&(&sum * &sum % field), &((gamma.clone() + &delta) % field));
        let inner = self.sub(&(&beta * 4u8 % field), &x);
        let y = self.sub(&(alpha * inner % field), &(&gamma * &gamma * 8u8 % field));
        Point { x, y, z }
    }

    fn add(&self, left: &Point, right: &Point) -> Point {
        let field = &self.field;
        if left.z == BigUint::ZERO {
            return right.clone();
        }
        if right.z == BigUint::ZERO {
            return left.clone();
        }
        let left_square = &left.z * &left.z % field;
        let right_square = &right.z * &right.z % field;
        let left_x = &left.x * &right_square % field;
        let right_x = &right.x * &left_square % field;
        let left_y = &left.y * &right.z % field * &right_square % field;
        let right_y = &right.y * &left.z % field * &left_square % field;
        let run = self.sub(&right_x, &left_x);
        let rise = self.sub(&right_y, &left_y);
        if run == BigUint::ZERO {
            return if rise == BigUint::ZERO {
                self.double(left)
            } else {
                infinity()
            };
        }
        let square = &run * &run % field;
        let cube = &square * &run % field;
        let scaled = &left_x * &square % field;
        let x = self.sub(&(&rise * &rise % field), &((&cube + &scaled * 2u8) % field));
        let y = self.sub(
            &(rise * self.sub(&scaled, &x) % field),
            &(left_y * &cube % field),
        );
        let z = &left.z * &right.z % field * run % field;
        Point { x, y, z }
    }

    fn times(&self, number: &BigUint) -> Option<(BigUint, BigUint)> {
        let mut sum = infinity();
        for index in (0..number.bits()).rev() {
            sum = self.double(&sum);
            if number.bit(index) {
                sum = self.add(&sum, &self.base);
            }
        }
        let inverse = sum.z.modinv(&self.field)?;
        let square = &inverse * &inverse % &self.field;
        let x = &sum.x * &square % &self.field;
        let y = &sum.y * square % &self.field * inverse % &self.field;
        Some((x, y))
    }
}

fn infinity() -> Point {
    Point {
        x: BigUint::from(1u8),
        y: BigUint::from(1u8),
        z: BigUint::ZERO,
    }
}

/// A private key.
#[derive(Clone)]
pub(crate) struct Key {
    secret: BigUint,
    public: Vec<u8>,
}

impl Key {
    pub(crate) fn draw(chance: &mut Chance) -> Option<Self> {
        let secret = prime::below(chance, &Curve::p256().order);
        Self::of(secret)
    }

    fn of(secret: BigUint) -> Option<Self> {
        let (x, y) = Curve::p256().times(&secret)?;
        let mut public = vec![4];
        public.extend(der::padded(&x, 32));
        public.extend(der::padded(&y, 32));
        Some(Self { secret, public })
    }

    /// Reads the form of SEC 1. The curve may stand outside of it, as in PKCS#8.
    pub(crate) fn read(bytes: &[u8], curve_known: Option<&[u8]>) -> Option<Self> {
        let mut reader = der::Reader::new(bytes).enter(der::SEQUENCE)?;
        reader.take(der::INTEGER)?;
        let secret = BigUint::from_bytes_be(reader.take(der::OCTETS)?);
        let mut curve = curve_known;
        if reader.peek() == Some(0xa0) {
            curve = Some(reader.enter(0xa0)?.take(der::OID)?);
        }
        if curve != Some(der::P256) {
            return None;
        }
        Self::of(secret)
    }

    /// Writes the form of SEC 1.
    pub(crate) fn write(&self) -> Vec<u8> {
        der::sequence(&[
            der::integer(&BigUint::from(1u8)),
            der::octets(&der::padded(&self.secret, 32)),
            der::wrap(0xa0, &der::oid(der::P256)),
            der::wrap(0xa1, &der::bits(&self.public, 0)),
        ])
    }

    /// The public point, uncompressed.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// A signature with SHA-256.
    pub(crate) fn sign(&self, chance: &mut Chance, message: &[u8]) -> Option<Vec<u8>> {
        let curve = Curve::p256();
        let order = &curve.order;
        let digest = BigUint::from_bytes_be(&sha256(message));
        loop {
            let nonce = prime::below(chance, order);
            let (x, _) = curve.times(&nonce)?;
            let first = x % order;
            let inverse = nonce.modinv(order)?;
            let second = inverse * (&digest + &first * &self.secret) % order;
            if first != BigUint::ZERO && second != BigUint::ZERO {
                return Some(der::sequence(&[
                    der::integer(&first),
                    der::integer(&second),
                ]));
            }
        }
    }
}
