/* What bad input gets: a code, a sentence with the value and the allowed range, and nothing changed on disk. */
#include "test.h"

#include <math.h>

static char *folder;
static uint64_t before;
static elanus_database *database;
static elanus_collection *collection;

/* The call fails as in FAILS, and no byte below the database's folder changed. */
#define REFUSED(code, text1, text2, call)                                                                              \
    do {                                                                                                               \
        FAILS(code, text1, text2, call);                                                                               \
        CHECK(folder_hash(folder) == before);                                                                          \
    } while (0)

static void open_options(void) {
    char *other = new_folder();
    const uint64_t empty = folder_hash(other);
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "path", "NULL", elanus_database_open(NULL, NULL, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "path is not UTF-8", "0xff", elanus_database_open("\xff", NULL, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "not JSON", "", elanus_database_open(other, "{", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "unknown option \"treads\"", "threads",
          elanus_database_open(other, "{\"treads\":2}", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "[1, 131072]", "got 0",
          elanus_database_open(other, "{\"segment_size_mb\":0}", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "durability", "never",
          elanus_database_open(other, "{\"durability\":\"never\"}", &error));
    CHECK(folder_hash(other) == empty);
    remove_folder(other);
}

static void collection_names(void) {
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[256] = 0;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "name", "empty", elanus_collection_create(database, "", SCHEMA, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "1a", "underscore or letter",
            elanus_collection_create(database, "1a", SCHEMA, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "a-b", "numbers, letters and underscores",
            elanus_collection_create(database, "a-b", SCHEMA, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "../up", "underscore",
            elanus_collection_create(database, "../up", SCHEMA, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "255", "", elanus_collection_create(database, longest, SCHEMA, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "name is not UTF-8", "offset 1",
            elanus_collection_create(database, "a\xc3(", SCHEMA, &error));
    REFUSED(ELANUS_CODE_COLLECTION_EXISTS, "rows", "different",
            elanus_collection_create(
                database, "rows",
                "{\"fields\":[{\"name\":\"id\",\"data_type\":5,\"is_primary\":true},"
                "{\"name\":\"v\",\"data_type\":101,\"dim\":2}]}",
                &error));
    REFUSED(ELANUS_CODE_COLLECTION_NOT_FOUND, "nope", "", elanus_collection_open(database, "nope", &error));
    REFUSED(ELANUS_CODE_COLLECTION_NOT_FOUND, "nope", "", elanus_collection_drop(database, "nope", &error));
    REFUSED(ELANUS_CODE_COLLECTION_NOT_FOUND, "nope", "", elanus_collection_rename(database, "nope", "new", &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "b c", "", elanus_collection_rename(database, "rows", "b c", &error));
}

#define FIELDS(rest) "{\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true}" rest "]}"

static void schemas(void) {
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "JSON", "", elanus_collection_create(database, "s", "nonsense", &error));
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "fields", "", elanus_collection_create(database, "s", "{}", &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "vector field", "",
            elanus_collection_create(database, "s", FIELDS(""), &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "invalid dimension: 0", "1 ~ 32768",
            elanus_collection_create(database, "s", FIELDS(",{\"name\":\"v\",\"data_type\":101,\"dim\":0}"), &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "invalid dimension: 32769", "1 ~ 32768",
            elanus_collection_create(database, "s", FIELDS(",{\"name\":\"v\",\"data_type\":101,\"dim\":32769}"), &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "12", "multiple of 8",
            elanus_collection_create(database, "s", FIELDS(",{\"name\":\"v\",\"data_type\":100,\"dim\":12}"), &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "duplicated field name", "id",
            elanus_collection_create(database, "s", FIELDS(",{\"name\":\"id\",\"data_type\":101,\"dim\":2}"), &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "Vectr", "FloatVector",
            elanus_collection_create(database, "s", FIELDS(",{\"name\":\"v\",\"data_type\":\"Vectr\"}"), &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "65535", "70000",
            elanus_collection_create(
                database, "s",
                FIELDS(",{\"name\":\"t\",\"data_type\":21,\"max_length\":70000},{\"name\":\"v\",\"data_type\":101,\"dim\":2}"),
                &error));
}

/* Two good rows to spoil. */
static const int64_t ids[] = {1, 2};
static const uint64_t tag_at[] = {0, 1, 2};
static float vectors[2 * DIM];
static elanus_column good[3];

static elanus_code insert(const elanus_column *columns, size_t count) {
    return elanus_collection_insert(collection, columns, count, NULL, &error);
}

static elanus_code insert_with(size_t at, elanus_column replaced) {
    elanus_column columns[3];
    memcpy(columns, good, sizeof columns);
    columns[at] = replaced;
    return insert(columns, 3);
}

static void rows(void) {
    char text[64];
    float spoiled[2 * DIM] = {0};
    uint64_t long_at[] = {0, 1, 40}, falling[] = {0, 2, 1}, huge[] = {0, 1, UINT64_MAX / 2};
    elanus_column four[4], c;
    good[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, 2, 0);
    good[1] = column(ELANUS_DATA_TYPE_VARCHAR, "tag", "ab", tag_at, 2, 0);
    good[2] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors, NULL, 2, DIM);
    memcpy(four, good, sizeof good);

    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "greater than 0", "got 0", insert(NULL, 0));
    four[0].count = four[1].count = four[2].count = 0;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "greater than 0", "got 0", insert(four, 3));
    memcpy(four, good, sizeof good);
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "v", "no corresponding", insert(four, 2));
    four[3] = good[1];
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "tag", "twice", insert(four, 4));
    four[3].name = "more";
    REFUSED(ELANUS_CODE_FIELD_NOT_FOUND, "more", "", insert(four, 4));

    c = good[2], c.dim = 4;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "dim (4)", "dim (8)", insert_with(2, c));
    c = good[2], c.dim = 0;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "field v: dim 0", "1 ~", insert_with(2, c));
    c = good[2], c.dim = UINT64_MAX;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "dim 18446744073709551615", "1 ~", insert_with(2, c));
    c = good[2], c.dim = 12, c.data_type = ELANUS_DATA_TYPE_BINARY_VECTOR;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "dim 12", "multiple of 8", insert_with(2, c));
    c = good[2], c.data_type = ELANUS_DATA_TYPE_BINARY_VECTOR;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "v", "FloatVector", insert_with(2, c));
    c = good[2], c.data_type = 99;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "data_type 99", "101 (FloatVector)", insert_with(2, c));
    spoiled[DIM + 1] = NAN;
    c = good[2], c.data = spoiled;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "NaN", "row 1", insert_with(2, c));
    spoiled[DIM + 1] = -INFINITY;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "-Inf", "row 1", insert_with(2, c));

    c = good[0], c.count = 1;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "2 rows", "1", insert_with(0, c));
    memcpy(four, good, sizeof good);
    four[0].count = four[1].count = four[2].count = UINT64_MAX / 2;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "9223372036854775807", "at most", insert(four, 3));
    four[0] = good[2], four[0].count = UINT64_C(1) << 60;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "1152921504606846976 x 32", "at most", insert(four, 1));
    c = good[0], c.data = (const char *)ids + 1;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "field id: address", "multiple of 8", insert_with(0, c));

    c = good[1], c.data = "a\xfe";
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "field tag: row 1 is not UTF-8", "0xfe", insert_with(1, c));
    memset(text, 'x', sizeof text);
    c = good[1], c.data = text, c.offsets = long_at;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "length: 39", "max length: 32", insert_with(1, c));
    c.offsets = falling;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "offsets[2] 1", "at least", insert_with(1, c));
    c.offsets = huge;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "9223372036854775807 bytes of text", "at most 2147483647", insert_with(1, c));
    c.offsets = NULL;
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "field tag: offsets is NULL", "3 elements", insert_with(1, c));
    c = good[1], c.data = NULL;
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "field tag is NULL", "2 elements", insert_with(1, c));
    c = good[1], c.name = NULL;
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "columns[1].name is NULL", "", insert_with(1, c));
    c = good[1], c.name = "t\x80";
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "columns[1].name is not UTF-8", "0x80", insert_with(1, c));
}

