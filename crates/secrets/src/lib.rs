//! Secrets that are sealed in Git: opens and seals SOPS files and SealedSecrets in memory, and reads what is
//! only named there from Vault. Clear values leave this crate inside of [`Secret`], which prints as a digest,
//! or of [`sops::Unsealed`], [`vault::Data`] and [`vault::Shaped`], which do not print; their memory is zeroed.
//! It must not know Stacks, targets or where keys are kept, and it reads no file and no environment.

mod digits;
mod error;
pub mod keyring;
mod keys;
pub mod scan;
pub mod sealed;
mod shamir;
pub mod sops;
pub mod vault;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use keys::{Identity, Keys, Recipient, generate};

use holdfast_model::secret::Secret;
use zeroize::Zeroizing;

/// A clear text, zeroed when it is dropped.
pub type Clear = Secret<Zeroizing<Vec<u8>>>;

/// The most bytes of a sealed file or a sealed object that are read: far above what a Secret may hold,
/// which is 1 MiB.
pub const MOST_BYTES: usize = 16 << 20;
