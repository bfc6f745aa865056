# Writes a .cpp that holds files as string constants. Run as a script:
#   cmake -D OUT=x.cpp -D HEADER=a/b.hpp -D NAMESPACE=a::b "-DFILES=one.html;two.css" -P embed.cmake
# docs/one.html becomes `extern const std::string_view one_html`, which HEADER declares.
set(text "// Made by cmake/embed.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\n")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  string(MAKE_C_IDENTIFIER "${name}" name)
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${hex}")
  # Lines of 32 bytes, which the compiler joins: four characters a byte.
  set(line "................................................................")
  string(REGEX REPLACE "(${line}${line})" "\\1\"\n\"" bytes "${bytes}")
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(APPEND text "const std::string_view ${name}{\n\"${bytes}\",\n${size}};\n\n")
endforeach()
string(APPEND text "} // namespace ${NAMESPACE}\n")
file(WRITE "${OUT}" "${text}")
