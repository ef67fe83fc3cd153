/* Generated from src/ffi by bindings/generate (`make bindings`): do not edit. */
#include "elanus.h"

/* C99 has no _Static_assert: an array cannot have -1 elements. */
#define HOLDS(what, condition) typedef char holds_##what[(condition) ? 1 : -1]

HOLDS(elanus_code, sizeof(elanus_code) == 4);
HOLDS(ELANUS_CODE_OK, ELANUS_CODE_OK == 0);
HOLDS(ELANUS_CODE_MEMORY_LIMIT, ELANUS_CODE_MEMORY_LIMIT == 3);
HOLDS(ELANUS_CODE_INTERNAL, ELANUS_CODE_INTERNAL == 5);
HOLDS(ELANUS_CODE_UNIMPLEMENTED, ELANUS_CODE_UNIMPLEMENTED == 10);
HOLDS(ELANUS_CODE_COLLECTION_NOT_FOUND, ELANUS_CODE_COLLECTION_NOT_FOUND == 100);
HOLDS(ELANUS_CODE_COLLECTION_NOT_LOADED, ELANUS_CODE_COLLECTION_NOT_LOADED == 101);
HOLDS(ELANUS_CODE_PARTITION_NOT_FOUND, ELANUS_CODE_PARTITION_NOT_FOUND == 200);
HOLDS(ELANUS_CODE_PARTITION_NOT_LOADED, ELANUS_CODE_PARTITION_NOT_LOADED == 201);
HOLDS(ELANUS_CODE_INDEX_NOT_FOUND, ELANUS_CODE_INDEX_NOT_FOUND == 700);
HOLDS(ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED, ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED == 701);
HOLDS(ELANUS_CODE_INDEX_DUPLICATE, ELANUS_CODE_INDEX_DUPLICATE == 702);
HOLDS(ELANUS_CODE_IO, ELANUS_CODE_IO == 1001);
HOLDS(ELANUS_CODE_INVALID_PARAMETER, ELANUS_CODE_INVALID_PARAMETER == 1100);
HOLDS(ELANUS_CODE_MISSING_PARAMETER, ELANUS_CODE_MISSING_PARAMETER == 1101);
HOLDS(ELANUS_CODE_ALIAS_NOT_FOUND, ELANUS_CODE_ALIAS_NOT_FOUND == 1600);
HOLDS(ELANUS_CODE_ALIAS_COLLECTION_NAME_CONFLICT, ELANUS_CODE_ALIAS_COLLECTION_NAME_CONFLICT == 1601);
HOLDS(ELANUS_CODE_ALIAS_ALREADY_EXISTS, ELANUS_CODE_ALIAS_ALREADY_EXISTS == 1602);
HOLDS(ELANUS_CODE_FIELD_NOT_FOUND, ELANUS_CODE_FIELD_NOT_FOUND == 1700);
HOLDS(ELANUS_CODE_CANCELED, ELANUS_CODE_CANCELED == 10000);
HOLDS(ELANUS_CODE_TIMEOUT, ELANUS_CODE_TIMEOUT == 10001);
HOLDS(ELANUS_CODE_LOCKED, ELANUS_CODE_LOCKED == 20000);
HOLDS(ELANUS_CODE_CORRUPT, ELANUS_CODE_CORRUPT == 20001);
HOLDS(ELANUS_CODE_FORMAT_TOO_NEW, ELANUS_CODE_FORMAT_TOO_NEW == 20002);
HOLDS(ELANUS_CODE_READ_ONLY, ELANUS_CODE_READ_ONLY == 20003);
HOLDS(ELANUS_CODE_CLOSED, ELANUS_CODE_CLOSED == 20004);
HOLDS(ELANUS_CODE_DISK_FULL, ELANUS_CODE_DISK_FULL == 20005);
HOLDS(ELANUS_CODE_POISONED, ELANUS_CODE_POISONED == 20006);
HOLDS(ELANUS_CODE_COLLECTION_EXISTS, ELANUS_CODE_COLLECTION_EXISTS == 20007);

