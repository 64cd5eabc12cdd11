//! Random walks of several Stacks on two clusters end as Stacks say, whatever is changed on the way.
//! Together they take 10,000 steps; `cargo xtask soak` plays other seeds for longer.

use std::ops::Range;

use holdfast_testbed::walk::{Walked, Weather, walk};

/// How many steps each seed takes. Objects become more and more on the way, and rests slower.
const STEPS: usize = 250;

/// Walks from each of these seeds.
fn walks(seeds: Range<u64>, weather: Weather) {
    let walked = sum(seeds, weather);
    assert!(
        // A walk in which hardly anybody is ready audits nothing.
        walked.as_ref().is_ok_and(|sum| sum.ready > 2 * sum.unready),
        "{walked:?}"
    );
}

fn sum(seeds: Range<u64>, weather: Weather) -> anyhow::Result<Walked> {
    let mut sum = Walked::default();
    for seed in seeds {
        sum += walk(seed, STEPS, weather)?;
    }
    Ok(sum)
}

#[test]
fn whatever_goes_wrong_with_git_and_servers_stacks_are_as_they_say() {
    walks(1..4, Weather::Foul);
}

/// Tests by name, so that several run at once, with the seeds that each of them walks from.
macro_rules! whatever_is_changed_stacks_are_as_they_say {
    ($($name:ident: $seeds:expr;)*) => {
        mod whatever_is_changed_stacks_are_as_they_say {
            $(#[test]
            fn $name() {
                super::walks($seeds, super::Weather::Fair);
            })*
        }
    };
}

whatever_is_changed_stacks_are_as_they_say! {
    seeds_from_1: 1..9;
    seeds_from_9: 9..17;
    seeds_from_17: 17..25;
    seeds_from_25: 25..33;
    seeds_from_33: 33..41;
}
