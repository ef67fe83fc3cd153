//! Files and directories that remember what was not synced, and what a power cut leaves of them.

use std::collections::BTreeMap;

/// What a power cut leaves of the changes that were not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Nothing.
    Lost,
    /// Everything.
    Kept,
    /// Of each file and each directory the first changes, the last of them cut at a multiple of 512 bytes.
    Torn512,
    /// The same, cut at a multiple of 4 KiB.
    Torn4K,
    /// Any of the 4 KiB blocks and any of the directory changes; lost blocks before kept ones read as zeros.
    Reordered,
}

impl Cut {
    pub const ALL: [Cut; 5] = [Cut::Lost, Cut::Kept, Cut::Torn512, Cut::Torn4K, Cut::Reordered];
}

pub(super) enum Node {
    File { durable: Vec<u8>, current: Vec<u8>, pending: Vec<Change> },
    Dir { durable: Entries, current: Entries, pending: Vec<Rename> },
}

pub(super) type Entries = BTreeMap<String, usize>;

/// A change of a file.
pub(super) enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// A change of a directory: a name goes, a name comes, or (renamed) both at once.
#[derive(Clone)]
pub(super) struct Rename {
    pub(super) gone: Option<String>,
    pub(super) come: Option<(String, usize)>,
}

impl Node {
    pub(super) fn file() -> Node {
        Node::File { durable: Vec::new(), current: Vec::new(), pending: Vec::new() }
    }

    pub(super) fn dir() -> Node {
        Node::Dir { durable: Entries::new(), current: Entries::new(), pending: Vec::new() }
    }

    /// What is left of it after a power cut.
    pub(super) fn survivor(&self, cut: Cut, random: &mut Random) -> Node {
        match self {
            Node::File { durable, pending, .. } => {
                let mut bytes = durable.clone();
                for change in survivors(pending, cut, random) {
                    change.apply(&mut bytes);
                }
                Node::File { durable: bytes.clone(), current: bytes, pending: Vec::new() }
            }
            Node::Dir { durable, pending, .. } => {
                let mut entries = durable.clone();
                let whole = match cut {
                    Cut::Lost => 0,
                    Cut::Kept | Cut::Reordered => pending.len(),
                    Cut::Torn512 | Cut::Torn4K => random.below(pending.len() + 1),
                };
                for change in &pending[..whole] {
                    if cut != Cut::Reordered || random.coin() {
                        change.apply(&mut entries);
                    }
                }
                Node::Dir { durable: entries.clone(), current: entries, pending: Vec::new() }
            }
        }
    }
}

/// The changes of a file that a power cut spares.
fn survivors(pending: &[Change], cut: Cut, random: &mut Random) -> Vec<Change> {
    let mut spared = Vec::new();
    match cut {
        Cut::Lost => {}
        Cut::Kept => spared.extend(pending.iter().map(Change::copy)),
        Cut::Torn512 | Cut::Torn4K => {
            let whole = random.below(pending.len() + 1);
            spared.extend(pending[..whole].iter().map(Change::copy));
            if let Some(Change::Write(offset, bytes)) = pending.get(whole) {
                let sector = if cut == Cut::Torn512 { 512 } else { 4096 };
                // The cut is at a multiple of the sector in the file, not in the write.
                let first = offset.next_multiple_of(sector) - offset;
                let room = (bytes.len() as u64).saturating_sub(first) / sector;
                let len = first + sector * random.below(room as usize + 1) as u64;
                let len = (len as usize).min(bytes.len());
                let mut torn = bytes[..len].to_vec();
                // The length may have reached the disk before the data.
                if random.coin() {
                    torn.resize(bytes.len(), 0);
                }
                spared.push(Change::Write(*offset, torn));
            }
        }
        Cut::Reordered => {
            for change in pending {
                match change {
                    Change::Truncate(_) if random.coin() => spared.push(change.copy()),
                    Change::Truncate(_) => {}
                    Change::Write(offset, bytes) => {
                        let mut at = 0;
                        while at < bytes.len() {
                            let start = offset + at as u64;
                            let end = at + ((start + 1).next_multiple_of(4096) - start) as usize;
                            let block = &bytes[at..end.min(bytes.len())];
                            match random.below(4) {
                                0 => {}
                                1 => spared.push(Change::Write(start, vec![0; block.len()])),
                                _ => spared.push(Change::Write(start, block.to_vec())),
                            }
                            at = end;
                        }
                    }
                }
            }
        }
    }
    spared
}

impl Change {
    pub(super) fn copy(&self) -> Change {
        match self {
            Change::Write(offset, bytes) => Change::Write(*offset, bytes.clone()),
            Change::Truncate(len) => Change::Truncate(*len),
        }
    }

    pub(super) fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Write(offset, bytes) => {
                let (start, end) = (*offset as usize, *offset as usize + bytes.len());
                file.resize(file.len().max(end), 0);
                file[start..end].copy_from_slice(bytes);
            }
            Change::Truncate(len) => file.resize(*len as usize, 0),
        }
    }
}

impl Rename {
    pub(super) fn apply(&self, entries: &mut Entries) {
        if let Some(name) = &self.gone {
            entries.remove(name);
        }
        if let Some((name, id)) = &self.come {
            entries.insert(name.clone(), *id);
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` - 1.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 0
    }
}
