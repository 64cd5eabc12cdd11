//! What the reference tools, `helm template` and `kubectl kustomize`, make of a commit's chart or overlay
//! with what a Stack says of it. It shares no code with Holdfast's renderers; what it cannot say to the
//! tools is skipped, with why.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use holdfast_yaml::Limits;
use serde_json::{Value, json};

use super::Audit;
use crate::api::Api;
use crate::cluster::programs;
use crate::repository::Repository;
use crate::scratch;

/// What renders a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Helm.
    Chart,
    /// Kustomize.
    Overlay,
}

/// What a reference tool makes of a folder.
#[derive(Clone, Debug)]
pub(super) enum Rendered {
    /// YAML; one of these is what is wanted.
    Objects(Vec<String>),
    /// It cannot be asked, and why.
    Skipped(&'static str),
    /// It refuses what the Stack says is in place.
    Failed(String),
}

/// A commit's files, and what a Stack says of them.
struct Asked {
    /// Where all files of the commit are.
    root: PathBuf,
    /// The folder that is rendered.
    folder: PathBuf,
    spec: Value,
    release: String,
    namespace: String,
    /// The target's version and API versions.
    version: String,
    api_versions: Vec<String>,
}

const OVERLAYS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

impl Audit<'_> {
    /// What the reference tool makes of a folder of a commit.
    pub(super) async fn render(
        &mut self,
        kind: Kind,
        commit: &str,
        folder: &str,
    ) -> anyhow::Result<Rendered> {
        let render = self.stack["spec"]["render"].clone();
        if let Some(why) = unsayable(kind, &render) {
            return Ok(Rendered::Skipped(why));
        }
        let (release, own) = (
            self.text("/metadata/name"),
            self.text("/metadata/namespace"),
        );
        let wanted = self.text("/spec/target/namespace");
        let namespace = if wanted.is_empty() { own } else { wanted };
        let (version, api_versions) = match kind {
            Kind::Chart => versions(self.target).await?,
            Kind::Overlay => Default::default(),
        };
        let asked = format!("{commit} {folder} {release} {namespace} {render} {api_versions:?}");
        if let Some(known) = self.rendered.get(&asked) {
            return Ok(known.clone());
        }
        let (repository, commit) = (self.repository.clone(), commit.to_owned());
        let folder = folder.trim_matches('/').to_owned();
        let rendered = tokio::task::spawn_blocking(move || {
            let files = scratch::folder("holdfast-audit-")?;
            check_out(&repository, &commit, files.path())?;
            let asked = Asked {
                root: files.path().to_owned(),
                folder: files.path().join(folder),
                spec: render,
                release,
                namespace,
                version,
                api_versions,
            };
            match kind {
                Kind::Chart => chart(&asked),
                Kind::Overlay => overlay(&asked),
            }
        });
        let rendered = rendered.await??;
        self.rendered.insert(asked, rendered.clone());
        Ok(rendered)
    }
}

/// What of a Stack's `spec.render` cannot be said to a reference tool.
fn unsayable(kind: Kind, render: &Value) -> Option<&'static str> {
    let is_given = |pointer: &str| {
        render
            .pointer(pointer)
            .is_some_and(|value| !value.is_null())
    };
    if is_given("/include") || is_given("/exclude") {
        return Some("files are included or excluded");
    }
    match kind {
        Kind::Overlay if is_given("/helm") => Some("an overlay with parameters for a chart"),
        Kind::Overlay if is_given("/kustomize/variables") => Some("variables are replaced"),
        Kind::Chart if is_given("/kustomize") => Some("what a chart renders is changed afterwards"),
        Kind::Chart if is_given("/helm/chart") => Some("the chart comes from elsewhere"),
        Kind::Chart
            if render["helm"]["lookup"]
                .as_str()
                .is_some_and(|word| word != "none") =>
        {
            Some("the chart looks objects up")
        }
        Kind::Chart
            if render["helm"]["level"]
                .as_str()
                .is_some_and(|level| level != "4.2") =>
        {
            Some("the rules of an older Helm")
        }
        _ => None,
    }
}

/// What a cluster says that it is: its version, and the kinds that it serves.
async fn versions(api: &Api) -> anyhow::Result<(String, Vec<String>)> {
    let version = api.get("/version").await?;
    let version = version["gitVersion"].as_str().unwrap_or_default();
    let mut all = Vec::new();
    let mut roots = vec![("v1".to_owned(), "/api/v1".to_owned())];
    let groups = api.get("/apis").await?;
    for group in groups["groups"].as_array().into_iter().flatten() {
        for served in group["versions"].as_array().into_iter().flatten() {
            let name = served["groupVersion"].as_str().unwrap_or_default();
            roots.push((name.to_owned(), format!("/apis/{name}")));
        }
    }
    for (name, path) in roots {
        let resources = api.get(&path).await.unwrap_or_default();
        for resource in resources["resources"].as_array().into_iter().flatten() {
            let kind = resource["kind"].as_str().unwrap_or_default();
            all.push(format!("{name}/{kind}"));
        }
        all.push(name);
    }
    all.sort();
    all.dedup();
    Ok((version.to_owned(), all))
}

