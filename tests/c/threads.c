/* Eight threads on one handle: three insert, two delete, three search, and every search is right for some moment between
 * its call and its return.
 *
 * Each row has four times, taken from one counter: before and after its insert, before and after its delete. A hit must
 * have been there at some moment of the search; and a row that was there all along and is nearer than the last hit must
 * be a hit. */
#include "test.h"

#include <pthread.h>

enum { ROWS = 3000, BATCH = 20, INSERTERS = 3, DELETERS = 2, SEARCHERS = 3, TOPK = 10 };

static struct times {
    uint64_t insert_began, insert_ended, delete_began, delete_ended;
} rows[ROWS];

static float vectors[ROWS][DIM];
static uint64_t clock_now = 1;
static int inserting = INSERTERS, wrong, searches;
static const elanus_collection *collection;

static uint64_t tick(void) { return __atomic_fetch_add(&clock_now, 1, __ATOMIC_SEQ_CST); }
static void set(uint64_t *at) { __atomic_store_n(at, tick(), __ATOMIC_SEQ_CST); }
static uint64_t get(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static int load(const int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }

static void complain(const char *what, elanus_error *why) {
    __atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
    fprintf(stderr, "    %s: %s\n", what, why != NULL ? elanus_error_message(why) : "");
    elanus_error_free(why);
}

static void *insert_some(void *argument) {
    const int which = (int)(intptr_t)argument;
    int first, i;
    for (first = which * BATCH; first < ROWS; first += INSERTERS * BATCH) {
        int64_t ids[BATCH];
        uint64_t offsets[BATCH + 1] = {0};
        elanus_column columns[3];
        elanus_error *why = NULL;
        for (i = 0; i < BATCH; i++) {
            ids[i] = first + i;
            set(&rows[first + i].insert_began);
        }
        columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, BATCH, 0);
        columns[1] = column(ELANUS_DATA_TYPE_VARCHAR, "tag", NULL, offsets, BATCH, 0);
        columns[2] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors[first], NULL, BATCH, DIM);
        if (elanus_collection_insert(collection, columns, 3, NULL, &why) != ELANUS_CODE_OK)
            complain("insert", why);
        for (i = 0; i < BATCH; i++)
            set(&rows[first + i].insert_ended);
        if (which == 0 && first % (INSERTERS * BATCH * 10) == 0 &&
            elanus_collection_flush(collection, &why) != ELANUS_CODE_OK)
            complain("flush", why);
        if (which == 1 && first % (INSERTERS * BATCH * 10) == BATCH &&
            elanus_collection_compact(collection, NULL, &why) != ELANUS_CODE_OK)
            complain("compact", why);
    }
    __atomic_fetch_sub(&inserting, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Deletes every third row, once it is there. */
static void *delete_some(void *argument) {
    const int which = (int)(intptr_t)argument;
    int row;
    for (row = 3 * which; row < ROWS; row += 3 * DELETERS) {
        int64_t id = row;
        uint64_t deleted = 0;
        elanus_error *why = NULL;
        while (get(&rows[row].insert_ended) == 0)
            usleep(200);
        set(&rows[row].delete_began);
        if (elanus_collection_delete_int64(collection, &id, 1, &deleted, &why) != ELANUS_CODE_OK || deleted != 1)
            complain("delete", why);
        set(&rows[row].delete_ended);
    }
    return NULL;
}

static float distance(const float *a, const float *b) {
    float sum = 0;
    int i;
    for (i = 0; i < DIM; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static void judge(const elanus_result *result, const float *query, uint64_t began, uint64_t ended) {
    const size_t count = elanus_result_count(result);
    const int64_t *ids = elanus_result_ids_int64(result);
    const float *scores = elanus_result_scores(result);
    const float last = count == TOPK ? scores[count - 1] : 1e30f;
    size_t hit;
    int row;
    for (hit = 0; hit < count; hit++) {
        const struct times *t = &rows[ids[hit]];
        const uint64_t born = get(&t->insert_began), dead = get(&t->delete_ended);
        if (born == 0 || born > ended || (dead != 0 && dead < began))
            complain("a hit that was not there", NULL);
        if (distance(query, vectors[ids[hit]]) > scores[hit] + 1e-4f)
            complain("a wrong score", NULL);
        if (hit > 0 && scores[hit] < scores[hit - 1])
            complain("hits out of order", NULL);
    }
    for (row = 0; row < ROWS; row++) {
        const uint64_t born = get(&rows[row].insert_ended), dying = get(&rows[row].delete_began);
        int found = 0;
        if (born == 0 || born >= began || (dying != 0 && dying <= ended) ||
            distance(query, vectors[row]) >= last - 1e-4f)
            continue;
        for (hit = 0; hit < count; hit++)
            found |= ids[hit] == row;
        if (!found)
            complain("a row that was there all along is missing", NULL);
    }
}

static void *search_some(void *argument) {
    int64_t seed = 1000000 + (int64_t)(intptr_t)argument * 100000;
    int done = 0;
    while (load(&inserting) > 0 || done < 20) {
        float query[DIM];
        uint64_t began, ended;
        elanus_error *why = NULL;
        elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
        elanus_result *result;
        options.topk = TOPK;
        vector_of(seed++, query);
        began = tick();
        result = elanus_collection_search(collection, "v", query, 1, DIM, &options, &why);
        ended = tick();
        if (result == NULL)
            complain("search", why);
        else
            judge(result, query, began, ended);
        elanus_result_free(result);
        done++;
    }
    __atomic_fetch_add(&searches, done, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, "{\"index_min_rows\":100,\"build_idle_ms\":0}", &error);
    elanus_collection *handle = elanus_collection_create(database, "rows", SCHEMA, &error);
    pthread_t threads[INSERTERS + DELETERS + SEARCHERS];
    int i, started = 0;
    CHECK(handle != NULL);
    collection = handle;
    for (i = 0; i < ROWS; i++)
        vector_of(i, vectors[i]);
    for (i = 0; i < INSERTERS; i++)
        pthread_create(&threads[started++], NULL, insert_some, (void *)(intptr_t)i);
    for (i = 0; i < DELETERS; i++)
        pthread_create(&threads[started++], NULL, delete_some, (void *)(intptr_t)i);
    for (i = 0; i < SEARCHERS; i++)
        pthread_create(&threads[started++], NULL, search_some, (void *)(intptr_t)i);
    for (i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    CHECK(wrong == 0);
    CHECK(searches >= 20 * SEARCHERS);
    CHECK(count_of(handle) == ROWS - ROWS / 3);
    elanus_collection_free(handle);
    elanus_database_free(database);

    database = elanus_database_open(folder, NULL, &error);
    handle = elanus_collection_open(database, "rows", &error);
    CHECK(count_of(handle) == ROWS - ROWS / 3);
    elanus_collection_free(handle);
    elanus_database_free(database);
    remove_folder(folder);
    return finish("threads");
}
