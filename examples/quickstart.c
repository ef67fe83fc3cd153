/* Elanus in one page: store real vectors, index them three ways, search them by meaning, close, reopen.
 *
 *     make demo                                  from the repository, or
 *     cc -std=c99 quickstart.c $(pkg-config --cflags --libs elanus) -o quickstart
 *     ./quickstart examples/data/minilm my-database
 *
 * The vectors are embeddings of 10,000 dictionary entries (384 values each); the queries are entries that were held out. */
#define _POSIX_C_SOURCE 200809L

#include "dataset.h"
#include "elanus.h"

#include <time.h>

enum { DIM = 384, TOPK = 10, BATCH = 1000 };

static const char *const SCHEMA =
    "{\n"
    "  \"fields\": [\n"
    "    {\"name\": \"id\", \"data_type\": \"INT64\", \"is_primary\": true},\n"
    "    {\"name\": \"text\", \"data_type\": \"VARCHAR\", \"max_length\": 1024},\n"
    "    {\"name\": \"category\", \"data_type\": \"VARCHAR\", \"max_length\": 64},\n"
    "    {\"name\": \"embedding\", \"data_type\": \"FLOAT_VECTOR\", \"dim\": 384}\n"
    "  ]\n"
    "}";

/* What the dictionary gives us. */
typedef struct {
    float *vectors, *queries;
    size_t rows, query_count;
    dataset_texts texts, categories, query_texts;
} dictionary;

