/* The whole life of a database: open, create, insert, flush, index, search, delete, close, reopen, drop. */
#include "test.h"

static int ticks;

static bool advance(void *user_data, uint64_t done, uint64_t total) {
    ticks++;
    *(int *)user_data += done <= total;
    return true;
}

static bool cancel(void *user_data, uint64_t done, uint64_t total) {
    (void)user_data, (void)done, (void)total;
    return false;
}

static void library(void) {
    CHECK(strcmp(elanus_version(), ELANUS_VERSION) == 0);
    CHECK(elanus_abi_version() == ELANUS_ABI_VERSION);
    CHECK(ELANUS_VERSION_NUMBER >= 1000);
    CHECK(says(elanus_build_info(&error), "\"gpu\":{\"available\":false,\"reason\":"));
    CHECK(says(elanus_build_info(&error), "\"version\":\"" ELANUS_VERSION "\""));
    CHECK(says(elanus_build_info(&error), "\"simd\":"));
}

static void search_with_columns(const elanus_collection *collection) {
    static const char *const fields[] = {"tag", "v"};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    float queries[2 * DIM];
    elanus_result *result;
    const elanus_column *tag, *v, *ids;
    size_t hit;
    options.topk = 5;
    options.output_fields = fields;
    options.output_field_count = 2;
    vector_of(7, queries);
    vector_of(1500, queries + DIM);
    result = elanus_collection_search(collection, "v", queries, 2, DIM, &options, &error);
    CHECK(result != NULL);
    CHECK(elanus_result_nq(result) == 2);
    CHECK(elanus_result_count(result) == 10);
    CHECK(elanus_result_offsets(result)[0] == 0 && elanus_result_offsets(result)[1] == 5);
    CHECK(elanus_result_offsets(result)[2] == 10);
    CHECK(elanus_result_ids_int64(result)[0] == 7 && elanus_result_ids_int64(result)[5] == 1500);
    CHECK(elanus_result_scores(result)[0] == 0.0f);
    for (hit = 1; hit < 5; hit++)
        CHECK(elanus_result_scores(result)[hit - 1] <= elanus_result_scores(result)[hit]);
    CHECK(elanus_result_id_varchar(result, 0) == NULL);
    ids = elanus_result_ids(result);
    CHECK(ids != NULL && ids->data_type == ELANUS_DATA_TYPE_INT64 && ids->count == 10);
    CHECK(ids->data == (const void *)elanus_result_ids_int64(result));

    CHECK(elanus_result_column_count(result) == 2);
    tag = elanus_result_column(result, 0);
    v = elanus_result_column(result, 1);
    CHECK(elanus_result_column(result, 2) == NULL);
    CHECK(tag != NULL && strcmp(tag->name, "tag") == 0 && tag->data_type == ELANUS_DATA_TYPE_VARCHAR);
    CHECK(tag->count == 10 && tag->size == sizeof *tag && tag->dim == 0);
    CHECK(tag->offsets[0] == 0 && tag->offsets[1] == 5 && memcmp(tag->data, "tag 7", 5) == 0);
    CHECK(v != NULL && strcmp(v->name, "v") == 0 && v->data_type == ELANUS_DATA_TYPE_FLOAT_VECTOR && v->dim == DIM);
    CHECK(memcmp(v->data, queries, DIM * sizeof(float)) == 0);
    CHECK(v->offsets == NULL);
    elanus_result_free(result);

    options.round_decimal = 1;
    options.metric_type = "L2";
    options.timeout_ms = 60000;
    result = elanus_collection_search(collection, "v", queries, 2, DIM, &options, &error);
    CHECK(result != NULL);
    for (hit = 0; result != NULL && hit < 10; hit++) {
        float tenfold = elanus_result_scores(result)[hit] * 10.0f;
        CHECK(tenfold - (float)(int)(tenfold + 0.5f) < 1e-4f && (float)(int)(tenfold + 0.5f) - tenfold < 1e-4f);
    }
    elanus_result_free(result);
}

