/* Nulls, default values, arrays and dynamic keys through columns; a field added to rows that are there. */
#include "test.h"

static const char KINDS[] =
    "{\"enable_dynamic_field\":true,\"fields\":[{\"name\":\"id\",\"data_type\":\"Int64\",\"is_primary\":true},"
    "{\"name\":\"n\",\"data_type\":\"Int32\",\"nullable\":true},"
    "{\"name\":\"t\",\"data_type\":\"VarChar\",\"max_length\":9,\"default_value\":\"none\"},"
    "{\"name\":\"list\",\"data_type\":\"Array\",\"element_type\":\"Int16\",\"max_capacity\":3},"
    "{\"name\":\"tags\",\"data_type\":\"Array\",\"element_type\":\"VarChar\",\"max_length\":5,\"max_capacity\":3},"
    "{\"name\":\"v\",\"data_type\":\"FloatVector\",\"dim\":8}]}";

/* Three rows. */
static const int64_t IDS[] = {1, 2, 3};
static const int32_t NUMBERS[] = {10, -1, 30};
static const uint8_t NUMBER_VALID[] = {1, 0, 1};
static const int16_t ELEMENTS[] = {7, 8, 9};
static const int16_t FOUR[] = {1, 2, 3, 4};
static const uint64_t ENDS[] = {0, 2, 2, 3};
static const char TAGS[] = "redbluered";
static const uint64_t TAG_ENDS[] = {0, 3, 7, 10};
static const uint64_t TAG_ROWS[] = {0, 0, 2, 3};
static const char COLORS[] = "darklight";
static const uint64_t COLOR_ENDS[] = {0, 4, 4, 9};
static const uint8_t COLOR_VALID[] = {1, 0, 1};
static const char MORE[] = "{\"a\":[1]}true3";
static const uint64_t MORE_ENDS[] = {0, 9, 13, 14};

enum { COLUMNS = 7 };

static void columns_of(elanus_column *columns, float *vectors) {
    size_t i;
    for (i = 0; i < 3; i++)
        vector_of(IDS[i], vectors + i * DIM);
    columns[0] = column(ELANUS_DATA_TYPE_INT64, "id", IDS, NULL, 3, 0);
    columns[1] = column(ELANUS_DATA_TYPE_INT32, "n", NUMBERS, NULL, 3, 0);
    columns[1].valid = NUMBER_VALID;
    columns[2] = column(ELANUS_DATA_TYPE_ARRAY, "list", ELEMENTS, ENDS, 3, 0);
    columns[2].element_type = ELANUS_DATA_TYPE_INT16;
    columns[3] = column(ELANUS_DATA_TYPE_ARRAY, "tags", TAGS, TAG_ROWS, 3, 0);
    columns[3].element_type = ELANUS_DATA_TYPE_VARCHAR;
    columns[3].element_offsets = TAG_ENDS;
    columns[4] = column(ELANUS_DATA_TYPE_VARCHAR, "color", COLORS, COLOR_ENDS, 3, 0);
    columns[4].valid = COLOR_VALID;
    columns[5] = column(ELANUS_DATA_TYPE_JSON, "more", MORE, MORE_ENDS, 3, 0);
    columns[6] = column(ELANUS_DATA_TYPE_FLOAT_VECTOR, "v", vectors, NULL, 3, DIM);
}

static elanus_result *query(const elanus_collection *collection, const char *filter, const char *const *fields,
                            size_t count) {
    elanus_query_options options = ELANUS_QUERY_OPTIONS_INIT;
    options.output_fields = fields;
    options.output_field_count = count;
    return elanus_collection_query(collection, filter, &options, &error);
}

static void round_trip(const elanus_collection *collection) {
    const char *fields[] = {"n", "t", "list", "tags", "color", "$meta"};
    elanus_result *result = query(collection, "id > 0", fields, 6);
    const elanus_column *n = elanus_result_column(result, 0), *t = elanus_result_column(result, 1);
    const elanus_column *list = elanus_result_column(result, 2), *tags = elanus_result_column(result, 3);
    const elanus_column *color = elanus_result_column(result, 4), *meta = elanus_result_column(result, 5);
    CHECK(elanus_result_count(result) == 3);
    CHECK(memcmp(n->valid, NUMBER_VALID, 3) == 0 && ((const int32_t *)n->data)[2] == 30);
    CHECK(t->valid == NULL && t->offsets[3] == 12 && memcmp(t->data, "nonenonenone", 12) == 0);
    CHECK(list->data_type == ELANUS_DATA_TYPE_ARRAY && list->element_type == ELANUS_DATA_TYPE_INT16);
    CHECK(memcmp(list->offsets, ENDS, sizeof ENDS) == 0 && memcmp(list->data, ELEMENTS, sizeof ELEMENTS) == 0);
    CHECK(list->element_offsets == NULL && tags->element_type == ELANUS_DATA_TYPE_VARCHAR);
    CHECK(memcmp(tags->offsets, TAG_ROWS, sizeof TAG_ROWS) == 0);
    CHECK(memcmp(tags->element_offsets, TAG_ENDS, sizeof TAG_ENDS) == 0 && memcmp(tags->data, TAGS, 10) == 0);
    CHECK(color->data_type == ELANUS_DATA_TYPE_JSON && strcmp(color->name, "color") == 0);
    CHECK(memcmp(color->valid, COLOR_VALID, 3) == 0 && memcmp(color->data, "\"dark\"\"light\"", 13) == 0);
    CHECK(meta->valid == NULL && memcmp(meta->data, "{\"color\":\"dark\",\"more\":{\"a\":[1]}}{\"more\":true}", 46) == 0);
    elanus_result_free(result);
}

