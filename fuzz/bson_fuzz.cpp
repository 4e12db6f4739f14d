// BSON documents. What is taken consists of elements that can be written out again as the same
// bytes, and of values that are taken alone; what is cut is not taken. Input: a document.
#include <string>
#include <vector>

#include "codec/bson.hpp"
#include "codec/utf8.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

bool is_taken(std::string_view document) {
  // In a block of its own size, so that a look beyond its end is seen.
  const std::vector<char> exact(document.begin(), document.end());
  return check_bson({exact.data(), exact.size()}) == BsonFault::kNone;
}

std::string length(size_t size) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(size >> shift & 0xff);
  return bytes;
}

void require_document(std::string_view document) {
  std::string again;
  BsonElements elements(document);
  BsonElement element;
  while (elements.next(element)) {
    FUZZ_REQUIRE(is_utf8(element.key));
    FUZZ_REQUIRE(bson_value_size(element.type, element.value) == element.value.size());
    FUZZ_REQUIRE(check_bson_value(element.type, element.value) == BsonFault::kNone);
    if (element.type == BsonType::kString) FUZZ_REQUIRE(is_utf8(bson_string(element.value)));
    if (element.type == BsonType::kDocument || element.type == BsonType::kArray) {
      require_document(element.value);
    }
    again += static_cast<char>(element.type);
    again += std::string(element.key) + '\0';
    again += element.value;
  }
  FUZZ_REQUIRE(elements.fault() == BsonFault::kNone);
  FUZZ_REQUIRE(length(again.size() + kBsonDocumentBytesMin) + again + '\0' == document);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view document = skyloom::fuzz::Input(bytes, size).rest();
  if (!is_taken(document)) return 0;
  require_document(document);
  FUZZ_REQUIRE(!is_taken(document.substr(0, size - 1)));
  FUZZ_REQUIRE(!is_taken(std::string(document) + '\0'));
  return 0;
}
