# The engine of sensitive words by itself. It has no actors, so that ThreadSanitizer tells the truth
# of it; and a million texts need it optimised, which the tests are not.
set(engine automaton_build automaton_piece automaton_scan automaton_sift automaton_walk beginnings
  code_trie detectors entry folding live_matcher matcher matcher_make pattern pinyin render
  stream_filter)
list(TRANSFORM engine PREPEND "${CMAKE_SOURCE_DIR}/actors/moderation/")
list(TRANSFORM engine APPEND ".cpp")
set(generated "${CMAKE_BINARY_DIR}/generated/moderation/folding_tables.cpp"
  "${CMAKE_BINARY_DIR}/generated/tokenizer/unicode_classes.cpp")
set_source_files_properties(${generated} PROPERTIES GENERATED ON)

function(moderation_program name)
  add_executable(${name} ${ARGN} unit/main.cpp ${engine} ${generated})
  add_dependencies(${name} folding_tables unicode_classes)
  target_link_libraries(${name} PRIVATE troupe_options ICU::i18n ICU::uc Threads::Threads)
endfunction()

# scripts/campaign moderation runs it.
moderation_program(moderation_matching unit/moderation_matcher_test.cpp support/moderation_oracle.cpp)
set_target_properties(moderation_matching PROPERTIES EXCLUDE_FROM_ALL ON)

if(NOT TROUPE_SANITIZE)
  moderation_program(moderation_threads unit/moderation_live_test.cpp)
  target_compile_options(moderation_threads PRIVATE -O1 -fsanitize=thread)
  target_link_options(moderation_threads PRIVATE -fsanitize=thread)
  add_test(NAME unit/moderation_threads COMMAND moderation_threads --no-intro=true --no-version=true)
  set_tests_properties(unit/moderation_threads PROPERTIES LABELS unit TIMEOUT 120)
endif()
