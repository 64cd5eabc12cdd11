//! Generators, transformers and validators that are configured by files or in place: those built
//! into Kustomize. Programs are never run.

use holdfast_model::Value;
use holdfast_yaml::{Limits, read_value};

use crate::config::FieldSpec;
use crate::decode::{Fields, Scalars};
use crate::file::{self, GeneratorArgs, HelmGlobals, Patch};
use crate::generate::{Generated, generate};
use crate::hash::content_hash;
use crate::helm::{HelmRenderer, inflate};
use crate::images::set_images;
use crate::load::{LoadError, Loader};
use crate::patch::{
    apply_json_entry, apply_patch, apply_strategic, read_json_entry, read_patch_entry,
    read_strategic_entry,
};
use crate::replacement::{Replacement, read_file, read_replacement, replace};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::tables::Types;
use crate::transform::{
    End, NamespaceChange, Subjects, extend_names, set_entries, set_namespaces, set_replicas,
};
use crate::value::{Through, to_node, to_value};
use crate::value_add::run_value_add;

/// Refuses what is not built in.
fn check_builtin(config: &Resource) -> Result<(), String> {
    if config.api_version() == "builtin" {
        return Ok(());
    }
    Err(format!(
        "external plugins disabled; unable to load external plugin '{}' of '{}'",
        config.kind(),
        config.api_version()
    ))
}

fn unknown(config: &Resource) -> LoadError {
    LoadError::Message(format!(
        "plugin {} under group builtin not found",
        config.kind()
    ))
}

/// Runs a generator.
pub(crate) fn run_generator(
    loader: &Loader<'_>,
    config: &Resource,
    helm: Option<HelmRenderer<'_>>,
) -> Result<Vec<Resource>, LoadError> {
    check_builtin(config)?;
    let value = to_value(&config.node)?;
    let mut fields = Fields::of(&value, Scalars::AsTexts)?;
    match config.kind() {
        kind @ ("ConfigMapGenerator" | "SecretGenerator") => {
            let args = named_generator(&mut fields, config)?;
            let kind = if kind == "ConfigMapGenerator" {
                Generated::ConfigMap
            } else {
                Generated::Secret
            };
            Ok(vec![generate(loader, kind, &args, None)?])
        }
        "HelmChartInflationGenerator" => {
            let globals = HelmGlobals {
                chart_home: fields.text("chartHome")?,
                config_home: fields.text("configHome")?,
            };
            let chart = file::read_helm_chart(&mut fields)?;
            inflate(loader, &chart, &globals, &chart.namespace, helm)
        }
        "IAMPolicyGenerator" => Ok(vec![service_account(&mut fields, loader)?]),
        _ => Err(unknown(config)),
    }
}

/// A service account that stands for one of a cloud.
fn service_account(fields: &mut Fields<'_>, loader: &Loader<'_>) -> Result<Resource, String> {
    let cloud = fields.text("cloud")?;
    if cloud != "gke" {
        return Err(format!("cloud provider {cloud} not supported yet"));
    }
    let (name, namespace) = one(fields, "kubernetesService", |fields| {
        Ok((fields.text("name")?, fields.text("namespace")?))
    })?;
    let (account, project) = one(fields, "serviceAccount", |fields| {
        Ok((fields.text("name")?, fields.text("projectId")?))
    })?;
    let node = to_node(
        &serde_json::json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "annotations": {
                    "iam.gke.io/gcp-service-account":
                        format!("{account}@{project}.iam.gserviceaccount.com"),
                },
                "name": name,
            },
        }),
        Through::Json,
    );
    let mut resource = Resource::new(node, &loader.root, 0);
    resource.set_namespace(&namespace)?;
    Ok(resource)
}

fn named_generator(fields: &mut Fields<'_>, config: &Resource) -> Result<GeneratorArgs, String> {
    let mut args = file::read_generator(fields)?;
    if args.name.is_empty() {
        config.name().clone_into(&mut args.name);
    }
    if args.namespace.is_empty() {
        config.namespace().clone_into(&mut args.namespace);
    }
    Ok(args)
}

/// The field specs that a transformer is configured with.
fn specs(fields: &mut Fields<'_>) -> Result<Vec<FieldSpec>, String> {
    fields
        .list("fieldSpecs")?
        .iter()
        .map(FieldSpec::decode)
        .collect()
}

