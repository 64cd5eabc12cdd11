//! The project's own commands, run as `cargo xtask NAME`.

mod schema;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [
            "schema",
            "--spec",
            spec,
            "--modules",
            modules,
            "--release",
            release,
        ] => {
            let out = std::path::Path::new("crates/schema/data");
            schema::generate(spec.as_ref(), modules.as_ref(), release, out)
        }
        _ => anyhow::bail!("usage: cargo xtask schema --spec DIR --modules DIR --release 1.x.y"),
    }
}
