// From definitions to the bundle whose schema sproto_loader.cpp tells.
#include <algorithm>
#include <array>

#include "codec/sproto_definitions.hpp"
#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

template <class Word>
void append_number(std::string& bytes, Word number) {
  std::array<char, sizeof(Word)> digits;
  store<std::endian::little>(number, digits.data());
  bytes.append(digits.data(), digits.size());
}

// A text or a record, with its size before it.
void append_part(std::string& bytes, std::string_view part) {
  append_number(bytes, static_cast<uint32_t>(part.size()));
  bytes += part;
}

// One struct; its fields are added in the order of their tags.
class RecordWriter {
 public:
  void add_number(uint32_t tag, uint16_t number) { add_word(tag, sproto_value_word(number)); }
  void add_data(uint32_t tag, std::string_view data) {
    add_word(tag, kSprotoDataWord);
    append_part(data_, data);
  }
  std::string finish() const {
    std::string bytes;
    append_number(bytes, static_cast<uint16_t>(words_.size() / kSprotoWordBytes));
    return bytes + words_ + data_;
  }

 private:
  void add_word(uint32_t tag, uint16_t word) {
    if (tag != next_tag_) append_number(words_, sproto_gap_word(tag - next_tag_));
    append_number(words_, word);
    next_tag_ = tag + 1;
  }

  uint32_t next_tag_ = 0;
  std::string words_;
  std::string data_;
};

struct BuiltinType {
  std::string_view name;
  SprotoKind kind;
  bool is_binary;
};
constexpr BuiltinType kBuiltinTypes[] = {{"integer", SprotoKind::kInteger, false},
                                         {"boolean", SprotoKind::kBoolean, false},
                                         {"string", SprotoKind::kString, false},
                                         {"binary", SprotoKind::kString, true},
                                         {"double", SprotoKind::kDouble, false}};

