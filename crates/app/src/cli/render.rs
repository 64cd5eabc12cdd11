//! `holdfast render`: a folder, a chart or a Stack as the engine would render it, without a cluster.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use holdfast_api::native::stack::read;
use holdfast_engine::{Chance, Connections, Externals, Job, Opening, RenderFailure};
use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_model::digest::Digest;
use holdfast_model::external::External;
use holdfast_model::object::Object;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{
    ChartSource, HelmLevel, HelmParameter, OtherSource, Remotes, RenderChoice, SealedObjects,
    SecretsChoice,
};
use holdfast_render::{
    Error, Fetched, LookupSource, Rendered, Setting, Snapshot, Supplies, Unsealer,
    default_api_versions, join, load_archive,
};
use holdfast_source::{SourceLimits, Sources, WorkingCopy};

use super::secret::KeyFiles;
use super::sources::LocalSources;
use super::{Global, print};
use crate::wiring::default_data_dir;

/// The largest file that is read.
pub(super) const FILE_LIMIT: u64 = 16 << 20;

/// Render a folder, a packed chart, a chart of a repository or a Stack, without a cluster.
#[derive(Args)]
pub(crate) struct Render {
    /// A folder with plain files, an overlay or a chart; or a packed chart.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A file with a Stack: its folder in the repository of PATH, rendered as it says.
    #[arg(long, value_name = "FILE", conflicts_with = "chart")]
    stack: Option<PathBuf>,
    /// The folder that files may come from, such as the root of the repository; found by its
    /// `.git` when left out.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The release's name, where there is a chart.
    #[arg(long, value_name = "NAME", default_value = "release-name")]
    release: String,
    /// A values file of a chart, relative to the folder; later ones over earlier ones.
    #[arg(long = "values", short = 'f', value_name = "FILE")]
    value_files: Vec<String>,
    #[command(flatten)]
    parameters: Parameters,
    /// The Kubernetes version that a chart is told.
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// Further API versions that a chart is told of, with commas between them; may be given several
    /// times.
    #[arg(long, short = 'a', value_name = "VERSIONS", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Leave the files in a chart's crds/ out.
    #[arg(long)]
    skip_crds: bool,
    /// Tell a chart that it is upgraded, not installed.
    #[arg(long)]
    is_upgrade: bool,
    /// Whose rules count where versions of Helm differ: 3, 4.1 or 4.2.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    helm_level: Option<HelmLevel>,
    /// A chart of this repository (https://, http://) or registry (oci://) instead of the folder's.
    #[arg(long, value_name = "URL", requires = "chart")]
    repo: Option<String>,
    /// The name of the chart in the repository.
    #[arg(long, value_name = "NAME", requires = "repo")]
    chart: Option<String>,
    /// The version of the chart, or a range; the newest when left out.
    #[arg(long, value_name = "VERSION", requires = "chart")]
    chart_version: Option<String>,
    /// A YAML or JSON file with objects that charts find with `lookup`, such as what
    /// `kubectl get -o yaml` prints; may be given several times. Nothing is found when left out.
    #[arg(long, value_name = "FILE")]
    lookup: Vec<PathBuf>,
    /// Fetch nothing: a remote base or a chart that is not there is an error.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    keys: KeyFiles,
    /// Open nothing that is sealed: it is read as it is.
    #[arg(long)]
    leave_sealed: bool,
    /// Print the values that were sealed. They are hidden otherwise, since what is printed ends in logs.
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    local: LocalSources,
}

/// Parameters of a chart over its values, in Helm's grammar.
#[derive(Args)]
struct Parameters {
    /// Parameters of a chart, NAME=VALUE,…: what looks like a number or a truth is one.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    typed: Vec<String>,
    /// Parameters of a chart, NAME=VALUE,…: each value is a text.
    #[arg(long = "set-string", value_name = "NAME=VALUE")]
    text: Vec<String>,
    /// A parameter of a chart, NAME=JSON.
    #[arg(long = "set-json", value_name = "NAME=JSON")]
    json: Vec<String>,
    /// A parameter of a chart, NAME=FILE: its text is that of the file, named as a values file is.
    #[arg(long = "set-file", value_name = "NAME=FILE")]
    file: Vec<String>,
    /// A parameter of a chart, NAME=VALUE: all behind the = is a text.
    #[arg(long = "set-literal", value_name = "NAME=VALUE")]
    literal: Vec<String>,
}