/// Writes all files of a commit into a folder.
fn check_out(repository: &Repository, commit: &str, folder: &Path) -> anyhow::Result<()> {
    let archive = folder.join(".archive.tar");
    let mut git = Command::new("git");
    git.current_dir(repository.path())
        .args(["archive", "--format=tar", "--output"])
        .arg(&archive)
        .arg(commit);
    done(git)?.map_err(anyhow::Error::msg)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(&archive).arg("-C").arg(folder);
    done(tar)?.map_err(anyhow::Error::msg)?;
    std::fs::remove_file(archive)?;
    Ok(())
}

/// What a program printed, or what it said when it failed.
fn done(mut command: Command) -> anyhow::Result<Result<String, String>> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} does not start"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{command:?}: {}", text(&output.stderr))),
    })
}

/// A program of the test bed; where it is not there, that is said.
#[expect(
    clippy::print_stderr,
    reason = "what is left out is said, so that nobody believes it was audited"
)]
fn program(name: &str) -> Option<Command> {
    let place = programs().join(name);
    if place.exists() {
        return Some(Command::new(place));
    }
    eprintln!("LEFT OUT: the audit of what {name} renders, which cargo xtask testbed would fetch");
    None
}

const NO_PROGRAM: Rendered = Rendered::Skipped("the program is not there");

fn texts<'a>(spec: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    let items = spec.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}

/// `helm template` of a chart, as it is installed and as it is upgraded.
fn chart(asked: &Asked) -> anyhow::Result<Rendered> {
    let metadata = std::fs::read_to_string(asked.folder.join("Chart.yaml"))?;
    if metadata.contains("dependencies:") && !asked.folder.join("charts").is_dir() {
        return Ok(Rendered::Skipped(
            "charts that it depends on come from elsewhere",
        ));
    }
    let Some(arguments) = arguments(asked)? else {
        return Ok(Rendered::Skipped("values come from elsewhere"));
    };
    let mut texts = Vec::new();
    // Twice, since what is drawn at random is another thing each time.
    for upgrades in [false, false, true] {
        let Some(mut helm) = program("helm") else {
            return Ok(NO_PROGRAM);
        };
        helm.current_dir(&asked.folder);
        for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(home, asked.root.join(".helm"));
        }
        helm.args(&arguments);
        helm.args(upgrades.then_some("--is-upgrade"));
        match done(helm)? {
            Ok(text) => texts.push(text),
            Err(said) => return Ok(Rendered::Failed(said)),
        }
    }
    if texts[0] != texts[1] {
        return Ok(Rendered::Skipped("the chart draws values at random"));
    }
    texts.dedup();
    Ok(Rendered::Objects(texts))
}

/// What a Stack says of its chart, in Helm's flags; nothing where files are not the chart's.
fn arguments(asked: &Asked) -> anyhow::Result<Option<Vec<String>>> {
    let helm = &asked.spec["helm"];
    let release = helm["release"].as_str().unwrap_or(&asked.release);
    let version = helm["kubeVersion"].as_str().unwrap_or(&asked.version);
    let mut arguments: Vec<String> = ["template", release, ".", "--namespace", &asked.namespace]
        .map(str::to_owned)
        .into();
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    add("--kube-version", version.to_owned());
    let known = asked.api_versions.iter().map(String::as_str);
    for version in known.chain(texts(helm, "/apiVersions")) {
        add("--api-versions", version.to_owned());
    }
    let is_elsewhere = |file: &str| file.starts_with('$') || file.contains("://");
    for file in texts(helm, "/valueFiles") {
        if is_elsewhere(file) {
            return Ok(None);
        }
        add("--values", file.to_owned());
    }
    if !helm["values"].is_null() {
        let place = asked.root.join(".values.json");
        std::fs::write(&place, helm["values"].to_string())?;
        add("--values", place.display().to_string());
    }
    for parameter in helm["parameters"].as_array().into_iter().flatten() {
        let [name, value] = ["name", "value"].map(|field| parameter[field].as_str());
        let (name, value) = (name.unwrap_or_default(), value.unwrap_or_default());
        match parameter["type"].as_str().unwrap_or("text") {
            "scalar" => add("--set", format!("{name}={}", value.replace(',', "\\,"))),
            "json" => add("--set-json", format!("{name}={value}")),
            _ => add("--set-literal", format!("{name}={value}")),
        }
    }
    for parameter in helm["fileParameters"].as_array().into_iter().flatten() {
        let [name, file] = ["name", "path"].map(|field| parameter[field].as_str());
        let file = file.unwrap_or_default();
        if is_elsewhere(file) {
            return Ok(None);
        }
        add("--set-file", format!("{}={file}", name.unwrap_or_default()));
    }
    let is_true = |name: &str| helm[name] == true;
    let flags = [
        ("--include-crds", !is_true("skipCrds")),
        ("--skip-tests", is_true("skipTests")),
        ("--skip-schema-validation", is_true("skipSchemaValidation")),
    ];
    let flags = flags.iter().filter(|(_, is_set)| *is_set);
    arguments.extend(flags.map(|(flag, _)| (*flag).to_owned()));
    Ok(Some(arguments))
}

