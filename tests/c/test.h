/* A test program: CHECK what should be, FAILS what should fail, and return finish(). */
#ifndef TEST_H
#define TEST_H

#include "elanus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Receives the failure of the call under test. */
extern elanus_error *error;
extern int failures;

/* The condition holds, and no error is there. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        int good_ = (condition);                                                                                       \
        verdict(good_ && error == NULL, __FILE__, __LINE__, #condition);                                               \
        forget_error();                                                                                                \
    } while (0)

/* The call, which leaves its failure in `error`, fails with that code and a message that has both texts in it. */
#define FAILS(code, text1, text2, call)                                                                                \
    do {                                                                                                               \
        (void)(call);                                                                                                  \
        verdict(failed_with(code, text1, text2), __FILE__, __LINE__, #call " should fail with " #code ", " #text1      \
                                                                           ", " #text2);                               \
        forget_error();                                                                                                \
    } while (0)

void verdict(int good, const char *file, int line, const char *what);
void forget_error(void);
int failed_with(elanus_code code, const char *text1, const char *text2);
int finish(const char *program);

/* A new empty folder, below $TMPDIR; remove_folder() frees the text too. */
char *new_folder(void);
void remove_folder(char *path);

/* A number that changes with every name and byte below `path`. */
uint64_t folder_hash(const char *path);

enum { DIM = 8 };

/* An id, a tag and a vector `v` of DIM. */
extern const char SCHEMA[];

/* The vector of row `id`: no two alike, far from sorted. */
void vector_of(int64_t id, float *v);

elanus_column column(elanus_data_type type, const char *name, const void *data, const uint64_t *offsets, uint64_t count,
                     uint64_t dim);

/* Inserts rows `first` to `first + count - 1` of SCHEMA; the tag of row i is "tag i". */
elanus_code insert_rows(const elanus_collection *collection, int64_t first, size_t count);

/* Whether the nearest row to row `id`'s vector is that row. */
int finds(const elanus_collection *collection, int64_t id);

uint64_t count_of(const elanus_collection *collection);

/* Whether a text of the library's own has `part` in it; frees it. */
int says(char *text, const char *part);

#ifdef __cplusplus
}
#endif

#endif
