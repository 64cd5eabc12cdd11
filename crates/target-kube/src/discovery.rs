//! Which kinds an API server has, by aggregated discovery: two requests, kept until a kind is
//! missing. It must not know what a kind is used for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_model::Value;
use holdfast_model::object::{GroupKind, join_api_version};
use holdfast_model::operation::Failure;
use holdfast_model::percent::encode;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::failure;
use crate::removed;
use crate::request::{Api, Call};

/// A kind in one version, and how to reach its objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resource {
    pub(crate) kind: GroupKind,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    /// Whether objects of it can be made and changed, not only read.
    pub(crate) writable: bool,
}

impl Resource {
    /// The path of all objects, or of those in a namespace.
    pub(crate) fn collection(&self, namespace: Option<&str>) -> String {
        let root = if self.kind.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.kind.group, self.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{}", encode(namespace), self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }

    /// The path of one object.
    pub(crate) fn object(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), encode(name))
    }

    pub(crate) fn api_version(&self) -> String {
        join_api_version(&self.kind.group, &self.version)
    }
}

/// What is listed and watched as one: a resource in the whole cluster, or in one namespace where no
/// more is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extent {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: Option<Box<str>>,
}

impl Extent {
    /// A resource in the whole cluster.
    pub(crate) fn whole(resource: &Arc<Resource>) -> Self {
        Self {
            resource: Arc::clone(resource),
            namespace: None,
        }
    }

    /// A resource in one namespace.
    pub(crate) fn within(resource: &Arc<Resource>, namespace: &str) -> Self {
        Self {
            resource: Arc::clone(resource),
            namespace: Some(namespace.into()),
        }
    }

    /// Whether an object that lives in this namespace belongs to it.
    pub(crate) fn holds(&self, namespace: Option<&str>) -> bool {
        self.namespace.is_none() || self.namespace.as_deref() == namespace
    }

    /// Whether there are narrower extents to fall back to.
    pub(crate) fn can_narrow(&self) -> bool {
        self.resource.namespaced && self.namespace.is_none()
    }

    /// The path of its objects.
    pub(crate) fn collection(&self) -> String {
        self.resource.collection(self.namespace.as_deref())
    }
}

/// Every kind by group and kind; the versions of each in the server's order of preference.
#[derive(Debug, Default)]
struct Index {
    kinds: HashMap<GroupKind, Vec<Arc<Resource>>>,
    /// Every group version, and every group version with a kind that it has in any form.
    served: BTreeSet<String>,
    read: Option<Instant>,
}

impl Index {
    async fn renew(&mut self, api: &Api) -> Result<(), Failure> {
        *self = read(api).await?;
        self.read = Some(Instant::now());
        Ok(())
    }
}

/// What a server has of a kind in a version.
pub(crate) enum Served {
    /// Not even the version.
    NoVersion,
    /// The version without the kind, or without a way to read it.
    NoKind,
    /// Objects can be read.
    Kind(Arc<Resource>),
}

/// The kinds of one API server.
#[derive(Default)]
pub(crate) struct Discovery {
    index: Mutex<Index>,
}

/// A missing kind is looked for again at most this often, since a Stack may ask for a kind that
/// will never be there.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct GroupList {
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupMetadata,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct GroupMetadata {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<ResourceItem>,
}

#[derive(Deserialize)]
struct ResourceItem {
    resource: String,
    #[serde(rename = "responseKind")]
    response_kind: Option<ResponseKind>,
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    subresources: Vec<Subresource>,
}

#[derive(Deserialize)]
struct Subresource {
    #[serde(rename = "responseKind")]
    response_kind: Option<ResponseKind>,
}

#[derive(Deserialize)]
struct ResponseKind {
    kind: String,
}

impl Discovery {
    /// The resource of a kind in a version.
    ///
    /// # Errors
    /// `UnknownKind`, of class `Waiting`, where the server has no such kind or version.
    pub(crate) async fn find(
        &self,
        api: &Api,
        kind: &GroupKind,
        version: &str,
    ) -> Result<Arc<Resource>, Failure> {
        let versions = self.versions(api, kind, Some(version)).await?;
        let found = versions
            .iter()
            .find(|resource| resource.version == version)
            .cloned();
        found.ok_or_else(|| match versions.first() {
            None => failure::unknown_kind(kind, version),
            Some(_) => {
                let served: Vec<&str> = versions
                    .iter()
                    .map(|resource| resource.version.as_str())
                    .collect();
                let mut failure = failure::unknown_kind(kind, version);
                failure.hint = removed::advice(kind, version).or_else(|| {
                    let served = served.join(", ");
                    Some(format!("it serves {served}; write one of these"))
                });
                failure
            }
        })
    }

    /// The resource of a kind in this version, or in the preferred one where that is gone.
    pub(crate) async fn find_any(
        &self,
        api: &Api,
        kind: &GroupKind,
        version: &str,
    ) -> Result<Option<Arc<Resource>>, Failure> {
        let versions = self.versions(api, kind, None).await?;
        let same = versions.iter().find(|resource| resource.version == version);
        Ok(same.or(versions.first()).cloned())
    }

