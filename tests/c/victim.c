/* The program that kill9.py kills.
 *
 *     victim run FOLDER SEED BATCH     random operations until killed; one line to stdout before each and one after it
 *     victim dump FOLDER               opens the database and prints every row that is there
 *
 * A line is written whole by one write(2), so that it survives the process: "> 12 insert 40 25" began as operation 12,
 * "< 12" was acknowledged. The rows of batch b are b * 1000 to b * 1000 + count - 1, each with b in its field `batch`
 * and a vector made from its id, so that a half batch and a damaged row both show. */
#include "test.h"

#include <stdarg.h>

enum { BATCHES = 32, LARGEST = 200, PER_BATCH = 1000, MOST_ROWS = 8000 };

static const char ROWS_SCHEMA[] = "{\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
                                  "{\"name\":\"batch\",\"data_type\":\"Int64\"},"
                                  "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}";
static const char OPTIONS[] = "{\"index_min_rows\":64,\"build_idle_ms\":0,\"segment_size_mb\":1}";

static uint64_t state;
static long operation;

static unsigned chance(unsigned below) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

static void say(const char *format, ...) {
    char line[256];
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        exit(3);
}

static void must(int good, const char *what) {
    if (good && error == NULL)
        return;
    fprintf(stderr, "%s: %s\n", what, error != NULL ? elanus_error_message(error) : "failed");
    exit(1);
}

static elanus_collection *opened(const elanus_database *database) {
    bool has = false;
    elanus_collection *rows;
    must(elanus_collection_has(database, "rows", &has, &error) == ELANUS_CODE_OK, "has");
    rows = has ? elanus_collection_open(database, "rows", &error)
               : elanus_collection_create(database, "rows", ROWS_SCHEMA, &error);
    must(rows != NULL, "open the collection");
    return rows;
}

static elanus_code insert_batch(const elanus_collection *rows, int64_t batch, size_t count) {
    int64_t ids[LARGEST], batches[LARGEST];
    float vectors[LARGEST * DIM];
    elanus_column columns[3];
    size_t i;
    for (i = 0; i < count; i++) {
        ids[i] = batch * PER_BATCH + (int64_t)i;
        batches[i] = batch;
        vector_of(ids[i], vectors + i * DIM);
    }
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, count, 0);
    columns[1] = column(ELANUS_DATA_TYPE_INT64, "batch", batches, NULL, count, 0);
    columns[2] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors, NULL, count, DIM);
    return elanus_collection_insert(rows, columns, 3, NULL, &error);
}

static elanus_code delete_rows(const elanus_collection *rows, int64_t batch, int64_t from, int64_t to) {
    int64_t ids[LARGEST];
    int64_t i;
    for (i = from; i < to; i++)
        ids[i - from] = batch * PER_BATCH + i;
    return elanus_collection_delete_int64(rows, ids, (size_t)(to - from), NULL, &error);
}

