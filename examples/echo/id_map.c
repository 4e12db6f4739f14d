#include "id_map.h"

#include "skynet/skynet_malloc.h"

#define CAPACITY_MIN 64

static size_t home_of(const struct id_map* map, uint32_t key) {
  return (key * 2654435769u) & (map->capacity - 1); /* spreads numbers that follow each other */
}

/* The slot of the key, or the empty one where it would be. There is always an empty slot. */
static struct id_map_slot* slot_of(const struct id_map* map, uint32_t key) {
  size_t i = home_of(map, key);
  while (map->slots[i].key != 0 && map->slots[i].key != key) i = (i + 1) & (map->capacity - 1);
  return &map->slots[i];
}

static int grow(struct id_map* map) {
  struct id_map larger = {NULL, map->capacity ? map->capacity * 2 : CAPACITY_MIN, map->count};
  larger.slots = skynet_calloc(larger.capacity, sizeof *larger.slots);
  if (larger.slots == NULL) return -1;
  for (size_t i = 0; i < map->capacity; ++i) {
    if (map->slots[i].key != 0) *slot_of(&larger, map->slots[i].key) = map->slots[i];
  }
  skynet_free(map->slots);
  *map = larger;
  return 0;
}

int id_map_put(struct id_map* map, uint32_t key, uint32_t value) {
  if (map->count * 2 >= map->capacity && grow(map) != 0) return -1;
  struct id_map_slot* slot = slot_of(map, key);
  if (slot->key == 0) ++map->count;
  slot->key = key;
  slot->value = value;
  return 0;
}

uint32_t id_map_get(const struct id_map* map, uint32_t key) {
  return map->capacity == 0 ? 0 : slot_of(map, key)->value;
}

uint32_t id_map_take(struct id_map* map, uint32_t key) {
  if (map->capacity == 0) return 0;
  struct id_map_slot* slot = slot_of(map, key);
  if (slot->key == 0) return 0;
  const uint32_t value = slot->value;
  *slot = (struct id_map_slot){0, 0};
  --map->count;
  /* Entries behind the hole may have been pushed there from before it: put each in its place. */
  size_t i = (size_t)(slot - map->slots);
  for (i = (i + 1) & (map->capacity - 1); map->slots[i].key != 0;
       i = (i + 1) & (map->capacity - 1)) {
    const struct id_map_slot moved = map->slots[i];
    map->slots[i] = (struct id_map_slot){0, 0};
    *slot_of(map, moved.key) = moved;
  }
  return value;
}

void id_map_clear(struct id_map* map) {
  skynet_free(map->slots);
  *map = (struct id_map){NULL, 0, 0};
}
