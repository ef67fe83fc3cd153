//! Codecs: vectors to codes and back.

pub mod kmeans;
pub mod pq;
pub mod random;
pub mod sq7;
pub mod sq8;