impl Parameters {
    fn all(self) -> anyhow::Result<Vec<HelmParameter>> {
        let mut all: Vec<HelmParameter> = Vec::new();
        all.extend(self.json.into_iter().map(HelmParameter::Json));
        all.extend(self.typed.into_iter().map(HelmParameter::Typed));
        all.extend(self.text.into_iter().map(HelmParameter::Text));
        all.extend(self.literal.into_iter().map(HelmParameter::Literal));
        for given in self.file {
            let (path, file) = given
                .split_once('=')
                .with_context(|| format!("--set-file {given} is not NAME=FILE"))?;
            all.push(HelmParameter::File {
                path: path.to_owned(),
                file: file.to_owned(),
            });
        }
        Ok(all)
    }
}

fn level(text: &str) -> Result<HelmLevel, String> {
    match text {
        "3" => Ok(HelmLevel::Helm3),
        "4.0" | "4.1" => Ok(HelmLevel::Helm41),
        "4" | "4.2" => Ok(HelmLevel::Helm42),
        _ => Err("takes 3, 4.1 or 4.2".to_owned()),
    }
}

impl Render {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let shows_secrets = self.show_secrets;
        let subject = self.subject(global)?;
        let rendered = subject.render(None).await?;
        let documents: Vec<String> = rendered
            .objects
            .iter()
            .map(|object| {
                let value = match shows_secrets {
                    true => object.value(),
                    false => hidden(object),
                };
                format!("# {}\n{}", object.origin, holdfast_yaml::to_yaml(&value))
            })
            .collect();
        print(&documents.join("---\n"));
        Ok(ExitCode::SUCCESS)
    }

    fn subject(self, global: &Global) -> anyhow::Result<Subject> {
        let packed = self.path.is_file().then(|| self.path.clone());
        let mut subject = match &self.stack {
            Some(file) => Subject::of_stack(&self.path, file)?,
            None => Subject {
                path: if packed.is_some() {
                    PathBuf::from(".")
                } else {
                    self.path
                },
                root: self.root,
                choice: RenderChoice::default(),
                // Without a Stack that says otherwise, what there are keys for is opened.
                secrets: SecretsChoice {
                    sealed: match self.keys.has_sealing() {
                        true => SealedObjects::Open,
                        false => SealedObjects::Leave,
                    },
                    ..SecretsChoice::default()
                },
                others: Vec::new(),
                local: LocalSources::default(),
                setting: Setting {
                    name: self.release,
                    namespace: "default".to_owned(),
                    ..Setting::default()
                },
                packed,
            },
        };
        subject.local = self.local;
        subject.setting.is_install = !self.is_upgrade;
        subject.setting.lookups = looked_up_in(&self.lookup)?;
        if !self.leave_sealed {
            subject.setting.unsealer = opening(&subject.secrets, &self.keys)?;
        }
        subject.setting.now = crate::wiring::now();
        if let Some(namespace) = &global.namespace {
            subject.setting.namespace = namespace.clone();
        }
        let choice = &mut subject.choice;
        if self.offline {
            choice.remotes = Remotes::Refuse;
        }
        if let (Some(repository), Some(name)) = (self.repo, self.chart) {
            choice.helm.chart = Some(ChartSource {
                repository,
                name,
                version: self.chart_version.unwrap_or_default(),
            });
        }
        choice.helm.value_files.extend(self.value_files);
        choice.helm.parameters.extend(self.parameters.all()?);
        choice.helm.api_versions.extend(self.api_versions);
        choice.helm.skip_crds |= self.skip_crds;
        choice.helm.kube_version = self.kube_version.or(choice.helm.kube_version.take());
        choice.helm.level = self.helm_level.unwrap_or(choice.helm.level);
        Ok(subject)
    }
}

