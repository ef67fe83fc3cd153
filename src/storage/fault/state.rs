//! The content of the disk, and whether an operation on it takes place.

use super::node::{Change, Entries, Node, Rename};
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

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

/// The disk behind its handles.
pub(super) struct State {
    /// A directory entry holds an index into this; 0 is the root. Removed nodes stay, for open files and mappings.
    pub(super) nodes: Vec<Node>,
    pub(super) operations: u64,
    pub(super) faults: Vec<(u64, Fault)>,
    pub(super) locked: Vec<usize>,
    /// How reads fail.
    pub(super) read_fault: Option<ErrorKind>,
    /// The time of day; `None` for the machine's.
    pub(super) now_ms: Option<u64>,
}

/// Whether an operation takes place.
pub(super) enum Verdict {
    Done,
    /// It fails; of an append, so many halves are in the file.
    Part(u64, io::Error),
    /// It is under way when the power goes: it is pending, and fails.
    Cut(io::Error),
}

impl State {
    /// Counts an operation and says how it goes.
    pub(super) fn operate(&mut self) -> io::Result<Verdict> {
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

    pub(super) fn powered(&self) -> io::Result<()> {
        let off = |&(at, fault): &(u64, Fault)| fault == Fault::PowerOff && self.operations > at;
        if self.faults.iter().any(off) { Err(power_is_off()) } else { Ok(()) }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
        let mut id = 0;
        for name in names(path)? {
            id = *self.entries(id)?.get(name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(id)
    }

    pub(super) fn parent<'a>(&self, path: &'a Path) -> io::Result<(usize, String)> {
        let mut names: Vec<&'a str> = names(path)?;
        let name = names.pop().ok_or(ErrorKind::InvalidInput)?;
        let mut id = 0;
        for name in names {
            id = *self.entries(id)?.get(name).ok_or(ErrorKind::NotFound)?;
        }
        self.entries(id)?;
        Ok((id, name.to_owned()))
    }

    pub(super) fn entries(&self, id: usize) -> io::Result<&Entries> {
        match &self.nodes[id] {
            Node::Dir { current, .. } => Ok(current),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn content(&self, path: &Path) -> io::Result<&Vec<u8>> {
        self.powered()?;
        self.content_of(self.find(path)?)
    }

    pub(super) fn content_of(&self, id: usize) -> io::Result<&Vec<u8>> {
        match &self.nodes[id] {
            Node::File { current, .. } => Ok(current),
            Node::Dir { .. } => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// Whether bytes can be read now.
    pub(super) fn readable(&self) -> io::Result<()> {
        self.powered()?;
        self.read_fault.map_or(Ok(()), |kind| Err(kind.into()))
    }

    pub(super) fn change_file(&mut self, id: usize, change: Change) {
        let Node::File { current, pending, .. } = &mut self.nodes[id] else { unreachable!("a file is open") };
        change.apply(current);
        pending.push(change);
    }

    pub(super) fn change_dir(&mut self, id: usize, change: Rename) {
        let Node::Dir { current, pending, .. } = &mut self.nodes[id] else {
            unreachable!("checked by parent()")
        };
        change.apply(current);
        pending.push(change);
    }

    /// A directory operation happens, or fails without an effect, or is cut off by the power.
    pub(super) fn operate_on_dir(&mut self, id: usize, change: Rename) -> io::Result<()> {
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

    pub(super) fn operate_sync(&mut self, id: usize) -> io::Result<()> {
        match self.operate()? {
            Verdict::Done => self.sync(id),
            Verdict::Part(_, error) | Verdict::Cut(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, id: usize) {
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
pub(super) fn names(path: &Path) -> io::Result<Vec<&str>> {
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
