//! Several replies to one case: how many of them must be as wanted.

/// How many of a case's replies must pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Need {
    /// Every one.
    #[default]
    All,
    /// One.
    Any,
    /// So many.
    Count(u32),
}

impl Need {
    /// Whether `passed` of `all` replies are enough. Of none nothing is.
    pub fn is_met(self, passed: usize, all: usize) -> bool {
        passed >= self.least(all) && all > 0
    }

    /// How many of `all` replies must pass.
    pub fn least(self, all: usize) -> usize {
        match self {
            Need::All => all,
            Need::Any => 1,
            Need::Count(count) => count as usize,
        }
    }
}
