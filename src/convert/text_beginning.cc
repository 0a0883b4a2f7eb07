#include "convert/text_beginning.h"

#include <algorithm>

#include "convert/header_properties.h"
#include "convert/mime_bodies.h"
#include "convert/mime_message.h"

namespace mapigate::convert {

namespace {

// Where a text ends in the middle, so much may be half a reference of HTML or half a line between parts.
constexpr std::size_t torn = 80;

bool has_tnef(const Entity& entity) {
  return entity.type == "application/ms-tnef" || std::any_of(entity.children.begin(), entity.children.end(), has_tnef);
}

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

// Without what of the last character of quoted-printable there is.
View whole_characters(View bytes) {
  const auto tail = bytes.size() - std::min<std::size_t>(bytes.size(), 2);
  return bytes.first(std::min(as_text(bytes).find('=', tail), bytes.size()));
}

// The part that goes on where the bytes end.
const Entity* last_part(const Entity& root, View bytes) {
  const auto* last = &root;
  while (!last->children.empty()) last = &last->children.back();
  return last->whole.data() + last->whole.size() == bytes.data() + bytes.size() ? last : nullptr;
}

bool is_shown(const Content& content, const Entity* part) {
  return part != nullptr && std::any_of(content.body.begin(), content.body.end(), [part](const Segment& segment) {
    return (segment.plain != nullptr ? segment.plain : segment.html) == part;
  });
}

TextBeginning of_beginning(View bytes, std::size_t characters) {
  bytes = whole_characters(bytes);
  const MimeOptions limits;
  const auto root = parse_structure(bytes, {limits.max_depth, limits.max_parts, limits.max_header_bytes});
  const auto* type = find_field(root.fields, "Content-Type");
  const bool parts_to_come = root.children.empty() && type != nullptr && media_type(type->value).starts_with("multipart/");
  if (root.body.empty() || parts_to_come) return {};
  auto content = sort_parts(root);
  const bool tnef = has_tnef(root);
  // Encrypted, or a file and nothing else.
  const bool no_text = (content.opaque != nullptr && !content.opaque->is_multipart()) || (root.children.empty() && !root.is_text());
  if (no_text && !tnef) return {"", true};
  content.unfinished = last_part(root, bytes);
  const bool goes_on = is_shown(content, content.unfinished);
  auto text = body_text(content, limits.max_body_bytes);
  if (goes_on) {
    const auto there = count_characters(text);
    text = first_characters(std::move(text), there - std::min(there, torn));
  }
  TextBeginning out;
  out.text = first_characters(std::move(text), characters);
  // A text in the TNEF would count more. What follows a text that is complete are files, and further texts.
  const bool complete = !goes_on && !content.body.empty();
  out.certain = !tnef && (complete || count_characters(out.text) == characters);
  return out;
}

}  // namespace

std::string first_characters(std::string text, std::size_t count) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!starts_character(text[i])) continue;
    if (count-- > 0) continue;
    text.resize(i);
    break;
  }
  return text;
}

TextBeginning text_beginning(const ByteSource& bytes, bool whole, std::size_t characters) {
  if (!whole) return of_beginning(bytes.view(), characters);
  const auto message = MimeMessage::parse(bytes);
  if (!message) return {};
  return {first_characters((*message)->text(), characters), true};
}

}  // namespace mapigate::convert
