//! The transformers that change fields by field specs: names, namespaces, labels, annotations,
//! replica counts.

use std::collections::HashMap;

use holdfast_yaml::{Node, NodeValue, Style};

use crate::config::{FieldSpec, Gvk};
use crate::fields::{Make, any_kind, change, change_path};
use crate::file::Replica;
use crate::node::{field_mut, is_null, kind_name, replace_scalar, set_field, string};
use crate::resource::{Id, Resource};
use crate::resources::Resources;
use crate::tables::Types;

/// Which end of a name is added to.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Prefix,
    Suffix,
}

/// Adds a prefix or suffix to names.
pub(crate) fn extend_names(
    resources: &mut Resources,
    types: &Types,
    end: End,
    text: &str,
    specs: &[FieldSpec],
) -> Result<(), String> {
    for resource in &mut resources.list {
        if keeps_its_name(resource) {
            continue;
        }
        for spec in specs {
            if !resource.original_is_selected(&spec.gvk) {
                continue;
            }
            if spec.path == "metadata/name" && !text.is_empty() {
                match end {
                    End::Prefix => resource.prefixes.push(text.to_owned()),
                    End::Suffix => resource.suffixes.push(text.to_owned()),
                }
                resource.remember(types);
            }
            change(resource, spec, Make::Scalar, &mut |node| {
                let old = node.text().unwrap_or_default();
                let new = match end {
                    End::Prefix => format!("{text}{old}"),
                    End::Suffix => format!("{old}{text}"),
                };
                replace_scalar(node, Node::scalar(new, Style::Plain))
            })?;
        }
    }
    Ok(())
}

/// Kinds whose names others outside of the build rely on.
fn keeps_its_name(resource: &Resource) -> bool {
    let named = |group: &str, kind: &str| {
        resource.original_is_selected(&Gvk {
            group: group.to_owned(),
            kind: kind.to_owned(),
            ..Gvk::default()
        })
    };
    named("", "CustomResourceDefinition")
        || named("apiregistration.k8s.io", "APIService")
        || named("", "Namespace")
}

/// Which subjects of role bindings get the namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Subjects {
    /// Those that are called `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    /// None.
    None,
}

/// What the namespace transformer is told.
pub(crate) struct NamespaceChange<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) specs: &'a [FieldSpec],
    pub(crate) subjects: Subjects,
    pub(crate) unset_only: bool,
}

/// Puts everything into a namespace.
pub(crate) fn set_namespaces(
    resources: &mut Resources,
    types: &Types,
    change: &NamespaceChange<'_>,
) -> Result<(), String> {
    let mut counts: HashMap<Id, usize> = HashMap::new();
    for resource in &resources.list {
        *counts.entry(resource.id(types)).or_default() += 1;
    }
    for resource in &mut resources.list {
        if resource.is_gone() || resource.from_helm {
            continue;
        }
        if let Some(count) = counts.get_mut(&resource.id(types)) {
            *count -= 1;
        }
        resource.remember(types);
        set_namespace(resource, types, change)?;
        let id = resource.id(types);
        let count = counts.entry(id).or_default();
        *count += 1;
        if *count > 1 {
            let id = resource.id(types);
            return Err(format!(
                "namespace transformation produces ID conflict: {id}"
            ));
        }
    }
    Ok(())
}

/// Puts a resource into a namespace, and the subjects of a binding.
pub(crate) fn set_namespace(
    resource: &mut Resource,
    types: &Types,
    namespace: &NamespaceChange<'_>,
) -> Result<(), String> {
    let mut set = |node: &mut Node| {
        let is_set = !is_null(node) && node.text().is_some_and(|text| !text.is_empty());
        if namespace.unset_only && is_set {
            return Ok(());
        }
        replace_scalar(node, string(namespace.namespace))
    };
    if !resource.is_cluster_scoped(types) {
        let spec = any_kind("metadata/namespace", true);
        change(resource, &spec, Make::Scalar, &mut set)?;
    }
    let is_binding = matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding");
    if is_binding {
        set_subjects(resource, namespace.subjects, &mut set)?;
    }
    let is_v1 = resource.api_version() == "v1";
    for spec in namespace.specs {
        let of_bindings = matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        let skipped = spec.path == "metadata/namespace"
            || spec.path == "metadata/name" && !is_v1
            || is_binding && of_bindings && spec.path == "subjects/namespace";
        if !skipped {
            change(resource, spec, Make::Scalar, &mut set)
                .map_err(|error| format!("namespace transformation failed: {error}"))?;
        }
    }
    Ok(())
}

fn set_subjects(
    resource: &mut Resource,
    subjects: Subjects,
    set: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<(), String> {
    let (field, wanted) = match subjects {
        Subjects::None => return Ok(()),
        Subjects::Default => ("name", "default"),
        Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
    };
    let Some(list) = field_mut(&mut resource.node, "subjects").filter(|list| !is_null(list)) else {
        return Ok(());
    };
    let NodeValue::Sequence(items) = &mut list.value else {
        return Err("`subjects` has to be a sequence".to_owned());
    };
    for item in items {
        let found = item.get(field);
        if let Some(odd) = found.filter(|found| found.text().is_none()) {
            let kind = kind_name(odd);
            return Err(format!(
                "subjects: {field}: expected a scalar, found {kind}"
            ));
        }
        if found.and_then(Node::text) == Some(wanted) {
            let spec = any_kind("namespace", true);
            change_path(item, &spec, Make::Scalar, set)?;
        }
    }
    Ok(())
}

/// Adds labels or annotations to every mapping that the specs name.
pub(crate) fn set_entries(
    resources: &mut Resources,
    entries: &[(String, String)],
    specs: &[FieldSpec],
) -> Result<(), String> {
    if entries.is_empty() {
        return Ok(());
    }
    for resource in &mut resources.list {
        for (key, value) in entries {
            set_entry(resource, (key, value), specs)?;
        }
    }
    Ok(())
}

fn set_entry(
    resource: &mut Resource,
    (key, value): (&str, &str),
    specs: &[FieldSpec],
) -> Result<(), String> {
    let mut node = string(value);
    resource.shared_count += 1;
    let number = resource.shared_count;
    (node.line, node.column) = (0, number);
    let mut made = 0;
    for spec in specs {
        change(resource, spec, Make::Mapping, &mut |map| {
            made += usize::from(map.get(key).is_none());
            set_field(map, key, node.clone())
        })?;
    }
    // Only what stands in several places has to be kept the same.
    if made > 1 {
        resource.shared.push((number, node));
    }
    Ok(())
}

/// Sets the number of replicas of what is or was called so.
pub(crate) fn set_replicas(
    resources: &mut Resources,
    types: &Types,
    replica: &Replica,
    specs: &[FieldSpec],
) -> Result<(), String> {
    let mut found = false;
    for spec in specs {
        for resource in resources
            .list
            .iter_mut()
            .filter(|resource| !resource.is_gone())
        {
            let named = resource.ids(types).iter().any(|id| {
                id.name == replica.name && spec.gvk.selects(&id.group, &id.version, &id.kind)
            });
            if !named {
                continue;
            }
            found = true;
            change(resource, spec, Make::Scalar, &mut |node| {
                let count = Node::scalar(replica.count.to_string(), Style::Plain);
                replace_scalar(node, count)
            })?;
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<&str> = specs.iter().map(|spec| spec.gvk.kind.as_str()).collect();
    Err(format!(
        "resource with name {} does not match a config with the following kinds {}",
        replica.name,
        kinds.join(", ")
    ))
}
