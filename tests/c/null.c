/* NULL for every pointer of every function: an error or nothing, never a crash. */
#include "test.h"

static const char FLAT[] = "{\"index_type\":\"FLAT\",\"metric_type\":\"L2\"}";

#define MISSING(what, call) FAILS(ELANUS_CODE_MISSING_PARAMETER, what, "NULL", call)

static void handles(void) {
    int64_t id = 1;
    float query[DIM] = {0};
    uint64_t count = 5;
    bool has = true;
    elanus_index_progress progress = {1, 2, 3};
    elanus_index_state state = ELANUS_INDEX_STATE_FAILED;
    elanus_compaction_state compaction = ELANUS_COMPACTION_STATE_EXECUTING;
    elanus_compaction_progress plans = {1, 2, 3};
    elanus_load_state load = ELANUS_LOAD_STATE_LOADING;
    struct ArrowArrayStream stream;
    elanus_result *result = (elanus_result *)&id;
    MISSING("database", elanus_database_close(NULL, &error));
    MISSING("database", elanus_collection_create(NULL, "a", SCHEMA, &error));
    MISSING("database", elanus_collection_open(NULL, "a", &error));
    MISSING("database", elanus_collection_has(NULL, "a", &has, &error));
    MISSING("database", elanus_collection_list(NULL, &error));
    MISSING("database", elanus_collection_rename(NULL, "a", "b", &error));
    MISSING("database", elanus_collection_drop(NULL, "a", &error));
    MISSING("collection", elanus_collection_describe(NULL, &error));
    MISSING("collection", elanus_collection_statistics(NULL, &error));
    MISSING("collection", elanus_collection_count(NULL, &count, &error));
    MISSING("collection", elanus_collection_timestamp(NULL, &count, &error));
    MISSING("collection", elanus_collection_flush(NULL, &error));
    MISSING("database", elanus_database_refresh(NULL, &error));
    MISSING("collection", elanus_collection_compact(NULL, NULL, &error));
    MISSING("collection", elanus_collection_get_compaction_state(NULL, &compaction, &plans, NULL, &error));
    MISSING("collection", elanus_collection_load(NULL, &error));
    MISSING("collection", elanus_collection_release(NULL, &error));
    MISSING("collection", elanus_collection_insert(NULL, NULL, 0, &result, &error));
    MISSING("collection", elanus_collection_insert_arrow(NULL, NULL, NULL, &result, &error));
    MISSING("collection", elanus_collection_delete_int64(NULL, &id, 1, &count, &error));
    MISSING("collection", elanus_collection_delete_varchar(NULL, NULL, 0, &count, &error));
    MISSING("collection", elanus_collection_add_field(NULL, "{}", &error));
    MISSING("collection", elanus_collection_alter_field(NULL, "v", "{}", &error));
    MISSING("collection", elanus_index_alter(NULL, "v", "{}", &error));
    MISSING("collection", elanus_collection_query(NULL, "id > 1", NULL, &error));
    MISSING("collection", elanus_collection_count_matching(NULL, "id > 1", NULL, &count, &error));
    MISSING("collection", elanus_collection_delete_matching(NULL, "id > 1", NULL, &count, &error));
    MISSING("collection", elanus_collection_upsert(NULL, NULL, 0, &result, &error));
    MISSING("collection", elanus_collection_upsert_arrow(NULL, NULL, NULL, &result, &error));
    MISSING("collection", elanus_collection_get_load_state(NULL, NULL, 0, &load, NULL, &error));
    MISSING("collection", elanus_partition_create(NULL, "p", &error));
    MISSING("collection", elanus_partition_drop(NULL, "p", &error));
    MISSING("collection", elanus_partition_has(NULL, "p", &has, &error));
    MISSING("collection", elanus_partition_list(NULL, &error));
    MISSING("collection", elanus_partition_statistics(NULL, "p", &error));
    MISSING("collection", elanus_partition_load(NULL, NULL, 0, &error));
    MISSING("collection", elanus_partition_release(NULL, NULL, 0, &error));
    MISSING("collection", elanus_partition_insert(NULL, "p", NULL, 0, &result, &error));
    MISSING("collection", elanus_partition_upsert(NULL, "p", NULL, 0, &result, &error));
    MISSING("collection", elanus_partition_insert_arrow(NULL, "p", NULL, NULL, &result, &error));
    MISSING("collection", elanus_partition_upsert_arrow(NULL, "p", NULL, NULL, &result, &error));
    MISSING("collection", elanus_partition_delete_int64(NULL, "p", &id, 1, &count, &error));
    MISSING("collection", elanus_partition_delete_varchar(NULL, "p", NULL, 0, &count, &error));
    MISSING("collection", elanus_partition_delete_matching(NULL, "p", "id > 1", NULL, &count, &error));
    MISSING("collection", elanus_partition_count_matching(NULL, NULL, 0, "id > 1", NULL, &count, &error));
    MISSING("database", elanus_alias_create(NULL, "a", "b", &error));
    MISSING("database", elanus_alias_alter(NULL, "a", "b", &error));
    MISSING("database", elanus_alias_drop(NULL, "a", &error));
    MISSING("database", elanus_alias_list(NULL, NULL, &error));
    MISSING("collection", elanus_index_create(NULL, "v", FLAT, NULL, &error));
    MISSING("collection", elanus_index_describe(NULL, "v", &error));
    MISSING("collection", elanus_index_list(NULL, &error));
    MISSING("collection", elanus_index_drop(NULL, "v", &error));
    MISSING("collection", elanus_index_get_progress(NULL, "v", &progress, &error));
    MISSING("collection", elanus_index_get_state(NULL, "v", &state, NULL, &error));
    MISSING("collection", elanus_collection_search(NULL, "v", query, 1, DIM, NULL, &error));
    MISSING("collection", elanus_collection_search_binary(NULL, "v", (uint8_t *)query, 1, 8, NULL, &error));
    MISSING("collection", elanus_collection_import(NULL, NULL, 0, NULL, &count, &error));
    MISSING("collection", elanus_collection_import_arrow(NULL, NULL, NULL, &count, &error));
    MISSING("collection", elanus_collection_export(NULL, "a.json", NULL, &count, &error));
    MISSING("collection", elanus_collection_search_by_int64(NULL, "v", &id, 1, NULL, &error));
    MISSING("collection", elanus_collection_search_by_varchar(NULL, "v", NULL, 0, NULL, &error));
    MISSING("collection", elanus_collection_explain(NULL, "v", NULL, &error));
    MISSING("collection", elanus_search_iterator_open(NULL, "v", query, DIM, NULL, 0, 0, &error));
    MISSING("collection", elanus_search_iterator_open_binary(NULL, "v", (uint8_t *)query, 8, NULL, 0, 0, &error));
    MISSING("iterator", elanus_search_iterator_next(NULL, &error));
    MISSING("collection", elanus_query_iterator_open(NULL, "id > 1", NULL, 0, &error));
    MISSING("iterator", elanus_query_iterator_next(NULL, &error));
    MISSING("result", elanus_result_export_arrow(NULL, &stream, &error));
    /* Outputs are written only on success. */
    CHECK(has && count == 5 && progress.total_rows == 1 && state == ELANUS_INDEX_STATE_FAILED);
    CHECK(load == ELANUS_LOAD_STATE_LOADING);
    CHECK(compaction == ELANUS_COMPACTION_STATE_EXECUTING && plans.failed_plans == 3);
    CHECK(result == (elanus_result *)&id);
}

