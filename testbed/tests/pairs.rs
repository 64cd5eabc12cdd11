//! What the differ says that an apply would change is what a real kube-apiserver says, for objects of
//! every common kind that were changed in one place, in Git or by hand.

use std::collections::BTreeMap;

use holdfast_testbed::ownership::embedded;
use holdfast_testbed::pairs::{Server, Side, bases, read};

/// The fewest pairs that have to be recorded.
const FEWEST: usize = 3_000;
/// A kind that the embedded server does not serve, since it aggregates no APIs: the differ is held against
/// the real one by `cargo xtask pairs` alone.
const UNSERVED: &str = "APIService";

#[test]
fn an_apply_changes_what_the_differ_says_as_a_real_kube_apiserver_has_answered() {
    crate::block_on(async {
        let recorded = read()?;
        anyhow::ensure!(recorded.len() >= FEWEST, "{} are recorded", recorded.len());
        let mut verdicts = BTreeMap::new();
        let bases = bases()?.into_iter();
        for base in bases.filter(|base| base["kind"] != UNSERVED) {
            let mut side = Side::new(embedded().await?).await?;
            verdicts.extend(side.play(&base).await?);
        }
        let mut wrong = Vec::new();
        for (name, verdict) in &verdicts {
            if !verdict.is_right() {
                let (server, predicted) = (&verdict.server, &verdict.predicted);
                wrong.push(format!("{name}: {server:?}, predicted {predicted:?}"));
            }
            // The real server has the last word on whether anything changes at all.
            let same = Server::Same.word();
            let said = recorded.get(name);
            if said.is_some_and(|said| (*said == same) != (verdict.server == Server::Same)) {
                let found = verdict.server.word();
                wrong.push(format!(
                    "{name}: {found}, and the real server said {said:?}"
                ));
            }
        }
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        let served = recorded.keys().filter(|name| !name.starts_with(UNSERVED));
        let missing = served.filter(|name| !verdicts.contains_key(*name));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        anyhow::ensure!(
            missing.is_empty(),
            "these are recorded and were not played: {}",
            missing.join(", ")
        );
        Ok(())
    });
}
