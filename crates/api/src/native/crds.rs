//! The CustomResourceDefinitions of the native dialect, as `holdfast crds` prints them. They must
//! say the same as the readers beside them; a test compares the names.

use holdfast_model::Value;
use serde_json::{Map, json};

use super::render_crds::render_schema;
use super::secrets::secrets_schema;
use super::tenant::tenant_schema;
use super::{GROUP, VERSION};

/// All definitions, Stack first.
pub fn definitions() -> Vec<Value> {
    vec![stack_definition(), target_definition(), tenant_definition()]
}

fn stack_definition() -> Value {
    let columns = json!([
        column("Ready", "string", r#".status.conditions[?(@.type=="Ready")].status"#),
        column("Reason", "string", r#".status.conditions[?(@.type=="Ready")].reason"#),
        column("Revision", "string", ".status.applied.commit"),
        column("Objects", "integer", ".status.inventory.count"),
        column("Age", "date", ".metadata.creationTimestamp"),
        {"name": "Message", "type": "string", "priority": 1,
         "jsonPath": r#".status.conditions[?(@.type=="Ready")].message"#},
    ]);
    definition(
        "Stack",
        "stacks",
        "stack",
        "Namespaced",
        stack_schema(),
        columns,
    )
}

fn target_definition() -> Value {
    let columns = json!([column("Age", "date", ".metadata.creationTimestamp")]);
    definition(
        "Target",
        "targets",
        "target",
        "Cluster",
        target_schema(),
        columns,
    )
}

fn tenant_definition() -> Value {
    let columns = json!([
        column("Namespaces", "string", ".spec.namespaces"),
        column("ServiceAccount", "string", ".spec.serviceAccount"),
        column("Age", "date", ".metadata.creationTimestamp"),
    ]);
    definition(
        "Tenant",
        "tenants",
        "tenant",
        "Cluster",
        tenant_schema(),
        columns,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "the six words that tell one definition from another"
)]
fn definition(
    kind: &str,
    plural: &str,
    singular: &str,
    scope: &str,
    schema: Value,
    columns: Value,
) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": singular,
                "categories": ["holdfast"],
            },
            "scope": scope,
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
            }],
        },
    })
}

fn column(name: &str, kind: &str, path: &str) -> Value {
    json!({"name": name, "type": kind, "jsonPath": path})
}

pub(super) fn text(description: &str) -> Value {
    json!({"type": "string", "description": description, "maxLength": 2048})
}

pub(super) fn truth(description: &str, default: Value) -> Value {
    json!({"type": "boolean", "description": description, "default": default})
}

pub(super) fn texts(description: &str) -> Value {
    json!({"type": "array", "description": description, "maxItems": 256, "items": {"type": "string", "maxLength": 1024}})
}

/// A mapping with these fields. What it does not know is kept, so that the controller can tell a
/// person of a misspelt name; pruning would hide it.
pub(super) fn mapping(description: &str, properties: Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

pub(super) fn with(mut schema: Value, extra: Value) -> Value {
    let (Value::Object(map), Value::Object(extra)) = (&mut schema, extra) else {
        return schema;
    };
    map.extend(extra);
    schema
}

fn stack_schema() -> Value {
    let mut spec = Map::new();
    let mut put = |name: &str, schema: Value| {
        spec.insert(name.to_owned(), schema);
    };
    let source = source_schema("Where the files come from.", Vec::new());
    put("source", source);
    put("sources", other_sources_schema());
    put("render", render_schema());
    put("secrets", secrets_schema());
    put("target", destination_schema());
    put("sync", sync_schema());
    put("dependsOn", depends_on_schema());
    put("ignore", ignore_schema());
    put(
        "deletion",
        with(
            text(
                "What happens to the objects when the Stack is deleted: they are deleted in reverse order, or they stay (orphan).",
            ),
            json!({"enum": ["delete", "orphan"], "default": "delete"}),
        ),
    );
    put(
        "suspend",
        truth("Whether nothing is applied for now.", json!(false)),
    );
    let spec = with(
        mapping("What is kept equal to what.", Value::Object(spec)),
        json!({"required": ["source"]}),
    );
    json!({
        "type": "object",
        "description": "A Stack is something in Git that is kept equal on a target.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status_schema(),
        },
    })
}

