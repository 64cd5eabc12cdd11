//! What charts' random values are derived from. It must not know where the control plane keeps its
//! secret.

use holdfast_model::digest::Hasher;
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