/// `kubectl kustomize` of an overlay, after it was edited as the Stack says.
fn overlay(asked: &Asked) -> anyhow::Result<Rendered> {
    if let Some(why) = reaches_out(&asked.root)? {
        return Ok(Rendered::Skipped(why));
    }
    let edits = &asked.spec["kustomize"];
    if edits.is_object()
        && let Some(why) = edit(&asked.folder, edits)?
    {
        return Ok(Rendered::Skipped(why));
    }
    let Some(mut kubectl) = program("kubectl") else {
        return Ok(NO_PROGRAM);
    };
    kubectl
        .arg("kustomize")
        .arg(&asked.folder)
        .arg("--load-restrictor=LoadRestrictionsNone");
    Ok(match done(kubectl)? {
        Ok(text) => Rendered::Objects(vec![text]),
        Err(said) => Rendered::Failed(said),
    })
}

/// Whether kustomizations name what is not in the commit, or charts.
fn reaches_out(root: &Path) -> anyhow::Result<Option<&'static str>> {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
                continue;
            }
            if !OVERLAYS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let text = std::fs::read_to_string(entry.path())?;
            if ["://", "?ref=", "github.com", "git@"]
                .iter()
                .any(|word| text.contains(word))
            {
                return Ok(Some("bases come from elsewhere"));
            }
            if text.contains("helmCharts") {
                return Ok(Some("charts are inflated"));
            }
        }
    }
    Ok(None)
}

/// Edits a kustomization as `kustomize edit` would; what it cannot do.
fn edit(folder: &Path, edits: &Value) -> anyhow::Result<Option<&'static str>> {
    let mut names = OVERLAYS.iter().map(|name| folder.join(name));
    let place = names.find(|place| place.exists());
    let place = place.context("an overlay has a kustomization")?;
    let text = std::fs::read_to_string(&place)?;
    let read = holdfast_yaml::read_values(&text, &Limits::strict())?;
    let mut file = read.into_iter().map(|(_, value)| value);
    let mut file = file.next().unwrap_or_else(|| json!({}));
    for field in ["namePrefix", "nameSuffix", "namespace"] {
        if !edits[field].is_null() {
            file[field] = edits[field].clone();
        }
    }
    for (name, value) in edits["annotations"].as_object().into_iter().flatten() {
        file["commonAnnotations"][name] = value.clone();
    }
    if !edits["labels"].is_null() {
        let scope = edits["labelScope"].as_str();
        push(
            &mut file["labels"],
            json!({
                "pairs": edits["labels"],
                "includeSelectors": scope == Some("selectors"),
                "includeTemplates": scope == Some("templates"),
            }),
        );
    }
    for component in texts(edits, "/components") {
        push(&mut file["components"], json!(component));
    }
    for patch in edits["patches"].as_array().into_iter().flatten() {
        let mut patch = patch.clone();
        for option in ["allowNameChange", "allowKindChange"] {
            if let Some(value) = patch.as_object_mut().and_then(|patch| patch.remove(option)) {
                patch["options"][option] = value;
            }
        }
        push(&mut file["patches"], patch);
    }
    let images: Vec<Value> = texts(edits, "/images").map(image).collect();
    let replicas = edits["replicas"].as_array().cloned().unwrap_or_default();
    for (field, entries) in [("images", images), ("replicas", replicas)] {
        for entry in entries {
            let known = file[field].as_array();
            if known
                .into_iter()
                .flatten()
                .any(|known| known["name"] == entry["name"])
            {
                return Ok(Some("what a kustomization says of an image is said anew"));
            }
            push(&mut file[field], entry);
        }
    }
    std::fs::write(place, file.to_string())?;
    Ok(None)
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

/// An image as a kustomization has it, from `name=newname:tag`, `name:tag` or `name@digest`.
fn image(text: &str) -> Value {
    let (name, new) = match text.split_once('=') {
        Some((name, new)) => (Some(name), new),
        None => (None, text),
    };
    let (rest, digest) = match new.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (new, None),
    };
    let (path, last) = rest
        .rsplit_once('/')
        .map_or(("", rest), |(path, last)| (path, last));
    let (last, tag) = match last.split_once(':') {
        Some((last, tag)) => (last, Some(tag)),
        None => (last, None),
    };
    let written = if path.is_empty() {
        last.to_owned()
    } else {
        format!("{path}/{last}")
    };
    let mut image = json!({"name": name.unwrap_or(&written)});
    if name.is_some() {
        image["newName"] = json!(written);
    }
    if let Some(tag) = tag {
        image["newTag"] = json!(tag);
    }
    if let Some(digest) = digest {
        image["digest"] = json!(digest);
    }
    image
}
