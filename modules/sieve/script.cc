#include "script.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "convert/html_text.h"
#include "wire/ews/xml.h"

namespace mapigate::sieve {

using namespace wire::ews;
using nlohmann::json;

namespace {

constexpr std::string_view marker = "#mapigate-oof ";
constexpr std::size_t line_length = 76;

// One token of the language at `at`; comments and white space are none. False at the end.
struct Token {
  enum class Kind : std::uint8_t { identifier, tag, string, other } kind = Kind::other;
  std::string_view text;
};
class Tokens {
 public:
  explicit Tokens(std::string_view script) : script_(script) {}
  std::size_t at() const { return at_; }
  bool next(Token& out) {
    skip();
    if (at_ >= script_.size()) return false;
    const auto start = at_;
    const char c = script_[at_];
    if (c == '"') {
      for (++at_; at_ < script_.size() && script_[at_] != '"'; ++at_)
        if (script_[at_] == '\\') ++at_;
      at_ = std::min(at_ + 1, script_.size());
      out = {Token::Kind::string, script_.substr(start, at_ - start)};
    } else if (name_char(c) || c == ':') {
      for (++at_; at_ < script_.size() && name_char(script_[at_]);) ++at_;
      out = {c == ':' ? Token::Kind::tag : Token::Kind::identifier, script_.substr(start, at_ - start)};
      if (at_ < script_.size() && script_[at_] == ':' && equal_ignoring_ascii_case(out.text, "text")) {
        multi_line();
        out = {Token::Kind::string, script_.substr(start, at_ - start)};
      }
    } else {
      ++at_;
      out = {Token::Kind::other, script_.substr(start, 1)};
    }
    return true;
  }

 private:
  static bool name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }
  void skip() {
    while (at_ < script_.size()) {
      const char c = script_[at_];
      if (c == '#') at_ = std::min(script_.find('\n', at_), script_.size());
      else if (script_.substr(at_, 2) == "/*") {
        const auto end = script_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? script_.size() : end + 2;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') ++at_;
      else return;
    }
  }
  // Up to the line that is a single dot.
  void multi_line() {
    for (auto line = script_.find('\n', at_); line != std::string_view::npos; line = script_.find('\n', line + 1)) {
      const auto rest = script_.substr(line + 1);
      if (rest.starts_with(".\r\n") || rest.starts_with(".\n") || rest == "." || rest == ".\r") {
        at_ = std::min(line + 2, script_.size());
        return;
      }
    }
    at_ = script_.size();
  }
  std::string_view script_;
  std::size_t at_ = 0;
};

std::string wrapped(std::string_view base64, std::string_view start) {
  std::string out;
  for (std::size_t at = 0; at < base64.size(); at += line_length) {
    out += start;
    out += base64.substr(at, line_length);
    out += "\r\n";
  }
  return out;
}

std::string comment_of(const Remembered& value) {
  const auto& s = value.settings;
  const json all = {{"state", std::string(to_string(s.State))},
                    {"audience", std::string(to_string(s.Audience))},
                    {"start", s.StartTime},
                    {"end", s.EndTime},
                    {"internal", s.InternalReply.Message},
                    {"internal_lang", s.InternalReply.lang},
                    {"external", s.ExternalReply.Message},
                    {"external_lang", s.ExternalReply.lang},
                    {"previous", value.previous}};
  return wrapped(to_base64(as_view(all.dump(-1, ' ', false, json::error_handler_t::replace))), marker);
}

std::string list_of(const std::vector<std::string>& strings) {
  std::string out = "[";
  for (const auto& one : strings) out += (out.size() > 1 ? ", " : "") + string_of(one);
  return out + "]";
}

bool is_html(std::string_view text) {
  for (auto at = text.find('<'); at != std::string_view::npos && at + 1 < text.size(); at = text.find('<', at + 1)) {
    const char c = text[at + 1];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '!') return true;
  }
  return false;
}

std::string part(const char* type, std::string_view text) {
  return fmt::format("Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", type,
                     wrapped(to_base64(as_view(text)), ""));
}

// As MIME in base64: nothing in it can end the string that it stands in, and no line begins with a dot.
std::string mime_of(std::string_view message) {
  if (!is_html(message)) return part("text/plain", message);
  constexpr std::string_view boundary = "=_mapigate-reply";
  return fmt::format("Content-Type: multipart/alternative; boundary=\"{0}\"\r\n\r\n--{0}\r\n{1}--{0}\r\n{2}--{0}--\r\n", boundary,
                     part("text/plain", convert::html_to_text(message)), part("text/html", message));
}

bool blank(std::string_view message) { return trim(is_html(message) ? convert::html_to_text(message) : std::string(message)).empty(); }

std::string vacation_of(const Plan& plan, const ReplyBody& reply, const char* indent) {
  auto out = fmt::format("{}vacation :days {}", indent, plan.days);
  if (!plan.addresses.empty()) out += " :addresses " + list_of(plan.addresses);
  return out + " :mime text:\r\n" + mime_of(reply.Message) + ".\r\n;\r\n";
}

// The current time is not before `when`.
std::string not_before(std::int64_t when) {
  const auto text = format_local(when);
  const auto day = text.substr(0, 10), clock = text.substr(11);
  return fmt::format("anyof(currentdate :zone \"+0000\" :value \"gt\" \"date\" \"{0}\", "
                     "allof(currentdate :zone \"+0000\" :is \"date\" \"{0}\", currentdate :zone \"+0000\" :value \"ge\" \"time\" \"{1}\"))",
                     day, clock);
}

// What answers, without anything around it; empty when nobody is answered.
std::string answers(const Plan& plan) {
  const auto& s = plan.remembered.settings;
  if (s.State == OofState::Disabled) return {};
  const bool internal = !blank(s.InternalReply.Message);
  // Who is in the contacts of the user is not known here: "Known" is nobody.
  const bool external = s.Audience == ExternalAudience::All && !blank(s.ExternalReply.Message);
  if (!internal && !external) return {};
  const auto from_inside = fmt::format("{} :domain :is \"from\" {}", plan.can_envelope ? "envelope" : "address", list_of(plan.internal_domains));
  auto out = "if " + from_inside + " {\r\n" + (internal ? vacation_of(plan, s.InternalReply, "  ") : "  # nothing\r\n") + "}";
  if (external) out += " else {\r\n" + vacation_of(plan, s.ExternalReply, "  ") + "}";
  out += "\r\n";
  if (s.State != OofState::Scheduled) return out;
  return fmt::format("if allof({}, not {}) {{\r\n{}}}\r\n", not_before(s.StartTime), not_before(s.EndTime), out);
}

}  // namespace

