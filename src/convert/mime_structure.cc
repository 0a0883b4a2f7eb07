#include "convert/mime_structure.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "convert/gmime_support.h"
#include "convert/header_properties.h"
#include "convert/mime_attachments.h"

namespace mapigate::convert {

namespace {

bool could_be_field(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == line.npos || colon == 0) return false;
  auto name = line.substr(0, colon);
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > 0x20 && c != 0x7F; });
}

// What Outlook and others write as the boundary when the parameter got lost: the first delimiter-like line.
std::string guess_boundary(View body) {
  const auto text = as_text(body.first(std::min<std::size_t>(body.size(), 16384)));
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
    at = end + 1;
    if (line.size() < 5 || line.size() > 200 || !line.starts_with("--") || line.find(' ') != line.npos)
      continue;
    if (line.find_first_not_of('-') == line.npos) continue;
    const auto next = text.substr(std::min(at, text.size()), 64);
    if (could_be_field(next.substr(0, next.find('\n')))) return std::string(line.substr(2));
  }
  return {};
}

// A file in uuencode (IEEE 1003.1 "uuencode"), as a stretch of a text.
struct UuFile {
  std::size_t begin = 0, end = 0;
  std::string_view name;
};

// Up to the line break, without it; `at` moves to the next line.
std::string_view take_line(std::string_view text, std::size_t& at) {
  const auto end = std::min(text.find('\n', at), text.size());
  auto line = text.substr(at, end - at);
  at = std::min(end + 1, text.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// The name in "begin 644 name".
std::optional<std::string_view> uu_name(std::string_view line) {
  constexpr std::string_view word = "begin ";
  if (!line.starts_with(word)) return std::nullopt;
  line.remove_prefix(word.size());
  const auto digits = std::min(line.find_first_not_of("01234567"), line.size());
  if (digits < 3 || digits > 4 || digits == line.size() || line[digits] != ' ') return std::nullopt;
  const auto name = trim(line.substr(digits));
  return name.empty() ? std::nullopt : std::optional(name);
}

// The first one that is whole: its lines have the lengths that they tell, up to the one that says "end".
std::optional<UuFile> find_uu_file(std::string_view text, std::size_t from) {
  for (auto begin = text.find("begin ", from); begin != text.npos; begin = text.find("begin ", begin + 1)) {
    if (begin != 0 && text[begin - 1] != '\n') continue;
    auto at = begin;
    const auto name = uu_name(take_line(text, at));
    if (!name) continue;
    for (bool last = false; at < text.size();) {
      const auto line = take_line(text, at);
      if (last && line == "end") return UuFile{begin, at, *name};
      if (last) break;
      const auto size = line.empty() ? 0u : (static_cast<unsigned char>(line[0]) - 0x20u) & 0x3F;
      const bool plain = std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c <= 0x60; });
      if (!plain || line.size() != (size + 2) / 3 * 4 + 1) break;
      last = size == 0;
    }
  }
  return std::nullopt;
}

class Builder {
 public:
  explicit Builder(const StructureLimits& limits) : limits_(limits) {}

  Entity build(View whole, std::string_view default_type, unsigned depth) {
    Entity out;
    out.whole = whole;
    split_entity(whole, out.header, out.body);
    out.fields = split_header(out.header, limits_.max_header_bytes);
    describe(out, default_type);
    if (out.is_multipart() && depth < limits_.max_depth) add_children(out, depth);
    else if (depth == 0) add_uu_files(out);
    return out;
  }

 private:
  static void describe(Entity& out, std::string_view default_type) {
    const auto* content_type = find_field(out.fields, "Content-Type");
    out.type = content_type == nullptr ? std::string() : media_type(content_type->value);
    const auto slash = out.type.find('/');
    if (out.type == "text" || out.type == "html")
      out.type = out.type == "html" ? "text/html" : "text/plain";
    else if (slash == out.type.npos || slash == 0 || slash + 1 == out.type.size())
      out.type = default_type;
    if (const auto* field = find_field(out.fields, "Content-Transfer-Encoding"))
      out.encoding = media_type(field->value);
    if (const auto* field = find_field(out.fields, "Content-Disposition")) {
      out.disposition = media_type(field->value);
      if (out.disposition != "inline" && !out.disposition.empty()) out.disposition = "attachment";
      out.filename = convert::parameter(field->value, "filename");
    }
    if (out.filename.empty() && content_type != nullptr)
      out.filename = convert::parameter(content_type->value, "name");
    // [MS-OXCMAIL] 2.2.3.4.1.1.
    const bool uu = out.encoding == "x-uuencode" || out.encoding == "uuencode" || out.encoding == "x-uue";
    if (uu && out.filename.empty() && !out.is_text()) {
      if (const auto file = find_uu_file(as_text(out.body), 0)) out.filename = decode_header_text(as_view(file->name));
    }
    if (const auto* field = find_field(out.fields, "Content-ID")) {
      out.content_id = decode_header_text(field->value);
      if (out.content_id.starts_with('<')) out.content_id.erase(0, 1);
      if (out.content_id.ends_with('>')) out.content_id.pop_back();
    }
  }