HOLDS(elanus_load_state, sizeof(elanus_load_state) == 4);
HOLDS(ELANUS_LOAD_STATE_NOT_EXIST, ELANUS_LOAD_STATE_NOT_EXIST == 0);
HOLDS(ELANUS_LOAD_STATE_NOT_LOAD, ELANUS_LOAD_STATE_NOT_LOAD == 1);
HOLDS(ELANUS_LOAD_STATE_LOADING, ELANUS_LOAD_STATE_LOADING == 2);
HOLDS(ELANUS_LOAD_STATE_LOADED, ELANUS_LOAD_STATE_LOADED == 3);

HOLDS(elanus_data_type, sizeof(elanus_data_type) == 4);
HOLDS(ELANUS_DATA_TYPE_BOOL, ELANUS_DATA_TYPE_BOOL == 1);
HOLDS(ELANUS_DATA_TYPE_INT8, ELANUS_DATA_TYPE_INT8 == 2);
HOLDS(ELANUS_DATA_TYPE_INT16, ELANUS_DATA_TYPE_INT16 == 3);
HOLDS(ELANUS_DATA_TYPE_INT32, ELANUS_DATA_TYPE_INT32 == 4);
HOLDS(ELANUS_DATA_TYPE_INT64, ELANUS_DATA_TYPE_INT64 == 5);
HOLDS(ELANUS_DATA_TYPE_FLOAT, ELANUS_DATA_TYPE_FLOAT == 10);
HOLDS(ELANUS_DATA_TYPE_DOUBLE, ELANUS_DATA_TYPE_DOUBLE == 11);
HOLDS(ELANUS_DATA_TYPE_VARCHAR, ELANUS_DATA_TYPE_VARCHAR == 21);
HOLDS(ELANUS_DATA_TYPE_ARRAY, ELANUS_DATA_TYPE_ARRAY == 22);
HOLDS(ELANUS_DATA_TYPE_JSON, ELANUS_DATA_TYPE_JSON == 23);
HOLDS(ELANUS_DATA_TYPE_BINARY_VECTOR, ELANUS_DATA_TYPE_BINARY_VECTOR == 100);
HOLDS(ELANUS_DATA_TYPE_FLOAT_VECTOR, ELANUS_DATA_TYPE_FLOAT_VECTOR == 101);

HOLDS(elanus_index_state, sizeof(elanus_index_state) == 4);
HOLDS(ELANUS_INDEX_STATE_NONE, ELANUS_INDEX_STATE_NONE == 0);
HOLDS(ELANUS_INDEX_STATE_UNISSUED, ELANUS_INDEX_STATE_UNISSUED == 1);
HOLDS(ELANUS_INDEX_STATE_IN_PROGRESS, ELANUS_INDEX_STATE_IN_PROGRESS == 2);
HOLDS(ELANUS_INDEX_STATE_FINISHED, ELANUS_INDEX_STATE_FINISHED == 3);
HOLDS(ELANUS_INDEX_STATE_FAILED, ELANUS_INDEX_STATE_FAILED == 4);

HOLDS(elanus_on_conflict, sizeof(elanus_on_conflict) == 4);
HOLDS(ELANUS_ON_CONFLICT_REPLACE, ELANUS_ON_CONFLICT_REPLACE == 0);
HOLDS(ELANUS_ON_CONFLICT_ERROR, ELANUS_ON_CONFLICT_ERROR == 1);

HOLDS(elanus_compaction_state, sizeof(elanus_compaction_state) == 4);
HOLDS(ELANUS_COMPACTION_STATE_UNDEFINED, ELANUS_COMPACTION_STATE_UNDEFINED == 0);
HOLDS(ELANUS_COMPACTION_STATE_EXECUTING, ELANUS_COMPACTION_STATE_EXECUTING == 1);
HOLDS(ELANUS_COMPACTION_STATE_COMPLETED, ELANUS_COMPACTION_STATE_COMPLETED == 2);

#if UINTPTR_MAX == UINT64_MAX

