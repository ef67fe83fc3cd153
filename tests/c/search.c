/* What a search asks beside its queries: ranges, pages, groups, stored rows as queries; iterators; count(*); explain. */
#include "test.h"

enum { ROWS = 600, SEALED = 500 };

static const char GROUPED[] = "{\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
                              "{\"name\":\"g\",\"data_type\":\"Int32\"},"
                              "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}";
static const char HNSW[] = "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\"}";

static elanus_code insert(const elanus_collection *collection, int64_t first, size_t count) {
    int64_t *ids = (int64_t *)malloc(count * sizeof *ids);
    int32_t *groups = (int32_t *)malloc(count * sizeof *groups);
    float *vectors = (float *)malloc(count * DIM * sizeof *vectors);
    elanus_column columns[3];
    elanus_code code;
    size_t i;
    for (i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
        groups[i] = (int32_t)(ids[i] % 20);
        vector_of(ids[i], vectors + i * DIM);
    }
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, count, 0);
    columns[1] = column(ELANUS_DATA_TYPE_INT32, "g", groups, NULL, count, 0);
    columns[2] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors, NULL, count, DIM);
    code = elanus_collection_insert(collection, columns, 3, NULL, &error);
    free(ids);
    free(groups);
    free(vectors);
    return code;
}

static void ranges(const elanus_collection *collection) {
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    elanus_result *all, *some;
    float query[DIM];
    char params[128];
    size_t i;
    vector_of(-1, query);
    options.topk = ROWS;
    all = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    CHECK(elanus_result_count(all) == ROWS);
    /* From the score of hit 50, which belongs to it, to that of hit 90, which does not. */
    sprintf(params, "{\"range_filter\":%.9g,\"radius\":%.9g}", elanus_result_scores(all)[50], elanus_result_scores(all)[90]);
    options.params = params;
    some = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    CHECK(elanus_result_count(some) == 40);
    for (i = 0; i < 40 && i < elanus_result_count(some); i++)
        CHECK(elanus_result_ids_int64(some)[i] == elanus_result_ids_int64(all)[50 + i]);
    elanus_result_free(some);
    options.topk = 7;
    some = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    CHECK(elanus_result_count(some) == 7 && elanus_result_ids_int64(some)[0] == elanus_result_ids_int64(all)[50]);
    elanus_result_free(some);
    options.params = NULL;
    options.offset = 50;
    some = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    CHECK(elanus_result_count(some) == 7 && elanus_result_ids_int64(some)[6] == elanus_result_ids_int64(all)[56]);
    elanus_result_free(some);
    elanus_result_free(all);
    options.params = "{\"range_filter\":2,\"radius\":1}";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "range_filter must be less than radius for L2/HAMMING/JACCARD", "radius:1",
          elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.params = "{\"radius\":true}";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "must pass numpy type for radius", "true",
          elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.params = NULL;
    options.topk = 16000;
    options.offset = 385;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "(offset+limit) should be in range [1, 16384]", "16385",
          elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
}