/// What is rendered of a working copy, and how.
pub(crate) struct Subject {
    /// The folder.
    pub(crate) path: PathBuf,
    /// Where files may come from; found by its `.git` when left out.
    pub(crate) root: Option<PathBuf>,
    /// How it is rendered.
    pub(crate) choice: RenderChoice,
    /// What is done about what is sealed.
    pub(crate) secrets: SecretsChoice,
    /// The Stack's other sources.
    pub(crate) others: Vec<OtherSource>,
    /// Folders that stand for some of them.
    pub(crate) local: LocalSources,
    /// What it is told.
    pub(crate) setting: Setting,
    /// A packed chart, which is rendered instead of the folder.
    pub(crate) packed: Option<PathBuf>,
}

impl Subject {
    /// A Stack of a file, in a working copy of its repository.
    fn of_stack(copy: &Path, file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let objects = holdfast_yaml::read_values(&text, &holdfast_yaml::Limits::default())
            .with_context(|| file.display().to_string())?;
        let stacks = objects.iter().map(|(_, value)| value);
        let stack = stacks
            .filter(|value| value["kind"] == "Stack")
            .collect::<Vec<_>>();
        let [object] = stack.as_slice() else {
            anyhow::bail!("{} holds {} Stacks, not one", file.display(), stack.len());
        };
        let read = read(object);
        if let Some(problem) = read.problems.first() {
            anyhow::bail!("{}: {problem}", file.display());
        }
        let stack = read.stack;
        let root = repository_of(&copy.canonicalize()?).unwrap_or_else(|| copy.to_owned());
        let namespace = match stack.destination.namespace.as_str() {
            "" => "default".to_owned(),
            namespace => namespace.to_owned(),
        };
        Ok(Self {
            path: root.join(stack.source.path.as_str()),
            root: Some(root),
            choice: stack.render,
            secrets: stack.secrets,
            others: stack.others,
            local: LocalSources::default(),
            setting: Setting {
                name: stack.key.name,
                namespace,
                ..Setting::default()
            },
            packed: None,
        })
    }

    /// Renders it; Secrets for what is fetched are asked of the plane, where there is one.
    pub(crate) async fn render(
        mut self,
        plane: Option<&dyn Connections>,
    ) -> anyhow::Result<Rendered> {
        let place = self
            .path
            .canonicalize()
            .with_context(|| self.path.display().to_string())?;
        let root = match &self.root {
            Some(root) => root
                .canonicalize()
                .with_context(|| root.display().to_string())?,
            None => repository_of(&place).unwrap_or_else(|| place.clone()),
        };
        let relative = place
            .strip_prefix(&root)
            .with_context(|| format!("{} is not in {}", place.display(), root.display()))?;
        let folder = TreePath::parse(&relative.to_string_lossy()).unwrap_or_default();
        let sources = Sources::new(default_data_dir(), SourceLimits::default());
        let may_fetch = self.choice.remotes == Remotes::Allow;
        let opened = self
            .local
            .open(&self.others, may_fetch.then_some(&sources), plane);
        let copy = WorkingCopy::open(&root, FILE_LIMIT)?;
        let tree = join(Arc::new(copy), opened.await?.mounts);
        if let Some(packed) = &self.packed {
            let supplies = supply(packed, &mut self.choice)?;
            let (choice, setting) = (&self.choice, &self.setting);
            return holdfast_render::render(&*tree, &folder, choice, setting, &supplies)
                .map_err(|error| explained(&error));
        }
        let job = Job {
            tree,
            folder,
            choice: self.choice,
            setting: self.setting,
            charts: BTreeMap::new(),
            tenant: None,
        };
        let externals = Externals::new(sources);
        let rendered = externals.render(&Arc::new(job), plane, None).await;
        rendered.map(|(rendered, _)| rendered).map_err(broken)
    }
}