/// Runs a transformer on all resources.
pub(crate) fn run_transformer(
    loader: &Loader<'_>,
    config: &Resource,
    resources: &mut Resources,
    types: &Types,
) -> Result<(), LoadError> {
    check_builtin(config)?;
    let value = to_value(&config.node)?;
    let mut fields = Fields::of(&value, Scalars::AsTexts)?;
    match config.kind() {
        "AnnotationsTransformer" => {
            let entries = fields.text_map("annotations")?;
            set_entries(resources, &entries, &specs(&mut fields)?)?;
        }
        "LabelTransformer" => {
            let entries = fields.text_map("labels")?;
            set_entries(resources, &entries, &specs(&mut fields)?)?;
        }
        kind @ ("PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer") => {
            if !fields.has("fieldSpecs") {
                let message = "fieldSpecs is not expected to be nil";
                return Err(LoadError::Message(message.to_owned()));
            }
            let specs = specs(&mut fields)?;
            let ends = [
                (End::Prefix, "prefix", "Prefix"),
                (End::Suffix, "suffix", "Suffix"),
            ];
            for (end, name, word) in ends {
                if kind.contains(word) {
                    extend_names(resources, types, end, &fields.text(name)?, &specs)?;
                }
            }
        }
        "NamespaceTransformer" => run_namespace(&mut fields, config, resources, types)?,
        "ImageTagTransformer" => {
            let images = one(&mut fields, "imageTag", file::read_image)?;
            set_images(resources, &images, &specs(&mut fields)?)?;
        }
        "ReplicaCountTransformer" => {
            let replica = one(&mut fields, "replica", |fields| {
                Ok(file::Replica {
                    name: fields.text("name")?,
                    count: fields.integer("count")?,
                })
            })?;
            set_replicas(resources, types, &replica, &specs(&mut fields)?)?;
        }
        "ValueAddTransformer" => run_value_add(loader, &mut fields, resources, types)?,
        "HashTransformer" => add_hashes(resources, types)?,
        "ReplacementTransformer" => {
            let entries = fields.list("replacements")?;
            replace(resources, &read_replacements(loader, &entries)?)?;
        }
        _ => run_patch(loader, &mut fields, config, resources, types)?,
    }
    Ok(())
}

/// Reads a mapping that has to be there.
fn one<T>(
    fields: &mut Fields<'_>,
    name: &str,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, String>,
) -> Result<T, String> {
    match fields.take(name) {
        Some(value) => {
            let mut fields = fields.within(value)?;
            read(&mut fields)
        }
        None => read(&mut fields.within(&Value::Null)?),
    }
}

fn run_namespace(
    fields: &mut Fields<'_>,
    config: &Resource,
    resources: &mut Resources,
    types: &Types,
) -> Result<(), String> {
    let subjects = match fields.text("setRoleBindingSubjects")?.as_str() {
        "" | "defaultOnly" => Subjects::Default,
        "allServiceAccounts" => Subjects::ServiceAccounts,
        "none" => Subjects::None,
        other => {
            return Err(format!(
                "invalid value \"{other}\" for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
            ));
        }
    };
    let unset_only = fields.flag("unsetOnly")?;
    let specs = specs(fields)?;
    if config.namespace().is_empty() {
        return Ok(());
    }
    let change = NamespaceChange {
        namespace: config.namespace(),
        specs: &specs,
        subjects,
        unset_only,
    };
    set_namespaces(resources, types, &change)
}

fn run_patch(
    loader: &Loader<'_>,
    fields: &mut Fields<'_>,
    config: &Resource,
    resources: &mut Resources,
    types: &Types,
) -> Result<(), LoadError> {
    match config.kind() {
        "PatchTransformer" => {
            let patch = read_patch_entry(loader, &file::read_patch(fields)?)?;
            apply_patch(resources, &patch, types)?;
        }
        "PatchJson6902Transformer" => {
            let patch = Patch {
                path: fields.text("path")?,
                patch: fields.text("jsonOp")?,
                target: Some(one(fields, "target", file::read_selector)?),
                allow_name_change: false,
                allow_kind_change: false,
            };
            let (target, json) = read_json_entry(loader, &patch)?;
            apply_json_entry(resources, &target, &json, types)?;
        }
        "PatchStrategicMergeTransformer" => {
            let mut entries = fields.texts("paths")?;
            let inline = fields.text("patches")?;
            if entries.is_empty() && inline.is_empty() {
                let message = "empty file path and empty patch content";
                return Err(LoadError::Message(message.to_owned()));
            }
            if !inline.is_empty() {
                entries.push(inline);
            }
            let mut patches = Vec::new();
            for entry in &entries {
                patches.extend(read_strategic_entry(loader, entry)?);
            }
            apply_strategic(resources, &patches, types)?;
        }
        _ => return Err(unknown(config)),
    }
    Ok(())
}

/// Adds the hash of their content to the names of resources that wait for one.
pub(crate) fn add_hashes(resources: &mut Resources, types: &Types) -> Result<(), String> {
    for resource in resources
        .list
        .iter_mut()
        .filter(|resource| resource.needs_hash)
    {
        let hash = content_hash(&resource.node)?;
        resource.remember(types);
        let name = format!("{}-{hash}", resource.name());
        resource.set_name(&name)?;
    }
    Ok(())
}

/// Reads replacements, some of which are in files.
pub(crate) fn read_replacements(
    loader: &Loader<'_>,
    entries: &[Value],
) -> Result<Vec<Replacement>, LoadError> {
    let mut all = Vec::new();
    for entry in entries {
        let mut fields = Fields::of(entry, Scalars::Strict)?;
        let path = fields.text("path")?;
        if path.is_empty() {
            all.push(read_replacement(&mut fields)?);
            fields.finish()?;
            continue;
        }
        if fields.has("source") || fields.has("targets") {
            let message = "cannot specify both path and inline replacement";
            return Err(LoadError::Message(message.to_owned()));
        }
        let bytes = loader.load(&path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| format!("{path} is not UTF-8"))?;
        let value =
            read_value(text, &Limits::default()).map_err(|error| format!("{path}: {error}"))?;
        all.extend(read_file(&value)?);
    }
    Ok(all)
}
