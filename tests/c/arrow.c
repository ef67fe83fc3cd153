/* Rows in and out by the Arrow C data interface, with arrays made by hand. */
#include "test.h"

static int released;

/* What a hand-made structure owns: itself, for a child; its children are released by it. */
static void release_schema(struct ArrowSchema *schema) {
    int64_t i;
    for (i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL)
            schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    schema->release = NULL;
    released++;
}

static void release_array(struct ArrowArray *array) {
    int64_t i;
    for (i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL)
            array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    for (i = 0; i < array->n_buffers; i++)
        free((void *)array->buffers[i]);
    free(array->children);
    free(array->buffers);
    array->release = NULL;
    released++;
}

static void make_schema(struct ArrowSchema *schema, const char *format, const char *name, int64_t children) {
    int64_t i;
    memset(schema, 0, sizeof *schema);
    schema->format = format;
    schema->name = name;
    schema->n_children = children;
    schema->children = (struct ArrowSchema **)calloc((size_t)children + 1, sizeof *schema->children);
    for (i = 0; i < children; i++)
        schema->children[i] = (struct ArrowSchema *)calloc(1, sizeof **schema->children);
    schema->release = release_schema;
}

static void make_array(struct ArrowArray *array, int64_t length, int64_t buffers, int64_t children) {
    int64_t i;
    memset(array, 0, sizeof *array);
    array->length = length;
    array->n_buffers = buffers;
    array->n_children = children;
    array->buffers = (const void **)calloc((size_t)buffers + 1, sizeof *array->buffers);
    array->children = (struct ArrowArray **)calloc((size_t)children + 1, sizeof *array->children);
    for (i = 0; i < children; i++)
        array->children[i] = (struct ArrowArray *)calloc(1, sizeof **array->children);
    array->release = release_array;
}

/* Rows `first` to `first + count - 1` of SCHEMA as a struct of id, tag and v. */
static void make_rows(struct ArrowArray *array, struct ArrowSchema *schema, int64_t first, int64_t count) {
    int64_t *ids = (int64_t *)malloc((size_t)count * sizeof *ids);
    int32_t *offsets = (int32_t *)malloc((size_t)(count + 1) * sizeof *offsets);
    char *tags = (char *)malloc((size_t)count * 32);
    float *vectors = (float *)malloc((size_t)count * DIM * sizeof *vectors);
    int64_t i;
    offsets[0] = 0;
    for (i = 0; i < count; i++) {
        ids[i] = first + i;
        offsets[i + 1] = offsets[i] + sprintf(tags + offsets[i], "tag %" PRId64, ids[i]);
        vector_of(ids[i], vectors + i * DIM);
    }
    make_schema(schema, "+s", "", 3);
    make_schema(schema->children[0], "l", "id", 0);
    make_schema(schema->children[1], "u", "tag", 0);
    make_schema(schema->children[2], "+w:8", "v", 1);
    make_schema(schema->children[2]->children[0], "f", "item", 0);
    make_array(array, count, 1, 3);
    make_array(array->children[0], count, 2, 0);
    array->children[0]->buffers[1] = ids;
    make_array(array->children[1], count, 3, 0);
    array->children[1]->buffers[1] = offsets;
    array->children[1]->buffers[2] = tags;
    make_array(array->children[2], count, 1, 1);
    make_array(array->children[2]->children[0], count * DIM, 2, 0);
    array->children[2]->children[0]->buffers[1] = vectors;
}

enum { ALL = 10 }; /* structures that make_rows() makes */

static elanus_code insert(const elanus_collection *collection, struct ArrowArray *array, struct ArrowSchema *schema,
                          elanus_result **inserted) {
    return elanus_collection_insert_arrow(collection, array, schema, inserted, &error);
}

