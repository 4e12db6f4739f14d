// Documents of Skynet's datasheet builder. All of what is taken can be read, and takes no longer
// than it is large.
#include <vector>

#include "codec/datasheet.hpp"
#include "fuzz/input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace skyloom::codec;
  // In a block of its own size, so that a look beyond its end is seen.
  const std::vector<char> exact(bytes, bytes + size);
  const auto sheet = Datasheet::open({exact.data(), exact.size()});
  if (!sheet) return 0;
  size_t values = 0;
  for (uint32_t table = 0; table < sheet->tables(); ++table) {
    const uint32_t items = sheet->items(table);
    const uint32_t pairs = sheet->pairs(table);
    for (uint32_t position = 0; position < items + pairs; ++position) {
      const DatasheetValue value = sheet->value(table, position);
      if (value.kind == DatasheetKind::kTable)
        FUZZ_REQUIRE(value.bits > table && value.bits < sheet->tables());
      if (value.kind == DatasheetKind::kString) FUZZ_REQUIRE(sheet->text(value.bits).size() < size);
      if (position >= items)
        FUZZ_REQUIRE(sheet->text(sheet->key(table, position - items)).size() < size);
    }
    values += items + pairs;
  }
  FUZZ_REQUIRE(values * 4 <= size);
  return 0;
}