static void accessors(void) {
    CHECK(elanus_error_code(NULL) == ELANUS_CODE_OK);
    CHECK(elanus_error_message(NULL) == NULL);
    CHECK(!elanus_error_retryable(NULL));
    CHECK(elanus_result_nq(NULL) == 0);
    CHECK(elanus_result_count(NULL) == 0);
    CHECK(elanus_result_offsets(NULL) == NULL);
    CHECK(elanus_result_ids_int64(NULL) == NULL);
    CHECK(elanus_result_id_varchar(NULL, 0) == NULL);
    CHECK(elanus_result_ids(NULL) == NULL);
    CHECK(elanus_result_scores(NULL) == NULL);
    CHECK(elanus_result_column_count(NULL) == 0);
    CHECK(elanus_result_column(NULL, 0) == NULL);
    elanus_database_free(NULL);
    elanus_collection_free(NULL);
    elanus_result_free(NULL);
    elanus_search_iterator_free(NULL);
    elanus_query_iterator_free(NULL);
    elanus_error_free(NULL);
    elanus_string_free(NULL);
}

static void arguments(const elanus_database *database, const elanus_collection *collection) {
    float query[DIM] = {0};
    const char *no_path = NULL;
    elanus_index_state state;
    elanus_load_state load;
    elanus_result *result;
    MISSING("name", elanus_collection_create(database, NULL, SCHEMA, &error));
    MISSING("schema", elanus_collection_create(database, "b", NULL, &error));
    MISSING("name", elanus_collection_open(database, NULL, &error));
    MISSING("name", elanus_collection_has(database, NULL, (bool *)query, &error));
    MISSING("has", elanus_collection_has(database, "a", NULL, &error));
    MISSING("from", elanus_collection_rename(database, NULL, "b", &error));
    MISSING("to", elanus_collection_rename(database, "a", NULL, &error));
    MISSING("name", elanus_collection_drop(database, NULL, &error));
    MISSING("count", elanus_collection_count(collection, NULL, &error));
    MISSING("timestamp", elanus_collection_timestamp(collection, NULL, &error));
    MISSING("state", elanus_collection_get_compaction_state(collection, NULL, NULL, NULL, &error));
    MISSING("columns", elanus_collection_insert(collection, NULL, 2, NULL, &error));
    MISSING("array", elanus_collection_insert_arrow(collection, NULL, NULL, NULL, &error));
    MISSING("ids", elanus_collection_delete_int64(collection, NULL, 1, NULL, &error));
    MISSING("ids", elanus_collection_delete_varchar(collection, NULL, 1, NULL, &error));
    MISSING("filter", elanus_collection_count_matching(collection, NULL, NULL, (uint64_t *)query, &error));
    MISSING("count", elanus_collection_count_matching(collection, "id > 1", NULL, NULL, &error));
    MISSING("paths", elanus_collection_import(collection, NULL, 1, NULL, NULL, &error));
    MISSING("paths[0]", elanus_collection_import(collection, &no_path, 1, NULL, NULL, &error));
    MISSING("stream", elanus_collection_import_arrow(collection, NULL, NULL, NULL, &error));
    MISSING("path", elanus_collection_export(collection, NULL, NULL, NULL, &error));
    MISSING("filter", elanus_collection_delete_matching(collection, NULL, NULL, NULL, &error));
    MISSING("columns", elanus_collection_upsert(collection, NULL, 2, NULL, &error));
    MISSING("array", elanus_collection_upsert_arrow(collection, NULL, NULL, NULL, &error));
    MISSING("state", elanus_collection_get_load_state(collection, NULL, 0, NULL, NULL, &error));
    MISSING("partition_names", elanus_collection_get_load_state(collection, NULL, 1, &load, NULL, &error));
    MISSING("name", elanus_partition_create(collection, NULL, &error));
    MISSING("name", elanus_partition_drop(collection, NULL, &error));
    MISSING("name", elanus_partition_has(collection, NULL, (bool *)query, &error));
    MISSING("has", elanus_partition_has(collection, "p", NULL, &error));
    MISSING("name", elanus_partition_statistics(collection, NULL, &error));
    MISSING("names", elanus_partition_load(collection, NULL, 1, &error));
    MISSING("names", elanus_partition_release(collection, NULL, 1, &error));
    MISSING("partition", elanus_partition_insert(collection, NULL, NULL, 0, NULL, &error));
    MISSING("columns", elanus_partition_insert(collection, "_default", NULL, 2, NULL, &error));
    MISSING("partition", elanus_partition_upsert(collection, NULL, NULL, 0, NULL, &error));
    MISSING("partition", elanus_partition_insert_arrow(collection, NULL, NULL, NULL, NULL, &error));
    MISSING("array", elanus_partition_upsert_arrow(collection, "_default", NULL, NULL, NULL, &error));
    MISSING("partition", elanus_partition_delete_int64(collection, NULL, NULL, 0, NULL, &error));
    MISSING("ids", elanus_partition_delete_int64(collection, "_default", NULL, 1, NULL, &error));
    MISSING("ids", elanus_partition_delete_varchar(collection, "_default", NULL, 1, NULL, &error));
    MISSING("filter", elanus_partition_delete_matching(collection, "_default", NULL, NULL, NULL, &error));
    MISSING("count", elanus_partition_count_matching(collection, NULL, 0, "id > 1", NULL, NULL, &error));
    MISSING("names", elanus_partition_count_matching(collection, NULL, 1, "id > 1", NULL, (uint64_t *)query, &error));
    MISSING("collection", elanus_alias_create(database, NULL, "b", &error));
    MISSING("alias", elanus_alias_create(database, "a", NULL, &error));
    MISSING("alias", elanus_alias_alter(database, "a", NULL, &error));
    MISSING("alias", elanus_alias_drop(database, NULL, &error));
    MISSING("field", elanus_index_create(collection, NULL, FLAT, NULL, &error));
    MISSING("index", elanus_index_create(collection, "v", NULL, NULL, &error));
    MISSING("name", elanus_index_describe(collection, NULL, &error));
    MISSING("name", elanus_index_drop(collection, NULL, &error));
    MISSING("progress", elanus_index_get_progress(collection, "v", NULL, &error));
    MISSING("state", elanus_index_get_state(collection, "v", NULL, NULL, &error));
    MISSING("name", elanus_index_get_state(collection, NULL, &state, NULL, &error));
    MISSING("field", elanus_collection_search(collection, NULL, query, 1, DIM, NULL, &error));
    MISSING("queries", elanus_collection_search(collection, "v", NULL, 1, DIM, NULL, &error));
    MISSING("queries", elanus_collection_search_binary(collection, "v", NULL, 1, 8, NULL, &error));
    MISSING("field", elanus_collection_search_by_int64(collection, NULL, NULL, 0, NULL, &error));
    MISSING("ids", elanus_collection_search_by_int64(collection, "v", NULL, 1, NULL, &error));
    MISSING("ids", elanus_collection_search_by_varchar(collection, "v", NULL, 1, NULL, &error));
    MISSING("field", elanus_collection_explain(collection, NULL, NULL, &error));
    MISSING("field", elanus_search_iterator_open(collection, NULL, query, DIM, NULL, 0, 0, &error));
    MISSING("query", elanus_search_iterator_open(collection, "v", NULL, DIM, NULL, 0, 0, &error));
    MISSING("query", elanus_search_iterator_open_binary(collection, "v", NULL, 8, NULL, 0, 0, &error));
    CHECK(elanus_collection_delete_int64(collection, NULL, 0, NULL, &error) == ELANUS_CODE_OK);
    CHECK(elanus_collection_compact(collection, NULL, &error) == ELANUS_CODE_OK);

    /* Without an error to write to, the code or the NULL is all there is. */
    CHECK(elanus_database_open(NULL, NULL, NULL) == NULL);
    CHECK(elanus_collection_open(database, "nope", NULL) == NULL);
    CHECK(elanus_collection_drop(database, "nope", NULL) == ELANUS_CODE_COLLECTION_NOT_FOUND);
    CHECK(elanus_index_describe(collection, "nope", NULL) == NULL);

    CHECK(insert_rows(collection, 0, 3) == ELANUS_CODE_OK);
    result = elanus_collection_search(collection, "v", query, 1, DIM, NULL, &error);
    CHECK(elanus_result_count(result) == 3);
    MISSING("stream", elanus_result_export_arrow(result, NULL, &error));
    elanus_result_free(result);
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, NULL, &error);
    elanus_collection *collection = elanus_collection_create(database, "a", SCHEMA, &error);
    CHECK(collection != NULL);
    accessors();
    handles();
    arguments(database, collection);
    elanus_collection_free(collection);
    elanus_database_free(database);
    remove_folder(folder);
    return finish("null");
}
