//! Every case of `suites/` as a cargo test.
fn main() {}
