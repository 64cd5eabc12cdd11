//! Repositories over ssh, from a real server of OpenSSH, and what keeps them from being fetched.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::sshd::Sshd;
use serde_json::json;

#[test]
fn a_repository_is_fetched_over_ssh_and_what_keeps_it_from_that_is_said() {
    crate::on_embedded(fetched_and_refused);
}

/// What is in a Secret, where the Stack goes with it, and what is said then.
struct Case {
    name: &'static str,
    secret: Value,
    url: String,
    words: &'static str,
}

fn refused(server: &Sshd, good: &str) -> anyhow::Result<Vec<Case>> {
    let (identity, hosts) = (server.identity()?, server.known_hosts()?);
    let case = |name, secret, words| Case {
        name,
        secret,
        url: good.to_owned(),
        words,
    };
    let elsewhere = format!("{good}-nowhere");
    Ok(vec![
        case(
            "wrong-key",
            json!({"identity": server.other_identity()?, "known_hosts": hosts}),
            "the host does not take the key of Secret",
        ),
        case(
            "broken-key",
            json!({"identity": "this is no key", "known_hosts": hosts}),
            "the key in identity cannot be read",
        ),
        case(
            "absent-key",
            json!({"known_hosts": hosts}),
            "identity and known_hosts",
        ),
        case(
            "unknown-host",
            json!({"identity": identity, "known_hosts": "git.example ssh-ed25519 AAAA"}),
            "known_hosts has no key for the host [127.0.0.1]",
        ),
        case(
            "changed-host",
            json!({"identity": identity, "known_hosts": server.wrong_hosts()?}),
            "not the one that known_hosts has",
        ),
        Case {
            url: elsewhere,
            ..case(
                "no-repository",
                json!({"identity": identity, "known_hosts": hosts}),
                "no git repository",
            )
        },
    ])
}

async fn make_secret(stage: &Stage, name: &str, data: &Value) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{}/secrets", stage.namespace);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": data});
    stage.api.create(&path, &secret).await?;
    Ok(())
}

fn source(url: &str, secret: &str) -> Value {
    json!({"source": {"git": url, "path": "app", "interval": "1s", "credentials": {"name": secret}}})
}

#[expect(clippy::print_stdout, reason = "what is left out is said")]
async fn fetched_and_refused(bed: Arc<Bed>) -> anyhow::Result<()> {
    let server = match Sshd::start()? {
        Ok(server) => server,
        Err(reason) => {
            println!("left out: {reason}");
            return Ok(());
        }
    };
    let stage = Stage::new(&bed, "ssh").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("one")?;
    let path = stage.repository.path().display();
    let url = format!("ssh://{}@127.0.0.1:{}{path}", server.user, server.port);
    let good = json!({"identity": server.identity()?, "known_hosts": server.known_hosts()?});
    make_secret(&stage, "good", &good).await?;
    stage.stack("s", source(&url, "good")).await?;
    stage.wait_ready("s", &commit).await?;

    for case in refused(&server, &url)? {
        make_secret(&stage, case.name, &case.secret).await?;
        stage.stack(case.name, source(&case.url, case.name)).await?;
        let stack = stage
            .wait_reason(case.name, "SourceReady", "SourceFailed")
            .await?;
        let message = find_condition(&stack, "SourceReady", "message");
        assert!(message.contains(case.words), "{}: {message}", case.name);
        let path = stage.stack_path(case.name);
        stage.api.delete(&path).await?;
        stage.wait_gone(&path).await?;
    }

    if !server.has_usual_port {
        println!("left out: addresses of scp, which mean port 22: it cannot be listened on here");
        return Ok(());
    }
    let scp = format!("{}@127.0.0.1:{path}", server.user);
    let spec = json!({"spec": source(&scp, "good")});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &spec)
        .await?;
    stage.repository.write("app/a.yaml", &config("a", "two"))?;
    let commit = stage.repository.commit("two")?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("a", "two").await?;
    Ok(())
}
