//! What the differ says that an apply would change is what a real kube-apiserver says, for objects of
//! every common kind that were changed in one place, in Git or by hand.

use std::collections::BTreeMap;

use holdfast_testbed::ownership::embedded;
use holdfast_testbed::pairs::{Server, Side, bases, read};

/// The fewest pairs that have to be recorded.
const FEWEST: usize = 3_000;

/// Pairs of which the embedded server itself says otherwise than the real one, with the reason: a PUT of
/// an autoscaler that changes nothing sometimes makes its metrics the writer's on the real server, where
/// one of them has an amount, and sometimes does not, whatever the amount. Nothing here does that.
const EMBEDDED: [&str; 1] = ["HorizontalPodAutoscaler hand added /spec"];

#[test]
fn an_apply_changes_what_the_differ_says_as_a_real_kube_apiserver_has_answered() {
    crate::block_on(async {
        let recorded = read()?;
        anyhow::ensure!(recorded.len() >= FEWEST, "{} are recorded", recorded.len());
        let mut verdicts = BTreeMap::new();
        for base in bases()? {
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
            let is_known = EMBEDDED.iter().any(|known| name.starts_with(known));
            let said = recorded.get(name).filter(|_| !is_known);
            if said.is_some_and(|said| (*said == same) != (verdict.server == Server::Same)) {
                let found = verdict.server.word();
                wrong.push(format!(
                    "{name}: {found}, and the real server said {said:?}"
                ));
            }
        }
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        let missing = recorded.keys().filter(|name| !verdicts.contains_key(*name));
        let missing = missing.count();
        anyhow::ensure!(
            missing == 0,
            "{missing} pairs are recorded and were not played"
        );
        Ok(())
    });
}
