//! The project's own commands, run as `cargo xtask NAME`.

use std::path::{Path, PathBuf};

mod corpus;
mod helm;
mod openbao;
mod part;
mod peers;
mod run;
mod schema;
mod schemas;
mod sshd;
mod test;
mod testbed;
mod tidy;

const USAGE: &str = "usage: cargo xtask COMMAND

  test              formatting, lints, tidy and all tests: what CI runs
  tidy              the rules of ARCHITECTURE.md and STYLE.md that no lint holds
  testbed           build the real control plane that scenarios run on, and fetch helm, sshd and
                    OpenBao, once
  testbed peers     build Argo CD and Flux, which `bench peers` measures, once
  ownership …       random writes beside the real API server: check FROM TO, or record
  pairs …           objects changed in one place beside the real API server: check, or record
  soak …            random walks from --seed S, for --hours N or --steps N, with --foul
                    while git and servers fail: what Stacks say is audited
  corpus KIND …     render the corpus (helm or kustomize) and compare; --data DIR, --out DIR
  bench [N …]       what N Stacks cost on a real kube-apiserver; 1, 100 and 1000 when left out
  bench peers [N …] Holdfast, Argo CD and Flux with N objects each; 100 when left out
  bench cluster [FEW [MANY]]
                    the embedded cluster beside a real kube-apiserver, with 10,000 and
                    100,000 objects when left out
  bench targets     how long commits take on targets beside some that never answer
  bench render …    how long renders take, against the tools that HOLDFAST_HELM and
                    HOLDFAST_KUBECTL name; --every N for fewer cases, --json FILE,
                    --only kustomize, helm or overlays for a part
  values-schemas    record what helm says to the cases of crate helm's values.schema.json
  schema …          write the tables of crate schema from what Kubernetes publishes
  crds              write deploy/crds.yaml
";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["test"] => test::test(),
        ["tidy"] => tidy::tidy(root()),
        ["testbed"] => testbed::prepare(),
        ["testbed", "peers"] => peers::build(),
        ["ownership", rest @ ..] => testbed::beside_real("ownership", rest),
        ["soak", rest @ ..] => testbed::soak(rest),
        ["pairs", rest @ ..] => testbed::beside_real("pairs", rest),
        ["bench", "render", rest @ ..] => corpus::run("bench", rest),
        ["bench", "peers", counts @ ..] => {
            peers::build()?;
            testbed::bench("bench_peers", counts)
        }
        ["bench", "cluster", counts @ ..] => testbed::bench("bench_cluster", counts),
        ["bench", "targets"] => testbed::bench("bench_targets", &[]),
        ["bench", counts @ ..] => testbed::bench("bench", counts),
        ["values-schemas"] => schemas::record(),
        ["crds"] => test::write_crds(),
        ["corpus", kind, rest @ ..] => corpus::run(kind, rest),
        [
            "schema",
            "--spec",
            spec,
            "--modules",
            modules,
            "--release",
            release,
        ] => {
            let out = Path::new("crates/schema/data");
            schema::generate(spec.as_ref(), modules.as_ref(), release, out)
        }
        _ => anyhow::bail!("{USAGE}"),
    }
}

/// The project's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