HOLDS(elanus_load_progress_loaded_bytes, offsetof(elanus_load_progress, loaded_bytes) == 0 && sizeof(((const elanus_load_progress *)0)->loaded_bytes) == 8);
HOLDS(elanus_load_progress_total_bytes, offsetof(elanus_load_progress, total_bytes) == 8 && sizeof(((const elanus_load_progress *)0)->total_bytes) == 8);
HOLDS(elanus_load_progress, sizeof(elanus_load_progress) == 16);

HOLDS(elanus_column_size, offsetof(elanus_column, size) == 0 && sizeof(((const elanus_column *)0)->size) == 4);
HOLDS(elanus_column_data_type, offsetof(elanus_column, data_type) == 4 && sizeof(((const elanus_column *)0)->data_type) == 4);
HOLDS(elanus_column_name, offsetof(elanus_column, name) == 8 && sizeof(((const elanus_column *)0)->name) == 8);
HOLDS(elanus_column_data, offsetof(elanus_column, data) == 16 && sizeof(((const elanus_column *)0)->data) == 8);
HOLDS(elanus_column_offsets, offsetof(elanus_column, offsets) == 24 && sizeof(((const elanus_column *)0)->offsets) == 8);
HOLDS(elanus_column_count, offsetof(elanus_column, count) == 32 && sizeof(((const elanus_column *)0)->count) == 8);
HOLDS(elanus_column_dim, offsetof(elanus_column, dim) == 40 && sizeof(((const elanus_column *)0)->dim) == 8);
HOLDS(elanus_column_valid, offsetof(elanus_column, valid) == 48 && sizeof(((const elanus_column *)0)->valid) == 8);
HOLDS(elanus_column_element_type, offsetof(elanus_column, element_type) == 56 && sizeof(((const elanus_column *)0)->element_type) == 4);
HOLDS(elanus_column_reserved, offsetof(elanus_column, reserved) == 60 && sizeof(((const elanus_column *)0)->reserved) == 4);
HOLDS(elanus_column_element_offsets, offsetof(elanus_column, element_offsets) == 64 && sizeof(((const elanus_column *)0)->element_offsets) == 8);
HOLDS(elanus_column, sizeof(elanus_column) == 72);

HOLDS(elanus_index_options_size, offsetof(elanus_index_options, size) == 0 && sizeof(((const elanus_index_options *)0)->size) == 4);
HOLDS(elanus_index_options_name, offsetof(elanus_index_options, name) == 8 && sizeof(((const elanus_index_options *)0)->name) == 8);
HOLDS(elanus_index_options_on_conflict, offsetof(elanus_index_options, on_conflict) == 16 && sizeof(((const elanus_index_options *)0)->on_conflict) == 4);
HOLDS(elanus_index_options_no_wait, offsetof(elanus_index_options, no_wait) == 20 && sizeof(((const elanus_index_options *)0)->no_wait) == 4);
HOLDS(elanus_index_options_progress, offsetof(elanus_index_options, progress) == 24 && sizeof(((const elanus_index_options *)0)->progress) == 8);
HOLDS(elanus_index_options_user_data, offsetof(elanus_index_options, user_data) == 32 && sizeof(((const elanus_index_options *)0)->user_data) == 8);
HOLDS(elanus_index_options, sizeof(elanus_index_options) == 40);

HOLDS(elanus_index_progress_total_rows, offsetof(elanus_index_progress, total_rows) == 0 && sizeof(((const elanus_index_progress *)0)->total_rows) == 8);
HOLDS(elanus_index_progress_indexed_rows, offsetof(elanus_index_progress, indexed_rows) == 8 && sizeof(((const elanus_index_progress *)0)->indexed_rows) == 8);
HOLDS(elanus_index_progress_pending_index_rows, offsetof(elanus_index_progress, pending_index_rows) == 16 && sizeof(((const elanus_index_progress *)0)->pending_index_rows) == 8);
HOLDS(elanus_index_progress, sizeof(elanus_index_progress) == 24);

