/* Handles: freed in any order, used after a drop, a close, a release; the folder itself: locked, a file, forbidden. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static void any_order(void) {
    float query[DIM];
    int order;
    for (order = 0; order < 6; order++) {
        char *folder = new_folder();
        elanus_database *database = elanus_database_open(folder, NULL, &error);
        elanus_collection *collection = elanus_collection_create(database, "rows", SCHEMA, &error);
        elanus_result *result;
        int step;
        static const char orders[6][4] = {"dcr", "drc", "cdr", "crd", "rdc", "rcd"};
        CHECK(insert_rows(collection, 0, 50) == ELANUS_CODE_OK);
        vector_of(3, query);
        result = elanus_collection_search(collection, "v", query, 1, DIM, NULL, &error);
        for (step = 0; step < 3; step++) {
            if (orders[order][step] == 'd')
                elanus_database_free(database), database = NULL;
            if (orders[order][step] == 'c')
                elanus_collection_free(collection), collection = NULL;
            if (orders[order][step] == 'r')
                elanus_result_free(result), result = NULL;
            CHECK(collection == NULL || finds(collection, 3));
            CHECK(result == NULL || elanus_result_ids_int64(result)[0] == 3);
        }
        database = elanus_database_open(folder, NULL, &error);
        CHECK(database != NULL);
        elanus_database_free(database);
        remove_folder(folder);
    }
}

static void after_drop_and_close(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, NULL, &error);
    elanus_collection *old = elanus_collection_create(database, "rows", SCHEMA, &error);
    elanus_collection *same = elanus_collection_open(database, "rows", &error);
    elanus_collection *fresh;
    elanus_compaction_state compaction;
    uint64_t before;
    int64_t id = 1;
    CHECK(insert_rows(old, 0, 10) == ELANUS_CODE_OK);
    CHECK(count_of(same) == 10);
    CHECK(elanus_collection_drop(database, "rows", &error) == ELANUS_CODE_OK);
    before = folder_hash(folder);
    FAILS(ELANUS_CODE_CLOSED, "rows", "", insert_rows(old, 10, 10));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", finds(same, 1));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", count_of(old));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_collection_flush(old, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_collection_compact(old, NULL, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "",
          elanus_collection_get_compaction_state(old, &compaction, NULL, NULL, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_collection_load(old, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_collection_release(old, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_collection_describe(old, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_collection_statistics(old, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_collection_delete_int64(old, &id, 1, NULL, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "",
          elanus_index_create(old, "v", "{\"index_type\":\"FLAT\",\"metric_type\":\"L2\"}", NULL, &error));
    FAILS(ELANUS_CODE_CLOSED, "rows", "", elanus_index_list(old, &error));
    CHECK(folder_hash(folder) == before);

    /* A new collection of the same name is another one. */
    fresh = elanus_collection_create(database, "rows", SCHEMA, &error);
    CHECK(fresh != NULL && count_of(fresh) == 0);
    FAILS(ELANUS_CODE_CLOSED, "rows", "", count_of(old));
    elanus_collection_free(old);
    CHECK(insert_rows(fresh, 5, 1) == ELANUS_CODE_OK);

    CHECK(elanus_database_close(database, &error) == ELANUS_CODE_OK);
    CHECK(elanus_database_close(database, &error) == ELANUS_CODE_OK);
    before = folder_hash(folder);
    FAILS(ELANUS_CODE_CLOSED, "closed", "", finds(fresh, 5));
    FAILS(ELANUS_CODE_CLOSED, "closed", "", elanus_database_refresh(database, &error));
    FAILS(ELANUS_CODE_CLOSED, "closed", "", insert_rows(fresh, 6, 1));
    FAILS(ELANUS_CODE_CLOSED, "closed", "", elanus_collection_open(database, "rows", &error));
    FAILS(ELANUS_CODE_CLOSED, "closed", "", elanus_collection_create(database, "more", SCHEMA, &error));
    FAILS(ELANUS_CODE_CLOSED, "closed", "", elanus_collection_list(database, &error));
    FAILS(ELANUS_CODE_CLOSED, "closed", "", elanus_collection_drop(database, "rows", &error));
    CHECK(folder_hash(folder) == before);
    elanus_collection_free(same);
    elanus_database_free(database);

    /* Closed is closed: the next one may open it while an old handle is still held. */
    database = elanus_database_open(folder, NULL, &error);
    CHECK(database != NULL);
    elanus_collection_free(fresh);
    elanus_database_free(database);
    remove_folder(folder);
}

