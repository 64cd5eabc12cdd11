//! The native dialect, `holdfast.dev/v1alpha1`: Stack, Target and Tenant, their definitions, and the
//! conversion of what a person wrote to what the engine reads. It must not know how they are stored.

pub mod crds;
pub mod deeds;
pub mod pin;
mod render;
mod render_crds;
mod secrets;
pub mod stack;
pub mod status;
pub mod target;
pub mod tenant;
mod vault;

#[cfg(test)]
mod tests;

/// The API group.
pub const GROUP: &str = "holdfast.dev";
/// The version.
pub const VERSION: &str = "v1alpha1";
/// Group and version as `apiVersion` has them.
pub const API_VERSION: &str = "holdfast.dev/v1alpha1";

/// The annotation by which a person asks for a look at once; its text is the time of asking.
pub const SYNC_ANNOTATION: &str = "holdfast.dev/sync";
/// The annotation by which a person asks to look at Git at once, without applying anything that waits
/// to be asked for; its text is another one each time.
pub const REFRESH_ANNOTATION: &str = "holdfast.dev/refresh";
/// The annotation by which a person ends the operation that is under way; its text is another one each
/// time.
pub const TERMINATE_ANNOTATION: &str = "holdfast.dev/terminate";
/// The annotation by which a person takes back what was left to others: a text that is another one each
/// time, and after spaces an object and a field of it, where not all is meant.
pub const TAKE_BACK_ANNOTATION: &str = "holdfast.dev/take-back";
/// The annotation that confirms a plan by its digest.
pub const APPROVE_ANNOTATION: &str = "holdfast.dev/approve";
/// The annotation that holds a Stack at an older revision: JSON, as [`pin`] reads it.
pub const PIN_ANNOTATION: &str = "holdfast.dev/pin";
/// The finalizer by which a Stack's objects go before the Stack does.
pub const FINALIZER: &str = "holdfast.dev/objects";
