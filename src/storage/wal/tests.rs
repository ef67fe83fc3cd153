use super::*;
use crate::storage::disk::Disk;
use crate::storage::fault::{Fault, FaultDisk};
use std::io::ErrorKind;

fn dir() -> &'static Path {
    Path::new("/log")
}

fn memory() -> (FaultDisk, Arc<dyn Vfs>) {
    let disk = FaultDisk::new();
    disk.create_dir_all(dir()).unwrap();
    (disk.clone(), Arc::new(disk))
}

type Records = Vec<(u64, Vec<u8>)>;

fn read(vfs: &Arc<dyn Vfs>, first: u64) -> Result<(Records, Replay)> {
    let mut records = Vec::new();
    let replay = replay(vfs, dir(), first, &mut |sequence, payload| {
        records.push((sequence, payload.to_vec()));
        Ok(())
    })?;
    assert_eq!(replay.records, records.len() as u64);
    Ok((records, replay))
}

fn open(vfs: &Arc<dyn Vfs>, first: u64) -> Result<(Wal, Records)> {
    let mut records = Vec::new();
    let (wal, _) = Wal::open(vfs, dir(), first, &mut |sequence, payload| {
        records.push((sequence, payload.to_vec()));
        Ok(())
    })?;
    Ok((wal, records))
}

fn fresh(vfs: &Arc<dyn Vfs>) -> Wal {
    let (wal, records) = open(vfs, 1).unwrap();
    assert_eq!(records, []);
    wal
}

fn path(number: u64) -> PathBuf {
    dir().join(file_name(number))
}

fn payloads(records: &Records) -> Vec<&[u8]> {
    records.iter().map(|(_, payload)| &payload[..]).collect()
}

#[test]
fn records_come_back_in_order_across_files_and_opens() {
    let root = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(Disk);
    let long = vec![7; 600_000];
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for round in 0..4u8 {
        let mut seen = Vec::new();
        let (mut wal, replay) = Wal::open(&vfs, root.path(), 1, &mut |sequence, payload| {
            assert_eq!(sequence, seen.len() as u64 + 1);
            seen.push(payload.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, expected);
        assert_eq!(
            replay,
            Replay { records: seen.len() as u64, next_sequence: seen.len() as u64 + 1, torn: 0 }
        );
        let groups: [&[&[u8]]; 3] = [&[b"one", b"", &[round]], &[&long], &[]];
        for (group, sync) in groups.into_iter().zip([true, false, true]) {
            assert_eq!(wal.append(group, sync).unwrap(), expected.len() as u64 + 1);
            expected.extend(group.iter().map(|payload| payload.to_vec()));
            if round == 1 {
                wal.rotate().unwrap();
            }
        }
        assert_eq!(wal.next_sequence(), expected.len() as u64 + 1);
        if round % 2 == 0 {
            wal.close().unwrap();
        }
    }
}

#[test]
fn rotation_and_removal_keep_what_is_needed() {
    let (disk, vfs) = memory();
    let mut wal = fresh(&vfs);
    wal.append(&[b"old"], true).unwrap();
    let first = wal.rotate().unwrap();
    assert_eq!((first, wal.number()), (2, 2));
    wal.append(&[b"new"], true).unwrap();
    wal.remove_before(first);
    wal.remove_before(99);
    assert_eq!(disk.list(dir()).unwrap(), [file_name(2)]);
    drop(wal);
    let (wal, records) = open(&vfs, first).unwrap();
    assert_eq!(records, [(2, b"new".to_vec())]);
    assert_eq!(wal.number(), 3);
    // The older file is needed no more once the manifest names a later one: the next open removes it.
    drop(wal);
    let (_, records) = open(&vfs, 3).unwrap();
    assert_eq!(records, []);
    assert_eq!(disk.list(dir()).unwrap(), [file_name(3), file_name(4)]);
}

/// A log of two opens, with several groups, closed cleanly; and its records.
fn sample(disk: &FaultDisk) -> (Vec<(PathBuf, Vec<u8>)>, Records) {
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut wal = fresh(&vfs);
    wal.append(&[b"alpha", b"beta"], true).unwrap();
    wal.append(&[&[9; 40]], true).unwrap();
    wal.rotate().unwrap();
    wal.append(&[b"gamma"], false).unwrap();
    wal.append(&[b""], true).unwrap();
    wal.close().unwrap();
    let (mut wal, _) = open(&vfs, 1).unwrap();
    wal.append(&[b"delta"], true).unwrap();
    wal.append(&[b"epsilon"], true).unwrap();
    wal.close().unwrap();
    let records = read(&vfs, 1).unwrap().0;
    assert_eq!(records.len(), 7);
    let files = (1..=3).map(|number| (path(number), disk.read(&path(number)).unwrap())).collect();
    (files, records)
}

#[test]
fn a_flipped_byte_of_a_closed_log_is_an_error_or_changes_nothing() {
    let (disk, vfs) = memory();
    let (files, records) = sample(&disk);
    let mut unchanged = 0;
    for (path, good) in &files {
        for at in 0..good.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= mask;
                disk.tamper(path, &bad);
                match read(&vfs, 1) {
                    Ok((found, _)) => {
                        assert_eq!(found, records, "{} at {at}", path.display());
                        unchanged += 1;
                    }
                    Err(error) => assert_eq!(error.code(), Code::Corrupt, "{error}"),
                }
            }
        }
        disk.tamper(path, good);
    }
    // Only the last closing mark has no witness.
    assert_eq!(unchanged, 3 * RecordHead::LEN);
}

