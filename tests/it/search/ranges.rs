//! Range searches, on every index type and metric, and what bad ranges, pages and groups get.

use super::*;

/// Hits lie in the range, and are the nearest that do, whatever part of the rows is in it.
#[test]
fn ranges_on_every_index_type() {
    let (_disk, _database, collection) = filled();
    let query = vector(-5);
    for metric in ["L2", "IP", "COSINE"] {
        let all = ranked(metric, &query, |_| true);
        for (kind, build, params, share) in KINDS {
            index(&collection, kind, metric, build);
            for (near, far) in [(None, 5), (None, 300), (Some(20), 40), (Some(900), 1300), (Some(2000), 2700)]
            {
                // Between two scores, so that no rounding decides.
                let end = |rank: usize| (all[rank - 1].1 + all[rank].1) / 2.0;
                let ends = match near {
                    None => format!(r#"{{"radius":{}}}"#, end(far)),
                    Some(near) => format!(r#"{{"radius":{},"range_filter":{}}}"#, end(far), end(near)),
                };
                let params = with(params, &ends);
                let options = SearchOptions { params: &params, ..search_options(100) };
                let result = collection.search("v", Queries::Float(&query), 1, &options).unwrap();
                let inside = &all[near.unwrap_or(0)..far];
                let truth = ids(&inside[..inside.len().min(100)]);
                let found = ids_of(&result.ids);
                let about = format!("{kind} {metric} {near:?} {far}: {} of {}", found.len(), truth.len());
                let (low, high) = (
                    inside[0].1.min(inside[inside.len() - 1].1),
                    inside[0].1.max(inside[inside.len() - 1].1),
                );
                let close = |s: &f32| f64::from(*s) > low - 1e-3 && f64::from(*s) < high + 1e-3;
                assert!(result.scores.iter().all(close), "{about}");
                let right = found.iter().filter(|id| truth.contains(id)).count();
                assert!(right as f64 >= share * truth.len() as f64, "{about}, {right} right");
                if share == 1.0 {
                    assert_eq!(found, truth, "{about}");
                }
                // Several queries at once, some of them on other threads.
                let many = collection.search("v", Queries::Float(&query.repeat(20)), 20, &options).unwrap();
                assert_eq!(ids_of(&many.ids), found.repeat(20), "{about}");
            }
        }
    }
}

#[test]
fn ranges_of_bits() {
    let database = Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options()).unwrap();
    let schema = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"v","data_type":"BinaryVector","dim":64}]}"#;
    let collection = database.create_collection("b", Schema::from_json(schema).unwrap()).unwrap();
    let bits: Vec<u64> = (0..2000u64).map(|id| Random(id).next() & Random(id + 9000).next()).collect();
    let ids: Vec<i64> = (0..2000).collect();
    let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let column: ArrayRef = Arc::new(FixedSizeBinaryArray::new(8, bytes.into(), None));
    collection.insert(RecordBatch::try_from_iter([("id", keys(&ids)), ("v", column)]).unwrap()).unwrap();
    collection.flush().unwrap();
    let query = bits[3] ^ 5;
    let jaccard = |row: u64| {
        let (both, any) = ((row & query).count_ones(), (row | query).count_ones());
        1.0 - both as f32 / any as f32
    };
    for (kind, params) in [("BIN_FLAT", ""), ("BIN_IVF_FLAT", r#""nlist":4"#), ("HNSW", "")] {
        for (metric, near, far) in [("HAMMING", 14.0, 20.0), ("JACCARD", 0.55, 0.75), ("TANIMOTO", 1.0, 2.0)]
        {
            index(&collection, kind, metric, params);
            let score = |row: u64| match metric {
                "HAMMING" => (row ^ query).count_ones() as f32,
                "JACCARD" => jaccard(row),
                _ => -(1.0 - jaccard(row)).log2(),
            };
            let mut truth: Vec<f32> =
                bits.iter().map(|&row| score(row)).filter(|&s| near <= s && s < far).collect();
            truth.sort_by(f32::total_cmp);
            truth.truncate(50);
            let params = format!(r#"{{"nprobe":4,"ef":2000,"radius":{far},"range_filter":{near}}}"#);
            let options = SearchOptions { params: &params, ..search_options(50) };
            let query = query.to_le_bytes();
            let result = collection.search("v", Queries::Binary(&query), 1, &options).unwrap();
            assert!(truth.len() == 50 && result.scores.len() == 50, "{kind} {metric}");
            let same = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            assert!(
                result.scores.iter().zip(&truth).all(same),
                "{kind} {metric}: {:?} {truth:?}",
                result.scores
            );
        }
    }
}

#[test]
fn bad_ranges_pages_and_groups_are_refused() {
    let (_disk, _database, collection) = filled();
    let query = vector(-1);
    let search = |options: SearchOptions| collection.search("v", Queries::Float(&query), 1, &options);
    let params = |params| message(search(SearchOptions { params, ..search_options(3) }));
    assert_eq!(
        params(r#"{"radius":1,"range_filter":2}"#),
        "range_filter must be less than radius for L2/HAMMING/JACCARD, range_filter:2, radius:1"
    );
    assert_eq!(
        params(r#"{"metric_type":"IP","radius":2,"range_filter":1}"#),
        "range_filter must be greater than radius for IP/COSINE, range_filter:1, radius:2"
    );
    assert!(params(r#"{"radius":"far"}"#).starts_with("must pass numpy type for radius"));
    assert_eq!(params(r#"{"radius":null}"#), "pass invalid type for radius");
    for (topk, offset) in [(16384usize, 1), (1, 16384), (10, usize::MAX)] {
        let total = topk.saturating_add(offset);
        assert_eq!(
            message(search(SearchOptions { offset, ..search_options(topk) })),
            format!(
                "invalid max query result window, (offset+limit) should be in range [1, 16384], but got {total}"
            )
        );
    }
    let group = |name| search(SearchOptions { group_by_field: Some(name), ..search_options(3) });
    assert!(message(group("v")).starts_with("unsupported data type FloatVector for group by operator"));
    assert_eq!(group("nope").err().unwrap().code(), Code::FieldNotFound);
    let by_key = |ids: &[i64]| collection.search_by_keys("v", &keys(ids), &search_options(3));
    let missing = "some of the provided primary key IDs do not exist: missing IDs = ";
    assert_eq!(message(by_key(&[1, 11, 2, 90_000])), format!("{missing}[11, 90000]"));
    let many: Vec<i64> = (50_000..50_020).collect();
    assert!(message(by_key(&many)).ends_with("50009, ...]"));
    assert!(message(by_key(&[])).contains("in range [1, 16384], but got 0"));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    assert!(collection.search_by_keys("v", &texts, &search_options(3)).is_err());
    assert_eq!(
        collection.search_by_keys("nope", &keys(&[1]), &search_options(3)).err().unwrap().code(),
        Code::FieldNotFound
    );
    assert!(
        message(collection.search_by_keys("g", &keys(&[1]), &search_options(3)))
            .contains("cannot be searched")
    );
    let iterate = |batch_size, options: SearchOptions| {
        let iterator = IteratorOptions { batch_size, limit: None };
        collection.search_iterator("v", Queries::Float(&query), &options, iterator).map(|_| ())
    };
    assert_eq!(
        message(iterate(0, search_options(1))),
        "batch size [0] is invalid, should be in range [1, 16384]"
    );
    assert!(message(iterate(16385, search_options(1))).starts_with("batch size [16385]"));
    let grouped = SearchOptions { group_by_field: Some("g"), ..search_options(1) };
    assert_eq!(message(iterate(10, grouped)), "Not allowed to do groupBy when doing iteration");
    let two = [query.clone(), query.clone()].concat();
    let iterator = IteratorOptions { batch_size: 5, limit: None };
    assert!(
        message(
            collection.search_iterator("v", Queries::Float(&two), &search_options(1), iterator).map(|_| ())
        )
        .contains("is not equal to schema dim")
    );
    let counted = |limit, offset, fields: &[&'static str]| {
        collection.query(
            "id > 5",
            &QueryOptions { limit, offset, output_fields: fields.to_vec(), ..Default::default() },
        )
    };
    let paged = "count entities with pagination is not allowed";
    assert_eq!(message(counted(Some(3), 0, &["count(*)"])), paged);
    assert_eq!(message(counted(None, 3, &["count(*)"])), paged);
    assert_eq!(counted(None, 0, &["count(*)", "g"]).err().unwrap().code(), Code::FieldNotFound);
    let options = QueryOptions { output_fields: vec!["count(*)"], ..Default::default() };
    assert_eq!(message(collection.query_iterator("", &options, iterator).map(|_| ())), paged);
}
