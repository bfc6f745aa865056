# Finds OpenCC, conversion between simplified and traditional Chinese. Target: OpenCC::OpenCC
find_path(OPENCC_INCLUDE_DIR opencc/SimpleConverter.hpp)
find_library(OPENCC_LIBRARY opencc)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenCC REQUIRED_VARS OPENCC_LIBRARY OPENCC_INCLUDE_DIR)
if(OpenCC_FOUND AND NOT TARGET OpenCC::OpenCC)
  add_library(OpenCC::OpenCC UNKNOWN IMPORTED)
  set_target_properties(OpenCC::OpenCC PROPERTIES
    IMPORTED_LOCATION "${OPENCC_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OPENCC_INCLUDE_DIR}")
endif()
mark_as_advanced(OPENCC_INCLUDE_DIR OPENCC_LIBRARY)
