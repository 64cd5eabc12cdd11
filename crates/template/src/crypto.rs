//! Keys, certificates and password hashes, made of nothing but the chance that is handed in.
//!
//! It must not know templates. Operations are not hardened against timing: they run where the
//! chart, which sees all of their results, runs as well.

pub(crate) mod bcrypt;
pub(crate) mod curve;
pub(crate) mod der;
pub(crate) mod dsa;
pub(crate) mod edwards;
pub(crate) mod hash;
pub(crate) mod key;
mod lanes;
pub(crate) mod pem;
pub(crate) mod power;
pub(crate) mod prime;
pub(crate) mod rsa;
pub(crate) mod x509;
