/* The allocator of everything that changes hands: messages, socket payloads, send buffers.
 * The names stand for the plain C functions (contract of Skynet's ABI: a prebuilt module imports
 * malloc and free), so blocks of the runtime and of C libraries can be released by either. */
#ifndef SKYNET_MALLOC_H
#define SKYNET_MALLOC_H

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define skynet_malloc malloc
#define skynet_calloc calloc
#define skynet_realloc realloc
#define skynet_free free
#define skynet_memalign memalign
#define skynet_aligned_alloc aligned_alloc
#define skynet_posix_memalign posix_memalign

#ifdef __cplusplus
extern "C" {
#endif

/* A copy of `text` from skynet_malloc; NULL when there is no memory. Any thread. */
char* skynet_strdup(const char* text);

/* The allocator of a Lua state: `nsize` 0 frees and returns NULL. Any thread. */
void* skynet_lalloc(void* block, size_t osize, size_t nsize);

#ifdef __cplusplus
}
#endif

#endif
