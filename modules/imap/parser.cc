#include "parser.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "convert/charset.h"

namespace mapigate::imap {

namespace {

constexpr unsigned max_depth = 1000;  // servers nest body structures a few lists a MIME level

std::string upper_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }
// What servers send as tags and names of responses.
bool is_plain(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// Data items of FETCH that name a section in brackets (RFC 3501 "msg-att-static", RFC 3516).
bool has_section(std::string_view item) {
  const auto is = [item](std::string_view name) { return equal_ignoring_ascii_case(item, name); };
  return is("BODY") || is("BINARY") || is("BINARY.SIZE");
}

// The size that a line (without its end) announces by "{12}", "{12+}" or "~{12}" at its end.
std::optional<std::uint64_t> announced_literal(std::string_view line) {
  if (line.size() < 3 || line.back() != '}') return std::nullopt;
  const auto open = line.rfind('{');
  if (open == std::string_view::npos) return std::nullopt;
  auto digits = line.substr(open + 1, line.size() - open - 2);
  if (!digits.empty() && digits.back() == '+') digits.remove_suffix(1);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  std::uint64_t size = 0;
  const auto end = digits.data() + digits.size();
  if (std::from_chars(digits.data(), end, size).ec != std::errc()) return UINT64_MAX;
  return size;
}

// Text for humans may end in anything, also in what looks like a literal.
bool ends_in_human_text(std::string_view line) {
  if (!line.starts_with("* ")) return true;  // tagged, or a continuation request
  const auto word = upper_ascii(line.substr(2, line.find(' ', 2) - 2));
  return word == "OK" || word == "NO" || word == "BAD" || word == "BYE" || word == "PREAUTH";
}

template <class Spooled>
class Parser {
 public:
  Parser(std::string_view text, const std::vector<Spooled>& spooled, Arena& arena)
      : text_(text), spooled_(spooled), arena_(arena) {}

  Result<Response> response() {
    Response response;
    const auto first = word();
    if (first == "+") {
      response.kind = Response::Kind::continuation;
      skip_spaces();
      response.text = rest();
      return response;
    }
    if (first.empty() || !is_plain(first)) return fail("no tag");
    if (first != "*") {
      response.kind = Response::Kind::tagged;
      response.tag = first;
    }
    skip_spaces();
    auto name = word();
    if (!name.empty() && is_digit(name.front()) && response.kind == Response::Kind::untagged) {
      std::uint64_t number = 0;
      const auto end = name.data() + name.size();
      const auto [stop, problem] = std::from_chars(name.data(), end, number);
      if (problem != std::errc() || stop != end) return fail("bad number");
      response.number = number;
      skip_spaces();
      name = word();
    }
    if (name.empty() || !is_plain(name)) return fail("no response name");
    response.name = upper_ascii(name);
    mailboxes_ = response.name == "LIST" || response.name == "LSUB" || response.name == "XLIST" || response.name == "STATUS";
    if (response.is_status()) return status(std::move(response));
    if (response.kind == Response::Kind::tagged) return fail("a tagged response that is no status");
    auto values = list('\0');
    if (!values) return values.error();
    response.values = *values;
    return response;
  }

 private:
  Error fail(const char* why) const {
    return error(Errc::malformed, "IMAP response: {} at byte {}", why, at_);
  }
  bool at_end() const {
    if (at_ >= text_.size() || text_[at_] == '\n') return true;
    return text_[at_] == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] == '\n');
  }
  char peek() const { return text_[at_]; }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  std::string_view word() {
    const auto start = at_;
    while (!at_end() && peek() != ' ' && peek() != '\t') ++at_;
    return text_.substr(start, at_ - start);
  }
  std::string_view rest() {
    auto out = text_.substr(at_);
    while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.remove_suffix(1);
    return out;
  }

