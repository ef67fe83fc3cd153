/* Filters: search, query, count and delete by expression, over flat and indexed rows, sealed and growing, with and
 * without indexes of the scalar fields. */
#include "test.h"

enum { ROWS = 1500, SEALED = 1200 };

static const char MIXED[] = "{\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
                            "{\"name\":\"age\",\"data_type\":\"Int32\"},"
                            "{\"name\":\"tag\",\"data_type\":\"VarChar\",\"max_length\":32},"
                            "{\"name\":\"more\",\"data_type\":\"JSON\"},"
                            "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}";

static int32_t age_of(int64_t id) { return (int32_t)(id % 50); }

static int is_gone(int64_t id) { return id % 11 == 3; }

static elanus_code insert(const elanus_collection *collection, int64_t first, size_t count) {
    int64_t *ids = (int64_t *)malloc(count * sizeof *ids);
    int32_t *ages = (int32_t *)malloc(count * sizeof *ages);
    char *tags = (char *)malloc(count * 32), *more = (char *)malloc(count * 64);
    uint64_t *tag_ends = (uint64_t *)malloc((count + 1) * sizeof *tag_ends);
    uint64_t *more_ends = (uint64_t *)malloc((count + 1) * sizeof *more_ends);
    float *vectors = (float *)malloc(count * DIM * sizeof *vectors);
    elanus_column columns[5];
    elanus_code code;
    size_t i;
    tag_ends[0] = more_ends[0] = 0;
    for (i = 0; i < count; i++) {
        int64_t id = first + (int64_t)i;
        ids[i] = id;
        ages[i] = age_of(id);
        tag_ends[i + 1] = tag_ends[i] + (uint64_t)sprintf(tags + tag_ends[i], "%s %d", id % 2 ? "odd" : "even", (int)id);
        more_ends[i + 1] =
            more_ends[i] + (uint64_t)sprintf(more + more_ends[i], "{\"size\":%d,\"list\":[%d,\"x\"]}", (int)id, (int)id % 7);
        vector_of(id, vectors + i * DIM);
    }
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, count, 0);
    columns[1] = column(ELANUS_DATA_TYPE_INT32, "age", ages, NULL, count, 0);
    columns[2] = column(ELANUS_DATA_TYPE_VARCHAR, "tag", tags, tag_ends, count, 0);
    columns[3] = column(ELANUS_DATA_TYPE_JSON, "more", more, more_ends, count, 0);
    columns[4] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors, NULL, count, DIM);
    code = elanus_collection_insert(collection, columns, 5, NULL, &error);
    free(ids);
    free(ages);
    free(tags);
    free(more);
    free(tag_ends);
    free(more_ends);
    free(vectors);
    return code;
}

/* What each filter should let through. */
static int young(int64_t id) { return age_of(id) < 7; }
static int even_range(int64_t id) { return id % 2 == 0 && id >= 1100 && id <= 1300; }
static int listed(int64_t id) { return id == 2 || id == 5 || id == 1400; }
static int json_key(int64_t id) { return id > 700; }
static int json_list(int64_t id) { return id % 7 == 4; }
static int seventh(int64_t id) { return id % 7 == 0; }
static int nothing(int64_t id) { return id < 0; }
static int not_young(int64_t id) { return !young(id); }

typedef struct filtered {
    const char *text;
    const char *values;
    int (*holds)(int64_t id);
} filtered;

static const filtered FILTERS[] = {
    {"age < 7", NULL, young},
    {"tag like 'even%' and 1100 <= id <= 1300", NULL, even_range},
    {"id in {wanted}", "{\"wanted\":[2,5,1400,99999]}", listed},
    {"more[\"size\"] > {least}", "{\"least\":700}", json_key},
    {"json_contains(more['list'], 4)", NULL, json_list},
    {"id % 7 == 0", NULL, seventh},
    {"id < 0", NULL, nothing},
    {"!(age < 7)", "", not_young},
};

static size_t rows_of(const filtered *f) {
    size_t rows = 0;
    int64_t id;
    for (id = 0; id < ROWS; id++)
        rows += !is_gone(id) && f->holds(id);
    return rows;
}

