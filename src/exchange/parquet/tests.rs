//! Columns against what Arrow's own reader and writer make of the same file.

use super::column;
use super::layout::Layout;
use super::{Reader, Writer};
use crate::error::Result;
use crate::exchange::file::{SourceFile, TargetFile};
use crate::exchange::{Sink, Source};
use crate::schema::{DataType, Schema, float_item};
use crate::storage::fault::FaultDisk;
use crate::storage::vfs::Vfs;
use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::{ByteArrayType, FixedLenByteArrayType, Int32Type};
use ::parquet::file::metadata::ParquetMetaDataReader;
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::parser::parse_message_type;
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, Float32Builder, Int16Builder, ListBuilder,
    StringBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int8Type, Int32Type as ArrowInt32, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Int64Array, NullArray,
    PrimitiveArray, RecordBatch, StringArray,
};
use arrow_schema::{Field as ArrowField, Schema as ArrowSchema};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

fn stored(bytes: &[u8]) -> SourceFile {
    let vfs: Arc<dyn Vfs> = Arc::new(FaultDisk::new());
    let path = Path::new("/file.parquet");
    vfs.create(path).unwrap().append(bytes).unwrap();
    SourceFile::open(&vfs, path).unwrap()
}

/// All columns, in batches of `step` rows.
fn ours(bytes: &[u8], step: usize) -> Result<Vec<Vec<ArrayRef>>> {
    let file = Arc::new(stored(bytes));
    let metadata = Arc::new(ParquetMetaDataReader::new().parse_and_finish(&*file).unwrap());
    let rows = metadata.file_metadata().num_rows() as usize;
    let layouts = Layout::of_file(metadata.file_metadata().schema_descr())?;
    let read = |(place, layout)| {
        let mut column = column::open(&file, &metadata, place, layout)?;
        (0..rows).step_by(step).map(|start| column.next(step.min(rows - start))).collect()
    };
    layouts.into_iter().enumerate().map(read).collect()
}

/// The same by Arrow's reader.
fn theirs(bytes: &[u8], step: usize) -> Vec<Vec<ArrayRef>> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let bytes = Bytes::copy_from_slice(bytes);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).unwrap();
    let batches: Vec<RecordBatch> =
        reader.with_batch_size(step).build().unwrap().map(|b| b.unwrap()).collect();
    (0..batches[0].num_columns())
        .map(|place| batches.iter().map(|batch| batch.column(place).clone()).collect())
        .collect()
}

fn same(bytes: &[u8]) {
    for step in [1, 7, 1000] {
        let (ours, theirs) = (ours(bytes, step).unwrap(), theirs(bytes, step));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().flatten().zip(theirs.iter().flatten()) {
            assert_eq!((ours.data_type(), ours), (theirs.data_type(), theirs));
        }
        assert_eq!(ours[0].len(), theirs[0].len());
    }
}

const ROWS: usize = 300;

fn numbers<A: ArrowPrimitiveType>(of: impl Fn(usize) -> A::Native) -> [(bool, ArrayRef); 2] {
    let all = PrimitiveArray::<A>::from_iter_values((0..ROWS).map(&of));
    let some = PrimitiveArray::<A>::from_iter((0..ROWS).map(|row| (row % 3 > 0).then(|| of(row))));
    [(false, Arc::new(all)), (true, Arc::new(some))]
}

/// Columns of values with and without nulls, some with more different ones than others.
fn values() -> Vec<(bool, ArrayRef)> {
    let mut columns: Vec<(bool, ArrayRef)> = Vec::new();
    columns.extend(numbers::<Int8Type>(|row| row as i8));
    columns.extend(numbers::<ArrowInt32>(|row| (row as i32).wrapping_mul(7_919_317)));
    columns.extend(numbers::<Int64Type>(|row| i64::MIN + (row % 5) as i64));
    columns.extend(numbers::<UInt8Type>(|row| row as u8));
    columns.extend(numbers::<UInt16Type>(|row| (row * 217) as u16));
    columns.extend(numbers::<UInt32Type>(|row| u32::MAX - row as u32));
    columns.extend(numbers::<UInt64Type>(|row| u64::MAX - row as u64));
    columns.extend(numbers::<Float64Type>(|row| row as f64 / 7.0));
    let (mut truths, mut texts, mut bytes, mut fixed) =
        (BooleanBuilder::new(), StringBuilder::new(), BinaryBuilder::new(), FixedSizeBinaryBuilder::new(3));
    for row in 0..ROWS {
        truths.append_option((row % 7 > 0).then_some(row % 3 == 0));
        texts.append_option((row % 5 > 0).then(|| "é".repeat(row % 11)));
        bytes.append_option((row % 4 > 0).then(|| vec![0xff; row % 9]));
        match row % 6 {
            0 => fixed.append_null(),
            _ => fixed.append_value([row as u8; 3]).unwrap(),
        }
    }
    columns.push((true, Arc::new(truths.finish())));
    columns.push((true, Arc::new(texts.finish())));
    columns.push((true, Arc::new(bytes.finish())));
    columns.push((true, Arc::new(fixed.finish())));
    columns.push((true, Arc::new(NullArray::new(ROWS))));
    columns
}

