/* Statistics of the allocator, under the names that Skynet's modules import. The process's malloc
 * is the C library's, or what was put in its place: what it does not know is 0, false or -1. Any
 * thread. */
#ifndef SKYNET_MALLOC_HOOK_H
#define SKYNET_MALLOC_HOOK_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lua_State;

size_t malloc_used_memory(void);    /* bytes that the process has been given and not freed */
size_t malloc_memory_block(void);   /* blocks that have a mapping of their own */
size_t malloc_current_memory(void); /* of the service that runs on this thread; not counted: 0 */
void memory_info_dump(const char* options); /* both print statistics to stderr */
void dump_c_mem(void);
int dump_mem_lua(struct lua_State* state); /* pushes nothing: services are not counted */

/* jemalloc's controls; without it there is nothing behind them. */
size_t mallctl_int64(const char* name, size_t* value);
bool mallctl_bool(const char* name, bool* value);
int mallctl_cmd(const char* name);
int mallctl_opt(const char* name, int* value);

#ifdef __cplusplus
}
#endif

#endif
