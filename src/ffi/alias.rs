//! Alias: another name of a collection, which can be given to another collection in one step. Every function that takes
//! the name of a collection takes an alias, but for those that create, rename, drop or alias one.

use super::database::Database;
use super::error::{self, ErrorOut};
use super::input::{given, owned_text, text, text_or};
use crate::error::Code;
use safer_ffi::prelude::*;
use serde_json::{Value, json};

/// Gives a collection another name.
///
/// @param collection Its own name, not an alias.
/// @param alias      A letter or underscore, then letters, digits and underscores; at most 255 characters. One that is
///                   an alias of this collection already is fine.
/// @param error      Receives the failure; may be NULL. ELANUS_CODE_ALIAS_ALREADY_EXISTS when it is an alias of another
///                   collection, ELANUS_CODE_ALIAS_COLLECTION_NAME_CONFLICT when a collection has that name.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_alias_create(
    database: Option<&Database>,
    collection: Option<char_p::Ref<'_>>,
    alias: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let database = given(database, "database")?;
        database.0.create_alias(text(collection, "collection")?, text(alias, "alias")?)
    })
}

/// Makes an alias that exists one of another collection, in one step. Handles that were opened by it stay with the
/// collection they were opened on.
///
/// @param collection Its own name, not an alias.
/// @param error      Receives the failure; may be NULL. ELANUS_CODE_ALIAS_NOT_FOUND when there is no such alias.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_alias_alter(
    database: Option<&Database>,
    collection: Option<char_p::Ref<'_>>,
    alias: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let database = given(database, "database")?;
        database.0.alter_alias(text(collection, "collection")?, text(alias, "alias")?)
    })
}

/// Drops an alias; its collection stays. One that does not exist is fine.
///
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_alias_drop(
    database: Option<&Database>,
    alias: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || given(database, "database")?.0.drop_alias(text(alias, "alias")?))
}

/// Lists aliases, each with its collection.
///
/// @param collection The collection whose aliases are wanted; NULL or empty for those of all.
/// @param error      Receives the failure; may be NULL.
/// @return A JSON array in the order of the aliases, like `[{"alias":"prod","collection_name":"texts_2"}]`, to free with
///         elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_alias_list(
    database: Option<&Database>,
    collection: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || {
        let database = given(database, "database")?;
        let collection = text_or(collection, "collection", "")?;
        let aliases = database.0.aliases((!collection.is_empty()).then_some(collection))?;
        let object = |(alias, name): (String, String)| json!({"alias": alias, "collection_name": name});
        owned_text(aliases.into_iter().map(object).collect::<Value>())
    })
}
