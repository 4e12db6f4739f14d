// SprotoSchema::load(): a bundle is a message of this schema, and is read by hand because reading
// by a schema needs one.
//   .type { .field { name 0 : string  buildin 1 : integer  type 2 : integer  tag 3 : integer
//                    array 4 : boolean  key 5 : integer  map 6 : boolean }
//           name 0 : string  fields 1 : *field }
//   .protocol { name 0 : string  tag 1 : integer  request 2 : integer  response 3 : integer
//               confirm 4 : boolean }
//   .group { type 0 : *type  protocol 1 : *protocol }
#include <algorithm>
#include <array>
#include <numeric>

#include "codec/sproto_schema.hpp"

namespace skyloom::codec {
namespace {

constexpr size_t kRecordFieldsMax = 7;
constexpr uint16_t kBuiltinKinds = 4;  // SprotoKind without kStruct

// One struct of the bundle: a text or an array in the data, or a number, for each tag.
struct Record {
  std::array<std::optional<std::string_view>, kRecordFieldsMax> data;
  std::array<std::optional<uint16_t>, kRecordFieldsMax> numbers;
};

std::optional<Record> read_record(std::string_view bytes) noexcept {
  std::optional<SprotoItems> items = SprotoItems::open(bytes);
  if (!items || items->size() != bytes.size()) return std::nullopt;
  Record record;
  SprotoItem item;
  while (items->next(item)) {
    if (item.tag >= kRecordFieldsMax) continue;  // of a later version
    if (item.has_data) {
      record.data[item.tag] = item.data;
    } else {
      record.numbers[item.tag] = item.value;
    }
  }
  return record;
}

bool is_name(const std::optional<std::string_view>& name) noexcept {
  return name && !name->empty() && name->size() <= kSprotoNameBytesMax &&
         name->find('\0') == std::string_view::npos;
}

int64_t power_of_ten(int digits) noexcept {
  int64_t power = 1;
  while (digits-- > 0) power *= 10;
  return power;
}

SprotoError refuse(std::string_view what, std::string_view name, std::string_view why) noexcept {
  SprotoError error("sproto bundle: ");
  error << what << " '" << name.substr(0, 80) << "': " << why;
  return error;
}

size_t words_max(const std::vector<SprotoField>& fields) noexcept {
  size_t words = 0;
  uint32_t next_tag = 0;
  for (const SprotoField& field : fields) {
    words += field.tag == next_tag ? 1 : 2;
    next_tag = uint32_t{field.tag} + 1;
  }
  return words;
}

}  // namespace

// Fills a schema; the first error ends it.
class SprotoLoader {
 public:
  // Whether the schema is whole.
  bool run(std::string_view bundle);

  SprotoSchema schema;
  SprotoError error{"sproto bundle: not a whole message"};

