//! The command line of the corpus runs; see the library.

use std::path::PathBuf;

use anyhow::{Context, bail};
use holdfast_corpus::{Options, bench, helm, kustomize, packed, peak, yaml};

/// That of the program, so that what is measured is what people run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments
        .next()
        .context("the first argument says what to run")?;
    if kind == "bench" {
        return bench(arguments);
    }
    if kind == "peak" {
        let rest: Vec<String> = arguments.collect();
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let (data, rest) = rest
            .split_first()
            .context("the first argument is the data")?;
        return peak::render_one(data, rest);
    }
    let mut options = Options {
        data: PathBuf::from("../shared/corpus").join(&kind),
        out: None,
        filter: None,
        allow: 0,
        time: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("`{argument}` takes a value"))
        };
        match argument.as_str() {
            "--data" => options.data = value()?.into(),
            "--out" => options.out = Some(value()?.into()),
            "--filter" => options.filter = Some(value()?),
            "--allow" => options.allow = value()?.parse()?,
            "--time" => options.time = true,
            _ => bail!("`{argument}` is not known"),
        }
    }
    let unpacked = packed::unpack(&options.data)?;
    if let Some(folder) = &unpacked {
        options.data = folder.path().to_owned();
    }
    let failures = match kind.as_str() {
        "helm" => helm::run(&options)?,
        "yaml" => yaml::run(&options)?,
        "kustomize" => kustomize::run(&options)?,
        _ => bail!("`{kind}` is not known"),
    };
    // `exit` drops nothing: the unpacked files go first.
    drop(unpacked);
    std::process::exit(i32::from(failures > options.allow));
}

fn bench(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut options = bench::Options {
        data: PathBuf::from("../shared/corpus"),
        every: 1,
        only: None,
        json: None,
    };
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        let value = value.with_context(|| format!("`{argument}` takes a value"))?;
        match argument.as_str() {
            "--data" => options.data = value.into(),
            "--every" => options.every = value.parse()?,
            "--only" if matches!(value.as_str(), "kustomize" | "helm" | "overlays") => {
                options.only = Some(value);
            }
            "--json" => options.json = Some(value.into()),
            _ => bail!("`{argument}` is not known"),
        }
    }
    bench::run(&options)
}
