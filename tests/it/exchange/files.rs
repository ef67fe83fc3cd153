//! Files out and in: every type in every format, filters, keys, other writers' types, and each bad value.

use super::*;
use elanus::Code;
use std::fs;

#[test]
fn exported_and_imported_back_identical() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    for vector in ["FloatVector", "BinaryVector"] {
        let original = db.create_collection(vector, schema(vector)).unwrap();
        original.insert(rows(&(0..700).collect::<Vec<_>>(), vector)).unwrap();
        original.flush().unwrap();
        original.insert(rows(&(-500..0).rev().collect::<Vec<_>>(), vector)).unwrap();
        let dead: ArrayRef = Arc::new(Int64Array::from_iter_values((-500..700).step_by(3)));
        original.delete(&dead).unwrap();
        let expected = contents(&original);
        for extension in EXTENSIONS {
            let path = folder.path().join(format!("{vector}.{extension}"));
            assert_eq!(export(&original, &path), 800);
            let text = fs::read_to_string(folder.path().join(format!("{vector}.schema.json"))).unwrap();
            let again = Schema::from_json(&text).unwrap();
            assert_eq!(&again, original.schema().as_ref());
            let copy = db.create_collection("copy", again).unwrap();
            assert_eq!(copy.import(&[&path], &ImportOptions::default()).unwrap(), 800);
            assert_eq!(contents(&copy), expected, "{extension}");
            assert_eq!(copy.count().unwrap(), 800);
            db.drop_collection("copy").unwrap();
            fs::remove_file(folder.path().join(format!("{vector}.schema.json"))).unwrap();
        }
    }
    let names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with("partial"))
        .collect();
    assert_eq!(names, [""; 0]);
}

#[test]
fn rows_of_a_filter_and_repeated_keys() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let original = db.create_collection("a", schema("FloatVector")).unwrap();
    original.insert(rows(&[1, 2, 3, 4], "FloatVector")).unwrap();
    original.flush().unwrap();
    original.insert(rows(&[3, 9], "FloatVector")).unwrap();
    let path = folder.path().join("some.parquet");
    let options =
        ExportOptions { filter: "id > {least}", filter_values: r#"{"least":2}"#, ..Default::default() };
    assert_eq!(original.export(&path, &options).unwrap(), 4);
    let copy = db.create_collection("b", schema("FloatVector")).unwrap();
    assert_eq!(copy.import(&[&path], &ImportOptions::default()).unwrap(), 4);
    // Both rows of key 3 are there, and the newer one is the one that is found.
    assert_eq!(copy.count().unwrap(), 4);
    let after = QueryOptions { output_fields: vec!["*"], ..Default::default() };
    assert_eq!(
        copy.query("id > 2", &after).unwrap().columns,
        original.query("id > 2", &after).unwrap().columns
    );
    let none = ExportOptions { filter: "id > 100", ..Default::default() };
    for extension in EXTENSIONS {
        let path = folder.path().join(format!("empty-{extension}.{extension}"));
        assert_eq!(original.export(&path, &none).unwrap(), 0);
        assert_eq!(copy.import(&[&path], &ImportOptions::default()).unwrap(), 0, "{extension}");
    }
}