static void sizes(void) {
    struct {
        elanus_column column;
        uint64_t later;
    } newer[2];
    struct {
        elanus_search_options options;
        uint64_t later;
    } grown = {ELANUS_SEARCH_OPTIONS_INIT, 0};
    elanus_column c = good[1];
    elanus_search_options zeros;
    elanus_index_options index = ELANUS_INDEX_OPTIONS_INIT;
    elanus_compact_options compact = ELANUS_COMPACT_OPTIONS_INIT;
    elanus_result *result;
    c.size = 0;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "columns[1]: size 0", "ELANUS_COLUMN_INIT", insert_with(1, c));
    c.size = 8;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "columns[1]: size 8", "72", insert_with(1, c));
    c.size = 1000000;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "columns[1]: size 1000000", "4096", insert_with(1, c));
    memset(newer, 0, sizeof newer);
    newer[0].column = newer[1].column = good[0];
    newer[0].column.size = newer[1].column.size = sizeof newer[0];
    newer[1].later = 7;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "columns[1]", "should be 0", insert(&newer[0].column, 2));
    newer[1].later = 0;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "id", "twice", insert(&newer[0].column, 2));
    newer[1].column.size = sizeof good[0];
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "columns[1]: size 72", "80", insert(&newer[0].column, 2));

    memset(&zeros, 0, sizeof zeros);
    result = elanus_collection_search(collection, "v", vectors, 1, DIM, &zeros, &error);
    CHECK(elanus_result_count(result) == 10);
    elanus_result_free(result);
    zeros.topk = 3;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "size 0", "ELANUS_SEARCH_OPTIONS_INIT",
            elanus_collection_search(collection, "v", vectors, 1, DIM, &zeros, &error));
    grown.options.size = sizeof grown;
    grown.options.topk = 3;
    result = elanus_collection_search(collection, "v", vectors, 1, DIM, &grown.options, &error);
    CHECK(elanus_result_count(result) == 3);
    elanus_result_free(result);
    grown.later = 1;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "options", "should be 0",
            elanus_collection_search(collection, "v", vectors, 1, DIM, &grown.options, &error));
    index.on_conflict = 2;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "on_conflict 2", "0 (replace) or 1 (error)",
            elanus_index_create(collection, "v", "{}", &index, &error));
    index.on_conflict = 0, index.no_wait = 9;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "no_wait 9", "0 or 1",
            elanus_index_create(collection, "v", "{}", &index, &error));
    compact.no_wait = 9;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "no_wait 9", "0 or 1",
            elanus_collection_compact(collection, &compact, &error));
    compact.size = 8;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "size 8", "24", elanus_collection_compact(collection, &compact, &error));
}

