#include "wire/mapihttp/cookies.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace mapigate::wire::mapihttp {
namespace {

constexpr std::size_t max_header_cookies = 64;

// Takes what stands before the next ';' off the front of `rest`.
std::string_view next_part(std::string_view& rest) {
  const auto end = rest.find(';');
  const auto part = trim(rest.substr(0, end));
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  return part;
}

std::string_view unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') return value.substr(1, value.size() - 2);
  return value;
}

std::optional<Cookie> parse_pair(std::string_view part) {
  const auto equals = part.find('=');
  if (equals == part.npos) return std::nullopt;
  const auto name = trim(part.substr(0, equals));
  if (name.empty()) return std::nullopt;
  return Cookie{std::string(name), std::string(unquoted(trim(part.substr(equals + 1))))};
}

// "Thu, 01 Jan 1970 00:00:00 GMT" and its relatives are how servers delete a cookie.
bool in_the_distant_past(std::string_view date) {
  for (std::size_t at = 0; at + 4 <= date.size(); ++at) {
    unsigned year = 0;
    const auto [after, failure] = std::from_chars(date.data() + at, date.data() + at + 4, year);
    if (failure == std::errc{} && after == date.data() + at + 4 && year >= 1601) return year <= 1970;
  }
  return false;
}

bool name_byte(char c) { return c > ' ' && c < 0x7F && std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos; }
bool value_byte(char c) { return c > ' ' && c < 0x7F && std::string_view("\",;\\").find(c) == std::string_view::npos; }

}  // namespace

std::vector<Cookie> parse_cookie_header(std::string_view value) {
  std::vector<Cookie> cookies;
  while (!value.empty() && cookies.size() < max_header_cookies) {
    if (auto cookie = parse_pair(next_part(value))) cookies.push_back(std::move(*cookie));
  }
  return cookies;
}

std::optional<SetCookie> parse_set_cookie(std::string_view value) {
  auto cookie = parse_pair(next_part(value));
  if (!cookie) return std::nullopt;
  SetCookie out{std::move(*cookie), "/", false, false, false};
  std::optional<bool> expired_by_age;
  while (!value.empty()) {
    const auto part = next_part(value);
    const auto equals = part.find('=');
    const auto name = trim(part.substr(0, equals));
    const auto argument = equals == part.npos ? std::string_view{} : trim(part.substr(equals + 1));
    if (equal_ignoring_ascii_case(name, "Path") && argument.starts_with('/')) out.path = argument;
    else if (equal_ignoring_ascii_case(name, "Secure")) out.secure = true;
    else if (equal_ignoring_ascii_case(name, "HttpOnly")) out.http_only = true;
    else if (equal_ignoring_ascii_case(name, "Max-Age")) expired_by_age = argument.starts_with('-') || argument.find_first_not_of('0') == argument.npos;
    else if (equal_ignoring_ascii_case(name, "Expires")) out.expired = in_the_distant_past(argument);
  }
  if (expired_by_age) out.expired = *expired_by_age;  // Max-Age wins over Expires
  return out;
}

std::string format_cookie_header(const std::vector<Cookie>& cookies) {
  std::string out;
  for (const auto& cookie : cookies) {
    if (!out.empty()) out += "; ";
    out += cookie.name;
    out += '=';
    out += cookie.value;
  }
  return out;
}

Result<std::string> format_set_cookie(const SetCookie& set) {
  const auto& [name, value] = set.cookie;
  if (name.empty() || !std::all_of(name.begin(), name.end(), name_byte) || !std::all_of(value.begin(), value.end(), value_byte))
    return error(Errc::internal, "cookie '{}' has bytes that cookies cannot have", name);
  auto out = name + '=' + value;
  if (!set.path.empty()) out += "; Path=" + set.path;
  if (set.secure) out += "; Secure";
  if (set.http_only) out += "; HttpOnly";
  if (set.expired) out += "; Max-Age=0";
  return out;
}

void CookieJar::receive(std::string_view set_cookie_header) {
  auto set = parse_set_cookie(set_cookie_header);
  if (!set || set->cookie.name.size() + set->cookie.value.size() > max_size) return;
  const auto found = std::find_if(cookies_.begin(), cookies_.end(), [&](const Cookie& c) { return c.name == set->cookie.name; });
  if (set->expired) {
    if (found != cookies_.end()) cookies_.erase(found);
  } else if (found != cookies_.end()) {
    found->value = std::move(set->cookie.value);
  } else if (cookies_.size() < max_cookies) {
    cookies_.push_back(std::move(set->cookie));
  }
}

const std::string* CookieJar::find(std::string_view name) const {
  const auto found = std::find_if(cookies_.begin(), cookies_.end(), [&](const Cookie& c) { return c.name == name; });
  return found == cookies_.end() ? nullptr : &found->value;
}

}  // namespace mapigate::wire::mapihttp
