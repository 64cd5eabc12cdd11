//! The kustomization file: its fields, read as strictly as Kustomize reads them, with the
//! deprecated spellings turned into today's. It must not know what the fields do.

use holdfast_model::Value;
use holdfast_yaml::{Limits, read_value};

use crate::config::{FieldSpec, Gvk};
use crate::decode::{Fields, Scalars};

/// A `Kustomization` or `Component`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kustomization {
    pub(crate) is_component: bool,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_labels: Vec<(String, String)>,
    pub(crate) common_annotations: Vec<(String, String)>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) strategic_patches: Vec<String>,
    pub(crate) json_patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) replacements: Vec<Value>,
    pub(crate) vars: Vec<Var>,
    pub(crate) config_maps: Vec<GeneratorArgs>,
    pub(crate) secrets: Vec<GeneratorArgs>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) helm_charts: Vec<HelmChart>,
    pub(crate) helm_globals: HelmGlobals,
    pub(crate) openapi: Vec<(String, String)>,
    pub(crate) build_metadata: Vec<String>,
    pub(crate) sort_options: Option<SortOptions>,
}

/// An entry of `labels`.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// An entry of `patches` or `patchesJson6902`.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

/// Which resources something is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) annotations: String,
    pub(crate) labels: String,
}

/// An entry of `images`.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

/// An entry of `replicas`.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// An entry of `vars`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) target: Gvk,
    pub(crate) target_name: String,
    pub(crate) target_namespace: String,
    pub(crate) field_path: String,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorArgs {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) options: Option<GeneratorOptions>,
    pub(crate) secret_type: String,
}

/// `generatorOptions`, or the `options` of one generator.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// `helmGlobals`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HelmGlobals {
    pub(crate) chart_home: String,
    pub(crate) config_home: String,
}

/// An entry of `helmCharts`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HelmChart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) repo: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) values_file: String,
    pub(crate) additional_values_files: Vec<String>,
    pub(crate) values_inline: Option<Value>,
    pub(crate) values_merge: String,
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) skip_tests: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
    pub(crate) name_template: String,
}

/// `sortOptions`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy: Option<(Vec<String>, Vec<String>)>,
}

impl Kustomization {
    /// Reads a kustomization file; only its first document counts.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let value = read_value(text, &Limits::default()).map_err(|error| error.to_string())?;
        let mut fields = Fields::of(&value, Scalars::Strict)?;
        let kind = fields.text("kind")?;
        let api_version = fields.text("apiVersion")?;
        if is_empty(&value) {
            return Err("kustomization.yaml is empty".to_owned());
        }
        if !matches!(kind.as_str(), "" | "Kustomization" | "Component") {
            return Err("kind should be Kustomization or Component".to_owned());
        }
        let is_component = kind == "Component";
        let version = if is_component { "v1alpha1" } else { "v1beta1" };
        let wanted = format!("kustomize.config.k8s.io/{version}");
        if !api_version.is_empty() && api_version != wanted {
            let kind = if is_component {
                "Component"
            } else {
                "Kustomization"
            };
            return Err(format!("apiVersion for {kind} should be {wanted}"));
        }
        let mut file = Self {
            is_component,
            ..Self::default()
        };
        file.read_inputs(&mut fields)?;
        file.read_transformers(&mut fields)?;
        file.read_generators(&mut fields)?;
        file.read_options(&mut fields)?;
        fields.finish()?;
        Ok(file)
    }

    fn read_inputs(&mut self, fields: &mut Fields<'_>) -> Result<(), String> {
        self.resources = fields.texts("resources")?;
        self.resources.extend(fields.texts("bases")?);
        self.components = fields.texts("components")?;
        self.crds = fields.texts("crds")?;
        self.configurations = fields.texts("configurations")?;
        self.generators = fields.texts("generators")?;
        self.transformers = fields.texts("transformers")?;
        self.validators = fields.texts("validators")?;
        Ok(())
    }

    fn read_transformers(&mut self, fields: &mut Fields<'_>) -> Result<(), String> {
        self.name_prefix = fields.text("namePrefix")?;
        self.name_suffix = fields.text("nameSuffix")?;
        self.namespace = fields.text("namespace")?;
        self.labels = each(fields, "labels", read_label)?;
        self.common_labels = fields.text_map("commonLabels")?;
        self.common_annotations = fields.text_map("commonAnnotations")?;
        self.patches = each(fields, "patches", read_patch)?;
        self.strategic_patches = fields.texts("patchesStrategicMerge")?;
        self.json_patches = each(fields, "patchesJson6902", read_patch)?;
        self.images = each(fields, "images", read_image)?;
        self.images.extend(each(fields, "imageTags", read_image)?);
        self.replicas = each(fields, "replicas", |fields| {
            Ok(Replica {
                name: fields.text("name")?,
                count: fields.integer("count")?,
            })
        })?;
        self.replacements = fields.list("replacements")?;
        self.vars = each(fields, "vars", read_var)?;
        Ok(())
    }

    fn read_generators(&mut self, fields: &mut Fields<'_>) -> Result<(), String> {
        self.config_maps = each(fields, "configMapGenerator", read_generator)?;
        self.secrets = each(fields, "secretGenerator", read_generator)?;
        self.generator_options = optional(fields, "generatorOptions", read_generator_options)?;
        let globals = optional(fields, "helmGlobals", read_helm_globals)?;
        self.helm_charts = each(fields, "helmCharts", read_helm_chart)?;
        let mut old_globals = HelmGlobals::default();
        let old = each(fields, "helmChartInflationGenerator", |fields| {
            read_old_helm_chart(fields, &mut old_globals)
        })?;
        self.helm_charts.extend(old);
        self.helm_globals = globals.unwrap_or(old_globals);
        Ok(())
    }

    fn read_options(&mut self, fields: &mut Fields<'_>) -> Result<(), String> {
        self.openapi = fields.text_map("openapi")?;
        self.build_metadata = fields.texts("buildMetadata")?;
        self.sort_options = optional(fields, "sortOptions", read_sort_options)?;
        optional(fields, "metadata", |fields| {
            fields.text("name")?;
            fields.text("namespace")?;
            fields.text_map("labels")?;
            fields.text_map("annotations")
        })?;
        Ok(())
    }
}

