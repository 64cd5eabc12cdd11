//! Name references: where one resource names another that was renamed, the new name is written.

use std::collections::HashMap;

use holdfast_model::object::split_api_version;
use holdfast_yaml::{Node, NodeValue, Style};

use crate::config::{Config, FieldSpec, Gvk};
use crate::fields::{Make, change_path};
use crate::node::{is_null, kind_name, put, set_text, text_at};
use crate::resource::{Past, Resource};
use crate::resources::Resources;
use crate::tables::Types;

/// What is known about a resource that may be named by others.
struct Candidate {
    api_version: String,
    kind: String,
    history: Vec<Past>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    name: String,
    namespace: String,
    effective_namespace: String,
    original_namespace: String,
    cluster_scoped: bool,
    is_service_account: bool,
}

impl Candidate {
    fn new(resource: &Resource, types: &Types) -> Self {
        Self {
            api_version: resource.api_version().to_owned(),
            kind: resource.kind().to_owned(),
            history: resource.history.clone(),
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
            name: resource.name().to_owned(),
            namespace: resource.namespace().to_owned(),
            effective_namespace: resource.effective_namespace(types).to_owned(),
            original_namespace: resource.original_id(types).namespace,
            cluster_scoped: resource.is_cluster_scoped(types),
            is_service_account: resource.kind() == "ServiceAccount",
        }
    }

    /// Whether something that it was called is selected.
    fn past_is_selected(&self, gvk: &Gvk) -> bool {
        let (group, version) = split_api_version(&self.api_version);
        let selects = |past: &Past| gvk.selects(group, version, &past.kind);
        self.history.iter().any(selects)
    }
}

/// Everything that looking up a name needs.
struct Lookup {
    candidates: Vec<Candidate>,
    by_past_name: HashMap<String, Vec<usize>>,
}

/// The resource whose fields are changed, without its node.
struct Referrer<'a> {
    known: &'a Candidate,
    role_ref: Option<Gvk>,
    subject_namespaces: Vec<String>,
}

/// Writes the new names of renamed resources wherever they are named.
pub(crate) fn fix_references(
    resources: &mut Resources,
    config: &Config,
    types: &Types,
) -> Result<(), String> {
    // Names do not change here, so that they can be looked up in the state before.
    let lookup = Lookup::new(&resources.list, types);
    for (at, resource) in resources.list.iter_mut().enumerate() {
        let referrer = Referrer {
            known: &lookup.candidates[at],
            role_ref: role_ref(&resource.node),
            subject_namespaces: subject_namespaces(resource)?,
        };
        for reference in &config.name_reference {
            for spec in &reference.referrers {
                if !resource.original_is_selected(&spec.gvk) {
                    continue;
                }
                let field = Field {
                    lookup: &lookup,
                    referrer: &referrer,
                    spec,
                    target: &reference.target,
                };
                let changed = change_path(&mut resource.node, spec, Make::Nothing, &mut |node| {
                    field.fix(node)
                });
                changed.map_err(|error| {
                    let (id, path) = (resource.id(types), &spec.path);
                    format!("updating name reference in '{path}' field of '{id}': {error}")
                })?;
            }
        }
    }
    Ok(())
}

impl Lookup {
    fn new(resources: &[Resource], types: &Types) -> Self {
        let mut by_past_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, resource) in resources.iter().enumerate() {
            for past in &resource.history {
                let positions = by_past_name.entry(past.name.clone()).or_default();
                if positions.last() != Some(&at) {
                    positions.push(at);
                }
            }
        }
        let candidate = |resource: &Resource| Candidate::new(resource, types);
        Self {
            candidates: resources.iter().map(candidate).collect(),
            by_past_name,
        }
    }
}

impl Referrer<'_> {
    /// Whether a resource could be meant at all.
    fn sees(&self, candidate: &Candidate) -> bool {
        self.known.cluster_scoped
            || candidate.cluster_scoped
            || candidate.effective_namespace == self.known.effective_namespace
            || self.subject_namespaces.contains(&candidate.namespace)
    }
}

fn role_ref(node: &Node) -> Option<Gvk> {
    let role_ref = node.get("roleRef")?;
    Some(Gvk {
        group: role_ref
            .get("apiGroup")?
            .text()
            .unwrap_or_default()
            .to_owned(),
        version: String::new(),
        kind: role_ref.get("kind")?.text().unwrap_or_default().to_owned(),
    })
}

/// The namespaces of the service accounts that a role binding names.
fn subject_namespaces(resource: &Resource) -> Result<Vec<String>, String> {
    if resource.kind() != "RoleBinding" {
        return Ok(Vec::new());
    }
    let subjects = resource.node.get("subjects").and_then(Node::items);
    let mut namespaces = Vec::new();
    for subject in subjects.unwrap_or_default() {
        if text_at(subject, &["kind"]) != Some("ServiceAccount") {
            continue;
        }
        match subject.get("namespace") {
            None => {}
            Some(namespace) if is_null(namespace) => {
                return Err("Invalid Input: namespace is blank for a subject".to_owned());
            }
            Some(namespace) => namespaces.extend(namespace.text().map(str::to_owned)),
        }
    }
    Ok(namespaces)
}

/// A field that may name something.
struct Field<'a> {
    lookup: &'a Lookup,
    referrer: &'a Referrer<'a>,
    spec: &'a FieldSpec,
    target: &'a Gvk,
}

