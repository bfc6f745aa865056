#include "actors/moderation/detectors.hpp"

#include <algorithm>
#include <array>

namespace troupe::moderation {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alnum(char c) { return is_digit(c) || is_letter(c); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool is_name_char(char c) {
  return is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}
bool is_url_char(char c) {
  constexpr std::string_view others = "-._~:/?#[]@!$&'()*+,;=%";
  return is_alnum(c) || others.find(c) != others.npos;
}

constexpr std::array<std::string_view, 26> endings{
    "com",    "cn",   "net",  "org",  "cc",   "me",  "io",   "top",  "vip",
    "xyz",    "info", "shop", "club", "app",  "tv",  "site", "link", "live",
    "online", "fun",  "work", "tech", "wang", "icu", "co",   "hk"};

/// Whether something begins where one looks.
struct finding {
  enum { no, yes, needs_more } what = no;
  std::size_t end = 0;
};

/// Looks at one place of a text. Every form has an end within `detected_bytes_max`, so that a
/// stream holds back no more.
class look {
public:
  look(std::string_view text, std::size_t begin, bool final) :
      text_(text.substr(0, std::min(text.size(), begin + detected_bytes_max))),
      begin_(begin),
      open_(!final && text_.size() == text.size() && text.size() - begin < detected_bytes_max) {}

  finding link() const {
    for (std::string_view scheme : {"http://", "https://", "ftp://", "www."}) {
      auto same = common(scheme);
      if (same == scheme.size())
        return url(begin_ + same, scheme.back() == '/');
      if (begin_ + same == text_.size() && open_)
        return {finding::needs_more};
    }
    auto host = host_at(begin_);
    if (host.what != finding::yes)
      return host;
    auto name = text_.substr(begin_, host.end - begin_);
    auto ending = name.substr(std::min(name.rfind('.') + 1, name.size()));
    std::string low;
    std::transform(ending.begin(), ending.end(), std::back_inserter(low), lower);
    if (name.rfind('.') == name.npos
        || std::find(endings.begin(), endings.end(), low) == endings.end()
        || (host.end < text_.size() && text_[host.end] == '@'))
      return {};
    return path(host.end);
  }

  finding email() const {
    auto at = begin_;
    while (at < text_.size() && is_name_char(text_[at]) && at - begin_ <= 64)
      ++at;
    if (at - begin_ > 64)
      return {};
    if (at == text_.size())
      return rest();
    if (text_[at] != '@' || at == begin_)
      return {};
    auto host = host_at(at + 1);
    if (host.what != finding::yes)
      return host;
    auto name = text_.substr(at + 1, host.end - at - 1);
    auto dot = name.rfind('.');
    if (dot == name.npos || dot == 0 || name.size() - dot < 3 || !is_letter(name[dot + 1]))
      return {};
    return host;
  }

  finding phone() const {
    auto at = begin_;
    auto plus = text_[at] == '+';
    if (plus || text_.substr(at, 4) == "0086")
      at += plus ? 1 : 4;
    std::string digits;
    auto end = at;
    for (; at < text_.size() && at - begin_ < 24; ++at) {
      if (is_digit(text_[at])) {
        digits += text_[at];
        end = at + 1;
      } else if ((text_[at] != ' ' && text_[at] != '-') || at != end) {
        break;
      }
    }
    if (at == text_.size() && open_)
      return {finding::needs_more};
    auto far = plus && digits.size() >= 8 && digits.size() <= 15;
    if ((far || is_chinese(digits)) && !(end < text_.size() && is_alnum(text_[end])))
      return {finding::yes, end};
    return {};
  }

  finding identity() const {
    constexpr std::size_t size = 18;
    auto here = text_.substr(begin_, size);
    auto digits = static_cast<std::size_t>(std::find_if_not(here.begin(), here.end(), is_digit)
                                           - here.begin());
    if (digits == here.size() && here.size() < size)
      return rest();
    if (digits < size - 1 || !right(here))
      return {};
    if (begin_ + size == text_.size())
      return open_ ? finding{finding::needs_more} : finding{finding::yes, begin_ + size};
    return is_alnum(text_[begin_ + size]) ? finding{} : finding{finding::yes, begin_ + size};
  }

private:
  finding rest() const { return open_ ? finding{finding::needs_more} : finding{}; }

