// skynet_malloc.h and the allocator statistics that stock modules import. The process-wide
// allocator is left alone (D-01, ADR 0007): figures are the C library's own, and what Lua states
// have beside it.
#include <malloc.h>
#include <stdint.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "os/slab_pool.hpp"
#include "skynet/malloc_hook.h"
#include "skynet/skynet.h"

extern "C" {

char* skynet_strdup(const char* text) {
  return ::strdup(text);
}

void* skynet_lalloc(void* block, size_t /*osize*/, size_t nsize) {
  if (nsize == 0) {
    std::free(block);
    return nullptr;
  }
  return std::realloc(block, nsize);
}

size_t malloc_used_memory(void) {
  const struct mallinfo2 figures = ::mallinfo2();
  return figures.uordblks + figures.hblkhd + skyloom::os::SlabPool::of_process().used_bytes();
}
size_t malloc_memory_block(void) {
  return mallinfo2().hblks;
}
size_t malloc_current_memory(void) {
  return 0;
}  // not counted per service
void memory_info_dump(const char* /*options*/) {
  ::malloc_stats();
}
void dump_c_mem(void) {
  ::malloc_stats();
}
int dump_mem_lua(lua_State* /*state*/) {
  return 0;
}

// jemalloc's controls: there is nothing behind them here.
size_t mallctl_int64(const char* /*name*/, size_t* /*value*/) {
  return 0;
}
bool mallctl_bool(const char* /*name*/, bool* /*value*/) {
  return false;
}
int mallctl_cmd(const char* /*name*/) {
  return -1;
}
int mallctl_opt(const char* /*name*/, int* /*value*/) {
  return 0;
}

}  // extern "C"
