//! Iterators over the hits of a search and the rows of a query.

use super::*;

/// Every row once, nearest first, however large the batches; and what is written meanwhile changes nothing.
#[test]
fn search_iterators_pass_every_row() {
    let (_disk, database, collection) = filled();
    let query = vector(-6);
    for kind in ["", "FLAT", "HNSW", "IVF_PQ"] {
        if !kind.is_empty() {
            index(&collection, kind, "L2", "");
        }
        for (batch_size, limit, offset, filter) in [
            (1000, None, 0, ""),
            (7, Some(40), 0, ""),
            (64, None, 10, "t == 'n3'"),
            (16384, None, 0, ""),
            (1, Some(3), 4, ""),
        ] {
            // An `ef` below the batch is fine, as Milvus' clients have it.
            let params = if kind == "HNSW" { r#"{"ef":20}"# } else { "" };
            let options = SearchOptions { filter, params, offset, ..search_options(1) };
            let iterator = IteratorOptions { batch_size, limit };
            let iterator =
                collection.search_iterator("v", Queries::Float(&query), &options, iterator).unwrap();
            let mut found = Vec::new();
            loop {
                let batch = ids_of(&iterator.next().unwrap().ids);
                let is_last = batch.len() < batch_size;
                found.extend(batch);
                if is_last {
                    break;
                }
            }
            assert_eq!(iterator.next().unwrap().ids.len(), 0);
            let all = ranked("L2", &query, |id| filter.is_empty() || id % 5 == 3);
            let wanted = (all.len() - offset).min(limit.map_or(usize::MAX, |limit| limit as usize));
            assert_eq!(found.len(), wanted, "{kind} {batch_size} {limit:?}");
            let unique: HashSet<i64> = found.iter().copied().collect();
            assert_eq!(unique.len(), found.len());
            if kind.is_empty() || kind == "FLAT" {
                assert_eq!(found, ids(&all[offset..offset + wanted]), "{kind} {batch_size}");
            }
        }
    }
    index(&collection, "FLAT", "L2", "");
    let ranged = SearchOptions { params: r#"{"radius":2.0}"#, ..search_options(1) };
    let open = |options: &SearchOptions| {
        let iterator = IteratorOptions { batch_size: 100, limit: None };
        collection.search_iterator("v", Queries::Float(&query), options, iterator).unwrap()
    };
    let near = open(&ranged);
    let mut found = Vec::new();
    while let batch = ids_of(&near.next().unwrap().ids)
        && !batch.is_empty()
    {
        found.extend(batch);
    }
    let all = ranked("L2", &query, |_| true);
    assert_eq!(found, ids(&all[..all.iter().filter(|(_, score)| *score < 2.0).count()]));
    // Deletes, compactions and drops beside an iterator.
    let iterator = open(&search_options(1));
    let mut found = ids_of(&iterator.next().unwrap().ids);
    collection.delete_matching("id >= 0", "").unwrap();
    collection.compact(true, None).unwrap();
    assert_eq!(collection.count().unwrap(), 0);
    for _ in 0..COUNT / 100 {
        found.extend(ids_of(&iterator.next().unwrap().ids));
    }
    assert_eq!(found, ids(&all));
    let iterator = open(&search_options(1));
    database.drop_collection("c").unwrap();
    assert_eq!(iterator.next().err().unwrap().code(), Code::Closed);
}

#[test]
fn a_key_that_repeats_comes_once() {
    let (_disk, _database, collection) = filled();
    collection.insert(rows(&(500..900).collect::<Vec<_>>())).unwrap();
    collection.flush().unwrap();
    collection.insert(rows(&(700..800).collect::<Vec<_>>())).unwrap();
    // Deleted keys are back.
    let live = (0..COUNT).filter(|id| id % 11 != 0 || (500..900).contains(id)).count();
    let iterator = IteratorOptions { batch_size: 50, limit: None };
    let query = vector(-8);
    let hits = collection.search_iterator("v", Queries::Float(&query), &search_options(1), iterator).unwrap();
    let mut found = Vec::new();
    while let batch = ids_of(&hits.next().unwrap().ids)
        && !batch.is_empty()
    {
        found.extend(batch);
    }
    let unique: HashSet<i64> = found.iter().copied().collect();
    assert_eq!((found.len(), unique.len()), (live, live));
}

#[test]
fn query_iterators_pass_every_row_in_order() {
    let (_disk, _database, collection) = filled();
    let all: Vec<i64> = (0..COUNT).filter(|id| id % 11 != 0).collect();
    let open = |filter: &str, batch_size, limit, offset| {
        let options = QueryOptions { limit, offset, output_fields: vec!["t"], ..Default::default() };
        collection.query_iterator(filter, &options, IteratorOptions { batch_size, limit: None }).unwrap()
    };
    for (filter, batch_size, limit, offset) in [
        ("", 1000, None, 0),
        ("", 7, Some(100), 3),
        ("t == 'n2'", 64, None, 0),
        ("", 16384, Some(20_000), 2000),
        ("id < 0", 5, None, 0),
    ] {
        let iterator = open(filter, batch_size, limit, offset);
        let mut found = Vec::new();
        loop {
            let batch = iterator.next().unwrap();
            let ids = ids_of(&batch.ids);
            assert_eq!(texts(batch.columns.column(0)), ids.iter().map(|&id| name(id)).collect::<Vec<_>>());
            found.extend_from_slice(&ids);
            if ids.len() < batch_size {
                break;
            }
        }
        let kept = all.iter().copied().filter(|id| match filter {
            "t == 'n2'" => id % 5 == 2,
            "id < 0" => false,
            _ => true,
        });
        let wanted: Vec<i64> = kept.skip(offset).take(limit.unwrap_or(usize::MAX)).collect();
        assert_eq!(found, wanted, "{filter} {batch_size}");
        assert_eq!(iterator.next().unwrap().ids.len(), 0);
    }
    let iterator = open("", 100, None, 0);
    let mut found = ids_of(&iterator.next().unwrap().ids);
    collection.delete_matching("id >= 0", "").unwrap();
    collection.insert(rows(&[-1, 5000])).unwrap();
    collection.compact(true, None).unwrap();
    collection.release().unwrap();
    for _ in 0..COUNT / 100 {
        found.extend(ids_of(&iterator.next().unwrap().ids));
    }
    assert_eq!(found, all);
}
