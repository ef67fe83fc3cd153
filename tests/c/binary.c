/* Collections of binary vectors: insert, every metric and index type, delete, flush, reopen, describe, drop. */
#include "test.h"

enum { BITS = 104, BYTES = BITS / 8, ROWS = 1200 };

static const char BITS_SCHEMA[] = "{\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
                                  "{\"name\":\"v\",\"data_type\":\"BinaryVector\",\"dim\":104}]}";

/* Row `id`: random bits, odd ones a part of the one before; 0 is empty. */
static void bits_of(int64_t id, uint8_t *v) {
    uint64_t state = (uint64_t)(id / 2) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    int i;
    for (i = 0; i < BYTES; i++) {
        state ^= state >> 30;
        state *= UINT64_C(0xBF58476D1CE4E5B9);
        state ^= state >> 27;
        v[i] = id == 0 || (id % 2 == 1 && i % 2 == 1) ? 0 : (uint8_t)(state >> 40);
    }
}

static int count_bits(unsigned bits) {
    int count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

/* The definitions; negative if the row does not match. TANIMOTO's is JACCARD's here. */
static double distance(const char *metric, const uint8_t *a, const uint8_t *b) {
    int both = 0, either = 0, first = 0, second = 0, i;
    for (i = 0; i < BYTES; i++) {
        both += count_bits(a[i] & b[i]);
        either += count_bits(a[i] | b[i]);
        first += count_bits(a[i]);
        second += count_bits(b[i]);
    }
    if (strcmp(metric, "HAMMING") == 0)
        return either - both;
    if (strcmp(metric, "SUBSTRUCTURE") == 0)
        return both == first ? 0 : -1;
    if (strcmp(metric, "SUPERSTRUCTURE") == 0)
        return both == second ? 0 : -1;
    return either == 0 ? 1 : (double)(either - both) / either;
}

static elanus_code insert_bits(const elanus_collection *collection, int64_t first, size_t count) {
    int64_t *ids = (int64_t *)malloc(count * sizeof *ids);
    uint8_t *vectors = (uint8_t *)malloc(count * BYTES);
    elanus_column columns[2];
    elanus_code code;
    size_t i;
    for (i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
        bits_of(ids[i], vectors + i * BYTES);
    }
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, count, 0);
    columns[1] = column(ELANUS_DATA_TYPE_BINARY_VECTOR, "v", vectors, NULL, count, BITS);
    code = elanus_collection_insert(collection, columns, 2, NULL, &error);
    free(ids);
    free(vectors);
    return code;
}

/* Searches for rows 0, 5 and 8: as many hits as there may be, in order, each with the score of its row. */
static void check(const elanus_collection *collection, const char *metric, int64_t gone) {
    static const int64_t rows[] = {0, 5, 8};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    uint8_t queries[3 * BYTES], row[BYTES];
    elanus_result *result;
    int good = 1, query;
    options.topk = 10;
    options.metric_type = metric;
    options.params = "{\"nprobe\":64,\"ef\":512}";
    for (query = 0; query < 3; query++)
        bits_of(rows[query], queries + query * BYTES);
    result = elanus_collection_search_binary(collection, "v", queries, 3, BITS, &options, &error);
    CHECK(result != NULL && elanus_result_nq(result) == 3);
    for (query = 0; result != NULL && query < 3; query++) {
        const uint64_t *offsets = elanus_result_offsets(result) + query;
        size_t matching = 0, near = 0, hit, hits = (size_t)(offsets[1] - offsets[0]);
        double last = -1;
        int64_t id;
        for (hit = (size_t)offsets[0]; hit < offsets[1]; hit++) {
            double score = elanus_result_scores(result)[hit], wanted;
            id = elanus_result_ids_int64(result)[hit];
            bits_of(id, row);
            wanted = distance(metric, queries + query * BYTES, row);
            good &= wanted >= 0 && id != gone && (double)elanus_result_scores(result)[hit] >= 0;
            if (strcmp(metric, "TANIMOTO") == 0)
                good &= wanted == 1 ? score > 1e30 : wanted == 0 ? score == 0 : score > wanted;
            else
                good &= score - wanted < 1e-6 && wanted - score < 1e-6;
            good &= wanted >= last;
            last = wanted;
        }
        for (id = 0; id < ROWS; id++) {
            double wanted;
            bits_of(id, row);
            wanted = distance(metric, queries + query * BYTES, row);
            matching += wanted >= 0 && id != gone;
            near += wanted >= 0 && id != gone && wanted < last;
        }
        good &= hits == (matching < 10 ? matching : 10) && near < 10;
    }
    if (!good)
        fprintf(stderr, "    %s\n", metric);
    CHECK(good);
    elanus_result_free(result);
}