HOLDS(elanus_compact_options_size, offsetof(elanus_compact_options, size) == 0 && sizeof(((const elanus_compact_options *)0)->size) == 4);
HOLDS(elanus_compact_options_no_wait, offsetof(elanus_compact_options, no_wait) == 4 && sizeof(((const elanus_compact_options *)0)->no_wait) == 4);
HOLDS(elanus_compact_options_progress, offsetof(elanus_compact_options, progress) == 8 && sizeof(((const elanus_compact_options *)0)->progress) == 8);
HOLDS(elanus_compact_options_user_data, offsetof(elanus_compact_options, user_data) == 16 && sizeof(((const elanus_compact_options *)0)->user_data) == 8);
HOLDS(elanus_compact_options, sizeof(elanus_compact_options) == 24);

HOLDS(elanus_compaction_progress_executing_plans, offsetof(elanus_compaction_progress, executing_plans) == 0 && sizeof(((const elanus_compaction_progress *)0)->executing_plans) == 8);
HOLDS(elanus_compaction_progress_completed_plans, offsetof(elanus_compaction_progress, completed_plans) == 8 && sizeof(((const elanus_compaction_progress *)0)->completed_plans) == 8);
HOLDS(elanus_compaction_progress_failed_plans, offsetof(elanus_compaction_progress, failed_plans) == 16 && sizeof(((const elanus_compaction_progress *)0)->failed_plans) == 8);
HOLDS(elanus_compaction_progress, sizeof(elanus_compaction_progress) == 24);

HOLDS(elanus_search_options_size, offsetof(elanus_search_options, size) == 0 && sizeof(((const elanus_search_options *)0)->size) == 4);
HOLDS(elanus_search_options_topk, offsetof(elanus_search_options, topk) == 4 && sizeof(((const elanus_search_options *)0)->topk) == 4);
HOLDS(elanus_search_options_params, offsetof(elanus_search_options, params) == 8 && sizeof(((const elanus_search_options *)0)->params) == 8);
HOLDS(elanus_search_options_metric_type, offsetof(elanus_search_options, metric_type) == 16 && sizeof(((const elanus_search_options *)0)->metric_type) == 8);
HOLDS(elanus_search_options_round_decimal, offsetof(elanus_search_options, round_decimal) == 24 && sizeof(((const elanus_search_options *)0)->round_decimal) == 4);
HOLDS(elanus_search_options_timeout_ms, offsetof(elanus_search_options, timeout_ms) == 28 && sizeof(((const elanus_search_options *)0)->timeout_ms) == 4);
HOLDS(elanus_search_options_output_fields, offsetof(elanus_search_options, output_fields) == 32 && sizeof(((const elanus_search_options *)0)->output_fields) == 8);
HOLDS(elanus_search_options_output_field_count, offsetof(elanus_search_options, output_field_count) == 40 && sizeof(((const elanus_search_options *)0)->output_field_count) == 8);
HOLDS(elanus_search_options_filter, offsetof(elanus_search_options, filter) == 48 && sizeof(((const elanus_search_options *)0)->filter) == 8);
HOLDS(elanus_search_options_filter_values, offsetof(elanus_search_options, filter_values) == 56 && sizeof(((const elanus_search_options *)0)->filter_values) == 8);
HOLDS(elanus_search_options_group_by_field, offsetof(elanus_search_options, group_by_field) == 64 && sizeof(((const elanus_search_options *)0)->group_by_field) == 8);
HOLDS(elanus_search_options_offset, offsetof(elanus_search_options, offset) == 72 && sizeof(((const elanus_search_options *)0)->offset) == 8);
HOLDS(elanus_search_options_partition_names, offsetof(elanus_search_options, partition_names) == 80 && sizeof(((const elanus_search_options *)0)->partition_names) == 8);
HOLDS(elanus_search_options_partition_name_count, offsetof(elanus_search_options, partition_name_count) == 88 && sizeof(((const elanus_search_options *)0)->partition_name_count) == 8);
HOLDS(elanus_search_options_travel_timestamp, offsetof(elanus_search_options, travel_timestamp) == 96 && sizeof(((const elanus_search_options *)0)->travel_timestamp) == 8);
HOLDS(elanus_search_options, sizeof(elanus_search_options) == 104);