  Result<Response> status(Response response) {
    skip_spaces();
    if (!at_end() && peek() == '[') {
      const auto start = at_;
      ++at_;
      in_code_ = true;
      auto values = list(']');
      in_code_ = false;
      if (values && !values->empty() && values->front().is_string()) {
        response.code = upper_ascii(values->front().text);
        response.code_values = values->subspan(1);
      } else {
        at_ = start;  // a human's brackets
      }
      skip_spaces();
    }
    response.text = rest();
    return response;
  }

  // Values up to `close`, or to the end of the response when `close` is 0.
  Result<std::span<const Value>> list(char close) {
    const auto base = scratch_.size();
    for (;;) {
      skip_spaces();
      if (at_end()) {
        if (close != '\0') return fail("a list without its end");
        break;
      }
      if (close != '\0' && peek() == close) {
        ++at_;
        break;
      }
      auto one = value();
      if (!one) return one.error();
      scratch_.push_back(*one);
    }
    auto out = arena_.copy(std::span<const Value>(scratch_).subspan(base));
    scratch_.resize(base);
    return std::span<const Value>(out);
  }

  Result<Value> value() {
    Value value;
    switch (peek()) {
      case '(': {
        if (++depth_ > max_depth) return fail("nested too deeply");
        ++at_;
        const bool code = std::exchange(in_code_, false);
        auto items = list(')');
        in_code_ = code;
        --depth_;
        if (!items) return items.error();
        value.kind = Value::Kind::list;
        value.list = *items;
        return value;
      }
      case ')':
        return fail("an unexpected )");
      case '"':
        return quoted();
      case '~':
        if (at_ + 1 < text_.size() && text_[at_ + 1] == '{') ++at_;
        [[fallthrough]];
      case '{': {
        auto literal = this->literal();
        if (!literal) return literal.error();
        if (*literal) return **literal;
        [[fallthrough]];
      }
      default:
        return atom();
    }
  }

  Result<Value> quoted() {
    Value value;
    value.kind = Value::Kind::string;
    const auto start = ++at_;
    bool escaped = false;
    while (!at_end() && peek() != '"') {
      if (peek() == '\\') {
        escaped = true;
        ++at_;
        if (at_end()) break;
      }
      ++at_;
    }
    if (at_end()) return fail("a string without its end");
    value.text = text_.substr(start, at_ - start);
    ++at_;
    if (!escaped) return value;
    std::string plain;
    for (std::size_t i = 0; i < value.text.size(); ++i) {
      if (value.text[i] == '\\' && i + 1 < value.text.size()) ++i;
      plain += value.text[i];
    }
    value.text = arena_.copy(std::string_view(plain));
    return value;
  }

  // Empty when the brace begins something else.
  Result<std::optional<Value>> literal() {
    const auto end = text_.find('\n', at_);
    std::optional<Value> none;
    if (end == std::string_view::npos) return none;
    auto head = text_.substr(at_, end - at_);
    if (head.ends_with('\r')) head.remove_suffix(1);
    const auto size = announced_literal(head);
    if (!size || head.find('{') != 0 || head.find('}') != head.size() - 1) return none;
    at_ = end + 1;
    Value value;
    const auto found =
        std::find_if(spooled_.begin(), spooled_.end(), [&](auto& one) { return one.offset == at_; });
    if (found != spooled_.end()) {
      value.kind = Value::Kind::spooled;
      value.spooled = &found->bytes;
      return std::optional<Value>(value);
    }
    if (*size > text_.size() - at_) return fail("a literal beyond the end");
    value.kind = Value::Kind::string;
    value.text = text_.substr(at_, *size);
    at_ += *size;
    return std::optional<Value>(value);
  }