static void run(const char *folder, int64_t batch) {
    static const char *const indexes[] = {
        "{\"index_type\":\"FLAT\",\"metric_type\":\"L2\"}",
        "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"L2\",\"params\":{\"nlist\":8}}",
        "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{\"M\":4,\"efConstruction\":16}}",
    };
    elanus_database *database = elanus_database_open(folder, OPTIONS, &error);
    elanus_collection *rows;
    must(database != NULL, "open");
    rows = opened(database);
    for (;;) {
        const unsigned dice = chance(100);
        const int64_t other = batch > BATCHES ? batch - 1 - (int64_t)chance(BATCHES) : (int64_t)chance((unsigned)batch + 1);
        elanus_index_options options = ELANUS_INDEX_OPTIONS_INIT;
        uint64_t live = 0;
        operation++;
        must(elanus_collection_count(rows, &live, &error) == ELANUS_CODE_OK, "count");
        if (dice < 60 && live < MOST_ROWS) {
            const size_t count = 1 + chance(LARGEST);
            say("> %ld insert %" PRId64 " %zu\n", operation, batch, count);
            must(insert_batch(rows, batch++, count) == ELANUS_CODE_OK, "insert");
        } else if (dice < 80 || live >= MOST_ROWS) {
            const int64_t from = (int64_t)chance(LARGEST / 2), to = from + 1 + (int64_t)chance(LARGEST / 2);
            say("> %ld delete %" PRId64 " %" PRId64 "\n", operation, other * PER_BATCH + from, other * PER_BATCH + to);
            must(delete_rows(rows, other, from, to) == ELANUS_CODE_OK, "delete");
        } else if (dice < 86) {
            say("> %ld flush\n", operation);
            must(elanus_collection_flush(rows, &error) == ELANUS_CODE_OK, "flush");
        } else if (dice < 88) {
            elanus_compact_options compact = ELANUS_COMPACT_OPTIONS_INIT;
            compact.no_wait = chance(2);
            say("> %ld compact\n", operation);
            must(elanus_collection_compact(rows, &compact, &error) == ELANUS_CODE_OK, "compact");
        } else if (dice < 94) {
            options.no_wait = chance(2);
            say("> %ld index\n", operation);
            if (chance(3) == 0)
                must(elanus_index_create(rows, "id", "", &options, &error) == ELANUS_CODE_OK, "index of keys");
            else
                must(elanus_index_create(rows, "v", indexes[chance(3)], &options, &error) == ELANUS_CODE_OK, "index");
        } else if (dice < 97) {
            say("> %ld unindex\n", operation);
            must(elanus_index_drop(rows, chance(2) ? "v" : "id", &error) == ELANUS_CODE_OK, "unindex");
        } else {
            bool has = false;
            must(elanus_collection_has(database, "extra", &has, &error) == ELANUS_CODE_OK, "has");
            say("> %ld %s\n", operation, has ? "drop" : "create");
            if (has)
                must(elanus_collection_drop(database, "extra", &error) == ELANUS_CODE_OK, "drop");
            else
                elanus_collection_free(elanus_collection_create(database, "extra", ROWS_SCHEMA, &error));
            must(1, "create");
        }
        say("< %ld\n", operation);
    }
}

/* Every row, by an exhaustive search with more room than there are rows. */
static void dump(const char *folder) {
    static const char *const fields[] = {"batch", "v"};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    elanus_database *database = elanus_database_open(folder, OPTIONS, &error);
    elanus_collection *rows;
    elanus_result *result;
    float query[DIM] = {0}, expected[DIM];
    uint64_t count = 0, matching = 0;
    bool extra = false;
    size_t i;
    must(database != NULL, "open");
    rows = opened(database);
    must(elanus_collection_has(database, "extra", &extra, &error) == ELANUS_CODE_OK, "has");
    must(elanus_index_drop(rows, "v", &error) == ELANUS_CODE_OK, "drop the index");
    must(elanus_collection_count(rows, &count, &error) == ELANUS_CODE_OK, "count");
    must(elanus_collection_count_matching(rows, "id >= 0", NULL, &matching, &error) == ELANUS_CODE_OK, "count by a filter");
    must(matching == count, "as many by a filter, which may use an index of the keys");
    options.topk = 16384;
    options.output_fields = fields;
    options.output_field_count = 2;
    result = elanus_collection_search(rows, "v", query, 1, DIM, &options, &error);
    must(result != NULL, "search");
    printf("extra %d\ncount %" PRIu64 "\n", extra ? 1 : 0, count);
    for (i = 0; i < elanus_result_count(result); i++) {
        const int64_t id = elanus_result_ids_int64(result)[i];
        const int64_t batch = ((const int64_t *)elanus_result_column(result, 0)->data)[i];
        const float *v = (const float *)elanus_result_column(result, 1)->data + i * DIM;
        vector_of(id, expected);
        printf("row %" PRId64 " %s\n", id,
               batch == id / PER_BATCH && memcmp(v, expected, sizeof expected) == 0 ? "good" : "damaged");
    }
    elanus_result_free(result);
    elanus_collection_free(rows);
    must(elanus_database_close(database, &error) == ELANUS_CODE_OK, "close");
    elanus_database_free(database);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "run") == 0) {
        state = strtoull(argv[3], NULL, 10);
        run(argv[2], strtoll(argv[4], NULL, 10));
    } else if (argc == 3 && strcmp(argv[1], "dump") == 0) {
        dump(argv[2]);
    } else {
        fprintf(stderr, "usage: victim run FOLDER SEED BATCH | victim dump FOLDER\n");
        return 2;
    }
    return 0;
}
