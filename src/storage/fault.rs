//! A disk in memory that fails on demand and forgets on a power cut, for tests.
//!
//! Every mutating operation has an index, from 0. [`FaultDisk::fail_at`] makes one fail; [`FaultDisk::power_cut`] gives
//! the disk that a power cut may leave: what was synced, and of the rest nothing, all, or a part (see [`Cut`]). A file's
//! content survives by its own sync, its name by the sync of its directory; each may survive without, and in any
//! combination, as in "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014).

use crate::index::sections::{BLOCK_BYTES, Block};
use crate::storage::vfs::{AppendFile, BlockFile, LockGuard, Vfs};
use arrow_buffer::Buffer;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::Arc;

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It fails with this kind of error, an append with none, half or all of its bytes written; later ones succeed.
    Once(ErrorKind),
    /// It and every later one fail so.
    Always(ErrorKind),
    /// The power goes off in the middle of it: it may or may not reach the disk, and nothing works afterwards, reads
    /// included. Continue on [`FaultDisk::power_cut`].
    PowerOff,
}

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

/// The disk; clones are handles to the same one.
#[derive(Clone)]
pub struct FaultDisk(Arc<Mutex<State>>);

struct State {
    /// A directory entry holds an index into this; 0 is the root. Removed nodes stay, for open files and mappings.
    nodes: Vec<Node>,
    operations: u64,
    faults: Vec<(u64, Fault)>,
    locked: Vec<usize>,
    /// How reads fail.
    read_fault: Option<ErrorKind>,
}

enum Node {
    File { durable: Vec<u8>, current: Vec<u8>, pending: Vec<Change> },
    Dir { durable: Entries, current: Entries, pending: Vec<Rename> },
}

type Entries = BTreeMap<String, usize>;

/// A change of a file.
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// A change of a directory: a name goes, a name comes, or (renamed) both at once.
#[derive(Clone)]
struct Rename {
    gone: Option<String>,
    come: Option<(String, usize)>,
}

/// Whether an operation takes place.
enum Verdict {
    Done,
    /// It fails; of an append, so many halves are in the file.
    Part(u64, io::Error),
    /// It is under way when the power goes: it is pending, and fails.
    Cut(io::Error),
}

impl Default for FaultDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultDisk {
    /// An empty disk without faults; its root (of absolute and relative paths alike) exists.
    pub fn new() -> Self {
        FaultDisk(Arc::new(Mutex::new(State {
            nodes: vec![Node::dir()],
            operations: 0,
            faults: Vec::new(),
            locked: Vec::new(),
            read_fault: None,
        })))
    }

    /// Mutating operations so far: the index of the next one.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Makes operation `index` fail (and the later ones, as `fault` says). Earlier orders stay.
    pub fn fail_at(&self, index: u64, fault: Fault) {
        self.0.lock().faults.push((index, fault));
    }

    /// Makes every read of a file's bytes fail so from now on; `None`: succeed again.
    pub fn fail_reads(&self, kind: Option<ErrorKind>) {
        self.0.lock().read_fault = kind;
    }

    /// Takes all orders back. After [`Fault::PowerOff`] the disk is then what a process finds that died in the middle of
    /// the operation while the machine went on.
    pub fn heal(&self) {
        let mut state = self.0.lock();
        state.faults.clear();
        state.read_fault = None;
    }

    /// A disk that may be found when the power comes back, without faults or locks; this one is left as it is. `seed`
    /// chooses among the disks that `cut` allows; the same seed gives the same disk.
    pub fn power_cut(&self, cut: Cut, seed: u64) -> FaultDisk {
        let state = self.0.lock();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ cut as u64);
        let survivors = state.nodes.iter().map(|node| node.survivor(cut, &mut random)).collect();
        FaultDisk(Arc::new(Mutex::new(State {
            nodes: survivors,
            operations: 0,
            faults: Vec::new(),
            locked: Vec::new(),
            read_fault: None,
        })))
    }

    /// Sets the bytes of a file (created if missing) behind the engine's back, durably, as decay of the medium would.
    pub fn tamper(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.0.lock();
        let (dir, name) = state.parent(path).expect("the directory exists");
        let id = match state.entries(dir).expect("a directory").get(&name) {
            Some(&id) => id,
            None => {
                state.nodes.push(Node::file());
                let id = state.nodes.len() - 1;
                state.change_dir(dir, Rename { gone: None, come: Some((name, id)) });
                state.sync(dir);
                id
            }
        };
        state.nodes[id] =
            Node::File { durable: bytes.to_vec(), current: bytes.to_vec(), pending: Vec::new() };
    }
}

impl Node {
    fn file() -> Node {
        Node::File { durable: Vec::new(), current: Vec::new(), pending: Vec::new() }
    }

