/* kill -9 at random moments: kill9 DIRECTORY KILLS
 *
 * A child inserts, deletes, flushes, builds and drops, and says on a pipe what it starts and what was acknowledged. The parent
 * kills it, opens the database and compares: every acknowledged batch is there whole (or gone, once its delete was
 * acknowledged), and the one operation in flight happened whole or not at all. Then the next child goes on with the same
 * database. The vectors are functions of the ids, so that a score shows a damaged row. */
#define _POSIX_C_SOURCE 200809L

#include "elanus.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DIM = 16, BATCH_IDS = 64, MOST_BATCHES = 1 << 20, MOST_ROWS = 16384 };

static const char *const OPTIONS = "{\"segment_size_mb\": 1, \"index_min_rows\": 64, \"build_idle_ms\": 0, \"threads\": 2}";
static const char *const SCHEMA =
    "{\"fields\": [{\"name\": \"id\", \"data_type\": \"INT64\", \"is_primary\": true},"
    " {\"name\": \"v\", \"data_type\": \"FLOAT_VECTOR\", \"dim\": 16}]}";

static uint64_t seed = 88172645463325252u;

/* Marsaglia's xorshift: the same numbers for the same seed. */
static uint64_t dice(uint64_t sides) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % sides;
}

static void must(bool ok, const char *what, elanus_error *error) {
    if (ok) return;
    fprintf(stderr, "kill9: %s: %s (code %u)\n", what, error == NULL ? "" : elanus_error_message(error),
            (unsigned)elanus_error_code(error));
    exit(2);
}

static int64_t rows_of(int64_t batch) {
    return 1 + batch * 7919 % BATCH_IDS;
}

static float value(int64_t id, int j) {
    return (float)((id * 31 + j * 7) % 101) / 101.0f;
}

/* Line by line, so that what the pipe holds after the kill is what happened. */
static void say(const char *event, char operation, int64_t batch) {
    char line[64];
    int length = snprintf(line, sizeof line, "%s %c %lld\n", event, operation, (long long)batch);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) exit(3);
}

static elanus_code insert(const elanus_collection *c, int64_t batch, elanus_error **error) {
    int64_t ids[BATCH_IDS];
    float v[BATCH_IDS * DIM];
    int64_t rows = rows_of(batch);
    for (int64_t i = 0; i < rows; i++) {
        ids[i] = batch * BATCH_IDS + i;
        for (int j = 0; j < DIM; j++) v[i * DIM + j] = value(ids[i], j);
    }
    elanus_column id = ELANUS_COLUMN_INIT, vectors = ELANUS_COLUMN_INIT;
    id.data_type = ELANUS_DATA_TYPE_INT64;
    id.name = "id";
    id.data = ids;
    vectors.data_type = ELANUS_DATA_TYPE_FLOAT_VECTOR;
    vectors.name = "v";
    vectors.data = v;
    vectors.dim = DIM;
    id.count = vectors.count = (uint64_t)rows;
    const elanus_column columns[] = {id, vectors};
    return elanus_collection_insert(c, columns, 2, NULL, error);
}

static elanus_code delete_batch(const elanus_collection *c, int64_t batch, elanus_error **error) {
    int64_t ids[BATCH_IDS];
    for (int64_t i = 0; i < rows_of(batch); i++) ids[i] = batch * BATCH_IDS + i;
    uint64_t deleted = 0;
    return elanus_collection_delete_int64(c, ids, (size_t)rows_of(batch), &deleted, error);
}

/* A collection that comes and goes beside the one that is compared. */
static elanus_code come_and_go(const elanus_database *db, elanus_error **error) {
    bool has = false;
    elanus_code code = elanus_collection_has(db, "guest", &has, error);
    if (code != ELANUS_CODE_OK) return code;
    if (has) return elanus_collection_drop(db, "guest", error);
    elanus_collection *guest = elanus_collection_create(db, "guest", SCHEMA, error);
    if (guest == NULL) return ELANUS_CODE_INTERNAL;
    code = insert(guest, 1, error);
    elanus_collection_free(guest);
    return code;
}

/* The child: works until it is killed. Batches from `next` on are new. */
static int work(const char *directory, int64_t next) {
    static const char *const INDEXES[] = {"{\"index_type\":\"FLAT\",\"metric_type\":\"L2\",\"params\":{}}",
                                          "{\"index_type\":\"IVF_FLAT\",\"metric_type\":\"L2\",\"params\":{\"nlist\":16}}",
                                          "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\",\"params\":{\"M\":8,\"efConstruction\":40}}"};
    elanus_error *error = NULL;
    elanus_database *db = elanus_database_open(directory, OPTIONS, &error);
    must(db != NULL, "open in the child", error);
    elanus_collection *c = elanus_collection_open(db, "c", &error);
    must(c != NULL, "open the collection in the child", error);
    for (;;) {
        uint64_t rows = 0;
        must(elanus_collection_count(c, &rows, &error) == ELANUS_CODE_OK, "count", error);
        uint64_t roll = dice(100);
        char operation = roll < 50 ? 'i' : roll < 80 ? 'd' : roll < 88 ? 'f' : roll < 94 ? 'x' : roll < 96 ? 'y' : 'g';
        if (rows > MOST_ROWS / 2 && operation == 'i') operation = 'd';
        int64_t batch = operation == 'i' ? next++ : (int64_t)dice((uint64_t)next + 1);
        say("start", operation, batch);
        elanus_code code = ELANUS_CODE_OK;
        if (operation == 'i') code = insert(c, batch, &error);
        if (operation == 'd') code = delete_batch(c, batch, &error);
        if (operation == 'f') code = elanus_collection_flush(c, &error);
        if (operation == 'x') code = elanus_index_create(c, "v", INDEXES[batch % 3], NULL, &error);
        if (operation == 'y') code = elanus_index_drop(c, "v", &error);
        if (operation == 'g') code = come_and_go(db, &error);
        must(code == ELANUS_CODE_OK, "an operation of the child", error);
        say("done", operation, batch);
    }
}

