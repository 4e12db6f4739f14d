// X25519, SHA-256, HMAC-SHA256 and ChaCha20-Poly1305 against the vectors of their RFCs.
#include "codec/sealing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "codec/bytes_of_test.hpp"

namespace skyloom::codec {
namespace {

template <size_t kSize>
std::array<char, kSize> array_of(std::string_view bytes) {
  std::array<char, kSize> array{};
  EXPECT_EQ(bytes.size(), kSize);
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}
Bytes32 key_of(std::string_view hex) {
  return array_of<32>(bytes_of(hex));
}
std::string hex(const std::optional<Bytes32>& bytes) {
  return bytes ? hex_of_array(*bytes) : "nothing";
}

TEST(SealingTest, TheExchangeOfRfc7748Holds) {
  EXPECT_EQ(hex(x25519_public(
                key_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const Bytes32 secret = key_of("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
  const Bytes32 peer = key_of("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
  EXPECT_EQ(hex(x25519_shared({.secret = secret, .peer = peer})),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
}

TEST(SealingTest, AKeyWithWhichEverySecretGivesTheSameIsRefused) {
  const Bytes32 secret = key_of("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
  for (const char* peer : {"0000000000000000000000000000000000000000000000000000000000000000",
                           "0100000000000000000000000000000000000000000000000000000000000000",
                           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"}) {
    EXPECT_FALSE(x25519_shared({.secret = secret, .peer = key_of(peer)}).has_value()) << peer;
  }
}

TEST(SealingTest, TheHashesOfRfc4231AndFips180Hold) {
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(hmac_sha256({.key = "Jefe", .text = "what do ya want for nothing?"})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256({.key = std::string(131, '\xaa'),
                             .text = "Test Using Larger Than Block-Size Key - Hash Key First"})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(hex(hmac_sha256({.key = {}, .text = {}})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

class SealTest : public ::testing::Test {
 protected:
  std::string sealed() const {
    std::string into(input_.text.size() + kSealBytes, '\0');
    EXPECT_TRUE(seal(input_, into.data()));
    return into;
  }
  // "nothing": it is refused.
  std::string opened(const std::string& bytes) const {
    SealInput input = input_;
    input.text = bytes;
    std::string into(bytes.size(), '\0');
    if (!unseal(input, into.data())) return "nothing";
    return into.substr(0, bytes.size() - kSealBytes);
  }

  const std::string text_ =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.";
  const std::string beside_ = bytes_of("50515253c0c1c2c3c4c5c6c7");
  SealInput input_{
      .key = key_of("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
      .nonce = array_of<12>(bytes_of("070000004041424344454647")),
      .text = text_,
      .beside = beside_};
};

TEST_F(SealTest, TheCipherOfRfc8439Holds) {
  const std::string found = sealed();
  EXPECT_EQ(hex_of(found).substr(0, 32), "d31a8d34648e60db7b86afbc53ef7ec2");
  EXPECT_EQ(hex_of(found).substr(2 * text_.size()), "1ae10b594f09e26a7e902ecbd0600691");
  EXPECT_EQ(opened(found), text_);
}

TEST_F(SealTest, EveryChangeIsNoticed) {
  const std::string found = sealed();
  for (size_t i = 0; i < found.size(); ++i) {
    std::string changed = found;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    EXPECT_EQ(opened(changed), "nothing") << i;
    EXPECT_EQ(opened(found.substr(0, i)), "nothing") << i;
  }
  EXPECT_EQ(opened(found + "x"), "nothing");
  input_.beside = "";
  EXPECT_EQ(opened(found), "nothing");
  input_.beside = beside_;
  input_.nonce[0] = '\1';
  EXPECT_EQ(opened(found), "nothing");
  input_.nonce[0] = '\7';
  input_.key[31] = '\0';
  EXPECT_EQ(opened(found), "nothing");
}

TEST_F(SealTest, AnEmptyTextIsSealedTooAndNothingMayLieBeside) {
  input_.text = {};
  input_.beside = {};
  EXPECT_EQ(sealed().size(), kSealBytes);
  EXPECT_EQ(opened(sealed()), "");
}

}  // namespace
}  // namespace skyloom::codec