static void filters(const elanus_collection *collection) {
    static const struct {
        const char *text;
        uint64_t count;
    } FILTERS[] = {{"n is null", 1}, {"n > 0", 2},           {"not (n > 10)", 1},          {"t == 'none'", 3},
                   {"list[1] == 8", 1}, {"array_contains(list, 9)", 1}, {"array_length(tags) == 2", 1},
                   {"array_contains_any(tags, ['red'])", 2}, {"color == 'dark'", 1}, {"more['a'][0] == 1", 1},
                   {"$meta['more'] == true", 1}, {"exists color", 2}};
    size_t i;
    for (i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++) {
        uint64_t count = 99;
        CHECK(elanus_collection_count_matching(collection, FILTERS[i].text, NULL, &count, &error) == ELANUS_CODE_OK);
        if (count != FILTERS[i].count)
            fprintf(stderr, "%s: %d\n", FILTERS[i].text, (int)count);
        CHECK(count == FILTERS[i].count);
    }
}

static void added(const elanus_collection *collection) {
    const char *fields[] = {"late", "more_late"};
    elanus_result *result;
    const elanus_column *late;
    CHECK(elanus_collection_add_field(collection, "{\"name\":\"late\",\"data_type\":\"Double\",\"nullable\":true}",
                                      &error) == ELANUS_CODE_OK);
    CHECK(elanus_collection_add_field(collection, "{\"name\":\"more_late\",\"data_type\":\"Int8\",\"default_value\":-5}",
                                      &error) == ELANUS_CODE_OK);
    result = query(collection, "late is null and more_late == -5", fields, 2);
    late = elanus_result_column(result, 0);
    CHECK(elanus_result_count(result) == 3 && late->valid != NULL && late->valid[1] == 0);
    CHECK(((const int8_t *)elanus_result_column(result, 1)->data)[2] == -5);
    elanus_result_free(result);
    CHECK(says(elanus_collection_describe(collection, &error), "\"more_late\""));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "duplicate field name", "late",
          elanus_collection_add_field(collection, "{\"name\":\"late\",\"data_type\":\"Double\",\"nullable\":true}", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "added field must be nullable", "x",
          elanus_collection_add_field(collection, "{\"name\":\"x\",\"data_type\":\"Double\"}", &error));
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "the field is not JSON", "",
          elanus_collection_add_field(collection, "{", &error));
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "field", "NULL", elanus_collection_add_field(collection, NULL, &error));
}

static void refused(const elanus_collection *collection) {
    float vectors[3 * DIM];
    elanus_column columns[COLUMNS];
    const int32_t wide[] = {1, 40000, 3};
    const uint64_t falling[] = {0, 2, 1, 3}, many[] = {0, 0, 0, 4};
    columns_of(columns, vectors);
    columns[0].valid = NUMBER_VALID;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field id has a null at row 1", "not nullable",
          elanus_collection_insert(collection, columns, COLUMNS, NULL, &error));
    columns_of(columns, vectors);
    columns[6].valid = NUMBER_VALID;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field v has a null", "row 1",
          elanus_collection_insert(collection, columns, COLUMNS, NULL, &error));
    columns_of(columns, vectors);
    columns[2].data = wide;
    columns[2].element_type = ELANUS_DATA_TYPE_INT32;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "the 1th element (40000) out of range", "[-32768, 32767]",
          elanus_collection_insert(collection, columns, COLUMNS, NULL, &error));
    columns_of(columns, vectors);
    columns[2].element_type = 0;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field list", "data_type 0 should be one of",
          elanus_collection_insert(collection, columns, COLUMNS, NULL, &error));
    columns_of(columns, vectors);
    columns[2].element_type = ELANUS_DATA_TYPE_ARRAY;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field list", "",
          (columns[2].element_offsets = ENDS, elanus_collection_insert(collection, columns, COLUMNS, NULL, &error)));
    columns_of(columns, vectors);
    columns[2].offsets = falling;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "field list", "offsets[2] 1 should be at least",
          elanus_collection_insert(collection, columns, COLUMNS, NULL, &error));
    columns_of(columns, vectors);
    columns[3].element_offsets = NULL;
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "field tags", "NULL",
          elanus_collection_insert(collection, columns, COLUMNS, NULL, &error));
    columns_of(columns, vectors);
    columns[2].offsets = many;
    columns[2].data = FOUR;
    FAILS(ELANUS_CODE_INVALID_PARAMETER, "the length (4) of 2th array", "exceeds max capacity (3)",
          elanus_collection_insert(collection, columns, COLUMNS, NULL, &error));
    columns_of(columns, vectors);
    FAILS(ELANUS_CODE_MISSING_PARAMETER, "fieldSchema(tags)", "has no corresponding fieldData",
          (columns[3] = columns[6], elanus_collection_insert(collection, columns, COLUMNS - 1, NULL, &error)));
    CHECK(count_of(collection) == 3);
}

int main(void) {
    char *folder = new_folder();
    elanus_database *database = elanus_database_open(folder, NULL, &error);
    elanus_collection *collection = elanus_collection_create(database, "kinds", KINDS, &error);
    float vectors[3 * DIM];
    elanus_column columns[COLUMNS];
    columns_of(columns, vectors);
    CHECK(elanus_collection_insert(collection, columns, COLUMNS, NULL, &error) == ELANUS_CODE_OK);
    round_trip(collection);
    filters(collection);
    CHECK(elanus_collection_flush(collection, &error) == ELANUS_CODE_OK);
    round_trip(collection);
    filters(collection);
    added(collection);
    refused(collection);
    elanus_collection_free(collection);
    elanus_database_free(database);
    remove_folder(folder);
    return finish("data");
}
