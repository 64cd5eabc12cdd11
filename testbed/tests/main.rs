//! The scenarios: the engine against real parts. Each runs on the embedded cluster, and on a real
//! kube-apiserver where its programs are built.

use std::future::Future;
use std::sync::Arc;

use holdfast_testbed::bed::Bed;
use tokio::sync::OnceCell;

mod access;
mod admission;
mod applyset;
mod asked;
mod at_random;
mod audited;
mod canary;
mod commands;
mod demo;
mod durable;
mod edges;
mod events;
mod faults;
mod fetched;
mod git_faults;
mod handover;
mod helm_client;
mod hook_logs;
mod kube_client;
mod kubectl;
mod leases;
mod ledger;
mod links;
mod listed;
mod lookups;
mod network;
mod on_purpose;
mod openapi;
mod opened;
mod ownership;
mod page;
mod page_people;
mod pair;
mod pairs;
mod proposals;
mod releases;
mod rivals;
mod sealed;
mod secret_cli;
mod several;
mod shop;
mod spent;
mod spine;
mod ssh;
mod stops;
mod strays;
mod tenants;
mod terminate;
mod top;
mod undo;
mod undo_cli;
mod undo_rules;
mod vault;
mod waiting;
mod who;

static REAL: OnceCell<Option<Arc<Bed>>> = OnceCell::const_new();

/// Runs a scenario on an embedded cluster of its own, and audits what it leaves.
fn on_embedded<F: Future<Output = anyhow::Result<()>>>(scenario: impl Fn(Arc<Bed>) -> F) {
    block_on(async {
        let bed = Bed::embedded().await?;
        scenario(Arc::clone(&bed)).await?;
        bed.audit().await
    });
}

/// Runs a scenario on the real cluster that all tests share. It is left out, loudly, where the
/// programs are not built; with `CI=true` the test command has built them or failed.
fn on_real<F: Future<Output = anyhow::Result<()>>>(scenario: impl Fn(Arc<Bed>) -> F) {
    block_on(async {
        match real_bed().await? {
            Some(bed) => {
                let bed = bed.for_a_scenario();
                scenario(Arc::clone(&bed)).await?;
                bed.audit().await
            }
            None => Ok(()),
        }
    });
}

/// The real cluster that all tests share; none, loudly, where its programs are not built.
#[expect(clippy::print_stdout, reason = "what is left out is told")]
async fn real_bed() -> anyhow::Result<Option<Arc<Bed>>> {
    let bed = REAL.get_or_try_init(Bed::real).await?;
    if bed.is_none() {
        println!("left out: the real control plane is not built; run cargo xtask testbed");
    }
    Ok(bed.clone())
}

fn block_on(test: impl Future<Output = anyhow::Result<()>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let result = runtime.block_on(test);
    runtime.shutdown_background();
    assert!(
        result.is_ok(),
        "{:#}",
        result.err().unwrap_or_else(|| anyhow::anyhow!("unknown"))
    );
}

/// Names the two tests of a scenario.
#[macro_export]
macro_rules! scenario {
    ($name:ident) => {
        mod $name {
            #[test]
            fn on_the_embedded_cluster() {
                $crate::on_embedded(super::$name);
            }

            #[test]
            fn on_a_real_kube_apiserver() {
                $crate::on_real(super::$name);
            }
        }
    };
}
