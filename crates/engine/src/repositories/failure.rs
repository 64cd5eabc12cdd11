//! Why a source could not be had, as people read it, with the Secret that was used. It must not fetch.

use holdfast_model::stack::SecretReference;
use holdfast_source::{Cause, Credentials, Error};

/// Why a source could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFailure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl SourceFailure {
    /// Of a fetch with the credentials of a Secret, which is named where they are not taken.
    pub(crate) fn with(error: &Error, secret: Option<&SecretReference>) -> Self {
        let plain = Self::from(error);
        match (error.cause(), secret) {
            (
                Some(Cause::WrongCredentials | Cause::WrongKey),
                Some(SecretReference { namespace, name }),
            ) => Self {
                message: format!("{} of Secret {namespace}/{name}", plain.message),
                ..plain
            },
            (
                Some(Cause::HostUnknown | Cause::HostChanged | Cause::UnreadableKey),
                Some(SecretReference { namespace, name }),
            ) => Self {
                message: format!("{} (Secret {namespace}/{name})", plain.message),
                ..plain
            },
            _ => plain,
        }
    }

    /// Where the credentials of a Secret do not fit an address.
    pub(crate) fn misfit(
        credentials: &Credentials,
        url: &str,
        SecretReference { namespace, name }: &SecretReference,
    ) -> Option<Self> {
        let why = credentials.misfit(url)?;
        Some(Self {
            message: format!("`{url}` cannot be fetched with Secret {namespace}/{name}: {why}"),
            hint: None,
        })
    }
}

impl From<&Error> for SourceFailure {
    fn from(error: &Error) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}