#[test]
fn a_log_cut_anywhere_is_a_prefix_or_an_error() {
    let (disk, vfs) = memory();
    let (files, records) = sample(&disk);
    for (index, (path, good)) in files.iter().enumerate() {
        for len in 0..good.len() {
            disk.tamper(path, &good[..len]);
            match read(&vfs, 1) {
                Ok((found, _)) => {
                    assert_eq!(index, 2, "only the last file may end early");
                    assert_eq!(found, records[..found.len()]);
                    assert!(found.len() >= 5);
                }
                Err(error) => assert_eq!(error.code(), Code::Corrupt, "{error}"),
            }
        }
        disk.tamper(path, good);
    }
}

#[test]
fn zeros_in_place_of_a_tail_are_a_torn_write_and_in_the_middle_damage() {
    let (disk, vfs) = memory();
    let mut wal = fresh(&vfs);
    wal.append(&[&[1; 100]], true).unwrap();
    let start = disk.len(&path(1)).unwrap() as usize;
    wal.append(&[&[2; 100]], true).unwrap();
    let end = disk.len(&path(1)).unwrap() as usize;
    let good = disk.read(&path(1)).unwrap();
    for from in start..end {
        let mut zeroed = good.clone();
        zeroed[from..].fill(0);
        disk.tamper(&path(1), &zeroed);
        let (records, replay) = read(&vfs, 1).unwrap();
        assert_eq!((records.len(), replay.torn), (1, (end - start) as u64));
    }
    let mut zeroed = good.clone();
    zeroed[FileHeader::LEN as usize..start].fill(0);
    disk.tamper(&path(1), &zeroed);
    assert_eq!(read(&vfs, 1).unwrap_err().code(), Code::Corrupt);
    // Preallocated zeros behind good records, and a file of nothing but zeros.
    disk.tamper(&path(1), &[&good[..], &[0; 5000]].concat());
    assert_eq!(read(&vfs, 1).unwrap().0.len(), 2);
    disk.tamper(&path(1), &vec![0; 700_000]);
    assert_eq!(read(&vfs, 1).unwrap(), (vec![], Replay { records: 0, next_sequence: 1, torn: 700_000 }));
}

#[test]
fn a_torn_tail_is_never_appended_to_and_stays_dropped() {
    let (disk, vfs) = memory();
    let mut wal = fresh(&vfs);
    wal.append(&[b"kept"], true).unwrap();
    wal.append(&[b"torn away"], true).unwrap();
    drop(wal);
    let bytes = disk.read(&path(1)).unwrap();
    disk.tamper(&path(1), &bytes[..bytes.len() - 3]);
    let (mut wal, records) = open(&vfs, 1).unwrap();
    assert_eq!(payloads(&records), [b"kept"]);
    assert_eq!(wal.append(&[b"next"], true).unwrap(), 2);
    assert_eq!(disk.read(&path(1)).unwrap(), bytes[..bytes.len() - 3]);
    assert_eq!(payloads(&read(&vfs, 1).unwrap().0), [&b"kept"[..], b"next"]);
}

#[test]
fn void_files_are_passed_over_and_lost_ones_are_not() {
    let (disk, vfs) = memory();
    let mut wal = fresh(&vfs);
    wal.append(&[b"one"], true).unwrap();
    drop(wal);
    // A crash before the header of file 2 was on the disk, twice.
    disk.tamper(&path(2), b"");
    disk.tamper(&path(3), &[0; 52]);
    let (mut wal, records) = open(&vfs, 1).unwrap();
    assert_eq!((payloads(&records), wal.number()), (vec![&b"one"[..]], 4));
    wal.append(&[b"two"], true).unwrap();
    drop(wal);
    assert_eq!(payloads(&read(&vfs, 1).unwrap().0), [b"one", b"two"]);
    disk.remove_file(&path(2)).unwrap();
    assert_eq!(payloads(&read(&vfs, 1).unwrap().0), [b"one", b"two"]);

    let error = read(&vfs, 2).unwrap_err();
    assert!(
        error.code() == Code::Corrupt && error.message().contains("wal-00000002.log is missing"),
        "{error}"
    );
    let one = disk.read(&path(1)).unwrap();
    disk.remove_file(&path(1)).unwrap();
    let error = read(&vfs, 1).unwrap_err();
    assert!(
        error.code() == Code::Corrupt && error.message().contains("wal-00000001.log is missing"),
        "{error}"
    );
    assert_eq!(read(&vfs, 9).unwrap_err().code(), Code::Corrupt);
    // A file of another number under this name.
    disk.tamper(&path(1), &disk.read(&path(4)).unwrap());
    assert_eq!(read(&vfs, 1).unwrap_err().code(), Code::Corrupt);
    disk.tamper(&path(1), &one);
    assert_eq!(read(&vfs, 1).unwrap().0.len(), 2);
}

