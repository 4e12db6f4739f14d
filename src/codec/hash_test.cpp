// MD5 and SHA-1 against the vectors of their RFCs, and in pieces against the whole.
#include <gtest/gtest.h>

#include <string>

#include "codec/bytes_of_test.hpp"
#include "codec/md5.hpp"
#include "codec/sha1.hpp"

namespace skyloom::codec {
namespace {

std::string md5_hex(std::string_view text) {
  return hex_of_array(md5(text));
}
std::string sha1_hex(std::string_view text) {
  return hex_of_array(sha1(text));
}
std::string hmac_hex(std::string_view key, std::string_view text) {
  return hex_of_array(hmac_sha1({.key = key, .text = text}));
}

TEST(Md5Test, TheSuiteOfRfc1321Holds) {
  EXPECT_EQ(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex("a"), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(md5_hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(md5_hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(md5_hex("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b");
  EXPECT_EQ(md5_hex("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            "d174ab98d277d9f5a5611c2c9f419d9f");
  EXPECT_EQ(md5_hex("1234567890123456789012345678901234567890123456789012345678901234567890123456"
                    "7890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Sha1Test, TheVectorsOfRfc3174Hold) {
  EXPECT_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(sha1_hex(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  std::string repeated;
  for (int i = 0; i < 80; ++i) repeated += "01234567";
  EXPECT_EQ(sha1_hex(repeated), "dea356a2cddd90c7a7ecedc5ebb563934f460452");
  EXPECT_EQ(sha1_hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

TEST(Sha1Test, TheHmacVectorsOfRfc2202Hold) {
  EXPECT_EQ(hmac_hex(std::string(20, '\x0b'), "Hi There"),
            "b617318655057264e28bc0b6fb378c8ef146be00");
  EXPECT_EQ(hmac_hex("Jefe", "what do ya want for nothing?"),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(hmac_hex(std::string(20, '\xaa'), std::string(50, '\xdd')),
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
  EXPECT_EQ(hmac_hex(bytes_of("0102030405060708090a0b0c0d0e0f10111213141516171819"),
                     std::string(50, '\xcd')),
            "4c9007f4026250c6bc8414f9bf50c86c2d7235da");
  EXPECT_EQ(hmac_hex(std::string(20, '\x0c'), "Test With Truncation"),
            "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04");
  EXPECT_EQ(
      hmac_hex(std::string(80, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
      "aa4ae5e15272d00e95705637ce8a3b55ed402112");
  EXPECT_EQ(hmac_hex(std::string(80, '\xaa'),
                     "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"),
            "e8e99d0f45237d786d6bbaa7965c7808bbff1a91");
}

TEST(Sha1Test, AKeyOfOneBlockIsNotHashed) {
  const std::string key(kHashBlockBytes, 'k');
  EXPECT_NE(hmac_hex(key, "text"), hmac_hex(hex_of_array(sha1(key)), "text"));
  EXPECT_EQ(hmac_hex(key, "text"), hmac_hex(key, "text"));
  const auto hashed = sha1(key + "k");
  EXPECT_EQ(hmac_hex(key + "k", "text"),
            hmac_hex({reinterpret_cast<const char*>(hashed.data()), hashed.size()}, "text"));
}

// The fill has another form around the place where the length no longer fits into the last block.
template <class Hash>
void expect_that_pieces_change_nothing() {
  for (size_t size = 0; size <= 3 * kHashBlockBytes; ++size) {
    const std::string text(size, 'x');
    Hash whole;
    whole.update(text);
    Hash pieces;
    for (size_t at = 0; at < size; at += 7) pieces.update(std::string_view(text).substr(at, 7));
    EXPECT_EQ(whole.finish(), pieces.finish()) << size;
  }
}

TEST(BlockHashTest, PiecesGiveTheHashOfTheWhole) {
  expect_that_pieces_change_nothing<Md5>();
  expect_that_pieces_change_nothing<Sha1>();
}

TEST(BlockHashTest, EverySizeAroundABlockHasTheRightFill) {
  // Made with another implementation.
  EXPECT_EQ(md5_hex(std::string(55, 'x')), "04364420e25c512fd958a70738aa8f72");
  EXPECT_EQ(md5_hex(std::string(56, 'x')), "668a72d5ba17f08e62dabcafad6db14b");
  EXPECT_EQ(md5_hex(std::string(63, 'x')), "7dc2ca208106a2f703567bdff99d8981");
  EXPECT_EQ(md5_hex(std::string(64, 'x')), "c1bb4f81d892b2d57947682aeb252456");
}

}  // namespace
}  // namespace skyloom::codec
