//! rewardspec
pub mod evaluator;
pub mod execution;
pub mod program;
pub mod reward;
