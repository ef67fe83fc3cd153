//! Exchange: rows from files and to files, in the layout of Milvus' bulk import.

use super::arrow::{ArrowArrayStream, Stream};
use super::collection::Collection;
use super::error::{self, ErrorOut};
use super::index::{Callback, ProgressCallback};
use super::input::{Versioned, given, put, text, text_or, texts, versioned};
use crate::collection::{ExportOptions as Options, ImportOptions as Imports};
use crate::error::{Code, Error, Result};
use safer_ffi::prelude::*;
use std::ffi::c_void;
use std::path::Path;

/// How to import. Begin with ELANUS_IMPORT_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
#[derive_ReprC(rename = "elanus_import_options")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ImportOptions<'a> {
    /// sizeof(elanus_import_options).
    pub size: u32,
    /// 0: nothing is here yet.
    pub reserved: u32,
    /// Told how many bytes of the files were read, of how many; may be NULL. Of a stream it is told rows, of 0.
    pub progress: ProgressCallback,
    /// Handed to `progress` unchanged.
    pub user_data: *mut c_void,
    /// The partition that the rows go to, Milvus' `partition_name` of a bulk insert; NULL for the default one, or those of
    /// the partition key, beside which a name is refused.
    pub partition: Option<char_p::Ref<'a>>,
}

// SAFETY: `repr(C)`, a u32 size first; numbers take any bits, pointers are the caller's promise, NULL is valid.
unsafe impl Versioned for ImportOptions<'_> {
    const NAME: &'static str = "elanus_import_options";
    const SIZES: &'static [usize] = &[32];
}

/// What to export. Begin with ELANUS_EXPORT_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
#[derive_ReprC(rename = "elanus_export_options")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ExportOptions<'a> {
    /// sizeof(elanus_export_options).
    pub size: u32,
    /// 1 to leave out the primary keys of a collection with auto_id, for one that makes its own: Milvus takes none there.
    /// 0 to keep them; the schema beside the file then says that auto_id is false.
    pub without_keys: u32,
    /// Only rows for which it holds, as elanus_collection_query() has it; NULL or empty for all.
    pub filter: Option<char_p::Ref<'a>>,
    /// The values of the filter's templates, as JSON; NULL for none.
    pub filter_values: Option<char_p::Ref<'a>>,
    /// Told how many rows are written; may be NULL.
    pub progress: ProgressCallback,
    /// Handed to `progress` unchanged.
    pub user_data: *mut c_void,
    /// Names of the partitions whose rows are written; NULL for all. A file does not say which partition a row was in: write
    /// one for each, and import it with `partition`. Not with a partition key, which deals the rows anew.
    pub partition_names: *const Option<char_p::Ref<'a>>,
    /// How many names there are.
    pub partition_name_count: usize,
}

// SAFETY: `repr(C)`, a u32 size first; numbers take any bits, pointers are the caller's promise, NULL is valid.
unsafe impl Versioned for ExportOptions<'_> {
    const NAME: &'static str = "elanus_export_options";
    const SIZES: &'static [usize] = &[56];
}

/// Inserts the rows of files, all of them or none: no search sees one before the call has succeeded, and after an error,
/// a cancellation or a crash nothing of them is left. Rows of any number are imported in little memory.
///
/// A file's format is what its name ends in. `.parquet`: one column a field, by its name; float vectors are lists of float
/// or double, binary vectors lists of uint8, VARCHAR and JSON strings, integers of any width whose values fit; not
/// compressed, or with SNAPPY. `.jsonl` or `.ndjson`: one object a row, one key a field; vectors are arrays of numbers
/// (of bytes for binary ones), JSON is the value itself or a string that holds it. `.json`: `{"rows":[...]}` or `[...]`
/// with such objects. This is the layout of Milvus' bulk import: https://milvus.io/docs/prepare-source-data.md
///
/// A key of the object `$meta` may be the name of a field, which an insert refuses: a field that was added to a collection
/// leaves such keys to the rows that had them.
///
/// @param paths      Files. Every field of the schema is in each, but a primary key with auto_id; one that is nullable or
///                   has a default value may be left out, and so may the dynamic field.
/// @param path_count Not 0.
/// @param options    NULL for the defaults.
/// @param imported   Receives the number of rows; may be NULL.
/// @param error      Receives the failure; may be NULL. It names the file, the row, counted from 0, and the field.
///                   ELANUS_CODE_CANCELED when the progress callback said so.
///
/// Safe beside any call; searches, inserts and deletes go on meanwhile. A delete that ends before this call does not
/// concern its rows. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_import(
    collection: Option<&Collection>,
    paths: *const Option<char_p::Ref<'_>>,
    path_count: usize,
    options: *const ImportOptions<'_>,
    imported: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `path_count` texts.
        let paths = unsafe { texts(paths, path_count, "paths") }?;
        let paths: Vec<&Path> = paths.into_iter().map(Path::new).collect();
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let (options, callback) = unsafe { import_options(options) }?;
        let advance = |done, total| callback.as_ref().is_none_or(|callback| callback.advance(done, total));
        put(imported, collection.0.import(&paths, &Imports { progress: Some(&advance), ..options })?);
        Ok(())
    })
}