/// The objects of files, for lookups. Without a cluster, the API versions are those that Helm takes
/// for granted and those of the objects.
fn looked_up_in(files: &[PathBuf]) -> anyhow::Result<LookupSource> {
    if files.is_empty() {
        return Ok(LookupSource::default());
    }
    let mut objects = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let opened = std::fs::File::open(file).with_context(|| name.clone())?;
        let mut text = String::new();
        let mut bounded = opened.take(FILE_LIMIT + 1);
        bounded
            .read_to_string(&mut text)
            .with_context(|| name.clone())?;
        anyhow::ensure!(
            text.len() as u64 <= FILE_LIMIT,
            "{name} has more than {FILE_LIMIT} bytes"
        );
        let limits = holdfast_yaml::Limits::default();
        let read = holdfast_yaml::read_values(&text, &limits).with_context(|| name)?;
        let read = read.into_iter().map(|(_, value)| value);
        objects.extend(read.filter(|value| !value.is_null()));
    }
    let snapshot = Snapshot::new(objects, default_api_versions());
    let snapshot = snapshot.map_err(|problem| anyhow::anyhow!("--lookup: {problem}"))?;
    Ok(LookupSource::of(Arc::new(snapshot)))
}

/// What opens what is sealed, with the keys that are at hand.
fn opening(choice: &SecretsChoice, keys: &KeyFiles) -> anyhow::Result<Unsealer> {
    let keys = keys.ring()?;
    let digests = DigestKey::derive(&[0; 32], "render");
    let chance = Chance {
        digests: &digests,
        entropy: [0; 32],
        now: crate::wiring::now(),
    };
    Ok(Opening::with(choice, keys, chance).unsealer)
}

/// An object without the values that were sealed.
fn hidden(object: &Object) -> Value {
    let mut value = object.value();
    for pointer in object.opened() {
        if let Some(place) = value.pointer_mut(pointer) {
            *place = "(hidden)".into();
        }
    }
    value
}

/// A packed chart, as if it had been fetched.
fn supply(packed: &Path, choice: &mut RenderChoice) -> anyhow::Result<Supplies> {
    let bytes = std::fs::read(packed).with_context(|| packed.display().to_string())?;
    let chart = load_archive(&bytes).with_context(|| packed.display().to_string())?;
    let source = ChartSource {
        repository: "file".to_owned(),
        name: packed.display().to_string(),
        version: String::new(),
    };
    let external = External::Chart {
        repository: source.repository.clone(),
        name: source.name.clone(),
        version: source.version.clone(),
    };
    choice.helm.chart = Some(source);
    let mut supplies = Supplies::default();
    let digest = Digest::of_bytes(&bytes);
    supplies.add(external, digest, Fetched::Chart(Arc::new(chart)));
    Ok(supplies)
}

/// Why nothing was rendered, for people.
pub(crate) fn broken(failure: RenderFailure) -> anyhow::Error {
    match failure {
        RenderFailure::Render { error, .. } => explained(&error),
        RenderFailure::Refused(problem) => super::exit::Stop::not_permitted(&[*problem]),
        RenderFailure::Fetch { message, hint } => {
            let hint = hint.map(|hint| format!("\n  hint: {hint}"));
            anyhow::anyhow!("{message}{}", hint.unwrap_or_default())
        }
    }
}

/// An error with every fault on a line of its own.
pub(crate) fn explained(error: &Error) -> anyhow::Error {
    let mut text = error.to_string();
    for fault in error.faults() {
        text.push_str(&format!("\n  {fault}"));
        if let Some(hint) = &fault.hint {
            text.push_str(&format!("\n    hint: {hint}"));
        }
    }
    anyhow::anyhow!("{text}")
}

fn repository_of(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .find(|place| place.join(".git").exists())
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        global: Global,
        #[command(flatten)]
        render: Render,
    }

    const TEMPLATE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: found}
data:
  one: {{ (lookup "v1" "Secret" "shop" "db").data.user | b64dec }}
  all: {{ range (lookup "v1" "Secret" "shop" "").items }}{{ .metadata.name }}+{{ end }}
  none: x{{ lookup "v1" "Secret" "shop" "none" | len }}
"#;

    const OBJECTS: &str = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: db, namespace: shop}, data: {user: YWRh}}
