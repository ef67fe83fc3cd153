//! A change, made on the engine; and whether a whole database is what the model says.

use super::filters::{Filter, Writer};
use super::reads::{Checked, Reader, ensure, words};
use super::rows::Key;
use super::state::{Answer, Change, Op, State};
use super::tally;
use crate::support::Random;
use elanus::collection::{
    Collection, ExportOptions, ImportOptions, IndexRequest, IndexState, Inserted, OnConflict, QueryOptions,
};
use elanus::database::Database;
use elanus::error::{Code, Error};
use elanus::schema::Field;
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use std::collections::BTreeSet;
use std::path::PathBuf;

pub fn call(
    disk: &FaultDisk,
    database: &Database,
    state: &State,
    op: &Op,
    random: &mut Random,
) -> Result<Answer, Error> {
    match op {
        Op::Create(name, shape) => database.create_collection(name, shape.schema()).map(drop)?,
        Op::Drop(name) => database.drop_collection(name)?,
        Op::Rename(from, to) => database.rename_collection(from, to)?,
        Op::CreateAlias(name, alias) => database.create_alias(name, alias)?,
        Op::AlterAlias(name, alias) => database.alter_alias(name, alias)?,
        Op::DropAlias(alias) => database.drop_alias(alias)?,
        Op::On(name, change) => {
            let collection = database.collection(name)?;
            let model = state.find(name).ok_or_else(|| Error::new(Code::Internal, "the model has it not"))?;
            return on(disk, &collection, model, change, random);
        }
    }
    Ok(Answer::default())
}