static void in(const elanus_collection *collection) {
    struct ArrowArray array;
    struct ArrowSchema schema;
    elanus_result *inserted = NULL;
    released = 0;
    make_rows(&array, &schema, 0, 100);
    CHECK(insert(collection, &array, &schema, &inserted) == ELANUS_CODE_OK);
    CHECK(array.release == NULL && schema.release == NULL);
    CHECK(elanus_result_count(inserted) == 100 && elanus_result_ids_int64(inserted)[99] == 99);
    elanus_result_free(inserted);
    CHECK(count_of(collection) == 100 && finds(collection, 42));
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    CHECK(finds(collection, 42));

    /* A slice: the offset skips rows of the buffers. */
    make_rows(&array, &schema, 95, 20);
    array.offset = 5;
    array.length = 15;
    CHECK(insert(collection, &array, &schema, NULL) == ELANUS_CODE_OK);
    CHECK(count_of(collection) == 115 && finds(collection, 100) && finds(collection, 114));
}

static void refused(const elanus_collection *collection) {
    struct ArrowArray array, none;
    struct ArrowSchema schema;
    uint8_t *validity;
    uint64_t rows = count_of(collection);
    memset(&none, 0, sizeof none);

    /* Whatever fails, both are released exactly once. */
    released = 0;
    make_rows(&array, &schema, 500, 3);
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "collection", "NULL", insert(NULL, &array, &schema, NULL));
    CHECK(array.release == NULL && schema.release == NULL && released == ALL);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "array is released", "once", insert(collection, &array, &schema, NULL));

    released = 0;
    make_rows(&array, &schema, 500, 3);
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "schema", "NULL", insert(collection, &array, NULL, NULL));
    CHECK(array.release == NULL && schema.release != NULL && released == ALL / 2);
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "array", "NULL", insert(collection, NULL, &schema, NULL));
    CHECK(schema.release == NULL && released == ALL);

    released = 0;
    make_rows(&array, &schema, 500, 3);
    schema.children[2]->format = "+w:4";
    array.children[2]->length = 3;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "dim (4)", "dim (8)", insert(collection, &array, &schema, NULL));
    CHECK(released == ALL);

    make_rows(&array, &schema, 500, 3);
    schema.children[0]->name = "number";
    FAILS(ELANUS_CODE_FIELD_NOT_FOUND, "number", "", insert(collection, &array, &schema, NULL));

    make_rows(&array, &schema, 500, 3);
    schema.children[0]->format = "nonsense";
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "Arrow C data interface", "nonsense",
          insert(collection, &array, &schema, NULL));

    make_rows(&array, &schema, 500, 3);
    schema.format = "l";
    array.n_buffers = 2;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "", "", insert(collection, &array, &schema, NULL));

    make_rows(&array, &schema, 500, 3);
    array.children[1]->length = 2;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "Arrow C data interface", "", insert(collection, &array, &schema, NULL));

    make_rows(&array, &schema, 500, 3);
    ((int32_t *)array.children[1]->buffers[1])[1] = 99;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "Arrow C data interface", "", insert(collection, &array, &schema, NULL));

    make_rows(&array, &schema, 500, 3);
    ((char *)array.children[1]->buffers[2])[1] = (char)0xff;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "Arrow C data interface", "", insert(collection, &array, &schema, NULL));

    make_rows(&array, &schema, 500, 3);
    validity = (uint8_t *)calloc(1, 64);
    validity[0] = 5;
    array.children[0]->buffers[0] = validity;
    array.children[0]->null_count = 1;
    schema.children[0]->flags = ARROW_FLAG_NULLABLE;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field id", "null at row 1", insert(collection, &array, &schema, NULL));

    make_rows(&array, &schema, 500, 3);
    validity = (uint8_t *)calloc(1, 64);
    validity[0] = 6;
    array.buffers[0] = validity;
    array.null_count = 1;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "1 null rows", "", insert(collection, &array, &schema, NULL));
    CHECK(count_of(collection) == rows);
}