static void build(const elanus_collection *collection, const char *index, int64_t wanted) {
    elanus_index_options options = ELANUS_INDEX_OPTIONS_INIT;
    elanus_index_state state = ELANUS_INDEX_STATE_NONE;
    elanus_index_progress progress;
    char *reason = (char *)1;
    int in_order = 0;
    ticks = 0;
    options.progress = advance;
    options.user_data = &in_order;
    options.name = "by_v";
    CHECK(elanus_index_create(collection, "v", index, &options, &error) == ELANUS_CODE_OK);
    CHECK(ticks == in_order);
    CHECK(elanus_index_get_state(collection, "by_v", &state, &reason, &error) == ELANUS_CODE_OK);
    CHECK(state == ELANUS_INDEX_STATE_FINISHED && reason == NULL);
    CHECK(elanus_index_get_progress(collection, "by_v", &progress, &error) == ELANUS_CODE_OK);
    CHECK(progress.total_rows == 2000 && progress.indexed_rows == 2000 && progress.pending_index_rows == 0);
    CHECK(says(elanus_index_list(collection, &error), "[\"by_v\"]"));
    CHECK(says(elanus_index_describe(collection, "by_v", &error), "\"field_name\":\"v\""));
    CHECK(finds(collection, wanted));
}

static void indexes(const elanus_collection *collection) {
    elanus_index_options options = ELANUS_INDEX_OPTIONS_INIT;
    elanus_index_state state = ELANUS_INDEX_STATE_FAILED;
    build(collection, "{\"index_type\":\"FLAT\",\"metric_type\":\"L2\"}", 1);
    build(collection, "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"L2\",\"params\":{\"nlist\":16}}", 2);
    build(collection, "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{\"M\":8,\"efConstruction\":64}}", 3);
    CHECK(ticks > 0);
    CHECK(says(elanus_index_describe(collection, "by_v", &error), "\"index_type\":\"HNSW\""));

    options.on_conflict = ELANUS_ON_CONFLICT_ERROR;
    FAILS(ELANUS_CODE_INDEX_DUPLICATE, "at most one distinct index", "",
          elanus_index_create(collection, "v", "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"L2\"}", &options, &error));
    CHECK(says(elanus_index_describe(collection, "by_v", &error), "\"index_type\":\"HNSW\""));

    CHECK(elanus_index_drop(collection, "by_v", &error) == ELANUS_CODE_OK);
    CHECK(elanus_index_drop(collection, "by_v", &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_index_list(collection, &error), "[]"));
    FAILS(ELANUS_CODE_INDEX_NOT_FOUND, "by_v", "",
          elanus_index_get_state(collection, "by_v", &state, NULL, &error));
    CHECK(state == ELANUS_INDEX_STATE_FAILED);
    CHECK(finds(collection, 4));

    options = (elanus_index_options)ELANUS_INDEX_OPTIONS_INIT;
    options.progress = cancel;
    FAILS(ELANUS_CODE_CANCELED, "", "",
          elanus_index_create(collection, "v", "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{}}", &options,
                              &error));
    CHECK(finds(collection, 5));

    options = (elanus_index_options)ELANUS_INDEX_OPTIONS_INIT;
    options.no_wait = 1;
    CHECK(elanus_index_create(collection, "v", "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"L2\"}", &options,
                              &error) == ELANUS_CODE_OK);
    do {
        usleep(10000);
        if (elanus_index_get_state(collection, "v", &state, NULL, &error) != ELANUS_CODE_OK)
            break;
    } while (state == ELANUS_INDEX_STATE_UNISSUED || state == ELANUS_INDEX_STATE_IN_PROGRESS);
    CHECK(state == ELANUS_INDEX_STATE_FINISHED);
    CHECK(finds(collection, 6));
}

