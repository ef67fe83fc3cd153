//! Aliases and renames: what each call says, and what they survive.

use crate::support::*;
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::storage::fault::{Cut, FaultDisk};
use std::path::Path;
use std::sync::Arc;

fn open_on(disk: &FaultDisk, read_only: bool) -> Database {
    let options = Options { read_only, ..options() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn is<T>(outcome: Result<T, Error>, code: Code, text: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("should fail with {text}"));
    assert_eq!((error.code(), error.message()), (code, text));
}

fn pairs(database: &Database) -> Vec<(String, String)> {
    database.aliases(None).unwrap()
}

fn pair(alias: &str, collection: &str) -> (String, String) {
    (alias.to_owned(), collection.to_owned())
}

#[test]
fn aliases_stand_for_their_collections() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, false);
    let reader = open_on(&disk, true);
    for (name, ids) in [("one", 0..3), ("two", 10..15)] {
        let collection = database.create_collection(name, schema(2, false)).unwrap();
        insert_random(&collection, &mut Random(1), ids, 2);
    }
    database.create_alias("one", "live").unwrap();
    database.create_alias("one", "live").unwrap();
    database.create_alias("one", "also").unwrap();
    assert_eq!(pairs(&database), [pair("also", "one"), pair("live", "one")]);
    let live = |database: &Database| all_ids(&database.collection("live").unwrap(), 2);
    assert_eq!(live(&database), [0, 1, 2]);
    assert!(database.has_collection("live").unwrap());
    assert_eq!(database.collections().unwrap(), ["one", "two"]);
    let handle = database.collection("live").unwrap();
    assert_eq!(handle.name().unwrap(), "one");
    assert_eq!(handle.describe().unwrap()["aliases"], serde_json::json!(["also", "live"]));
    // From one to the other in one step; handles stay with what they were opened on.
    database.alter_alias("two", "live").unwrap();
    assert_eq!(live(&database), [10, 11, 12, 13, 14]);
    assert_eq!(all_ids(&handle, 2), [0, 1, 2]);
    assert_eq!(database.aliases(Some("two")).unwrap(), [pair("live", "two")]);
    assert_eq!(database.aliases(Some("live")).unwrap(), [pair("live", "two")]);
    // They follow their collection through a rename, and readers follow them.
    database.rename_collection("two", "three").unwrap();
    assert_eq!(pairs(&database), [pair("also", "one"), pair("live", "three")]);
    assert!(!reader.has_collection("live").unwrap());
    reader.refresh().unwrap();
    assert_eq!((live(&reader).len(), pairs(&reader)), (5, pairs(&database)));
    is(reader.create_alias("one", "x"), Code::ReadOnly, "database is opened read-only");
    let disk = disk.power_cut(Cut::Lost, 3);
    let database = open_on(&disk, false);
    assert_eq!(pairs(&database), [pair("also", "one"), pair("live", "three")]);
    assert_eq!(live(&database).len(), 5);
    // They go with their collection, or alone.
    database.drop_collection("three").unwrap();
    is(
        database.collection("live").map(drop),
        Code::CollectionNotFound,
        "collection not found[collection=live]",
    );
    database.drop_alias("also").unwrap();
    database.drop_alias("also").unwrap();
    assert_eq!(pairs(&database), []);
    assert_eq!(database.collections().unwrap(), ["one"]);
    // The name is free again.
    database.create_collection("live", schema(2, false)).unwrap();
}

#[test]
fn refused_with_milvus_words() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, false);
    database.create_collection("a", schema(2, false)).unwrap();
    database.create_collection("b", schema(2, false)).unwrap();
    database.create_alias("a", "x").unwrap();
    let not_found = "collection not found[collection=nope]";
    is(database.create_alias("nope", "y"), Code::CollectionNotFound, not_found);
    is(database.alter_alias("nope", "x"), Code::CollectionNotFound, not_found);
    is(database.aliases(Some("nope")), Code::CollectionNotFound, not_found);
    is(database.create_alias("x", "y"), Code::CollectionNotFound, "collection not found[collection=x]");
    let taken = "x is alias to another collection: a: alias already exist[database=default][alias=x]";
    is(database.create_alias("b", "x"), Code::AliasAlreadyExists, taken);
    let missing = "alias not found[database=default][alias=z]";
    is(database.alter_alias("b", "z"), Code::AliasNotFound, missing);
    let conflict = "alias and collection name conflict[database=default][alias=b]";
    is(database.create_alias("a", "b"), Code::AliasCollectionNameConflict, conflict);
    is(database.alter_alias("a", "b"), Code::AliasCollectionNameConflict, conflict);
    let unique = "collection name [x] conflicts with an existing alias, please choose a unique name";
    is(
        database.create_collection("x", schema(2, false)).map(drop),
        Code::AliasCollectionNameConflict,
        unique,
    );
    let onto = "cannot rename collection to an existing alias: x";
    is(database.rename_collection("b", "x"), Code::AliasCollectionNameConflict, onto);
    let by = "unsupported use an alias to rename collection, alias:x";
    is(database.rename_collection("x", "y"), Code::InvalidParameter, by);
    let via = "cannot drop the collection via alias = x";
    is(database.drop_collection("x"), Code::InvalidParameter, via);
    let long = "a".repeat(256);
    for (alias, why) in [
        ("", "the collection alias should not be empty"),
        ("1x", "the first character of a collection alias must be an underscore or letter"),
        ("a-b", "collection alias can only contain numbers, letters and underscores"),
        (&long, "the length of a collection alias must be less than 255 characters"),
    ] {
        let text = format!("Invalid collection alias: {alias}. {why}");
        is(database.create_alias("a", alias), Code::InvalidParameter, &text);
        is(database.drop_alias(alias), Code::InvalidParameter, &text);
    }
    assert_eq!(
        (pairs(&database), database.collections().unwrap()),
        (vec![pair("x", "a")], vec!["a".into(), "b".into()])
    );
}
