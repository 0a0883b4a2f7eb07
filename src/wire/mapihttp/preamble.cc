#include "wire/mapihttp/preamble.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace mapigate::wire::mapihttp {
namespace {

std::string_view one_line(std::string_view text) { return text.substr(0, text.find_first_of("\r\n")); }

}  // namespace

std::string done_tag(ResponseCode code, std::uint64_t elapsed_milliseconds, std::string_view start_time) {
  return fmt::format("DONE\r\n{}: {}\r\n{}: {}\r\n{}: {}\r\n\r\n", header::ResponseCode, static_cast<std::uint32_t>(code),
                     header::ElapsedTime, elapsed_milliseconds, header::StartTime, one_line(start_time));
}

Status PreambleParser::fail(Errc code, std::string_view why) {
  failure_ = error(code, "response preamble: {}", why);
  return *failure_;
}

Status PreambleParser::feed(View chunk) {
  if (failure_) return *failure_;
  while (state_ != State::payload && !chunk.empty()) {
    const auto text = as_text(chunk);
    const auto end = text.find('\n');
    const auto piece = text.substr(0, end);
    if (partial_.size() + piece.size() > limits_.max_line) return fail(Errc::limit, "a line is too long");
    partial_ += piece;
    if (end == text.npos) return {};
    chunk = chunk.subspan(end + 1);
    if (partial_.empty() || partial_.back() != '\r') return fail(Errc::malformed, "a line does not end in CR LF");
    partial_.pop_back();
    if (auto status = line(partial_); !status) return status;
    partial_.clear();
  }
  if (chunk.size() > limits_.max_payload - payload_.size()) return fail(Errc::limit, "the payload is too large");
  payload_.insert(payload_.end(), chunk.begin(), chunk.end());
  return {};
}

Status PreambleParser::line(std::string_view text) {
  if (state_ == State::tags) {
    if (text == "PROCESSING" && !processing_ && pending_ == 0) {
      processing_ = true;
      return {};
    }
    if (text == "PENDING") {
      if (++pending_ > limits_.max_pending) return fail(Errc::limit, "too many PENDING tags");
      return {};
    }
    if (text != "DONE") return fail(Errc::malformed, "a line is no meta-tag");
    state_ = State::headers;
    headers_.reserve(4);
    return {};
  }
  if (text.empty()) {
    state_ = State::payload;
    return {};
  }
  const auto colon = text.find(':');
  if (colon == text.npos || colon == 0) return fail(Errc::malformed, "an additional header has no name");
  if (headers_.size() == limits_.max_headers) return fail(Errc::limit, "too many additional headers");
  headers_.emplace_back(trim(text.substr(0, colon)), trim(text.substr(colon + 1)));
  return {};
}

Status PreambleParser::finish() const {
  if (failure_) return *failure_;
  if (state_ == State::payload) return {};
  return error(Errc::malformed, "response preamble: the body ended before {}",
               state_ == State::tags ? "DONE" : "the empty line");
}

const std::string* PreambleParser::header(std::string_view name) const {
  const auto found = std::find_if(headers_.begin(), headers_.end(),
                                  [&](const auto& line) { return equal_ignoring_ascii_case(line.first, name); });
  return found == headers_.end() ? nullptr : &found->second;
}

std::optional<ResponseCode> PreambleParser::response_code() const {
  const auto* digits = header(header::ResponseCode);
  return digits == nullptr ? std::nullopt : response_code_from(*digits);
}

}  // namespace mapigate::wire::mapihttp
