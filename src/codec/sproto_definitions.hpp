// A schema as it was written, between its text and its bundle.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/sproto_schema.hpp"

namespace skyloom::codec {

struct FieldDefinition {
  std::string_view name;
  std::string_view type_name;
  uint16_t tag = 0;
  bool is_array = false;
  std::optional<uint16_t> digits;       // integer(n)
  std::optional<std::string_view> key;  // T(key); empty: T()
  size_t line = 0;
};

struct TypeDefinition {
  std::vector<FieldDefinition> fields;
  size_t line = 0;
};

struct ProtocolDefinition {
  std::string_view name;
  std::optional<std::string> request;  // the full name of a type
  std::optional<std::string> response;
  bool is_confirmed = false;
  size_t line = 0;
};

// Names are views into the text.
struct SprotoDefinitions {
  std::map<std::string, TypeDefinition, std::less<>> types;  // by full name: a.b is inside of a
  std::map<uint16_t, ProtocolDefinition> protocols;          // by tag
};

// "syntax error at [schema.sproto] line (12): why 'name'"
SprotoError sproto_text_error(std::string_view file, size_t line, std::string_view why,
                              std::string_view name) noexcept;

// The bundle. Errors: what the definitions say does not fit together.
base::Result<std::string, SprotoError> bundle_sproto(SprotoDefinitions definitions,
                                                     std::string_view file);

}  // namespace skyloom::codec
