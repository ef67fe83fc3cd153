//! What the graph kinds share: the space of codes that a graph lives in, best-first search, the choice
//! of neighbours, links back and ways to every node, and the ranking of what was found.

pub mod beam;
pub mod check;
pub mod link;
pub mod rank;
pub mod scope;
pub mod select;
pub mod space;