 private:
  bool add_all(std::string_view array, bool (SprotoLoader::*add)(std::string_view));
  bool add_type(std::string_view bytes);
  bool add_fields(std::string_view array, SprotoType& type);
  bool add_field(std::string_view bytes, SprotoType& type);
  bool set_kind(const Record& record, SprotoField& field);
  bool set_order(const Record& record, SprotoField& field);
  bool connect(const SprotoType& type, SprotoField& field);
  bool connect_key(const SprotoType& type, SprotoField& field);
  bool add_protocol(std::string_view bytes);
  bool are_protocols_distinct();
  bool index_names();
  bool fail(std::string_view what, std::string_view name, std::string_view why) noexcept {
    error = refuse(what, name, why);
    return false;
  }
};

bool SprotoLoader::run(std::string_view bundle) {
  if (bundle.size() > kSprotoBundleBytesMax) {
    error = SprotoError("sproto bundle: ");
    error << bundle.size() << " bytes, the limit is " << kSprotoBundleBytesMax;
    return false;
  }
  const std::optional<Record> group = read_record(bundle);
  if (!group || group->numbers[0] || group->numbers[1]) return false;
  if (!add_all(group->data[0].value_or(""), &SprotoLoader::add_type) || !index_names())
    return false;
  for (SprotoType& type : schema.types_) {
    for (SprotoField& field : type.fields) {
      if (!connect(type, field)) return false;
    }
  }
  return add_all(group->data[1].value_or(""), &SprotoLoader::add_protocol) &&
         are_protocols_distinct();
}

bool SprotoLoader::add_all(std::string_view array, bool (SprotoLoader::*add)(std::string_view)) {
  SprotoParts parts(array);
  std::string_view part;
  while (parts.next(part)) {
    if (!(this->*add)(part)) return false;
  }
  return parts.is_at_end();
}

bool SprotoLoader::add_type(std::string_view bytes) {
  const std::optional<Record> record = read_record(bytes);
  if (!record || !is_name(record->data[0])) return fail("type", "", "not whole, or without a name");
  if (schema.types_.size() == kSprotoTypesMax) {
    return fail("type", *record->data[0], "more than 32767 types");
  }
  SprotoType type;
  type.name = *record->data[0];
  if (!add_fields(record->data[1].value_or(""), type)) return false;
  type.words_max = words_max(type.fields);
  schema.types_.push_back(std::move(type));
  return true;
}

bool SprotoLoader::add_fields(std::string_view array, SprotoType& type) {
  SprotoParts parts(array);
  std::string_view part;
  while (parts.next(part)) {
    if (!add_field(part, type)) return false;
  }
  if (!parts.is_at_end()) return fail("type", type.name, "its fields are not whole");
  const auto by_tag = [](const SprotoField& a, const SprotoField& b) { return a.tag < b.tag; };
  std::sort(type.fields.begin(), type.fields.end(), by_tag);
  const auto same_tag = [](const SprotoField& a, const SprotoField& b) { return a.tag == b.tag; };
  if (std::adjacent_find(type.fields.begin(), type.fields.end(), same_tag) != type.fields.end()) {
    return fail("type", type.name, "two fields have one tag");
  }
  return true;
}

bool SprotoLoader::add_field(std::string_view bytes, SprotoType& type) {
  const std::optional<Record> record = read_record(bytes);
  if (!record || !is_name(record->data[0]) || !record->numbers[3]) {
    return fail("type", type.name, "a field is not whole, or without a name or a tag");
  }
  SprotoField field;
  field.name = *record->data[0];
  field.tag = *record->numbers[3];
  if (!set_kind(*record, field) || !set_order(*record, field)) return false;
  type.fields.push_back(std::move(field));
  return true;
}

bool SprotoLoader::set_kind(const Record& record, SprotoField& field) {
  const std::optional<uint16_t> builtin = record.numbers[1];
  const std::optional<uint16_t> extra = record.numbers[2];
  if (!builtin) {
    if (!extra) return fail("field", field.name, "no type");
    field.kind = SprotoKind::kStruct;
    field.type = *extra;
    return true;
  }
  if (*builtin >= kBuiltinKinds) return fail("field", field.name, "unknown built-in type");
  field.kind = static_cast<SprotoKind>(*builtin);
  if (field.kind != SprotoKind::kInteger || !extra) return true;  // a binary is a string
  if (*extra > kSprotoDigitsMax) return fail("field", field.name, "more than 18 decimal digits");
  field.scale = power_of_ten(*extra);
  return true;
}

bool SprotoLoader::set_order(const Record& record, SprotoField& field) {
  const bool is_array = record.numbers[4].value_or(0) != 0;
  const bool has_key = record.numbers[5].has_value();
  const bool is_map = record.numbers[6].value_or(0) != 0;
  field.order = is_array ? SprotoOrder::kListed : SprotoOrder::kSingle;
  if (!has_key && !is_map) return true;
  if (!is_array || !has_key || field.kind != SprotoKind::kStruct) {
    return fail("field", field.name, "only an array of structs has a key");
  }
  field.order = is_map ? SprotoOrder::kMapped : SprotoOrder::kKeyed;
  field.key = *record.numbers[5];  // its tag, until connect()
  return true;
}

bool SprotoLoader::connect(const SprotoType& type, SprotoField& field) {
  if (field.kind != SprotoKind::kStruct) return true;
  if (field.type >= schema.types_.size()) {
    return fail("field", type.name + "." + field.name, "it refers to a type that is not there");
  }
  const bool has_key = field.order == SprotoOrder::kKeyed || field.order == SprotoOrder::kMapped;
  return !has_key || connect_key(type, field);
}

bool SprotoLoader::connect_key(const SprotoType& type, SprotoField& field) {
  const std::vector<SprotoField>& fields = schema.types_[field.type].fields;
  const auto key = std::find_if(fields.begin(), fields.end(),
                                [&](const SprotoField& each) { return each.tag == field.key; });
  if (key == fields.end() || key->is_array() || key->kind == SprotoKind::kStruct) {
    return fail("field", type.name + "." + field.name, "its key is no plain field of its type");
  }
  field.key = static_cast<uint16_t>(key - fields.begin());
  if (field.order == SprotoOrder::kKeyed) return true;
  if (fields.size() != 2) {
    return fail("field", type.name + "." + field.name,
                "a map of a type without exactly two fields");
  }
  field.value = static_cast<uint16_t>(1 - field.key);
  return true;
}

bool SprotoLoader::add_protocol(std::string_view bytes) {
  const std::optional<Record> record = read_record(bytes);
  if (!record || !is_name(record->data[0]) || !record->numbers[1]) {
    return fail("protocol", "", "not whole, or without a name or a tag");
  }
  SprotoProtocol protocol;
  protocol.name = *record->data[0];
  protocol.tag = *record->numbers[1];
  protocol.request = record->numbers[2];
  protocol.response = record->numbers[3];
  protocol.is_confirmed = record->numbers[4].value_or(0) != 0;
  for (const std::optional<uint16_t>& type : {protocol.request, protocol.response}) {
    if (type && *type >= schema.types_.size()) {
      return fail("protocol", protocol.name, "it refers to a type that is not there");
    }
  }
  schema.protocols_.push_back(std::move(protocol));
  return true;
}

// Sorts them and makes the index of their names.
bool SprotoLoader::are_protocols_distinct() {
  std::vector<SprotoProtocol>& all = schema.protocols_;
  std::sort(all.begin(), all.end(),
            [](const SprotoProtocol& a, const SprotoProtocol& b) { return a.tag < b.tag; });
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i - 1].tag == all[i].tag) return fail("protocol", all[i].name, "its tag is another's");
  }
  // Tags differ and have 15 bits: so do the indexes.
  std::vector<uint16_t>& by_name = schema.protocols_by_name_;
  by_name.resize(all.size());
  std::iota(by_name.begin(), by_name.end(), uint16_t{0});
  std::sort(by_name.begin(), by_name.end(),
            [&](uint16_t a, uint16_t b) { return all[a].name < all[b].name; });
  for (size_t i = 1; i < by_name.size(); ++i) {
    const std::string& name = all[by_name[i]].name;
    if (all[by_name[i - 1]].name == name) return fail("protocol", name, "there are two of them");
  }
  return true;
}

bool SprotoLoader::index_names() {
  const std::vector<SprotoType>& all = schema.types_;
  std::vector<uint16_t>& by_name = schema.types_by_name_;
  by_name.resize(all.size());
  std::iota(by_name.begin(), by_name.end(), uint16_t{0});
  std::sort(by_name.begin(), by_name.end(),
            [&](uint16_t a, uint16_t b) { return all[a].name < all[b].name; });
  for (size_t i = 1; i < by_name.size(); ++i) {
    const std::string& name = all[by_name[i]].name;
    if (all[by_name[i - 1]].name == name) return fail("type", name, "there are two of them");
  }
  return true;
}

base::Result<SprotoSchema, SprotoError> SprotoSchema::load(std::string_view bundle) {
  SprotoLoader loader;
  if (!loader.run(bundle)) return loader.error;
  return std::move(loader.schema);
}

}  // namespace skyloom::codec
