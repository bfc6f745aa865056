# The compiler's settings, and one function a kind of target.

add_library(troupe_options INTERFACE)
target_compile_options(troupe_options INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
target_compile_definitions(troupe_options INTERFACE TROUPE_VERSION="${PROJECT_VERSION}")
target_include_directories(troupe_options INTERFACE "${CMAKE_SOURCE_DIR}")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of code that its own inlining made up, in the standard library and in Boost.
  target_compile_options(troupe_options INTERFACE -fcoroutines -Wno-maybe-uninitialized
    -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread
    -Wno-free-nonheap-object -Wno-dangling-pointer -Wno-nonnull -Wno-mismatched-new-delete)
  # Its own garbage collection is a twentieth of the time that large files take.
  target_compile_options(troupe_options INTERFACE "SHELL:--param ggc-min-heapsize=524288")
endif()
if(TROUPE_SANITIZE)
  # CAF's headers trip -fsanitize=null.
  set(sanitizers -fsanitize=address,undefined -fno-sanitize=null,vptr -fno-sanitize-recover=undefined
      -fno-omit-frame-pointer)
  target_compile_options(troupe_options INTERFACE ${sanitizers})
  target_compile_definitions(troupe_options INTERFACE TROUPE_SANITIZED)
  target_link_options(troupe_options INTERFACE ${sanitizers})
endif()
if(TROUPE_FUZZ)
  # Coverage only; the targets bring libFuzzer's main.
  target_compile_options(troupe_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# troupe_library(name [EXCLUDE REGEX] LINK libs...): every .cpp below this folder, as static library
# troupe_<name>.
function(troupe_library name)
  cmake_parse_arguments(arg "" "EXCLUDE" "LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "*.cpp")
  if(arg_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${arg_EXCLUDE}")
  endif()
  add_library(troupe_${name} STATIC ${sources})
  target_link_libraries(troupe_${name} PUBLIC troupe_options ${arg_LINK})
endfunction()

# Tests are built more often than run: optimisation is a third of the time they take to compile.
set(test_optimisation -O0)

# troupe_tests(ring LINK libs...): every *_test.cpp of tests/<ring> in one program; one CTest a file,
# labelled with the ring.
function(troupe_tests ring)
  cmake_parse_arguments(arg "" "TIMEOUT" "LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${ring}/*.cpp")
  if(NOT sources)
    return()
  endif()
  add_executable(${ring}_tests ${sources})
  target_link_libraries(${ring}_tests PRIVATE troupe_test_support ${arg_LINK})
  target_precompile_headers(${ring}_tests REUSE_FROM troupe_test_support)
  target_compile_options(${ring}_tests PRIVATE ${test_optimisation})
  # doctest's own code comes only with the header's first inclusion.
  set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/${ring}/main.cpp"
    PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(TROUPE_SANITIZE)
    math(EXPR arg_TIMEOUT "5 * ${arg_TIMEOUT}") # as tests/support/pace.hpp says
  endif()
  foreach(source IN LISTS sources)
    get_filename_component(file "${source}" NAME)
    if(file MATCHES "^(.*)_test\\.cpp$")
      add_test(NAME "${ring}/${CMAKE_MATCH_1}"
        COMMAND ${ring}_tests "--source-file=*/${file}" --no-intro=true --no-version=true)
      set_tests_properties("${ring}/${CMAKE_MATCH_1}" PROPERTIES
        LABELS ${ring} TIMEOUT ${arg_TIMEOUT}
        ENVIRONMENT "TROUPE_BINARY=$<TARGET_FILE:troupe>;TROUPE_SOURCE=${CMAKE_SOURCE_DIR}")
    endif()
  endforeach()
endfunction()