  void add_children(Entity& out, unsigned depth) {
    if (parts_ >= limits_.max_parts) return;
    auto boundary = out.parameter("boundary");
    auto parts = split_multipart(out.body, boundary, limits_.max_parts - parts_);
    if (parts.empty()) {
      boundary = guess_boundary(out.body);
      parts = split_multipart(out.body, boundary, limits_.max_parts - parts_);
    }
    parts_ += parts.size();
    out.children.reserve(parts.size());
    const std::string_view default_type = out.type == "multipart/digest" ? "message/rfc822" : "text/plain";
    for (const auto part : parts) out.children.push_back(build(part, default_type, depth + 1));
    // Without a delimiter in it, it is text that claims to be more.
    if (out.children.empty()) out.type = "text/plain";
  }

  // [MS-OXCMAIL] 2.2.3.9.1: what came without MIME is text with files in it.
  void add_uu_files(Entity& out) {
    const auto* type = find_field(out.fields, "Content-Type");
    if (out.type != "text/plain" || (type != nullptr && find_field(out.fields, "MIME-Version") != nullptr)) return;
    if (!out.encoding.empty() && out.encoding != "7bit" && out.encoding != "8bit" && out.encoding != "binary") return;
    const auto text = as_text(out.body);
    std::size_t at = 0;
    const auto add = [&](std::size_t begin, std::size_t end) -> Entity& {
      auto& part = out.children.emplace_back();
      part.whole = part.body = out.body.subspan(begin, end - begin);
      part.header = part.whole.first(0);
      ++parts_;
      return part;
    };
    const auto add_text = [&](std::size_t end) {
      if (text.substr(at, end - at).find_first_not_of(" \t\r\n") == text.npos) return;
      auto& part = add(at, end);
      part.type = out.type;
      if (type != nullptr) part.fields.push_back(*type);
    };
    while (parts_ + 2 < limits_.max_parts) {
      const auto file = find_uu_file(text, at);
      if (!file) break;
      add_text(file->begin);
      auto& part = add(file->begin, file->end);
      part.type = media_type_of_file(file->name);
      if (part.type.empty() || part.type.starts_with("message/")) part.type = "application/octet-stream";
      part.encoding = "x-uuencode";
      part.disposition = "attachment";
      part.filename = decode_header_text(as_view(file->name));
      at = file->end;
    }
    if (out.children.empty()) return;
    add_text(text.size());
    out.type = "multipart/mixed";
  }

  const StructureLimits& limits_;
  std::size_t parts_ = 0;
};

}  // namespace

std::string Entity::parameter(std::string_view name) const {
  const auto* field = find_field(fields, "Content-Type");
  return field == nullptr ? std::string() : convert::parameter(field->value, name);
}

Entity parse_structure(View message, const StructureLimits& limits) {
  return Builder(limits).build(message, "text/plain", 0);
}

void split_entity(View whole, View& header, View& body) {
  const auto text = as_text(whole);
  std::size_t at = 0;
  bool first = true;
  while (at < text.size()) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto next = std::min(end + 1, text.size());
    if (line.empty()) {
      header = whole.first(at);
      body = whole.subspan(next);
      return;
    }
    const bool continuation = (line[0] == ' ' || line[0] == '\t') && !first;
    const bool mbox_line = first && (line.starts_with("From ") || line.starts_with(">From "));
    if (!continuation && !mbox_line && !could_be_field(line)) {
      header = whole.first(at);
      body = whole.subspan(at);
      return;
    }
    first = false;
    at = next;
  }
  header = whole;
  body = whole.subspan(whole.size());
}

