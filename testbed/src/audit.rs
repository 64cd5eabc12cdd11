//! The auditor: whether what Stacks say of themselves is so. It asks the repository by git and the
//! cluster by plain requests, and shares no code with the planner and the differ.
//!
//! For each Stack that says that it is ready, with the objects that its commit's files have or that the
//! reference tool makes of its chart or overlay:
//! - a dry run of applying each of its commit's objects as `holdfast` changes nothing, owners included;
//! - its inventory holds exactly those objects;
//! - no object carries the label of its set without being in its inventory;
//! - the commit that it shows has what the newest commit has, unless it is held at another one.
//!
//! For each Stack, why it is not ready, and each failure of its history, is in an Event.
//!
//! What a dry run answers follows from the live object and from what is sent. An auditor that is kept
//! does not ask again for a pair of both that it has found in place.

mod owned;
mod reference;
mod said;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context as _;
use holdfast_yaml::Limits;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

use crate::api::Api;
use crate::bed::find_condition;
use crate::repository::Repository;
use reference::{Kind, Rendered};
use said::unsaid;

const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// The name of the cluster that the Stacks are on.
const IN_CLUSTER: &str = "in-cluster";
const HOOKS: [&str; 2] = ["holdfast.dev/hook", "helm.sh/hook"];

/// What is not as a namespace's Stacks say, a line each. `others` are targets by name, beside the
/// cluster of the Stacks itself.
///
/// # Errors
/// When the cluster or the repository cannot be asked.
pub async fn audit(
    api: &Api,
    others: &BTreeMap<String, Api>,
    namespace: &str,
    repository: &Repository,
) -> anyhow::Result<Vec<String>> {
    let mut auditor = Auditor::default();
    auditor.run(api, others, namespace, repository).await
}

/// A live object by its uid and version, and whether its owners are compared.
type Version = (String, String, bool);

/// Which Stacks were audited, and which were not, by their namespaces and names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those of plain files.
    pub plain: BTreeSet<String>,
    /// Those of a chart, as `helm template` renders it.
    pub charts: BTreeSet<String>,
    /// Those of an overlay, as `kubectl kustomize` builds it.
    pub overlays: BTreeSet<String>,
    /// Those whose objects the reference tools cannot be asked for, with why.
    pub skipped: BTreeMap<String, String>,
}

/// An auditor that remembers what it has found in place.
#[derive(Default)]
pub struct Auditor {
    /// What it has audited so far.
    pub tally: Tally,
    /// What the reference tools have made of commits.
    rendered: HashMap<String, Rendered>,
    /// Whether an engine has ended while the server refused writes: its Events are lost that waited.
    pub loses_events: bool,
    /// What was applied to live objects without changing anything.
    proven: HashMap<Version, Value>,
}

impl Auditor {
    /// As [`audit`].
    ///
    /// # Errors
    /// As [`audit`].
    pub async fn run(
        &mut self,
        api: &Api,
        others: &BTreeMap<String, Api>,
        namespace: &str,
        repository: &Repository,
    ) -> anyhow::Result<Vec<String>> {
        let path = format!("/apis/holdfast.dev/v1alpha1/namespaces/{namespace}/stacks");
        let stacks = api.get(&path).await?;
        let mut findings = Vec::new();
        let events = api
            .get(&format!("/api/v1/namespaces/{namespace}/events"))
            .await?;
        let said = stacks["items"].as_array().filter(|_| !self.loses_events);
        for stack in said.into_iter().flatten() {
            findings.extend(unsaid(stack, &events));
        }
        for stack in stacks["items"].as_array().into_iter().flatten() {
            let target = stack["spec"]["target"]["name"].as_str();
            let target = match target.unwrap_or(IN_CLUSTER) {
                IN_CLUSTER => Some(api),
                name => others.get(name),
            };
            if let Some(target) = target.filter(|_| is_audited(stack, repository)) {
                let mut audit = Audit {
                    api,
                    target,
                    others,
                    stack,
                    repository,
                    resources: HashMap::new(),
                    proven: &mut self.proven,
                    rendered: &mut self.rendered,
                    tally: &mut self.tally,
                };
                let name = stack["metadata"]["name"].as_str().unwrap_or_default();
                let found = audit.run().await?;
                findings.extend(
                    found
                        .into_iter()
                        .map(|line| format!("Stack {name}: {line}")),
                );
            }
        }
        Ok(findings)
    }
}

