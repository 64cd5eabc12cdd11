//! A resource on its way through a build: its node and what it was called before, which is what
//! names, patches and targets are matched against.

use holdfast_model::artifact::TreePath;
use holdfast_model::object::split_api_version;
use holdfast_yaml::{Node, NodeValue, Style};

use crate::config::Gvk;
use crate::node::{clear_field, mapping_field, set_field, set_text, string, text_at};
use crate::tables::Types;

/// Stands for the namespace of what lives in none.
const NO_NAMESPACE: &str = "_non_namespaceable_";

/// What a resource is called. Two resources of a build have different ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The namespace that counts: `default` where none is written.
    pub(crate) namespace: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            group,
            version,
            kind,
            name,
            namespace,
        } = self;
        let group = if group.is_empty() { "[noGrp]" } else { group };
        let namespace = match namespace.as_str() {
            NO_NAMESPACE => "[noNs]",
            namespace => namespace,
        };
        write!(formatter, "{kind}.{version}.{group}/{name}.{namespace}")
    }
}

/// A name that a resource had.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Past {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) kind: String,
}

/// What a generated resource does to one that has its name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

/// Where a resource was written or what made it, as `buildMetadata` shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OriginNote {
    pub(crate) path: String,
    pub(crate) repo: String,
    pub(crate) reference: String,
    pub(crate) configured_in: String,
    pub(crate) configured_by: Option<(String, String, String, String)>,
}

/// Kustomize notes with it that a name gets a suffix; what is written in files counts as well.
const HASH_ANNOTATION: &str = "internal.config.kubernetes.io/needsHashSuffix";

/// A resource with its history.
#[derive(Clone)]
pub(crate) struct Resource {
    pub(crate) node: Node,
    pub(crate) history: Vec<Past>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Behavior,
    pub(crate) needs_hash: bool,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    pub(crate) from_helm: bool,
    pub(crate) is_generated: bool,
    pub(crate) var_names: Vec<String>,
    pub(crate) origin: Option<OriginNote>,
    pub(crate) transformations: Vec<OriginNote>,
    pub(crate) file: TreePath,
    pub(crate) line: u32,
    /// Scalars that one transformer wrote into several places. In Kustomize these are one node:
    /// who changes it in one place changes it in all, as with a label in selector and template.
    /// They are told by line 0 and their number, from 1, as column.
    pub(crate) shared: Vec<(u32, Node)>,
    /// How many such numbers were given out.
    pub(crate) shared_count: u32,
}

impl Resource {
    pub(crate) fn new(node: Node, file: &TreePath, line: u32) -> Self {
        let mut resource = Self {
            node,
            history: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: Behavior::Unspecified,
            needs_hash: false,
            allow_name_change: false,
            allow_kind_change: false,
            from_helm: false,
            is_generated: false,
            var_names: Vec::new(),
            origin: None,
            transformations: Vec::new(),
            file: file.clone(),
            line,
            shared: Vec::new(),
            shared_count: 0,
        };
        resource.needs_hash = resource.asks_for_hash();
        resource
    }

    /// Whether its annotations ask for a suffix on its name.
    pub(crate) fn asks_for_hash(&self) -> bool {
        self.annotation(HASH_ANNOTATION) == Some("enabled")
    }

    /// Brings places that share a node to the value that one of them was changed to.
    pub(crate) fn sync_shared(&mut self) {
        if self.shared.is_empty() {
            return;
        }
        let mut changed = false;
        let mut shared = self.shared.clone();
        let before = &self.shared;
        visit_shared(&mut self.node, &mut |node| {
            let known = before.iter().position(|(number, _)| *number == node.column);
            if let Some(at) = known.filter(|&at| !same_scalar(&before[at].1, node)) {
                changed = true;
                shared[at].1 = node.clone();
            }
        });
        if changed {
            visit_shared(&mut self.node, &mut |node| {
                let known = shared.iter().find(|(number, _)| *number == node.column);
                if let Some((_, value)) = known {
                    *node = value.clone();
                }
            });
            self.shared = shared;
        }
    }

    pub(crate) fn kind(&self) -> &str {
        self.node
            .get("kind")
            .and_then(Node::text)
            .unwrap_or_default()
    }

    pub(crate) fn api_version(&self) -> &str {
        self.node
            .get("apiVersion")
            .and_then(Node::text)
            .unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        text_at(&self.node, &["metadata", "name"]).unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        text_at(&self.node, &["metadata", "namespace"]).unwrap_or_default()
    }

    pub(crate) fn is_cluster_scoped(&self, types: &Types) -> bool {
        types.is_cluster_scoped(self.api_version(), self.kind())
    }

    /// The namespace that counts.
    pub(crate) fn effective_namespace(&self, types: &Types) -> &str {
        if self.is_cluster_scoped(types) {
            return NO_NAMESPACE;
        }
        effective(self.namespace())
    }

    /// What it is called now.
    pub(crate) fn id(&self, types: &Types) -> Id {
        let (group, version) = split_api_version(self.api_version());
        Id {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: self.kind().to_owned(),
            name: self.name().to_owned(),
            namespace: self.effective_namespace(types).to_owned(),
        }
    }