/// Lists of no, some and many elements, null lists and null elements.
fn lists() -> Vec<(bool, ArrayRef)> {
    let (mut floats, mut texts, mut small) = (
        ListBuilder::new(Float32Builder::new()),
        ListBuilder::new(StringBuilder::new()),
        ListBuilder::new(Int16Builder::new())
            .with_field(ArrowField::new_list_field(arrow_schema::DataType::Int16, false)),
    );
    for row in 0..ROWS {
        (0..48).for_each(|at| floats.values().append_value((row * at) as f32));
        floats.append(true);
        for at in 0..row % 4 {
            texts.values().append_option((at != 1).then(|| format!("{row} {at}")));
        }
        texts.append(row % 8 != 4);
        (0..(row * row) % 67).for_each(|at| small.values().append_value(at as i16 - 30));
        small.append(true);
    }
    vec![
        (true, Arc::new(floats.finish()) as ArrayRef),
        (true, Arc::new(texts.finish())),
        (false, Arc::new(small.finish())),
    ]
}

fn batch(columns: Vec<(bool, ArrayRef)>) -> RecordBatch {
    let names: Vec<String> = (0..columns.len()).map(|number| format!("c{number}")).collect();
    let named = names.iter().zip(columns).map(|(name, (nullable, column))| (name, column, nullable));
    RecordBatch::try_from_iter_with_nullable(named).unwrap()
}

#[test]
fn columns_of_arrow() {
    let rows = batch(values().into_iter().chain(lists()).collect());
    let properties = || WriterProperties::builder().set_data_page_size_limit(256).set_write_batch_size(16);
    for properties in [
        properties(),
        properties().set_dictionary_enabled(false).set_max_row_group_row_count(Some(77)),
        properties().set_writer_version(WriterVersion::PARQUET_2_0),
        properties().set_dictionary_page_size_limit(64).set_max_row_group_row_count(Some(1)),
    ] {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties.build())).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        same(&bytes);
    }
}

/// A file of a schema, whose columns are of `levels` and of numbers or texts that count on.
fn of_schema(schema: &str, levels: &[(&[i16], &[i16])]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (definitions, repetitions) in levels {
        let mut column = group.next_column().unwrap().unwrap();
        let levels = (Some(*definitions), Some(*repetitions).filter(|levels| !levels.is_empty()));
        if let ColumnWriter::Int32ColumnWriter(_) = column.untyped() {
            let numbers: Vec<i32> = (0..definitions.len() as i32).collect();
            column.typed::<Int32Type>().write_batch(&numbers, levels.0, levels.1).unwrap();
        } else {
            let texts: Vec<_> = (0..definitions.len()).map(|i| i.to_string().as_str().into()).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, levels.0, levels.1).unwrap();
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn layouts_of_other_writers() {
    let (outer, starts): (&[i16], &[i16]) = (&[2, 2, 0, 1, 2], &[0, 1, 0, 0, 0]);
    same(&of_schema(
        "message m {
            optional group a (LIST) { repeated int32 array; }
            optional group b (LIST) { repeated int32 item (UINT_8); }
            optional group c (LIST) { repeated group bag { required int32 array_element; } }
            optional group d (LIST) { repeated group list { required binary element (UTF8); } }
            optional group e (LIST) { repeated group item { required binary e (JSON); } }
        }",
        &[(outer, starts); 5],
    ));
    same(&of_schema(
        "message m {
            repeated int32 a;
            repeated binary b (UTF8);
            required group c (LIST) { repeated group list { required int32 element; } }
            required group d (LIST) { repeated int32 array; }
        }",
        &[(&[1, 1, 0, 1][..], &[0, 1, 0, 0][..]); 4],
    ));
    same(&of_schema(
        "message m {
            optional group a (LIST) { repeated group list { optional int32 element; } }
            optional group b (LIST) { repeated group element { optional binary element (UTF8); } }
        }",
        &[(&[3, 2, 0, 1, 3, 2][..], &[0, 1, 0, 0, 0, 1][..]); 2],
    ));
    // An enumeration is its texts; Arrow's reader has them as bytes.
    let texts = ours(&of_schema("message m { optional binary a (ENUM); }", &[(&[1, 0, 1], &[])]), 3).unwrap();
    assert_eq!(texts[0][0].as_ref(), &StringArray::from(vec![Some("0"), None, Some("1")]));
}

