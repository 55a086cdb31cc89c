//! Every case of `suites/` and every example of `rules/` as a cargo test.

fn main() -> std::process::ExitCode {
    rewardspec::main()
}
