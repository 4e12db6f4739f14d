// Reading a shared table beside reading a plain one: the same loop in a bare Lua state.
#pragma once

#include <cstdint>

namespace skyloom::counts {

// A row of a table of rows, and two of its fields. False: the script failed, and said why.
bool walk_table_index(uint64_t times);
bool walk_shared_index(uint64_t times);
// All sixteen fields of a row, and all sixteen rows, in pairs().
bool walk_table_pairs(uint64_t times);
bool walk_shared_pairs(uint64_t times);
// All sixteen rows, in ipairs().
bool walk_table_rows(uint64_t times);
bool walk_shared_rows(uint64_t times);

}  // namespace skyloom::counts