std::string string_of(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c != '\r' && c != '\n' && c != '\0') out += c;
  }
  return out + '"';
}

std::string make_script(const Plan& plan) {
  const auto& remembered = plan.remembered;
  const auto reply = answers(plan);
  std::vector<std::string> needs;
  if (!reply.empty()) {
    needs.emplace_back("vacation");
    if (plan.can_envelope) needs.emplace_back("envelope");
    if (remembered.settings.State == OofState::Scheduled) needs.insert(needs.end(), {"date", "relational"});
  }
  const bool include = !remembered.previous.empty() && plan.can_include;
  if (include) needs.emplace_back("include");
  std::string out = "# Automatic replies. mapigate writes this script anew with every change of the settings, which the\r\n"
                    "# next lines hold; scripts of your own stay as they are, and are run from here.\r\n" +
                    comment_of(remembered);
  if (!needs.empty()) out += "require " + list_of(needs) + ";\r\n";
  std::string_view behind = plan.previous_text;
  if (!include && !behind.empty()) {
    const auto end = end_of_requires(behind);
    out += behind.substr(0, end);
    out += "\r\n";
    behind.remove_prefix(end);
  }
  out += reply;
  if (include) out += "include :personal :optional " + string_of(remembered.previous) + ";\r\n";
  else out += behind;
  return out;
}

std::optional<Remembered> read_script(std::string_view script) {
  std::string base64;
  for (std::size_t at = 0; at < script.size();) {
    const auto end = std::min(script.find('\n', at), script.size());
    const auto line = trim(script.substr(at, end - at));
    if (line.starts_with(trim(marker))) base64 += trim(line.substr(marker.size() - 1));
    else if (!line.empty() && line[0] != '#') break;
    at = end + 1;
  }
  Bytes decoded;
  if (base64.empty() || !from_base64(base64, decoded)) return {};
  const auto all = json::parse(decoded.begin(), decoded.end(), nullptr, false);
  if (!all.is_object()) return {};
  const auto text = [&](const char* name) {
    const auto found = all.find(name);
    return found != all.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = [&](const char* name) {
    const auto found = all.find(name);
    return found != all.end() && found->is_number_integer() ? found->get<std::int64_t>() : std::int64_t{0};
  };
  Remembered out;
  out.settings.State = oof_state(text("state")).value_or(OofState::Disabled);
  out.settings.Audience = external_audience(text("audience")).value_or(ExternalAudience::None);
  out.settings.StartTime = number("start");
  out.settings.EndTime = number("end");
  out.settings.InternalReply = {text("internal"), text("internal_lang")};
  out.settings.ExternalReply = {text("external"), text("external_lang")};
  out.previous = text("previous");
  return out;
}

bool calls(std::string_view script, std::string_view command) {
  Tokens tokens(script);
  for (Token token; tokens.next(token);)
    if (token.kind == Token::Kind::identifier && equal_ignoring_ascii_case(token.text, command)) return true;
  return false;
}

std::size_t end_of_requires(std::string_view script) {
  Tokens tokens(script);
  std::size_t end = 0;
  for (Token token; tokens.next(token);) {
    if (token.kind != Token::Kind::identifier || !equal_ignoring_ascii_case(token.text, "require")) break;
    bool ended = false;
    while (!ended && tokens.next(token)) ended = token.text == ";";
    if (!ended) break;
    end = tokens.at();
  }
  return end;
}

}  // namespace mapigate::sieve