/// Whether a Stack says that it is ready now, and what it applies comes from the repository alone.
fn is_audited(stack: &Value, repository: &Repository) -> bool {
    let conditions = stack["status"]["conditions"].as_array();
    let is_ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let spec = &stack["spec"];
    is_ready
        && stack["metadata"]["deletionTimestamp"].is_null()
        && stack["status"]["observedGeneration"] == stack["metadata"]["generation"]
        && spec["source"]["git"] == json!(repository.url())
        // The auditor has no keys for what is sealed.
        && spec["secrets"].is_null()
        && spec["sources"].is_null()
}

/// Files that make a folder another thing than plain files.
const SPECIAL: [&str; 4] = [
    "Chart.yaml",
    "kustomization.yaml",
    "kustomization.yml",
    "Kustomization",
];
/// The ends of the names of files that are read.
const READ: [&str; 3] = [".yaml", ".yml", ".json"];

struct Audit<'a> {
    api: &'a Api,
    target: &'a Api,
    others: &'a BTreeMap<String, Api>,
    stack: &'a Value,
    repository: &'a Repository,
    /// What the target serves, by group and version, as far as it was asked.
    resources: HashMap<String, Option<Value>>,
    proven: &'a mut HashMap<Version, Value>,
    rendered: &'a mut HashMap<String, Rendered>,
    tally: &'a mut Tally,
}

/// What a folder of a commit holds.
enum Files {
    /// Files as they stand, by their paths.
    Plain(BTreeMap<String, String>),
    /// What a reference tool renders.
    Special(Kind),
    /// What is not audited, and why.
    Skipped(&'static str),
}

/// Objects that may be what is wanted, each with the file that it is in.
type Objects = Vec<(String, Value)>;

/// Group, kind, namespace and name, `-` for what is empty, as inventories write them.
type Name = [String; 4];

impl Audit<'_> {
    async fn run(&mut self) -> anyhow::Result<Vec<String>> {
        let commit = self.text("/status/applied/commit");
        let folder = self.text("/spec/source/path");
        let name = format!(
            "{}/{}",
            self.text("/metadata/namespace"),
            self.text("/metadata/name")
        );
        let (texts, audited) = match self.files(&commit, &folder)? {
            Files::Plain(files) => (vec![files], &mut self.tally.plain),
            Files::Skipped(why) => return Ok(self.skip(name, why)),
            Files::Special(kind) => match self.render(kind, &commit, &folder).await? {
                Rendered::Objects(texts) => {
                    let texts = texts.into_iter();
                    let files = texts.map(|text| BTreeMap::from([(folder.clone(), text)]));
                    let audited = match kind {
                        Kind::Chart => &mut self.tally.charts,
                        Kind::Overlay => &mut self.tally.overlays,
                    };
                    (files.collect(), audited)
                }
                Rendered::Skipped(why) => return Ok(self.skip(name, why)),
                Rendered::Failed(said) => {
                    return Ok(vec![format!("{commit}, which is in place: {said}")]);
                }
            },
        };
        audited.insert(name);
        let newest = self.newest(&commit, &folder)?;
        // A chart may render to another thing when it is installed than when it is upgraded.
        let mut findings = Vec::new();
        for files in texts {
            let (objects, mut found) = read(&commit, files);
            found.extend(self.compare(objects).await?);
            found.extend(newest.clone());
            if found.is_empty() {
                return Ok(found);
            }
            findings = found;
        }
        Ok(findings)
    }

    fn skip(&mut self, name: String, why: &str) -> Vec<String> {
        self.tally.skipped.insert(name, why.to_owned());
        Vec::new()
    }

    /// What the target has of objects that are wanted, and the inventory.
    async fn compare(&mut self, objects: Objects) -> anyhow::Result<Vec<String>> {
        let mut findings = Vec::new();
        let mut expected = BTreeSet::new();
        for (file, object) in objects {
            let (name, path) = match self.place(&object).await? {
                Some(place) => place,
                None => {
                    findings.push(format!("{file}: {} has no resource", object["kind"]));
                    continue;
                }
            };
            let annotations = &object["metadata"]["annotations"];
            if HOOKS.iter().any(|hook| !annotations[*hook].is_null()) {
                continue;
            }
            findings.extend(self.is_in_place(&object, &path).await?);
            expected.insert(name);
        }
        findings.extend(self.inventory(&expected).await?);
        Ok(findings)
    }

    fn text(&self, pointer: &str) -> String {
        let found = self.stack.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    }