static void all_types(const elanus_database *database) {
    static const char schema[] =
        "{\"auto_id\":true,\"fields\":[{\"name\":\"key\",\"data_type\":\"Int64\",\"is_primary\":true},"
        "{\"name\":\"b\",\"data_type\":\"Bool\"},{\"name\":\"i1\",\"data_type\":\"Int8\"},"
        "{\"name\":\"i2\",\"data_type\":\"Int16\"},{\"name\":\"i4\",\"data_type\":\"Int32\"},"
        "{\"name\":\"i8\",\"data_type\":\"Int64\"},{\"name\":\"f4\",\"data_type\":\"Float\"},"
        "{\"name\":\"f8\",\"data_type\":\"Double\"},{\"name\":\"s\",\"data_type\":\"VarChar\",\"max_length\":9},"
        "{\"name\":\"j\",\"data_type\":\"JSON\"},{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":2}]}";
    static const char *const everything[] = {"*"};
    const uint8_t b[] = {1, 0};
    const int8_t i1[] = {-8, 8};
    const int16_t i2[] = {-16, 16};
    const int32_t i4[] = {-32, 32};
    const int64_t i8[] = {-64, 64};
    const float f4[] = {0.5f, -0.5f};
    const double f8[] = {0.25, -0.25};
    const uint64_t s_at[] = {0, 0, 5}, j_at[] = {0, 7, 9};
    const float v[] = {1, 2, 3, 4};
    const float query[] = {3, 4};
    elanus_column columns[10];
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    elanus_result *inserted = NULL, *result;
    elanus_collection *collection = elanus_collection_create(database, "types", schema, &error);
    size_t i;
    CHECK(collection != NULL);
    columns[0] = column(ELANUS_DATA_TYPE_BOOL, "b", b, NULL, 2, 0);
    columns[1] = column(ELANUS_DATA_TYPE_INT8, "i1", i1, NULL, 2, 0);
    columns[2] = column(ELANUS_DATA_TYPE_INT16, "i2", i2, NULL, 2, 0);
    columns[3] = column(ELANUS_DATA_TYPE_INT32, "i4", i4, NULL, 2, 0);
    columns[4] = column(ELANUS_DATA_TYPE_INT64, "i8", i8, NULL, 2, 0);
    columns[5] = column(ELANUS_DATA_TYPE_FLOAT, "f4", f4, NULL, 2, 0);
    columns[6] = column(ELANUS_DATA_TYPE_DOUBLE, "f8", f8, NULL, 2, 0);
    columns[7] = column(ELANUS_DATA_TYPE_VARCHAR, "s", "h\xc3\xa9hh", s_at, 2, 0);
    columns[8] = column(ELANUS_DATA_TYPE_JSON, "j", "{\"a\":1}[]", j_at, 2, 0);
    columns[9] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", v, NULL, 2, 2);
    CHECK(elanus_collection_insert(collection, columns, 10, &inserted, &error) == ELANUS_CODE_OK);
    CHECK(elanus_result_count(inserted) == 2 && elanus_result_nq(inserted) == 1);
    CHECK(elanus_result_ids_int64(inserted) != NULL &&
          elanus_result_ids_int64(inserted)[0] != elanus_result_ids_int64(inserted)[1]);
    CHECK(elanus_result_scores(inserted) == NULL && elanus_result_column_count(inserted) == 0);

    options.output_fields = everything;
    options.output_field_count = 1;
    result = elanus_collection_search(collection, "v", query, 1, 2, &options, &error);
    CHECK(elanus_result_count(result) == 2);
    CHECK(elanus_result_ids_int64(result)[0] == elanus_result_ids_int64(inserted)[1]);
    CHECK(elanus_result_column_count(result) >= 10);
    for (i = 0; i < elanus_result_column_count(result); i++) {
        const elanus_column *c = elanus_result_column(result, i);
        const char *name = c->name;
        CHECK(c->count == 2);
        if (strcmp(name, "b") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_BOOL && memcmp(c->data, "\0\1", 2) == 0);
        else if (strcmp(name, "i1") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_INT8 && ((const int8_t *)c->data)[1] == -8);
        else if (strcmp(name, "i2") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_INT16 && ((const int16_t *)c->data)[1] == -16);
        else if (strcmp(name, "i4") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_INT32 && ((const int32_t *)c->data)[1] == -32);
        else if (strcmp(name, "i8") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_INT64 && ((const int64_t *)c->data)[1] == -64);
        else if (strcmp(name, "f4") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_FLOAT && ((const float *)c->data)[1] == 0.5f);
        else if (strcmp(name, "f8") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_DOUBLE && ((const double *)c->data)[1] == 0.25);
        else if (strcmp(name, "s") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_VARCHAR && c->offsets[1] == 5 && c->offsets[2] == 5 &&
                  memcmp(c->data, "h\xc3\xa9hh", 5) == 0);
        else if (strcmp(name, "j") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_JSON && memcmp(c->data, "[]{\"a\":1}", 9) == 0);
        else if (strcmp(name, "v") == 0)
            CHECK(c->data_type == ELANUS_DATA_TYPE_FLOAT_VECTOR && ((const float *)c->data)[0] == 3.0f);
        else
            CHECK(strcmp(name, "key") == 0);
    }
    elanus_result_free(result);
    elanus_result_free(inserted);
    elanus_collection_free(collection);
    CHECK(elanus_collection_drop(database, "types", &error) == ELANUS_CODE_OK);
}

