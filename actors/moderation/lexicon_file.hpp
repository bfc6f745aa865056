// Lexicons as files: plain text, CSV and JSON.
#pragma once

#include "actors/charset/charset.hpp"
#include "actors/moderation/entry.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

/// text: a word a line; of an entry only its text, and of patterns nothing.
/// csv: a first line that names the columns: `text`, and any of kind, category, level, action,
///   replacement, tenant, channel, pinyin (1, true or yes).
/// json: an object with `entries`, or that array alone; an entry is an object with these fields, or
///   a string, which is a word.
enum class file_format { text, csv, json };

std::optional<file_format> file_format_named(std::string_view name) noexcept;

inline constexpr std::size_t file_bytes_max = charset::text_bytes_max;

struct imported {
  std::vector<entry> entries;    // what was good
  std::vector<problem> problems; // what was not, by line (of JSON: by number), at most 1,000
  std::string encoding;          // that the file turned out to have
  std::string fault;             // a sentence, if it cannot be read at all
};

/// Reads a file's bytes. Its encoding is found out (actors/charset/detect.hpp) if none is named,
/// and its format (JSON by its first character, CSV by a first line with a column named `text`) if
/// none is given. What an entry does not say is taken from `defaults`.
imported import_lexicon(std::string_view bytes, std::optional<file_format> format = {},
                        std::string_view encoding = {}, const entry& defaults = {});

/// Sets what a JSON object says of an entry (or a string: its text), and leaves the rest as it is.
/// A sentence if it cannot be read; nothing is checked beyond the types: see `fault_of`.
std::string read_entry(std::string_view json, entry& one);

/// One entry as a JSON object. What is as it is by default is left out: equal entries have equal
/// texts.
std::string entry_json(const entry& one);

/// The lexicon in UTF-8. Importing it gives back the same entries, but for what plain text leaves
/// out.
std::string export_lexicon(const lexicon& words, file_format format);

} // namespace troupe::moderation