static void read_only(void) {
    char *folder = new_folder();
    elanus_database *database, *reader;
    elanus_collection *collection;
    uint64_t before;
    int64_t id = 1;
    FAILS(ELANUS_CODE_IO, folder, "", elanus_database_open(folder, "{\"read_only\":true}", &error));
    database = elanus_database_open(folder, NULL, &error);
    collection = elanus_collection_create(database, "rows", SCHEMA, &error);
    CHECK(insert_rows(collection, 0, 10) == ELANUS_CODE_OK);
    elanus_collection_free(collection);
    elanus_database_free(database);

    before = folder_hash(folder);
    reader = elanus_database_open(folder, "{\"read_only\":true}", &error);
    database = elanus_database_open(folder, "{\"read_only\":true}", &error);
    CHECK(reader != NULL && database != NULL);
    collection = elanus_collection_open(reader, "rows", &error);
    CHECK(finds(collection, 3) && count_of(collection) == 10);
    FAILS(ELANUS_CODE_READ_ONLY, "read-only", "", insert_rows(collection, 10, 1));
    FAILS(ELANUS_CODE_READ_ONLY, "read-only", "", elanus_collection_delete_int64(collection, &id, 1, NULL, &error));
    FAILS(ELANUS_CODE_READ_ONLY, "read-only", "", elanus_collection_create(reader, "b", SCHEMA, &error));
    FAILS(ELANUS_CODE_READ_ONLY, "read-only", "", elanus_collection_drop(reader, "rows", &error));
    FAILS(ELANUS_CODE_READ_ONLY, "read-only", "", elanus_collection_rename(reader, "rows", "b", &error));
    FAILS(ELANUS_CODE_READ_ONLY, "read-only", "",
          elanus_index_create(collection, "v", "{\"index_type\":\"FLAT\",\"metric_type\":\"L2\"}", NULL, &error));
    elanus_collection_free(collection);
    elanus_database_free(reader);
    elanus_database_free(database);
    CHECK(folder_hash(folder) == before);
    remove_folder(folder);
}

static void second_writer(void) {
    char *folder = new_folder(), pid[32], byte = 0;
    elanus_database *database;
    int ready[2], status;
    uint64_t before;
    pid_t child;
    CHECK(pipe(ready) == 0);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        database = elanus_database_open(folder, NULL, NULL);
        if (database == NULL || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    before = folder_hash(folder);
    snprintf(pid, sizeof pid, "%d", (int)child);
    FAILS(ELANUS_CODE_LOCKED, pid, folder, elanus_database_open(folder, NULL, &error));
    (void)elanus_database_open(folder, NULL, &error);
    verdict(elanus_error_retryable(error), __FILE__, __LINE__, "a lock may go away");
    forget_error();
    CHECK(folder_hash(folder) == before);

    /* The lock goes with its process. */
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    database = elanus_database_open(folder, NULL, &error);
    CHECK(database != NULL);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    FAILS(ELANUS_CODE_LOCKED, pid, "", elanus_database_open(folder, NULL, &error));
    elanus_database_free(database);
    close(ready[0]);
    close(ready[1]);
    remove_folder(folder);
}

static void paths(void) {
    char *folder = new_folder(), below[4096];
    int file, status;
    pid_t child;
    uint64_t before;
    snprintf(below, sizeof below, "%s/file", folder);
    file = open(below, O_CREAT | O_WRONLY, 0644);
    CHECK(file >= 0 && write(file, "text", 4) == 4);
    close(file);
    before = folder_hash(folder);
    FAILS(ELANUS_CODE_IO, below, "", elanus_database_open(below, NULL, &error));
    snprintf(below, sizeof below, "%s/file/db", folder);
    FAILS(ELANUS_CODE_IO, below, "", elanus_database_open(below, NULL, &error));
    snprintf(below, sizeof below, "%s/absent", folder);
    FAILS(ELANUS_CODE_IO, below, "", elanus_database_open(below, "{\"create_if_missing\":false}", &error));
    CHECK(folder_hash(folder) == before);

    /* Permissions mean nothing to root: ask as somebody else. */
    snprintf(below, sizeof below, "%s/locked", folder);
    CHECK(mkdir(below, 0555) == 0);
    CHECK(chmod(folder, 0755) == 0);
    before = folder_hash(folder);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        failures = 0;
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(9);
        FAILS(ELANUS_CODE_IO, below, "ermission", elanus_database_open(below, NULL, &error));
        free(folder);
        _exit(failures);
    }
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(folder_hash(folder) == before);
    remove_folder(folder);
}

