// The floor of a Lua service: a state with its standard libraries, and its memory.
//   floor_lua_state [STATES]
// Prints one line: "floor_lua_state: N states, X ns wall, Y ns cpu per message, Z bytes each".
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <lua.hpp>
#include <vector>

namespace {

constexpr uint64_t kStatesDefault = 2000;
constexpr uint64_t kWarmUp = 50;

double nanos(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double resident_bytes() {
  long pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
  if (file != nullptr) std::fclose(file);
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

bool open_states(std::vector<lua_State*>& states, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    lua_State* state = luaL_newstate();
    if (state == nullptr) return false;
    luaL_openlibs(state);
    states.push_back(state);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : kStatesDefault;
  if (wanted == 0) {
    std::fprintf(stderr, "floor_lua_state: states %s: must be a number above 0\n", argv[1]);
    return 2;
  }
  std::vector<lua_State*> states;
  states.reserve(wanted + kWarmUp);
  if (!open_states(states, kWarmUp)) return 1;
  const double memory = resident_bytes();
  const double wall = nanos(CLOCK_MONOTONIC);
  const double cpu = nanos(CLOCK_PROCESS_CPUTIME_ID);
  if (!open_states(states, wanted)) return 1;
  const auto count = static_cast<double>(wanted);
  std::printf(
      "floor_lua_state: %llu states, %.2f ns wall, %.2f ns cpu per message, %.0f bytes each\n",
      static_cast<unsigned long long>(wanted), (nanos(CLOCK_MONOTONIC) - wall) / count,
      (nanos(CLOCK_PROCESS_CPUTIME_ID) - cpu) / count, (resident_bytes() - memory) / count);
  for (lua_State* state : states) lua_close(state);
  return 0;
}
