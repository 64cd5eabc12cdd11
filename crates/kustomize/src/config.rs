//! Field specs: which fields of which kinds the transformers change. The defaults are Kustomize's;
//! `configurations` and `crds` add to them.

use std::sync::{Arc, LazyLock};

use holdfast_model::Value;

use crate::decode::{Fields, Scalars};
use crate::file::each;
use crate::order::{kind_order, kind_text};

static DEFAULTS: &str = include_str!("tables/fields.txt");

static BUILT_IN: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut read = built_in();
    read.sort();
    let read = Arc::new(read);
    // The built-in specs do not contradict each other.
    Arc::new(Config::default()).merge(&read).unwrap_or(read)
});

/// Group, version and kind, each empty where anything will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

/// A field of objects of a kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    pub(crate) path: String,
    pub(crate) create: bool,
}

/// What names objects of a kind, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackReference {
    pub(crate) target: Gvk,
    pub(crate) referrers: Vec<FieldSpec>,
}

/// All field specs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<BackReference>,
}

impl Gvk {
    /// Whether every part that is set here agrees.
    pub(crate) fn selects(&self, group: &str, version: &str, kind: &str) -> bool {
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        fits(&self.kind, kind) && fits(&self.group, group) && fits(&self.version, version)
    }

    fn sort_key(&self) -> (i64, String) {
        let text = kind_text(&self.group, &self.version, &self.kind);
        (kind_order(&self.kind), text)
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Result<Self, String> {
        Ok(Self {
            group: fields.strict_text("group")?,
            version: fields.strict_text("version")?,
            kind: fields.strict_text("kind")?,
        })
    }
}

impl FieldSpec {
    pub(crate) fn new(path: &str, create: bool) -> Self {
        Self {
            gvk: Gvk::default(),
            path: path.to_owned(),
            create,
        }
    }

    /// Reads a spec; what is not known in it is passed over.
    pub(crate) fn decode(value: &Value) -> Result<Self, String> {
        Self::read(&mut Fields::of(value, Scalars::AsTexts)?)
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Self, String> {
        Ok(Self {
            gvk: Gvk::decode(fields)?,
            path: fields.text("path")?,
            create: fields.flag("create")?,
        })
    }
}

impl Config {
    /// What Kustomize knows by itself.
    pub(crate) fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    /// Reads a file named under `configurations`; what is not known in it is refused.
    pub(crate) fn decode(value: &Value) -> Result<Self, String> {
        let mut fields = Fields::of(value, Scalars::AsTexts)?;
        let mut specs = |name: &str| each(&mut fields, name, FieldSpec::read);
        let mut config = Self {
            name_prefix: specs("namePrefix")?,
            name_suffix: specs("nameSuffix")?,
            namespace: specs("namespace")?,
            common_labels: specs("commonLabels")?,
            labels: specs("labels")?,
            template_labels: specs("templateLabels")?,
            common_annotations: specs("commonAnnotations")?,
            var_reference: specs("varReference")?,
            images: specs("images")?,
            replicas: specs("replicas")?,
            name_reference: Vec::new(),
        };
        config.name_reference = each(&mut fields, "nameReference", |fields| {
            Ok(BackReference {
                target: Gvk::decode(fields)?,
                referrers: each(fields, "fieldSpecs", FieldSpec::read)?,
            })
        })?;
        fields.finish()?;
        Ok(config)
    }

    /// Adds the field specs of another config.
    ///
    /// # Errors
    /// The same field that is to be created by one config and not by the other.
    pub(crate) fn merge(self: &Arc<Self>, other: &Arc<Self>) -> Result<Arc<Self>, String> {
        if Arc::ptr_eq(self, other) {
            return Ok(Arc::clone(self));
        }
        let mut merged = Self::clone(self);
        for (name, specs, more) in [
            ("namePrefix", &mut merged.name_prefix, &other.name_prefix),
            ("nameSuffix", &mut merged.name_suffix, &other.name_suffix),
            ("namespace", &mut merged.namespace, &other.namespace),
            (
                "commonLabels",
                &mut merged.common_labels,
                &other.common_labels,
            ),
            ("labels", &mut merged.labels, &other.labels),
            (
                "templateLabels",
                &mut merged.template_labels,
                &other.template_labels,
            ),
            (
                "commonAnnotations",
                &mut merged.common_annotations,
                &other.common_annotations,
            ),
            (
                "varReference",
                &mut merged.var_reference,
                &other.var_reference,
            ),
            ("images", &mut merged.images, &other.images),
            ("replicas", &mut merged.replicas, &other.replicas),
        ] {
            merge_specs(specs, more).map_err(|error| format!("{name}: {error}"))?;
        }
        for reference in &other.name_reference {
            let known = |known: &&mut BackReference| known.target == reference.target;
            match merged.name_reference.iter_mut().find(known) {
                Some(known) => merge_specs(&mut known.referrers, &reference.referrers)
                    .map_err(|error| format!("nameReference: {error}"))?,
                None => merged.name_reference.push(reference.clone()),
            }
        }
        merged.sort();
        if merged == **self {
            return Ok(Arc::clone(self));
        }
        Ok(Arc::new(merged))
    }

    /// Sorts by kind. Where configs are merged later on, a spec for all kinds gives way to those
    /// for one kind that it is sorted behind.
    fn sort(&mut self) {
        for specs in [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ] {
            specs.sort_by_cached_key(|spec| spec.gvk.sort_key());
        }
        self.name_reference
            .sort_by_cached_key(|reference| reference.target.sort_key());
    }
}

/// Adds field specs that are not there yet.
pub(crate) fn merge_specs(specs: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<(), String> {
    for spec in more {
        // A spec for fewer kinds counts as the same when it is there already.
        let known = specs.iter().find(|known| {
            let gvk = &known.gvk;
            known.path == spec.path && spec.gvk.selects(&gvk.group, &gvk.version, &gvk.kind)
        });
        match known {
            Some(known) if known.create != spec.create => {
                return Err(format!("conflicting fieldspecs for `{}`", spec.path));
            }
            Some(_) => {}
            None => specs.push(spec.clone()),
        }
    }
    Ok(())
}

fn built_in() -> Config {
    let mut config = Config::default();
    for line in DEFAULTS.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let part = |at: usize| match words.get(at) {
            Some(&"-") | None => String::new(),
            Some(word) => (*word).to_owned(),
        };
        let gvk = Gvk {
            group: part(1),
            version: part(2),
            kind: part(3),
        };
        if words[0] == "nameReference" {
            config.name_reference.push(BackReference {
                target: gvk,
                referrers: Vec::new(),
            });
            continue;
        }
        let spec = FieldSpec {
            gvk,
            path: words[5..].join(" "),
            create: words.get(4) == Some(&"+"),
        };
        let list = match words[0] {
            "namePrefix" => &mut config.name_prefix,
            "nameSuffix" => &mut config.name_suffix,
            "namespace" => &mut config.namespace,
            "commonLabels" => &mut config.common_labels,
            "labels" => &mut config.labels,
            "templateLabels" => &mut config.template_labels,
            "commonAnnotations" => &mut config.common_annotations,
            "varReference" => &mut config.var_reference,
            "images" => &mut config.images,
            "replicas" => &mut config.replicas,
            _ => match config.name_reference.last_mut() {
                Some(reference) => &mut reference.referrers,
                None => continue,
            },
        };
        list.push(spec);
    }
    config
}
