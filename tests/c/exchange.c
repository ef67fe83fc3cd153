/* Export to each format and import back, with filters, progress, cancellation and each bad argument. */
#include "test.h"

enum { ROWS = 900 };

static char *join(const char *folder, const char *name) {
    char *path = (char *)malloc(strlen(folder) + strlen(name) + 2);
    sprintf(path, "%s/%s", folder, name);
    return path;
}

static char *text_of(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = (char *)calloc(1, 1 << 16);
    CHECK(file != NULL);
    if (file != NULL) {
        CHECK(fread(text, 1, (1 << 16) - 1, file) > 0);
        fclose(file);
    }
    return text;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    if (file != NULL) {
        fputs(text, file);
        fclose(file);
    }
}

struct told {
    uint64_t calls, done, total, stop_at;
};

static bool advance(void *user_data, uint64_t done, uint64_t total) {
    struct told *told = (struct told *)user_data;
    told->calls++;
    told->done = done;
    told->total = total;
    return told->calls != told->stop_at;
}

static void there_and_back(const elanus_database *database, const elanus_collection *original, const char *folder) {
    static const char *const names[] = {"a.parquet", "b.jsonl", "c.json", "d.ndjson"};
    static const char *const beside[] = {"a.schema.json", "b.schema.json", "c.schema.json", "d.schema.json"};
    size_t i;
    for (i = 0; i < 4; i++) {
        char *path = join(folder, names[i]), *schema_path = join(folder, beside[i]), *schema;
        const char *paths[1];
        elanus_collection *copy;
        elanus_import_options options = ELANUS_IMPORT_OPTIONS_INIT;
        struct told told = {0, 0, 0, 0};
        uint64_t rows = 0;
        options.progress = advance;
        options.user_data = &told;
        paths[0] = path;
        CHECK(elanus_collection_export(original, path, NULL, &rows, &error) == ELANUS_CODE_OK && rows == ROWS);
        schema = text_of(schema_path);
        CHECK(strstr(schema, "\"type\": 101") != NULL);
        copy = elanus_collection_create(database, names[i][0] == 'a' ? "a" : "other", schema, &error);
        CHECK(copy != NULL);
        rows = 0;
        CHECK(elanus_collection_import(copy, paths, 1, &options, &rows, &error) == ELANUS_CODE_OK && rows == ROWS);
        CHECK(told.calls > 1 && told.done == told.total && told.total > 1000);
        CHECK(count_of(copy) == ROWS && finds(copy, 0) && finds(copy, ROWS - 1));
        elanus_collection_free(copy);
        CHECK(names[i][0] == 'a' || elanus_collection_drop(database, "other", &error) == ELANUS_CODE_OK);
        free(schema);
        free(schema_path);
        free(path);
    }
}

static void part(const elanus_database *database, const elanus_collection *original, const char *folder) {
    elanus_export_options options = ELANUS_EXPORT_OPTIONS_INIT;
    struct told told = {0, 0, 0, 0};
    char *path = join(folder, "part.jsonl"), *stopped = join(folder, "stopped.parquet");
    uint64_t rows = 0;
    options.filter = "id in {ids}";
    options.filter_values = "{\"ids\":[3,4,100000]}";
    options.progress = advance;
    options.user_data = &told;
    CHECK(elanus_collection_export(original, path, &options, &rows, &error) == ELANUS_CODE_OK && rows == 2);
    CHECK(told.done == 2 && told.total == 2);
    told.calls = 0;
    told.stop_at = 1;
    rows = 77;
    FAILS(ELANUS_CODE_CANCELED, "the export was canceled", "",
          elanus_collection_export(original, stopped, &options, &rows, &error));
    CHECK(rows == 77 && access(stopped, F_OK) != 0);
    options.without_keys = 1;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "auto_id", "", elanus_collection_export(original, stopped, &options, NULL, &error));
    options.without_keys = 2;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "without_keys 2", "0 or 1",
          elanus_collection_export(original, stopped, &options, NULL, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "exists already", path,
          elanus_collection_export(original, path, NULL, NULL, &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "unexpected file type", ".parquet",
          elanus_collection_export(original, folder, NULL, NULL, &error));
    (void)database;
    free(stopped);
    free(path);
}

