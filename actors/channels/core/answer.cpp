#include "actors/channels/core/answer.hpp"

#include "actors/channels/core/pieces.hpp"
#include "actors/channels/core/text.hpp"

namespace troupe::channels {

std::vector<std::vector<v1::Part>> answer_pieces(const v1::Message& answer, std::size_t chars_max) {
  part_list texts;
  std::vector<std::vector<v1::Part>> images;
  for (const auto& part : answer.parts())
    if (part.has_image() && !part.image().url().empty())
      images.push_back({part});
    else
      *texts.Add() = part;
  std::vector<std::vector<v1::Part>> result;
  for (auto& piece : split_answer(plain_text(texts), chars_max)) {
    auto& part = result.emplace_back().emplace_back();
    part.mutable_text()->set_text(std::move(piece));
  }
  result.insert(result.end(), images.begin(), images.end());
  return result;
}

} // namespace troupe::channels
