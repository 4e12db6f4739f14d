// The result of a run for people (a table) and for programs (one JSON object). Pure: any thread.
#pragma once

#include <string>
#include <string_view>

#include "options.hpp"
#include "statistics.hpp"

namespace skyloom::load {

std::string to_table(const Options& options, const Statistics& statistics, bool is_interrupted);
// Ends with a line end. Times in microseconds.
std::string to_json(const Options& options, const Statistics& statistics, bool is_interrupted);
// `text` in quotes, with everything escaped that JSON wants escaped. Bytes outside of ASCII become
// '?', because nothing promises that they are UTF-8.
std::string json_quoted(std::string_view text);
// "12.3 us", "4.56 ms", "1.23 s".
std::string readable(base::Nanos duration);

}  // namespace skyloom::load