const BuiltinType* find_builtin(std::string_view name) noexcept {
  for (const BuiltinType& type : kBuiltinTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

// What fails has set `error`.
class SprotoBundler {
 public:
  SprotoBundler(SprotoDefinitions definitions, std::string_view file)
      : file_(file), definitions_(std::move(definitions)) {
    for (const auto& [name, type] : definitions_.types) {
      indexes_.emplace(name, static_cast<uint16_t>(indexes_.size()));
    }
  }

  // False: see `error`.
  bool run(std::string& bundle);

  SprotoError error;

 private:
  using Type = std::pair<const std::string, TypeDefinition>;

  bool add_type(Type& type, std::string& types);
  bool add_field(const Type& type, const FieldDefinition& field, std::string& fields);
  bool add_kind(const FieldDefinition& field, const BuiltinType& builtin, RecordWriter& record);
  const Type* resolve(std::string_view scope, std::string_view name) const;
  const FieldDefinition* find_key(const FieldDefinition& field, const TypeDefinition& of);
  bool add_protocol(uint16_t tag, const ProtocolDefinition& protocol, std::string& protocols);
  bool add_part(const ProtocolDefinition& protocol, const std::optional<std::string>& part,
                uint32_t tag, RecordWriter& record);
  bool fail(size_t line, std::string_view why, std::string_view name) noexcept {
    error = sproto_text_error(file_, line, why, name);
    return false;
  }

  std::string_view file_;
  SprotoDefinitions definitions_;
  std::map<std::string_view, uint16_t> indexes_;
};

bool SprotoBundler::run(std::string& bundle) {
  std::string types;
  for (Type& type : definitions_.types) {
    if (!add_type(type, types)) return false;
  }
  std::string protocols;
  for (const auto& [tag, protocol] : definitions_.protocols) {
    if (!add_protocol(tag, protocol, protocols)) return false;
  }
  RecordWriter group;
  if (!types.empty()) group.add_data(0, types);
  if (!protocols.empty()) group.add_data(1, protocols);
  bundle = group.finish();
  return true;
}

bool SprotoBundler::add_type(Type& type, std::string& types) {
  auto& [name, definition] = type;
  if (find_builtin(name) != nullptr) {
    return fail(definition.line, "redefine the built-in type", name);
  }
  std::sort(definition.fields.begin(), definition.fields.end(),
            [](const FieldDefinition& a, const FieldDefinition& b) { return a.tag < b.tag; });
  std::string fields;
  for (const FieldDefinition& field : definition.fields) {
    if (!add_field(type, field, fields)) return false;
  }
  RecordWriter record;
  record.add_data(0, name);
  if (!fields.empty()) record.add_data(1, fields);
  append_part(types, record.finish());
  return true;
}

bool SprotoBundler::add_field(const Type& type, const FieldDefinition& field, std::string& fields) {
  RecordWriter record;
  record.add_data(0, field.name);
  const BuiltinType* const builtin = find_builtin(field.type_name);
  const Type* const structure = builtin == nullptr ? resolve(type.first, field.type_name) : nullptr;
  if (builtin != nullptr) {
    if (!add_kind(field, *builtin, record)) return false;
  } else if (structure == nullptr) {
    return fail(field.line, "Undefined type", field.type_name);
  } else if (field.digits) {
    return fail(field.line, "only an integer has digits, not the field", field.name);
  } else {
    record.add_number(2, indexes_.at(structure->first));
  }
  record.add_number(3, field.tag);
  if (field.is_array) record.add_number(4, 1);
  if (field.key) {
    if (structure == nullptr || !field.is_array) {
      return fail(field.line, "only an array of a type of yours has a key, not the field",
                  field.name);
    }
    const FieldDefinition* const key = find_key(field, structure->second);
    if (key == nullptr) return false;
    record.add_number(5, key->tag);
    if (field.key->empty()) record.add_number(6, 1);
  }
  append_part(fields, record.finish());
  return true;
}

bool SprotoBundler::add_kind(const FieldDefinition& field, const BuiltinType& builtin,
                             RecordWriter& record) {
  record.add_number(1, static_cast<uint16_t>(builtin.kind));
  if (builtin.is_binary) record.add_number(2, 1);
  if (!field.digits) return true;
  if (builtin.kind != SprotoKind::kInteger) {
    return fail(field.line, "only an integer has digits, not the field", field.name);
  }
  record.add_number(2, *field.digits);
  return true;
}

// The type `name` as it is seen from inside of the type `scope`.
const SprotoBundler::Type* SprotoBundler::resolve(std::string_view scope,
                                                  std::string_view name) const {
  for (;;) {
    std::string full(scope);
    if (!full.empty()) full += '.';
    full += name;
    const auto found = definitions_.types.find(full);
    if (found != definitions_.types.end()) return &*found;
    if (scope.empty()) return nullptr;
    const size_t dot = scope.rfind('.');
    scope = dot == std::string_view::npos ? "" : scope.substr(0, dot);
  }
}

// Null: an error is set. A map's key is the field with the lowest tag.
const FieldDefinition* SprotoBundler::find_key(const FieldDefinition& field,
                                               const TypeDefinition& of) {
  const auto& fields = of.fields;
  const bool is_map = field.key->empty();
  if (is_map && fields.size() != 2) {
    fail(field.line, "a map is made of a type with two fields, not the field", field.name);
    return nullptr;
  }
  const auto by_tag = [](const FieldDefinition& a, const FieldDefinition& b) {
    return a.tag < b.tag;
  };
  const auto key = is_map ? std::min_element(fields.begin(), fields.end(), by_tag)
                          : std::find_if(fields.begin(), fields.end(),
                                         [&](const auto& each) { return each.name == *field.key; });
  if (key == fields.end() || key->is_array || find_builtin(key->type_name) == nullptr) {
    fail(field.line, "the key is no plain field of the type, in field", field.name);
    return nullptr;
  }
  return &*key;
}

bool SprotoBundler::add_protocol(uint16_t tag, const ProtocolDefinition& protocol,
                                 std::string& protocols) {
  RecordWriter record;
  record.add_data(0, protocol.name);
  record.add_number(1, tag);
  if (!add_part(protocol, protocol.request, 2, record)) return false;
  if (!add_part(protocol, protocol.response, 3, record)) return false;
  if (protocol.is_confirmed) record.add_number(4, 1);
  append_part(protocols, record.finish());
  return true;
}

bool SprotoBundler::add_part(const ProtocolDefinition& protocol,
                             const std::optional<std::string>& part, uint32_t tag,
                             RecordWriter& record) {
  if (!part) return true;
  const auto found = indexes_.find(*part);
  if (found == indexes_.end()) {
    return fail(protocol.line, SprotoError("Undefined type '") << *part << "' in protocol",
                protocol.name);
  }
  record.add_number(tag, found->second);
  return true;
}

}  // namespace

base::Result<std::string, SprotoError> bundle_sproto(SprotoDefinitions definitions,
                                                     std::string_view file) {
  SprotoBundler bundler(std::move(definitions), file);
  std::string bundle;
  if (!bundler.run(bundle)) return bundler.error;
  return bundle;
}

}  // namespace skyloom::codec
