#include "io/http_message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <ctime>

#include "base/text.h"

namespace mapigate::io {

void HttpFields::clear() {
  bytes_.clear();
  at_.clear();
}

void HttpFields::release() {
  std::string().swap(bytes_);
  std::vector<At>().swap(at_);
}

void HttpFields::add(std::string_view name, std::string_view value) {
  if (at_.empty()) {  // what a message has as a rule, at once
    bytes_.reserve(512);
    at_.reserve(16);
  }
  auto start = static_cast<std::uint32_t>(bytes_.size());
  bytes_.append(name).append(value);
  at_.push_back({start, static_cast<std::uint32_t>(name.size()), start + static_cast<std::uint32_t>(name.size()),
                 static_cast<std::uint32_t>(value.size())});
}

HttpFields::Field HttpFields::operator[](std::size_t i) const {
  const At& at = at_[i];
  std::string_view all = bytes_;
  return {all.substr(at.name, at.name_size), all.substr(at.value, at.value_size)};
}

std::string_view HttpFields::get(std::string_view name) const {
  for (std::size_t i = 0; i < at_.size(); ++i) {
    if (at_[i].name_size != name.size()) continue;
    Field field = (*this)[i];
    if (equal_ignoring_ascii_case(field.name, name)) return field.value;
  }
  return {};
}

bool HttpFields::contains(std::string_view name) const {
  for (std::size_t i = 0; i < at_.size(); ++i) {
    if (equal_ignoring_ascii_case((*this)[i].name, name)) return true;
  }
  return false;
}

bool HttpFields::has_token(std::string_view name, std::string_view token) const {
  for (std::size_t i = 0; i < at_.size(); ++i) {
    Field field = (*this)[i];
    if (!equal_ignoring_ascii_case(field.name, name)) continue;
    auto rest = field.value;
    while (!rest.empty()) {
      auto comma = rest.find(',');
      if (equal_ignoring_ascii_case(trim(rest.substr(0, comma)), token)) return true;
      rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return false;
}

namespace {

constexpr std::array<bool, 256> token_bytes() {
  std::array<bool, 256> out{};
  for (unsigned char c = '0'; c <= '9'; ++c) out[c] = true;
  for (unsigned char c = 'a'; c <= 'z'; ++c) out[c] = out[c - 'a' + 'A'] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) out[static_cast<unsigned char>(c)] = true;
  return out;
}

// Without a branch for each byte: nearly all that comes here is sound.
bool is_token(std::string_view name) {
  static constexpr auto allowed = token_bytes();
  bool sound = !name.empty();
  for (const char c : name) sound &= allowed[static_cast<unsigned char>(c)];
  return sound;
}

bool is_control(char c) {
  const auto code = static_cast<unsigned char>(c);
  return (code < 0x20 && c != '\t') || code == 0x7f;
}

// Eight bytes at a time: every field of every message passes here, and hardly one is unsound. A tab is found, too, and is
// told apart by is_control.
bool may_have_control(std::string_view value) {
  constexpr std::uint64_t ones = 0x0101010101010101, tops = ones << 7;
  const auto suspicious = [](std::uint64_t bytes) {
    const auto deleted = bytes ^ (ones * 0x7f);
    return (((bytes - ones * 0x20) & ~bytes) | ((deleted - ones) & ~deleted)) & tops;
  };
  std::uint64_t found = 0;
  std::size_t i = 0;
  for (; i + 8 <= value.size(); i += 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, value.data() + i, 8);
    found |= suspicious(bytes);
  }
  for (; i < value.size(); ++i) found |= suspicious(ones * 0x20 + static_cast<unsigned char>(value[i]) - 0x20);
  return found != 0;
}

}  // namespace

HttpHeaders::HttpHeaders(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  for (const auto& [name, value] : fields) add(name, value);
}

HttpHeaders& HttpHeaders::add(std::string_view name, std::string_view value) {
  if (!is_token(name)) return *this;
  if (wire_.empty()) wire_.reserve(512);
  const auto begin = wire_.size() + name.size() + 2;
  wire_.append(name).append(": ").append(value).append("\r\n");
  if (may_have_control(value)) std::replace_if(wire_.begin() + static_cast<std::ptrdiff_t>(begin), wire_.end() - 2, is_control, ' ');
  return *this;
}

std::string_view http_date(std::time_t when) {
  thread_local std::time_t made = -1;
  thread_local char text[32];
  thread_local std::size_t size = 0;
  if (when != made) {
    std::tm parts{};
    gmtime_r(&when, &parts);
    size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    made = when;
  }
  return {text, size};
}

std::string_view http_reason(unsigned status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 423: return "Locked";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

std::string Url::authority() const {
  auto name = host.find(':') == host.npos ? host : "[" + host + "]";
  if (port == (tls ? 443 : 80)) return name;
  return name + ":" + std::to_string(port);
}

std::string Url::to_string() const { return (tls ? "https://" : "http://") + authority() + target; }

Result<Url> parse_url(std::string_view text) {
  Url url;
  auto rest = text;
  if (equal_ignoring_ascii_case(rest.substr(0, 8), "https://")) {
    rest.remove_prefix(8);
  } else if (equal_ignoring_ascii_case(rest.substr(0, 7), "http://")) {
    rest.remove_prefix(7);
    url.tls = false;
    url.port = 80;
  } else {
    return error(Errc::malformed, "URL '{}' does not begin with https:// or http://", text);
  }
  for (char c : rest) {
    auto code = static_cast<unsigned char>(c);
    if (code <= 0x20 || code == 0x7f) return error(Errc::malformed, "URL holds a space or control character");
  }
  rest = rest.substr(0, rest.find('#'));
  auto authority = rest.substr(0, rest.find_first_of("/?"));
  auto target = rest.substr(authority.size());
  if (authority.find('@') != authority.npos) {
    return error(Errc::malformed, "URL holds user information before its host name");
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    auto close = authority.find(']');
    if (close == authority.npos) return error(Errc::malformed, "URL '{}' has an open bracket", text);
    url.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (!port.empty() && port[0] != ':') return error(Errc::malformed, "URL '{}' has no valid host", text);
    if (!port.empty()) port.remove_prefix(1);
  } else {
    auto colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != authority.npos) port = authority.substr(colon + 1);
  }
  if (url.host.empty() || url.host.size() > 255) return error(Errc::malformed, "URL '{}' has no valid host", text);
  if (!port.empty()) {
    auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (failed != std::errc() || end != port.data() + port.size() || url.port == 0) {
      return error(Errc::malformed, "URL '{}' has no valid port", text);
    }
  }
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

}  // namespace mapigate::io