---
{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"a\", \"namespace\": \"shop\"}}
";

    /// What a command line renders, or why it does not.
    async fn printed(arguments: &[&str]) -> Result<String, String> {
        let line = ["render"].iter().chain(arguments);
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        let subject = line.render.subject(&line.global);
        let rendered = match subject {
            Ok(subject) => subject.render(None).await,
            Err(error) => Err(error),
        };
        let rendered = rendered.map_err(|error| format!("{error:#}"))?;
        let objects = rendered.objects.iter();
        Ok(objects
            .map(|object| holdfast_yaml::to_yaml(&object.value()))
            .collect())
    }

    #[tokio::test]
    async fn charts_find_the_objects_of_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&path, text).expect("a file");
            path.display().to_string()
        };
        write("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n");
        write("c/templates/a.yaml", TEMPLATE);
        let chart = folder.path().join("c").display().to_string();
        let objects = write("objects.yaml", OBJECTS);
        let found = printed(&[&chart, "--lookup", &objects]).await;
        let found = found.expect("it renders");
        assert!(
            found.contains("  all: a+db+\n  none: x0\n  one: ada\n"),
            "{found}"
        );
        let empty = printed(&[&chart]).await.expect_err("nothing is found");
        assert!(empty.contains("nil pointer evaluating"), "{empty}");
        let wrong = write("wrong.yaml", "kind: Secret\napiVersion: v1\n");
        let refused = printed(&[&chart, "--lookup", &wrong]).await;
        assert_eq!(
            refused,
            Err("--lookup: an object has no metadata.name".to_owned())
        );
        let absent = printed(&[&chart, "--lookup", "none.yaml"]).await;
        assert!(absent.expect_err("no file").starts_with("none.yaml: "));
    }

    /// A key that is given is read, and one that is damaged is said.
    #[tokio::test]
    async fn keys_that_are_given_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.txt");
        std::fs::write(&path, "no key\n").expect("a file");
        let (folder, key) = (
            folder.path().display().to_string(),
            path.display().to_string(),
        );
        let refused = printed(&[&folder, "--key", &key]).await;
        assert!(refused.expect_err("it is none").contains("the keys of"));
        assert_eq!(
            printed(&[&folder, "--key", &key, "--leave-sealed"]).await,
            Ok(String::new())
        );
    }

    const SETTINGS: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  a: {{ .Values.a | toJson | quote }}
  b: {{ .Values.b | toJson | quote }}
  gone: {{ hasKey .Values "gone" | quote }}
  kube: {{ .Capabilities.KubeVersion.Version | quote }}
  has: {{ .Capabilities.APIVersions.Has "example.org/v1/Thing" | quote }}
  upgrade: {{ .Release.IsUpgrade | quote }}
"#;

    /// What `helm template` of 4.3.1 gives for the same flags.
    #[tokio::test]
    async fn charts_take_parameters_as_helm_takes_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let chart = folder.path().join("c");
        std::fs::create_dir_all(chart.join("templates")).expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(chart.join(name), text);
        write("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n").expect("a file");
        write("values.yaml", "a: {x: 1}\nb: 0\ngone: {y: 2}\n").expect("a file");
        write("templates/a.yaml", SETTINGS).expect("a file");
        write("b.txt", "of a file").expect("a file");
        let chart = chart.display().to_string();
        let line = [
            &chart,
            "--set",
            "a.y=2,a.z=two",
            "--set-string",
            "a.t=2",
            "--set-json",
            "a.j={\"k\": [1]}",
            "--set-literal",
            "a.l=x,y=z",
            "--set-file",
            "b=b.txt",
            "--set",
            "gone=null",
            "--kube-version",
            "v1.30.1",
            "--api-versions",
            "example.org/v1/Thing",
            "--is-upgrade",
        ];
        let text = printed(&line).await.expect("it renders");
        let wanted = [
            r#"  a: '{"j":{"k":[1]},"l":"x,y=z","t":"2","x":1,"y":2,"z":"two"}'"#,
            r#"  b: '"of a file"'"#,
            "  gone: \"false\"",
            "  has: \"true\"",
            "  kube: v1.30.1",
            "  upgrade: \"true\"",
        ];
        for line in wanted {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        for wrong in [["--helm-level", "2"], ["--set-file", "b"]] {
            let refused = printed(&[&chart, wrong[0], wrong[1]]).await;
            assert!(refused.is_err(), "{wrong:?}");
        }
    }
}