/* Whether the keys of a result are `count` different rows for which the filter holds. */
static int right_rows(const elanus_result *result, const filtered *f, size_t count) {
    static char seen[ROWS];
    size_t i;
    memset(seen, 0, sizeof seen);
    if (elanus_result_count(result) != count)
        return 0;
    for (i = 0; i < count; i++) {
        int64_t id = elanus_result_ids_int64(result)[i];
        if (id < 0 || id >= ROWS || is_gone(id) || !f->holds(id) || seen[id]++)
            return 0;
    }
    return 1;
}

static void searches(const elanus_collection *collection, const char *what) {
    size_t i;
    for (i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++) {
        const filtered *f = &FILTERS[i];
        elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
        size_t rows = rows_of(f);
        float query[DIM];
        elanus_result *result;
        int before = failures;
        options.topk = 20;
        options.filter = f->text;
        options.filter_values = f->values;
        vector_of(-5, query);
        result = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
        CHECK(result != NULL);
        CHECK(right_rows(result, f, rows < 20 ? rows : 20));
        elanus_result_free(result);
        options.topk = 2 * ROWS;
        result = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
        CHECK(right_rows(result, f, rows));
        elanus_result_free(result);
        if (failures > before)
            fprintf(stderr, "    that was %s with %s\n", f->text, what);
    }
}

static void queries(const elanus_collection *collection) {
    size_t i;
    for (i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++) {
        const filtered *f = &FILTERS[i];
        elanus_query_options options = ELANUS_QUERY_OPTIONS_INIT;
        const char *fields[] = {"age", "v"};
        elanus_result *result;
        uint64_t count = 0;
        size_t row, rows = rows_of(f);
        options.filter_values = f->values;
        options.output_fields = fields;
        options.output_field_count = 2;
        result = elanus_collection_query(collection, f->text, &options, &error);
        CHECK(result != NULL && right_rows(result, f, rows));
        CHECK(elanus_result_nq(result) == 1 && elanus_result_scores(result) == NULL);
        CHECK(elanus_result_column_count(result) == 2 && elanus_result_column(result, 1)->dim == DIM);
        for (row = 0; row < rows; row++) {
            const int64_t *ids = elanus_result_ids_int64(result);
            const int32_t *ages = (const int32_t *)elanus_result_column(result, 0)->data;
            if (ages[row] != age_of(ids[row]) || (row > 0 && ids[row] <= ids[row - 1])) {
                CHECK(ages[row] == age_of(ids[row]) && ids[row] > ids[row - 1]);
                break;
            }
        }
        elanus_result_free(result);
        CHECK(elanus_collection_count_matching(collection, f->text, f->values, &count, &error) == ELANUS_CODE_OK);
        CHECK(count == rows);
    }
}

/* Whether the JSON of a call, which is freed, has the words. */
static int has(char *json, const char *words) {
    int found = json != NULL && strstr(json, words) != NULL;
    if (!found)
        fprintf(stderr, "    %s is not in %s\n", words, json ? json : "(null)");
    elanus_string_free(json);
    return found;
}