    /// Whether a folder of a commit is a link or lies behind one, which git does not follow.
    fn is_behind_a_link(&self, commit: &str, folder: &str) -> anyhow::Result<bool> {
        let mut path = String::new();
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let parent = self.repository.find(&format!("{commit}:{path}"))?;
            let entries = parent.map(|parent| parent.entries()).unwrap_or_default();
            let mut links = entries.iter().filter(|entry| entry.is_link());
            if links.any(|entry| entry.name == part) {
                return Ok(true);
            }
            path = join(&path, part);
        }
        Ok(false)
    }

    /// What a commit's folder holds.
    fn files(&self, commit: &str, folder: &str) -> anyhow::Result<Files> {
        if self.is_behind_a_link(commit, folder)? {
            return Ok(Files::Skipped("the folder is a link"));
        }
        let mut files = BTreeMap::new();
        let mut special = None;
        let root = folder.trim_matches('/').to_owned();
        let mut open = vec![root.clone()];
        while let Some(path) = open.pop() {
            let tree = self.repository.find(&format!("{commit}:{path}"))?;
            let tree = tree.with_context(|| format!("{commit} has no {path}"))?;
            for entry in tree.entries() {
                let place = join(&path, &entry.name);
                if entry.is_link() {
                    return Ok(Files::Skipped("links are among its files"));
                }
                if SPECIAL.contains(&entry.name.as_str()) {
                    if path != root && special.is_none() {
                        return Ok(Files::Skipped(
                            "a chart or an overlay lies below plain files",
                        ));
                    }
                    let is_chart = entry.name == SPECIAL[0] || special == Some(Kind::Chart);
                    special = Some(if is_chart { Kind::Chart } else { Kind::Overlay });
                }
                if entry.is_folder() {
                    open.push(place);
                } else if READ.iter().any(|end| entry.name.ends_with(end)) {
                    let blob = self.repository.find(&format!("{commit}:{place}"))?;
                    let blob = blob.with_context(|| format!("{commit} has no {place}"))?;
                    files.insert(place, String::from_utf8_lossy(&blob.content).into_owned());
                }
            }
        }
        Ok(match special {
            Some(kind) => Files::Special(kind),
            None if self.stack["spec"]["render"].is_null() => Files::Plain(files),
            None => Files::Skipped("plain files, and spec.render says more of them"),
        })
    }

    /// The commit that is shown has what the newest one has, unless the Stack is held elsewhere.
    fn newest(&self, commit: &str, folder: &str) -> anyhow::Result<Option<String>> {
        let source = &self.stack["spec"]["source"];
        let follows = ["branch", "tag", "semver", "commit", "ref", "revision"];
        let is_held = follows.iter().any(|name| !source[*name].is_null())
            || !self.stack["spec"]["pin"].is_null()
            || self.stack["spec"]["rollback"].is_object()
            || self.stack.to_string().contains("\"Pinned\"")
            || find_condition(self.stack, "SourceReady", "status") == "False";
        if is_held {
            return Ok(None);
        }
        let folder = folder.trim_matches('/');
        let shown = self.repository.find(&format!("{commit}:{folder}"))?;
        let newest = self.repository.find(&format!("HEAD:{folder}"))?;
        let differs = shown.map(|tree| tree.id) != newest.map(|tree| tree.id);
        Ok(differs.then(|| format!("it says {commit}, from which HEAD differs in `{folder}`")))
    }

    /// The name of an object as inventories have it, and its path.
    async fn place(&mut self, object: &Value) -> anyhow::Result<Option<(Name, String)>> {
        let api_version = text(&object["apiVersion"]);
        let kind = text(&object["kind"]);
        let (group, root) = match api_version.split_once('/') {
            Some((group, _)) => (group.to_owned(), format!("/apis/{api_version}")),
            None => (String::new(), format!("/api/{api_version}")),
        };
        let served = match self.resources.entry(root.clone()) {
            Entry::Occupied(asked) => asked.into_mut(),
            Entry::Vacant(place) => place.insert(self.target.get(&root).await.ok()),
        };
        let Some(resources) = served else {
            return Ok(None);
        };
        let resources = resources["resources"].as_array().into_iter().flatten();
        let mut plain = resources.filter(|resource| {
            let name = resource["name"].as_str().unwrap_or_default();
            resource["kind"] == json!(kind) && !name.contains('/')
        });
        let Some(resource) = plain.next() else {
            return Ok(None);
        };
        let plural = text(&resource["name"]);
        let name = text(&object["metadata"]["name"]);
        let mut namespace = String::new();
        if resource["namespaced"] == true {
            let own = self.text("/metadata/namespace");
            let wanted = self.text("/spec/target/namespace");
            let given = text(&object["metadata"]["namespace"]);
            let candidates = [given, wanted, own];
            namespace = candidates
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default();
        }
        let path = if namespace.is_empty() {
            format!("{root}/{plural}/{name}")
        } else {
            format!("{root}/namespaces/{namespace}/{plural}/{name}")
        };
        let word = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        Ok(Some(([group, kind, namespace, name].map(word), path)))
    }

    /// A dry run of an apply of the object changes nothing.
    async fn is_in_place(&mut self, object: &Value, path: &str) -> anyhow::Result<Option<String>> {
        let Ok(live) = self.target.get(path).await else {
            let is_job = object["kind"] == "Job";
            let goes = is_job && !object["spec"]["ttlSecondsAfterFinished"].is_null();
            return Ok((!goes).then(|| format!("{path} is not there")));
        };
        let mut wanted = object.clone();
        wanted["metadata"]["uid"] = live["metadata"]["uid"].clone();
        let label = &live["metadata"]["labels"][PART_OF];
        if !label.is_null() {
            wanted["metadata"]["labels"][PART_OF] = label.clone();
        }
        if let Some(namespace) = live["metadata"]["namespace"].as_str() {
            wanted["metadata"]["namespace"] = json!(namespace);
        }
        for pointer in self.ignored(&wanted) {
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            match (wanted.pointer_mut(parent), live.pointer(&pointer)) {
                (Some(Value::Object(fields)), Some(value)) => {
                    fields.insert(name.replace("~1", "/"), value.clone());
                }
                (Some(Value::Object(fields)), None) => {
                    fields.remove(name);
                }
                _ => {}
            }
        }
        // Of texts the server keeps the encoded form alone, and an ignored field may be somebody's.
        let compares_owners =
            object["stringData"].is_null() && self.stack["spec"]["ignore"].is_null();
        let metadata = &live["metadata"];
        let [uid, version] = ["uid", "resourceVersion"].map(|name| text(&metadata[name]));
        let version = (uid, version, compares_owners);
        if self.proven.get(&version) == Some(&wanted) {
            return Ok(None);
        }
        let path = format!("{path}?fieldManager=holdfast&force=true&dryRun=All");
        let (code, answer) = self.apply(&path, &wanted).await?;
        let (before, after) = (
            steady(&live, compares_owners),
            steady(&answer, compares_owners),
        );
        if code == 200 && before == after {
            self.proven.insert(version, wanted);
            return Ok(None);
        }
        let lines = match code {
            200 => holdfast_conformance::differences(&before, &after).join("; "),
            code => format!("{code} {}", answer["message"]),
        };
        Ok(Some(format!(
            "applying {path} would change something: {lines}"
        )))
    }

    fn ignored(&self, object: &Value) -> Vec<String> {
        let rules = self.stack["spec"]["ignore"]
            .as_array()
            .into_iter()
            .flatten();
        let fits = |rule: &Value| {
            let same = |name: &str, value: &Value| rule[name].is_null() || rule[name] == *value;
            same("kind", &object["kind"]) && same("name", &object["metadata"]["name"])
        };
        let fields = rules
            .filter(|rule| fits(rule))
            .filter_map(|rule| rule["fields"].as_array());
        let fields = fields.flatten().filter_map(Value::as_str);
        fields.map(str::to_owned).collect()
    }

    async fn apply(&self, path: &str, object: &Value) -> anyhow::Result<(u16, Value)> {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(path)
            .header("content-type", "application/apply-patch+yaml")
            .body(Body::from(serde_json::to_vec(object)?))?;
        let answer = self.target.client.send(request).await?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((code, serde_json::from_slice(&bytes)?))
    }
}

/// The objects of files, and what cannot be read.
fn read(commit: &str, files: BTreeMap<String, String>) -> (Objects, Vec<String>) {
    let (mut objects, mut findings) = (Vec::new(), Vec::new());
    for (file, text) in files {
        match holdfast_yaml::read_values(&text, &Limits::strict()) {
            Ok(read) => {
                let read = read.into_iter().map(|(_, object)| object);
                let read = read.filter(|object| !object.is_null());
                objects.extend(read.map(|object| (file.clone(), object)));
            }
            Err(error) => findings.push(format!("{file} of {commit}, which is in place: {error}")),
        }
    }
    (objects, findings)
}

/// A path below a folder; the root is empty.
fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An object without what another run of the same request changes.
fn steady(object: &Value, compares_owners: bool) -> Value {
    let mut value = object.clone();
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        return value;
    };
    metadata.remove("resourceVersion");
    metadata.remove("generation");
    if !compares_owners {
        metadata.remove("managedFields");
    }
    let entries = metadata
        .get_mut("managedFields")
        .and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("time");
        }
    }
    value.as_object_mut().map(|fields| fields.remove("status"));
    value
}
