//! Random walks of several Stacks on two clusters end as Stacks say, whatever is changed on the way.

use holdfast_testbed::walk::walk;

/// How many steps each seed takes.
const STEPS: usize = 600;
/// The seeds that the test command plays; `cargo xtask soak` plays others for longer.
const SEEDS: std::ops::Range<u64> = 1..4;

#[test]
fn whatever_is_changed_stacks_come_to_rest_and_are_as_they_say() {
    crate::block_on(async {
        let mut ready = 0;
        let mut unready = 0;
        for seed in SEEDS {
            let walked = walk(seed, STEPS).await?;
            ready += walked.ready;
            unready += walked.unready;
        }
        // A walk in which hardly anybody is ready audits nothing.
        anyhow::ensure!(ready > 3 * unready, "{ready} were ready, and {unready} not");
        Ok(())
    });
}