    fn dir() -> Node {
        Node::Dir { durable: Entries::new(), current: Entries::new(), pending: Vec::new() }
    }

    /// What is left of it after a power cut.
    fn survivor(&self, cut: Cut, random: &mut Random) -> Node {
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
    fn copy(&self) -> Change {
        match self {
            Change::Write(offset, bytes) => Change::Write(*offset, bytes.clone()),
            Change::Truncate(len) => Change::Truncate(*len),
        }
    }

    fn apply(&self, file: &mut Vec<u8>) {
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
    fn apply(&self, entries: &mut Entries) {
        if let Some(name) = &self.gone {
            entries.remove(name);
        }
        if let Some((name, id)) = &self.come {
            entries.insert(name.clone(), *id);
        }
    }
}

impl State {
    /// Counts an operation and says how it goes.
    fn operate(&mut self) -> io::Result<Verdict> {
        self.powered()?;
        let index = self.operations;
        self.operations += 1;
        let mut verdict = Verdict::Done;
        for &(at, fault) in &self.faults {
            match fault {
                Fault::PowerOff if index == at => return Ok(Verdict::Cut(power_is_off())),
                Fault::Once(kind) if index == at => verdict = Verdict::Part(index % 3, kind.into()),
                Fault::Always(kind) if index >= at => verdict = Verdict::Part(index % 3, kind.into()),
                _ => {}
            }
        }
        Ok(verdict)
    }

    fn powered(&self) -> io::Result<()> {
        let off = |&(at, fault): &(u64, Fault)| fault == Fault::PowerOff && self.operations > at;
        if self.faults.iter().any(off) { Err(power_is_off()) } else { Ok(()) }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut id = 0;
        for name in names(path)? {
            id = *self.entries(id)?.get(name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(id)
    }

    fn parent<'a>(&self, path: &'a Path) -> io::Result<(usize, String)> {
        let mut names: Vec<&'a str> = names(path)?;
        let name = names.pop().ok_or(ErrorKind::InvalidInput)?;
        let mut id = 0;
        for name in names {
            id = *self.entries(id)?.get(name).ok_or(ErrorKind::NotFound)?;
        }
        self.entries(id)?;
        Ok((id, name.to_owned()))
    }

    fn entries(&self, id: usize) -> io::Result<&Entries> {
        match &self.nodes[id] {
            Node::Dir { current, .. } => Ok(current),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn content(&self, path: &Path) -> io::Result<&Vec<u8>> {
        self.powered()?;
        self.content_of(self.find(path)?)
    }

    fn content_of(&self, id: usize) -> io::Result<&Vec<u8>> {
        match &self.nodes[id] {
            Node::File { current, .. } => Ok(current),
            Node::Dir { .. } => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// Whether bytes can be read now.
    fn readable(&self) -> io::Result<()> {
        self.powered()?;
        self.read_fault.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn change_file(&mut self, id: usize, change: Change) {
        let Node::File { current, pending, .. } = &mut self.nodes[id] else { unreachable!("a file is open") };
        change.apply(current);
        pending.push(change);
    }

    fn change_dir(&mut self, id: usize, change: Rename) {
        let Node::Dir { current, pending, .. } = &mut self.nodes[id] else {
            unreachable!("checked by parent()")
        };
        change.apply(current);
        pending.push(change);
    }

    /// A directory operation happens, or fails without an effect, or is cut off by the power.
    fn operate_on_dir(&mut self, id: usize, change: Rename) -> io::Result<()> {
        match self.operate()? {
            Verdict::Done => self.change_dir(id, change),
            Verdict::Part(_, error) => return Err(error),
            Verdict::Cut(error) => {
                self.change_dir(id, change);
                return Err(error);
            }
        }
        Ok(())
    }

    fn operate_sync(&mut self, id: usize) -> io::Result<()> {
        match self.operate()? {
            Verdict::Done => self.sync(id),
            Verdict::Part(_, error) | Verdict::Cut(error) => return Err(error),
        }
        Ok(())
    }

    fn sync(&mut self, id: usize) {
        match &mut self.nodes[id] {
            Node::File { durable, pending, .. } => pending.drain(..).for_each(|change| change.apply(durable)),
            Node::Dir { durable, pending, .. } => pending.drain(..).for_each(|change| change.apply(durable)),
        }
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

/// The names on the way from the root.
fn names(path: &Path) -> io::Result<Vec<&str>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_str().ok_or(ErrorKind::InvalidInput)?),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}

impl Vfs for FaultDisk {
    /// One operation per directory made.
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.powered()?;
        let mut id = 0;
        for name in names(path)? {
            id = match state.entries(id)?.get(name) {
                Some(&child) => child,
                None => {
                    state.nodes.push(Node::dir());
                    let child = state.nodes.len() - 1;
                    state.operate_on_dir(id, Rename { gone: None, come: Some((name.to_owned(), child)) })?;
                    child
                }
            };
        }
        state.entries(id).map(|_| ())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        state.powered()?;
        Ok(state.entries(state.find(path)?)?.keys().cloned().collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.0.lock();
        state.powered()?;
        Ok(state.find(path).is_ok())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(self.0.lock().content(path)?.len() as u64)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let mut state = self.0.lock();
        let (dir, name) = state.parent(path)?;
        if state.entries(dir)?.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.nodes.push(Node::file());
        let id = state.nodes.len() - 1;
        state.operate_on_dir(dir, Rename { gone: None, come: Some((name, id)) })?;
        Ok(Box::new(FaultFile { disk: self.clone(), id }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.lock();
        state.readable()?;
        state.content(path).cloned()
    }

    fn read_at(&self, path: &Path, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock();
        state.readable()?;
        let content = state.content(path)?;
        let part = usize::try_from(offset).ok().and_then(|offset| content.get(offset..)?.get(..out.len()));
        out.copy_from_slice(part.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn map(&self, path: &Path) -> io::Result<Buffer> {
        Ok(Buffer::from_vec(self.read(path)?))
    }

    fn blocks(&self, path: &Path) -> io::Result<Box<dyn BlockFile>> {
        let state = self.0.lock();
        state.content(path)?;
        Ok(Box::new(FaultBlocks { disk: self.clone(), id: state.find(path)? }))
    }

    /// Within one directory only.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.powered()?;
        let (id, (dir, gone), (to_dir, come)) = (state.find(from)?, state.parent(from)?, state.parent(to)?);
        if dir != to_dir {
            return Err(ErrorKind::CrossesDevices.into());
        }
        state.operate_on_dir(dir, Rename { gone: Some(gone), come: Some((come, id)) })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.content(path)?;
        let (dir, name) = state.parent(path)?;
        state.operate_on_dir(dir, Rename { gone: Some(name), come: None })
    }

    /// One operation: what a real disk does piece by piece is here done or not done.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.powered()?;
        state.entries(state.find(path)?)?;
        let (dir, name) = state.parent(path)?;
        state.operate_on_dir(dir, Rename { gone: Some(name), come: None })
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.content(path)?;
        let id = state.find(path)?;
        state.operate_sync(id)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.powered()?;
        let id = state.find(path)?;
        state.entries(id)?;
        state.operate_sync(id)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let pid = std::process::id().to_string();
        if !self.exists(path)? {
            self.create(path)?.append(pid.as_bytes())?;
        }
        let mut state = self.0.lock();
        let id = state.find(path)?;
        if state.locked.contains(&id) {
            return Err(io::Error::new(ErrorKind::WouldBlock, pid));
        }
        state.locked.push(id);
        Ok(Box::new(FaultLock { disk: self.clone(), id }))
    }
}

struct FaultFile {
    disk: FaultDisk,
    id: usize,
}

impl AppendFile for FaultFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let Node::File { current, .. } = &state.nodes[self.id] else { unreachable!("a file is open") };
        let end = current.len() as u64;
        let (written, result) = match state.operate()? {
            Verdict::Done => (bytes.len(), Ok(())),
            Verdict::Part(halves, error) => (bytes.len() * halves as usize / 2, Err(error)),
            Verdict::Cut(error) => (bytes.len(), Err(error)),
        };
        state.change_file(self.id, Change::Write(end, bytes[..written].to_vec()));
        result
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.0.lock().operate_sync(self.id)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        match state.operate()? {
            Verdict::Done => state.change_file(self.id, Change::Truncate(len)),
            Verdict::Part(_, error) => return Err(error),
            Verdict::Cut(error) => {
                state.change_file(self.id, Change::Truncate(len));
                return Err(error);
            }
        }
        Ok(())
    }
}

struct FaultBlocks {
    disk: FaultDisk,
    id: usize,
}

impl BlockFile for FaultBlocks {
    fn read(&self, numbers: &[u64], out: &mut [Block]) -> io::Result<()> {
        let state = self.disk.0.lock();
        state.readable()?;
        let content = state.content_of(self.id)?;
        for (&number, block) in numbers.iter().zip(out) {
            let start = usize::try_from(number).ok().and_then(|number| number.checked_mul(BLOCK_BYTES));
            let part = start.and_then(|start| content.get(start..)?.get(..BLOCK_BYTES));
            block.0.copy_from_slice(part.ok_or(ErrorKind::UnexpectedEof)?);
        }
        Ok(())
    }
}

struct FaultLock {
    disk: FaultDisk,
    id: usize,
}

impl LockGuard for FaultLock {}

impl Drop for FaultLock {
    fn drop(&mut self) {
        self.disk.0.lock().locked.retain(|&id| id != self.id);
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same on every machine.
struct Random(u64);

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
