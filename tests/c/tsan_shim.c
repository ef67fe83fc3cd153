/* Rust's compiler calls these under ThreadSanitizer, gcc's runtime does not have them; but it watches the functions that
 * they stand for. */
#include <string.h>

void *__tsan_memset(void *to, int byte, size_t count) { return memset(to, byte, count); }
void *__tsan_memcpy(void *to, const void *from, size_t count) { return memcpy(to, from, count); }
void *__tsan_memmove(void *to, const void *from, size_t count) { return memmove(to, from, count); }
