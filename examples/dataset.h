/* Reads the demo's data: packed vectors, lines of text, one column of a CSV table. Formats: examples/data/README.md.
 *
 * Every function ends the program with a sentence when a file is absent or has another size than it should. */
#ifndef ELANUS_EXAMPLE_DATASET_H
#define ELANUS_EXAMPLE_DATASET_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Strings one after another, as a varchar column wants them: text i is bytes[offsets[i]] to bytes[offsets[i + 1] - 1]. */
typedef struct {
    char *bytes;
    uint64_t *offsets;
    size_t count;
} dataset_texts;

static void dataset_stop(const char *path, const char *why) {
    fprintf(stderr, "%s: %s\n", path, why);
    exit(EXIT_FAILURE);
}

/* A whole file, with a zero byte behind it. The caller frees it. */
static unsigned char *dataset_read(const char *folder, const char *name, size_t *size) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) dataset_stop(folder, "path too long");
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) dataset_stop(path, "cannot be read");
    long end = ftell(file);
    rewind(file);
    unsigned char *bytes = end < 0 ? NULL : malloc((size_t)end + 1);
    if (bytes == NULL || fread(bytes, 1, (size_t)end, file) != (size_t)end) dataset_stop(path, "cannot be read");
    fclose(file);
    bytes[end] = 0;
    *size = (size_t)end;
    return bytes;
}

/* A signed 12-bit integer as the value it stands for. */
static float dataset_value(unsigned bits) {
    return (float)((int)(bits ^ 0x800) - 0x800) / 4096.0f;
}

/* Vectors of a .i12 file, row by row. The caller frees them. */
static float *dataset_vectors(const char *folder, const char *name, size_t dim, size_t *rows) {
    size_t size = 0;
    unsigned char *packed = dataset_read(folder, name, &size);
    if (size == 0 || size % (dim * 3 / 2) != 0) dataset_stop(name, "is not a whole number of rows");
    float *values = malloc(size / 3 * 2 * sizeof *values);
    if (values == NULL) dataset_stop(name, "out of memory");
    for (size_t i = 0, v = 0; i < size; i += 3, v += 2) {
        values[v] = dataset_value(packed[i] | (packed[i + 1] & 15u) << 8);
        values[v + 1] = dataset_value(packed[i + 1] >> 4 | (unsigned)packed[i + 2] << 4);
    }
    free(packed);
    *rows = size / (dim * 3 / 2);
    return values;
}

/* One column of a file: whole lines when column is 0, else the column-th part between commas, without the first line. */
static dataset_texts dataset_column(const char *folder, const char *name, size_t rows, size_t column) {
    size_t size = 0;
    char *bytes = (char *)dataset_read(folder, name, &size);
    uint64_t *offsets = malloc((rows + 1) * sizeof *offsets);
    if (offsets == NULL) dataset_stop(name, "out of memory");
    size_t count = 0, used = 0;
    char *line = bytes;
    for (size_t skip = column > 0; count < rows && *line != 0; skip = 0) {
        char *next = strchr(line, '\n');
        if (next == NULL) dataset_stop(name, "its last line has no end");
        *next = 0;
        size_t length = strlen(line);
        for (size_t i = 1; i < column; i++) {
            line += strcspn(line, ",") + 1;
            if (line > next) dataset_stop(name, "has too few columns");
        }
        if (column > 0) length = strcspn(line, ",");
        if (!skip) {
            offsets[count++] = used;
            memmove(bytes + used, line, length); /* the column moves to the front, over what is read already */
            used += length;
        }
        line = next + 1;
    }
    if (count != rows) dataset_stop(name, "has too few lines");
    offsets[count] = used;
    return (dataset_texts){bytes, offsets, count};
}

static void dataset_texts_free(dataset_texts *texts) {
    free(texts->bytes);
    free(texts->offsets);
}

#endif