  std::size_t common(std::string_view wanted) const {
    std::size_t same = 0;
    while (same < wanted.size() && begin_ + same < text_.size()
           && lower(text_[begin_ + same]) == wanted[same])
      ++same;
    return same;
  }

  /// Labels of letters, digits and hyphens with dots between them; not the dot at a sentence's end.
  finding host_at(std::size_t at) const {
    auto end = at;
    for (; at < text_.size(); ++at) {
      if (is_alnum(text_[at]))
        end = at + 1;
      else if ((text_[at] != '.' && text_[at] != '-') || at != end)
        break;
    }
    if (at == text_.size() && open_)
      return {finding::needs_more};
    return end > begin_ && is_alnum(text_[end - 1]) ? finding{finding::yes, end} : finding{};
  }

  finding url(std::size_t host, bool scheme) const {
    auto found = host_at(host);
    if (found.what == finding::needs_more)
      return found;
    if (found.what == finding::no || found.end <= host)
      return {};
    if (!scheme && text_.substr(host, found.end - host).find('.') == std::string_view::npos)
      return {};
    return path(found.end);
  }

  finding path(std::size_t at) const {
    auto end = at;
    if (at < text_.size()
        && (text_[at] == '/' || text_[at] == ':' || text_[at] == '?' || text_[at] == '#')) {
      constexpr std::string_view closing = ".,;:!?)'(";
      for (; at < text_.size() && is_url_char(text_[at]); ++at)
        if (closing.find(text_[at]) == closing.npos)
          end = at + 1;
    }
    if (at == text_.size() && open_)
      return {finding::needs_more};
    return {finding::yes, end};
  }

  static bool is_chinese(std::string_view digits) {
    if (digits.size() == 13 && digits.starts_with("86"))
      digits.remove_prefix(2);
    if (digits.size() == 11 && digits[0] == '1' && digits[1] >= '3')
      return true;
    return digits.size() >= 10 && digits.size() <= 12 && digits[0] == '0' && digits[1] >= '1';
  }

  static bool right(std::string_view id) {
    constexpr std::array<int, 17> weights{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    constexpr std::string_view checks = "10X98765432";
    auto number = [&](std::size_t at, std::size_t count) {
      int value = 0;
      for (std::size_t i = at; i < at + count; ++i)
        value = value * 10 + (id[i] - '0');
      return value;
    };
    auto year = number(6, 4), month = number(10, 2), day = number(12, 2);
    if (id[0] == '0' || year < 1900 || year > 2099 || month < 1 || month > 12 || day < 1
        || day > 31)
      return false;
    int sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i)
      sum += (id[i] - '0') * weights[i];
    auto last = id[17] == 'x' ? 'X' : id[17];
    return last == checks[static_cast<std::size_t>(sum % 11)];
  }

  std::string_view text_;
  std::size_t begin_;
  bool open_; // more of the text may follow, and would matter
};

} // namespace

std::string_view name_of(detector one) noexcept {
  constexpr std::array<std::string_view, detectors_count> names{"link", "email", "phone",
                                                                "identity"};
  return names[static_cast<std::size_t>(one)];
}

std::size_t detector_set::scan(std::string_view text, char& before, bool final,
                               std::size_t hits_max, std::vector<found>& hits) const {
  const auto enough = hits.size() + hits_max;
  std::size_t at = 0;
  auto previous = before;
  auto try_one = [&](detector one, finding (look::*form)() const) -> finding {
    if (!has(one))
      return {};
    auto made = (look{text, at, final}.*form)();
    if (made.what == finding::yes)
      hits.push_back({at, made.end, static_cast<std::uint32_t>(one)});
    return made;
  };
  while (at < text.size()) {
    auto c = text[at];
    finding made;
    if ((is_alnum(c) || c == '+') && hits.size() >= enough)
      break;
    if (is_name_char(c) && !is_name_char(previous) && previous != '@' && previous != '/') {
      made = try_one(detector::email, &look::email);
      if (made.what == finding::no && is_alnum(c))
        made = try_one(detector::link, &look::link);
    }
    if (made.what == finding::no && (is_digit(c) || c == '+') && !is_alnum(previous)
        && previous != '+') {
      made = try_one(detector::identity, &look::identity);
      if (made.what == finding::no)
        made = try_one(detector::phone, &look::phone);
    }
    if (made.what == finding::needs_more)
      break;
    at = made.what == finding::yes ? made.end : at + 1;
    previous = text[at - 1];
  }
  before = previous;
  return at;
}

} // namespace troupe::moderation