static elanus_result *search(const char *field, size_t nq, size_t dim, uint32_t topk, const char *params) {
    static float queries[16385 * DIM];
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    options.topk = topk;
    options.params = params;
    return elanus_collection_search(collection, field, queries, nq, dim, &options, &error);
}

static void searches(void) {
    static const char *const unknown[] = {"tag", "nope"};
    static const char *const broken[] = {"tag", NULL};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    float query[DIM] = {0};
    uint8_t bits[DIM] = {0};
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "16385", "[1, 16384]", search("v", 1, DIM, 16385, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "0", "[1, 16384]", search("v", 0, DIM, 1, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "16385", "[1, 16384]", search("v", 16385, DIM, 1, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "queries", "at most", search("v", SIZE_MAX / 2, DIM, 1, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "queries", "at most", search("v", 1, SIZE_MAX / 2, 1, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "4", "8", search("v", 1, 4, 1, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "0", "8", search("v", 2, 0, 1, NULL));
    REFUSED(ELANUS_CODE_FIELD_NOT_FOUND, "nope", "", search("nope", 1, DIM, 1, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "tag", "", search("tag", 1, DIM, 1, NULL));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "JSON", "", search("v", 1, DIM, 1, "{"));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "options.params is not UTF-8", "0xff", search("v", 1, DIM, 1, "\xff"));
    query[3] = INFINITY;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "+Inf", "",
            elanus_collection_search(collection, "v", query, 1, DIM, NULL, &error));
    query[3] = NAN;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "NaN", "",
            elanus_collection_search(collection, "v", query, 1, DIM, NULL, &error));
    query[3] = 0;
    options.round_decimal = 7;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "[7]", "[0, 6]",
            elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.round_decimal = -2;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "[-2]", "[0, 6]",
            elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.round_decimal = -1;
    options.metric_type = "EUCLID";
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "metric type", "L2",
            elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.metric_type = NULL;
    options.output_fields = unknown, options.output_field_count = 2;
    REFUSED(ELANUS_CODE_FIELD_NOT_FOUND, "nope", "",
            elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.output_fields = broken;
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "output_fields[1]", "NULL",
            elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    options.output_fields = NULL;
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "output_fields", "2 elements",
            elanus_collection_search(collection, "v", query, 1, DIM, &options, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "v", "",
            elanus_collection_search_binary(collection, "v", bits, 1, DIM * 8, NULL, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "dim 12", "multiple of 8",
            elanus_collection_search_binary(collection, "v", bits, 1, 12, NULL, &error));
}

static elanus_code index_with(const char *field, const char *description) {
    return elanus_index_create(collection, field, description, NULL, &error);
}

static void indexes(void) {
    elanus_index_progress progress;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "JSON", "", index_with("v", "["));
    REFUSED(ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED, "FAST", "HNSW",
            index_with("v", "{\"index_type\":\"FAST\",\"metric_type\":\"L2\"}"));
    REFUSED(ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED, "GPU_CAGRA", "",
            index_with("v", "{\"index_type\":\"GPU_CAGRA\",\"metric_type\":\"L2\"}"));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "BIN_FLAT", "binary vector",
            index_with("v", "{\"index_type\":\"BIN_FLAT\",\"metric_type\":\"HAMMING\"}"));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "metric", "L2",
            index_with("v", "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"HAMMING\",\"params\":{\"nlist\":4}}"));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "nlist", "[1, 65536]",
            index_with("v", "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"L2\",\"params\":{\"nlist\":0}}"));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "M", "[4, 64]",
            index_with("v", "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{\"M\":65}}"));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "efConstruction", "[8, 512]",
            index_with("v", "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{\"efConstruction\":7}}"));
    REFUSED(ELANUS_CODE_FIELD_NOT_FOUND, "nope", "", index_with("nope", "{\"index_type\":\"FLAT\",\"metric_type\":\"L2\"}"));
    REFUSED(ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED, "scalar field", "[Trie INVERTED]", index_with("tag", "{\"index_type\":\"FLAT\",\"metric_type\":\"L2\"}"));
    REFUSED(ELANUS_CODE_INDEX_NOT_FOUND, "nope", "", elanus_index_describe(collection, "nope", &error));
    REFUSED(ELANUS_CODE_INDEX_NOT_FOUND, "nope", "",
            elanus_index_get_progress(collection, "nope", &progress, &error));
}

