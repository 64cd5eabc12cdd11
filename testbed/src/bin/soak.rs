//! `cargo xtask soak --hours N --seed S`: random walks, one seed after another, until the time is over or
//! one fails; with `--steps N` until so many steps are taken. With `--foul` git and the servers of clusters
//! fail at times.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast_testbed::walk::{Walked, Weather, walk};

/// How many steps each seed takes.
const STEPS: usize = 240;
/// After how many steps it says how far it has come.
const PROGRESS: usize = 10_000;

#[expect(clippy::print_stdout, reason = "how far it has come is what it is for")]
fn main() -> anyhow::Result<()> {
    let mut seed: u64 = argument("--seed")?.unwrap_or(1);
    let steps: Option<usize> = argument("--steps")?;
    let hours: Option<f64> = argument("--hours")?;
    // Who asks for steps alone gets them, however long that takes.
    let hours = hours.or(steps.is_none().then_some(1.0));
    let end = hours.map(|hours| Instant::now() + Duration::from_secs_f64(hours * 3600.0));
    let weather = match std::env::args().any(|argument| argument == "--foul") {
        true => Weather::Foul,
        false => Weather::Fair,
    };
    let (first, mut sum) = (seed, Walked::default());
    let is_over = |sum: &Walked| {
        steps.is_some_and(|steps| sum.steps >= steps)
            || end.is_some_and(|end| Instant::now() >= end)
    };
    while !is_over(&sum) {
        let before = sum.steps / PROGRESS;
        sum += walk(seed, STEPS, weather)
            .with_context(|| format!("found after {} steps", sum.steps))?;
        if sum.steps / PROGRESS > before {
            println!("seeds {first} to {seed}: {sum}");
        }
        seed += 1;
    }
    println!("nothing found: {sum}");
    Ok(())
}

/// What follows a name on the command line.
fn argument<T>(name: &str) -> anyhow::Result<Option<T>>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    let text = arguments.nth(1);
    let value = text.map(|text| text.parse()).transpose();
    value.with_context(|| format!("{name} wants a number"))
}
