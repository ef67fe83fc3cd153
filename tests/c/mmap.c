/* mmap.enabled: what is held in memory, how it is altered, what memory_limit says, and the refusals. */
#include "test.h"

static void altered(const char *folder) {
    static const char HNSW[] = "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{\"mmap.enabled\":false}}";
    elanus_database *database = elanus_database_open(folder, "{\"index_min_rows\":10}", &error);
    elanus_collection *collection = elanus_collection_create(database, "c", SCHEMA, &error);
    CHECK(insert_rows(collection, 0, 200) == ELANUS_CODE_OK);
    CHECK(elanus_index_create(collection, "v", HNSW, NULL, &error) == ELANUS_CODE_OK);
    CHECK(finds(collection, 7));
    CHECK(says(elanus_index_describe(collection, "v", &error), "\"mmap.enabled\":false"));
    CHECK(says(elanus_collection_statistics(collection, &error), "\"held_bytes\":0"));
    CHECK(elanus_index_alter(collection, "v", "{\"mmap.enabled\":\"true\"}", &error) == ELANUS_CODE_OK);
    CHECK(elanus_collection_alter_field(collection, "v", "{\"mmap.enabled\":false}", &error) == ELANUS_CODE_OK);
    CHECK(finds(collection, 7));
    CHECK(says(elanus_index_describe(collection, "v", &error), "\"mmap.enabled\":true"));
    CHECK(says(elanus_collection_describe(collection, &error), "\"mmap.enabled\":false"));
    CHECK(says(elanus_collection_statistics(collection, &error), "\"held_bytes\":6400"));
    CHECK(says(elanus_collection_statistics(collection, &error), "\"held_index_bytes\":0"));

    FAILS(ELANUS_CODE_INVALID_PARAMETER, "invalid mmap.enabled value: 7", "expected: true, false",
          elanus_index_alter(collection, "v", "{\"mmap.enabled\":7}", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "M is not", "configable index proptery",
          elanus_index_alter(collection, "v", "{\"M\":7}", &error));
    FAILS(ELANUS_CODE_INDEX_NOT_FOUND, "index not found", "nope",
          elanus_index_alter(collection, "nope", "{\"mmap.enabled\":true}", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "dim does not allow", "update in collection field param",
          elanus_collection_alter_field(collection, "v", "{\"dim\":7}", &error));
    FAILS(ELANUS_CODE_FIELD_NOT_FOUND, "field not found", "nope",
          elanus_collection_alter_field(collection, "nope", "{\"mmap.enabled\":true}", &error));
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "field", "NULL",
          elanus_collection_alter_field(collection, NULL, "{\"mmap.enabled\":true}", &error));
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "properties", "NULL", elanus_index_alter(collection, "v", NULL, &error));
    elanus_collection_free(collection);
    elanus_database_free(database);
}

/* Opened again, with less memory than the vectors take. */
static void refused(const char *folder) {
    elanus_database *database = elanus_database_open(folder, "{\"memory_limit\":6000}", &error);
    elanus_collection *collection = elanus_collection_open(database, "c", &error);
    elanus_load_state state;
    elanus_load_progress progress;
    FAILS(ELANUS_CODE_MEMORY_LIMIT, "of 200 rows needs 6400 bytes", "exceeds memory_limit 6000",
          elanus_collection_load(collection, &error));
    CHECK(elanus_collection_get_load_state(collection, NULL, 0, &state, &progress, &error) == ELANUS_CODE_OK &&
          state == ELANUS_LOAD_STATE_NOT_LOAD && progress.loaded_bytes == 0);
    elanus_collection_free(collection);
    elanus_database_free(database);
}

int main(void) {
    char *folder = new_folder();
    altered(folder);
    refused(folder);
    remove_folder(folder);
    return finish("mmap");
}