std::vector<View> split_multipart(View body, std::string_view boundary, std::size_t limit) {
  std::vector<View> out;
  if (boundary.empty() || limit == 0) return out;
  const auto text = as_text(body);
  const auto delimiter = "--" + std::string(boundary);
  std::size_t start = text.npos;  // of the current part
  for (auto at = text.find(delimiter); at != text.npos; at = text.find(delimiter, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    auto after = at + delimiter.size();
    const bool closing = text.substr(after, 2) == "--";
    const auto line_end = std::min(text.find('\n', after), text.size());
    if (closing) after += 2;
    // Blanks may follow, and behind the closing one mailers put anything.
    if (!closing && text.substr(after, line_end - after).find_first_not_of(" \t\r") != text.npos) continue;
    if (start != text.npos) {
      auto end = at == 0 ? 0 : at - 1;
      if (end > start && text[end - 1] == '\r') --end;
      if (out.size() + 1 == limit && !closing) break;
      out.push_back(body.subspan(start, end > start ? end - start : 0));
    }
    start = closing ? text.npos : std::min(line_end + 1, text.size());
    if (closing) break;
    at = line_end == text.size() ? line_end - 1 : line_end;
  }
  if (start != text.npos && (start < text.size() || out.empty())) out.push_back(body.subspan(start));
  return out;
}

namespace {

// Skips what is not in the alphabet and keeps what an unpadded end holds.
Status decode_base64(View input, const std::function<Status(View)>& sink) {
  static constexpr auto digits = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(0xFF);
    for (unsigned i = 0; i < 26; ++i) {
      table['A' + i] = static_cast<std::uint8_t>(i);
      table['a' + i] = static_cast<std::uint8_t>(26 + i);
    }
    for (unsigned i = 0; i < 10; ++i) table['0' + i] = static_cast<std::uint8_t>(52 + i);
    table['+'] = 62;
    table['/'] = 63;
    return table;
  }();
  constexpr std::size_t piece = 64 * 1024;
  Bytes out;
  out.reserve(std::min(piece, input.size()));
  unsigned value = 0;
  unsigned bits = 0;
  for (const auto c : input) {
    if (c == '=') value = bits = 0;
    const auto digit = digits[c];
    if (digit == 0xFF) continue;
    value = (value << 6 | digit) & 0xFFFF;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<std::uint8_t>(value >> bits));
    if (out.size() < piece) continue;
    if (auto status = sink(out); !status) return status;
    out.clear();
  }
  return out.empty() ? Status() : sink(out);
}

}  // namespace

Status decode_body(const Entity& entity, const std::function<Status(View)>& sink) {
  constexpr std::size_t step = 48 * 1024;
  auto input = entity.body;
  const auto encoding = g_mime_content_encoding_from_string(entity.encoding.c_str());
  const bool identity = encoding != GMIME_CONTENT_ENCODING_BASE64 &&
                        encoding != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE &&
                        encoding != GMIME_CONTENT_ENCODING_UUENCODE;
  if (identity || entity.is_multipart()) {
    for (std::size_t at = 0; at < input.size(); at += step)
      if (auto status = sink(input.subspan(at, std::min(step, input.size() - at))); !status) return status;
    return {};
  }
  if (encoding == GMIME_CONTENT_ENCODING_BASE64) return decode_base64(input, sink);
  GMimeEncoding state;
  g_mime_encoding_init_decode(&state, encoding);
  if (encoding == GMIME_CONTENT_ENCODING_UUENCODE) {
    const auto text = as_text(input);
    const auto begin = text.starts_with("begin ") ? 0 : text.find("\nbegin ");
    const auto line_end = begin == text.npos ? text.npos : text.find('\n', begin + 1);
    if (line_end == text.npos) return sink(input.first(std::min(step, input.size())));
    input = input.subspan(line_end + 1);
    state.state |= GMIME_UUDECODE_STATE_BEGIN;
  }
  Bytes output;
  for (std::size_t at = 0; at < input.size(); at += step) {
    const auto piece = input.subspan(at, std::min(step, input.size() - at));
    output.resize(g_mime_encoding_outlen(&state, piece.size()));
    const auto size = g_mime_encoding_step(&state, reinterpret_cast<const char*>(piece.data()), piece.size(),
                                           reinterpret_cast<char*>(output.data()));
    if (size == 0) continue;
    if (auto status = sink(View(output).first(size)); !status) return status;
  }
  output.resize(g_mime_encoding_outlen(&state, 0) + 64);
  const auto size = g_mime_encoding_flush(&state, "", 0, reinterpret_cast<char*>(output.data()));
  return size == 0 ? Status() : sink(View(output).first(size));
}

Bytes decoded_body(const Entity& entity, std::size_t limit) {
  Bytes out;
  const auto status = decode_body(entity, [&](View piece) -> Status {
    piece = piece.first(std::min(piece.size(), limit - out.size()));
    out.insert(out.end(), piece.begin(), piece.end());
    if (out.size() == limit) return error(Errc::limit, "body is cut off");
    return {};
  });
  (void)status;  // only our own limit can end it early
  return out;
}

}  // namespace mapigate::convert