static void text_keys(const elanus_database *database) {
    static const char schema[] = "{\"fields\":[{\"name\":\"key\",\"data_type\":\"VarChar\",\"max_length\":20,"
                                 "\"is_primary\":true},{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":2}]}";
    static const char *const gone[] = {"two", "absent"};
    const uint64_t at[] = {0, 3, 6, 11};
    const float v[] = {1, 0, 2, 0, 3, 0};
    elanus_column columns[2];
    elanus_result *inserted = NULL, *result;
    uint64_t deleted = 99;
    elanus_collection *collection = elanus_collection_create(database, "texts", schema, &error);
    columns[0] = column(ELANUS_DATA_TYPE_VARCHAR, "key", "onetwothree", at, 3, 0);
    columns[1] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", v, NULL, 3, 2);
    CHECK(elanus_collection_insert(collection, columns, 2, &inserted, &error) == ELANUS_CODE_OK);
    CHECK(elanus_result_ids_int64(inserted) == NULL);
    CHECK(strcmp(elanus_result_id_varchar(inserted, 2), "three") == 0);
    CHECK(elanus_result_id_varchar(inserted, 3) == NULL);
    elanus_result_free(inserted);
    CHECK(elanus_collection_delete_varchar(collection, gone, 2, &deleted, &error) == ELANUS_CODE_OK);
    CHECK(deleted == 1);
    result = elanus_collection_search(collection, "v", v + 2, 1, 2, NULL, &error);
    CHECK(elanus_result_count(result) == 2);
    CHECK(elanus_result_ids(result)->data_type == ELANUS_DATA_TYPE_VARCHAR);
    elanus_result_free(result);
    elanus_collection_free(collection);
    CHECK(elanus_collection_drop(database, "texts", &error) == ELANUS_CODE_OK);
}

static void deletes(const elanus_collection *collection) {
    const int64_t ids[] = {7, 8, 7, 100000};
    uint64_t deleted = 0;
    CHECK(elanus_collection_delete_int64(collection, ids, 4, &deleted, &error) == ELANUS_CODE_OK);
    CHECK(deleted == 2 && count_of(collection) == 1998);
    CHECK(elanus_collection_delete_int64(collection, ids, 4, &deleted, &error) == ELANUS_CODE_OK);
    CHECK(deleted == 0);
    CHECK(!finds(collection, 7) && finds(collection, 9));
}