  // Lenient: whatever no delimiter ends. BODY[HEADER.FIELDS (A B)]<0> is one atom; in keywords and names a bracket is a character.
  Result<Value> atom() {
    const auto start = at_;
    while (!at_end()) {
      const char c = peek();
      if (c == ' ' || c == '\t' || c == '(' || c == ')') break;
      if (c == '"' && at_ > start) break;
      if (in_code_ && c == ']') break;
      // Not sent by any server: the line is broken, and what it says may be, too.
      if (is_control(c)) return fail("a control character");
      if (c == '[' && has_section(text_.substr(start, at_ - start))) {
        const auto length = first_of(text_.substr(at_), "]\r\n");
        if (length != std::string_view::npos && text_[at_ + length] == ']') {
          at_ += length + 1;
          continue;
        }
      }
      ++at_;
    }
    if (at_ == start) return fail("an unexpected character");
    // Names of mailboxes are in any charset where servers are old.
    const auto text = text_.substr(start, at_ - start);
    if (!mailboxes_ && !convert::is_utf8(as_view(text))) return fail("text in no charset");
    Value value;
    value.kind = Value::Kind::atom;
    value.text = text;
    if (equal_ignoring_ascii_case(value.text, "NIL")) value = Value();
    return value;
  }

  std::string_view text_;
  const std::vector<Spooled>& spooled_;
  Arena& arena_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
  bool in_code_ = false, mailboxes_ = false;
  std::vector<Value> scratch_;
};

}  // namespace

Result<std::size_t> ResponseReader::feed(View bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && !complete_) {
    const auto left = bytes.subspan(used);
    if (literal_left_ > 0) {
      const auto part =
          left.first(static_cast<std::size_t>(std::min<std::uint64_t>(literal_left_, left.size())));
      if (spool_) {
        auto kept = spool_->append(part);
        if (!kept) return kept.error();
      } else {
        text_.append(as_text(part));
      }
      used += part.size();
      literal_left_ -= part.size();
      if (literal_left_ == 0) {
        auto ended = end_literal();
        if (!ended) return ended.error();
      }
      continue;
    }
    const auto* found = static_cast<const std::uint8_t*>(std::memchr(left.data(), '\n', left.size()));
    const auto size = found == nullptr ? left.size() : static_cast<std::size_t>(found - left.data()) + 1;
    if (text_.size() + size > limits_.response)
      return error(Errc::limit, "an IMAP response of more than {} bytes", limits_.response);
    text_.append(as_text(left.first(size)));
    used += size;
    if (found == nullptr) break;
    auto ended = end_line();
    if (!ended) return ended.error();
  }
  return used;
}

Status ResponseReader::end_line() {
  auto line = std::string_view(text_).substr(line_);
  line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  auto size = announced_literal(line);
  if (size && line_ == 0 && ends_in_human_text(line)) size.reset();
  if (size) return begin_literal(*size);
  complete_ = true;
  return {};
}

Status ResponseReader::begin_literal(std::uint64_t size) {
  line_ = text_.size();
  if (size > limits_.literal)
    return error(Errc::limit, "a literal of {} bytes, {} are allowed", size, limits_.literal);
  literal_left_ = size;
  if (size > limits_.inline_literal) {
    if (spooled_.size() >= limits_.literals)
      return error(Errc::limit, "too many large literals in one response");
    spool_.emplace(limits_.spool_memory, limits_.spool_directory);
  } else if (text_.size() + size > limits_.response) {
    return error(Errc::limit, "an IMAP response of more than {} bytes", limits_.response);
  }
  return {};
}

Status ResponseReader::end_literal() {
  if (spool_) {
    auto bytes = std::move(*spool_).finish();
    spool_.reset();
    if (!bytes) return bytes.error();
    spooled_.push_back({text_.size(), std::move(*bytes)});
  }
  line_ = text_.size();
  return {};
}

Result<Response> ResponseReader::parse() {
  if (!complete_) return error(Errc::internal, "the IMAP response is not complete");
  return Parser<Spooled>(text_, spooled_, arena_).response();
}

void ResponseReader::clear() {
  if (text_.capacity() > 256 * 1024) text_.shrink_to_fit();
  text_.clear();
  if (arena_.used() > 0) arena_ = Arena(4096);
  spooled_.clear();
  line_ = 0;
  complete_ = false;
}

}  // namespace mapigate::imap