#[test]
fn what_no_field_takes() {
    for (column, with) in [
        ("optional int32 c (DATE)", "no field takes values of the type INT32 DATE"),
        ("optional int64 c (TIMESTAMP(NANOS,true))", "no field takes values of the type INT64 TIMESTAMP"),
        ("optional int64 c (TIMESTAMP_MICROS)", "no field takes values of the type INT64 TIMESTAMP_MICROS"),
        ("optional int96 c", "no field takes values of the type INT96"),
        ("optional int32 c (DECIMAL(9,2))", "no field takes values of the type INT32 DECIMAL"),
        (
            "optional fixed_len_byte_array(2) c (FLOAT16)",
            "no field takes values of the type FIXED_LEN_BYTE_ARRAY FLOAT16",
        ),
        ("optional group c { optional int32 a; }", "it is a group of columns"),
        (
            "optional group c (MAP) { repeated group key_value { required binary key (UTF8); optional int32 value; } }",
            "it is a group of columns",
        ),
        ("repeated group c (LIST) { repeated int32 a; }", "it is a group of columns"),
        (
            "optional group c (LIST) { repeated int32 a; repeated int32 b; }",
            "it is a list of several columns",
        ),
        ("optional group c (LIST) { optional int32 a; }", "it is a list of one element"),
        (
            "optional group c (LIST) { repeated group array { required int32 a; } }",
            "it is a list of lists or groups",
        ),
        (
            "optional group c (LIST) { repeated group c_tuple { required int32 a; } }",
            "it is a list of lists or groups",
        ),
        (
            "optional group c (LIST) { repeated group list { optional group a (LIST) { repeated int32 b; } } }",
            "it is a list of lists or groups",
        ),
        (
            "optional group c (LIST) { repeated group list { repeated int32 a; } }",
            "it is a list of lists or groups",
        ),
    ] {
        let mut bytes = Vec::new();
        let schema =
            Arc::new(parse_message_type(&format!("message m {{ {column}; }}").replace("};", "}")).unwrap());
        SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap().close().unwrap();
        let error = ours(&bytes, 1).unwrap_err();
        assert!(
            error.message().starts_with("column c: ") && error.message().contains(with),
            "{error}\n  not: {with}"
        );
    }
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type("message m { }").unwrap());
    SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap().close().unwrap();
    assert_eq!(ours(&bytes, 1).unwrap_err().message(), "it has no columns");
}

/// Texts that are none, and numbers beyond their type.
#[test]
fn values_that_lie() {
    let fails = |schema: &str, write: &dyn Fn(&mut SerializedColumnWriter), with: &str| {
        let mut bytes = Vec::new();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        write(&mut column);
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let error = ours(&bytes, 10).unwrap_err();
        assert!(error.message().starts_with("column c: ") && error.message().contains(with), "{error}");
    };
    let number = |column: &mut SerializedColumnWriter| {
        column.typed::<Int32Type>().write_batch(&[1, 300], None, None).unwrap();
    };
    fails("message m { required int32 c (INT_8); }", &number, "it has values beyond Int8");
    fails("message m { required int32 c (UINT_8); }", &number, "it has values beyond UInt8");
    // As many bytes as there are nulls in no file.
    let nulls = |column: &mut SerializedColumnWriter| {
        column.typed::<FixedLenByteArrayType>().write_batch(&[], Some(&[0, 0]), None).unwrap();
    };
    fails("message m { optional fixed_len_byte_array(2000000000) c; }", &nulls, "more than 2^31 - 1 bytes");
    let text = |column: &mut SerializedColumnWriter| {
        column
            .typed::<ByteArrayType>()
            .write_batch(&[vec![0xc3].into(), vec![0xa9].into()], None, None)
            .unwrap();
    };
    fails("message m { required binary c (UTF8); }", &text, "UTF-8");
}

