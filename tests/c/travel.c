/* Time travel: moments noted, and what was there then; the retention, and what cannot be told. */
#include "test.h"

static uint64_t now(const elanus_collection *collection) {
    uint64_t timestamp = 0;
    CHECK(elanus_collection_timestamp(collection, &timestamp, &error) == ELANUS_CODE_OK && timestamp > 0);
    return timestamp;
}

/* The state at `timestamp`: how many rows, by a search and by a query; SIZE_MAX for an error. */
static size_t rows_at(const elanus_collection *collection, uint64_t timestamp) {
    elanus_search_options search = ELANUS_SEARCH_OPTIONS_INIT;
    elanus_query_options query = ELANUS_QUERY_OPTIONS_INIT;
    float vector[DIM] = {0};
    elanus_result *result;
    size_t searched;
    search.topk = 1000;
    search.travel_timestamp = query.travel_timestamp = timestamp;
    result = elanus_collection_search(collection, "v", vector, 1, DIM, &search, &error);
    if (result == NULL)
        return SIZE_MAX;
    searched = elanus_result_count(result);
    elanus_result_free(result);
    result = elanus_collection_query(collection, "id >= 0", &query, &error);
    CHECK(elanus_result_count(result) == searched);
    elanus_result_free(result);
    return searched;
}

static void moments(const char *folder) {
    static const int64_t gone[] = {1, 2, 3};
    elanus_database *database = elanus_database_open(folder, "{\"retention_duration\":3600}", &error);
    elanus_collection *collection = elanus_collection_create(database, "c", SCHEMA, &error);
    elanus_query_options query = ELANUS_QUERY_OPTIONS_INIT;
    elanus_query_iterator *iterator;
    elanus_result *result;
    uint64_t empty = now(collection), full, fewer;
    CHECK(insert_rows(collection, 0, 50) == ELANUS_CODE_OK);
    full = now(collection);
    CHECK(elanus_collection_delete_int64(collection, gone, 3, NULL, &error) == ELANUS_CODE_OK);
    fewer = now(collection);
    CHECK(empty < full && full < fewer);
    CHECK(elanus_collection_compact(collection, NULL, &error) == ELANUS_CODE_OK);
    CHECK(insert_rows(collection, 100, 5) == ELANUS_CODE_OK);
    CHECK(rows_at(collection, 0) == 52 && rows_at(collection, fewer) == 47 && rows_at(collection, full) == 50 &&
          rows_at(collection, empty) == 0);
    query.travel_timestamp = full;
    iterator = elanus_query_iterator_open(collection, "id < 3", &query, 10, &error);
    result = elanus_query_iterator_next(iterator, &error);
    CHECK(elanus_result_count(result) == 3);
    elanus_result_free(result);
    elanus_query_iterator_free(iterator);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "travel_timestamp 1", "only support to travel back to 1h0m0s so far",
          rows_at(collection, 1));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "travel_timestamp 18446744073709551615", "ahead of the present",
          rows_at(collection, UINT64_MAX));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "the history of collection c begins at", "creation",
          rows_at(collection, empty - ((uint64_t)1000 << 18)));
    elanus_collection_free(collection);
    elanus_database_free(database);

    /* It is kept, and readers have it. */
    database = elanus_database_open(folder, "{\"read_only\":true}", &error);
    collection = elanus_collection_open(database, "c", &error);
    CHECK(now(collection) > fewer);
    CHECK(rows_at(collection, full) == 50 && rows_at(collection, fewer) == 47);
    elanus_collection_free(collection);
    elanus_database_free(database);

    /* Off. */
    database = elanus_database_open(folder, "{\"retention_duration\":0}", &error);
    collection = elanus_collection_open(database, "c", &error);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "only support to travel back to 0s so far", "but got",
          rows_at(collection, full));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "no times of commits are kept", "retention_duration is 0",
          elanus_collection_timestamp(collection, &full, &error));
    elanus_collection_free(collection);
    elanus_database_free(database);
    FAILS(ELANUS_CODE_READ_ONLY, "retention_duration", "read-only",
          elanus_database_open(folder, "{\"read_only\":true,\"retention_duration\":5}", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "retention_duration", "[0, 4294967295], got \"1h\"",
          elanus_database_open(folder, "{\"retention_duration\":\"1h\"}", &error));
}

int main(void) {
    char *folder = new_folder();
    moments(folder);
    remove_folder(folder);
    return finish("travel");
}
