//! JSON web tokens as an issuer of identities signs them. It must not know who takes them.

use holdfast_model::{Value, base64};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::json;

/// Who signs.
pub struct Signer(KeyPair);

impl Signer {
    /// One with a key of its own.
    ///
    /// # Errors
    /// When the machine gives no key.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(KeyPair::generate_for(&PKCS_ED25519)?))
    }

    /// The key that others check with, in PEM.
    pub fn public_key(&self) -> String {
        self.0.public_key_pem()
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(&self, claims: &Value) -> anyhow::Result<String> {
        let header = json!({"alg": "EdDSA", "typ": "JWT"});
        let parts = [&header, claims].map(|part| encoded(part.to_string().as_bytes()));
        let text = parts.join(".");
        let signature = self.0.sign(text.as_bytes())?;
        Ok(format!("{text}.{}", encoded(&signature)))
    }
}

/// Base64 as addresses have it, without padding.
fn encoded(bytes: &[u8]) -> String {
    let text = base64::encode(bytes);
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}
