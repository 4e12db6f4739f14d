// Test vectors are written as hexadecimal digits.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "codec/hex.hpp"

namespace skyloom::codec {

inline std::string hex_of(std::string_view bytes) {
  std::string text(2 * bytes.size(), '\0');
  hex_encode(bytes, text.data());
  return text;
}

template <class Array>
std::string hex_of_array(const Array& bytes) {
  return hex_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

inline std::string bytes_of(std::string_view hex) {
  std::string bytes(hex.size() / 2, '\0');
  EXPECT_TRUE(hex_decode(hex, bytes.data())) << hex;
  return bytes;
}

}  // namespace skyloom::codec
