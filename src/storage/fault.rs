//! A disk in memory that fails on demand and forgets on a power cut, for tests.
//!
//! Every mutating operation has an index, from 0. [`FaultDisk::fail_at`] makes one fail; [`FaultDisk::power_cut`] gives
//! the disk that a power cut may leave: what was synced, and of the rest nothing, all, or a part (see [`Cut`]). A file's
//! content survives by its own sync, its name by the sync of its directory; each may survive without, and in any
//! combination, as in "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014).

mod node;
mod state;

use crate::index::sections::{BLOCK_BYTES, Block};
use crate::storage::vfs::{AppendFile, BlockFile, LockGuard, Vfs};
use arrow_buffer::Buffer;
use node::{Change, Node, Random, Rename};
use parking_lot::Mutex;
use state::{State, Verdict, names};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

pub use node::Cut;
pub use state::Fault;

/// The disk; clones are handles to the same one.
#[derive(Clone)]
pub struct FaultDisk(Arc<Mutex<State>>);

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
            now_ms: None,
        })))
    }

    /// Sets its clock, which stands still from then on.
    pub fn set_time(&self, now_ms: u64) {
        self.0.lock().now_ms = Some(now_ms);
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
            now_ms: state.now_ms,
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

impl Vfs for FaultDisk {
    fn now_ms(&self) -> u64 {
        let set = self.0.lock().now_ms;
        set.unwrap_or_else(|| crate::storage::disk::Disk.now_ms())
    }

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
