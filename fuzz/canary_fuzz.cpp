// Fails on purpose: the fuzz stage is green only if it finds this one. Without coverage, sanitizers
// or the corpus working, a fuzzer that finds nothing would look like code without faults.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  // Byte by byte, so that only coverage leads there.
  if (size > 5 && input[0] == 'c' && input[1] == 'a' && input[2] == 'n' && input[3] == 'a' &&
      input[4] == 'r' && input[5] == 'y') {
    std::abort();
  }
  return 0;
}
