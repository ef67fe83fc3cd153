//! What is checked of a graph that comes from a file, so that a search never leaves its tables.

use super::beam::{EMPTY, MAX_NODES};
use crate::error::{Error, Result};

/// A graph can be built over so many rows.
pub fn check_total(total: usize) -> Result<()> {
    if total > MAX_NODES {
        return Err(Error::invalid(format!("{total} rows in one graph. Valid range is [0, {MAX_NODES}]")));
    }
    Ok(())
}

/// Every row has one node. `what` names the index in errors.
pub fn check_rows(rows: &[u32], what: &str) -> Result<()> {
    let mut seen = vec![false; rows.len()];
    for &row in rows {
        match seen.get_mut(row as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return Err(Error::corrupt(format!("row {row} of {what} is out of range or there twice")));
            }
        }
    }
    Ok(())
}

/// Every link leads to one of `nodes`, or is none, and a search can name all nodes.
pub fn check_links(table: &[u32], nodes: usize, what: &str) -> Result<()> {
    if nodes > MAX_NODES {
        return Err(Error::corrupt(format!("{what} has {nodes} nodes. Valid range is [0, {MAX_NODES}]")));
    }
    // Without an early end, so that it is compiled to wide comparisons.
    let astray = |bad, &link: &u32| bad | (link != EMPTY && link as usize >= nodes);
    if table.iter().fold(false, astray) {
        return Err(Error::corrupt(format!("a link of {what} leads nowhere")));
    }
    Ok(())
}