static void search_parameters(void) {
    CHECK(index_with("v", "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{\"M\":8,\"efConstruction\":16}}") ==
          ELANUS_CODE_OK);
    before = folder_hash(folder);
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "ef", "32768", search("v", 1, DIM, 10, "{\"ef\":5}"));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "ef", "32768", search("v", 1, DIM, 10, "{\"ef\":40000}"));
    CHECK(index_with("v", "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"IP\",\"params\":{\"nlist\":4}}") ==
          ELANUS_CODE_OK);
    before = folder_hash(folder);
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "nprobe", "[1, 65536]", search("v", 1, DIM, 10, "{\"nprobe\":0}"));
    {
        elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
        options.metric_type = "L2";
        REFUSED(ELANUS_CODE_INVALID_PARAMETER, "L2", "IP",
                elanus_collection_search(collection, "v", vectors, 1, DIM, &options, &error));
    }
}

static void deletes(void) {
    static const char *const keys[] = {"a"};
    static const char *const broken[] = {"a", "\xff"};
    int64_t key = 1;
    uint64_t deleted = 77;
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "id", "", elanus_collection_delete_varchar(collection, keys, 1, &deleted, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "ids[1] is not UTF-8", "0xff",
            elanus_collection_delete_varchar(collection, broken, 2, &deleted, &error));
    REFUSED(ELANUS_CODE_MISSING_PARAMETER, "ids is NULL", "3 elements",
            elanus_collection_delete_int64(collection, NULL, 3, &deleted, &error));
    REFUSED(ELANUS_CODE_INVALID_PARAMETER, "ids", "at most",
            elanus_collection_delete_int64(collection, &key, SIZE_MAX / 4, &deleted, &error));
    CHECK(deleted == 77);
}

int main(void) {
    int64_t i;
    folder = new_folder();
    open_options();
    database = elanus_database_open(folder, "{\"index_min_rows\":10}", &error);
    collection = elanus_collection_create(database, "rows", SCHEMA, &error);
    CHECK(insert_rows(collection, 0, 100) == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    for (i = 0; i < 2; i++)
        vector_of(i, vectors + i * DIM);
    before = folder_hash(folder);
    collection_names();
    schemas();
    rows();
    sizes();
    searches();
    indexes();
    deletes();
    search_parameters();
    CHECK(count_of(collection) == 100);
    elanus_collection_free(collection);
    elanus_database_free(database);
    database = elanus_database_open(folder, NULL, &error);
    collection = elanus_collection_open(database, "rows", &error);
    CHECK(count_of(collection) == 100);
    elanus_collection_free(collection);
    elanus_database_free(database);
    remove_folder(folder);
    return finish("bad_input");
}
