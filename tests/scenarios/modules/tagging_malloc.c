/* Preloaded into a node: every block has a tag in front of it, and a block that comes back without
 * it came from another allocator: that ends the process. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

#define TAG UINT64_C(0x736b796c6f6f6d21)
struct head {
  void* begin; /* of the C library's block */
  size_t size;
  size_t unused;
  uint64_t tag;
};

static void* tagged(size_t alignment, size_t size) {
  if (alignment < sizeof(struct head)) alignment = sizeof(struct head);
  if (size > PTRDIFF_MAX - 2 * alignment) {
    errno = ENOMEM;
    return NULL;
  }
  char* begin = __libc_memalign(alignment, size + alignment);
  if (begin == NULL) return NULL;
  struct head* head = (struct head*)(begin + alignment) - 1;
  *head = (struct head){begin, size, 0, TAG};
  return head + 1;
}

static struct head* head_of(void* block) {
  struct head* head = (struct head*)block - 1;
  if (head->tag != TAG) {
    static const char text[] = "CHECK: a block of another allocator, or released twice\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(86);
    _exit(86);
  }
  return head;
}

void* malloc(size_t size) {
  return tagged(0, size);
}
void free(void* block) {
  if (block == NULL) return;
  struct head* head = head_of(block);
  head->tag = 0;
  __libc_free(head->begin);
}
void* calloc(size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void* block = tagged(0, bytes);
  if (block != NULL) memset(block, 0, bytes);
  return block;
}
void* realloc(void* block, size_t size) {
  if (block == NULL) return tagged(0, size);
  const size_t old = head_of(block)->size;
  void* moved = tagged(0, size);
  if (moved == NULL) return NULL;
  memcpy(moved, block, old < size ? old : size);
  free(block);
  return moved;
}
void* memalign(size_t alignment, size_t size) {
  return tagged(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return tagged(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  *block = tagged(alignment, size);
  return *block == NULL ? ENOMEM : 0;
}
size_t malloc_usable_size(void* block) {
  return block == NULL ? 0 : head_of(block)->size;
}
