/* What the test programs share. */
#include "test.h"

#include <dirent.h>


elanus_error *error;
int failures;
static int checks;

void verdict(int good, const char *file, int line, const char *what) {
    checks++;
    if (!good) {
        failures++;
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
        if (error != NULL)
            fprintf(stderr, "    error %d: %s\n", (int)elanus_error_code(error), elanus_error_message(error));
    }
}

void forget_error(void) {
    elanus_error_free(error);
    error = NULL;
}

int failed_with(elanus_code code, const char *text1, const char *text2) {
    const char *message = elanus_error_message(error);
    return message != NULL && elanus_error_code(error) == code && strstr(message, text1) != NULL &&
           strstr(message, text2) != NULL;
}

int finish(const char *program) {
    printf("%-12s %5d checks, %d failed\n", program, checks, failures);
    return failures != 0;
}

/* ---- folders ------------------------------------------------------------------------------------------------- */

char *new_folder(void) {
    const char *base = getenv("TMPDIR");
    char *path = (char *)malloc(4096);
    snprintf(path, 4096, "%s/elanus-test-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(path) == NULL) {
        perror(path);
        exit(2);
    }
    return path;
}

/* Calls `visit` with every file and folder below `path`, folders after what is in them. */
static void walk(const char *path, void (*visit)(const char *path, const struct stat *, void *), void *data) {
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char below[4096];
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (lstat(below, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode))
            walk(below, visit, data);
        visit(below, &info, data);
    }
    if (folder != NULL)
        closedir(folder);
}

static void remove_one(const char *path, const struct stat *info, void *data) {
    (void)data;
    if (S_ISDIR(info->st_mode))
        rmdir(path);
    else
        unlink(path);
}

void remove_folder(char *path) {
    walk(path, remove_one, NULL);
    rmdir(path);
    free(path);
}

static uint64_t mixed(uint64_t hash, const char *bytes, size_t count) {
    size_t i;
    for (i = 0; i < count; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static void hash_one(const char *path, const struct stat *info, void *data) {
    uint64_t hash = mixed(UINT64_C(14695981039346656037), path, strlen(path));
    char bytes[65536];
    size_t count;
    FILE *file = S_ISREG(info->st_mode) ? fopen(path, "rb") : NULL;
    while (file != NULL && (count = fread(bytes, 1, sizeof bytes, file)) > 0)
        hash = mixed(hash, bytes, count);
    if (file != NULL)
        fclose(file);
    *(uint64_t *)data += hash;
}

uint64_t folder_hash(const char *path) {
    uint64_t hash = 0;
    walk(path, hash_one, &hash);
    return hash;
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

const char SCHEMA[] = "{\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
                             "{\"name\":\"tag\",\"data_type\":\"VarChar\",\"max_length\":32},"
                             "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}";

void vector_of(int64_t id, float *v) {
    uint64_t state = (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15) + 1;
    int i;
    for (i = 0; i < DIM; i++) {
        state ^= state >> 30;
        state *= UINT64_C(0xBF58476D1CE4E5B9);
        state ^= state >> 27;
        v[i] = (float)(state >> 40) / 16777216.0f;
    }
}

elanus_column column(elanus_data_type type, const char *name, const void *data, const uint64_t *offsets,
                            uint64_t count, uint64_t dim) {
    elanus_column c = ELANUS_COLUMN_INIT;
    c.data_type = (uint32_t)type;
    c.name = name;
    c.data = data;
    c.offsets = offsets;
    c.count = count;
    c.dim = dim;
    return c;
}

elanus_code insert_rows(const elanus_collection *collection, int64_t first, size_t count) {
    int64_t *ids = (int64_t *)malloc(count * sizeof *ids);
    char *tags = (char *)malloc(count * 32);
    uint64_t *offsets = (uint64_t *)malloc((count + 1) * sizeof *offsets);
    float *vectors = (float *)malloc(count * DIM * sizeof *vectors);
    elanus_column columns[3];
    elanus_code code;
    size_t i;
    offsets[0] = 0;
    for (i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
        offsets[i + 1] = offsets[i] + (uint64_t)sprintf(tags + offsets[i], "tag %" PRId64, ids[i]);
        vector_of(ids[i], vectors + i * DIM);
    }
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", ids, NULL, count, 0);
    columns[1] = column(ELANUS_DATA_TYPE_VARCHAR, "tag", tags, offsets, count, 0);
    columns[2] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors, NULL, count, DIM);
    code = elanus_collection_insert(collection, columns, 3, NULL, &error);
    free(ids);
    free(tags);
    free(offsets);
    free(vectors);
    return code;
}

int finds(const elanus_collection *collection, int64_t id) {
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    float query[DIM];
    elanus_result *result;
    int found;
    options.topk = 1;
    options.params = "{\"nprobe\":64,\"ef\":64}";
    vector_of(id, query);
    result = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    found = elanus_result_count(result) == 1 && elanus_result_ids_int64(result)[0] == id;
    elanus_result_free(result);
    return found;
}

uint64_t count_of(const elanus_collection *collection) {
    uint64_t count = UINT64_MAX;
    elanus_collection_count(collection, &count, &error);
    return count;
}

int says(char *text, const char *part) {
    int good = text != NULL && strstr(text, part) != NULL;
    if (!good)
        fprintf(stderr, "    %s\n", text != NULL ? text : "(null)");
    elanus_string_free(text);
    return good;
}

