// The floor of a message between services: malloc, copy 32 bytes, queue, dequeue, free; one thread.
//   floor_queue [MESSAGES]
// Prints one line: "floor_queue: N messages, X ns wall, Y ns cpu per message".
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr size_t kPayloadBytes = 32;
constexpr size_t kSlots = 1024;  // a power of two
constexpr uint64_t kMessagesDefault = 20'000'000;

// The compiler must not see that nobody looks at the bytes.
void keep(void* pointer) {
  asm volatile("" : : "g"(pointer) : "memory");
}

struct Queue {
  std::vector<void*> slots = std::vector<void*>(kSlots);
  uint64_t head = 0;
  uint64_t tail = 0;

  void push(void* block) { slots[tail++ % kSlots] = block; }
  void* pop() { return slots[head++ % kSlots]; }
};

int64_t cpu_nanos() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return (int64_t{usage.ru_utime.tv_sec} + usage.ru_stime.tv_sec) * 1'000'000'000 +
         (int64_t{usage.ru_utime.tv_usec} + usage.ru_stime.tv_usec) * 1'000;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : kMessagesDefault;
  if (wanted == 0) {
    std::fprintf(stderr, "floor_queue: messages %s: must be a number above 0\n", argv[1]);
    return 2;
  }
  char payload[kPayloadBytes] = {1, 2, 3};
  Queue queue;
  const auto started = std::chrono::steady_clock::now();
  const int64_t cpu_started = cpu_nanos();
  for (uint64_t i = 0; i < wanted; ++i) {
    void* block = std::malloc(kPayloadBytes);
    if (block == nullptr) return 1;
    keep(payload);
    std::memcpy(block, payload, kPayloadBytes);
    keep(block);
    queue.push(block);
    keep(&queue);
    void* popped = queue.pop();
    keep(popped);
    std::free(popped);
  }
  const std::chrono::nanoseconds wall = std::chrono::steady_clock::now() - started;
  const int64_t cpu = cpu_nanos() - cpu_started;
  const auto count = static_cast<double>(wanted);
  std::printf("floor_queue: %llu messages, %.2f ns wall, %.2f ns cpu per message\n",
              static_cast<unsigned long long>(wanted), static_cast<double>(wall.count()) / count,
              static_cast<double>(cpu) / count);
  return 0;
}