HOLDS(elanus_query_options_size, offsetof(elanus_query_options, size) == 0 && sizeof(((const elanus_query_options *)0)->size) == 4);
HOLDS(elanus_query_options_limit, offsetof(elanus_query_options, limit) == 4 && sizeof(((const elanus_query_options *)0)->limit) == 4);
HOLDS(elanus_query_options_offset, offsetof(elanus_query_options, offset) == 8 && sizeof(((const elanus_query_options *)0)->offset) == 4);
HOLDS(elanus_query_options_timeout_ms, offsetof(elanus_query_options, timeout_ms) == 12 && sizeof(((const elanus_query_options *)0)->timeout_ms) == 4);
HOLDS(elanus_query_options_filter_values, offsetof(elanus_query_options, filter_values) == 16 && sizeof(((const elanus_query_options *)0)->filter_values) == 8);
HOLDS(elanus_query_options_output_fields, offsetof(elanus_query_options, output_fields) == 24 && sizeof(((const elanus_query_options *)0)->output_fields) == 8);
HOLDS(elanus_query_options_output_field_count, offsetof(elanus_query_options, output_field_count) == 32 && sizeof(((const elanus_query_options *)0)->output_field_count) == 8);
HOLDS(elanus_query_options_partition_names, offsetof(elanus_query_options, partition_names) == 40 && sizeof(((const elanus_query_options *)0)->partition_names) == 8);
HOLDS(elanus_query_options_partition_name_count, offsetof(elanus_query_options, partition_name_count) == 48 && sizeof(((const elanus_query_options *)0)->partition_name_count) == 8);
HOLDS(elanus_query_options_travel_timestamp, offsetof(elanus_query_options, travel_timestamp) == 56 && sizeof(((const elanus_query_options *)0)->travel_timestamp) == 8);
HOLDS(elanus_query_options, sizeof(elanus_query_options) == 64);

HOLDS(elanus_import_options_size, offsetof(elanus_import_options, size) == 0 && sizeof(((const elanus_import_options *)0)->size) == 4);
HOLDS(elanus_import_options_reserved, offsetof(elanus_import_options, reserved) == 4 && sizeof(((const elanus_import_options *)0)->reserved) == 4);
HOLDS(elanus_import_options_progress, offsetof(elanus_import_options, progress) == 8 && sizeof(((const elanus_import_options *)0)->progress) == 8);
HOLDS(elanus_import_options_user_data, offsetof(elanus_import_options, user_data) == 16 && sizeof(((const elanus_import_options *)0)->user_data) == 8);
HOLDS(elanus_import_options_partition, offsetof(elanus_import_options, partition) == 24 && sizeof(((const elanus_import_options *)0)->partition) == 8);
HOLDS(elanus_import_options, sizeof(elanus_import_options) == 32);

HOLDS(elanus_export_options_size, offsetof(elanus_export_options, size) == 0 && sizeof(((const elanus_export_options *)0)->size) == 4);
HOLDS(elanus_export_options_without_keys, offsetof(elanus_export_options, without_keys) == 4 && sizeof(((const elanus_export_options *)0)->without_keys) == 4);
HOLDS(elanus_export_options_filter, offsetof(elanus_export_options, filter) == 8 && sizeof(((const elanus_export_options *)0)->filter) == 8);
HOLDS(elanus_export_options_filter_values, offsetof(elanus_export_options, filter_values) == 16 && sizeof(((const elanus_export_options *)0)->filter_values) == 8);
HOLDS(elanus_export_options_progress, offsetof(elanus_export_options, progress) == 24 && sizeof(((const elanus_export_options *)0)->progress) == 8);
HOLDS(elanus_export_options_user_data, offsetof(elanus_export_options, user_data) == 32 && sizeof(((const elanus_export_options *)0)->user_data) == 8);
HOLDS(elanus_export_options_partition_names, offsetof(elanus_export_options, partition_names) == 40 && sizeof(((const elanus_export_options *)0)->partition_names) == 8);
HOLDS(elanus_export_options_partition_name_count, offsetof(elanus_export_options, partition_name_count) == 48 && sizeof(((const elanus_export_options *)0)->partition_name_count) == 8);
HOLDS(elanus_export_options, sizeof(elanus_export_options) == 56);

#endif

int main(void) { return 0; }
