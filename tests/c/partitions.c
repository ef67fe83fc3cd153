/* Upsert, partitions, the partition key, aliases, load states: every function once as it should be, and its refusals. */
#include "test.h"

static const char *const P[] = {"p"}, *const NOPE[] = {"nope"}, *const BOTH[] = {"_default", "p"};

enum writer { INSERT, UPSERT, PARTITION_INSERT, PARTITION_UPSERT };

/* Writes rows `first` to `first + count - 1` of SCHEMA with the tag `tag`; gives the keys it was told of. */
static elanus_code write_rows(const elanus_collection *collection, enum writer writer, const char *partition, int64_t first,
                              size_t count, const char *tag) {
    int64_t *ids = (int64_t *)malloc(count * sizeof *ids);
    char *tags = (char *)malloc(count * 32);
    uint64_t *offsets = (uint64_t *)malloc((count + 1) * sizeof *offsets);
    float *vectors = (float *)malloc(count * DIM * sizeof *vectors);
    elanus_result *written = NULL;
    elanus_column columns[3];
    elanus_code code;
    size_t i;
    offsets[0] = 0;
    for (i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
        offsets[i + 1] = offsets[i] + (uint64_t)sprintf(tags + offsets[i], "%s", tag);
        vector_of(ids[i], vectors + i * DIM);
    }
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, count, 0);
    columns[1] = column(ELANUS_DATA_TYPE_VARCHAR, "tag", tags, offsets, count, 0);
    columns[2] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors, NULL, count, DIM);
    switch (writer) {
    case INSERT:
        code = elanus_collection_insert(collection, columns, 3, &written, &error);
        break;
    case UPSERT:
        code = elanus_collection_upsert(collection, columns, 3, &written, &error);
        break;
    case PARTITION_INSERT:
        code = elanus_partition_insert(collection, partition, columns, 3, &written, &error);
        break;
    default:
        code = elanus_partition_upsert(collection, partition, columns, 3, &written, &error);
    }
    if (code == ELANUS_CODE_OK)
        CHECK(elanus_result_count(written) == count &&
              memcmp(elanus_result_ids_int64(written), ids, count * sizeof *ids) == 0);
    elanus_result_free(written);
    free(ids);
    free(tags);
    free(offsets);
    free(vectors);
    return code;
}

static uint64_t count_in(const elanus_collection *collection, const char *const *names, size_t name_count,
                         const char *filter) {
    uint64_t count = UINT64_MAX;
    elanus_partition_count_matching(collection, names, name_count, filter, NULL, &count, &error);
    return count;
}

static size_t found_in(const elanus_collection *collection, const char *const *names, size_t name_count) {
    elanus_search_options search = ELANUS_SEARCH_OPTIONS_INIT;
    elanus_query_options query = ELANUS_QUERY_OPTIONS_INIT;
    float vector[DIM] = {0};
    elanus_result *result;
    size_t searched, queried;
    search.topk = 1000;
    search.partition_names = query.partition_names = names;
    search.partition_name_count = query.partition_name_count = name_count;
    result = elanus_collection_search(collection, "v", vector, 1, DIM, &search, &error);
    searched = elanus_result_count(result);
    elanus_result_free(result);
    result = elanus_collection_query(collection, "id >= 0", &query, &error);
    queried = elanus_result_count(result);
    elanus_result_free(result);
    CHECK(searched == queried);
    return queried;
}

static void upserts(const elanus_database *database) {
    static const char AUTO[] = "{\"auto_id\":true,\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
                               "{\"name\":\"tag\",\"data_type\":\"VarChar\",\"max_length\":32},"
                               "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}";
    elanus_collection *collection = elanus_collection_create(database, "upserts", SCHEMA, &error);
    CHECK(write_rows(collection, INSERT, NULL, 0, 10, "old") == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(write_rows(collection, UPSERT, NULL, 5, 10, "new") == ELANUS_CODE_OK);
    CHECK(count_of(collection) == 15);
    CHECK(count_in(collection, NULL, 0, "tag == 'new'") == 10);
    CHECK(count_in(collection, NULL, 0, "tag == 'old'") == 5);
    CHECK(finds(collection, 7));
    elanus_collection_free(collection);
    collection = elanus_collection_create(database, "automatic", AUTO, &error);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "upsert can not assign primary field data", "auto id enabled id",
          write_rows(collection, UPSERT, NULL, 5, 10, "new"));
    elanus_collection_free(collection);
}

