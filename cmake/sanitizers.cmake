# SKYLOOM_SANITIZE=address,undefined or thread; SKYLOOM_COVERAGE; and how tests start under them.
set(SKYLOOM_TEST_LAUNCHER "")
set(SKYLOOM_TEST_ENVIRONMENT "")
if(SKYLOOM_SANITIZE)
  add_compile_options(-fsanitize=${SKYLOOM_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SKYLOOM_SANITIZE})
  if(SKYLOOM_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(SKYLOOM_SANITIZE MATCHES "thread")
    # GCC 12's runtime refuses address layouts that kernels with many random bits produce.
    find_program(SETARCH setarch REQUIRED)
    set(SKYLOOM_TEST_LAUNCHER ${SETARCH} -R)
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
  set(SKYLOOM_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1" "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
endif()
if(SKYLOOM_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
