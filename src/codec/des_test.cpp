#include "codec/des.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "codec/bytes_of_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::codec {
namespace {

std::array<char, kDesBlockBytes> key_of(std::string_view hex) {
  std::array<char, kDesBlockBytes> key{};
  const std::string bytes = bytes_of(hex);
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

struct Vector {
  const char* key;
  uint64_t plain;
  uint64_t cipher;
};

// NIST SP 800-17: the substitution tables, and some of the other tables.
constexpr Vector kVectors[] = {
    {"7ca110454a1a6e57", 0x01a1d6d039776742, 0x690f5b0d9a26939b},
    {"0131d9619dc1376e", 0x5cd54ca83def57da, 0x7a389d10354bd271},
    {"07a1133e4a0b2686", 0x0248d43806f67172, 0x868ebb51cab4599a},
    {"3849674c2602319e", 0x51454b582ddf440a, 0x7178876e01f19b2a},
    {"04b915ba43feb5b6", 0x42fd443059577fa2, 0xaf37fb421f8c4095},
    {"0113b970fd34f2ce", 0x059b5e0851cf143a, 0x86a560f10ec6d85b},
    {"0170f175468fb5e6", 0x0756d8e0774761d2, 0x0cd3da020021dc09},
    {"43297fad38e373fe", 0x762514b829bf486a, 0xea676b2cb7db2b7a},
    {"07a7137045da2a16", 0x3bdd119049372802, 0xdfd64a815caf1a0f},
    {"04689104c2fd3b2f", 0x26955f6835af609a, 0x5c513c9c4886c088},
    {"37d06bb516cb7546", 0x164d5e404f275232, 0x0a2aeeae3ff4ab77},
    {"1f08260d1ac2465e", 0x6b056e18759f5cca, 0xef1bf03e5dfa575a},
    {"584023641aba6176", 0x004bd6ef09176062, 0x88bf0db6d70dee56},
    {"025816164629b007", 0x480d39006ee762f2, 0xa1f9915541020b56},
    {"49793ebc79b3258f", 0x437540c8698f3cfa, 0x6fbf1cafcffd0556},
    {"4fb05e1515ab73a7", 0x072d43a077075292, 0x2f22e49bab7ca1ac},
    {"49e95d6d4ca229bf", 0x02fe55778117f12a, 0x5a6b612cc26cce4a},
    {"018310dc409b26d6", 0x1d9d5c5018f728c2, 0x5f4c038ed12b2e41},
    {"1c587f1c13924fef", 0x305532286d6f295a, 0x63fac0d034d9f793},
    {"0101010101010101", 0x8000000000000000, 0x95f8a5e5dd31d900},  // variable plaintext
    {"0101010101010101", 0x4000000000000000, 0xdd7f121ca5015619},
    {"0101010101010101", 0x0000000000000001, 0x166b40b44aba4bd6},
    {"8001010101010101", 0, 0x95a8d72813daa94d},  // variable key
    {"0101010101010102", 0, 0x869efd7f9f265a09},
    {"1046913489980131", 0, 0x88d55e54f54c97b4},  // permutation
};

TEST(DesTest, TheVectorsOfNistHoldInBothDirections) {
  for (const Vector& vector : kVectors) {
    const Des des(key_of(vector.key));
    EXPECT_EQ(des.encrypt_block(vector.plain), vector.cipher) << vector.key;
    EXPECT_EQ(des.decrypt_block(vector.cipher), vector.plain) << vector.key;
  }
}

TEST(DesTest, TheParityBitsOfAKeyDoNotMatter) {
  EXPECT_EQ(Des(key_of("133457799bbcdff1")).encrypt_block(0x0123456789abcdef), 0x85e813540f0ab405u);
  EXPECT_EQ(Des(key_of("123556789abddef0")).encrypt_block(0x0123456789abcdef), 0x85e813540f0ab405u);
}

class DesTextTest : public ::testing::TestWithParam<DesPadding> {
 protected:
  std::string encrypt(std::string_view text) const {
    std::string cipher(des_encrypted_size(text.size()).value(), '\0');
    des_encrypt(des_, text, GetParam(), cipher.data());
    return cipher;
  }
  std::optional<std::string> decrypt(std::string_view cipher) const {
    std::string text(cipher.size(), '\0');
    const std::optional<size_t> size = des_decrypt(des_, cipher, GetParam(), text.data());
    if (!size) return std::nullopt;
    return text.substr(0, *size);
  }
  // Blocks that decrypt to exactly these bytes, padding included.
  std::string encrypt_raw(std::string_view bytes) const {
    return encrypt(bytes).substr(0, bytes.size());
  }

  const Des des_{key_of("0123456789abcdef")};
};

TEST_P(DesTextTest, WhatIsEncryptedDecryptsToItself) {
  testing::TestRandom random;
  for (size_t size = 0; size < 70; ++size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random.below(4) == 0 ? 0x80 : random.below(4));
    const std::string cipher = encrypt(text);
    EXPECT_EQ(cipher.size() % kDesBlockBytes, 0u);
    EXPECT_GT(cipher.size(), text.size());
    EXPECT_LE(cipher.size(), text.size() + kDesBlockBytes);
    EXPECT_EQ(decrypt(cipher), text) << size;
  }
}

TEST_P(DesTextTest, EqualBlocksAreEncryptedEqually) {
  const std::string cipher = encrypt(
      "12345678"
      "12345678");
  EXPECT_EQ(cipher.substr(0, 8), cipher.substr(8, 8));
  EXPECT_NE(cipher.substr(0, 8), cipher.substr(16, 8));
}

TEST_P(DesTextTest, WhatIsNoWholeNumberOfBlocksIsRefused) {
  const std::string cipher = encrypt("some text");
  for (size_t size : {0, 1, 7, 9, 15}) EXPECT_EQ(decrypt(cipher.substr(0, size)), std::nullopt);
}

TEST_P(DesTextTest, ABlockWithoutPaddingIsRefused) {
  for (const char* block : {"abcdefgh", "abcdefg\x09", "abcdefg\xff"}) {
    EXPECT_EQ(decrypt(encrypt_raw(block)), std::nullopt) << hex_of(block);
  }
  EXPECT_EQ(decrypt(encrypt_raw(std::string(8, '\0'))), std::nullopt);
}

std::string padding_name(const ::testing::TestParamInfo<DesPadding>& info) {
  return info.param == DesPadding::kIso7816 ? "iso7816" : "pkcs7";
}
INSTANTIATE_TEST_SUITE_P(Paddings, DesTextTest,
                         ::testing::Values(DesPadding::kIso7816, DesPadding::kPkcs7), padding_name);

TEST_P(DesTextTest, ThePaddingIsWhatItsStandardSays) {
  const bool is_iso = GetParam() == DesPadding::kIso7816;
  EXPECT_EQ(encrypt("abc"), encrypt_raw(is_iso ? std::string("abc\x80\0\0\0\0", 8)
                                               : std::string("abc\5\5\5\5\5", 8)));
  EXPECT_EQ(encrypt("abcdefg"), encrypt_raw(is_iso ? "abcdefg\x80" : "abcdefg\1"));
  EXPECT_EQ(encrypt("abcdefgh").substr(8),
            encrypt_raw(is_iso ? std::string("\x80\0\0\0\0\0\0\0", 8) : std::string(8, '\x08')));
}

TEST_P(DesTextTest, BytesBeforeThePaddingAreLookedAt) {
  const bool is_iso = GetParam() == DesPadding::kIso7816;
  const std::string bad = is_iso ? std::string("abc\x80\0\1\0\0", 8)  // not only zeros behind it
                                 : std::string("abcd\3\4\4\4", 8);    // not four times four
  EXPECT_EQ(decrypt(encrypt_raw(bad)), std::nullopt);
}

TEST(DesSizeTest, ATextThatCannotBePaddedHasNoSize) {
  EXPECT_EQ(des_encrypted_size(SIZE_MAX), std::nullopt);
  EXPECT_EQ(des_encrypted_size(SIZE_MAX - 7), std::nullopt);
  EXPECT_EQ(des_encrypted_size(SIZE_MAX - 8), SIZE_MAX - 7);
  EXPECT_EQ(des_encrypted_size(0), 8u);
}

}  // namespace
}  // namespace skyloom::codec
