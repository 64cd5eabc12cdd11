//! How a Stack is rendered, as a person writes it, read into the model. It must not know renderers.

use std::collections::BTreeMap;

use holdfast_model::external::is_chart_repository;
use holdfast_model::stack::{
    ChartSource, HelmChoice, HelmLevel, HelmParameter, KustomizeChoice, KustomizePatch, LabelScope,
    Lookups, RemoteCredentials, Remotes, RenderChoice, SecretReference, StackKey,
};

use super::stack::read_texts;
use crate::fields::{Fields, SpecProblem};

const LOOKUPS: [(&str, Lookups); 3] = [
    ("none", Lookups::None),
    ("namespace", Lookups::Namespace),
    ("cluster", Lookups::Cluster),
];
const LEVELS: [(&str, HelmLevel); 3] = [
    ("3", HelmLevel::Helm3),
    ("4.1", HelmLevel::Helm41),
    ("4.2", HelmLevel::Helm42),
];
const LABEL_SCOPES: [(&str, LabelScope); 3] = [
    ("metadata", LabelScope::Metadata),
    ("templates", LabelScope::Templates),
    ("selectors", LabelScope::Selectors),
];

/// Reads `spec.render`.
pub(crate) fn read_render(
    spec: &Fields,
    key: &StackKey,
    problems: &mut Vec<SpecProblem>,
) -> RenderChoice {
    let known = [
        "include",
        "exclude",
        "helm",
        "kustomize",
        "remotes",
        "credentials",
        "seed",
    ];
    let render = spec.below("render", &known, problems);
    let words = [("allow", Remotes::Allow), ("refuse", Remotes::Refuse)];
    let remotes = render.choice("remotes", &words, Remotes::Allow, problems);
    RenderChoice {
        remotes,
        credentials: read_remote_credentials(&render, key, problems),
        seed: render.text("seed", problems).unwrap_or_default(),
        include: read_texts(&render, "include", problems),
        exclude: read_texts(&render, "exclude", problems),
        helm: read_helm(&render, problems),
        kustomize: render
            .get("kustomize")
            .map(|_| read_kustomize(&render, problems)),
    }
}

fn read_helm(render: &Fields, problems: &mut Vec<SpecProblem>) -> HelmChoice {
    let known = [
        "chart",
        "fileParameters",
        "release",
        "valueFiles",
        "values",
        "parameters",
        "skipCrds",
        "skipTests",
        "skipSchemaValidation",
        "lookup",
        "level",
        "kubeVersion",
        "apiVersions",
    ];
    let helm = render.below("helm", &known, problems);
    let values = helm.get("values").cloned();
    if values.as_ref().is_some_and(|values| !values.is_object()) {
        helm.refuse("values", "takes a mapping", problems);
    }
    HelmChoice {
        chart: helm.get("chart").map(|_| read_chart(&helm, problems)),
        release: helm.text("release", problems),
        value_files: read_texts(&helm, "valueFiles", problems),
        values,
        parameters: read_parameters(&helm, problems),
        level: helm.choice("level", &LEVELS, HelmLevel::Helm42, problems),
        skip_crds: helm.truth("skipCrds", false, problems),
        skip_tests: helm.truth("skipTests", false, problems),
        skip_schema: helm.truth("skipSchemaValidation", false, problems),
        lookups: helm.choice("lookup", &LOOKUPS, Lookups::None, problems),
        kube_version: helm.text("kubeVersion", problems),
        api_versions: read_texts(&helm, "apiVersions", problems),
    }
}

fn read_parameters(helm: &Fields, problems: &mut Vec<SpecProblem>) -> Vec<HelmParameter> {
    type Make = fn(&str, &str) -> HelmParameter;
    let forms: [(&str, Make); 3] = [
        ("text", |name, value| {
            HelmParameter::Literal(format!("{name}={value}"))
        }),
        ("scalar", |name, value| {
            HelmParameter::Typed(format!("{name}={}", value.replace(',', "\\,")))
        }),
        ("json", |name, value| {
            HelmParameter::Json(format!("{name}={value}"))
        }),
    ];
    let mut parameters = Vec::new();
    for (path, item) in helm.list("parameters", problems) {
        let fields = Fields::of(item, &path, &["name", "value", "type"], problems);
        let name = fields.required_text("name", problems);
        let value = fields.text("value", problems).unwrap_or_default();
        let make = fields.choice("type", &forms, forms[0].1, problems);
        parameters.push(make(&name, &value));
    }
    for (path, item) in helm.list("fileParameters", problems) {
        let fields = Fields::of(item, &path, &["name", "path"], problems);
        parameters.push(HelmParameter::File {
            path: fields.required_text("name", problems),
            file: fields.required_text("path", problems),
        });
    }
    parameters
}

