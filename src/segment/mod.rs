//! Rows of one segment: growing, sealed, deletes; what a snapshot holds.
