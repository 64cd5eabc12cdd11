//! Commands that show things, as people and their programs type them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config};
use serde_json::{Value as Json, json};

use crate::scenario;
use crate::shop::{STACKS, Shop};

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations:\n    \
                   holdfast.dev/wave: \"1\"\nspec:\n  replicas: 2\n  selector:\n    matchLabels: {app: web}\n  \
                   template:\n    metadata:\n      labels: {app: web}\n    spec:\n      containers:\n      \
                   - name: web\n        image: registry.example/web:1\n";

#[test]
fn a_tree_shows_what_a_stack_owns_and_what_was_made_for_it() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.repository.write("web.yaml", WEB)?;
        let commit = shop.put("A")?;
        shop.stack(json!({})).await?;
        shop.wait(&commit, "Succeeded").await?;
        shop.says(
            &["tree", "s"],
            &[
                "Deployment.apps/default/web",
                "Healthy",
                "wave 1",
                "web.yaml:1",
                "ReplicaSet.apps/default/web-",
                "Pod/default/web-",
                "ConfigMap/default/c",
                "c.yaml:1",
            ],
        )?;
        let said = shop.prints(&["tree", "s", "-o", "json"])?;
        let tree: Json = said.parse()?;
        assert_eq!(tree["revision"], commit, "{tree:#}");
        let objects = tree["objects"].as_array().into_iter().flatten();
        let web = objects.into_iter().find(|object| object["name"] == "web");
        let web = web.ok_or_else(|| anyhow::anyhow!("{tree:#}"))?;
        let pods = &web["children"][0]["children"];
        assert_eq!(pods.as_array().map(Vec::len), Some(2), "{tree:#}");
        assert_eq!(web["wave"], 1, "{tree:#}");
        shop.says(
            &["describe", "s"],
            &["Objects", "Pod/default/web-", "True for "],
        )?;
        shop.says(&["logs", "s"], &["/web] this pod is simulated"])?;
        Ok(())
    });
}

#[test]
fn what_is_shown_is_chosen_by_names_labels_and_readiness_and_printed_as_programs_read_it() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.repository.write("a/a.yaml", &config("a", "one"))?;
        shop.repository.write("b/b.yaml", "{ no: YAML\n")?;
        let commit = shop.repository.commit("one")?;
        let folder = |name: &str| json!({"source": {"git": shop.repository.url(), "interval": "1s", "path": name}});
        shop.stack_named("a", folder("a")).await?;
        shop.stack_named("b", folder("b")).await?;
        let labels = json!({"metadata": {"labels": {"team": "red"}}});
        shop.api
            .merge(&format!("{STACKS}/a"), "test", &labels)
            .await?;
        shop.says(&["wait", "a", "--revision", &commit], &[])?;
        let refused = |stack: Option<&Value>| {
            stack.is_some_and(|stack| stack.to_string().contains("RenderFailed"))
        };
        shop.api
            .wait(&format!("{STACKS}/b"), "refused", refused)
            .await?;

        let is = |arguments: &[&str], expected: &str| prints(&shop, arguments, expected);
        is(&["get", "-o", "name"], "stack/a\nstack/b\n")?;
        is(&["get", "b", "a", "-o", "name"], "stack/a\nstack/b\n")?;
        is(&["get", "--failing", "-o", "name"], "stack/b\n")?;
        is(&["get", "-A", "-l", "team=red", "-o", "name"], "stack/a\n")?;
        is(
            &["get", "a", "-o", "jsonpath={.status.appliedRevision}"],
            &format!("{commit}\n"),
        )?;
        shop.says(
            &["get", "-o", "wide"],
            &["GIT IS AT", "in-cluster", &commit[..12]],
        )?;
        shop.ends(&["get", "c"], 1, "\"c\" not found")?;
        shop.ends(&["get", "-o", "nothing"], 64, "jsonpath=TEMPLATE")?;
        shop.says(&["get", "targets"], &["there are no Targets"])?;
        let said = shop.prints(&["get", "a", "-o", "json"])?;
        let alone: Json = said.parse()?;
        assert_eq!(alone["kind"], "Stack");

        prints(&shop, &["__complete", "--", "sync", ""], "a\nb\n")?;
        let words = ["__complete", "--", "plan", "a", "--revision", &commit[..3]];
        prints(&shop, &words, &format!("{}\n", &commit[..12]))?;
        completes_in_bash(&shop)
    });
}

