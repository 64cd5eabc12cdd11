//! The engine behind a network and a server that fail.

use std::sync::Arc;

use holdfast_testbed::bed::{Bed, Stage, config};
use holdfast_testbed::proxy::{Fault, FaultProxy};
use serde_json::json;

use crate::scenario;

/// Install, change, drift, prune and delete, each with every third request failing.
async fn through(bed: &Bed, namespace: &str, faults: &[Fault]) -> anyhow::Result<FaultProxy> {
    let proxy = FaultProxy::start(bed.client().await?).await?;
    proxy.fail(3, faults);
    let stage = Stage::through(bed, namespace, proxy.client()?).await?;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        stage
            .repository
            .write(&format!("app/{name}.yaml"), &config(name, "one"))?;
    }
    let first = stage.repository.commit("five objects")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &first).await?;
    for name in names {
        stage.wait_config(name, "one").await?;
    }
    stage.repository.write("app/a.yaml", &config("a", "two"))?;
    stage.repository.git(&["rm", "--quiet", "app/b.yaml"])?;
    let second = stage.repository.commit("one changed, one gone")?;
    stage.wait_ready("s", &second).await?;
    stage.wait_config("a", "two").await?;
    stage.wait_gone(&stage.config_path("b")).await?;
    // The inventory may still name what is gone, where its last write met a fault: the larger one
    // stands until the next operation.

    let hand = json!({"data": {"text": "hand"}});
    stage
        .api
        .merge(&stage.config_path("c"), "alice", &hand)
        .await?;
    stage.wait_config("c", "one").await?;

    stage.api.delete(&stage.stack_path("s")).await?;
    for name in names {
        stage.wait_gone(&stage.config_path(name)).await?;
    }
    stage.wait_gone(&stage.stack_path("s")).await?;
    let met = proxy.met();
    for fault in faults {
        assert!(met.contains_key(fault), "{fault:?} never happened: {met:?}");
    }
    Ok(proxy)
}

scenario!(a_server_that_is_busy_or_broken_is_asked_again);
async fn a_server_that_is_busy_or_broken_is_asked_again(bed: Arc<Bed>) -> anyhow::Result<()> {
    through(&bed, "busy", &[Fault::Busy, Fault::ServerError]).await?;
    Ok(())
}

scenario!(connections_that_break_before_or_after_the_work_lose_nothing);
async fn connections_that_break_before_or_after_the_work_lose_nothing(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let faults = [Fault::Reset, Fault::LostAnswer, Fault::HalfAnswer];
    through(&bed, "broken", &faults).await?;
    Ok(())
}

scenario!(watches_that_end_or_are_too_old_are_taken_up_again);
async fn watches_that_end_or_are_too_old_are_taken_up_again(bed: Arc<Bed>) -> anyhow::Result<()> {
    let proxy = FaultProxy::start(bed.client().await?).await?;
    let stage = Stage::through(&bed, "watches", proxy.client()?).await?;
    let faults = [
        ("a", Fault::Gone),
        ("b", Fault::HalfAnswer),
        ("c", Fault::Reset),
    ];
    for (name, _) in faults {
        stage
            .repository
            .write(&format!("app/{name}.yaml"), &config(name, "git"))?;
    }
    let commit = stage.repository.commit("three objects")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    for (name, fault) in faults {
        // Watches that are open end; those that follow meet the fault.
        proxy.fail(2, &[fault]);
        proxy.drop_watches();
        for round in 0..2 {
            let hand = json!({"data": {"text": format!("hand {round}")}});
            stage
                .api
                .merge(&stage.config_path(name), "alice", &hand)
                .await?;
            stage.wait_config(name, "git").await?;
        }
        proxy.fail(0, &[]);
    }
    assert!(proxy.met().contains_key(&Fault::Gone), "{:?}", proxy.met());
    Ok(())
}
