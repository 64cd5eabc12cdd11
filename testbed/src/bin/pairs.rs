//! `cargo xtask pairs`: pairs of objects that differ in one place beside a real API server. `check`
//! plays them there and shows where the differ says otherwise than the server, of the kinds that are
//! named or of all; `record` also writes anew what the real one says of these.

use std::collections::BTreeMap;

use holdfast_testbed::ownership::real;
use holdfast_testbed::pairs::{Server, Side, Verdict, bases, read, write};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what differs is what it is for")]
async fn main() -> anyhow::Result<()> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    anyhow::ensure!(
        matches!(argument.as_str(), "check" | "record"),
        "usage: pairs check [KIND …] | record [KIND …]"
    );
    let real = real().await?;
    let mut side = Side::new(real.client.clone()).await?;
    let mut verdicts = BTreeMap::new();
    let kinds: Vec<String> = std::env::args().skip(2).collect();
    for base in bases()? {
        let is_named = |kind: &String| base["kind"] == kind.as_str();
        if kinds.is_empty() || kinds.iter().any(is_named) {
            verdicts.extend(side.play(&base).await?);
        }
    }
    let mut wrong = 0;
    for (name, verdict) in &verdicts {
        if !verdict.is_right() {
            wrong += 1;
            println!(
                "{name}: {:?}, predicted {:?}",
                verdict.server, verdict.predicted
            );
        }
        // A null says nothing and is not sent, by choice (docs/design/0002).
        if !verdict.apart.is_empty() && !name.contains(" nulled ") {
            println!(
                "{name}: apart from the file as it stands: {}",
                verdict.apart.join("; ")
            );
        }
    }
    let count = |wanted: fn(&Server) -> bool| {
        let all = verdicts.values();
        all.filter(|verdict| wanted(&verdict.server)).count()
    };
    println!(
        "{} pairs: {} change, {} are the same, {} are refused; the differ is wrong in {wrong}, and asks in {}",
        verdicts.len(),
        count(|server| matches!(server, Server::Changes(_))),
        count(|server| matches!(server, Server::Same)),
        count(|server| matches!(server, Server::Refuses)),
        verdicts
            .values()
            .filter(|verdict| verdict.predicted.is_none())
            .count(),
    );
    if argument == "record" {
        record(&kinds, &verdicts)?;
    }
    anyhow::ensure!(wrong == 0, "the differ is wrong");
    Ok(())
}

/// Writes what the real server said: of some kinds beside what is recorded of others, or of all.
fn record(kinds: &[String], verdicts: &BTreeMap<String, Verdict>) -> anyhow::Result<()> {
    let mut record = match kinds {
        [] => BTreeMap::new(),
        _ => read()?,
    };
    record.retain(|name, _| {
        let kind = name.split(' ').next();
        !kinds.iter().any(|named| kind == Some(named))
    });
    let words = verdicts.iter();
    record.extend(words.map(|(name, verdict)| (name.clone(), verdict.server.word())));
    write(&record)
}