static void partitions(const elanus_database *database) {
    elanus_collection *collection = elanus_collection_create(database, "parts", SCHEMA, &error);
    elanus_load_progress progress = {7, 7};
    elanus_load_state state = ELANUS_LOAD_STATE_NOT_EXIST;
    int64_t ids[] = {0, 1, 100};
    uint64_t deleted = 0;
    bool has = true;
    CHECK(elanus_partition_has(collection, "p", &has, &error) == ELANUS_CODE_OK && !has);
    CHECK(elanus_partition_create(collection, "p", &error) == ELANUS_CODE_OK);
    CHECK(elanus_partition_create(collection, "p", &error) == ELANUS_CODE_OK);
    CHECK(elanus_partition_has(collection, "p", &has, &error) == ELANUS_CODE_OK && has);
    CHECK(says(elanus_partition_list(collection, &error), "[\"_default\",\"p\"]"));
    CHECK(write_rows(collection, INSERT, NULL, 0, 20, "x") == ELANUS_CODE_OK);
    CHECK(write_rows(collection, PARTITION_INSERT, "p", 100, 20, "x") == ELANUS_CODE_OK);
    CHECK(write_rows(collection, PARTITION_UPSERT, "p", 110, 20, "y") == ELANUS_CODE_OK);
    CHECK(count_of(collection) == 50);
    CHECK(found_in(collection, NULL, 0) == 50 && found_in(collection, P, 1) == 30 && found_in(collection, BOTH, 2) == 50);
    CHECK(count_in(collection, P, 1, "tag == 'y'") == 20);
    CHECK(elanus_partition_delete_int64(collection, "p", ids, 3, &deleted, &error) == ELANUS_CODE_OK && deleted == 1);
    CHECK(elanus_partition_delete_matching(collection, "p", "tag == {t}", "{\"t\":\"x\"}", &deleted, &error) ==
              ELANUS_CODE_OK &&
          deleted == 9);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field id holds Int64", "Utf8",
          elanus_partition_delete_varchar(collection, "p", P, 1, &deleted, &error));
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_partition_statistics(collection, "p", &error), "\"row_count\":20"));
    CHECK(says(elanus_collection_describe(collection, &error), "\"partition_name\":\"p\""));

    CHECK(elanus_collection_get_load_state(collection, P, 1, &state, &progress, &error) == ELANUS_CODE_OK);
    CHECK(state == ELANUS_LOAD_STATE_LOADED && progress.total_bytes > 0);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "partition cannot be dropped", "please release it first",
          elanus_partition_drop(collection, "p", &error));
    CHECK(elanus_partition_release(collection, P, 1, &error) == ELANUS_CODE_OK);
    CHECK(elanus_collection_get_load_state(collection, P, 1, &state, &progress, &error) == ELANUS_CODE_OK);
    CHECK(state == ELANUS_LOAD_STATE_NOT_LOAD && progress.loaded_bytes == 0);
    CHECK(elanus_collection_get_load_state(collection, NULL, 0, &state, NULL, &error) == ELANUS_CODE_OK);
    CHECK(state == ELANUS_LOAD_STATE_LOADED);
    CHECK(found_in(collection, NULL, 0) == 20);
    FAILS(ELANUS_CODE_PARTITION_NOT_LOADED, "partition not loaded", "p", count_in(collection, P, 1, "id > 0"));
    CHECK(elanus_partition_load(collection, P, 1, &error) == ELANUS_CODE_OK);
    CHECK(found_in(collection, NULL, 0) == 40);
    CHECK(elanus_partition_release(collection, P, 1, &error) == ELANUS_CODE_OK);
    CHECK(elanus_partition_drop(collection, "p", &error) == ELANUS_CODE_OK);
    CHECK(elanus_partition_drop(collection, "p", &error) == ELANUS_CODE_OK);
    CHECK(count_of(collection) == 20);

    FAILS(ELANUS_CODE_PARTITION_NOT_FOUND, "partition not found", "nope", count_in(collection, NOPE, 1, "id > 0"));
    FAILS(ELANUS_CODE_PARTITION_NOT_FOUND, "partition not found", "nope", elanus_partition_load(collection, NOPE, 1, &error));
    FAILS(ELANUS_CODE_PARTITION_NOT_FOUND, "partition not found", "nope",
          elanus_partition_statistics(collection, "nope", &error));
    FAILS(ELANUS_CODE_PARTITION_NOT_FOUND, "partition not found", "nope",
          write_rows(collection, PARTITION_INSERT, "nope", 0, 1, "x"));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "Invalid partition name: a b", "numbers, letters and underscores",
          elanus_partition_create(collection, "a b", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "default partition", "deleted",
          elanus_partition_drop(collection, "_default", &error));
    elanus_collection_free(collection);
}