/// Inserts the rows of a stream of Arrow batches, all of them or none: elanus_collection_import() for batches as
/// elanus_collection_insert_arrow() takes them.
///
/// The stream is moved out of `stream`, whose `release` is NULL afterwards: on success and on failure, even that of
/// NULL for another argument.
///
/// @param stream   Of struct arrays whose children are the columns; not NULL.
/// @param options  NULL for the defaults.
/// @param imported Receives the number of rows; may be NULL.
/// @param error    Receives the failure; may be NULL. It names the row, counted from 0, and the field.
///
/// Safe beside any call, as elanus_collection_import() is; the stream is used on the caller's thread only. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_import_arrow(
    collection: Option<&Collection>,
    stream: *mut ArrowArrayStream,
    options: *const ImportOptions<'_>,
    imported: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    // First of all: from here on it is released on every way out.
    // SAFETY: the caller promises a structure of the C stream interface, or NULL.
    let stream = unsafe { Stream::take(stream) };
    error::code(error, || {
        let collection = given(collection, "collection")?;
        let stream = given(stream, "stream")?.open()?;
        let mut sources = [("stream".to_owned(), Box::new(stream) as _)];
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let (options, callback) = unsafe { import_options(options) }?;
        let advance = |done, total| callback.as_ref().is_none_or(|callback| callback.advance(done, total));
        put(
            imported,
            collection.0.import_from(&mut sources, &Imports { progress: Some(&advance), ..options })?,
        );
        Ok(())
    })
}

/// Writes the live rows of a collection to a file, and its schema to one beside it. Both go to Milvus: the schema is what
/// pymilvus' `CollectionSchema.construct_from_dict()` reads, the rows are what its bulk import takes. And both come back:
/// elanus_collection_create() takes the schema, elanus_collection_import() the rows, and the contents are identical.
///
/// It runs on the rows that were inserted when it started, oldest first, and never waits for writers. It reads them as they
/// are stored: released partitions and collections are exported too, and stay released.
///
/// @param path     A file that does not exist, in a folder that does. Its name ends in `.parquet`, `.jsonl`, `.ndjson` or
///                 `.json`, which is the format, as elanus_collection_import() has it. The schema's name ends in
///                 `.schema.json` instead, and must not exist either, but for the same schema.
/// @param options  NULL for the defaults: all rows.
/// @param exported Receives the number of rows; may be NULL.
/// @param error    Receives the failure; may be NULL. On failure, and until it is done, there is no file of either name, but
///                 perhaps, where the process died, `.partial` ones, and the schema: the next export replaces them.
///                 ELANUS_CODE_CANCELED when the progress callback said so.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_export(
    collection: Option<&Collection>,
    path: Option<char_p::Ref<'_>>,
    options: *const ExportOptions<'_>,
    exported: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, path) = (given(collection, "collection")?, Path::new(text(path, "path")?));
        let given = match options.is_null() {
            true => None,
            // SAFETY: the caller promises a structure of the size it states.
            false => unsafe { versioned(options, "options") }?,
        };
        let callback =
            given.as_ref().and_then(|o| Some(Callback { call: o.progress?, user_data: o.user_data }));
        let mut options = match &given {
            // SAFETY: the caller promises as many names as the structure says.
            Some(given) => unsafe { export_options(given) }?,
            None => Options::default(),
        };
        let advance = |done, total| callback.as_ref().is_none_or(|callback| callback.advance(done, total));
        options.progress = Some(&advance);
        put(exported, collection.0.export(path, &options)?);
        Ok(())
    })
}

/// # Safety
///
/// `options` must be NULL or point to a structure of the size it states.
unsafe fn import_options<'a>(options: *const ImportOptions<'a>) -> Result<(Imports<'a>, Option<Callback>)> {
    if options.is_null() {
        return Ok((Imports::default(), None));
    }
    // SAFETY: the same promise.
    let Some(given) = unsafe { versioned(options, "options") }? else {
        return Ok((Imports::default(), None));
    };
    if given.reserved != 0 {
        return Err(Error::invalid(format!("options.reserved {} should be 0", given.reserved)));
    }
    let partition = given.partition.map(|name| text(Some(name), "options.partition")).transpose()?;
    let callback = given.progress.map(|call| Callback { call, user_data: given.user_data });
    Ok((Imports { partition, progress: None }, callback))
}

/// # Safety
///
/// The names must be as many as `given` says, or NULL.
unsafe fn export_options<'a>(given: &ExportOptions<'a>) -> Result<Options<'a>> {
    Ok(Options {
        // SAFETY: the same promise.
        partition_names: unsafe {
            texts(given.partition_names, given.partition_name_count, "options.partition_names")
        }?,
        filter: text_or(given.filter, "options.filter", "")?,
        filter_values: text_or(given.filter_values, "options.filter_values", "")?,
        without_keys: match given.without_keys {
            0 => false,
            1 => true,
            other => return Err(Error::invalid(format!("options.without_keys {other} should be 0 or 1"))),
        },
        progress: None,
    })
}