#[test]
fn generated_keys_stay_or_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let schema = Schema::from_json(&schema_text("FloatVector", true)).unwrap();
    let original = db.create_collection("a", schema).unwrap();
    let without: Vec<usize> = (1..10).collect();
    original.insert(rows(&[5, 6, 7], "FloatVector").project(&without).unwrap()).unwrap();
    let (with, free) = (folder.path().join("with.parquet"), folder.path().join("free.jsonl"));
    export(&original, &with);
    let options = ExportOptions { without_keys: true, ..Default::default() };
    assert_eq!(original.export(&free, &options).unwrap(), 3);
    assert!(!fs::read_to_string(&free).unwrap().contains("\"id\""));

    let description =
        |name: &str| Schema::from_json(&fs::read_to_string(folder.path().join(name)).unwrap()).unwrap();
    let copy = db.create_collection("b", description("with.schema.json")).unwrap();
    assert!(!copy.schema().auto_id());
    copy.import(&[&with], &ImportOptions::default()).unwrap();
    assert_eq!(contents(&copy), contents(&original));
    let made = db.create_collection("c", description("free.schema.json")).unwrap();
    made.import(&[&free, &free], &ImportOptions::default()).unwrap();
    assert_eq!(made.count().unwrap(), 6);
    made.insert(rows(&[1], "FloatVector").project(&without).unwrap()).unwrap();
    assert_eq!(contents(&made).num_rows(), 7, "no key twice");
    drop((made, copy, original));
    drop(db);
    let db = database(&folder.path().join("db"));
    let made = db.collection("c").unwrap();
    made.import(&[&free], &ImportOptions::default()).unwrap();
    assert_eq!(contents(&made).num_rows(), 10, "nor after it was opened again");
    let message = refused(&made, &[&with]);
    assert!(message.contains("can not assign primary field data when auto id enabled id"), "{message}");
    let plain = db.collection("b").unwrap();
    let error = plain.export(&folder.path().join("x.json"), &options).unwrap_err();
    assert!(error.message().contains("only where auto_id makes new ones"), "{error}");
}

#[test]
fn what_cannot_be_exported() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let original = db.create_collection("a", schema("FloatVector")).unwrap();
    original.insert(rows(&[1], "FloatVector")).unwrap();
    let fails = |name: &str, options: &ExportOptions| {
        original.export(&folder.path().join(name), options).unwrap_err()
    };
    let plain = ExportOptions::default();
    assert!(fails("a.csv", &plain).message().contains("should end in .parquet, .jsonl, .ndjson or .json"));
    assert_eq!(fails("no/a.json", &plain).code(), Code::Io);
    assert!(
        fails("a.json", &ExportOptions { filter: "nope > 1", ..Default::default() })
            .message()
            .contains("nope")
    );
    let stop: &(dyn Fn(u64, u64) -> bool + Sync) = &|_, _| false;
    let canceled = fails("a.parquet", &ExportOptions { progress: Some(stop), ..Default::default() });
    assert_eq!((canceled.code(), canceled.message()), (Code::Canceled, "the export was canceled"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the database");
    export(&original, &folder.path().join("a.parquet"));
    assert!(fails("a.parquet", &plain).message().ends_with("a.parquet exists already"));
    // The same schema is no obstacle; another one is, and stays as it is.
    export(&original, &folder.path().join("a.jsonl"));
    let beside = folder.path().join("a.schema.json");
    let text = fs::read_to_string(&beside).unwrap();
    for other in ["", "{}", &text.replace("all types", "no types")] {
        fs::write(&beside, other).unwrap();
        assert!(fails("a.json", &plain).message().ends_with("a.schema.json exists already"));
        assert_eq!(fs::read_to_string(&beside).unwrap(), other);
    }
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["a.jsonl", "a.parquet", "a.schema.json", "db"]);
    drop(db);
    assert_eq!(fails("b.json", &plain).code(), Code::Closed);
}

fn small(auto_id: bool) -> Schema {
    Schema::from_json(&format!(
        r#"{{"auto_id":{auto_id},"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
        {{"name":"n","data_type":"Int8"}},{{"name":"t","data_type":"VarChar","max_length":4}},
        {{"name":"j","data_type":"JSON"}},{{"name":"v","data_type":"FloatVector","dim":2}}]}}"#
    ))
    .unwrap()
}

