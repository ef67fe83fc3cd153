//! What the graph kinds share: the space of codes that a graph lives in, best-first search, and the choice of neighbours.

pub mod beam;
pub mod order;
pub mod select;
pub mod space;