static void partition_key(const elanus_database *database) {
    static const char KEYED[] = "{\"num_partitions\":4,\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
                                "{\"name\":\"tag\",\"data_type\":\"VarChar\",\"max_length\":32,\"is_partition_key\":true},"
                                "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}";
    elanus_collection *collection = elanus_collection_create(database, "keyed", KEYED, &error);
    CHECK(insert_rows(collection, 0, 100) == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(count_in(collection, NULL, 0, "tag in ['tag 5', 'tag 50', 'tag 500']") == 2);
    CHECK(says(elanus_partition_list(collection, &error), "\"_default_3\"]"));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "not support manually specifying the partition names", "partition key mode",
          count_in(collection, P, 1, "id > 0"));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "disable create partition", "partition key mode",
          elanus_partition_create(collection, "p", &error));
    elanus_collection_free(collection);
}

static void aliases(const elanus_database *database) {
    elanus_collection *collection;
    bool has = false;
    CHECK(elanus_alias_create(database, "parts", "live", &error) == ELANUS_CODE_OK);
    collection = elanus_collection_open(database, "live", &error);
    CHECK(collection != NULL && count_of(collection) == 20);
    elanus_collection_free(collection);
    CHECK(elanus_collection_has(database, "live", &has, &error) == ELANUS_CODE_OK && has);
    CHECK(elanus_alias_alter(database, "keyed", "live", &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_alias_list(database, NULL, &error), "[{\"alias\":\"live\",\"collection_name\":\"keyed\"}]"));
    CHECK(says(elanus_alias_list(database, "parts", &error), "[]"));
    FAILS(ELANUS_CODE_ALIAS_ALREADY_EXISTS, "live is alias to another collection: keyed", "alias already exist",
          elanus_alias_create(database, "parts", "live", &error));
    FAILS(ELANUS_CODE_ALIAS_NOT_FOUND, "alias not found", "[alias=other]",
          elanus_alias_alter(database, "parts", "other", &error));
    FAILS(ELANUS_CODE_ALIAS_COLLECTION_NAME_CONFLICT, "alias and collection name conflict", "parts",
          elanus_alias_create(database, "keyed", "parts", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "cannot drop the collection via alias", "live",
          elanus_collection_drop(database, "live", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "Invalid collection alias: 1", "underscore or letter",
          elanus_alias_create(database, "keyed", "1", &error));
    CHECK(elanus_collection_rename(database, "keyed", "renamed", &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_alias_list(database, "live", &error), "\"renamed\""));
    CHECK(elanus_alias_drop(database, "live", &error) == ELANUS_CODE_OK);
    CHECK(elanus_alias_drop(database, "live", &error) == ELANUS_CODE_OK);
    FAILS(ELANUS_CODE_COLLECTION_NOT_FOUND, "collection not found", "live",
          elanus_collection_open(database, "live", &error));
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, NULL, &error);
    CHECK(database != NULL);
    upserts(database);
    partitions(database);
    partition_key(database);
    aliases(database);
    elanus_database_free(database);
    /* All of it is kept. */
    database = elanus_database_open(folder, "{\"read_only\":true}", &error);
    CHECK(says(elanus_collection_list(database, &error), "[\"automatic\",\"parts\",\"renamed\",\"upserts\"]"));
    elanus_database_free(database);
    remove_folder(folder);
    return finish("partitions");
}
