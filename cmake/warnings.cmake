# Warnings for our own code only; errors in our presets only, never in a user's build. GCC 12 complains
# about designated initialisers that leave members to their defaults; that is what they are for.
add_library(skyloom_warnings INTERFACE)
target_compile_options(skyloom_warnings INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wpedantic -Wshadow -Wconversion -Wswitch
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${SKYLOOM_WERROR}>:-Werror>)
