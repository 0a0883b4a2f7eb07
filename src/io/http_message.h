// What HTTP's two sides share: received and sent header fields, and URLs.
#pragma once

#include <cstdint>
#include <ctime>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace mapigate::io {

// The fields of a message that was received: one buffer, views into it.
class HttpFields {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  void clear();
  void release();  // gives the memory back as well
  void add(std::string_view name, std::string_view value);
  std::size_t size() const { return at_.size(); }
  Field operator[](std::size_t i) const;
  // The first with this name in any case; empty when there is none.
  std::string_view get(std::string_view name) const;
  bool contains(std::string_view name) const;
  // A comma-separated list (Connection, Expect) holds this token, in any case.
  bool has_token(std::string_view name, std::string_view token) const;

 private:
  struct At {
    std::uint32_t name, name_size, value, value_size;
  };
  std::string bytes_;
  std::vector<At> at_;
};

// Fields to be sent, kept as they will stand on the wire. Line breaks and other
// control characters in a value become spaces, so nothing can be injected. A field
// whose name is no token is left out. Do not add Content-Length, Transfer-Encoding
// or Connection: whoever sends does.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);
  HttpHeaders& add(std::string_view name, std::string_view value);
  const std::string& wire() const { return wire_; }
  bool empty() const { return wire_.empty(); }

 private:
  std::string wire_;
};

std::string_view http_reason(unsigned status);
// RFC 9110 section 5.6.7. Valid until the thread's next call.
std::string_view http_date(std::time_t when);

struct Url {
  bool tls = true;
  std::string host;  // without brackets
  std::uint16_t port = 443;
  std::string target = "/";  // path and query, as they stand

  std::string authority() const;  // for the Host field
  std::string to_string() const;
};

// Absolute http: and https: URLs; a fragment is dropped, user information refused.
Result<Url> parse_url(std::string_view text);

}  // namespace mapigate::io
