#include "cluster/cli/files.hpp"

#include "cluster/cli/cli.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <vector>

namespace troupe::cli {

std::string read_input(const std::string& name, std::size_t bytes_max) {
  std::error_code ignored;
  if (name != "-" && std::filesystem::is_directory(name, ignored))
    throw failure(name + " is a folder: name files");
  std::ifstream file;
  if (name != "-") {
    file.open(name, std::ios::binary);
    if (!file)
      throw failure("cannot read " + name + ": " + std::generic_category().message(errno));
  }
  std::istream& in = name == "-" ? std::cin : file;
  std::string text;
  std::vector<char> buffer(1 << 16);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > bytes_max)
      throw failure(fmt::format("{} is larger than {} bytes: split it", name, bytes_max));
  }
  if (in.bad())
    throw failure("cannot read " + name + " to its end");
  return text;
}

void write_output(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw failure("the output could not be written: is the disk full, or the reader gone?");
}

} // namespace troupe::cli