static void out(const elanus_collection *collection) {
    static const char *const fields[] = {"tag", "v"};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    float queries[2 * DIM];
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch, end;
    elanus_result *result;
    options.topk = 4;
    options.output_fields = fields;
    options.output_field_count = 2;
    vector_of(10, queries);
    vector_of(20, queries + DIM);
    result = elanus_collection_search(collection, "v", queries, 2, DIM, &options, &error);
    CHECK(result != NULL);
    CHECK(elanus_result_export_arrow(result, &stream, &error) == ELANUS_CODE_OK);
    /* The stream outlives the result. */
    elanus_result_free(result);

    CHECK(stream.get_schema(&stream, &schema) == 0);
    CHECK(strcmp(schema.format, "+s") == 0 && schema.n_children == 5);
    CHECK(strcmp(schema.children[0]->name, "_query") == 0 && strcmp(schema.children[0]->format, "I") == 0);
    CHECK(strcmp(schema.children[1]->name, "_id") == 0 && strcmp(schema.children[1]->format, "l") == 0);
    CHECK(strcmp(schema.children[2]->name, "_score") == 0 && strcmp(schema.children[2]->format, "f") == 0);
    CHECK(strcmp(schema.children[3]->name, "tag") == 0 && strcmp(schema.children[3]->format, "u") == 0);
    CHECK(strcmp(schema.children[4]->name, "v") == 0 && strcmp(schema.children[4]->format, "+w:8") == 0);
    schema.release(&schema);
    CHECK(stream.get_next(&stream, &batch) == 0);
    CHECK(batch.length == 8 && batch.n_children == 5 && batch.null_count == 0);
    if (batch.release != NULL && batch.n_children == 5) {
        const uint32_t *query = (const uint32_t *)batch.children[0]->buffers[1] + batch.children[0]->offset;
        const int64_t *ids = (const int64_t *)batch.children[1]->buffers[1] + batch.children[1]->offset;
        const float *scores = (const float *)batch.children[2]->buffers[1] + batch.children[2]->offset;
        const struct ArrowArray *tags = batch.children[3], *v = batch.children[4];
        const int32_t *at = (const int32_t *)tags->buffers[1] + tags->offset;
        const float *floats = (const float *)v->children[0]->buffers[1] + v->children[0]->offset + v->offset * DIM;
        CHECK(query[0] == 0 && query[3] == 0 && query[4] == 1 && query[7] == 1);
        CHECK(ids[0] == 10 && ids[4] == 20);
        CHECK(scores[0] == 0.0f && scores[4] == 0.0f && scores[1] > 0.0f);
        CHECK(at[1] - at[0] == 6 && memcmp((const char *)tags->buffers[2] + at[0], "tag 10", 6) == 0);
        CHECK(memcmp(floats, queries, DIM * sizeof *floats) == 0);
        CHECK(memcmp(floats + 4 * DIM, queries + DIM, DIM * sizeof *floats) == 0);
        batch.release(&batch);
    }
    CHECK(stream.get_next(&stream, &end) == 0 && end.release == NULL);
    stream.release(&stream);
    CHECK(stream.release == NULL);
}

/* What comes out goes in again: the exported rows are inserted into another collection. */
static void round_trip(const elanus_database *database, const elanus_collection *collection) {
    static const char *const fields[] = {"*"};
    elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
    float query[DIM];
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    elanus_collection *copy = elanus_collection_create(database, "copy", SCHEMA, &error);
    elanus_result *result;
    int64_t i;
    options.topk = 50;
    options.output_fields = fields;
    options.output_field_count = 1;
    vector_of(33, query);
    result = elanus_collection_search(collection, "v", query, 1, DIM, &options, &error);
    CHECK(elanus_result_export_arrow(result, &stream, &error) == ELANUS_CODE_OK);
    CHECK(stream.get_schema(&stream, &schema) == 0 && stream.get_next(&stream, &batch) == 0);
    CHECK(schema.n_children == 6 && batch.n_children == 6);
    /* Without the three columns of the search: the interface lets a consumer take children out by moving them. */
    if (schema.n_children == 6 && batch.n_children == 6) {
        struct ArrowSchema only;
        struct ArrowArray rows;
        make_schema(&only, "+s", "", 3);
        make_array(&rows, batch.length, 1, 3);
        for (i = 0; i < 3; i++) {
            *only.children[i] = *schema.children[3 + i];
            schema.children[3 + i]->release = NULL;
            *rows.children[i] = *batch.children[3 + i];
            batch.children[3 + i]->release = NULL;
        }
        schema.release(&schema);
        batch.release(&batch);
        stream.release(&stream);
        elanus_result_free(result);
        CHECK(insert(copy, &rows, &only, NULL) == ELANUS_CODE_OK);
        CHECK(count_of(copy) == 50 && finds(copy, 33));
    }
    elanus_collection_free(copy);
}