/* CRC-32C, bit by bit: the stamp at the beginning of every file carries one. */
static uint32_t crc32c(const unsigned char *bytes, size_t count) {
    uint32_t crc = 0xffffffff;
    size_t i;
    int bit;
    for (i = 0; i < count; i++)
        for (crc ^= bytes[i], bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    return ~crc;
}

/* Writes the first 16 bytes of a file: magic, version, checksum of these. */
static void stamp(const char *path, unsigned char *bytes, unsigned char version) {
    FILE *file = fopen(path, "r+b");
    uint32_t crc;
    int i;
    bytes[8] = version;
    crc = crc32c(bytes, 12);
    for (i = 0; i < 4; i++)
        bytes[12 + i] = (unsigned char)(crc >> (8 * i));
    CHECK(file != NULL && fwrite(bytes, 1, 16, file) == 16);
    fclose(file);
}

static void newer_and_damaged(void) {
    char *folder = new_folder(), manifest[4096];
    unsigned char bytes[16];
    elanus_database *database = elanus_database_open(folder, NULL, &error);
    FILE *file;
    uint64_t before;
    elanus_collection_free(elanus_collection_create(database, "rows", SCHEMA, &error));
    elanus_database_free(database);
    snprintf(manifest, sizeof manifest, "%s/MANIFEST", folder);
    file = fopen(manifest, "rb");
    CHECK(file != NULL && fread(bytes, 1, 16, file) == 16);
    fclose(file);

    stamp(manifest, bytes, 200);
    before = folder_hash(folder);
    FAILS(ELANUS_CODE_FORMAT_TOO_NEW, "MANIFEST", "version 200", elanus_database_open(folder, NULL, &error));
    FAILS(ELANUS_CODE_FORMAT_TOO_NEW, "MANIFEST", "up to 1",
          elanus_database_open(folder, "{\"read_only\":true}", &error));
    CHECK(folder_hash(folder) == before);

    stamp(manifest, bytes, 1);
    database = elanus_database_open(folder, NULL, &error);
    CHECK(database != NULL);
    elanus_database_free(database);

    file = fopen(manifest, "r+b");
    CHECK(file != NULL && fseek(file, -1, SEEK_END) == 0 && fputc('~', file) != EOF);
    fclose(file);
    before = folder_hash(folder);
    FAILS(ELANUS_CODE_CORRUPT, "MANIFEST", "", elanus_database_open(folder, NULL, &error));
    CHECK(folder_hash(folder) == before);
    remove_folder(folder);
}

int main(void) {
    second_writer();
    newer_and_damaged();
    paths();
    any_order();
    after_drop_and_close();
    read_only();
    return finish("handles");
}