/* Indexes of fields that are no vectors. They change no answer. */
static void scalar_indexes(const elanus_collection *collection) {
    elanus_index_options options = ELANUS_INDEX_OPTIONS_INIT;
    elanus_search_options like = ELANUS_SEARCH_OPTIONS_INIT;
    elanus_index_progress progress = {0, 0, 0};
    const char *const inverted = "{\"index_type\":\"INVERTED\"}";
    const char *const sorted = "{\"index_type\":\"STL_SORT\"}";
    CHECK(elanus_index_create(collection, "age", "", NULL, &error) == ELANUS_CODE_OK);
    options.name = "tags";
    CHECK(elanus_index_create(collection, "tag", inverted, &options, &error) == ELANUS_CODE_OK);
    CHECK(has(elanus_index_list(collection, &error), "[\"v\",\"age\",\"tags\"]"));
    CHECK(has(elanus_index_describe(collection, "age", &error), "\"index_type\":\"STL_SORT\""));
    CHECK(has(elanus_index_describe(collection, "tags", &error), "\"field_name\":\"tag\""));
    CHECK(elanus_index_get_progress(collection, "tags", &progress, &error) == ELANUS_CODE_OK);
    /* Creating one has sealed what was growing, without what was deleted of it. */
    CHECK(progress.total_rows > SEALED && progress.total_rows < ROWS);
    CHECK(progress.indexed_rows == progress.total_rows && progress.pending_index_rows == 0);
    searches(collection, "scalar indexes");
    queries(collection);
    like.filter = "tag like 'even 11%'";
    CHECK(has(elanus_collection_explain(collection, "v", &like, &error), "\"index_name\":\"tags\""));
    like.filter = "more[\"size\"] > 3";
    CHECK(has(elanus_collection_explain(collection, "v", &like, &error), "\"filter_indexes\":[]"));

    options.name = "more";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "create index on JSON field is not supported", "",
          elanus_index_create(collection, "more", inverted, &options, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "STL_SORT are only supported on numeric field", "",
          elanus_index_create(collection, "tag", sorted, NULL, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "TRIE are only supported on varchar field", "",
          elanus_index_create(collection, "age", "{\"index_type\":\"Trie\"}", NULL, &error));
    FAILS(ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED, "invalid index type: HNSW", "[STL_SORT INVERTED]",
          elanus_index_create(collection, "age", "{\"index_type\":\"HNSW\"}", NULL, &error));
    options.name = "v";
    FAILS(ELANUS_CODE_INDEX_DUPLICATE, "at most one distinct index", "",
          elanus_index_create(collection, "age", "", &options, &error));
    CHECK(elanus_index_drop(collection, "age", &error) == ELANUS_CODE_OK);
    FAILS(ELANUS_CODE_INDEX_NOT_FOUND, "index not found", "age", elanus_index_describe(collection, "age", &error));
    queries(collection);
}

static void pages(const elanus_collection *collection) {
    elanus_query_options options = ELANUS_QUERY_OPTIONS_INIT;
    elanus_result *result;
    options.limit = 4;
    options.offset = 2;
    result = elanus_collection_query(collection, NULL, &options, &error);
    CHECK(elanus_result_count(result) == 4);
    CHECK(elanus_result_ids_int64(result)[0] == 2 && elanus_result_ids_int64(result)[3] == 6);
    elanus_result_free(result);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "empty expression", "limit",
          elanus_collection_query(collection, "", NULL, &error));
    options.limit = 16384;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "(offset+limit) should be in range [1, 16384]", "16386",
          elanus_collection_query(collection, "", &options, &error));
    options.size = 39;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "size 39", "elanus_query_options",
          elanus_collection_query(collection, "", &options, &error));
}

/* A caller that was compiled before searches had filters: the fields behind its structure's end are not read. */
static void older_callers(const elanus_collection *collection) {
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    float query[DIM] = {0};
    elanus_result *result;
    options.size = 48;
    options.topk = 7;
    options.filter = "id < 0";
    result = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    CHECK(elanus_result_count(result) == 7);
    elanus_result_free(result);
}

