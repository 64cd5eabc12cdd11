//! `cargo xtask ownership`: random writes beside a real API server. `check FROM TO` plays sequences
//! of these seeds on both servers and tells where they differ; `record` writes anew what the real
//! one answers to the committed ones.

use holdfast_testbed::ownership::{Sequence, check, play, real, write};

/// The committed sequences: so many, of so many writes each.
const RECORDED: (u64, usize) = (8, 25);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["check", from, to] => compare(from.parse()?, to.parse()?).await,
        ["record"] => record().await,
        _ => anyhow::bail!("usage: ownership check FROM TO | record"),
    }
}

#[expect(clippy::print_stdout, reason = "what differs is what it is for")]
async fn compare(from: u64, to: u64) -> anyhow::Result<()> {
    let real = real().await?;
    let mut differing = 0;
    for seed in from..to {
        if let Some(difference) = check(&real.client, &Sequence::new(seed, 40)).await? {
            differing += 1;
            println!("{difference}\n");
        }
    }
    println!(
        "{differing} of {} sequences differ",
        to.saturating_sub(from)
    );
    anyhow::ensure!(differing == 0, "the servers differ");
    Ok(())
}

async fn record() -> anyhow::Result<()> {
    let real = real().await?;
    let mut sequences = Vec::new();
    for seed in 0..RECORDED.0 {
        let sequence = Sequence::new(seed, RECORDED.1);
        let namespace = format!("record-{seed}");
        sequences.push((seed, play(&real.client, &namespace, &sequence).await?));
    }
    write(&sequences)
}
