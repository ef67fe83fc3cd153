// The header in C++11: included twice, used with containers and owners.
#include "elanus.h"
#include "elanus.h"
#include "test.h"

#include <memory>
#include <string>
#include <vector>

struct Free {
    void operator()(elanus_database *handle) const { elanus_database_free(handle); }
    void operator()(elanus_collection *handle) const { elanus_collection_free(handle); }
    void operator()(elanus_result *handle) const { elanus_result_free(handle); }
};

template <typename T> using Owned = std::unique_ptr<T, Free>;

static bool advance(void *user_data, uint64_t, uint64_t) {
    ++*static_cast<int *>(user_data);
    return true;
}

int main() {
    char *folder = new_folder();
    {
        Owned<elanus_database> database(elanus_database_open(folder, "{\"index_min_rows\":100}", &error));
        CHECK(database != nullptr);
        Owned<elanus_collection> collection(elanus_collection_create(database.get(), "rows", SCHEMA, &error));
        CHECK(collection != nullptr);
        CHECK(insert_rows(collection.get(), 0, 500) == ELANUS_CODE_OK);
        CHECK(elanus_collection_flush(collection.get(), &error) == ELANUS_CODE_OK);

        int ticks = 0;
        elanus_index_options index = ELANUS_INDEX_OPTIONS_INIT;
        index.progress = advance;
        index.user_data = &ticks;
        CHECK(elanus_index_create(collection.get(), "v", "{\"index_type\":\"HNSW\",\"metric_type\":\"L2\"}", &index,
                                  &error) == ELANUS_CODE_OK);
        CHECK(ticks > 0);

        std::vector<float> query(DIM);
        vector_of(77, query.data());
        elanus_search_options options = ELANUS_SEARCH_OPTIONS_INIT;
        const char *fields[] = {"tag"};
        options.topk = 2;
        options.output_fields = fields;
        options.output_field_count = 1;
        Owned<elanus_result> result(
            elanus_collection_search(collection.get(), "v", query.data(), 1, query.size(), &options, &error));
        CHECK(elanus_result_count(result.get()) == 2);
        CHECK(elanus_result_ids_int64(result.get())[0] == 77);
        const elanus_column *tag = elanus_result_column(result.get(), 0);
        std::string text(static_cast<const char *>(tag->data), static_cast<size_t>(tag->offsets[1]));
        CHECK(text == "tag 77");
        FAILS(ELANUS_CODE_FIELD_NOT_FOUND, "w", "",
              elanus_collection_search(collection.get(), "w", query.data(), 1, query.size(), &options, &error));
    }
    remove_folder(folder);
    return finish("cpp");
}