static void refused(const elanus_collection *collection, const char *folder) {
    static const char *const BAD[][2] = {
        {"age >", "line 1:5 mismatched input '<EOF>'"},
        {"nope == 1", "field nope not exist"},
        {"age == 'x'", "comparisons between Int32 and VarChar are not supported"},
        {"age == 1.5", "cannot cast value to Int32"},
        {"age / 0 == 1", "cannot divide by zero"},
        {"tag like 'a%b'", "unsupported pattern: a%b"},
        {"age", "predicate is not a boolean expression: age, data type: Int32"},
        {"age == {x}", "the value of expression template variable name {x} is not found"},
        {"more == 1", "can not comparisons jsonField directly"},
        {"\xff", "filter is not UTF-8"},
    };
    const uint64_t before = folder_hash(folder);
    const size_t mib = 1 << 20;
    char *longest = (char *)malloc(mib + 1);
    float query[DIM] = {0};
    uint64_t count = 77;
    size_t i;
    for (i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
        options.filter = BAD[i][0];
        FAILS(ELANUS_CODE_INVALID_PARAMETER, BAD[i][1], "",
              elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
        FAILS(ELANUS_CODE_INVALID_PARAMETER, BAD[i][1], "", elanus_collection_query(collection, BAD[i][0], NULL, &error));
        FAILS(ELANUS_CODE_INVALID_PARAMETER, BAD[i][1], "",
              elanus_collection_count_matching(collection, BAD[i][0], NULL, &count, &error));
        FAILS(ELANUS_CODE_INVALID_PARAMETER, BAD[i][1], "",
              elanus_collection_delete_matching(collection, BAD[i][0], NULL, &count, &error));
    }
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "delete plan can't be empty or always true", "",
          elanus_collection_delete_matching(collection, "", NULL, &count, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "always true : id not in []", "",
          elanus_collection_delete_matching(collection, "id not in []", NULL, &count, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "filter values are not a JSON object", "",
          elanus_collection_query(collection, "age > 1", &(elanus_query_options){.size = 40, .filter_values = "{"}, &error));
    memset(longest, '(', mib);
    longest[mib] = 0;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "1048576 bytes", "at most 524288",
          elanus_collection_query(collection, longest, NULL, &error));
    longest[10000] = 0;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "nested deeper than 100", "",
          elanus_collection_query(collection, longest, NULL, &error));
    free(longest);
    CHECK(count == 77 && folder_hash(folder) == before);
}

static void deletes(const elanus_collection *collection) {
    uint64_t deleted = 0, before = count_of(collection);
    uint64_t rows = rows_of(&FILTERS[0]);
    CHECK(elanus_collection_delete_matching(collection, "age < {n}", "{\"n\":7}", &deleted, &error) == ELANUS_CODE_OK);
    CHECK(deleted == rows && count_of(collection) == before - rows);
    CHECK(elanus_collection_delete_matching(collection, "age < 7", NULL, &deleted, &error) == ELANUS_CODE_OK);
    CHECK(deleted == 0);
    CHECK(elanus_collection_delete_matching(collection, "id >= 0", NULL, NULL, &error) == ELANUS_CODE_OK);
    CHECK(count_of(collection) == 0);
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database =
        elanus_database_open(folder, "{\"index_min_rows\":100,\"build_idle_ms\":0,\"durability\":\"async\"}", &error);
    elanus_collection *collection = elanus_collection_create(database, "rows", MIXED, &error);
    int64_t gone[ROWS], id;
    size_t count = 0;
    CHECK(collection != NULL);
    CHECK(insert(collection, 0, SEALED) == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(insert(collection, SEALED, ROWS - SEALED) == ELANUS_CODE_OK);
    for (id = 0; id < ROWS; id++)
        if (is_gone(id))
            gone[count++] = id;
    CHECK(elanus_collection_delete_int64(collection, gone, count, NULL, &error) == ELANUS_CODE_OK);
    searches(collection, "no index");
    CHECK(elanus_index_create(collection, "v",
                              "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"L2\",\"params\":{\"nlist\":16}}", NULL,
                              &error) == ELANUS_CODE_OK);
    searches(collection, "IVF_FLAT");
    CHECK(elanus_index_create(
              collection, "v",
              "{\"index_type\":\"HNSW\",\"metric_type\":\"IP\",\"params\":{\"M\":8,\"efConstruction\":64}}", NULL,
              &error) == ELANUS_CODE_OK);
    searches(collection, "HNSW");
    queries(collection);
    scalar_indexes(collection);
    pages(collection);
    older_callers(collection);
    refused(collection, folder);
    elanus_collection_free(collection);
    elanus_database_free(database);
    database = elanus_database_open(folder, NULL, &error);
    collection = elanus_collection_open(database, "rows", &error);
    CHECK(collection != NULL);
    queries(collection);
    deletes(collection);
    elanus_collection_free(collection);
    elanus_database_free(database);
    remove_folder(folder);
    return finish("filter");
}
