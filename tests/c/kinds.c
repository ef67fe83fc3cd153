/* The life of every index type that works: create, progress, describe, search, drop, reopen, delete, more inserts. A type
 * joins by itself: what the library answers with code 701 is left out, and counted. */
#include "test.h"

enum { ROWS = 800, MORE = 300, TOPK = 20, VECTOR_DIM = 16, BITS = 128 };

typedef struct kind {
    const char *type;
    const char *metric;
    int binary;
    const char *params;
} kind;

static const kind KINDS[] = {
    {"FLAT", "L2", 0, "{}"},
    {"IVF_FLAT", "L2", 0, "{\"nlist\":16}"},
    {"IVF_SQ8", "L2", 0, "{\"nlist\":16}"},
    {"IVF_SQ8H", "L2", 0, "{\"nlist\":16}"},
    {"IVF_PQ", "L2", 0, "{\"nlist\":16,\"m\":8}"},
    {"RNSG", "L2", 0, "{\"search_length\":40,\"out_degree\":20,\"candidate_pool_size\":60,\"knng\":30}"},
    {"HNSW", "COSINE", 0, "{\"M\":8,\"efConstruction\":64}"},
    {"ANNOY", "L2", 0, "{\"n_trees\":16}"},
    {"DISKANN", "L2", 0, "{\"max_degree\":24,\"search_list_size\":50}"},
    {"BIN_FLAT", "JACCARD", 1, "{}"},
    {"BIN_IVF_FLAT", "HAMMING", 1, "{\"nlist\":16}"},
    {"HNSW", "HAMMING", 1, "{\"M\":8,\"efConstruction\":64}"},
};

/* The vector of row `id`, as its bytes: floats or bits. */
static void fill(const kind *k, int64_t id, void *vector) {
    float values[2 * DIM];
    size_t i;
    vector_of(2 * id, values);
    vector_of(2 * id + 1, values + DIM);
    if (!k->binary) {
        memcpy(vector, values, sizeof values);
        return;
    }
    for (i = 0; i < BITS / 8; i++)
        ((uint8_t *)vector)[i] = (uint8_t)(values[i] * 256.0f);
}

static size_t row_bytes(const kind *k) { return k->binary ? BITS / 8 : VECTOR_DIM * sizeof(float); }

static uint64_t dim_of(const kind *k) { return k->binary ? BITS : VECTOR_DIM; }

static elanus_code insert(const elanus_collection *collection, const kind *k, int64_t first, size_t count) {
    int64_t *ids = (int64_t *)malloc(count * sizeof *ids);
    char *vectors = (char *)malloc(count * row_bytes(k));
    elanus_data_type type = k->binary ? ELANUS_DATA_TYPE_BINARY_VECTOR : ELANUS_DATA_TYPE_FLOAT_VECTOR;
    elanus_column columns[2];
    elanus_code code;
    size_t i;
    for (i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
        fill(k, ids[i], vectors + i * row_bytes(k));
    }
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, count, 0);
    columns[1] = column(type, "v", vectors, NULL, count, dim_of(k));
    code = elanus_collection_insert(collection, columns, 2, NULL, &error);
    free(ids);
    free(vectors);
    return code;
}

/* Whether row `id` is among the hits of its own vector, and there are as many as asked. */
static int found(const elanus_collection *collection, const kind *k, int64_t id) {
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    union {
        float floats[VECTOR_DIM];
        uint8_t bits[BITS / 8];
    } query;
    elanus_result *result;
    size_t i;
    int there = 0;
    options.topk = TOPK;
    options.params = "{\"nprobe\":16,\"ef\":64,\"search_length\":60,\"search_k\":1000,\"search_list\":60}";
    fill(k, id, &query);
    result = k->binary
                 ? elanus_collection_search_binary(collection, "v", query.bits, 1, BITS, &options, &error)
                 : elanus_collection_search(collection, "v", query.floats, 1, VECTOR_DIM, &options, &error);
    for (i = 0; i < elanus_result_count(result); i++)
        there |= elanus_result_ids_int64(result)[i] == id;
    if (elanus_result_count(result) != TOPK)
        there = -1;
    elanus_result_free(result);
    return there;
}

static bool advance(void *user_data, uint64_t done, uint64_t total) {
    int *told = (int *)user_data;
    *told += done <= total ? 1 : -1000;
    return true;
}

static void wait_until_finished(const elanus_collection *collection) {
    elanus_index_state state = ELANUS_INDEX_STATE_NONE;
    int i;
    for (i = 0; i < 12000 && state != ELANUS_INDEX_STATE_FINISHED; i++) {
        if (elanus_index_get_state(collection, "v", &state, NULL, &error) != ELANUS_CODE_OK)
            break;
        if (state == ELANUS_INDEX_STATE_FAILED)
            break;
        usleep(5000);
    }
    CHECK(state == ELANUS_INDEX_STATE_FINISHED);
}