static void into_a_partition(const elanus_database *database, const elanus_collection *original, const char *folder) {
    elanus_import_options options = ELANUS_IMPORT_OPTIONS_INIT;
    elanus_export_options some = ELANUS_EXPORT_OPTIONS_INIT;
    char *path = join(folder, "parts.parquet"), *schema_path = join(folder, "parts.schema.json"), *schema;
    char *p_path = join(folder, "p.parquet"), *none = join(folder, "none.parquet");
    const char *paths[1];
    const char *const names[] = {"p"}, *const others[] = {"q"};
    elanus_collection *copy;
    uint64_t rows = 0;
    paths[0] = path;
    CHECK(elanus_collection_export(original, path, NULL, NULL, &error) == ELANUS_CODE_OK);
    schema = text_of(schema_path);
    copy = elanus_collection_create(database, "parts", schema, &error);
    CHECK(copy != NULL && elanus_partition_create(copy, "p", &error) == ELANUS_CODE_OK);
    options.partition = "p";
    CHECK(elanus_collection_import(copy, paths, 1, &options, &rows, &error) == ELANUS_CODE_OK && rows == ROWS);
    CHECK(elanus_collection_import(copy, paths, 1, NULL, &rows, &error) == ELANUS_CODE_OK && rows == ROWS);
    CHECK(elanus_partition_count_matching(copy, names, 1, "", NULL, &rows, &error) == ELANUS_CODE_OK && rows == ROWS);
    CHECK(count_of(copy) == 2 * ROWS);
    some.partition_names = names;
    some.partition_name_count = 1;
    CHECK(elanus_collection_export(copy, p_path, &some, &rows, &error) == ELANUS_CODE_OK && rows == ROWS);
    paths[0] = p_path;
    CHECK(elanus_collection_import(copy, paths, 1, &options, &rows, &error) == ELANUS_CODE_OK && rows == ROWS);
    CHECK(elanus_partition_count_matching(copy, names, 1, "", NULL, &rows, &error) == ELANUS_CODE_OK && rows == 2 * ROWS);
    some.partition_names = NULL;
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "options.partition_names", "NULL",
          elanus_collection_export(copy, path, &some, &rows, &error));
    some.partition_names = others;
    FAILS(ELANUS_CODE_PARTITION_NOT_FOUND, "q", "", elanus_collection_export(copy, none, &some, &rows, &error));
    CHECK(access(none, F_OK) != 0);
    paths[0] = path;
    options.partition = "q";
    FAILS(ELANUS_CODE_PARTITION_NOT_FOUND, "q", "", elanus_collection_import(copy, paths, 1, &options, &rows, &error));
    options.partition = "\xff";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "options.partition", "",
          elanus_collection_import(copy, paths, 1, &options, &rows, &error));
    elanus_collection_free(copy);
    CHECK(elanus_collection_drop(database, "parts", &error) == ELANUS_CODE_OK);
    free(none);
    free(p_path);
    free(schema);
    free(schema_path);
    free(path);
}

static void refused(const elanus_collection *collection, const char *folder) {
    static const char LINE[] = "{\"id\":1,\"tag\":\"t\",\"v\":[1,2,3,4,5,6,7,8]}\n";
    elanus_import_options options = ELANUS_IMPORT_OPTIONS_INIT;
    struct told told = {0, 0, 0, 1};
    char *good = join(folder, "good.jsonl"), *bad = join(folder, "bad.jsonl"), *none = join(folder, "none.json");
    char *text = (char *)malloc(4 * sizeof LINE);
    const char *paths[2];
    uint64_t before = count_of(collection), rows = 77;
    sprintf(text, "%s%s", LINE, "{\"id\":1,\"tag\":\"t\",\"v\":[1]}");
    write_text(good, LINE);
    write_text(bad, text);
    paths[0] = good;
    paths[1] = bad;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "bad.jsonl: row 1: ", "dim (1)",
          elanus_collection_import(collection, paths, 2, NULL, &rows, &error));
    paths[1] = none;
    FAILS(ELANUS_CODE_IO, "none.json", "cannot read", elanus_collection_import(collection, paths, 2, NULL, &rows, &error));
    options.progress = advance;
    options.user_data = &told;
    FAILS(ELANUS_CODE_CANCELED, "the import was canceled", "",
          elanus_collection_import(collection, paths, 1, &options, &rows, &error));
    options.reserved = 1;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "reserved 1", "0",
          elanus_collection_import(collection, paths, 1, &options, &rows, &error));
    options.size = 1;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "size 1", "32",
          elanus_collection_import(collection, paths, 1, &options, &rows, &error));
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "there is no file to import", "",
          elanus_collection_import(collection, NULL, 0, NULL, &rows, &error));
    CHECK(rows == 77 && count_of(collection) == before);
    CHECK(elanus_collection_import(collection, paths, 1, NULL, NULL, &error) == ELANUS_CODE_OK);
    CHECK(count_of(collection) == before + 1);
    free(text);
    free(none);
    free(bad);
    free(good);
}

int main(void) {
    char *folder = new_folder(), *path = join(folder, "db");
    elanus_database *database = elanus_database_open(path, NULL, &error);
    elanus_collection *collection = elanus_collection_create(database, "rows", SCHEMA, &error);
    CHECK(insert_rows(collection, 0, ROWS - 100) == ELANUS_CODE_OK);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(insert_rows(collection, ROWS - 100, 100) == ELANUS_CODE_OK);
    there_and_back(database, collection, folder);
    part(database, collection, folder);
    into_a_partition(database, collection, folder);
    elanus_collection_free(collection);
    elanus_database_free(database);

    /* What was imported is there after all was closed. */
    database = elanus_database_open(path, NULL, &error);
    collection = elanus_collection_open(database, "a", &error);
    CHECK(count_of(collection) == ROWS && finds(collection, 7));
    refused(collection, folder);
    elanus_collection_free(collection);
    elanus_database_free(database);
    free(path);
    remove_folder(folder);
    return finish("exchange");
}
