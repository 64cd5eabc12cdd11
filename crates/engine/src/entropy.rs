//! What is derived from the installation's secret: charts' random values, and the key of digests of
//! sensitive values. It must not know where the control plane keeps the secret.

use holdfast_model::digest::Hasher;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::StackUid;

/// What everything random of a Stack's renders is derived from: the same for as long as the secret of
/// the control plane and the Stack's seed are.
pub fn entropy(secret: &[u8; 32], uid: &StackUid, seed: &str) -> [u8; 32] {
    let mut hasher = Hasher::new("entropy");
    hasher.field(secret);
    hasher.field(uid.0.as_bytes());
    if !seed.is_empty() {
        hasher.field(seed.as_bytes());
    }
    *hasher.finish().as_bytes()
}

/// What digests of sensitive values are keyed by.
pub fn digest_key(secret: &[u8; 32]) -> DigestKey {
    DigestKey::derive(secret, "digests")
}
