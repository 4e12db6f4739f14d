// What the engine is put through while something fails: each scenario plays both sides in a world
// and goes on, whatever does not work.
#pragma once

#include <span>

#include "fault_world.hpp"

namespace skyloom::faults {

struct Scenario {
  const char* name;
  WorldOptions options;
  void (*play)(World& world);
};

std::span<const Scenario> stream_scenarios();
std::span<const Scenario> other_scenarios();
std::vector<Scenario> all_scenarios();

}  // namespace skyloom::faults