static void progress_is(const elanus_collection *collection, uint64_t rows) {
    elanus_index_progress progress;
    CHECK(elanus_index_get_progress(collection, "v", &progress, &error) == ELANUS_CODE_OK);
    CHECK(progress.total_rows == rows && progress.indexed_rows == rows && progress.pending_index_rows == 0);
}

static void describes(const elanus_collection *collection, const kind *k) {
    char text[64];
    sprintf(text, "\"index_type\":\"%s\"", k->type);
    CHECK(says(elanus_index_describe(collection, "v", &error), text));
    sprintf(text, "\"metric_type\":\"%s\"", k->metric);
    CHECK(says(elanus_index_describe(collection, "v", &error), text));
    CHECK(says(elanus_index_list(collection, &error), "[\"v\"]"));
}

static elanus_database *opened(const char *folder) {
    elanus_database *database = elanus_database_open(
        folder, "{\"index_min_rows\":100,\"build_idle_ms\":0,\"durability\":\"async\",\"threads\":2}", &error);
    CHECK(database != NULL);
    return database;
}

/* Returns 0 for a type that does not work in this version. */
static int life(const char *folder, const kind *k) {
    char schema[256], index[256];
    elanus_database *database = opened(folder);
    elanus_collection *collection;
    elanus_index_options options = ELANUS_INDEX_OPTIONS_INIT;
    int told = 0;
    int64_t gone[50];
    uint64_t deleted = 0, files;
    int64_t i;
    sprintf(schema,
            "{\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
            "{\"name\":\"v\",\"data_type\":\"%s\",\"dim\":%d}]}",
            k->binary ? "BinaryVector" : "FloatVector", (int)dim_of(k));
    sprintf(index, "{\"index_type\":\"%s\",\"metric_type\":\"%s\",\"params\":%s}", k->type, k->metric, k->params);
    collection = elanus_collection_create(database, "rows", schema, &error);
    CHECK(collection != NULL);
    CHECK(insert(collection, k, 0, ROWS) == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    files = folder_hash(folder);

    options.progress = advance;
    options.user_data = &told;
    if (elanus_index_create(collection, "v", index, &options, &error) == ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED) {
        verdict(failed_with(ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED, k->type, "does not work in this version"), __FILE__,
                __LINE__, index);
        forget_error();
        CHECK(folder_hash(folder) == files);
        elanus_collection_free(collection);
        elanus_database_free(database);
        return 0;
    }
    CHECK(told >= 0);
    wait_until_finished(collection);
    progress_is(collection, ROWS);
    describes(collection, k);
    for (i = 0; i < ROWS; i += 97)
        CHECK(found(collection, k, i) == 1);

    CHECK(elanus_index_drop(collection, "v", &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_index_list(collection, &error), "[]"));
    CHECK(found(collection, k, 5) == 1);

    /* Built in the background this time, and there when the database is opened again. */
    options = (elanus_index_options)ELANUS_INDEX_OPTIONS_INIT;
    options.no_wait = 1;
    CHECK(elanus_index_create(collection, "v", index, &options, &error) == ELANUS_CODE_OK);
    CHECK(found(collection, k, 7) == 1);
    wait_until_finished(collection);
    elanus_collection_free(collection);
    CHECK(elanus_database_close(database, &error) == ELANUS_CODE_OK);
    elanus_database_free(database);
    database = opened(folder);
    collection = elanus_collection_open(database, "rows", &error);
    CHECK(collection != NULL);
    describes(collection, k);
    progress_is(collection, ROWS);
    CHECK(found(collection, k, 11) == 1);

    for (i = 0; i < 50; i++)
        gone[i] = 7 * i;
    CHECK(elanus_collection_delete_int64(collection, gone, 50, &deleted, &error) == ELANUS_CODE_OK);
    CHECK(deleted == 50 && count_of(collection) == ROWS - 50);
    for (i = 0; i < 50; i += 7)
        CHECK(found(collection, k, gone[i]) == 0);
    CHECK(found(collection, k, 1) == 1);

    CHECK(insert(collection, k, ROWS, MORE) == ELANUS_CODE_OK);
    CHECK(found(collection, k, ROWS + 3) == 1);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    wait_until_finished(collection);
    CHECK(found(collection, k, ROWS + 3) == 1 && found(collection, k, 2) == 1);
    CHECK(found(collection, k, gone[0]) == 0);
    elanus_collection_free(collection);
    elanus_database_free(database);
    return 1;
}

int main(void) {
    size_t i, worked = 0;
    for (i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        char *folder = new_folder();
        int before = failures;
        int works = life(folder, &KINDS[i]);
        worked += (size_t)works;
        if (failures > before)
            fprintf(stderr, "    that was %s %s\n", KINDS[i].type, KINDS[i].metric);
        remove_folder(folder);
    }
    printf("%d of %d kinds work\n", (int)worked, (int)(sizeof KINDS / sizeof *KINDS));
    CHECK(worked >= 3);
    return finish("kinds");
}