    async fn versions(
        &self,
        api: &Api,
        kind: &GroupKind,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, Failure> {
        let mut index = self.index.lock().await;
        let has = |index: &Index| {
            index.kinds.get(kind).is_some_and(|versions| {
                version.is_none_or(|version| {
                    versions.iter().any(|resource| resource.version == version)
                })
            })
        };
        let fresh = index
            .read
            .is_some_and(|read| read.elapsed() < SHORTEST_PAUSE);
        if !has(&index) && !fresh {
            index.renew(api).await?;
        }
        let all = index.kinds.get(kind).into_iter().flatten();
        Ok(all.filter(|found| found.writable).cloned().collect())
    }

    /// What there is to read of a kind in just this version.
    pub(crate) async fn look_for(
        &self,
        api: &Api,
        api_version: &str,
        kind: &GroupKind,
    ) -> Result<Served, Failure> {
        let found = |index: &Index| {
            let mut all = index.kinds.get(kind).into_iter().flatten();
            all.find(|found| found.api_version() == api_version)
                .cloned()
        };
        let mut index = self.index.lock().await;
        let fresh = index
            .read
            .is_some_and(|read| read.elapsed() < SHORTEST_PAUSE);
        if found(&index).is_none() && !fresh {
            index.renew(api).await?;
        }
        Ok(match found(&index) {
            Some(resource) => Served::Kind(resource),
            None if index.served.contains(api_version) => Served::NoKind,
            None => Served::NoVersion,
        })
    }

    /// Every group version that the server has, and every group version with a kind that it has in
    /// any form, a scale or a review among them, sorted: what Helm 4.3.1 tells charts.
    pub(crate) async fn api_versions(&self, api: &Api) -> Result<Vec<String>, Failure> {
        let mut index = self.index.lock().await;
        let fresh = index
            .read
            .is_some_and(|read| read.elapsed() < SHORTEST_PAUSE);
        if !fresh {
            index.renew(api).await?;
        }
        Ok(index.served.iter().cloned().collect())
    }

    /// Forgets what was read, after a kind has come or gone.
    pub(crate) async fn forget(&self) {
        self.index.lock().await.read = None;
    }
}

async fn read(api: &Api) -> Result<Index, Failure> {
    let mut index = Index::default();
    for path in ["/api", "/apis"] {
        let mut call = Call::get(path.to_owned());
        call.accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let bytes = api
            .call(&call, &GroupKind::new("", "APIGroupDiscoveryList"))
            .await?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| failure::unreadable("discovery could not be read", &error))?;
        if value.get("kind").and_then(Value::as_str) != Some("APIGroupDiscoveryList") {
            return Err(failure::unreadable(
                "the API server has no aggregated discovery",
                &"Kubernetes 1.30 or newer is needed",
            ));
        }
        let list: GroupList = serde_json::from_value(value)
            .map_err(|error| failure::unreadable("discovery could not be read", &error))?;
        for group in list.items {
            index.served.extend(served(&group));
            for (kind, resource) in resources(group) {
                let versions = index.kinds.entry(kind).or_default();
                versions.push(Arc::new(resource));
            }
        }
    }
    Ok(index)
}

/// The names of a group's versions, and of each with each kind.
fn served(group: &Group) -> Vec<String> {
    let mut names = Vec::new();
    for version in &group.versions {
        let api_version = join_api_version(&group.metadata.name, &version.version);
        for item in &version.resources {
            let below = item.subresources.iter();
            let kinds = below.map(|subresource| &subresource.response_kind);
            for kind in kinds.chain([&item.response_kind]).flatten() {
                names.push(format!("{api_version}/{}", kind.kind));
            }
        }
        names.push(api_version);
    }
    names
}

fn resources(group: Group) -> Vec<(GroupKind, Resource)> {
    let name = group.metadata.name;
    let mut found: BTreeMap<(String, String), Resource> = BTreeMap::new();
    let mut order = Vec::new();
    for version in group.versions {
        for item in version.resources {
            let Some(response) = item.response_kind else {
                continue;
            };
            let can = |verbs: &[&str]| {
                let mut verbs = verbs.iter();
                verbs.all(|verb| item.verbs.iter().any(|given| given == verb))
            };
            let writable = can(&["create", "patch"]);
            let place = (response.kind.clone(), version.version.clone());
            let is_known = found
                .get(&place)
                .is_some_and(|known| known.writable || !writable);
            if !can(&["get", "list"]) || is_known {
                continue;
            }
            let kind = GroupKind::new(&name, &response.kind);
            let resource = Resource {
                kind,
                version: version.version.clone(),
                plural: item.resource,
                namespaced: item.scope == "Namespaced",
                writable,
            };
            if found.insert(place.clone(), resource).is_none() {
                order.push(place);
            }
        }
    }
    order
        .iter()
        .filter_map(|place| found.get(place))
        .map(|resource| (resource.kind.clone(), resource.clone()))
        .collect()
}