    /// What it was called first.
    pub(crate) fn original_id(&self, types: &Types) -> Id {
        match self.history.first() {
            Some(past) => self.past_id(past),
            None => self.id(types),
        }
    }

    fn past_id(&self, past: &Past) -> Id {
        let (group, version) = split_api_version(self.api_version());
        Id {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: past.kind.clone(),
            name: past.name.clone(),
            namespace: effective(&past.namespace).to_owned(),
        }
    }

    /// Everything it is or was called.
    pub(crate) fn ids(&self, types: &Types) -> Vec<Id> {
        let mut ids: Vec<Id> = self.history.iter().map(|past| self.past_id(past)).collect();
        ids.push(self.id(types));
        ids
    }

    /// Whether it is or was called so.
    pub(crate) fn was_called(&self, id: &Id, types: &Types) -> bool {
        let (group, version) = split_api_version(self.api_version());
        if group != id.group || version != id.version {
            return false;
        }
        let was = |past: &Past| {
            past.name == id.name
                && past.kind == id.kind
                && effective(&past.namespace) == id.namespace
        };
        self.history.iter().any(was)
            || self.name() == id.name
                && self.kind() == id.kind
                && self.effective_namespace(types) == id.namespace
    }

    /// Whether its group, version and one of its kinds are selected.
    pub(crate) fn is_selected(&self, gvk: &Gvk) -> bool {
        let (group, version) = split_api_version(self.api_version());
        gvk.selects(group, version, self.kind())
    }

    /// Whether what it was called first is selected.
    pub(crate) fn original_is_selected(&self, gvk: &Gvk) -> bool {
        let (group, version) = split_api_version(self.api_version());
        let kind = self.history.first().map_or(self.kind(), |past| &past.kind);
        gvk.selects(group, version, kind)
    }

    /// Remembers what it is called now.
    pub(crate) fn remember(&mut self, types: &Types) {
        let past = Past {
            name: self.name().to_owned(),
            namespace: self.effective_namespace(types).to_owned(),
            kind: self.kind().to_owned(),
        };
        self.history.push(past);
    }

    pub(crate) fn set_name(&mut self, name: &str) -> Result<(), String> {
        let metadata = mapping_field(&mut self.node, "metadata")?;
        set_text(metadata, "name", name)
    }

    pub(crate) fn set_kind(&mut self, kind: &str) -> Result<(), String> {
        set_text(&mut self.node, "kind", kind)
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) -> Result<(), String> {
        if namespace.is_empty() {
            if let Some(metadata) = crate::node::field_mut(&mut self.node, "metadata") {
                clear_field(metadata, "namespace");
            }
            return Ok(());
        }
        let metadata = mapping_field(&mut self.node, "metadata")?;
        set_text(metadata, "namespace", namespace)
    }

    /// Labels or annotations, as texts, in order.
    pub(crate) fn metadata_map(&self, field: &str) -> Vec<(String, String)> {
        let Some(map) = self
            .node
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
        else {
            return Vec::new();
        };
        let text = |node: &Node| node.text().unwrap_or_default().to_owned();
        let entries = map.entries().unwrap_or_default();
        entries
            .iter()
            .map(|(key, value)| (text(key), text(value)))
            .collect()
    }

    /// Replaces labels or annotations; none takes the field away.
    pub(crate) fn set_metadata_map(
        &mut self,
        field: &str,
        mut map: Vec<(String, String)>,
    ) -> Result<(), String> {
        let metadata = mapping_field(&mut self.node, "metadata")?;
        clear_field(metadata, field);
        if map.is_empty() {
            return Ok(());
        }
        map.sort();
        map.dedup_by(|later, earlier| later.0 == earlier.0);
        let entries = map
            .into_iter()
            .map(|(key, value)| (Node::scalar(key, Style::Plain), string(value)));
        set_field(metadata, field, Node::mapping(entries.collect()))
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.node
            .get("metadata")?
            .get("annotations")?
            .get(name)?
            .text()
    }

    /// Whether Kustomize would keep notes of its own in the annotations, which makes them exist.
    pub(crate) fn has_notes(&self) -> bool {
        !self.history.is_empty()
            || self.is_generated
            || self.from_helm
            || self.origin.is_some()
            || !self.prefixes.is_empty()
            || !self.suffixes.is_empty()
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(&self.node.value, NodeValue::Mapping(entries) if entries.is_empty())
            || crate::node::is_null(&self.node)
    }
}

fn same_scalar(left: &Node, right: &Node) -> bool {
    left.text() == right.text() && left.tag == right.tag && left.style == right.style
}

/// Visits the scalars that stand in several places.
fn visit_shared(node: &mut Node, visit: &mut dyn FnMut(&mut Node)) {
    if node.line == 0 && node.column > 0 {
        visit(node);
    }
    match &mut node.value {
        NodeValue::Scalar(_) => {}
        NodeValue::Sequence(items) => items.iter_mut().for_each(|item| visit_shared(item, visit)),
        NodeValue::Mapping(entries) => {
            for (_, value) in entries {
                visit_shared(value, visit);
            }
        }
    }
}

/// The namespace that counts where this one is written.
pub(crate) fn effective(namespace: &str) -> &str {
    if namespace.is_empty() {
        "default"
    } else {
        namespace
    }
}