impl Field<'_> {
    fn fix(&self, node: &mut Node) -> Result<(), String> {
        if is_null(node) {
            return Ok(());
        }
        match &mut node.value {
            NodeValue::Scalar(_) => self.fix_scalar(node),
            NodeValue::Mapping(_) => self.fix_mapping(node),
            NodeValue::Sequence(items) => {
                for item in items.iter_mut().filter(|item| !is_null(item)) {
                    match item.value {
                        NodeValue::Scalar(_) => self.fix_scalar(item)?,
                        NodeValue::Mapping(_) => self.fix_mapping(item)?,
                        NodeValue::Sequence(_) => {
                            return Err(format!("{} names nothing", kind_name(item)));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn fix_scalar(&self, node: &mut Node) -> Result<(), String> {
        let old = node.text().unwrap_or_default();
        let all = |_: &Candidate| true;
        let same = |first: &Candidate, other: &Candidate| first.name == other.name;
        let Some(found) = self.select(old, &all, &same)? else {
            return Ok(());
        };
        if found.name != old {
            let name = Node::scalar(found.name.as_str(), Style::Plain);
            put(node, name);
        }
        Ok(())
    }

    fn fix_mapping(&self, node: &mut Node) -> Result<(), String> {
        let Some(name) = node.get("name") else {
            return Err("path config error; no 'name' field in node".to_owned());
        };
        let old = name.text().unwrap_or_default().to_owned();
        let namespace = node
            .get("namespace")
            .map(|node| node.text().unwrap_or_default());
        let same = |first: &Candidate, other: &Candidate| {
            first.name == other.name && first.namespace == other.namespace
        };
        let within = |candidate: &Candidate| match namespace {
            None => true,
            Some(namespace) => self.is_in(candidate, namespace),
        };
        let Some(found) = self.select(&old, &within, &same)? else {
            return Ok(());
        };
        if found.name == old && found.namespace.is_empty() {
            return Ok(());
        }
        set_text(node, "name", &found.name)?;
        if found.namespace.is_empty() {
            return Ok(());
        }
        set_text(node, "namespace", &found.namespace)
    }

    /// Whether a resource was in a namespace first or, where none was, is in it now.
    fn is_in(&self, candidate: &Candidate, namespace: &str) -> bool {
        let originally = |candidate: &Candidate| {
            !candidate.original_namespace.starts_with('_')
                && candidate.original_namespace == namespace
                && self.referrer.sees(candidate)
        };
        if self.lookup.candidates.iter().any(originally) {
            return originally(candidate);
        }
        !candidate.cluster_scoped && candidate.effective_namespace == namespace
    }

    /// The resource that a name means, if any.
    fn select(
        &self,
        name: &str,
        wanted: &dyn Fn(&Candidate) -> bool,
        same: &dyn Fn(&Candidate, &Candidate) -> bool,
    ) -> Result<Option<&Candidate>, String> {
        let Some(positions) = self.lookup.by_past_name.get(name) else {
            return Ok(None);
        };
        let names_role = self.spec.path.ends_with("roleRef/name");
        let role_ref = self.referrer.role_ref.as_ref().filter(|_| names_role);
        let mut found: Vec<&Candidate> = positions
            .iter()
            .map(|&at| &self.lookup.candidates[at])
            .filter(|candidate| {
                self.referrer.sees(candidate)
                    && wanted(candidate)
                    && candidate.past_is_selected(self.target)
                    && role_ref.is_none_or(|role| candidate.past_is_selected(role))
                    && self.in_same_namespace(candidate)
            })
            .collect();
        if found.len() == 1 {
            return Ok(found.pop());
        }
        found.retain(|candidate| self.shares_affixes(candidate, true));
        if found.len() > 1 {
            found.retain(|candidate| self.shares_affixes(candidate, false));
        }
        match found[..] {
            [] => Ok(None),
            [first, ref others @ ..] if others.iter().all(|other| same(first, other)) => {
                Ok(Some(first))
            }
            _ => {
                let names: Vec<String> = found
                    .iter()
                    .map(|candidate| {
                        let (group, _) = split_api_version(&candidate.api_version);
                        format!(
                            "{}.{group}/{}.{}",
                            candidate.kind, candidate.name, candidate.namespace
                        )
                    })
                    .collect();
                Err(format!(
                    "found multiple possible referrals: {}",
                    names.join(", ")
                ))
            }
        }
    }

    fn in_same_namespace(&self, candidate: &Candidate) -> bool {
        self.referrer.known.cluster_scoped
            || candidate.cluster_scoped
            || candidate.is_service_account
            || candidate.effective_namespace == self.referrer.known.effective_namespace
    }

    /// Whether both got the same prefixes and suffixes, as far as the shorter history goes.
    fn shares_affixes(&self, candidate: &Candidate, allow_empty: bool) -> bool {
        let referrer = self.referrer.known;
        let same = |ours: &[String], theirs: &[String]| {
            if allow_empty && (ours.is_empty() || theirs.is_empty()) {
                return true;
            }
            let (short, long) = if ours.len() > theirs.len() {
                (theirs, ours)
            } else {
                (ours, theirs)
            };
            if short.is_empty() {
                return long.is_empty();
            }
            long.ends_with(short)
        };
        same(&candidate.prefixes, &referrer.prefixes)
            && same(&candidate.suffixes, &referrer.suffixes)
    }
}
