//! The schema of how a Stack is rendered. It must not know what is done with it.

use holdfast_model::Value;
use serde_json::json;

use super::crds::{mapping, text, texts, truth, with};

/// The schema of `spec.render`.
pub(super) fn render_schema() -> Value {
    let remote = with(
        mapping(
            "A Secret of the Stack's own namespace for everything below an address.",
            json!({
                "url": text("The address of a chart repository, registry or Git repository, or the beginning of it up to a slash."),
                "name": text("The Secret's name; its keys are those of spec.source.credentials."),
            }),
        ),
        json!({"required": ["url", "name"]}),
    );
    mapping(
        "How the files become objects; found out from the folder when left out.",
        json!({
            "include": texts("Globs of the files to read, relative to the folder; all YAML and JSON files when left out."),
            "exclude": texts("Globs of files to leave out."),
            "helm": helm_schema(),
            "kustomize": kustomize_schema(),
            "remotes": with(
                text("Whether what is not in the source is fetched: charts of repositories, dependencies, remote bases."),
                json!({"enum": ["allow", "refuse"], "default": "allow"}),
            ),
            "credentials": {"type": "array", "maxItems": 64, "items": remote,
                "description": "Secrets for what is fetched from outside of the source."},
            "seed": text("Any text; another one gives charts other random values, such as passwords."),
        }),
    )
}

fn helm_schema() -> Value {
    let parameter = with(
        mapping(
            "A parameter over all values.",
            json!({
                "name": text("The path of the value, such as image.tag."),
                "value": text("The value."),
                "type": with(
                    text("What the value is: a text as it stands; a scalar, which is a number, a truth or null where it looks like one, as with --set; or JSON."),
                    json!({"enum": ["text", "scalar", "json"], "default": "text"}),
                ),
            }),
        ),
        json!({"required": ["name"]}),
    );
    let file_parameter = with(
        mapping(
            "A parameter whose text is a file.",
            json!({
                "name": text("The path of the value, such as config.script."),
                "path": text("The file, relative to the folder."),
            }),
        ),
        json!({"required": ["name", "path"]}),
    );
    mapping(
        "How a Helm chart is rendered, where the folder holds one.",
        json!({
            "chart": chart_schema(),
            "release": text("The release's name; that of the Stack when left out."),
            "valueFiles": texts("Values files, relative to the folder, later ones over earlier ones."),
            "values": {"type": "object", "description": "Values over those of the files.",
                "x-kubernetes-preserve-unknown-fields": true},
            "parameters": {"type": "array", "maxItems": 256, "items": parameter,
                "description": "Parameters over all values."},
            "fileParameters": {"type": "array", "maxItems": 256, "items": file_parameter,
                "description": "Parameters whose texts are files, over all values."},
            "skipCrds": truth("Whether the files in crds/ are left out.", json!(false)),
            "skipTests": truth("Whether tests are left out; they are never run.", json!(false)),
            "skipSchemaValidation": truth("Whether values are not checked against the chart's schemas.", json!(false)),
            "lookup": with(
                text("What the chart may look up on the target: nothing, objects of the destination's namespace and those of no namespace, or everything that Holdfast may read. What it looks up is asked for news as often as the source."),
                json!({"enum": ["none", "namespace", "cluster"], "default": "none"}),
            ),
            "level": with(
                text("Whose rules count where versions of Helm differ, such as in what null takes away: 3; 4.1, which is also 4.0; or 4.2 and later."),
                json!({"enum": ["3", "4.1", "4.2"], "default": "4.2"}),
            ),
            "kubeVersion": text("The Kubernetes version that the chart sees; the target's when left out."),
            "apiVersions": texts("Further API versions that the chart sees."),
        }),
    )
}

fn chart_schema() -> Value {
    with(
        mapping(
            "The chart, where it is not in the folder; values files and file parameters are then files of the folder.",
            json!({
                "repository": text("A chart repository by https:// or http://, or a registry by oci://."),
                "name": text("The chart's name; in a registry, the last part of its path."),
                "version": text("A version, or a range such as 1.x or >=2.1 <3 that is asked for news as often as the source; the newest when left out."),
            }),
        ),
        json!({"required": ["repository", "name"]}),
    )
}

fn words(description: &str) -> Value {
    json!({"type": "object", "description": description, "maxProperties": 256,
        "additionalProperties": {"type": "string", "maxLength": 4096}})
}

fn kustomize_schema() -> Value {
    let replicas = with(
        mapping(
            "A count for the objects of a name.",
            json!({
                "name": text("The name."),
                "count": {"type": "integer", "minimum": 0, "description": "How many."},
            }),
        ),
        json!({"required": ["name", "count"]}),
    );
    mapping(
        "What is changed about an overlay before it is built, or about what a chart renders to; with it, a folder that is neither is built from all its YAML files.",
        json!({
            "namePrefix": text("Takes the place of namePrefix."),
            "nameSuffix": text("Takes the place of nameSuffix."),
            "namespace": text("Takes the place of namespace."),
            "images": texts("Images to change: NAME=NEWNAME:TAG, NAME:TAG or NAME@DIGEST."),
            "replicas": {"type": "array", "maxItems": 256, "items": replicas, "description": "Counts to set."},
            "labels": words("Labels to add or to set anew."),
            "labelScope": with(
                text("Where labels go: to metadata, also to templates, or also to selectors."),
                json!({"enum": ["metadata", "templates", "selectors"], "default": "metadata"}),
            ),
            "annotations": words("Annotations to add or to set anew."),
            "patches": {"type": "array", "maxItems": 256, "items": patch_schema(),
                "description": "Patches behind those of the files."},
            "components": texts("Components behind those of the files."),
            "variables": words("What takes the place of ${NAME} in the objects, after they are built, with defaults such as ${NAME:=text}."),
            "strictVariables": truth("Whether a variable that has neither a value nor a default is an error.", json!(false)),
        }),
    )
}

fn patch_schema() -> Value {
    let target = mapping(
        "What the patch is for, where it does not say so itself; names are regular expressions.",
        json!({
            "group": text("The API group."),
            "version": text("The version."),
            "kind": text("The kind."),
            "name": text("The name."),
            "namespace": text("The namespace."),
            "labelSelector": text("A label selector."),
            "annotationSelector": text("A selector for annotations."),
        }),
    );
    mapping(
        "A strategic merge patch or a JSON patch.",
        json!({
            "patch": {"type": "string", "maxLength": 65536, "description": "The patch itself."},
            "path": text("The file that holds it, relative to the folder."),
            "target": target,
            "allowNameChange": truth("Whether it may change names.", json!(false)),
            "allowKindChange": truth("Whether it may change kinds.", json!(false)),
        }),
    )
}
