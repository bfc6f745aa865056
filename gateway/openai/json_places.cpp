#include "gateway/openai/json_places.hpp"

#include "gateway/openai/json_walk.hpp"

#include <simdjson.h>

#include <array>
#include <utility>

namespace troupe::gateway::openai {

namespace {

using namespace simdjson;

body_place place_of(const json_walker& from, ondemand::value& value) {
  auto token = value.raw_json_token();
  auto last = token.find_last_not_of(" \t\r\n");
  return {static_cast<std::size_t>(token.data() - from.input.data()),
          last == std::string_view::npos ? 0 : last + 1};
}

class request_walk {
public:
  request_walk(const json_walker& from, std::vector<request_text>& texts) :
      from_(from), texts_(texts) {}

  void member(std::string_view key, ondemand::value& value) {
    if (key == "messages")
      each_item(value, [&](ondemand::value& item) { message(item); });
    else if (key == "prompt" || key == "suffix" || key == "input")
      text(value);
  }

  bool good() const { return good_; }

private:
  void message(ondemand::value& value) {
    ondemand::object object;
    if (value.get_object().get(object) != SUCCESS)
      return;
    auto first = texts_.size();
    auto of_model = false;
    each_member(object, [&](std::string_view key, ondemand::value& inner) {
      std::string_view role;
      if (key == "content")
        text(inner);
      else if (key == "role" && inner.get_string().get(role) == SUCCESS)
        of_model = role == "assistant";
    });
    for (auto i = first; i < texts_.size(); ++i)
      texts_[i].of_model = of_model;
  }

  /// A string, an array of strings, or one of parts.
  void text(ondemand::value& value) {
    if (is(value, ondemand::json_type::string))
      take(value);
    else if (is(value, ondemand::json_type::array))
      each_item(value, [&](ondemand::value& item) { part(item); });
  }

  void part(ondemand::value& value) {
    if (is(value, ondemand::json_type::string)) {
      take(value);
      return;
    }
    ondemand::object object;
    if (!is(value, ondemand::json_type::object) || value.get_object().get(object) != SUCCESS)
      return;
    each_member(object, [&](std::string_view key, ondemand::value& inner) {
      if ((key == "text" || key == "refusal") && is(inner, ondemand::json_type::string))
        take(inner);
    });
  }

  void take(ondemand::value& value) {
    auto place = place_of(from_, value);
    std::string_view text;
    if (value.get_string().get(text) != SUCCESS)
      good_ = false;
    else
      texts_.push_back({place, text, false});
  }

  const json_walker& from_;
  std::vector<request_text>& texts_;
  bool good_ = true;
};

void add_text_place(const json_walker& from, std::string_view key, ondemand::value& value,
                    std::vector<chunk_place>& places) {
  if (auto what = text_field(key); what && is(value, ondemand::json_type::string))
    places.push_back({0, *what, place_of(from, value), false});
}

void add_choice(const json_walker& from, ondemand::value& value, std::vector<chunk_place>& places) {
  ondemand::object choice;
  if (value.get_object().get(choice) != SUCCESS)
    return;
  auto first = places.size();
  std::int64_t index = 0;
  each_member(choice, [&](std::string_view key, ondemand::value& inner) {
    ondemand::object delta;
    if (key == "index") {
      if (inner.get_int64().get(index) != SUCCESS)
        index = 0;
    } else if (key == "delta") {
      if (inner.get_object().get(delta) == SUCCESS)
        each_member(delta, [&](std::string_view name, ondemand::value& text) {
          add_text_place(from, name, text, places);
        });
    } else if (key == "logprobs") {
      std::string_view raw;
      ondemand::object object;
      if (is(inner, ondemand::json_type::object) && inner.get_object().get(object) == SUCCESS
          && object.raw_json().get(raw) == SUCCESS)
        places.push_back({0,
                          said_as::content,
                          {static_cast<std::size_t>(raw.data() - from.input.data()), raw.size()},
                          true});
    } else {
      add_text_place(from, key, inner, places);
    }
  });
  for (auto i = first; i < places.size(); ++i)
    places[i].choice = index;
}

} // namespace

caf::expected<std::vector<request_text>> texts_with_places(std::string_view body) {
  std::vector<request_text> texts;
  auto& local = local_walker();
  ondemand::document document;
  ondemand::object request;
  if (local.begin(body).get(document) != SUCCESS || document.get_object().get(request) != SUCCESS)
    return make_error(ec::malformed_request, "the body is not valid JSON");
  request_walk walk{local, texts};
  each_member(request,
              [&](std::string_view key, ondemand::value& value) { walk.member(key, value); });
  if (!walk.good())
    return make_error(ec::malformed_request,
                      "a text has an escape that stands for no character, such as half of a "
                      "surrogate pair: write the character itself");
  return texts;
}

std::vector<chunk_place> places_of_chunk(std::string_view json) {
  std::vector<chunk_place> places;
  auto& local = local_walker();
  ondemand::document document;
  ondemand::object chunk;
  if (local.begin(json).get(document) != SUCCESS || document.get_object().get(chunk) != SUCCESS)
    return places;
  each_member(chunk, [&](std::string_view key, ondemand::value& value) {
    if (key == "choices")
      each_item(value, [&](ondemand::value& item) { add_choice(local, item, places); });
  });
  return places;
}

} // namespace troupe::gateway::openai
