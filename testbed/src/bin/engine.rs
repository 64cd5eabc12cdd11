//! The `holdfast` program under a name of the test bed's own, so that tests and benches can start,
//! measure and kill it as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast::cli::main()
}
