//! The random order in which rows become nodes, which builds of graphs want.

/// SplitMix64 (Steele, Lea & Flood 2014) of a row's number.
pub fn hash(seed: u64, row: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(row).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
