//! Fields that a collection gets when it has rows.

use super::*;

const LATER: &[(&str, Holds)] = &[
    ("late is null", |row| row["late"].is_null()),
    ("late >= 0", |row| row["late"].is_i64()),
    ("later == 'x'", |row| row["later"] == "x"),
    ("not (late == 3)", |row| row["late"].as_i64().is_some_and(|n| n != 3)),
];

#[test]
fn fields_are_added_to_rows_in_files_in_the_log_and_in_memory() {
    let disk = FaultDisk::new();
    let mut writer = database(&disk, false);
    let mut collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let (mut model, mut random) = (Model::new(), Random(4));
    insert(&collection, &mut model, &mut random, 0..60);
    collection.flush().unwrap();
    insert(&collection, &mut model, &mut random, 60..80);
    let reader = database(&disk, true);
    let read = reader.collection("c").unwrap();
    check(&read, &model, FILTERS);
    let before = collection.query("id < 5", &all_fields()).unwrap();

    let add = |text: &str| collection.add_field(Field::from_json(text).unwrap());
    add(r#"{"name":"late","data_type":"Int64","nullable":true}"#).unwrap();
    add(r#"{"name":"later","data_type":"VarChar","max_length":5,"default_value":"x"}"#).unwrap();
    let added: Vec<_> = FILTERS.iter().chain(LATER).copied().collect();
    model.values_mut().for_each(|row| (row["late"], row["later"]) = (Value::Null, json!("x")));
    check(&collection, &model, &added);
    assert_eq!(before.columns.num_columns(), 10, "what was found stays as it was");
    insert(&collection, &mut model, &mut random, 80..90);
    // Rows that have the new fields.
    let mut row = random_row(&mut random, 90);
    let mut given = batch(std::slice::from_ref(&row)).columns().to_vec();
    let mut names = batch(std::slice::from_ref(&row)).schema().fields().to_vec();
    for (name, values) in [
        ("late", Arc::new(Int64Array::from(vec![3])) as ArrayRef),
        ("later", Arc::new(StringArray::from(vec!["y"]))),
    ] {
        names.push(Arc::new(arrow_schema::Field::new(name, values.data_type().clone(), true)));
        given.push(values);
    }
    let schema = Arc::new(arrow_schema::Schema::new(names));
    collection.insert(RecordBatch::try_new(schema, given).unwrap()).unwrap();
    (row["late"], row["later"]) = (json!(3), json!("y"));
    model.insert(90, stored(row));
    check(&collection, &model, &added);
    // A reader learns of the fields and of the log's rows at once.
    assert!(read.query("late is null", &QueryOptions::default()).is_ok(), "a dynamic key until then");
    reader.refresh().unwrap();
    check(&read, &model, &added);
    check(&database(&disk, true).collection("c").unwrap(), &model, &added);

    // The log has records of before and of after.
    drop((collection, writer));
    writer = database(&disk, false);
    collection = writer.collection("c").unwrap();
    check(&collection, &model, &added);
    collection.flush().unwrap();
    check(&collection, &model, &added);
    delete(&collection, &mut model, "late is null and id < 30", |row| {
        row["late"].is_null() && row["id"].as_i64() < Some(30)
    });
    collection.compact(true, None).unwrap();
    check(&collection, &model, &added);
    reader.refresh().unwrap();
    check(&read, &model, &added);
    drop((collection, writer));
    check(&database(&disk, false).collection("c").unwrap(), &model, &added);
}

#[test]
fn searches_go_on_while_fields_are_added() {
    let disk = FaultDisk::new();
    let writer = database(&disk, false);
    let collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let (mut model, mut random) = (Model::new(), Random(5));
    insert(&collection, &mut model, &mut random, 0..200);
    collection.flush().unwrap();
    insert(&collection, &mut model, &mut random, 200..260);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let found = collection.query("n is not null or id >= 0", &all_fields()).unwrap();
                    assert_eq!(found.columns.num_rows(), 260);
                    // As many as the schema had at one time.
                    let names = found.columns.schema();
                    assert!(
                        names
                            .fields()
                            .iter()
                            .skip(10)
                            .enumerate()
                            .all(|(at, f)| f.name() == &format!("f{at}"))
                    );
                }
            });
        }
        for at in 0..20 {
            let text = format!(r#"{{"name":"f{at}","data_type":"Int32","nullable":true}}"#);
            collection.add_field(Field::from_json(&text).unwrap()).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(collection.schema().fields().len(), 30);
    assert_eq!(collection.count_matching("f19 is null", "").unwrap(), 260);
}