fn read_chart(helm: &Fields, problems: &mut Vec<SpecProblem>) -> ChartSource {
    let chart = helm.below("chart", &["repository", "name", "version"], problems);
    let repository = chart.required_text("repository", problems);
    if !repository.is_empty() && !is_chart_repository(&repository) {
        chart.refuse("repository", "takes https://, http:// or oci://", problems);
    }
    if has_password(&repository) {
        let message = "holds a user or password; put it into a Secret and name that in \
                       spec.render.credentials";
        chart.refuse("repository", message, problems);
    }
    ChartSource {
        repository,
        name: chart.required_text("name", problems),
        version: chart.text("version", problems).unwrap_or_default(),
    }
}

fn has_password(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    rest.split('/').next().unwrap_or_default().contains('@')
}

fn read_remote_credentials(
    render: &Fields,
    key: &StackKey,
    problems: &mut Vec<SpecProblem>,
) -> Vec<RemoteCredentials> {
    let mut all = Vec::new();
    for (path, item) in render.list("credentials", problems) {
        let fields = Fields::of(item, &path, &["url", "name"], problems);
        all.push(RemoteCredentials {
            url: fields.required_text("url", problems),
            secret: SecretReference {
                namespace: key.namespace.clone(),
                name: fields.required_text("name", problems),
            },
        });
    }
    all
}

fn read_kustomize(render: &Fields, problems: &mut Vec<SpecProblem>) -> KustomizeChoice {
    let known = [
        "namePrefix",
        "nameSuffix",
        "namespace",
        "images",
        "replicas",
        "labels",
        "labelScope",
        "annotations",
        "patches",
        "components",
        "variables",
        "strictVariables",
    ];
    let fields = render.below("kustomize", &known, problems);
    let mut replicas = Vec::new();
    for (path, item) in fields.list("replicas", problems) {
        let entry = Fields::of(item, &path, &["name", "count"], problems);
        let name = entry.required_text("name", problems);
        replicas.push((name, i64::from(entry.count("count", 1, problems))));
    }
    let label_scope = fields.choice("labelScope", &LABEL_SCOPES, LabelScope::Metadata, problems);
    let images = read_texts(&fields, "images", problems);
    if let Some(wrong) = images.iter().find(|image| !names_image(image)) {
        let message = format!("`{wrong}` is not NAME=NEWNAME:TAG, NAME:TAG or NAME@DIGEST");
        fields.refuse("images", &message, problems);
    }
    KustomizeChoice {
        name_prefix: fields.text("namePrefix", problems),
        name_suffix: fields.text("nameSuffix", problems),
        namespace: fields.text("namespace", problems),
        images,
        replicas,
        labels: read_words(&fields, "labels", problems),
        label_scope,
        annotations: read_words(&fields, "annotations", problems),
        patches: read_patches(&fields, problems),
        components: read_texts(&fields, "components", problems),
        variables: read_words(&fields, "variables", problems),
        is_strict: fields.truth("strictVariables", false, problems),
    }
}

/// Whether an image is given something new: a name, a tag or a digest.
fn names_image(text: &str) -> bool {
    let (_, last) = text.rsplit_once('/').unwrap_or(("", text));
    text.contains(['=', '@']) || last.contains(':')
}

fn read_patches(fields: &Fields, problems: &mut Vec<SpecProblem>) -> Vec<KustomizePatch> {
    let known = [
        "patch",
        "path",
        "target",
        "allowNameChange",
        "allowKindChange",
    ];
    let mut patches = Vec::new();
    for (path, item) in fields.list("patches", problems) {
        let entry = Fields::of(item, &path, &known, problems);
        let names = [
            "group",
            "version",
            "kind",
            "name",
            "namespace",
            "labelSelector",
            "annotationSelector",
        ];
        let target = entry.below("target", &names, problems);
        let target = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), target.text(name, problems)?)))
            .collect();
        let patch = KustomizePatch {
            patch: entry.text("patch", problems).unwrap_or_default(),
            path: entry.text("path", problems).unwrap_or_default(),
            target,
            allow_name_change: entry.truth("allowNameChange", false, problems),
            allow_kind_change: entry.truth("allowKindChange", false, problems),
        };
        if patch.patch.is_empty() == patch.path.is_empty() {
            entry.refuse(
                "patch",
                "takes a patch, or `path` a file with one",
                problems,
            );
        }
        patches.push(patch);
    }
    patches
}

/// A mapping of texts.
pub(crate) fn read_words(
    fields: &Fields,
    name: &str,
    problems: &mut Vec<SpecProblem>,
) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    let Some(value) = fields.get(name) else {
        return words;
    };
    let Some(entries) = value.as_object() else {
        fields.refuse(name, "takes a mapping of texts", problems);
        return words;
    };
    for (key, value) in entries {
        match value.as_str() {
            Some(text) => {
                words.insert(key.clone(), text.to_owned());
            }
            None => {
                let message = format!("takes a text for `{key}`; put it into quotes");
                fields.refuse(name, &message, problems);
            }
        }
    }
    words
}