static void check_all(const elanus_collection *collection, int64_t gone) {
    static const char *const metrics[] = {"HAMMING", "JACCARD", "TANIMOTO", "SUBSTRUCTURE", "SUPERSTRUCTURE"};
    size_t i;
    for (i = 0; i < 5; i++)
        check(collection, metrics[i], gone);
}

static void indexes(const elanus_collection *collection) {
    static const char *const types[] = {"FLAT", "BIN_FLAT", "IVF_FLAT", "BIN_IVF_FLAT", "HNSW"};
    static const char *const metrics[] = {"HAMMING", "JACCARD", "TANIMOTO", "SUBSTRUCTURE", "SUPERSTRUCTURE"};
    elanus_index_options options = ELANUS_INDEX_OPTIONS_INIT;
    elanus_search_options search = ELANUS_SEARCH_OPTIONS_INIT;
    uint8_t query[BYTES] = {0};
    size_t type, metric;
    options.name = "by_v";
    for (type = 0; type < 5; type++) {
        for (metric = 0; metric < (type < 2 ? 5u : 3u); metric++) {
            char text[160];
            sprintf(text, "{\"index_type\":\"%s\",\"metric_type\":\"%s\",\"params\":{\"nlist\":16,\"M\":16}}", types[type],
                    metrics[metric]);
            CHECK(elanus_index_create(collection, "v", text, &options, &error) == ELANUS_CODE_OK);
            sprintf(text, "\"index_type\":\"%s\"", types[type]);
            CHECK(says(elanus_index_describe(collection, "by_v", &error), text));
            check(collection, metrics[metric], 6);
        }
        search.metric_type = "L2";
        FAILS(ELANUS_CODE_INVALID_PARAMETER, "metric type not match", metrics[metric - 1],
              elanus_collection_search_binary(collection, "v", query, 1, BITS, &search, &error));
    }
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "IVF_PQ", "float vector",
          elanus_index_create(collection, "v", "{\"index_type\":\"IVF_PQ\",\"metric_type\":\"JACCARD\"}", &options, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "HAMMING JACCARD TANIMOTO", "",
          elanus_index_create(collection, "v", "{\"index_type\":\"HNSW\",\"metric_type\":\"SUBSTRUCTURE\"}", &options, &error));
    CHECK(elanus_index_create(collection, "v", "{\"index_type\":\"AUTOINDEX\"}", &options, &error) == ELANUS_CODE_OK);
    CHECK(says(elanus_index_describe(collection, "by_v", &error), "\"metric_type\":\"HAMMING\""));
    check(collection, "HAMMING", 6);
}

int main(void) {
    const int64_t gone = 6;
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, "{\"index_min_rows\":100,\"build_idle_ms\":0}", &error);
    elanus_collection *collection = elanus_collection_create(database, "bits", BITS_SCHEMA, &error);
    uint8_t query[BYTES] = {0};
    float floats[BITS] = {0};
    elanus_result *result;
    CHECK(collection != NULL);
    CHECK(insert_bits(collection, 0, 700) == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(insert_bits(collection, 700, ROWS - 700) == ELANUS_CODE_OK);
    check_all(collection, -1);
    CHECK(elanus_collection_delete_int64(collection, &gone, 1, NULL, &error) == ELANUS_CODE_OK);
    check_all(collection, gone);
    indexes(collection);

    FAILS(ELANUS_CODE_INVALID_PARAMETER, "the dim (96)", "schema dim (104)",
          elanus_collection_search_binary(collection, "v", query, 1, BITS - 8, NULL, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field v holds BinaryVector", "",
          elanus_collection_search(collection, "v", floats, 1, BITS, NULL, &error));
    elanus_collection_free(collection);
    elanus_database_free(database);

    database = elanus_database_open(folder, NULL, &error);
    collection = elanus_collection_open(database, "bits", &error);
    CHECK(count_of(collection) == ROWS - 1);
    check(collection, "HAMMING", gone);
    CHECK(elanus_index_drop(collection, "by_v", &error) == ELANUS_CODE_OK);
    check_all(collection, gone);
    /* Without a metric and an index: HAMMING. */
    bits_of(9, query);
    result = elanus_collection_search_binary(collection, "v", query, 1, BITS, NULL, &error);
    CHECK(elanus_result_count(result) == 10 && elanus_result_ids_int64(result)[0] == 9);
    CHECK(elanus_result_scores(result)[0] == 0.0f);
    elanus_result_free(result);
    elanus_collection_free(collection);
    CHECK(elanus_collection_drop(database, "bits", &error) == ELANUS_CODE_OK);
    elanus_database_free(database);
    remove_folder(folder);
    return finish("binary");
}
