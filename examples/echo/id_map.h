/* A map from one non-zero 32-bit number to another: open addressing, grows by itself. */
#ifndef ECHO_ID_MAP_H
#define ECHO_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

struct id_map_slot {
  uint32_t key; /* 0: empty */
  uint32_t value;
};

/* All zero is an empty map. */
struct id_map {
  struct id_map_slot* slots;
  size_t capacity; /* a power of two, or 0 */
  size_t count;
};

/* 0, or -1 when there is no memory. Replaces the value of a known key. */
int id_map_put(struct id_map* map, uint32_t key, uint32_t value);
/* The value, or 0 when the key is unknown. */
uint32_t id_map_get(const struct id_map* map, uint32_t key);
/* Forgets the key and returns its value, or 0. */
uint32_t id_map_take(struct id_map* map, uint32_t key);
/* Frees what the map holds; it is an empty one afterwards. */
void id_map_clear(struct id_map* map);

#endif
