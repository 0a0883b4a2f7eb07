#include "reply.h"

#include <algorithm>

#include "base/text.h"

namespace mapigate::sieve {

namespace {
std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (end > at) out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}
}  // namespace

Result<std::size_t> LineReader::feed(View bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && !complete_) {
    if (state_ == State::literal) {
      const auto part = std::min(wanted_, bytes.size() - used);
      line_.back().text.append(as_text(bytes.subspan(used, part)));
      wanted_ -= part;
      used += part;
      if (wanted_ == 0) state_ = State::between;
      continue;
    }
    if (++size_ > longest_line) return error(Errc::limit, "a line of more than {} bytes", longest_line);
    if (auto taken = step(static_cast<char>(bytes[used++])); !taken) return taken.error();
  }
  return used;
}

Status LineReader::begin_token(char c) {
  if (line_.size() >= 64) return error(Errc::limit, "a line of more than 64 parts");
  line_.emplace_back();
  auto& token = line_.back();
  if (c == '"') {
    token.kind = Token::Kind::string;
    state_ = State::quoted;
  } else if (c == '{') {
    token.kind = Token::Kind::string;
    wanted_ = 0;
    plus_seen_ = digit_seen_ = false;
    state_ = State::literal_size;
  } else if (c == '(') {
    token.kind = Token::Kind::code;
    state_ = State::code;
  } else {
    token.text.push_back(c);
    state_ = State::word;
  }
  return {};
}

Status LineReader::step(char c) {
  switch (state_) {
    case State::word:
    case State::between:
      if (after_return_ && c != '\n') return error(Errc::malformed, "a carriage return within a line");
      if (c == '\r') return after_return_ = true, state_ = State::between, Status();
      if (c == '\n') return complete_ = true, after_return_ = false, state_ = State::between, Status();
      if (c == ' ') return state_ = State::between, Status();
      if (state_ == State::word) return line_.back().text.push_back(c), Status();
      return begin_token(c);
    case State::quoted:
      if (c == '\\') state_ = State::escaped;
      else if (c == '"') state_ = State::between;
      else if (c == '\r' || c == '\n' || c == '\0') return error(Errc::malformed, "a line end within a quoted string");
      else line_.back().text.push_back(c);
      return {};
    case State::escaped:
      line_.back().text.push_back(c);
      state_ = State::quoted;
      return {};
    case State::literal_size:
      if (c >= '0' && c <= '9' && !plus_seen_) {
        wanted_ = wanted_ * 10 + static_cast<std::size_t>(c - '0');
        digit_seen_ = true;
        if (wanted_ > largest_) return error(Errc::limit, "a literal of more than {} bytes", largest_);
      } else if (c == '+' && digit_seen_ && !plus_seen_) {
        plus_seen_ = true;
      } else if (c == '}' && digit_seen_) {
        literals_ += wanted_;
        if (literals_ > largest_) return error(Errc::limit, "literals of more than {} bytes", largest_);
        state_ = State::literal_end;
      } else {
        return error(Errc::malformed, "a literal without a size");
      }
      return {};
    case State::literal_end:
      if (c == '\r' && !after_return_) return after_return_ = true, Status();
      if (c != '\n') return error(Errc::malformed, "a literal does not begin on a line of its own");
      after_return_ = false;
      state_ = wanted_ == 0 ? State::between : State::literal;
      return {};
    case State::code:
      if (c == ')') return state_ = State::between, Status();
      if (c == '\r' || c == '\n') return error(Errc::malformed, "a response code that does not end");
      if (c == '"') state_ = State::code_quoted;
      line_.back().text.push_back(c);
      return {};
    case State::code_quoted:
      if (c == '\r' || c == '\n') return error(Errc::malformed, "a response code that does not end");
      if (c == '\\') state_ = State::code_escaped;
      if (c == '"') state_ = State::code;
      line_.back().text.push_back(c);
      return {};
    case State::code_escaped:
      state_ = State::code_quoted;
      line_.back().text.push_back(c);
      return {};
    case State::literal: break;
  }
  return {};
}

Line LineReader::take() {
  auto out = std::move(line_);
  line_.clear();
  size_ = literals_ = 0;
  complete_ = false;
  return out;
}

std::optional<Completion> completion_of(const Line& line) {
  if (line.empty() || line[0].kind != Token::Kind::word) return {};
  Completion out;
  out.status = upper(line[0].text);
  if (out.status != "OK" && out.status != "NO" && out.status != "BYE") return {};
  for (const auto& token : line) {
    if (token.kind == Token::Kind::code) out.code = token.text;
    if (token.kind == Token::Kind::string) out.text = token.text;
  }
  return out;
}

bool Capabilities::understood(const Line& line) {
  if (line.empty() || line[0].kind != Token::Kind::string) return false;
  const auto name = upper(line[0].text);
  const auto value = line.size() > 1 ? line[1].text : std::string();
  if (name == "STARTTLS") starttls = true;
  if (name == "SASL") sasl = words(upper(value));
  if (name == "SIEVE") extensions = words(lower_ascii(value));
  return true;
}

bool Capabilities::has(std::string_view extension) const {
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_script_name(std::string_view name) {
  return !name.empty() && name.size() <= 512 && std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

}  // namespace mapigate::sieve