/* What the parent knows of each batch; of the one in flight it does not know. */
enum { ABSENT, PRESENT, EITHER };
static char known[MOST_BATCHES], seen[MOST_BATCHES];
static long acknowledged;

/* Starts a child, kills it after a while, and takes in what it said. Gives back the first batch that it did not start. */
static int64_t run_and_kill(char *self, char *directory, int64_t next) {
    int ends[2];
    must(pipe(ends) == 0, "pipe", NULL);
    pid_t child = fork();
    must(child >= 0, "fork", NULL);
    if (child == 0) {
        char number[32], luck[32];
        snprintf(number, sizeof number, "%lld", (long long)next);
        snprintf(luck, sizeof luck, "%llu", (unsigned long long)seed);
        char *arguments[] = {self, directory, "work", number, luck, NULL};
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(self, arguments);
        _exit(3);
    }
    close(ends[1]);
    struct timespec nap = {0, (long)(3 + dice(200)) * 1000000};
    nanosleep(&nap, NULL);
    kill(child, SIGKILL);

    FILE *told = fdopen(ends[0], "r");
    must(told != NULL, "read the child", NULL);
    char line[64], operation = 0;
    long long batch = 0;
    while (fgets(line, sizeof line, told) != NULL && strchr(line, '\n') != NULL) {
        bool start = sscanf(line, "start %c %lld", &operation, &batch) == 2;
        must(start || sscanf(line, "done %c %lld", &operation, &batch) == 2, "a line of the child", NULL);
        must(batch < MOST_BATCHES, "too many batches", NULL);
        acknowledged += !start;
        if (operation == 'i') known[batch] = start ? EITHER : PRESENT;
        if (operation == 'd' && (start ? known[batch] == PRESENT : known[batch] == EITHER)) known[batch] = start ? EITHER : ABSENT;
        if (operation == 'i' && batch >= next) next = batch + 1;
    }
    fclose(told);
    int status = 0;
    waitpid(child, &status, 0);
    must(WIFSIGNALED(status), "the child failed before it was killed", NULL);
    return next;
}

/* Opens what the kill left and compares; gives back how many batches are wrong. */
static long compare(const char *directory, int64_t next) {
    elanus_error *error = NULL;
    elanus_database *db = elanus_database_open(directory, OPTIONS, &error);
    must(db != NULL, "open after the kill", error);
    elanus_collection *c = elanus_collection_open(db, "c", &error);
    must(c != NULL, "open the collection after the kill", error);
    must(elanus_index_drop(c, "v", &error) == ELANUS_CODE_OK, "drop the index", error); /* the search below sees every row */
    const float origin[DIM] = {0};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    options.topk = MOST_ROWS;
    elanus_result *all = elanus_collection_search(c, "v", origin, 1, DIM, &options, &error);
    must(all != NULL, "search after the kill", error);
    memset(seen, 0, (size_t)next);
    long wrong = 0;
    for (size_t i = 0; i < elanus_result_count(all); i++) {
        int64_t id = elanus_result_ids_int64(all)[i];
        double exact = 0;
        for (int j = 0; j < DIM; j++) exact += (double)value(id, j) * (double)value(id, j);
        bool damaged = id < 0 || id / BATCH_IDS >= next || fabs(exact - (double)elanus_result_scores(all)[i]) > 1e-4;
        if (damaged) fprintf(stderr, "kill9: row %lld is not one that was inserted\n", (long long)id);
        wrong += damaged;
        if (!damaged) seen[id / BATCH_IDS]++;
    }
    for (int64_t batch = 0; batch < next; batch++) {
        int64_t rows = seen[batch];
        bool right = known[batch] == ABSENT ? rows == 0 : rows == rows_of(batch) || (known[batch] == EITHER && rows == 0);
        if (!right)
            fprintf(stderr, "kill9: batch %lld has %lld of %lld rows and should %s\n", (long long)batch, (long long)rows,
                    (long long)rows_of(batch), known[batch] == ABSENT ? "be gone" : known[batch] == PRESENT ? "be there" : "be whole");
        wrong += !right;
        known[batch] = rows == 0 ? ABSENT : PRESENT;
    }
    elanus_result_free(all);
    elanus_collection_free(c);
    elanus_database_free(db);
    return wrong;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[2], "work") == 0) {
        seed = strtoull(argv[4], NULL, 10);
        return work(argv[1], atoll(argv[3]));
    }
    if (argc != 3) {
        fprintf(stderr, "usage: %s DIRECTORY KILLS\n", argv[0]);
        return 2;
    }
    elanus_error *error = NULL;
    elanus_database *db = elanus_database_open(argv[1], OPTIONS, &error);
    must(db != NULL, "create the database", error);
    elanus_collection *c = elanus_collection_create(db, "c", SCHEMA, &error);
    must(c != NULL, "create the collection", error);
    elanus_collection_free(c);
    elanus_database_free(db);

    seed ^= (uint64_t)time(NULL) * 2654435761u;
    printf("seed %llu\n", (unsigned long long)seed);
    long wrong = 0;
    int64_t next = 0;
    int kills = atoi(argv[2]);
    for (int i = 0; i < kills; i++) {
        next = run_and_kill(argv[0], argv[1], next);
        wrong += compare(argv[1], next);
    }
    printf("%d kills, %ld operations acknowledged, %lld batches: %ld wrong, 0 failed opens\n", kills, acknowledged,
           (long long)next, wrong);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
