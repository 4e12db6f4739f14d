#include "codec/sproto_text.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "codec/sproto_definitions.hpp"

namespace skyloom::codec {
namespace {

constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// Goes through the text once. What fails has set `error`, and everything else fails behind it.
class SprotoTextReader {
 public:
  SprotoTextReader(std::string_view text, std::string_view file) noexcept
      : file_(file), text_(text) {}

  bool run();

  SprotoDefinitions definitions;
  SprotoError error;

 private:
  bool read_type(std::string_view scope, int depth);
  bool read_body(const std::string& name, int depth);
  bool read_field(TypeDefinition& type);
  bool read_extra(FieldDefinition& field);
  bool read_protocol();
  bool read_part(ProtocolDefinition& protocol);
  bool read_part_type(std::string_view part, const ProtocolDefinition& protocol,
                      std::optional<std::string>& type);

  void skip_blanks() noexcept;
  char peek() noexcept {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  // Takes this character if it is next.
  bool take(char c) noexcept {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  bool expect(char c) noexcept {
    if (take(c)) return true;
    const char wanted[] = {'\'', c, '\'', ' ', 'e', 'x', 'p', 'e', 'c', 't', 'e', 'd'};
    return fail_here({wanted, sizeof wanted});
  }
  bool read_word(std::string_view& word) noexcept;
  bool read_type_name(std::string_view& name) noexcept;
  bool read_number(uint16_t& number, uint16_t max) noexcept;

  bool fail(std::string_view why, std::string_view name) noexcept {
    return fail_at(line_, why, name);
  }
  bool fail_at(size_t line, std::string_view why, std::string_view name) noexcept {
    error = sproto_text_error(file_, line, why, name);
    return false;
  }
  bool fail_here(std::string_view what) noexcept {
    std::string_view near = text_.substr(at_, 20);
    near = near.substr(0, near.find('\n'));
    return fail(SprotoError(what) << " near", near);
  }

  std::string_view file_;
  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  std::set<std::string_view> protocol_names_;
};

bool SprotoTextReader::run() {
  if (text_.size() > kSprotoTextBytesMax) {
    return fail("more than 4 MiB of", "text");
  }
  for (;;) {
    const char next = peek();
    if (at_ == text_.size()) return true;
    if (next == '.' ? !read_type("", 1) : !read_protocol()) return false;
  }
}

void SprotoTextReader::skip_blanks() noexcept {
  for (; at_ < text_.size(); ++at_) {
    switch (text_[at_]) {
      case '\n': ++line_; break;
      case ' ':
      case '\t':
      case '\r': break;
      case '#': at_ = std::min(text_.find('\n', at_), text_.size()) - 1; break;
      default: return;
    }
  }
}

bool SprotoTextReader::read_word(std::string_view& word) noexcept {
  if (!is_letter(peek())) return fail_here("a name expected");
  const size_t start = at_;
  while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
  word = text_.substr(start, at_ - start);
  if (word.size() > kSprotoNameBytesMax) return fail("a name of more than 255 bytes:", word);
  return true;
}

bool SprotoTextReader::read_type_name(std::string_view& name) noexcept {
  if (!read_word(name)) return false;
  const size_t start = at_ - name.size();
  std::string_view part;
  while (at_ + 1 < text_.size() && text_[at_] == '.' && is_letter(text_[at_ + 1])) {
    ++at_;
    if (!read_word(part)) return false;
    name = text_.substr(start, at_ - start);
    if (name.size() > kSprotoNameBytesMax) return fail("a name of more than 255 bytes:", name);
  }
  return true;
}

bool SprotoTextReader::read_number(uint16_t& number, uint16_t max) noexcept {
  if (!is_digit(peek())) return fail_here("a number expected");
  const size_t start = at_;
  uint32_t value = 0;
  for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
    value = std::min<uint32_t>(value * 10 + static_cast<uint32_t>(text_[at_] - '0'), 99999);
  }
  if (value > max) {
    SprotoError why("a number above ");
    why << max << ":";
    return fail(why, text_.substr(start, at_ - start));
  }
  number = static_cast<uint16_t>(value);
  return true;
}

// .name { ... }
bool SprotoTextReader::read_type(std::string_view scope, int depth) {
  std::string_view word;
  if (!expect('.') || !read_word(word)) return false;
  std::string name(scope);
  if (!name.empty()) name += '.';
  name += word;
  if (depth > kSprotoNestingMax) return fail("more than 32 types inside of each other:", name);
  return read_body(name, depth);
}

// { fields and types }, for the type `name`
bool SprotoTextReader::read_body(const std::string& name, int depth) {
  if (name.size() > kSprotoNameBytesMax) return fail("a name of more than 255 bytes:", name);
  if (definitions.types.size() == kSprotoTypesMax) return fail("more than 32767 types:", name);
  const auto [place, is_new] = definitions.types.try_emplace(name);
  if (!is_new) return fail("redefine type", name);
  TypeDefinition& type = place->second;  // a map's elements stay where they are
  type.line = line_;
  if (!expect('{')) return false;
  while (!take('}')) {
    if (peek() == '.' ? !read_type(name, depth + 1) : !read_field(type)) return false;
  }
  std::set<std::string_view> names;
  std::set<uint16_t> tags;
  for (const FieldDefinition& field : type.fields) {
    if (!names.insert(field.name).second) return fail_at(field.line, "redefine field", field.name);
    if (!tags.insert(field.tag).second) {
      return fail_at(field.line, "redefine the tag of field", field.name);
    }
  }
  return true;
}

// name tag : type
bool SprotoTextReader::read_field(TypeDefinition& type) {
  FieldDefinition field;
  if (!read_word(field.name)) return false;
  field.line = line_;
  if (!read_number(field.tag, kSprotoWordValueMax) || !expect(':')) return false;
  field.is_array = take('*');
  if (!read_type_name(field.type_name) || !read_extra(field)) return false;
  type.fields.push_back(field);
  return true;
}

// (digits), (key) or ()
bool SprotoTextReader::read_extra(FieldDefinition& field) {
  while (take('(')) {
    if (is_digit(peek())) {
      if (field.digits) return fail("digits twice in field", field.name);
      if (!read_number(field.digits.emplace(), kSprotoDigitsMax)) return false;
    } else {
      if (field.key) return fail("a key twice in field", field.name);
      field.key.emplace();
      if (peek() != ')' && !read_word(*field.key)) return false;
    }
    if (!expect(')')) return false;
  }
  return true;
}

// name tag { request type response type }
bool SprotoTextReader::read_protocol() {
  ProtocolDefinition protocol;
  uint16_t tag = 0;
  if (!read_word(protocol.name)) return false;
  protocol.line = line_;
  if (!read_number(tag, kSprotoWordValueMax)) return false;
  if (!protocol_names_.insert(protocol.name).second) {
    return fail("redefine protocol", protocol.name);
  }
  if (definitions.protocols.contains(tag)) {
    return fail("redefine the tag of protocol", protocol.name);
  }
  if (!expect('{')) return false;
  while (!take('}')) {
    if (!read_part(protocol)) return false;
  }
  definitions.protocols.emplace(tag, std::move(protocol));
  return true;
}

bool SprotoTextReader::read_part(ProtocolDefinition& protocol) {
  std::string_view part;
  if (!read_word(part)) return false;
  if (part == "request") {
    if (protocol.request) return fail("redefine request of protocol", protocol.name);
    return read_part_type(part, protocol, protocol.request);
  }
  if (part != "response") return fail("request or response expected near", part);
  if (protocol.response || protocol.is_confirmed) {
    return fail("redefine response of protocol", protocol.name);
  }
  if (!read_part_type(part, protocol, protocol.response)) return false;
  if (protocol.response == "nil") {
    protocol.response.reset();
    protocol.is_confirmed = true;
  }
  return true;
}

// The name of a type, or a type of its own.
bool SprotoTextReader::read_part_type(std::string_view part, const ProtocolDefinition& protocol,
                                      std::optional<std::string>& type) {
  if (peek() == '{') {
    type = std::string(protocol.name) + "." + std::string(part);
    return read_body(*type, 1);
  }
  std::string_view name;
  if (!read_type_name(name)) return false;
  type = name;
  return true;
}

}  // namespace

SprotoError sproto_text_error(std::string_view file, size_t line, std::string_view why,
                              std::string_view name) noexcept {
  SprotoError error("syntax error at [");
  error << file.substr(0, 60) << "] line (" << line << "): " << why.substr(0, 80) << " '"
        << name.substr(0, 60) << "'";
  return error;
}

base::Result<std::string, SprotoError> compile_sproto(std::string_view text,
                                                      std::string_view name) {
  SprotoTextReader reader(text, name);
  if (!reader.run()) return reader.error;
  return bundle_sproto(std::move(reader.definitions), name);
}

}  // namespace skyloom::codec