#[test]
fn values_that_are_refused_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let collection = db.create_collection("a", small(false)).unwrap();
    let path = folder.path().join("rows.jsonl");
    let good = r#"{"id":1,"n":-128,"t":"a","j":{},"v":[1,2e0]}"#;
    let fails = |line: &str, with: &str| {
        fs::write(&path, format!("{good}\n\n{line}\n{good}\n")).unwrap();
        let message = refused(&collection, &[&path]);
        assert!(
            message.contains(with) && message.contains("rows.jsonl: "),
            "{line}\n  {message}\n  not: {with}"
        );
        assert!(message.contains("row 1"), "{message}");
    };
    fails(r#"{"id":1,"n":128,"t":"a","j":{},"v":[1,2]}"#, "field n: the value 128 is out of range of Int8");
    fails(r#"{"id":1,"n":1.5,"t":"a","j":{},"v":[1,2]}"#, "row 1: field n: 1.5 is no value of type Int8");
    fails(r#"{"id":"1","n":1,"t":"a","j":{},"v":[1,2]}"#, "field id: \"1\" is no value of type Int64");
    fails(r#"{"id":1,"n":1,"t":5,"j":{},"v":[1,2]}"#, "field t: 5 is no value of type VarChar");
    fails(r#"{"id":1,"n":1,"t":"five5","j":{},"v":[1,2]}"#, "length of varchar field t exceeds max length");
    fails(r#"{"id":1,"n":1,"t":"a","j":"{","v":[1,2]}"#, "the value of json field j is not JSON");
    fails(
        r#"{"id":1,"n":1,"t":"a","j":{},"v":[1,2,3]}"#,
        "the dim (3) of field data(v) is not equal to schema dim (2)",
    );
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":[]}"#, "the dim (0)");
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":[1,[2]]}"#, "field v: [2] is no value of type FloatVector");
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":5}"#, "field v: 5 is no value of type FloatVector");
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":[1,1e39]}"#, "value '+Inf' is not a number or infinity");
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":null}"#, "field v: a vector should not be null");
    fails(r#"{"id":1,"n":1,"t":"a","v":[1,2]}"#, "field j has a null");
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":[1,2],"x":1}"#, "row 1: field x not exist");
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":[1,2],"n":1}"#, "row 1: field n is given twice");
    fails(r#"{"id":1,"n":1,"t":"a","j":{},"v":[1,2}"#, "row 1");
    fails("[1]", "row 1: '[' at byte 46 should be an object");
    fails(r#"{"id":1"#, "row 1");
    for (text, with) in [
        ("", "should be an object with the one key \"rows\""),
        (r#"{"columns":[]}"#, "row 0: 'c' at byte 2"),
        (r#"{"rows":{}}"#, "'{' at byte 8 should be a list of rows"),
        (r#"[{"id":1}"#, "the end of the file at byte 9 should be a comma or the end of the list"),
        (r#"{"rows":[]} x"#, "'x' at byte 12 should be nothing more"),
        (r#"[{}]"#, "row 0 has none of the fields"),
    ] {
        let path = folder.path().join("rows.json");
        fs::write(&path, text).unwrap();
        let message = refused(&collection, &[&path]);
        assert!(message.contains(with), "{text}\n  {message}\n  not: {with}");
    }
    assert!(refused(&collection, &[&folder.path().join("none.json")]).contains("cannot read"));
    assert!(refused(&collection, &[folder.path()]).contains("unexpected file type"));
    assert_eq!(collection.import(&[], &ImportOptions::default()).unwrap_err().code(), Code::MissingParameter);
}

#[test]
fn forms_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let row = r#"{ "v" : [ 1.5 , -2 ] , "j":"[1]","t":"\u00e9\"", "n" : 7, "id":ID }"#;
    let rows =
        |ids: std::ops::Range<i32>| ids.map(|id| row.replace("ID", &id.to_string())).collect::<Vec<_>>();
    let forms = [
        ("json", format!("\u{feff}{{ \"rows\" : [ {} ] }}\n", rows(0..3).join(" , "))),
        ("json", format!("[{}]", rows(0..3).join(",\n"))),
        ("jsonl", rows(0..3).join("\r\n")),
        ("NDJSON", format!("\n{}\n\n", rows(0..3).join("\n"))),
    ];
    let mut all = Vec::new();
    for (extension, text) in forms {
        let path = folder.path().join(format!("rows.{extension}"));
        fs::write(&path, text).unwrap();
        let collection = db.create_collection("a", small(false)).unwrap();
        assert_eq!(collection.import(&[&path], &ImportOptions::default()).unwrap(), 3);
        all.push(contents(&collection));
        db.drop_collection("a").unwrap();
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(crate::support::texts(all[0].column(2)), ["é\""; 3]);
    assert_eq!(crate::support::texts(all[0].column(3)), ["[1]"; 3]);
}
