//! Random writes by several managers leave the same objects, owners of fields and refusals on the
//! embedded cluster as on a real kube-apiserver.

use holdfast_testbed::cluster::is_built;
use holdfast_testbed::ownership::{Sequence, check, differs, read, real};

#[test]
fn recorded_writes_are_answered_as_by_a_real_kube_apiserver() {
    crate::block_on(async {
        let mut steps = 0;
        for (seed, answers) in read()? {
            let sequence = Sequence::new(seed, answers.len());
            steps += answers.len();
            if let Some((index, lines)) = differs(&sequence, &answers).await? {
                let step = &sequence.steps[index];
                anyhow::bail!("seed {seed}, step {index}: {step}\n{}", lines.join("\n"));
            }
        }
        anyhow::ensure!(steps == 200, "{steps} steps are recorded");
        Ok(())
    });
}

#[test]
fn random_writes_are_answered_as_by_a_real_kube_apiserver() {
    crate::block_on(async {
        if !is_built() {
            println!("left out: the real control plane is not built; run cargo xtask testbed");
            return Ok(());
        }
        let real = real().await?;
        let mut differences = Vec::new();
        for seed in 100..116 {
            differences.extend(check(&real.client, &Sequence::new(seed, 25)).await?);
        }
        anyhow::ensure!(differences.is_empty(), "{}", differences.join("\n\n"));
        Ok(())
    });
}
