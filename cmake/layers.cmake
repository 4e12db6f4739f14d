# The house's load-bearing rule: a library may use lower layers only (ARCHITECTURE.md, "Layers").
# skyloom_library(net LAYER 2 SOURCES shard.cpp DEPS base os codec [LIBS fmt::fmt])
#   DEPS  other Skyloom libraries, each of a lower layer
#   LIBS  third-party libraries, private to this one
function(skyloom_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LAYER" "SOURCES;DEPS;LIBS")
  set(target skyloom_${name})
  set(keyword PRIVATE)
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    set(visibility PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(visibility INTERFACE)
  endif()
  set_target_properties(${target} PROPERTIES SKYLOOM_LAYER "${arg_LAYER}" SKYLOOM_DEPS "${arg_DEPS}")
  target_include_directories(${target} ${visibility} ${PROJECT_SOURCE_DIR}/src
                                                     ${PROJECT_SOURCE_DIR}/include)
  foreach(dep IN LISTS arg_DEPS)
    if(NOT TARGET skyloom_${dep})
      message(FATAL_ERROR "layer: '${name}' uses '${dep}', which is not defined before it")
    endif()
    get_target_property(dep_layer skyloom_${dep} SKYLOOM_LAYER)
    if(NOT dep_layer LESS arg_LAYER)
      message(FATAL_ERROR
        "layer: '${name}' (${arg_LAYER}) may not use '${dep}' (${dep_layer}): arrows point down only")
    endif()
    target_link_libraries(${target} ${visibility} skyloom_${dep})
  endforeach()
  target_link_libraries(${target} ${visibility} Threads::Threads)
  if(arg_SOURCES)
    target_link_libraries(${target} PRIVATE skyloom_warnings ${arg_LIBS})
  endif()
endfunction()

# The tests' own sources are more than half of what a cold build compiles, and what they test is elsewhere:
# under a sanitizer they are not optimised, which halves their time. Without a compiler cache (which would not
# keep what was compiled with such headers) they share one set of precompiled headers there, which halves it
# again. Not with the optimiser: GCC 12 takes what it inlines from such headers for our code, and warns of it.
function(skyloom_cheap_to_compile name)
  if(NOT SKYLOOM_SANITIZE)
    return()
  endif()
  target_compile_options(${name} PRIVATE -O0)
  if(CMAKE_CXX_COMPILER_LAUNCHER)
    return()
  endif()
  if(NOT TARGET skyloom_test_headers)
    # A program as the tests are: what is compiled for a library (-fPIC) would not do.
    file(CONFIGURE OUTPUT test_headers.cpp CONTENT "int main() {}" @ONLY)
    add_executable(skyloom_test_headers ${CMAKE_CURRENT_BINARY_DIR}/test_headers.cpp)
    target_link_libraries(skyloom_test_headers PRIVATE Threads::Threads skyloom_warnings GTest::gtest GTest::gmock)
    target_compile_options(skyloom_test_headers PRIVATE -O0)
    target_precompile_headers(skyloom_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <chrono> <functional>
                              <map> <optional> <span> <string> <thread> <vector>)
  endif()
  target_precompile_headers(${name} REUSE_FROM skyloom_test_headers)
endfunction()

# skyloom_test(mailbox_test SOURCES mailbox_test.cpp DEPS actor testing LABELS unit [TIMEOUT 300])
# One ctest entry per program; it links GoogleTest and runs under the sanitizers' launcher.
function(skyloom_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;DEPS;LABELS;LIBS;ARGS;ENVIRONMENT")
  if(NOT BUILD_TESTING)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  skyloom_cheap_to_compile(${name})
  foreach(dep IN LISTS arg_DEPS)
    target_link_libraries(${name} PRIVATE skyloom_${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE skyloom_warnings GTest::gtest GTest::gmock GTest::gtest_main
                                        ${arg_LIBS})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${SKYLOOM_TEST_LAUNCHER} $<TARGET_FILE:${name}> ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
                                          ENVIRONMENT "${SKYLOOM_TEST_ENVIRONMENT};${arg_ENVIRONMENT}")
endfunction()
