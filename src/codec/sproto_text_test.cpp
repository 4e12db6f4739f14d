#include "codec/sproto_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "codec/bytes_of_test.hpp"

namespace skyloom::codec {
namespace {

using ::testing::HasSubstr;

std::string compiled(std::string_view text) {
  auto bundle = compile_sproto(text, "test");
  return bundle.ok() ? *bundle : "error: " + std::string(bundle.error().view());
}

// What the bundle means.
std::string described(std::string_view text) {
  auto bundle = compile_sproto(text, "test");
  if (!bundle.ok()) return std::string(bundle.error().view());
  auto schema = SprotoSchema::load(*bundle);
  return schema.ok() ? schema->describe() : std::string(schema.error().view());
}

TEST(SprotoText, CompilesToTheBundleThatItsOwnSchemaDescribes) {
  // .T { a 0 : integer }: a group with one type, which has a name and one field; the field has a
  // name, the built-in type 0, no second type, and the tag 0.
  EXPECT_EQ(hex_of(compiled(".T { a 0 : integer }")),
            "0100"
            "0000"
            "26000000"
            "22000000"
            "0200"
            "0000"
            "0000"
            "01000000"
            "54"
            "13000000"
            "0f000000"
            "0400"
            "0000"
            "0200"
            "0100"
            "0200"
            "01000000"
            "61");
  EXPECT_EQ(hex_of(compiled("")), "0000");
}

TEST(SprotoText, KnowsEveryTypeOfField) {
  EXPECT_EQ(described(R"(
    # a comment
    .Person {  # another
      name 0 : string
      id 1 : integer
      data 2 : binary
      weight 3 : double
      height 4 : integer(2)
      is_old 5 : boolean
      .Phone { number 0 : string  type 1 : integer }
      phones 10 : *Phone
      best 12 : Phone
      names 13 : *string
    }
    .Pair { key 0 : string  value 1 : Person }
    .Book { people 0 : *Person(id)  map 1 : *Pair() }
  )"),
            R"(.Book
  people 0 : *Person(id)
  map 1 : *Pair()
.Pair
  key 0 : string
  value 1 : Person
.Person
  name 0 : string
  id 1 : integer
  data 2 : string
  weight 3 : double
  height 4 : integer / 100
  is_old 5 : boolean
  phones 10 : *Person.Phone
  best 12 : Person.Phone
  names 13 : *string
.Person.Phone
  number 0 : string
  type 1 : integer
)");
}

TEST(SprotoText, KnowsEveryFormOfProtocol) {
  EXPECT_EQ(described(R"(
    .Person { name 0 : string }
    foobar 3 { request Person response { ok 0 : boolean } }
    bare 1 {}
    confirmed 2 { response nil }
    both 4 { response Person request { .Inner { a 0 : integer } inner 0 : Inner } }
  )"),
            R"(.Person
  name 0 : string
.both.request
  inner 0 : both.request.Inner
.both.request.Inner
  a 0 : integer
.foobar.response
  ok 0 : boolean
bare 1
confirmed 2 response:nil
foobar 3 request:Person response:foobar.response
both 4 request:both.request response:Person
)");
}

TEST(SprotoText, LooksForATypeFromTheInsideOut) {
  EXPECT_EQ(described(R"(
    .A { .B { c 0 : C  own 1 : B  far 2 : X.C } .C { a 0 : integer } b 0 : B }
    .C { b 0 : boolean }
    .X { .C { s 0 : string } }
  )"),
            R"(.A
  b 0 : A.B
.A.B
  c 0 : A.C
  own 1 : A.B
  far 2 : X.C
.A.C
  a 0 : integer
.C
  b 0 : boolean
.X
.X.C
  s 0 : string
)");
}

TEST(SprotoText, NeedsNoBlanksWhereSignsDivide) {
  EXPECT_EQ(described(".T{a 0:integer(2)b 1:*U(k)}.U{k 0:string}p 1{request T}"),
            ".T\n  a 0 : integer / 100\n  b 1 : *U(k)\n.U\n  k 0 : string\np 1 request:T\n");
  EXPECT_EQ(described(".T { a 0 : string } # no line end"), ".T\n  a 0 : string\n");
}

TEST(SprotoText, OfABadSchemaIsRefusedWithLineAndReason) {
  struct Case {
    std::string_view text;
    std::string_view error;
  };
  const Case cases[] = {
      {".T {\n a 0 integer }", "[test] line (2): ':' expected near 'integer }'"},
      {".T { a 0 : }", "a name expected near '}'"},
      {".T { a b : string }", "a number expected near 'b : string }'"},
      {".T { a 0 : string", "a name expected near ''"},
      {"{", "a name expected near '{'"},
      {".T { a 32767 : string }", "a number above 32766: '32767'"},
      {".T { a 99999999999999999999 : string }", "a number above 32766:"},
      {".T { a -1 : string }", "a number expected"},
      {".T { a 0 : string a 1 : string }", "redefine field 'a'"},
      {".T { a 0 : string b 0 : string }", "redefine the tag of field 'b'"},
      {".T {} .T {}", "redefine type 'T'"},
      {".integer {}", "redefine the built-in type 'integer'"},
      {".T { a 0 : U }", "Undefined type 'U'"},
      {".T { a 0 : T.U }", "Undefined type 'T.U'"},
      {"p 1 { request U }", "Undefined type 'U' in protocol 'p'"},
      {"p 1 { request string }", "Undefined type 'string' in protocol 'p'"},
      {"p 1 {} p 2 {}", "redefine protocol 'p'"},
      {"p 1 {} q 1 {}", "redefine the tag of protocol 'q'"},
      {"p 1 { reply {} }", "request or response expected near 'reply'"},
      {"p 1 { request {} request {} }", "redefine request of protocol 'p'"},
      {"p 1 { response nil response nil }", "redefine response of protocol 'p'"},
      {".T { a 0 : string(2) }", "only an integer has digits, not the field 'a'"},
      {".T { a 0 : T(2) }", "only an integer has digits, not the field 'a'"},
      {".T { a 0 : integer(19) }", "a number above 18: '19'"},
      {".T { a 0 : integer(1)(2) }", "digits twice in field 'a'"},
      {".T { k 0 : string a 1 : *T(k)(k) }", "a key twice in field 'a'"},
      {".T { a 0 : T(a) }", "only an array of a type of yours has a key, not the field 'a'"},
      {".T { a 0 : *string(b) }", "only an array of a type of yours has a key"},
      {".T { a 0 : *T(b) }", "the key is no plain field of the type, in field 'a'"},
      {".T { a 0 : *T(a) }", "the key is no plain field of the type, in field 'a'"},
      {".T { a 0 : *T() }", "a map is made of a type with two fields, not the field 'a'"},
  };
  for (const Case& each : cases) {
    EXPECT_THAT(compiled(each.text), HasSubstr(std::string(each.error))) << each.text;
  }
}

TEST(SprotoText, IsRefusedWhereItGoesBeyondALimit) {
  const std::string longest(kSprotoNameBytesMax, 'a');
  EXPECT_EQ(described("." + longest + " {}"), "." + longest + "\n");
  EXPECT_THAT(compiled("." + longest + "a {}"), HasSubstr("a name of more than 255 bytes"));
  EXPECT_THAT(compiled("." + longest + " { .b {} }"), HasSubstr("a name of more than 255 bytes"));
  std::string nested;
  for (int depth = 0; depth <= kSprotoNestingMax; ++depth) nested += ".a {";
  EXPECT_THAT(compiled(nested), HasSubstr("more than 32 types inside of each other"));
  EXPECT_THAT(compiled(std::string(kSprotoTextBytesMax + 1, ' ')), HasSubstr("more than 4 MiB"));
  std::string many;
  for (size_t i = 0; i <= kSprotoTypesMax; ++i) many += ".t" + std::to_string(i) + "{}";
  EXPECT_THAT(compiled(many), HasSubstr("more than 32767 types"));
}

TEST(SprotoText, FailsAtEachPlaceWhereItIsCutOrLoads) {
  const std::string text =
      ".P { n 0 : string .Q { k 0 : integer(2) v 1 : *boolean } q 1 : *Q(k) m 2 : *Q() }\n"
      "p 1 { request P response { ok 0 : boolean } } r 2 { response nil }";
  for (size_t size = 0; size <= text.size(); ++size) {
    auto bundle = compile_sproto(std::string_view(text).substr(0, size), "test");
    if (!bundle.ok()) {
      EXPECT_THAT(std::string(bundle.error().view()), HasSubstr("syntax error at [test] line ("));
      continue;
    }
    auto schema = SprotoSchema::load(*bundle);
    EXPECT_TRUE(schema.ok()) << text.substr(0, size) << ": " << schema.error().view();
  }
}

}  // namespace
}  // namespace skyloom::codec
