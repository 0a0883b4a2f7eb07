// The part of cookies (RFC 6265) that MAPI over HTTP needs: a session context and
// a sequence cookie ([MS-OXCMAPIHTTP] 2.2.3.2.3 and 2.2.3.2.4), and whatever a load
// balancer adds, which a client must return.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mapigate::wire::mapihttp {

struct Cookie {
  std::string name;
  std::string value;
};

struct SetCookie {
  Cookie cookie;
  std::string path;     // "/" when the server gave none
  bool secure = false;
  bool http_only = false;
  bool expired = false;  // Max-Age of zero or less, or an Expires in the year 1970 or before
};

// The cookies of one Cookie header; a request may have several. What is not
// name=value is skipped. At most 64 of them.
std::vector<Cookie> parse_cookie_header(std::string_view value);
// One Set-Cookie header; none when it has no name.
std::optional<SetCookie> parse_set_cookie(std::string_view value);
std::string format_cookie_header(const std::vector<Cookie>& cookies);
// Errc::internal when name or value cannot stand in a cookie (our own fault).
Result<std::string> format_set_cookie(const SetCookie& cookie);

// A client's cookies for one endpoint.
class CookieJar {
 public:
  static constexpr std::size_t max_cookies = 64;
  static constexpr std::size_t max_size = 8192;  // of one name and value

  void receive(std::string_view set_cookie_header);  // ignores what is over the limits
  std::string header() const { return format_cookie_header(cookies_); }
  const std::string* find(std::string_view name) const;
  bool empty() const { return cookies_.empty(); }
  void clear() { cookies_.clear(); }

 private:
  std::vector<Cookie> cookies_;
};

}  // namespace mapigate::wire::mapihttp