fn other_sources_schema() -> Value {
    let name = with(
        text("What it is called: letters, digits, - and _."),
        json!({"pattern": "^[a-zA-Z0-9_-]+$", "maxLength": 63}),
    );
    let item = source_schema("Another source.", vec![("name", name)]);
    json!({"type": "array", "maxItems": 16, "items": item,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "description": "Sources beside the one that is rendered. Value files and file parameters of charts are read from them as $NAME/PATH, where $NAME is the source's folder. Each is followed as source is."})
}

/// The schema of a source, with further required fields.
fn source_schema(description: &str, further: Vec<(&str, Value)>) -> Value {
    let mut required = vec!["git"];
    required.extend(further.iter().map(|(name, _)| *name));
    let mut schema = mapping(
        description,
        json!({
            "git": text("The repository: https://, http://, ssh://, file:// or user@host:path; never with a password."),
            "branch": text("The branch whose newest commit is followed."),
            "tag": text("The tag that is followed."),
            "semver": text("The range of semantic versions whose newest tag is followed, such as 1.x or >=2.1 <3."),
            "ref": text("The full reference name that is followed, such as refs/pull/7/head."),
            "commit": text("The commit that is kept, in 40 hex digits."),
            "path": text("The folder that is rendered; the whole repository when left out."),
            "interval": text("How often the repository is asked for news, such as 30s or 5m; 1m when left out."),
            "credentials": with(
                mapping("A Secret of the Stack's own namespace with username and password, bearerToken, or identity and known_hosts.",
                    json!({"name": text("The Secret's name.")})),
                json!({"required": ["name"]}),
            ),
        }),
    );
    for (name, field) in &further {
        schema["properties"][name] = field.clone();
    }
    with(
        schema,
        json!({
            "required": required,
            "x-kubernetes-validations": [{
                "rule": "[has(self.branch), has(self.tag), has(self.semver), has(self.ref), has(self.commit)].filter(set, set).size() <= 1",
                "message": "a Stack follows one of branch, tag, semver, ref and commit",
            }],
        }),
    )
}

fn destination_schema() -> Value {
    mapping(
        "Where the objects go.",
        json!({
            "name": text("The Target; the cluster that holds this Stack when left out."),
            "namespace": text("The namespace of objects that name none; the Stack's own when left out."),
            "createNamespace": truth("Whether the namespace is made where it is not there, before anything else. It is not owned by the Stack: it is never pruned, and stays when the Stack goes.", json!(false)),
        }),
    )
}

fn sync_schema() -> Value {
    mapping(
        "How a plan is carried out.",
        json!({
            "automatic": truth("Whether a new revision is applied without being asked.", json!(true)),
            "prune": truth("Whether objects that Git no longer names are deleted.", json!(true)),
            "heal": truth("Whether what others changed is put back.", json!(true)),
            "mode": with(
                text("atomic: the server is asked about every object before the first is applied; wave: a failure ends the operation with its wave; object: each object is on its own."),
                json!({"enum": ["atomic", "wave", "object"], "default": "wave"}),
            ),
            "replace": truth("Whether an object is deleted and made again where a field of it cannot change.", json!(false)),
            "limits": mapping(
                "What may be done without a person's confirmation.",
                json!({"prune": {
                    "description": "How much of an inventory of two or more objects may be pruned, in percent; 50% when left out.",
                    "x-kubernetes-int-or-string": true,
                }}),
            ),
            "timeout": text("How long an operation may take, waiting included; 10m when left out."),
            "retries": {"type": "integer", "minimum": 0, "maximum": 1000, "default": 5,
                "description": "How often a failed operation is tried again before it waits for a change."},
            "hookLogs": truth("Whether the failure of a hook shows the last lines that its pods have logged, with the values of Secrets masked.", json!(true)),
        }),
    )
}

fn depends_on_schema() -> Value {
    let item = with(
        mapping(
            "A Stack.",
            json!({
                "name": text("Its name."),
                "namespace": text("Its namespace; this Stack's own when left out."),
            }),
        ),
        json!({"required": ["name"]}),
    );
    json!({"type": "array", "maxItems": 64, "items": item,
        "description": "Stacks that must be ready before this one is applied."})
}

