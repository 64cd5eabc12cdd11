//! Serves a cluster with its controllers until it is interrupted, and prints the kubeconfig.
//! For trying things with `kubectl` while working on this crate.

use holdfast_cluster::{Cluster, Options};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the kubeconfig is what it is for")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "0".to_owned());
    let cluster = match std::env::args().nth(2) {
        Some(path) => Cluster::open(path.as_ref(), Options::default())?,
        None => Cluster::new(Options::default()),
    };
    let listening = cluster.listen(format!("127.0.0.1:{port}").parse()?).await?;
    println!("{}", listening.kubeconfig());
    tokio::spawn(cluster.run_controllers());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