static void upserts(const elanus_database *database) {
    elanus_collection *collection = elanus_collection_create(database, "upserts", SCHEMA, &error);
    elanus_result *upserted = NULL;
    struct ArrowArray array;
    struct ArrowSchema schema;
    released = 0;
    make_rows(&array, &schema, 0, 10);
    CHECK(elanus_collection_upsert_arrow(collection, &array, &schema, NULL, &error) == ELANUS_CODE_OK);
    make_rows(&array, &schema, 5, 10);
    CHECK(elanus_collection_upsert_arrow(collection, &array, &schema, &upserted, &error) == ELANUS_CODE_OK);
    CHECK(array.release == NULL && schema.release == NULL && elanus_result_count(upserted) == 10);
    elanus_result_free(upserted);
    CHECK(count_of(collection) == 15 && finds(collection, 14));
    /* Into a partition. */
    CHECK(elanus_partition_create(collection, "p", &error) == ELANUS_CODE_OK);
    make_rows(&array, &schema, 100, 10);
    CHECK(elanus_partition_insert_arrow(collection, "p", &array, &schema, NULL, &error) == ELANUS_CODE_OK);
    make_rows(&array, &schema, 105, 10);
    CHECK(elanus_partition_upsert_arrow(collection, "p", &array, &schema, NULL, &error) == ELANUS_CODE_OK);
    CHECK(count_of(collection) == 30 && finds(collection, 114));
    make_rows(&array, &schema, 105, 10);
    FAILS(ELANUS_CODE_PARTITION_NOT_FOUND, "partition not found", "nope",
          elanus_partition_upsert_arrow(collection, "nope", &array, &schema, NULL, &error));
    CHECK(array.release == NULL && schema.release == NULL && count_of(collection) == 30);
    elanus_collection_free(collection);
}

/* A stream of batches of three rows, the last of which may be spoilt. */
struct batches {
    int64_t next, end, bad_at;
};

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    struct ArrowArray array;
    (void)stream;
    make_rows(&array, out, 0, 1);
    array.release(&array);
    return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    struct batches *batches = (struct batches *)stream->private_data;
    struct ArrowSchema schema;
    if (batches->next == batches->end) {
        out->release = NULL;
        return 0;
    }
    if (batches->next == batches->bad_at)
        return 5;
    make_rows(out, &schema, batches->next, 3);
    schema.release(&schema);
    if (batches->next == -batches->bad_at)
        memset((float *)out->children[2]->children[0]->buffers[1] + DIM, 0xff, sizeof(float)); /* NaN */
    batches->next += 3;
    return 0;
}

static const char *last_error(struct ArrowArrayStream *stream) {
    (void)stream;
    return "the source is gone";
}

static void release_stream(struct ArrowArrayStream *stream) {
    stream->release = NULL;
    released += 1000;
}

static void make_stream(struct ArrowArrayStream *stream, struct batches *batches) {
    memset(stream, 0, sizeof *stream);
    stream->get_schema = get_schema;
    stream->get_next = get_next;
    stream->get_last_error = last_error;
    stream->release = release_stream;
    stream->private_data = batches;
}

