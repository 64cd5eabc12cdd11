//! The engine as a process of its own, as benches measure it.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cluster::RealCluster;
use crate::process::Process;

/// Starts the engine on a cluster, from the program beside this one; its data and its log go to
/// `data`, and at `port` it says whether it is ready.
///
/// # Errors
/// When it cannot be started.
pub fn start(cluster: &RealCluster, data: &Path, port: u16) -> anyhow::Result<Process> {
    let program = std::env::current_exe()?.with_file_name("engine");
    let arguments = [
        "run".to_owned(),
        format!("--data={}", data.display()),
        format!("--kubeconfig={}", cluster.kubeconfig.display()),
        format!("--listen=127.0.0.1:{port}"),
    ];
    let variables = [("HOLDFAST_LOG", "warn".to_owned())];
    Process::start_as("holdfast", &program, &arguments, &variables, data)
}

/// Whether the engine at a port says that it is ready.
pub async fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return false;
    };
    let request = b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let asked = stream.write_all(request).await.is_ok();
    asked && stream.read_to_string(&mut answer).await.is_ok() && answer.contains(" 200 ")
}
