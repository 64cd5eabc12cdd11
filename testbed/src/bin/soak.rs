//! `cargo xtask soak --hours N --seed S`: random walks, one seed after another, until the time is over or
//! one fails.

use std::time::{Duration, Instant};

use holdfast_testbed::walk::walk;

/// How many steps each seed takes.
const STEPS: usize = 240;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "how far it has come is what it is for")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: f64| -> anyhow::Result<f64> {
        let place = arguments.iter().position(|argument| argument == name);
        match place.and_then(|place| arguments.get(place + 1)) {
            Some(text) => Ok(text.parse()?),
            None => Ok(default),
        }
    };
    let hours = number("--hours", 1.0)?;
    let first = number("--seed", 1.0)?;
    let end = Instant::now() + Duration::from_secs_f64(hours * 3600.0);
    let mut steps = 0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a seed is a small whole number"
    )]
    let mut seed = first as u64;
    while Instant::now() < end {
        let walked = walk(seed, STEPS).await?;
        steps += walked.steps;
        let (ready, unready) = (walked.ready, walked.unready);
        println!("seed {seed}: {steps} steps, nothing found; {ready} ready, {unready} not");
        seed += 1;
    }
    Ok(())
}