static void streams(const elanus_database *database) {
    elanus_collection *collection = elanus_collection_create(database, "stream", SCHEMA, &error);
    struct ArrowArrayStream stream;
    struct batches batches = {0, 300, -1};
    uint64_t rows = 0;
    released = 0;
    make_stream(&stream, &batches);
    CHECK(elanus_collection_import_arrow(collection, &stream, NULL, &rows, &error) == ELANUS_CODE_OK && rows == 300);
    /* The stream, its schema and one structure each of every batch: all of them once. */
    CHECK(stream.release == NULL && released == 1000 + 101 * ALL);
    CHECK(count_of(collection) == 300 && finds(collection, 0) && finds(collection, 299));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "stream does not keep to the Arrow C stream interface", "",
          elanus_collection_import_arrow(collection, &stream, NULL, &rows, &error));

    batches.next = 300;
    batches.end = 600;
    batches.bad_at = 420;
    make_stream(&stream, &batches);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "stream", "the source is gone",
          elanus_collection_import_arrow(collection, &stream, NULL, &rows, &error));
    batches.next = 300;
    batches.bad_at = -420;
    make_stream(&stream, &batches);
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "row 121", "field v", /* of the stream */
          elanus_collection_import_arrow(collection, &stream, NULL, &rows, &error));
    make_stream(&stream, &batches);
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "collection", "NULL",
          elanus_collection_import_arrow(NULL, &stream, NULL, &rows, &error));
    CHECK(stream.release == NULL && rows == 300 && count_of(collection) == 300);
    elanus_collection_free(collection);
}

/* Validity bitmaps go in and come out; a column that is no field is a dynamic key. */
static void nulls(const elanus_database *database) {
    static const char *const fields[] = {"tag", "more"};
    elanus_collection *collection = elanus_collection_create(
        database, "nulls",
        "{\"enable_dynamic_field\":true,\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
        "{\"name\":\"tag\",\"data_type\":\"VarChar\",\"max_length\":99,\"nullable\":true},"
        "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}",
        &error);
    elanus_query_options options = ELANUS_QUERY_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray array;
    elanus_result *result;
    uint8_t *validity = (uint8_t *)calloc(1, 64);
    uint64_t count = 0;
    make_rows(&array, &schema, 1, 3);
    validity[0] = 5;
    array.children[1]->buffers[0] = validity;
    array.children[1]->null_count = 1;
    schema.children[1]->flags = ARROW_FLAG_NULLABLE;
    CHECK(insert(collection, &array, &schema, NULL) == ELANUS_CODE_OK);
    make_rows(&array, &schema, 4, 2);
    schema.children[1]->name = "more";
    CHECK(insert(collection, &array, &schema, NULL) == ELANUS_CODE_OK);
    CHECK(elanus_collection_count_matching(collection, "tag is null", NULL, &count, &error) == ELANUS_CODE_OK);
    CHECK(count == 3);
    options.output_fields = fields;
    options.output_field_count = 2;
    result = elanus_collection_query(collection, "tag is null", &options, &error);
    CHECK(elanus_result_export_arrow(result, &stream, &error) == ELANUS_CODE_OK);
    elanus_result_free(result);
    CHECK(stream.get_schema(&stream, &schema) == 0 && stream.get_next(&stream, &array) == 0);
    CHECK(schema.n_children == 3 && (schema.children[1]->flags & ARROW_FLAG_NULLABLE) != 0);
    CHECK(array.length == 3 && array.children[1]->null_count == 3 && array.children[2]->null_count == 1);
    CHECK(memcmp(array.children[2]->buffers[2], "\"tag 4\"\"tag 5\"", 14) == 0);
    schema.release(&schema);
    array.release(&array);
    stream.release(&stream);
    elanus_collection_free(collection);
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, NULL, &error);
    elanus_collection *collection = elanus_collection_create(database, "rows", SCHEMA, &error);
    in(collection);
    refused(collection);
    out(collection);
    round_trip(database, collection);
    upserts(database);
    streams(database);
    nulls(database);
    elanus_collection_free(collection);
    elanus_database_free(database);
    /* Once the engine let go of the rows, all that was handed over is released. */
    remove_folder(folder);
    return finish("arrow");
}