fn on(
    disk: &FaultDisk,
    collection: &Collection,
    model: &super::state::Collection,
    change: &Change,
    random: &mut Random,
) -> Result<Answer, Error> {
    let names = |names: &[String]| names.to_vec();
    match change {
        Change::Insert { partition, rows, upsert } => {
            let rows = model.shape.batch(rows);
            let inserted: Inserted = match (partition, upsert) {
                (None, false) => collection.insert(rows),
                (None, true) => collection.upsert(rows),
                (Some(name), false) => collection.insert_into(name, rows),
                (Some(name), true) => collection.upsert_into(name, rows),
            }?;
            return Ok(Answer { count: inserted.count, ids: Key::of(&inserted.ids) });
        }
        Change::Import { partition, filter, extension } => {
            let (text, values) = Writer::write(filter, random);
            let path = PathBuf::from(format!("/copy.{extension}"));
            for earlier in [&path, &path.with_extension("schema.json")] {
                let _ = disk.remove_file(earlier);
            }
            let options = ExportOptions { filter: &text, filter_values: &values, ..ExportOptions::default() };
            let exported = collection.export(&path, &options)?;
            let options = ImportOptions { partition: partition.as_deref(), ..ImportOptions::default() };
            let count = collection.import(&[&path], &options)?;
            if count != exported {
                return Err(Error::new(Code::Internal, format!("{count} rows of {exported} came back")));
            }
            tally::count("imports", 1);
            return Ok(Answer { count, ids: Vec::new() });
        }
        Change::Delete { partition, keys } => {
            let keys = model.shape.keys(keys);
            let count = match partition {
                None => collection.delete(&keys),
                Some(name) => collection.delete_from(name, &keys),
            }?;
            return Ok(Answer { count, ids: Vec::new() });
        }
        Change::DeleteMatching { partition, filter } => {
            let (text, values) = Writer::write(filter, random);
            let count = match partition {
                None => collection.delete_matching(&text, &values),
                Some(name) => collection.delete_matching_from(name, &text, &values),
            }?;
            return Ok(Answer { count, ids: Vec::new() });
        }
        Change::Flush => collection.flush()?,
        Change::Compact { wait } => collection.compact(*wait, None)?,
        Change::CreateIndex { index, wait } => {
            let description = format!(r#"{{{},"metric_type":"{}"}}"#, index.kind.text, index.metric);
            let (description, on_conflict) = (description.as_str(), OnConflict::Replace);
            let request = IndexRequest { field: "v", description, name: None, on_conflict, wait: *wait };
            collection.create_index(&request, None)?;
        }
        Change::DropIndex => collection.drop_index("v")?,
        Change::IndexField { name, wait } => {
            let on_conflict = OnConflict::Replace;
            let request =
                IndexRequest { field: name, description: "{}", name: None, on_conflict, wait: *wait };
            collection.create_index(&request, None)?;
        }
        Change::DropFieldIndex(name) => collection.drop_index(name)?,
        Change::AddField(field) => collection.add_field(Field::from_json(&field.to_json())?)?,
        Change::Alter { name, is_index, mmap } => {
            let properties = format!(r#"{{"mmap.enabled":{mmap}}}"#);
            match is_index {
                true => collection.alter_index(name, &properties)?,
                false => collection.alter_field(name, &properties)?,
            }
        }
        Change::CreatePartition(name) => collection.create_partition(name)?,
        Change::DropPartition(name) => collection.drop_partition(name)?,
        Change::Load(some) if some.is_empty() => collection.load()?,
        Change::Release(some) if some.is_empty() => collection.release()?,
        Change::Load(some) => {
            collection.load_partitions(&names(some).iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Change::Release(some) => {
            collection.release_partitions(&names(some).iter().map(String::as_str).collect::<Vec<_>>())?;
        }
    }
    Ok(Answer::default())
}

/// Everything: names, aliases, fields, partitions, what is released, indexes, and every row. What is read for that is
/// loaded in the model, too.
pub fn same(database: &Database, state: &mut State, random: &mut Random) -> Checked {
    let names = database.collections().map_err(words)?;
    ensure!(names.iter().eq(state.collections.keys()), "collections {names:?}");
    let aliases = database.aliases(None).map_err(words)?;
    let known = state.aliases.iter().map(|(alias, id)| {
        let owner = state.collections.iter().find(|(_, collection)| collection.id == *id);
        (alias.clone(), owner.map_or_else(String::new, |(name, _)| name.clone()))
    });
    ensure!(known.eq(aliases.iter().cloned()), "aliases {aliases:?}");
    for (name, model) in &mut state.collections {
        let collection = database.collection(name).map_err(words)?;
        let in_collection = |why: String| format!("{name}: {why}");
        same_collection(&collection, model, random).map_err(in_collection)?;
    }
    Ok(())
}

pub fn same_collection(
    collection: &Collection,
    model: &mut super::state::Collection,
    random: &mut Random,
) -> Checked {
    let fields: Vec<String> =
        collection.schema().fields().iter().map(|field| field.name.clone()).skip(2).collect();
    let expected: BTreeSet<&String> = model.shape.fields.iter().map(|field| &field.name).collect();
    ensure!(fields.iter().collect::<BTreeSet<_>>() == expected, "fields {fields:?}");
    let indexes: BTreeSet<String> = collection.list_indexes().map_err(words)?.into_iter().collect();
    let of_vector = model.index.map(|_| "v".to_owned());
    let named: BTreeSet<String> = model.indexed.iter().cloned().chain(of_vector).collect();
    ensure!(indexes == named, "indexes {indexes:?}, not {named:?}");
    if let Some(index) = model.index {
        let described = collection.describe_index("v").map_err(words)?;
        let is_right = described["metric_type"] == index.metric
            && index.kind.text.contains(described["index_type"].as_str().unwrap_or("none"));
        ensure!(is_right, "index {described}, not {index:?}");
        let state = collection.index_state("v").map_err(words)?;
        ensure!(!matches!(&state, IndexState::Failed(why) if why.contains("panicked")), "{state:?}");
    }
    let compactions = collection.compaction_state().map_err(words)?;
    ensure!(!compactions.fail_reason.contains("panicked"), "{}", compactions.fail_reason);
    let count = collection.count().map_err(words)?;
    ensure!(count == model.rows.len() as u64, "{count} rows, not {}", model.rows.len());
    let named: Vec<String> = match model.shape.partition_key {
        true => Vec::new(),
        false => {
            let listed = collection.partitions().map_err(words)?;
            ensure!(listed.iter().eq(model.partitions.iter().map(|p| &p.name)), "partitions {listed:?}");
            listed
        }
    };
    // One partition after the other; with a partition key all at once.
    let parts: Vec<Vec<&str>> = match named.as_slice() {
        [] => vec![Vec::new()],
        named => named.iter().map(|name| vec![name.as_str()]).collect(),
    };
    for part in parts {
        let options = QueryOptions {
            output_fields: vec!["*"],
            partition_names: part.clone(),
            limit: Some(16384),
            ..QueryOptions::default()
        };
        let found = match (collection.query("", &options), model.searched(&part)) {
            (Ok(found), Ok(chosen)) => {
                model.set_loaded(&chosen);
                let rows: Vec<_> =
                    model.matching(&chosen, &Filter::Everything).into_iter().cloned().collect();
                (found, rows)
            }
            (Err(error), Err(code)) if error.code() == code => continue,
            (found, expected) => {
                return Err(format!("{part:?}: {:?}, not {expected:?}", found.err().map(words)));
            }
        };
        let (found, rows) = found;
        let ids = Key::of(&found.ids);
        let keys: BTreeSet<&Key> = rows.iter().map(|row| &row.key).collect();
        ensure!(ids.iter().eq(keys.iter().copied()), "keys of {part:?}: {ids:?}, not {keys:?}");
        let reader = Reader { collection, model, random };
        for (at, key) in ids.iter().enumerate() {
            let candidates: Vec<_> = rows.iter().filter(|row| row.key == *key).collect();
            reader.check_output(&found.columns, at, &candidates)?;
        }
    }
    Ok(())
}
