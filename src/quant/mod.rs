//! Codecs: vectors to codes and back.

pub mod kmeans;
pub mod sq7;
