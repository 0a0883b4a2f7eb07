// What stands before the payload in a response body ([MS-OXCMAPIHTTP] 2.2.7
// "Response Meta-Tags", 3.2.5.2): PROCESSING, PENDING while it lasts, DONE,
// additional headers, an empty line.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/mapihttp/headers.h"

namespace mapigate::wire::mapihttp {

using HeaderLines = std::vector<std::pair<std::string, std::string>>;  // name, value

inline constexpr std::string_view processing_tag = "PROCESSING\r\n";
inline constexpr std::string_view pending_tag = "PENDING\r\n";

// "DONE", the three headers that every server sends (X-ResponseCode, X-ElapsedTime, X-StartTime) and the empty line; the
// payload follows. Precondition: no line breaks in `start_time` (it is cut there).
std::string done_tag(ResponseCode code, std::uint64_t elapsed_milliseconds, std::string_view start_time);

struct PreambleLimits {
  std::size_t max_line = 1024;
  std::size_t max_headers = 32;
  std::size_t max_pending = 4096;  // PENDING tags in one response
  std::size_t max_payload = 0x100000;
};

// Reads a response body as it arrives. A body without PROCESSING (Connect may
// answer with DONE alone) is accepted; one without DONE is not.
class PreambleParser {
 public:
  explicit PreambleParser(const PreambleLimits& limits = {}) : limits_(limits) {}

  Status feed(View chunk);   // after an error, every later call gives it again
  Status finish() const;     // at the end of the body: error when DONE or the empty line is missing

  bool processing_seen() const { return processing_; }
  std::size_t pending_count() const { return pending_; }
  bool done() const { return state_ == State::payload; }  // payload() may still grow
  const HeaderLines& headers() const { return headers_; }
  // Null when the header is absent. Names are compared without case.
  const std::string* header(std::string_view name) const;
  // X-ResponseCode of the additional headers, which supersedes that of the HTTP head.
  std::optional<ResponseCode> response_code() const;
  const Bytes& payload() const { return payload_; }
  Bytes take_payload() { return std::move(payload_); }

 private:
  enum class State : std::uint8_t { tags, headers, payload };
  Status line(std::string_view text);
  Status fail(Errc code, std::string_view why);

  PreambleLimits limits_;
  State state_ = State::tags;
  bool processing_ = false;
  std::size_t pending_ = 0;
  std::string partial_;  // a line whose end has not come yet
  HeaderLines headers_;
  Bytes payload_;
  std::optional<Error> failure_;
};

}  // namespace mapigate::wire::mapihttp