static elanus_compaction_progress plans_of(const elanus_collection *collection, elanus_compaction_state wanted) {
    elanus_compaction_state state = ELANUS_COMPACTION_STATE_UNDEFINED;
    elanus_compaction_progress progress = {9, 9, 9};
    char *reason = (char *)1;
    CHECK(elanus_collection_get_compaction_state(collection, &state, &progress, &reason, &error) == ELANUS_CODE_OK);
    CHECK(state == wanted && reason == NULL);
    CHECK(elanus_collection_get_compaction_state(collection, &state, NULL, NULL, &error) == ELANUS_CODE_OK);
    return progress;
}

/* The files of an index and of segments: fewer after a compaction. */
static void compaction(const elanus_collection *collection) {
    elanus_compact_options options = ELANUS_COMPACT_OPTIONS_INIT;
    elanus_compaction_state state = ELANUS_COMPACTION_STATE_EXECUTING;
    elanus_compaction_progress plans = plans_of(collection, ELANUS_COMPACTION_STATE_COMPLETED);
    const uint64_t before = plans.completed_plans;
    int in_order = 0;
    CHECK(plans.executing_plans == 0 && plans.failed_plans == 0);
    CHECK(says(elanus_collection_statistics(collection, &error), "\"sealed_segments\":2"));
    CHECK(says(elanus_collection_statistics(collection, &error), "\"deleted_rows\":2"));
    options.progress = cancel;
    FAILS(ELANUS_CODE_CANCELED, "the compaction was canceled", "",
          elanus_collection_compact(collection, &options, &error));
    CHECK(plans_of(collection, ELANUS_COMPACTION_STATE_COMPLETED).completed_plans == before);
    CHECK(says(elanus_collection_statistics(collection, &error), "\"sealed_segments\":2"));

    ticks = 0;
    options.progress = advance;
    options.user_data = &in_order;
    CHECK(elanus_collection_compact(collection, &options, &error) == ELANUS_CODE_OK);
    CHECK(ticks > 0 && ticks == in_order);
    plans = plans_of(collection, ELANUS_COMPACTION_STATE_COMPLETED);
    CHECK(plans.executing_plans == 0 && plans.completed_plans == before + 1 && plans.failed_plans == 0);
    CHECK(says(elanus_collection_statistics(collection, &error), "\"sealed_segments\":1"));
    CHECK(says(elanus_collection_statistics(collection, &error), "\"deleted_rows\":0"));
    CHECK(says(elanus_collection_describe(collection, &error), "\"segments_merged\":2"));
    CHECK(finds(collection, 6) && !finds(collection, 7) && finds(collection, 1999));
    CHECK(count_of(collection) == 1998);

    CHECK(insert_rows(collection, 5000, 10) == ELANUS_CODE_OK);
    options = (elanus_compact_options)ELANUS_COMPACT_OPTIONS_INIT;
    options.no_wait = 1;
    CHECK(elanus_collection_compact(collection, &options, &error) == ELANUS_CODE_OK);
    do {
        usleep(10000);
        if (elanus_collection_get_compaction_state(collection, &state, NULL, NULL, &error) != ELANUS_CODE_OK)
            break;
    } while (state == ELANUS_COMPACTION_STATE_EXECUTING);
    CHECK(state == ELANUS_COMPACTION_STATE_COMPLETED);
    CHECK(says(elanus_collection_statistics(collection, &error), "\"sealed_segments\":1"));
    CHECK(finds(collection, 5009) && count_of(collection) == 2008);
}

