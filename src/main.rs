//! The command `rewardspec`: the launcher's entry first, then the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    rewardspec::backend::local::enter();
    rewardspec::cli::main()
}
