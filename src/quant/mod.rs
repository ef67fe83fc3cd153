//! Codecs: vectors to codes and back.

pub mod sq7;
