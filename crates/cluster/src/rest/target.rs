//! What a request is about: an object or a resource, in a version. It must not know what is done
//! to it.

use std::sync::Arc;

use holdfast_admit::{ApiError, ObjectName, Result, Served};
use holdfast_model::Value;

use crate::call::text_at;

/// What a path of the resource API names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) served: Arc<Served>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: String,
}

impl Target {
    /// Where the object is kept.
    pub(crate) fn object_name(&self) -> Result<ObjectName> {
        let name = self.name.clone().ok_or_else(ApiError::no_route)?;
        Ok(ObjectName {
            namespace: self.namespace.clone().unwrap_or_default(),
            name,
        })
    }

    /// The answer that there is no such object.
    pub(crate) fn not_found(&self) -> ApiError {
        let name = self.name.as_deref().unwrap_or_default();
        ApiError::not_found(&self.served.resource(), name)
    }
}

/// The object in the version that is asked for, given the one it is stored in.
pub(crate) fn in_version(mut value: Value, served: &Served) -> Value {
    let version = served.kind.api_version();
    if value.get("apiVersion").and_then(Value::as_str) != Some(&version) {
        holdfast_admit::convert(&mut value, served);
    }
    value
}

/// The name that an object says it has.
pub(crate) fn name_of(value: &Value) -> &str {
    text_at(value, &["metadata", "name"]).unwrap_or("")
}