static void groups(const elanus_collection *collection) {
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    const char *output = "g";
    elanus_result *result;
    float query[DIM];
    int seen[20] = {0};
    size_t i;
    vector_of(-2, query);
    options.topk = 50;
    options.group_by_field = "g";
    options.output_fields = &output;
    options.output_field_count = 1;
    result = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    CHECK(elanus_result_count(result) == 20);
    for (i = 0; i < elanus_result_count(result); i++)
        CHECK(!seen[((const int32_t *)elanus_result_column(result, 0)->data)[i]]++);
    elanus_result_free(result);
    options.group_by_field = "v";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "unsupported data type FloatVector for group by operator", "v",
          elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.group_by_field = "nope";
    FAILS(ELANUS_CODE_FIELD_NOT_FOUND, "nope", "not exist",
          elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
}

static void stored_rows(const elanus_collection *collection) {
    const int64_t ids[3] = {7, 550, 7}, missing[2] = {7, 1234567};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    const char *texts[1] = {"7"};
    elanus_result *result;
    options.topk = 1;
    result = elanus_collection_search_by_int64(collection, "v", ids, 3, &options, &error);
    CHECK(elanus_result_nq(result) == 3 && elanus_result_count(result) == 3);
    CHECK(memcmp(elanus_result_ids_int64(result), ids, sizeof ids) == 0 && elanus_result_scores(result)[1] == 0);
    elanus_result_free(result);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "some of the provided primary key IDs do not exist", "[1234567]",
          elanus_collection_search_by_int64(collection, "v", missing, 2, &options, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "", "",
          elanus_collection_search_by_varchar(collection, "v", texts, 1, &options, &error));
}

/* A query for keys, without its scan: in the order of the keys, each once. */
static void rows_of_keys(const elanus_collection *collection) {
    const int64_t ids[5] = {550, 7, 1234567, 7, 41}, found[3] = {7, 41, 550};
    elanus_query_options options = ELANUS_QUERY_OPTIONS_INIT;
    const char *output = "g";
    const char *texts[1] = {"7"};
    elanus_result *result;
    size_t i;
    options.output_fields = &output;
    options.output_field_count = 1;
    result = elanus_collection_get_int64(collection, ids, 5, &options, &error);
    CHECK(elanus_result_count(result) == 3 && elanus_result_scores(result) == NULL);
    CHECK(memcmp(elanus_result_ids_int64(result), found, sizeof found) == 0);
    for (i = 0; i < 3; i++)
        CHECK(((const int32_t *)elanus_result_column(result, 0)->data)[i] == found[i] % 20);
    elanus_result_free(result);
    options.limit = 1;
    options.offset = 1;
    result = elanus_collection_get_int64(collection, ids, 5, &options, &error);
    CHECK(elanus_result_count(result) == 1 && elanus_result_ids_int64(result)[0] == 41);
    elanus_result_free(result);
    result = elanus_collection_get_int64(collection, NULL, 0, NULL, &error);
    CHECK(result != NULL && elanus_result_count(result) == 0);
    elanus_result_free(result);
    output = "nope";
    FAILS(ELANUS_CODE_FIELD_NOT_FOUND, "nope", "not exist",
          elanus_collection_get_int64(collection, ids, 5, &options, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "", "", elanus_collection_get_varchar(collection, texts, 1, NULL, &error));
}

static void counts(const elanus_collection *collection) {
    elanus_query_options options = ELANUS_QUERY_OPTIONS_INIT;
    const char *output = "count(*)";
    elanus_result *result;
    options.output_fields = &output;
    options.output_field_count = 1;
    result = elanus_collection_query(collection, "g == 3", &options, &error);
    CHECK(elanus_result_count(result) == 1 && elanus_result_ids_int64(result) == NULL);
    CHECK(elanus_result_column_count(result) == 1 && strcmp(elanus_result_column(result, 0)->name, "count(*)") == 0);
    CHECK(elanus_result_column(result, 0)->data_type == ELANUS_DATA_TYPE_INT64);
    CHECK(*(const int64_t *)elanus_result_column(result, 0)->data == ROWS / 20);
    elanus_result_free(result);
    result = elanus_collection_query(collection, NULL, &options, &error);
    CHECK(*(const int64_t *)elanus_result_column(result, 0)->data == ROWS);
    elanus_result_free(result);
    options.limit = 5;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "count entities with pagination is not allowed", "count",
          elanus_collection_query(collection, "g == 3", &options, &error));
}

/* The keys of all batches, and how many they are. */
static size_t pass(const elanus_search_iterator *iterator, int64_t *keys) {
    size_t count = 0, batch;
    do {
        elanus_result *result = elanus_search_iterator_next(iterator, &error);
        CHECK(result != NULL);
        batch = elanus_result_count(result);
        if (batch > 0)
            memcpy(keys + count, elanus_result_ids_int64(result), batch * sizeof *keys);
        count += batch;
        elanus_result_free(result);
    } while (batch > 0);
    return count;
}

static void iterators(const elanus_collection *collection) {
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    elanus_query_options of_rows = ELANUS_QUERY_OPTIONS_INIT;
    static int64_t keys[2 * ROWS], again[2 * ROWS];
    static char seen[ROWS];
    elanus_search_iterator *hits, *limited;
    elanus_query_iterator *rows;
    elanus_result *result;
    float query[DIM];
    uint64_t deleted = 0;
    size_t i;
    vector_of(-3, query);
    hits = elanus_search_iterator_open(collection, "v", query, DIM, NULL, 64, 0, &error);
    limited = elanus_search_iterator_open(collection, "v", query, DIM, &options, 0, 33, &error);
    rows = elanus_query_iterator_open(collection, NULL, NULL, 100, &error);
    CHECK(hits != NULL && limited != NULL && rows != NULL);
    /* What is written after they were opened changes nothing. */
    CHECK(elanus_collection_delete_matching(collection, "id >= 300", NULL, &deleted, &error) == ELANUS_CODE_OK);
    CHECK(insert(collection, 5000, 10) == ELANUS_CODE_OK);
    CHECK(pass(hits, keys) == ROWS);
    for (i = 0; i < ROWS; i++)
        CHECK(keys[i] >= 0 && keys[i] < ROWS && !seen[keys[i]]++);
    CHECK(pass(limited, again) == 33 && again[0] == keys[0]);
    for (i = 0; i < ROWS / 100; i++) {
        result = elanus_query_iterator_next(rows, &error);
        CHECK(elanus_result_count(result) == 100 && elanus_result_ids_int64(result)[5] == (int64_t)(100 * i + 5));
        elanus_result_free(result);
    }
    result = elanus_query_iterator_next(rows, &error);
    CHECK(elanus_result_count(result) == 0);
    elanus_result_free(result);
    elanus_search_iterator_free(hits);
    elanus_search_iterator_free(limited);
    elanus_query_iterator_free(rows);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "batch size [16385]", "[1, 16384]",
          elanus_search_iterator_open(collection, "v", query, DIM, NULL, 16385, 0, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "batch size [16385]", "[1, 16384]",
          elanus_query_iterator_open(collection, NULL, &of_rows, 16385, &error));
    options.group_by_field = "g";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "Not allowed to do groupBy when doing iteration", "",
          elanus_search_iterator_open(collection, "v", query, DIM, &options, 0, 0, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "multiple of 8", "9",
          elanus_search_iterator_open_binary(collection, "v", (const uint8_t *)query, 9, NULL, 0, 0, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field v holds", "the queries are others",
          elanus_search_iterator_open_binary(collection, "v", (const uint8_t *)query, 64, NULL, 0, 0, &error));
}

static void explanations(const elanus_collection *collection) {
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    options.filter = "g==3 and id>{least}";
    options.filter_values = "{\"least\":10}";
    CHECK(says(elanus_collection_explain(collection, "v", &options, &error), "\"filter\":\"g == 3 and id > 10\""));
    CHECK(says(elanus_collection_explain(collection, "v", &options, &error), "\"choice\":\"exact\""));
    CHECK(says(elanus_collection_explain(collection, "v", NULL, &error), "\"index_type\":\"HNSW\""));
    options.filter = "g ==";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "cannot parse expression", "g ==",
          elanus_collection_explain(collection, "v", &options, &error));
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, NULL, &error);
    elanus_collection *collection = elanus_collection_create(database, "s", GROUPED, &error);
    CHECK(insert(collection, 0, SEALED) == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(insert(collection, SEALED, ROWS - SEALED) == ELANUS_CODE_OK);
    ranges(collection);
    groups(collection);
    CHECK(elanus_index_create(collection, "v", HNSW, NULL, &error) == ELANUS_CODE_OK);
    ranges(collection);
    groups(collection);
    stored_rows(collection);
    rows_of_keys(collection);
    counts(collection);
    explanations(collection);
    iterators(collection);
    elanus_collection_free(collection);
    elanus_database_free(database);
    remove_folder(folder);
    return finish("search");
}