/* Ends the program with the library's own sentence unless the call succeeded. */
static void must(bool ok, const char *what, elanus_error *error) {
    if (ok) return;
    const char *message = error == NULL ? "no reason given" : elanus_error_message(error);
    fprintf(stderr, "\ncannot %s: %s (code %u)\n", what, message, (unsigned)elanus_error_code(error));
    elanus_error_free(error);
    exit(EXIT_FAILURE);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A bar that redraws its line; the same function serves inserts and index builds. Returning false would cancel. */
static bool show_progress(void *label, uint64_t done, uint64_t total) {
    enum { WIDTH = 40 };
    static int shown = -1;
    int filled = total == 0 ? WIDTH : (int)(done * WIDTH / total);
    if (filled == shown && done != total) return true;
    shown = filled;
    printf("\r  %-12s [%.*s%*s] %llu / %llu", (const char *)label, filled, "########################################",
           WIDTH - filled, "", (unsigned long long)done, (unsigned long long)total);
    fflush(stdout);
    return true;
}

static dictionary read_dictionary(const char *folder) {
    dictionary d;
    d.vectors = dataset_vectors(folder, "base.i12", DIM, &d.rows);
    d.queries = dataset_vectors(folder, "queries.i12", DIM, &d.query_count);
    d.texts = dataset_column(folder, "texts.txt", d.rows, 0);
    d.categories = dataset_column(folder, "attrs.csv", d.rows, 3);
    d.query_texts = dataset_column(folder, "query_texts.txt", d.query_count, 0);
    return d;
}

static void free_dictionary(dictionary *d) {
    free(d->vectors);
    free(d->queries);
    dataset_texts_free(&d->texts);
    dataset_texts_free(&d->categories);
    dataset_texts_free(&d->query_texts);
}

/* Rows first to first + count of a column of texts. Its offsets may start anywhere in the bytes. */
static elanus_column text_column(const char *name, const dataset_texts *texts, size_t first, size_t count) {
    elanus_column column = ELANUS_COLUMN_INIT;
    column.data_type = ELANUS_DATA_TYPE_VARCHAR;
    column.name = name;
    column.data = texts->bytes;
    column.offsets = texts->offsets + first;
    column.count = count;
    return column;
}

/* A batch is durable when the call returns: neither kill -9 nor a power cut loses it. */
static void insert(const elanus_collection *collection, const dictionary *d) {
    elanus_error *error = NULL;
    int64_t ids[BATCH];
    double start = seconds();
    for (size_t first = 0; first < d->rows; first += BATCH) {
        size_t count = d->rows - first < BATCH ? d->rows - first : BATCH;
        for (size_t i = 0; i < count; i++) ids[i] = (int64_t)(first + i);
        elanus_column id = ELANUS_COLUMN_INIT, embedding = ELANUS_COLUMN_INIT;
        id.data_type = ELANUS_DATA_TYPE_INT64;
        id.name = "id";
        id.data = ids;
        id.count = count;
        embedding.data_type = ELANUS_DATA_TYPE_FLOAT_VECTOR;
        embedding.name = "embedding";
        embedding.data = d->vectors + first * DIM;
        embedding.count = count;
        embedding.dim = DIM;
        const elanus_column columns[] = {id, text_column("text", &d->texts, first, count),
                                         text_column("category", &d->categories, first, count), embedding};
        elanus_code code = elanus_collection_insert(collection, columns, 4, NULL, &error);
        must(code == ELANUS_CODE_OK, "insert", error);
        show_progress("insert", first + count, d->rows);
    }
    printf("   %.2f s\n", seconds() - start);
}

/* How one way of searching did. */
typedef struct {
    const char *index, *params;
    double recall, median_ms, p99_ms, build_s;
} measurement;

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Searches every query, one at a time, and writes the ids of its hits: TOPK a query, -1 where there were fewer. */
static void search_all(const elanus_collection *collection, const dictionary *d, measurement *m, int64_t *ids) {
    elanus_error *error = NULL;
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    options.topk = TOPK;
    options.params = m->params;
    double *times = malloc(d->query_count * sizeof *times);
    must(times != NULL, "search: out of memory", NULL);
    for (size_t q = 0; q < d->query_count; q++) {
        double start = seconds();
        elanus_result *found =
            elanus_collection_search(collection, "embedding", d->queries + q * DIM, 1, DIM, &options, &error);
        times[q] = (seconds() - start) * 1e3;
        must(found != NULL, "search", error);
        size_t hits = elanus_result_count(found);
        const int64_t *hit_ids = elanus_result_ids_int64(found);
        for (size_t i = 0; i < TOPK; i++) ids[q * TOPK + i] = i < hits ? hit_ids[i] : -1;
        elanus_result_free(found);
    }
    qsort(times, d->query_count, sizeof *times, by_size);
    m->median_ms = times[d->query_count / 2];
    m->p99_ms = times[d->query_count * 99 / 100];
    free(times);
}

/* The share of FLAT's hits that were found: FLAT compares with every row, so it is right by definition. */
static double recall(const int64_t *found, const int64_t *exact, size_t query_count) {
    size_t right = 0;
    for (size_t q = 0; q < query_count; q++)
        for (size_t i = 0; i < TOPK; i++)
            for (size_t j = 0; j < TOPK; j++) right += found[q * TOPK + i] == exact[q * TOPK + j];
    return (double)right / (double)(query_count * TOPK);
}

/* Replaces the field's index by another. */
static double build(const elanus_collection *collection, const char *label, const char *index) {
    elanus_error *error = NULL;
    elanus_index_options options = ELANUS_INDEX_OPTIONS_INIT;
    options.progress = show_progress;
    options.user_data = (void *)label;
    double start = seconds();
    elanus_code code = elanus_index_create(collection, "embedding", index, &options, &error);
    must(code == ELANUS_CODE_OK, "build the index", error);
    double took = seconds() - start;
    printf("   %.2f s\n", took);
    return took;
}

/* The nearest dictionary entries of one query, with the texts that are stored beside the vectors. */
static void show_nearest(const elanus_collection *collection, const dictionary *d, size_t query) {
    elanus_error *error = NULL;
    const char *const fields[] = {"category", "text"};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    options.topk = 3;
    options.output_fields = fields;
    options.output_field_count = 2;
    elanus_result *found =
        elanus_collection_search(collection, "embedding", d->queries + query * DIM, 1, DIM, &options, &error);
    must(found != NULL, "search", error);
    const elanus_column *category = elanus_result_column(found, 0), *text = elanus_result_column(found, 1);
    must(category != NULL && text != NULL, "read the texts", NULL);

    const uint64_t *at = d->query_texts.offsets + query;
    printf("\n  \"%.*s\"\n", (int)(at[1] - at[0]), d->query_texts.bytes + at[0]);
    for (size_t i = 0; i < elanus_result_count(found); i++) {
        const uint64_t *c = category->offsets + i, *t = text->offsets + i;
        int length = t[1] - t[0] > 84 ? 84 : (int)(t[1] - t[0]);
        printf("    %.3f  %-14.*s %.*s\n", (double)elanus_result_scores(found)[i], (int)(c[1] - c[0]),
               (const char *)category->data + c[0], length, (const char *)text->data + t[0]);
    }
    elanus_result_free(found);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s DATA DATABASE\n  e.g. %s examples/data/minilm /tmp/elanus-demo\n", argv[0], argv[0]);
        return EXIT_FAILURE;
    }
    elanus_error *error = NULL;
    dictionary d = read_dictionary(argv[1]);
    size_t answers = d.query_count * TOPK;
    int64_t *exact = malloc(3 * answers * sizeof *exact), *found = exact + answers, *again = found + answers;
    must(exact != NULL, "start: out of memory", NULL);
    printf("Elanus %s: %lu texts, %lu queries of %d values each\n", elanus_version(), (unsigned long)d.rows,
           (unsigned long)d.query_count, DIM);

    elanus_database *database = elanus_database_open(argv[2], NULL, &error);
    must(database != NULL, "open the database", error);
    elanus_collection *collection = elanus_collection_create(database, "dictionary", SCHEMA, &error);
    must(collection != NULL, "create the collection", error);
    printf("\nThe collection \"dictionary\":\n%s\n\n", SCHEMA);

    insert(collection, &d);
    elanus_code code = elanus_collection_flush(collection, &error); /* seals the rows into a segment, which indexes need */
    must(code == ELANUS_CODE_OK, "flush", error);

    static const char *const FLAT = "{\"index_type\":\"FLAT\",\"metric_type\":\"COSINE\",\"params\":{}}";
    static const char *const IVF = "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"COSINE\",\"params\":{\"nlist\":100}}";
    static const char *const HNSW =
        "{\"index_type\":\"HNSW\",\"metric_type\":\"COSINE\",\"params\":{\"M\":16,\"efConstruction\":200}}";
    measurement table[] = {{.index = FLAT, .params = "{}"},
                           {.index = IVF, .params = "{\"nprobe\":8}"},
                           {.index = IVF, .params = "{\"nprobe\":32}"},
                           {.index = HNSW, .params = "{\"ef\":32}"},
                           {.index = HNSW, .params = "{\"ef\":128}"}};
    enum { KINDS = sizeof table / sizeof *table };
    static const char *const LABELS[KINDS] = {"FLAT", "IVF_FLAT", "IVF_FLAT", "HNSW", "HNSW"};
    for (size_t i = 0; i < KINDS; i++) {
        bool same = i > 0 && table[i].index == table[i - 1].index;
        table[i].build_s = same ? table[i - 1].build_s : build(collection, LABELS[i], table[i].index);
        search_all(collection, &d, &table[i], i == 0 ? exact : found);
        table[i].recall = recall(i == 0 ? exact : found, exact, d.query_count);
    }

    printf("\nThe nearest texts (cosine):\n");
    static const size_t SHOWN[] = {52, 27, 45, 31};
    for (size_t i = 0; i < sizeof SHOWN / sizeof *SHOWN; i++) show_nearest(collection, &d, SHOWN[i]);

    printf("\n  %-10s %-16s %10s %12s %10s %10s\n", "index", "search", "recall@10", "median ms", "p99 ms", "build s");
    for (size_t i = 0; i < KINDS; i++)
        printf("  %-10s %-16s %10.4f %12.3f %10.3f %10.2f\n", LABELS[i], table[i].params, table[i].recall,
               table[i].median_ms, table[i].p99_ms, table[i].build_s);

    code = elanus_database_close(database, &error);
    must(code == ELANUS_CODE_OK, "close the database", error);
    elanus_collection_free(collection);
    elanus_database_free(database);

    double start = seconds();
    database = elanus_database_open(argv[2], NULL, &error);
    must(database != NULL, "reopen the database", error);
    collection = elanus_collection_open(database, "dictionary", &error);
    must(collection != NULL, "reopen the collection", error);
    search_all(collection, &d, &table[KINDS - 1], again);
    double took = seconds() - start;
    uint64_t rows = 0;
    code = elanus_collection_count(collection, &rows, &error);
    must(code == ELANUS_CODE_OK, "count", error);
    bool same = rows == d.rows && memcmp(found, again, answers * sizeof *found) == 0;
    printf("\nReopened: %llu rows, opened and asked %lu queries in %.1f ms, %s\n", (unsigned long long)rows,
           (unsigned long)d.query_count, took * 1e3, same ? "the same answers as before" : "OTHER ANSWERS THAN BEFORE");

    elanus_collection_free(collection);
    elanus_database_free(database);
    free(exact);
    free_dictionary(&d);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
