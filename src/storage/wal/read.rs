//! Reading the log, and telling a torn tail from damage.

use super::Replay;
use super::format::{FileHeader, RecordHead, file_name, file_number, log_checksum};
use crate::error::{Error, Result};
use crate::storage::vfs::Vfs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes read at a time; a longer record is read whole.
const WINDOW: u64 = 256 << 10;

/// A log as it was found, and where [`Wal::resume`](super::Wal::resume) goes on.
pub struct Found {
    pub replay: Replay,
    /// The last file with a header, 0 for none, and its valid length.
    pub(super) previous: u64,
    pub(super) previous_len: u64,
    /// The highest number among all files, void ones too; at least `first` - 1.
    pub(super) last_number: u64,
}

pub(super) fn find(
    vfs: &Arc<dyn Vfs>,
    dir: &Path,
    first: u64,
    each: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Found> {
    let first = first.max(1);
    let names = match vfs.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Error::io(format_args!("cannot list {}", dir.display()), error)),
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    numbers.sort_unstable();
    let last_number = numbers.last().copied().unwrap_or(0).max(first - 1);

    let mut files = Vec::new();
    // Void files that nothing comes after; the others are the business of the chain.
    let mut void = Vec::new();
    for number in numbers.into_iter().filter(|&number| number >= first) {
        let mut file = LogFile::open(vfs, dir, number)?;
        match file.header()? {
            Some(header) => {
                files.push((file, header));
                void.clear();
            }
            None => void.push(file),
        }
    }
    check_chain(dir, first, files.iter().map(|(_, header)| header))?;
    let mut torn = 0;
    for mut file in void {
        // Without a header in force nothing of it was ever acknowledged.
        file.refuse_if_synced_beyond(0)?;
        torn += file.len;
    }

    let mut found = Found {
        replay: Replay { records: 0, next_sequence: 1, torn },
        previous: 0,
        previous_len: 0,
        last_number,
    };
    let ends: Vec<Option<u64>> =
        files.iter().skip(1).map(|(_, next)| Some(next.previous_len)).chain([None]).collect();
    for (index, ((mut file, header), end)) in files.into_iter().zip(ends).enumerate() {
        let replay = &mut found.replay;
        if index == 0 {
            replay.next_sequence = header.first_sequence;
        } else if replay.next_sequence != header.first_sequence {
            return Err(file.corrupt(
                0,
                format_args!(
                    "it starts with record {}, and {} should come next",
                    header.first_sequence, replay.next_sequence
                ),
            ));
        }
        found.previous = header.number;
        found.previous_len = file.records(end, replay, each)?;
    }
    Ok(found)
}

/// Every header names the file before it: so a file in the middle that is missing, or has lost its header, is noticed.
fn check_chain<'a>(dir: &Path, first: u64, headers: impl Iterator<Item = &'a FileHeader>) -> Result<()> {
    let missing = |number| {
        Err(Error::corrupt(format!(
            "{} is missing, or its header is damaged",
            dir.join(file_name(number)).display()
        )))
    };
    let mut previous = None;
    for header in headers {
        match previous {
            // Number 1 may never have been written (a crash at the very first open); a number that `rotate` gave was.
            None if header.previous >= first => return missing(header.previous),
            None if first > 1 && header.number != first => return missing(first),
            Some(previous) if header.previous > previous => return missing(header.previous),
            Some(previous) if header.previous < previous => {
                return Err(Error::corrupt(format!(
                    "{} follows {}, not {}",
                    dir.join(file_name(header.number)).display(),
                    file_name(header.previous),
                    file_name(previous)
                )));
            }
            _ => previous = Some(header.number),
        }
    }
    if previous.is_none() && first > 1 { missing(first) } else { Ok(()) }
}

/// One file, read through a window. Its length is taken once: a writer may be appending to it.
struct LogFile<'a> {
    vfs: &'a Arc<dyn Vfs>,
    path: PathBuf,
    /// Of the log's name.
    log: u32,
    number: u64,
    len: u64,
    window: Vec<u8>,
    /// Where the window starts.
    start: u64,
}

