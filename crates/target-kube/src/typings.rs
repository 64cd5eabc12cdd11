//! The kinds of a cluster with their types: built-in ones from the tables, custom ones from the cluster's
//! definitions. It must not know what types are used for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_kinds::Typing;
use holdfast_model::Value;
use holdfast_model::object::GroupKind;
use holdfast_model::operation::Failure;
use holdfast_model::percent::encode;
use holdfast_schema::kinds_of_crd;

use crate::discovery::Resource;
use crate::request::{Api, Call};

/// How long a definition that was read counts. One that is older is read again when its kind is next
/// looked at; until then what it does not say is asked of the server.
const FRESH: Duration = Duration::from_secs(300);
/// Groups whose kinds no definition can define.
const BUILT_IN_GROUPS: [&str; 6] = ["", "apps", "batch", "autoscaling", "policy", "extensions"];

struct Known {
    typing: Option<Arc<Typing>>,
    read: Option<Instant>,
}

/// What is known of kinds, by resource.
#[derive(Default)]
pub(crate) struct KnownTypings(Mutex<HashMap<Arc<Resource>, Known>>);

impl KnownTypings {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<Resource>, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the kinds of definitions, after one has come, gone or changed.
    pub(crate) fn forget(&self) {
        self.lock().retain(|_, known| known.read.is_none());
    }

    /// The kind of a resource; `None` where nobody says what its type is, such as for an aggregated API
    /// or where definitions may not be read.
    pub(crate) async fn find(&self, api: &Api, resource: &Arc<Resource>) -> Option<Arc<Typing>> {
        if let Some(known) = self.lock().get(resource)
            && known.read.is_none_or(|read| read.elapsed() < FRESH)
        {
            return known.typing.clone();
        }
        let kind = &resource.kind;
        let built_in = Typing::built_in(&kind.group, &resource.version, &kind.kind);
        let known = match built_in {
            Some(typing) => Known {
                typing: Some(Arc::new(typing)),
                read: None,
            },
            None => Known {
                typing: defined(api, resource).await.unwrap_or_default(),
                read: Some(Instant::now()),
            },
        };
        let typing = known.typing.clone();
        self.lock().insert(Arc::clone(resource), known);
        typing
    }
}

/// What a definition says of a kind.
async fn defined(api: &Api, resource: &Resource) -> Result<Option<Arc<Typing>>, Failure> {
    let group = &resource.kind.group;
    if BUILT_IN_GROUPS.contains(&group.as_str()) {
        return Ok(None);
    }
    let name = format!("{}.{group}", resource.plural);
    let path = format!(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}",
        encode(&name)
    );
    let kind = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
    let bytes = api.call(&Call::get(path), &kind).await?;
    let definition: Value = serde_json::from_slice(&bytes)
        .map_err(|error| crate::failure::unreadable("a definition could not be read", &error))?;
    let kinds = kinds_of_crd(&definition).unwrap_or_default();
    let found = kinds
        .into_iter()
        .find(|custom| custom.kind.version == resource.version);
    // Without a schema nothing is known but that anything goes.
    let found = found.filter(|custom| custom.schema.is_some());
    Ok(found.map(|custom| Arc::new(Typing::Custom(Arc::new(custom)))))
}
