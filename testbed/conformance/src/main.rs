//! `record KUBECONFIG [SCRIPT]`: plays the scripts against a real API server and keeps what it
//! answers. `check [SCRIPT]`: plays them against the embedded one and prints what differs, as far
//! as no reason is known. `differences [SCRIPT]`: the same, whether or not one is known.

use anyhow::{Result, bail};
use holdfast_cluster::{Cluster, Options};
use holdfast_conformance::{
    differences, home, known_differences, play, read_answers, read_scripts,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what differs is what it is for")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (kubeconfig, wanted) = match arguments.as_slice() {
        ["record", kubeconfig, wanted @ ..] => (Some(*kubeconfig), wanted),
        ["check" | "differences", wanted @ ..] => (None, wanted),
        _ => bail!("usage: record KUBECONFIG [SCRIPT...] | check|differences [SCRIPT...]"),
    };
    let shows_known = arguments.first() == Some(&"differences");
    let known = known_differences()?;
    let (mut steps, mut equal, mut explained) = (0, 0, 0);
    for script in read_scripts()? {
        if !wanted.is_empty() && !wanted.contains(&script.name.as_str()) {
            continue;
        }
        if let Some(kubeconfig) = kubeconfig {
            let answers = play(&real(kubeconfig).await?, &script).await?;
            let path = home().join("answers").join(format!("{}.json", script.name));
            let text = serde_json::to_string_pretty(&Value::Array(answers))?;
            std::fs::write(path, format!("{text}\n"))?;
            println!("recorded {}", script.name);
            continue;
        }
        let cluster = Cluster::new(Options::default());
        let client = Client::new(cluster.service(), "default");
        let answers = play(&client, &script).await?;
        let expected = read_answers(&script.name)?;
        for (index, (expected, found)) in expected.iter().zip(&answers).enumerate() {
            steps += 1;
            let place = format!("{}/{}", script.name, index + 1);
            let lines = differences(expected, found);
            if lines.is_empty() {
                equal += 1;
                continue;
            }
            if known.contains_key(&place) {
                explained += 1;
            }
            if shows_known || !known.contains_key(&place) {
                println!("{place} {}", script.steps[index]);
                lines.iter().for_each(|line| println!("    {line}"));
            }
        }
    }
    if kubeconfig.is_none() {
        println!("{equal} of {steps} steps are equal, {explained} differ for a known reason");
    }
    Ok(())
}

async fn real(path: &str) -> Result<Client> {
    // Any provider does; a second installation only says that there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(path)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