fn prints(shop: &Shop, arguments: &[&str], expected: &str) -> anyhow::Result<()> {
    let said = shop.prints(arguments)?;
    anyhow::ensure!(said == expected, "{arguments:?}: {said}");
    Ok(())
}

#[test]
fn files_and_folders_are_applied() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let folder = tempfile::tempdir()?;
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            std::fs::write(path, text)
        };
        let target = |name: &str| {
            format!(
                "apiVersion: holdfast.dev/v1alpha1\nkind: Target\nmetadata:\n  name: {name}\nspec:\n  \
                 kubernetes:\n    kubeconfig: {{namespace: default, name: {name}}}\n"
            )
        };
        write("one.yaml", &target("one"))?;
        write("README.md", "no Target\n")?;
        write("deep/two.yml", &target("two"))?;
        let path = folder.path().display().to_string();
        shop.says(&["apply", "-f", &path], &["Target one applied"])?;
        prints(&shop, &["get", "targets", "-o", "name"], "target/one\n")?;
        let (one, two) = (format!("{path}/one.yaml"), format!("{path}/deep/two.yml"));
        shop.says(
            &["apply", "-f", &one, &two],
            &["one applied", "two applied"],
        )?;
        shop.says(
            &["apply", "-R", "-f", &path],
            &["one applied", "two applied"],
        )?;
        Ok(())
    });
}

/// Has bash complete a line.
fn completes_in_bash(shop: &Shop) -> anyhow::Result<()> {
    let script = shop.prints(&["completions", "bash"])?;
    let engine = env!("CARGO_BIN_EXE_engine");
    let line = format!(
        "{script}\nCOMP_WORDS=({engine} describe '')\nCOMP_CWORD=2\n\
         _holdfast_names {engine} '' describe\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash")
        .args(["-c", &line])
        .env("KUBECONFIG", shop.kubeconfig())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(said.lines().any(|word| word == "b"), "{said} {output:?}");
    Ok(())
}

scenario!(the_namespace_is_made_where_it_is_wanted_and_stays);
async fn the_namespace_is_made_where_it_is_wanted_and_stays(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "making").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("one")?;
    let target = json!({"namespace": "making-made", "createNamespace": true});
    stage.stack("s", json!({"target": target})).await?;
    stage.wait_ready("s", &commit).await?;
    let path = "/api/v1/namespaces/making-made";
    let made = stage.api.get(path).await?;
    assert!(
        made.pointer("/metadata/labels/applyset.kubernetes.io~1part-of")
            .is_none()
    );
    // What is in it goes with the Stack, and the namespace does not.
    stage.api.delete(&stage.stack_path("s")).await?;
    let config = format!("{path}/configmaps/a");
    stage
        .api
        .wait(&config, "gone", |config| config.is_none())
        .await?;
    let kept = stage.api.get(path).await?;
    assert_eq!(kept.pointer("/metadata/uid"), made.pointer("/metadata/uid"));
    assert!(
        kept.pointer("/metadata/deletionTimestamp").is_none(),
        "{kept:#}"
    );
    Ok(())
}

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

/// A suspended Stack of three objects: one is there by hand, one is of another Stack, one is not there.
async fn to_be_adopted(shop: &Shop) -> anyhow::Result<()> {
    let theirs = |name: &str, text: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name}, "data": {"text": text},
        })
    };
    let path = format!("{CONFIGS}?fieldManager=bob");
    shop.api.create(&path, &theirs("a", "theirs")).await?;
    for name in ["a", "b", "c"] {
        let file = format!("app/{name}.yaml");
        shop.repository.write(&file, &config(name, "ours"))?;
    }
    shop.repository
        .write("other/b.yaml", &config("b", "others"))?;
    let commit = shop.repository.commit("one")?;
    let folder = |name: &str, suspend: bool| {
        json!({
            "source": {"git": shop.repository.url(), "interval": "1s", "path": name},
            "suspend": suspend,
        })
    };
    shop.stack_named("other", folder("other", false)).await?;
    shop.says(&["wait", "other", "--revision", &commit], &[])?;
    shop.stack_named("s", folder("app", true)).await
}

