//! From a reply to a reward; pure.