/// A schema has one vector field.
fn typed_schema(vector: &str) -> Arc<Schema> {
    let fields = r#"{"name":"id","data_type":"Int64","is_primary":true},
    {"name":"n","data_type":"Int8","nullable":true},{"name":"t","data_type":"VarChar","max_length":99},
    {"name":"a","data_type":"Array","element_type":"VarChar","max_capacity":5,"max_length":9,"nullable":true}"#;
    Arc::new(Schema::from_json(&format!(r#"{{"fields":[{fields},{vector}]}}"#)).unwrap())
}

fn typed_rows(schema: &Schema) -> Vec<ArrayRef> {
    let mut arrays = ListBuilder::new(StringBuilder::new()).with_field(schema.fields()[3].element_item());
    for row in 0..ROWS {
        (0..row % 3).for_each(|at| arrays.values().append_value(at.to_string()));
        arrays.append(row % 3 > 0 || row % 2 > 0);
    }
    let floats = Arc::new(Float32Array::from_iter_values((0..ROWS * 3).map(|at| at as f32)));
    let bytes: Vec<u8> = (0..ROWS * 2).map(|at| at as u8).collect();
    let [_, (_, small)] = numbers::<Int8Type>(|row| row as i8);
    vec![
        Arc::new(Int64Array::from_iter_values(0..ROWS as i64)),
        small,
        Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| "é".repeat(row % 40)))),
        Arc::new(arrays.finish()),
        match schema.fields()[4].data_type {
            DataType::FloatVector => Arc::new(FixedSizeListArray::new(float_item(), 3, floats, None)),
            _ => Arc::new(FixedSizeBinaryArray::new(2, bytes.into(), None)),
        },
    ]
}

/// Slices of columns, and groups that end within a batch, are read as they were by Arrow's reader and by ours.
#[test]
fn what_is_written() {
    check_written(&typed_schema(r#"{"name":"v","data_type":"FloatVector","dim":3}"#));
    check_written(&typed_schema(r#"{"name":"v","data_type":"BinaryVector","dim":16}"#));
}

fn check_written(schema: &Arc<Schema>) {
    let stored: Arc<ArrowSchema> = schema.arrow().clone();
    let rows = RecordBatch::try_new(stored.clone(), typed_rows(schema)).unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(FaultDisk::new());
    let path = Path::new("/out.parquet");
    let file = TargetFile::create(&vfs, path).unwrap();
    let mut writer = Box::new(Writer::new(schema.fields().to_vec(), &stored, file).unwrap());
    for (start, length) in [(0, 1), (1, 0), (1, 100), (101, 199)] {
        writer.write(&rows.slice(start, length)).unwrap();
    }
    writer.finish().unwrap();
    let file = SourceFile::open(&vfs, path).unwrap();
    let bytes = file.part(0, file.len() as usize).unwrap();
    same(&bytes);
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    assert_eq!(metadata.num_row_groups(), 1);
    let mut reader = Reader::open(schema, file).unwrap();
    let read = reader.next().unwrap().unwrap();
    assert!(reader.next().unwrap().is_none());
    let read = crate::batch::canonical(schema, &read, |_| unreachable!()).unwrap();
    assert_eq!(read.columns(), rows.columns());
}

/// A dictionary of long texts says that every row may be long. Rows that are not come in large batches all the same, and
/// those that are in small ones.
#[test]
fn batches_behind_a_large_dictionary() {
    let schema = Arc::new(
        Schema::from_json(
            r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
            {"name":"t","data_type":"VarChar","max_length":65535},{"name":"v","data_type":"FloatVector","dim":2}]}"#,
        )
        .unwrap(),
    );
    let long = |n: i64| n.to_string().repeat(1 << 20);
    let few_are = (0..500).map(|n| if n < 3 { long(n) } else { n.to_string() }).collect();
    let all_are = (0..60).map(|n| long(n % 3)).collect();
    let cases: [(Vec<String>, &[usize]); 2] = [(few_are, &[500]), (all_are, &[21, 21, 18])];
    for (texts, batches) in cases {
        let columns: [(&str, ArrayRef); 2] = [
            ("id", Arc::new(Int64Array::from_iter_values(0..texts.len() as i64))),
            ("t", Arc::new(StringArray::from(texts.clone()))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder().set_dictionary_page_size_limit(64 << 20).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
        writer.write(&rows).unwrap();
        let mut reader = Reader::open(&schema, stored(&writer.into_inner().unwrap())).unwrap();
        let (mut found, mut sizes) = (Vec::new(), Vec::new());
        while let Some(batch) = reader.next().unwrap() {
            let texts = batch.column_by_name("t").unwrap().as_string::<i32>();
            found.extend(texts.iter().map(|text| text.unwrap().to_owned()));
            sizes.push(batch.num_rows());
        }
        assert!(found == texts);
        assert_eq!(sizes, batches);
    }
}