#[test]
fn what_would_be_taken_over_is_shown_and_left_until_a_person_begins() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        to_be_adopted(&shop).await?;
        let expected = [
            "~ ConfigMap/default/a  of bob: Git changed /data/text",
            "× ConfigMap/default/b  of Stack default/other: stays with Stack default/other",
            "s would take over 1 object, and make 1 object",
            "holdfast adopt s --yes",
        ];
        shop.says(&["adopt", "s"], &expected)?;
        shop.says(&["adopt", "s"], &expected)?;
        let before = shop.api.get(&format!("{CONFIGS}/a")).await?;
        assert_eq!(
            before.pointer("/data/text"),
            Some(&json!("theirs")),
            "{before:#}"
        );
        let said = shop.prints(&["adopt", "s", "-o", "json"])?;
        let shown: Json = said.parse()?;
        assert_eq!(shown["objects"][0]["from"], json!(["bob"]), "{shown:#}");

        shop.says(
            &["adopt", "s", "--yes", "--reason", "it is ours"],
            &["takes them over"],
        )?;
        let is_ours = |config: Option<&Value>| {
            config.and_then(|config| config.pointer("/data/text")) == Some(&json!("ours"))
        };
        let after = shop
            .api
            .wait(&format!("{CONFIGS}/a"), "ours", is_ours)
            .await?;
        assert_eq!(
            before.pointer("/metadata/uid"),
            after.pointer("/metadata/uid")
        );
        let others = shop.api.get(&format!("{CONFIGS}/b")).await?;
        assert_eq!(others.pointer("/data/text"), Some(&json!("others")));
        let told = |stack: Option<&Value>| {
            stack.is_some_and(|stack| stack.to_string().contains("(it is ours)"))
        };
        shop.api
            .wait(&format!("{STACKS}/s"), "signed", told)
            .await?;
        shop.says(
            &["adopt", "s"],
            &["× ConfigMap/default/b", "would take over 0 objects"],
        )?;
        Ok(())
    });
}

/// Annotations that stage what happens to pods are in the guide and in the help, and none is left out.
#[test]
fn how_failures_are_staged_is_in_the_guide_and_in_the_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_engine"))
        .args(["cluster", "--help"])
        .output()
        .expect("the program runs");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(help.contains("docs/guide/embedded-cluster.md"), "{help}");
    let guide = include_str!("../../docs/guide/embedded-cluster.md");
    let code = include_str!("../../crates/cluster/src/controllers/pods.rs");
    let mut names: Vec<&str> = code
        .split("annotation(pod, \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["exit-code", "fail", "run-for", "start-delay"]);
    // What is logged is read where logs are asked for.
    names.push("log");
    for name in names {
        let name = format!("simulation.holdfast.dev/{name}");
        assert!(guide.contains(&name) && help.contains(&name), "{name}");
    }
}

#[test]
fn who_watches_sees_each_change() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.stack(json!({"suspend": true})).await?;
        let mut watching = Command::new(env!("CARGO_BIN_EXE_engine"))
            .args([
                "get",
                "s",
                "-w",
                "-o",
                "jsonpath=team {.metadata.labels.team}",
            ])
            .env("KUBECONFIG", shop.kubeconfig())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = watching.stdout.take().context("it has an output")?;
        let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let read = BufReader::new(out).lines().map_while(Result::ok);
            read.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        let first = lines.recv().await;
        let labels = json!({"metadata": {"labels": {"team": "red"}}});
        shop.api
            .merge(&format!("{STACKS}/s"), "test", &labels)
            .await?;
        let mut last = first.clone();
        while last.as_deref().is_some_and(|line| line != "team red") {
            last = lines.recv().await;
        }
        watching.kill()?;
        watching.wait()?;
        assert_eq!(first.as_deref(), Some("team "));
        assert_eq!(last.as_deref(), Some("team red"));
        Ok(())
    });
}
