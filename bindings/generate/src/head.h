/* Generated from src/ffi by bindings/generate (`make bindings`): do not edit. */
/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/**
 * @file elanus.h
 *
 * Elanus, an embeddable vector database: the C interface.
 *
 *     elanus_error *error = NULL;
 *     elanus_database *database = elanus_database_open("films.db", NULL, &error);
 *     if (database == NULL) {
 *         fprintf(stderr, "%s\n", elanus_error_message(error));
 *         elanus_error_free(error);
 *     }
 *
 * - Names are elanus_<object>_<verb>. Inputs come first, outputs last, and `elanus_error **error` at the very end: pass
 *   NULL, or the address of a pointer, which then receives an error to free with elanus_error_free(). A function that
 *   can fail returns an elanus_code, or a handle or text that is NULL on failure. Outputs are written only on success.
 * - Texts are UTF-8 and end in NUL. What comes in is read only during the call. A `char *` that comes out is freed with
 *   elanus_string_free(), a `const char *` belongs to the handle it was asked from.
 * - NULL for a handle, a text or an output that is needed is ELANUS_CODE_MISSING_PARAMETER, never a crash.
 * - Any thread may use any handle at any time, unless a function says otherwise; only freeing one needs to be alone.
 * - Structures with a `size` are begun with their *_INIT macro, so that they may grow: a program compiled against an
 *   older header goes on working.
 */
#ifndef ELANUS_H
#define ELANUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && !defined(ELANUS_STATIC)
#define ELANUS_API __declspec(dllimport)
#elif defined(__GNUC__)
#define ELANUS_API __attribute__((visibility("default")))
#else
#define ELANUS_API
#endif

