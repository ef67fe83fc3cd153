/* A disk that fills up: an error, nothing half done, and all that was acknowledged is there. The folder given is on a
 * file system of a few MiB, which run.sh mounts where it may. */
#include "test.h"

int main(int argc, char **argv) {
    elanus_database *database;
    elanus_collection *collection;
    int64_t rows = 0;
    elanus_code code = ELANUS_CODE_OK;
    if (argc != 2) {
        fprintf(stderr, "usage: disk_full FOLDER\n");
        return 2;
    }
    database = elanus_database_open(argv[1], NULL, &error);
    collection = elanus_collection_create(database, "rows", SCHEMA, &error);
    CHECK(collection != NULL);
    while (code == ELANUS_CODE_OK && rows < 1000000) {
        code = insert_rows(collection, rows, 500);
        rows += code == ELANUS_CODE_OK ? 500 : 0;
    }
    verdict(code == ELANUS_CODE_DISK_FULL, __FILE__, __LINE__, "the disk is full");
    verdict(elanus_error_retryable(error), __FILE__, __LINE__, "there may be room later");
    forget_error();
    CHECK(rows > 0 && count_of(collection) == (uint64_t)rows);
    CHECK(finds(collection, 0) && finds(collection, rows - 1));
    elanus_collection_free(collection);
    elanus_database_free(database);

    database = elanus_database_open(argv[1], "{\"read_only\":true}", &error);
    collection = elanus_collection_open(database, "rows", &error);
    CHECK(count_of(collection) == (uint64_t)rows && finds(collection, rows - 1));
    elanus_collection_free(collection);
    elanus_database_free(database);
    return finish("disk_full");
}