/// Whether nothing is set but the kind and the version.
fn is_empty(value: &Value) -> bool {
    let counts = |(name, value): (&String, &Value)| {
        let is_type = name.eq_ignore_ascii_case("kind") || name.eq_ignore_ascii_case("apiVersion");
        !is_type && !value.is_null() && value != ""
    };
    value.as_object().is_none_or(|map| !map.iter().any(counts))
}

/// Reads each entry of a list of mappings and refuses what it does not know.
pub(crate) fn each<T>(
    fields: &mut Fields<'_>,
    name: &str,
    mut read: impl FnMut(&mut Fields<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut entries = Vec::new();
    for (index, value) in fields.list(name)?.iter().enumerate() {
        let place = |error: String| format!("{name}[{index}]: {error}");
        let mut fields = fields.within(value).map_err(place)?;
        entries.push(read(&mut fields).map_err(place)?);
        fields.finish().map_err(place)?;
    }
    Ok(entries)
}

/// Reads a mapping that may be absent and refuses what it does not know.
pub(crate) fn optional<T>(
    fields: &mut Fields<'_>,
    name: &str,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let Some(value) = fields.take(name) else {
        return Ok(None);
    };
    let place = |error: String| format!("{name}: {error}");
    let mut fields = fields.within(value).map_err(place)?;
    let read = read(&mut fields).map_err(place)?;
    fields.finish().map_err(place)?;
    Ok(Some(read))
}

fn read_label(fields: &mut Fields<'_>) -> Result<Label, String> {
    Ok(Label {
        pairs: fields.text_map("pairs")?,
        include_selectors: fields.flag("includeSelectors")?,
        include_templates: fields.flag("includeTemplates")?,
        fields: each(fields, "fields", FieldSpec::read)?,
    })
}

pub(crate) fn read_patch(fields: &mut Fields<'_>) -> Result<Patch, String> {
    let options = optional(fields, "options", |fields| {
        Ok((
            fields.flag("allowNameChange")?,
            fields.flag("allowKindChange")?,
        ))
    })?;
    let (allow_name_change, allow_kind_change) = options.unwrap_or_default();
    Ok(Patch {
        path: fields.text("path")?,
        patch: fields.text("patch")?,
        target: optional(fields, "target", read_selector)?,
        allow_name_change,
        allow_kind_change,
    })
}

pub(crate) fn read_selector(fields: &mut Fields<'_>) -> Result<Selector, String> {
    Ok(Selector {
        gvk: Gvk::decode(fields)?,
        name: fields.strict_text("name")?,
        namespace: fields.strict_text("namespace")?,
        annotations: fields.text("annotationSelector")?,
        labels: fields.text("labelSelector")?,
    })
}

pub(crate) fn read_image(fields: &mut Fields<'_>) -> Result<Image, String> {
    Ok(Image {
        name: fields.text("name")?,
        new_name: fields.text("newName")?,
        tag_suffix: fields.text("tagSuffix")?,
        new_tag: fields.text("newTag")?,
        digest: fields.text("digest")?,
    })
}

fn read_var(fields: &mut Fields<'_>) -> Result<Var, String> {
    let name = fields.text("name")?;
    let target = optional(fields, "objref", |fields| {
        let api_version = fields.text("apiVersion")?;
        let mut gvk = Gvk::decode(fields)?;
        match api_version.split('/').collect::<Vec<&str>>()[..] {
            [""] => {}
            [version] => gvk.version = version.to_owned(),
            [group, version] => {
                gvk.group = group.to_owned();
                gvk.version = version.to_owned();
            }
            _ => {}
        }
        Ok((gvk, fields.text("name")?, fields.text("namespace")?))
    })?;
    let (target, target_name, target_namespace) = target.unwrap_or_default();
    let field_path = optional(fields, "fieldref", |fields| fields.text("fieldPath"))?;
    let field_path = field_path.filter(|path| !path.is_empty());
    Ok(Var {
        name,
        target,
        target_name,
        target_namespace,
        field_path: field_path.unwrap_or_else(|| "metadata.name".to_owned()),
    })
}

pub(crate) fn read_generator(fields: &mut Fields<'_>) -> Result<GeneratorArgs, String> {
    let mut envs = fields.texts("envs")?;
    let env = fields.text("env")?;
    if !env.is_empty() {
        envs.push(env);
    }
    Ok(GeneratorArgs {
        name: fields.text("name")?,
        namespace: fields.text("namespace")?,
        behavior: fields.text("behavior")?,
        literals: fields.texts("literals")?,
        files: fields.texts("files")?,
        envs,
        options: optional(fields, "options", read_generator_options)?,
        secret_type: fields.text("type")?,
    })
}

fn read_generator_options(fields: &mut Fields<'_>) -> Result<GeneratorOptions, String> {
    Ok(GeneratorOptions {
        labels: fields.text_map("labels")?,
        annotations: fields.text_map("annotations")?,
        disable_name_suffix_hash: fields.flag("disableNameSuffixHash")?,
        immutable: fields.flag("immutable")?,
    })
}

fn read_helm_globals(fields: &mut Fields<'_>) -> Result<HelmGlobals, String> {
    Ok(HelmGlobals {
        chart_home: fields.text("chartHome")?,
        config_home: fields.text("configHome")?,
    })
}

pub(crate) fn read_helm_chart(fields: &mut Fields<'_>) -> Result<HelmChart, String> {
    fields.flag("debug")?;
    fields.flag("devel")?;
    Ok(HelmChart {
        name: fields.text("name")?,
        version: fields.text("version")?,
        repo: fields.text("repo")?,
        release_name: fields.text("releaseName")?,
        namespace: fields.text("namespace")?,
        values_file: fields.text("valuesFile")?,
        additional_values_files: fields.texts("additionalValuesFiles")?,
        values_inline: fields.take("valuesInline").cloned(),
        values_merge: fields.text("valuesMerge")?,
        include_crds: fields.flag("includeCRDs")?,
        skip_hooks: fields.flag("skipHooks")?,
        skip_tests: fields.flag("skipTests")?,
        api_versions: fields.texts("apiVersions")?,
        kube_version: fields.text("kubeVersion")?,
        name_template: fields.text("nameTemplate")?,
    })
}

fn read_old_helm_chart(
    fields: &mut Fields<'_>,
    globals: &mut HelmGlobals,
) -> Result<HelmChart, String> {
    let chart_home = fields.text("chartHome")?;
    if !chart_home.is_empty() {
        globals.chart_home = chart_home;
    }
    let config_home = fields.text("helmHome")?;
    if !config_home.is_empty() {
        globals.config_home = config_home;
    }
    for unused in ["chartRepoName", "helmBin", "releaseNamespace"] {
        fields.text(unused)?;
    }
    fields.texts("extraArgs")?;
    Ok(HelmChart {
        name: fields.text("chartName")?,
        version: fields.text("chartVersion")?,
        repo: fields.text("chartRepoUrl")?,
        values_file: fields.text("values")?,
        values_inline: fields.take("valuesLocal").cloned(),
        values_merge: fields.text("valuesMerge")?,
        release_name: fields.text("releaseName")?,
        ..HelmChart::default()
    })
}

fn read_sort_options(fields: &mut Fields<'_>) -> Result<SortOptions, String> {
    Ok(SortOptions {
        order: fields.text("order")?,
        legacy: optional(fields, "legacySortOptions", |fields| {
            Ok((fields.texts("orderFirst")?, fields.texts("orderLast")?))
        })?,
    })
}
