//! Runs the generators, transformers and validators of one kustomization, in Kustomize's order.

use std::sync::Arc;

use super::{Builder, Gathered, Outcome, Target, joined};
use crate::config::{Config, FieldSpec, merge_specs};
use crate::file::Label;
use crate::generate::{Generated, generate};
use crate::helm::inflate;
use crate::images::set_images;
use crate::patch::{
    apply_json_entry, apply_patch, apply_strategic, read_json_entry, read_patch_entry,
    read_strategic_entry,
};
use crate::plugins::{read_replacements, run_generator, run_transformer};
use crate::read::read_resources;
use crate::replacement::replace;
use crate::resource::{OriginNote, Resource};
use crate::resources::Resources;
use crate::transform::{
    End, NamespaceChange, Subjects, extend_names, set_entries, set_namespaces, set_replicas,
};
use crate::value::to_value;

impl Builder<'_> {
    pub(super) fn run_generators(
        &mut self,
        target: &Target<'_>,
        gathered: &mut Gathered,
    ) -> Outcome<()> {
        let file = &target.file;
        let options = file.generator_options.as_ref();
        let lists = [
            (
                Generated::ConfigMap,
                &file.config_maps,
                "configMapGenerator",
                "ConfigMapGenerator",
            ),
            (
                Generated::Secret,
                &file.secrets,
                "secretGenerator",
                "SecretGenerator",
            ),
        ];
        let mut made = Vec::new();
        for (kind, list, field, plugin) in lists {
            for args in list {
                let resource = generate(&target.loader, kind, args, options);
                let resource = self.load(target, field, resource)?;
                made.push((field, Some(target.note(plugin)), resource));
            }
        }
        for chart in &file.helm_charts {
            let namespaces = [&chart.namespace, &file.namespace, &target.helm_namespace];
            let namespace = namespaces
                .into_iter()
                .find(|namespace| !namespace.is_empty());
            let namespace = namespace.map(String::as_str).unwrap_or_default();
            let helm = self.options.helm;
            self.rendered_charts = true;
            let inflated = inflate(&target.loader, chart, &file.helm_globals, namespace, helm);
            for resource in self.load(target, "helmCharts", inflated)? {
                made.push((
                    "helmCharts",
                    Some(target.note("HelmChartInflationGenerator")),
                    resource,
                ));
            }
        }
        for config in self.read_plugins(target, &file.generators, "generators")? {
            self.rendered_charts |= config.kind() == "HelmChartInflationGenerator";
            let generated = run_generator(&target.loader, &config, self.options.helm);
            for resource in self.load(target, "generators", generated)? {
                made.push(("generators", target.plugin_note(&config), resource));
            }
        }
        for (field, note, mut resource) in made {
            if self.tracks_origins && resource.origin.is_none() {
                resource.origin = note;
            }
            gathered
                .resources
                .absorb(resource, &self.types)
                .map_err(|error| target.error(field, error))?;
        }
        Ok(())
    }

    /// Reads the configurations of plugins: written in place, in files, or built by kustomizations.
    fn read_plugins(
        &mut self,
        target: &Target<'_>,
        entries: &[String],
        field: &'static str,
    ) -> Outcome<Vec<Resource>> {
        let mut gathered = Gathered::default();
        let mut paths = Vec::new();
        for entry in entries {
            match read_resources(entry.as_bytes()) {
                Ok(read) => {
                    let origin = self.tracks_origins.then(|| OriginNote {
                        path: joined(&target.origin.path, target.file_name),
                        ..target.origin.clone()
                    });
                    let configs = read.into_iter().map(|(node, line)| {
                        let mut config = Resource::new(node, &target.loader.root, line);
                        config.origin.clone_from(&origin);
                        config
                    });
                    gathered
                        .resources
                        .append_all(configs.collect(), &self.types)
                        .map_err(|error| target.error(field, error))?;
                }
                Err(_) => paths.push(entry.clone()),
            }
        }
        let gathered = self.add_resources(target, gathered, &paths, field)?;
        Ok(gathered.resources.list)
    }

    pub(super) fn run_transformers(
        &mut self,
        target: &Target<'_>,
        gathered: &mut Gathered,
    ) -> Outcome<()> {
        let file = &target.file;
        let config = gathered.config.clone().unwrap_or_default();
        let types = Arc::clone(&self.types);
        self.run_patches(target, gathered)?;
        let resources = &mut gathered.resources;
        if !file.namespace.is_empty() {
            let change = NamespaceChange {
                namespace: &file.namespace,
                specs: &config.namespace,
                subjects: Subjects::Default,
                unset_only: false,
            };
            set_namespaces(resources, &types, &change)
                .map_err(|error| target.error("namespace", error))?;
            self.after(target, resources, "NamespaceTransformer")?;
        }
        for (end, text, specs, field, plugin) in [
            (
                End::Prefix,
                &file.name_prefix,
                &config.name_prefix,
                "namePrefix",
                "PrefixTransformer",
            ),
            (
                End::Suffix,
                &file.name_suffix,
                &config.name_suffix,
                "nameSuffix",
                "SuffixTransformer",
            ),
        ] {
            if !text.is_empty() {
                extend_names(resources, &types, end, text, specs)
                    .map_err(|error| target.error(field, error))?;
                self.after(target, resources, plugin)?;
            }
        }
        for label in &file.labels {
            let specs =
                label_specs(label, &config).map_err(|error| target.error("labels", error))?;
            set_entries(resources, &label.pairs, &specs)
                .map_err(|error| target.error("labels", error))?;
            self.after(target, resources, "LabelTransformer")?;
        }
        if !file.labels.is_empty() || !file.common_labels.is_empty() {
            set_entries(resources, &file.common_labels, &config.common_labels)
                .map_err(|error| target.error("commonLabels", error))?;
            self.after(target, resources, "LabelTransformer")?;
        }
        if !file.common_annotations.is_empty() {
            set_entries(
                resources,
                &file.common_annotations,
                &config.common_annotations,
            )
            .map_err(|error| target.error("commonAnnotations", error))?;
            self.after(target, resources, "AnnotationsTransformer")?;
        }
        self.run_late_transformers(target, gathered, &config)
    }

    fn run_patches(&mut self, target: &Target<'_>, gathered: &mut Gathered) -> Outcome<()> {
        let file = &target.file;
        let types = Arc::clone(&self.types);
        let resources = &mut gathered.resources;
        let mut strategic = Vec::new();
        for entry in &file.strategic_patches {
            let patches = read_strategic_entry(&target.loader, entry);
            strategic.extend(self.load(target, "patchesStrategicMerge", patches)?);
        }
        if !file.strategic_patches.is_empty() {
            if strategic.is_empty() {
                return Err(target.error("patchesStrategicMerge", "patch appears to be empty"));
            }
            apply_strategic(resources, &strategic, &types)
                .map_err(|error| target.error("patchesStrategicMerge", error))?;
            self.after(target, resources, "PatchStrategicMergeTransformer")?;
        }
        let mut patches = Vec::new();
        for patch in &file.patches {
            let read = read_patch_entry(&target.loader, patch);
            patches.push(self.load(target, "patches", read)?);
        }
        for patch in &patches {
            apply_patch(resources, patch, &types)
                .map_err(|error| target.error("patches", error))?;
            self.after(target, resources, "PatchTransformer")?;
        }
        Ok(())
    }

    fn run_late_transformers(
        &mut self,
        target: &Target<'_>,
        gathered: &mut Gathered,
        config: &Config,
    ) -> Outcome<()> {
        let file = &target.file;
        let types = Arc::clone(&self.types);
        let resources = &mut gathered.resources;
        for patch in &file.json_patches {
            let read = read_json_entry(&target.loader, patch);
            let (selector, json) = self.load(target, "patchesJson6902", read)?;
            apply_json_entry(resources, &selector, &json, &types)
                .map_err(|error| target.error("patchesJson6902", error))?;
            self.after(target, resources, "PatchJson6902Transformer")?;
        }
        for replica in &file.replicas {
            set_replicas(resources, &types, replica, &config.replicas)
                .map_err(|error| target.error("replicas", error))?;
            self.after(target, resources, "ReplicaCountTransformer")?;
        }
        for image in &file.images {
            set_images(resources, image, &config.images)
                .map_err(|error| target.error("images", error))?;
            self.after(target, resources, "ImageTagTransformer")?;
        }
        if !file.replacements.is_empty() {
            let read = read_replacements(&target.loader, &file.replacements);
            let replacements = self.load(target, "replacements", read)?;
            replace(resources, &replacements)
                .map_err(|error| target.error("replacements", error))?;
            self.after(target, resources, "ReplacementTransformer")?;
        }
        for config in self.read_plugins(target, &file.transformers, "transformers")? {
            let run = run_transformer(&target.loader, &config, resources, &types);
            self.load(target, "transformers", run)?;
            self.after_note(target, resources, target.plugin_note(&config))?;
        }
        Ok(())
    }

    /// Drops what is gone and notes what ran.
    fn after(&self, target: &Target<'_>, resources: &mut Resources, plugin: &str) -> Outcome<()> {
        let note = self.tracks_origins.then(|| target.note(plugin));
        self.after_note(target, resources, note)
    }

    fn after_note(
        &self,
        target: &Target<'_>,
        resources: &mut Resources,
        note: Option<OriginNote>,
    ) -> Outcome<()> {
        resources.list.retain(|resource| !resource.is_gone());
        resources.list.iter_mut().for_each(Resource::sync_shared);
        let Some(note) = note.filter(|_| self.tracks_origins) else {
            return Ok(());
        };
        for resource in &mut resources.list {
            if resource.origin.is_none() {
                resource.origin = Some(note.clone());
            } else {
                resource.transformations.push(note.clone());
            }
            // Noting this writes the annotations anew, as texts.
            let annotations = resource.metadata_map("annotations");
            if !annotations.is_empty() {
                resource
                    .set_metadata_map("annotations", annotations)
                    .map_err(|error| target.error("buildMetadata", error))?;
            }
        }
        Ok(())
    }

    /// Validators may refuse, and may change nothing but one label.
    pub(super) fn run_validators(
        &mut self,
        target: &Target<'_>,
        gathered: &mut Gathered,
    ) -> Outcome<()> {
        for config in self.read_plugins(target, &target.file.validators, "validators")? {
            let mut after = gathered.resources.clone();
            let run = run_transformer(&target.loader, &config, &mut after, &self.types);
            self.load(target, "validators", run)?;
            let value = |resource: &Resource| to_value(&resource.node);
            let before: Result<Vec<_>, String> =
                gathered.resources.list.iter().map(value).collect();
            let after: Result<Vec<_>, String> = after.list.iter().map(value).collect();
            if before != after {
                let message = "validator shouldn't modify the resource map";
                return Err(target.error("validators", message));
            }
        }
        Ok(())
    }
}

fn label_specs(label: &Label, config: &Config) -> Result<Vec<FieldSpec>, String> {
    let mut specs = label.fields.clone();
    merge_specs(&mut specs, &config.labels)?;
    if label.include_selectors {
        merge_specs(&mut specs, &config.common_labels)?;
    } else {
        if label.include_templates {
            merge_specs(&mut specs, &config.template_labels)?;
        }
        merge_specs(&mut specs, &[FieldSpec::new("metadata/labels", true)])?;
    }
    Ok(specs)
}