#[test]
fn a_piece_of_the_log_in_a_payload_is_no_witness() {
    let (disk, vfs) = memory();
    let mut wal = fresh(&vfs);
    for _ in 0..3 {
        wal.append(&[&[5; 50]], true).unwrap();
    }
    let log = disk.read(&path(1)).unwrap();
    wal.append(&[&log], true).unwrap();
    let mut bytes = disk.read(&path(1)).unwrap();
    bytes[log.len()] ^= 1;
    disk.tamper(&path(1), &bytes);
    assert_eq!(read(&vfs, 1).unwrap().0.len(), 3);
}

#[test]
fn a_newer_log_is_not_read() {
    let (disk, vfs) = memory();
    drop(fresh(&vfs));
    let newer = crate::storage::stamp::Stamp { name: "log", magic: *b"ELANWAL\n", version: 2 };
    disk.tamper(&path(1), &newer.bytes());
    assert_eq!(read(&vfs, 1).unwrap_err().code(), Code::FormatTooNew);
}

#[test]
fn a_failed_write_is_cut_back_and_the_log_goes_on() {
    let (disk, vfs) = memory();
    let mut wal = fresh(&vfs);
    wal.append(&[b"before"], true).unwrap();
    disk.fail_at(disk.operations(), Fault::Once(ErrorKind::StorageFull));
    assert_eq!(wal.append(&[&[3; 1000]], true).unwrap_err().code(), Code::DiskFull);
    assert_eq!(wal.append(&[b"after"], true).unwrap(), 2);
    assert_eq!(payloads(&read(&vfs, 1).unwrap().0), [&b"before"[..], b"after"]);
}

#[test]
fn a_failed_sync_or_cut_poisons_until_reopened() {
    for (offset, fault) in [(0, Fault::Always(ErrorKind::Other)), (1, Fault::Once(ErrorKind::Other))] {
        let (disk, vfs) = memory();
        let mut wal = fresh(&vfs);
        wal.append(&[b"before"], true).unwrap();
        disk.fail_at(disk.operations() + offset, fault);
        assert_eq!(wal.append(&[b"doubtful"], true).unwrap_err().code(), Code::Poisoned);
        disk.heal();
        assert_eq!(wal.append(&[b"refused"], false).unwrap_err().code(), Code::Poisoned);
        assert_eq!(wal.sync().unwrap_err().code(), Code::Poisoned);
        assert_eq!(wal.rotate().unwrap_err().code(), Code::Poisoned);
        assert_eq!(wal.close().unwrap_err().code(), Code::Poisoned);
        let (mut wal, records) = open(&vfs, 1).unwrap();
        assert_eq!(records[0].1, b"before");
        assert!(records.len() == 1 || payloads(&records)[1..] == [b"doubtful"]);
        wal.append(&[b"again"], true).unwrap();
    }
}

#[test]
fn a_full_disk_at_rotation_leaves_the_old_file_in_use() {
    for operation in 0..2 {
        let (disk, vfs) = memory();
        let mut wal = fresh(&vfs);
        wal.append(&[b"one"], true).unwrap();
        disk.fail_at(disk.operations() + operation, Fault::Once(ErrorKind::StorageFull));
        assert_eq!(wal.rotate().unwrap_err().code(), Code::DiskFull);
        wal.append(&[b"two"], true).unwrap();
        wal.rotate().unwrap();
        wal.append(&[b"three"], true).unwrap();
        assert_eq!(payloads(&read(&vfs, 1).unwrap().0), [&b"one"[..], b"two", b"three"]);
    }
}

#[test]
fn the_callers_error_ends_the_reading() {
    let (_, vfs) = memory();
    let mut wal = fresh(&vfs);
    wal.append(&[b"a", b"b"], true).unwrap();
    let mut calls = 0;
    let error = replay(&vfs, dir(), 1, &mut |_, _| {
        calls += 1;
        Err(Error::new(Code::Canceled, "enough"))
    })
    .unwrap_err();
    assert_eq!((calls, error.code()), (1, Code::Canceled));
}

#[test]
fn a_log_that_was_never_there_is_empty() {
    let (_, vfs) = memory();
    let empty = Replay { records: 0, next_sequence: 1, torn: 0 };
    assert_eq!(read(&vfs, 1).unwrap(), (vec![], empty));
    let nowhere = replay(&vfs, Path::new("/nowhere"), 1, &mut |_, _| Ok(()));
    assert_eq!(nowhere.unwrap(), empty);
}