fn ignore_schema() -> Value {
    let item = with(
        mapping(
            "Fields of some objects.",
            json!({
                "group": text("The API group; any when left out."),
                "kind": text("The kind; any when left out."),
                "namespace": text("The namespace; any when left out."),
                "name": text("The name; any when left out."),
                "fields": texts("JSON pointers, such as /spec/replicas."),
            }),
        ),
        json!({"required": ["fields"]}),
    );
    json!({"type": "array", "maxItems": 64, "items": item,
        "description": "Fields that are left to others once they own them."})
}

fn target_schema() -> Value {
    let kubeconfig = with(
        mapping(
            "A Secret that holds a kubeconfig.",
            json!({
                "namespace": text("The Secret's namespace."),
                "name": text("The Secret's name."),
                "key": text("The key of its data; kubeconfig when left out."),
            }),
        ),
        json!({"required": ["namespace", "name"]}),
    );
    json!({
        "type": "object",
        "description": "A Target is a cluster that Stacks are kept equal on.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": mapping("How to get in.", json!({
                "kubernetes": mapping("A Kubernetes cluster; the one that holds this Target when its kubeconfig is left out.",
                    json!({"kubeconfig": kubeconfig})),
            })),
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    })
}

fn status_schema() -> Value {
    let condition = json!({
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string"},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string"},
            "message": {"type": "string"},
            "observedGeneration": {"type": "integer", "format": "int64"},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
        },
    });
    let revision = |description: &str| {
        json!({"type": "object", "description": description, "properties": {
            "commit": {"type": "string"}, "reference": {"type": "string"},
            "others": {"type": "object", "additionalProperties": {"type": "string"},
                "description": "The commits of the other sources."},
            "charts": {"type": "object", "additionalProperties": {"type": "string"},
                "description": "What ranges of charts meant: the version by repository, name and range."}}})
    };
    let free = |description: &str| {
        json!({"type": "object", "description": description,
            "x-kubernetes-preserve-unknown-fields": true})
    };
    json!({
        "type": "object",
        "description": "How the Stack is doing.",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64",
                "description": "The generation of the spec that this speaks of."},
            "conditions": {"type": "array", "items": condition,
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "description": "Ready, Synced, Healthy and SourceReady."},
            "applied": revision("The last revision that was carried out without failure."),
            "attempted": revision("The last revision that was tried."),
            "rendered": {"type": "string", "description": "Digest of what the applied revision renders to."},
            "appliedRevision": {"type": "string", "description": "The commit of applied."},
            "sourceRevision": {"type": "string", "description": "The commit that Git was last seen at, and that the Stack was reconciled with, whether or not it was applied."},
            "followed": free("The revision that Git was last seen at, when it was seen first (seenAt), and the digest of what it renders to."),
            "pin": free("What holds the Stack at an older revision: which one, what it was rolled back from, by whom, since when and until when."),
            "handledSync": {"type": "string", "description": "The newest request to sync that has been followed."},
            "handledRefresh": {"type": "string", "description": "The newest request to read Git that has been followed."},
            "inventory": {"type": "object", "description": "What the Stack owns.", "properties": {
                "count": {"type": "integer"}, "digest": {"type": "string"}}},
            "problems": {"type": "array", "items": free("A problem."), "description": "What is wrong, worst first."},
            "pending": free("The plan that waits for a person: its digest, what it would do, and why it waits."),
            "history": {"type": "array", "items": free("An operation, or what happened to a pin."), "description": "The last operations, newest first."},
            "handledApproval": {"type": "string", "description": "The newest confirmation of a plan that has been taken up."},
            "operation": free("The operation that is under way and waits: its revision, when it began, and when it is ended."),
            "terminated": free("The newest request to end an operation that was followed, and the revision that is not tried again by itself since then."),
            "nextRetry": {"type": "string", "description": "When what has failed is tried again."},
            "leftAlone": {"type": "array", "items": free("A field, by its JSON pointer, and the other writer; since when, and until when."), "description": "Fields that are left for now to other writers who keep putting their own values there."},
            "healthyRevisions": {"type": "array", "items": free("A revision."), "description": "The last revisions that became healthy, newest first: where a rollback goes."},
        },
    })
}