/* A second handle in this process reads along, as another process would. */
static void refresh(const elanus_database *database, const elanus_collection *collection, const char *folder) {
    int64_t ids[10];
    int i;
    elanus_database *reader = elanus_database_open(folder, "{\"read_only\":true}", &error);
    elanus_collection *read = elanus_collection_open(reader, "rows", &error), *more;
    /* This one does so by itself. */
    elanus_database *follower = elanus_database_open(folder, "{\"read_only\":true,\"refresh_ms\":5}", &error);
    elanus_collection *follows = elanus_collection_open(follower, "rows", &error);
    elanus_collection *made = elanus_collection_create(database, "more", SCHEMA, &error);
    CHECK(read != NULL && made != NULL && follows != NULL);
    for (i = 0; i < 10; i++)
        ids[i] = 5000 + i;
    CHECK(elanus_collection_delete_int64(collection, ids, 10, NULL, &error) == ELANUS_CODE_OK);
    CHECK(elanus_collection_compact(collection, NULL, &error) == ELANUS_CODE_OK);
    CHECK(count_of(read) == 2008);
    for (i = 0; i < 1000 && count_of(follows) != 1998; i++)
        usleep(10000);
    CHECK(count_of(follows) == 1998 && !finds(follows, 5000));
    elanus_collection_free(follows);
    elanus_database_free(follower);
    FAILS(ELANUS_CODE_COLLECTION_NOT_FOUND, "more", "", elanus_collection_open(reader, "more", &error));
    CHECK(elanus_database_refresh(reader, &error) == ELANUS_CODE_OK);
    CHECK(count_of(read) == 1998 && finds(read, 1999) && !finds(read, 5000));
    more = elanus_collection_open(reader, "more", &error);
    CHECK(more != NULL && count_of(more) == 0);
    CHECK(elanus_collection_drop(database, "more", &error) == ELANUS_CODE_OK);
    CHECK(elanus_database_refresh(reader, &error) == ELANUS_CODE_OK);
    FAILS(ELANUS_CODE_CLOSED, "more", "", count_of(more));
    FAILS(ELANUS_CODE_READ_ONLY, "", "", elanus_collection_compact(read, NULL, &error));
    CHECK(elanus_database_refresh(database, &error) == ELANUS_CODE_OK);
    elanus_collection_free(more);
    elanus_collection_free(made);
    elanus_collection_free(read);
    elanus_database_free(reader);
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, "{\"index_min_rows\":100,\"build_idle_ms\":0}", &error);
    elanus_collection *collection;
    bool has = true;
    library();
    CHECK(database != NULL);
    CHECK(elanus_collection_has(database, "rows", &has, &error) == ELANUS_CODE_OK && !has);
    collection = elanus_collection_create(database, "rows", SCHEMA, &error);
    CHECK(collection != NULL);
    CHECK(elanus_collection_has(database, "rows", &has, &error) == ELANUS_CODE_OK && has);
    CHECK(says(elanus_collection_describe(collection, &error), "\"fields\":"));
    CHECK(count_of(collection) == 0);

    CHECK(insert_rows(collection, 0, 1000) == ELANUS_CODE_OK);
    CHECK(finds(collection, 999));
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(insert_rows(collection, 1000, 1000) == ELANUS_CODE_OK);
    CHECK(finds(collection, 999) && finds(collection, 1999));
    search_with_columns(collection);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    search_with_columns(collection);
    indexes(collection);
    deletes(collection);
    compaction(collection);
    refresh(database, collection, folder);
    all_types(database);
    text_keys(database);
    CHECK(says(elanus_collection_statistics(collection, &error), "1998"));

    CHECK(elanus_collection_release(collection, &error) == ELANUS_CODE_OK);
    FAILS(ELANUS_CODE_COLLECTION_NOT_LOADED, "rows", "", finds(collection, 1));
    CHECK(elanus_collection_load(collection, &error) == ELANUS_CODE_OK);
    CHECK(finds(collection, 1));

    CHECK(elanus_collection_rename(database, "rows", "lines", &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_collection_list(database, &error), "[\"lines\"]"));
    CHECK(finds(collection, 1));
    elanus_collection_free(collection);
    elanus_database_free(database);

    database = elanus_database_open(folder, NULL, &error);
    CHECK(database != NULL);
    collection = elanus_collection_open(database, "lines", &error);
    CHECK(collection != NULL);
    CHECK(count_of(collection) == 1998);
    CHECK(finds(collection, 0) && !finds(collection, 8) && finds(collection, 1999));
    elanus_collection_free(collection);
    CHECK(elanus_collection_drop(database, "lines", &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_collection_list(database, &error), "[]"));
    elanus_database_free(database);
    remove_folder(folder);
    return finish("life");
}
