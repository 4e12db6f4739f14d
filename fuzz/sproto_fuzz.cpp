// sproto: the schema language, bundles, messages and 0-packing. A text that compiles gives a bundle
// that loads; a message that is taken can be cut nowhere; what is packed comes back. Input: a byte
// that chooses, then the text, bundle, message or bytes.
#include <algorithm>
#include <string>
#include <vector>

#include "codec/sproto_text.hpp"
#include "codec/zero_pack.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

constexpr std::string_view kText = R"(
  .Pair { key 0 : string  value 3 : integer(2) }
  .T { i 0 : integer  b 1 : boolean  s 2 : string  d 3 : double  t 5 : T
       is 6 : *integer  bs 7 : *boolean  ss 8 : *string  ds 9 : *double  ts 10 : *T
       keyed 11 : *Pair(key)  mapped 12 : *Pair() }
)";

const SprotoSchema& schema() {
  static const SprotoSchema loaded = [] {
    auto bundle = compile_sproto(kText, "fuzz");
    FUZZ_REQUIRE(bundle.ok());
    auto result = SprotoSchema::load(*bundle);
    FUZZ_REQUIRE(result.ok());
    return std::move(*result);
  }();
  return loaded;
}

void require_schema(const SprotoSchema& loaded) {
  for (const SprotoType& type : loaded.types()) {
    FUZZ_REQUIRE(loaded.find_type(type.name).has_value());
    FUZZ_REQUIRE(type.words_max <= 2 * type.fields.size());
    for (size_t i = 0; i < type.fields.size(); ++i) {
      const SprotoField& field = type.fields[i];
      if (i > 0) FUZZ_REQUIRE(type.fields[i - 1].tag < field.tag);
      if (field.kind != SprotoKind::kStruct) continue;
      FUZZ_REQUIRE(field.type < loaded.types().size());
      const SprotoType& other = loaded.type(field.type);
      if (field.order == SprotoOrder::kKeyed) FUZZ_REQUIRE(field.key < other.fields.size());
      if (field.order != SprotoOrder::kMapped) continue;
      FUZZ_REQUIRE(other.fields.size() == 2 && field.key + field.value == 1);
    }
  }
  for (const SprotoProtocol& protocol : loaded.protocols()) {
    FUZZ_REQUIRE(loaded.find_protocol(protocol.name) == &protocol);
    FUZZ_REQUIRE(loaded.find_protocol(int64_t{protocol.tag}) == &protocol);
    if (protocol.request) FUZZ_REQUIRE(*protocol.request < loaded.types().size());
    if (protocol.response) FUZZ_REQUIRE(*protocol.response < loaded.types().size());
  }
  FUZZ_REQUIRE(loaded.describe().empty() == (loaded.types().empty() && loaded.protocols().empty()));
}

void try_text(std::string_view text) {
  auto bundle = compile_sproto(text, "fuzz");
  if (!bundle.ok()) {
    FUZZ_REQUIRE(bundle.error().view().starts_with("syntax error at [fuzz] line ("));
    return;
  }
  auto loaded = SprotoSchema::load(*bundle);
  FUZZ_REQUIRE(loaded.ok());
  require_schema(*loaded);
}

void try_bundle(std::string_view bundle) {
  auto loaded = SprotoSchema::load(bundle);
  if (loaded.ok()) require_schema(*loaded);
}

// The size that a message takes of a block of its own size.
std::optional<size_t> check(std::string_view message, uint16_t type) {
  const std::vector<char> exact(message.begin(), message.end());
  return schema().check(type, {exact.data(), exact.size()});
}

void try_message(std::string_view message) {
  const uint16_t type = schema().find_type("T").value();
  const auto size = check(message, type);
  if (!size) return;
  FUZZ_REQUIRE(*size <= message.size());
  FUZZ_REQUIRE(check(message.substr(0, *size), type) == size);
  FUZZ_REQUIRE(!check(message.substr(0, *size - 1), type));
}

void try_packing(std::string_view bytes) {
  std::vector<char> packed(zero_packed_size_max(bytes.size()));
  packed.resize(zero_pack(bytes, packed.data()));
  std::string padded(bytes);
  padded.resize((bytes.size() + 7) / 8 * 8, '\0');
  const auto size = zero_unpacked_size({packed.data(), packed.size()});
  FUZZ_REQUIRE(size == padded.size());
  std::vector<char> again(*size);
  zero_unpack({packed.data(), packed.size()}, again.data());
  FUZZ_REQUIRE(std::equal(again.begin(), again.end(), padded.begin(), padded.end()));
  // The bytes as something packed.
  const auto unpacked_size = zero_unpacked_size(bytes);
  if (!unpacked_size) return;
  FUZZ_REQUIRE(*unpacked_size <= 8 * bytes.size() && *unpacked_size % 8 == 0);
  std::vector<char> unpacked(*unpacked_size);
  zero_unpack(bytes, unpacked.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  switch (input.byte() % 4) {
    case 0: try_text(input.rest()); break;
    case 1: try_bundle(input.rest()); break;
    case 2: try_message(input.rest()); break;
    case 3: try_packing(input.rest()); break;
  }
  return 0;
}