impl<'a> LogFile<'a> {
    fn open(vfs: &'a Arc<dyn Vfs>, dir: &Path, number: u64) -> Result<LogFile<'a>> {
        let path = dir.join(file_name(number));
        let len = vfs
            .len(&path)
            .map_err(|error| Error::io(format_args!("cannot read {}", path.display()), error))?;
        Ok(LogFile { vfs, path, log: log_checksum(dir), number, len, window: Vec::new(), start: 0 })
    }

    fn header(&mut self) -> Result<Option<FileHeader>> {
        let mut bytes = vec![0; self.len.min(FileHeader::LEN) as usize];
        self.vfs
            .read_at(&self.path, 0, &mut bytes)
            .map_err(|error| Error::io(format_args!("cannot read {}", self.path.display()), error))?;
        FileHeader::parse(&bytes, self.log, self.number, &self.path)
    }

    /// `len` bytes at `offset`, or `None` where the file is shorter.
    fn get(&mut self, offset: u64, len: u64) -> Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(len).filter(|&end| end <= self.len) else { return Ok(None) };
        if offset < self.start || end > self.start + self.window.len() as u64 {
            let wanted = len.max(WINDOW).min(self.len - offset);
            self.window.clear();
            self.window.resize(wanted as usize, 0);
            self.start = offset;
            self.vfs
                .read_at(&self.path, offset, &mut self.window)
                .map_err(|error| Error::io(format_args!("cannot read {}", self.path.display()), error))?;
        }
        let at = (offset - self.start) as usize;
        Ok(Some(&self.window[at..at + len as usize]))
    }

    /// Hands out the records. `end` is where the next file says that this one ends; without it, this is the last file.
    /// Returns how much of it is valid.
    fn records(
        &mut self,
        end: Option<u64>,
        replay: &mut Replay,
        each: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<u64> {
        let limit = end.unwrap_or(self.len);
        if limit > self.len || limit < FileHeader::LEN {
            return Err(self.corrupt(self.len, format_args!("the next file knows {limit} bytes of it")));
        }
        let (log, number) = (self.log, self.number);
        let mut offset = FileHeader::LEN;
        while offset < limit {
            let head = self
                .get(offset, RecordHead::LEN)?
                .and_then(|bytes| RecordHead::parse(bytes, log, number, offset))
                .filter(|head| head.sequence == replay.next_sequence);
            let after = offset.saturating_add(RecordHead::LEN);
            let payload = match head {
                Some(head) if after + u64::from(head.len) <= limit => self.get(after, u64::from(head.len))?,
                _ => None,
            };
            let (Some(head), Some(payload)) = (head, payload) else { break };
            if head.closing {
                if after != limit {
                    return Err(self.corrupt(after, format_args!("something follows the closing mark")));
                }
                return Ok(after);
            }
            let Some(next) = head.sequence.checked_add(1) else { break };
            if crc32c::crc32c(payload) != head.checksum {
                break;
            }
            each(head.sequence, payload)?;
            replay.records += 1;
            replay.next_sequence = next;
            offset = after + u64::from(head.len);
        }
        if offset < limit {
            if end.is_some() {
                return Err(
                    self.corrupt(offset, format_args!("the next file knows it as written up to {limit}"))
                );
            }
            self.refuse_if_synced_beyond(offset)?;
            replay.torn += limit - offset;
        }
        Ok(offset)
    }

    /// Nothing can be read at `offset`. If any head after it was written when more than that was durable, this is damage
    /// and not a torn write. Heads have their own checksum, so this looks at every byte once.
    fn refuse_if_synced_beyond(&mut self, offset: u64) -> Result<()> {
        let mut at = offset;
        while at + RecordHead::LEN <= self.len {
            let len = WINDOW.min(self.len - at);
            let (log, number) = (self.log, self.number);
            let Some(bytes) = self.get(at, len)? else { break };
            let starts = bytes.len() as u64 - RecordHead::LEN + 1;
            let heads =
                (0..starts).filter_map(|i| RecordHead::parse(&bytes[i as usize..], log, number, at + i));
            if let Some(witness) = heads.into_iter().find(|head| head.synced > offset) {
                return Err(self.corrupt(
                    offset,
                    format_args!("record {} knows it as written up to {}", witness.sequence, witness.synced),
                ));
            }
            at += starts;
        }
        Ok(())
    }

    fn corrupt(&self, offset: u64, why: std::fmt::Arguments) -> Error {
        Error::corrupt(format!("{}: bad record at byte {offset}: {why}", self.path.display()))
    }
}
