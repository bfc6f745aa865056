# Builds the tables of folding.hpp from ICU and OpenCC.
set(tools "${CMAKE_CURRENT_LIST_DIR}/tools")
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/generated/moderation")

find_library(OPENCC_LIBRARY opencc REQUIRED)
add_executable(make_folding "${tools}/make_folding.cpp")
target_link_libraries(make_folding PRIVATE troupe_options ICU::uc ICU::i18n "${OPENCC_LIBRARY}")
target_compile_options(make_folding PRIVATE -O2)
set_target_properties(make_folding PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tools")

set(folding_tables "${CMAKE_BINARY_DIR}/generated/moderation/folding_tables.cpp")
add_custom_command(OUTPUT "${folding_tables}"
  COMMAND make_folding "${folding_tables}"
  DEPENDS make_folding COMMENT "folding tables" VERBATIM)
add_custom_target(folding_tables DEPENDS "${folding_tables}")
