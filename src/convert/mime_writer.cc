#include "convert/mime_writer.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/html_text.h"
#include "convert/mime_attachments.h"
#include "convert/mime_meeting_writer.h"
#include "convert/mime_report_writer.h"
#include "convert/mime_structure.h"
#include "convert/mime_tnef_writer.h"
#include "convert/mime_writer_parts.h"
#include "convert/rtf.h"
#include "convert/vcard.h"
#include "wire/property_bag_codec.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::size_t base64_line = 57;  // bytes in 76 columns
constexpr std::size_t longest_line = 998;
constexpr unsigned max_depth = 20;

class Writer {
 public:
  Writer(Spool& spool, const MimeWriteOptions& options) : spool_(spool), options_(options) {}
  Status message(MessageData& message, unsigned depth);

 private:
  struct Bodies : TextBodies {
    std::optional<MeetingPart> meeting{};
    bool is_choice() const { return has_html || meeting; }
  };
  Status put(std::string_view text) { return spool_.append(as_view(text)); }
  Status body(const Bodies& bodies);
  Status report(MessageData& message, const ReportPart& part, unsigned depth);
  Status rich(MessageData& message, View tnef);
  Status related(const Bodies& bodies, std::vector<MessageData::Attachment*> shown, unsigned depth);
  Status text_part(std::string_view subtype, const std::string& text);
  Status calendar_part(const MeetingPart& meeting);
  Status attachment(MessageData::Attachment& attachment, bool shown, unsigned depth);
  Status vcard(const MessageData& contact);
  Status base64(View bytes);
  Status secured(const MessageData::Attachment& attachment);
  Status lines(View bytes);

  Spool& spool_;
  const MimeWriteOptions& options_;
};

std::string crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') continue;
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n' || text[i] == '\r') out += "\r\n";
    else out += text[i];
  }
  if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
  return out;
}

bool fits_7bit(std::string_view text) {
  std::size_t line = 0;
  for (const char c : text) {
    line = c == '\n' ? 0 : line + 1;
    if (static_cast<unsigned char>(c) >= 0x80 || line > longest_line) return false;
  }
  return !text.starts_with("From ") && text.find("\nFrom ") == text.npos;
}

// RFC 2045 6.7.
std::string quoted_printable(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
      out += "\r\n";
      column = 0;
      ++i;
      continue;
    }
    const bool before_end = i + 1 == text.size() || text[i + 1] == '\r';
    const bool as_is = (c > 0x20 && c < 0x7F && c != '=') || ((c == ' ' || c == '\t') && !before_end);
    const bool from = column == 0 && text.substr(i).starts_with("From ");
    const auto width = as_is && !from ? 1u : 3u;
    if (column + width > 75) {
      out += "=\r\n";
      column = 0;
    }
    if (width == 1) {
      out += static_cast<char>(c);
    } else {
      out += '=';
      out += digits[c >> 4];
      out += digits[c & 15];
    }
    column += width;
  }
  return out;
}

std::string clean_type(std::string_view type) {
  const auto ok = [](char c) { return (c > 0x20 && c < 0x7F && std::string_view("()<>@,;:\\\"[]?=").find(c) == std::string_view::npos); };
  const auto lower = lower_ascii(trim(type));
  if (lower.empty() || lower.find('/') == lower.npos || !std::all_of(lower.begin(), lower.end(), ok)) return {};
  // Of these only the identity encoding is allowed, which binary content may break.
  if (lower.starts_with("message/") || lower.starts_with("multipart/")) return {};
  // The data is no longer in these forms ([MS-OXCMAIL] 2.1.3.4.2.2).
  if (lower == "application/applefile" || lower == "application/mac-binhex40") return "application/octet-stream";
  return lower;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + "\"";
}

// Row T2: Outlook reads RFC 2047 words in a parameter and not RFC 2231 alone; others only the latter.
std::string name_parameter(std::string_view parameter, std::string_view name) {
  if (is_ascii(as_view(name))) return fmt::format(";\r\n {}={}", parameter, quoted(name));
  std::string words = encode_header(name, 60);
  for (auto at = words.find("\r\n "); at != words.npos; at = words.find("\r\n ", at)) words.replace(at, 3, " ");
  auto out = fmt::format(";\r\n {}=\"{}\"", parameter, words);
  if (parameter == "filename") out += fmt::format(";\r\n filename*=utf-8''{}", percent_encode(name));
  return out;
}

bool is_url(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// What the client said of the text, else what its first bytes look like; nothing where that is doubtful.
std::string charset_parameter(const MessageData::Attachment& attachment) {
  constexpr std::size_t enough = std::size_t{1} << 20;
  if (const auto named = attachment.properties.string(PidTagTextAttachmentCharset); code_page_of(named) != 0)
    return "; charset=" + lower_ascii(trim(named));
  const auto bytes = attachment.data.view();
  if (bytes.size() > enough) return {};
  if (is_ascii(bytes)) return "; charset=us-ascii";
  return is_utf8(bytes) ? "; charset=utf-8" : std::string();
}

// [MS-OXCMAIL] 2.1.3.3.5 and 2.1.3.4.1.2: what the HTML does not refer to is a file like others, whatever its flags say.
bool is_shown(const MessageData::Attachment& attachment, std::string_view html) {
  const auto& bag = attachment.properties;
  const auto id = bag.string(PidTagAttachContentId);
  return !attachment.embedded && refers_to(html, trim(id), bag.string(PidTagAttachContentLocation));
}

// Whether reading the part gives the value anyway.
bool is_usual(const MessageData::Attachment& attachment, PropertyTag tag, const Value& value, std::string_view name, bool shown) {
  const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
  if (is(PidTagRenderingPosition)) return number_of(value) == -1;
  if (is(PidTagAttachmentHidden)) return (number_of(value) != 0) == shown;
  if (is(PidTagAttachmentLinkId) || is(PidTagAttachmentFlags)) return number_of(value) == 0;
  if (!is(PidTagDisplayName)) return false;
  const auto text = text_of(value);
  return text == name || (attachment.embedded && text == attachment.embedded->properties.string(PidTagSubject));
}

// The field of what the part does not tell; empty when there is nothing.
std::string kept_properties(const MessageData::Attachment& attachment, std::string_view name, bool shown) {
  constexpr std::size_t most = 100'000, columns = 72;
  PropertyBag kept;
  for (const auto& [tag, value] : attachment.properties)
    if (!in_part(tag) && !tag.named() && !is_usual(attachment, tag, value, name, shown)) kept.set(tag, value);
  if (kept.empty()) return {};
  const auto text = to_base64(wire::serialize(kept));
  if (text.size() > most) return {};
  std::string out = std::string(kept_properties_field) + ": ";
  for (std::size_t at = 0; at < text.size(); at += columns) {
    if (at > 0) out += "\r\n ";
    out += text.substr(at, columns);
  }
  out += "\r\n";
  return out;
}

// The attachment of a clear-signed message: multipart/signed with its Content-Type field ([MS-OXOSMIME] 2.1). Other
// multiparts are taken as they are: PGP/MIME travels this way, too.
bool is_signed_entity(const MessageData::Attachment& attachment, View& header, View& body) {
  split_entity(attachment.data.view(), header, body);
  const auto fields = split_header(header);
  const auto* type = find_field(fields, "Content-Type");
  return type != nullptr && media_type(type->value).starts_with("multipart/") && !parameter(type->value, "boundary").empty();
}

// RFC 8551 3.2.2, by the content type that a CMS object begins with (RFC 5652 4); empty for others.
std::string_view cms_type(View bytes) {
  constexpr std::array<std::uint8_t, 10> pkcs7{0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07};
  const auto head = bytes.first(std::min<std::size_t>(bytes.size(), 24));
  const auto at = std::search(head.begin(), head.end(), pkcs7.begin(), pkcs7.end());
  const auto left = static_cast<std::size_t>(head.end() - at);
  if (left <= pkcs7.size()) return {};
  const auto kind = at[pkcs7.size()];
  return kind == 2 ? "signed-data" : kind == 3 ? "enveloped-data" : std::string_view();
}

// Byte for byte, so that signatures in it hold; where the transport would not change it, and neither a Bcc is told nor what was
// written for the store alone.
bool goes_as_it_came(const MessageData& message, const MimeWriteOptions& options) {
  const auto bytes = message.original.view();
  if (bytes.empty() || !is_ascii(bytes) || std::find(bytes.begin(), bytes.end(), 0) != bytes.end()) return false;
  std::size_t line = 0;
  for (const auto c : bytes) {
    line = c == '\n' ? 0 : line + 1;
    if (line > longest_line) return false;
  }
  View header, body;
  split_entity(bytes, header, body);
  if (!options.bcc && find_field(split_header(header), "Bcc") != nullptr) return false;
  if (!options.attachment_properties && as_text(bytes).find(kept_properties_field) != std::string_view::npos) return false;
  return message.is_original();
}

}  // namespace

// Signed or encrypted by the client ([MS-OXCMAIL] 2.1.3.2 "Message Class"): its class says so, and its only attachment is all of it.
bool is_secured(const MessageData& message) {
  const auto name = lower_ascii(message.properties.string(PidTagMessageClass));
  const bool is_signed = name.ends_with(".smime.multipartsigned");
  if (!name.starts_with("ipm.") || (!is_signed && !name.ends_with(".smime"))) return false;
  if (message.attachments.size() != 1 || message.attachments[0].embedded || message.attachments[0].data.size() == 0) return false;
  View header, body;
  return !is_signed || is_signed_entity(message.attachments[0], header, body);
}

TextBodies bodies_of(const PropertyBag& bag) {
  TextBodies out;
  Arena arena;
  const auto html = bag.binary(PidTagHtml);
  if (!html.empty()) {
    const auto page = static_cast<unsigned>(bag.number(PidTagInternetCodepage));
    if (page == 65001 || (page == 0 && is_utf8(html))) out.html = as_text(html);
    else out.html = from_code_page(as_text(html), page == 0 ? 1252 : page);
    out.has_html = true;
  } else if (const auto compressed = bag.binary(PidTagRtfCompressed); !compressed.empty()) {
    if (auto rtf = decompress_rtf(compressed)) {
      if (auto inside = rtf_to_html(*rtf)) {
        out.html = std::move(*inside);
        out.has_html = true;
      } else if (rtf_content(*rtf) == RtfContent::rtf) {
        // Readers outside of Outlook do not know RTF ([MS-OXCMAIL] 2.1.3.3).
        out.html = rtf_to_markup(*rtf);
        out.has_html = true;
      }
    }
  }
  if (bag.contains(PidTagBody)) out.text = bag.string(PidTagBody);
  else if (const auto text = body_of(bag, PidTagBody, arena)) out.text = text_of(*text);
  out.text = crlf(out.text);
  out.html = crlf(out.html);
  return out;
}

Status Writer::text_part(std::string_view subtype, const std::string& text) {
  const auto high = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }));
  const auto head = [&](std::string_view encoding) {
    return fmt::format("Content-Type: text/{}; charset={}\r\nContent-Transfer-Encoding: {}\r\n\r\n", subtype,
                       high == 0 ? "us-ascii" : "utf-8", encoding);
  };
  if (fits_7bit(text)) return put(head("7bit") + text);
  if (high * 4 < text.size()) return put(head("quoted-printable") + quoted_printable(text) + (text.ends_with("\r\n") ? "" : "\r\n"));
  if (auto done = put(head("base64")); !done) return done;
  return base64(as_view(text));
}

// RFC 6047 2.4: the method stands in both places.
Status Writer::calendar_part(const MeetingPart& meeting) {
  const auto head = [&](std::string_view encoding) {
    return fmt::format("Content-Type: text/calendar; charset=utf-8; method={}\r\nContent-Transfer-Encoding: {}\r\n\r\n", meeting.method, encoding);
  };
  if (fits_7bit(meeting.calendar)) return put(head("7bit") + meeting.calendar);
  if (auto done = put(head("base64")); !done) return done;
  return base64(as_view(meeting.calendar));
}

Status Writer::base64(View bytes) {
  constexpr auto piece = base64_line * 512;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto part = bytes.subspan(at, std::min(piece, bytes.size() - at));
    std::string out;
    for (std::size_t i = 0; i < part.size(); i += base64_line)
      out += to_base64(part.subspan(i, std::min(base64_line, part.size() - i))) + "\r\n";
    if (auto done = put(out); !done) return done;
  }
  return {};
}

Status Writer::body(const Bodies& bodies) {
  if (!bodies.is_choice()) return text_part("plain", bodies.text);
  const auto boundary = make_boundary();
  if (auto done = put(fmt::format("Content-Type: multipart/alternative; boundary=\"{0}\"\r\n\r\n--{0}\r\n", boundary)); !done) return done;
  if (auto done = text_part("plain", bodies.text); !done) return done;
  if (bodies.has_html) {
    if (auto done = put("\r\n--" + boundary + "\r\n"); !done) return done;
    // Declared in UTF-8 by the part; what the document says of itself would contradict it.
    if (auto done = text_part("html", bodies.html); !done) return done;
  }
  if (bodies.meeting) {
    if (auto done = put("\r\n--" + boundary + "\r\n"); !done) return done;
    if (auto done = calendar_part(*bodies.meeting); !done) return done;
  }
  return put("\r\n--" + boundary + "--\r\n");
}

Status Writer::related(const Bodies& bodies, std::vector<MessageData::Attachment*> shown, unsigned depth) {
  if (shown.empty()) return body(bodies);
  const auto boundary = make_boundary();
  const auto* type = bodies.is_choice() ? "multipart/alternative" : "text/plain";
  if (auto done = put(fmt::format("Content-Type: multipart/related; type=\"{1}\"; boundary=\"{0}\"\r\n\r\n--{0}\r\n", boundary, type)); !done)
    return done;
  if (auto done = body(bodies); !done) return done;
  for (auto* one : shown) {
    if (auto done = put("\r\n--" + boundary + "\r\n"); !done) return done;
    if (auto done = attachment(*one, true, depth); !done) return done;
  }
  return put("\r\n--" + boundary + "--\r\n");
}

Status Writer::attachment(MessageData::Attachment& attachment, bool shown, unsigned depth) {
  const auto& bag = attachment.properties;
  auto name = bag.string(PidTagAttachLongFilename);
  if (name.empty()) name = bag.string(PidTagAttachFilename);
  if (name.empty() && !attachment.embedded) name = bag.string(PidTagDisplayName);
  name = safe_file_name(name);
  const auto kept = options_.attachment_properties ? kept_properties(attachment, name, shown) : std::string();
  if (attachment.embedded && !options_.bcc && is_contact(*attachment.embedded)) return vcard(*attachment.embedded);
  if (attachment.embedded) {
    if (auto done = put("Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n" + kept + "\r\n"); !done) return done;
    if (goes_as_it_came(*attachment.embedded, options_)) return lines(attachment.embedded->original.view());
    return message(*attachment.embedded, depth + 1);
  }
  auto type = clean_type(bag.string(PidTagAttachMimeTag));
  if (type.empty()) type = media_type_of_file(name);
  if (type.empty()) type = "application/octet-stream";
  std::string head = "Content-Type: " + type;
  if (type.starts_with("text/")) head += charset_parameter(attachment);
  if (!name.empty()) head += name_parameter("name", name);
  head += "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: ";
  head += shown ? "inline" : "attachment";
  if (!name.empty()) head += name_parameter("filename", name);
  for (const auto& [tag, what] : {std::pair(PidTagCreationTime, "creation-date"), std::pair(PidTagLastModificationTime, "modification-date")})
    if (const auto time = bag.time(tag); time.ticks != 0) head += fmt::format(";\r\n {}=\"{}\"", what, format_date(time));
  head += "\r\n";
  // On one line however long it is: row T2.
  if (auto id = bag.string(PidTagAttachContentId); !id.empty() && id.size() < 900 && is_ascii(as_view(id))) {
    std::erase_if(id, [](char c) { return c <= 0x20 || c == '<' || c == '>'; });
    head += "Content-ID: <" + id + ">\r\n";
  }
  if (const auto location = bag.string(PidTagAttachContentLocation); !location.empty() && location.size() < 900 && is_url(location))
    head += "Content-Location: " + location + "\r\n";
  if (const auto base = bag.string(PidTagAttachContentBase); base.find(':') != base.npos && base.size() < 900 && is_url(base))
    head += "Content-Base: " + base + "\r\n";
  if (const auto display = words(bag.string(PidTagDisplayName)); display != name && display.size() < 900) put_text(head, "Content-Description", display);
  for (const auto& [tag, field] : {std::pair(PidTagAttachPayloadClass, "X-Payload-Class"),
                                   std::pair(PidTagAttachPayloadProviderGuidString, "X-Payload-Provider-Guid")})
    if (const auto text = words(bag.string(tag)); text.size() < 900) put_text(head, field, text);
  if (auto done = put(head + kept + "\r\n"); !done) return done;
  return base64(attachment.data.view());
}

// [MS-OXCMAIL] 2.1.3.4.6: of a contact as an object of its own nobody outside sees more than the subject.
Status Writer::vcard(const MessageData& contact) {
  auto name = safe_file_name(subject_of(contact.properties));
  if (name.empty()) name = safe_file_name(contact.properties.string(PidTagDisplayName));
  name = (name.empty() ? "contact" : name) + ".vcf";
  std::string head = "Content-Type: text/directory; profile=vCard; charset=utf-8" + name_parameter("name", name);
  head += "\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Disposition: attachment" + name_parameter("filename", name) + "\r\n\r\n";
  if (auto done = put(head); !done) return done;
  return put(quoted_printable(write_vcard(contact, options_.names)));
}

// What a clear-signed message holds is its signature's: only line ends are made those of the Internet, which is what
// was signed anyway.
Status Writer::lines(View bytes) {
  constexpr std::size_t piece = 64 * 1024;
  const auto text = as_text(bytes);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
    if (out.size() < piece) continue;
    if (auto done = put(out); !done) return done;
    out.clear();
  }
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
  return put(out);
}

// [MS-OXOSMIME] 2.1: the attachment is the message, as a MIME entity of its own or as a CMS object.
Status Writer::secured(const MessageData::Attachment& attachment) {
  View header, body;
  if (is_signed_entity(attachment, header, body)) {
    std::string fields;
    for (const auto& field : split_header(header))
      if (lower_ascii(field.name).starts_with("content-")) fields += std::string(field.name) + ":" + std::string(as_text(field.value)) + "\r\n";
    if (auto done = lines(as_view(fields)); !done) return done;
    if (auto done = put("\r\n"); !done) return done;
    return lines(body);
  }
  auto name = safe_file_name(attachment.properties.string(PidTagAttachLongFilename));
  if (!lower_ascii(name).ends_with(".p7m")) name = "smime.p7m";
  std::string head = "Content-Type: application/pkcs7-mime";
  if (const auto kind = cms_type(attachment.data.view()); !kind.empty()) head += fmt::format("; smime-type={}", kind);
  head += name_parameter("name", name) + "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment";
  head += name_parameter("filename", name) + "\r\n\r\n";
  if (auto done = put(head); !done) return done;
  return base64(attachment.data.view());
}

// RFC 6522: what people read, what machines read, and what came back of the message that it is about.
Status Writer::report(MessageData& message, const ReportPart& part, unsigned depth) {
  Bodies bodies{bodies_of(message.properties), {}};
  const bool says_nothing = bodies.text.empty() && !bodies.has_html;
  if (says_nothing && !options_.attachment_properties) bodies.text = crlf(part.text);  // in the store it stays as it is
  std::vector<MessageData::Attachment*> shown, others;
  for (auto& one : message.attachments)
    if (bodies.has_html && is_shown(one, bodies.html)) shown.push_back(&one);
  for (const bool messages : {true, false})
    for (auto& one : message.attachments)
      if ((one.embedded != nullptr) == messages && std::find(shown.begin(), shown.end(), &one) == shown.end()) others.push_back(&one);
  std::uint32_t number = 0;
  for (auto* list : {&shown, &others})
    for (auto* one : *list) one->part = number++;
  const auto boundary = make_boundary();
  if (auto done = put(fmt::format("Content-Type: multipart/report; report-type={1};\r\n boundary=\"{0}\"\r\n\r\n--{0}\r\n", boundary, part.type)); !done)
    return done;
  if (auto done = related(bodies, std::move(shown), depth); !done) return done;
  if (auto done = put(fmt::format("\r\n--{}\r\nContent-Type: message/{}\r\n\r\n{}", boundary, part.type, part.fields)); !done) return done;
  for (auto* one : others) {
    if (auto done = put("\r\n--" + boundary + "\r\n"); !done) return done;
    if (auto done = attachment(*one, false, depth); !done) return done;
  }
  return put("\r\n--" + boundary + "--\r\n");
}

// The text for everybody, and the message for those who know the format.
Status Writer::rich(MessageData& message, View tnef) {
  const auto boundary = make_boundary();
  auto head = fmt::format("X-MS-TNEF-Correlator: {}\r\n", message.properties.string(PidTagInternetMessageId));
  head += fmt::format("Content-Type: multipart/mixed; boundary=\"{0}\"\r\n\r\n--{0}\r\n", boundary);
  if (auto done = put(head); !done) return done;
  if (auto done = text_part("plain", bodies_of(message.properties).text); !done) return done;
  head = fmt::format("\r\n--{}\r\nContent-Type: application/ms-tnef; name=\"winmail.dat\"\r\nContent-Transfer-Encoding: base64\r\n", boundary);
  head += "Content-Disposition: attachment; filename=\"winmail.dat\"\r\n\r\n";
  if (auto done = put(head); !done) return done;
  if (auto done = base64(tnef); !done) return done;
  return put("\r\n--" + boundary + "--\r\n");
}

Status Writer::message(MessageData& message, unsigned depth) {
  if (depth > max_depth) return error(Errc::limit, "messages within messages");
  if (auto done = put(write_header(message, options_)); !done) return done;
  if (is_secured(message)) {
    message.attachments[0].part = 0;
    return secured(message.attachments[0]);
  }
  if (const auto part = report_part(message, options_)) return report(message, *part, depth);
  if (options_.tnef && depth == 0)
    if (const auto tnef = tnef_of(message, options_, message.properties.string(PidTagInternetMessageId))) return rich(message, *tnef);
  Bodies bodies{bodies_of(message.properties), {}};
  bodies.meeting = meeting_part(message, options_, bodies);
  std::vector<MessageData::Attachment*> shown, others, told;
  if (bodies.meeting)
    for (const auto at : bodies.meeting->instances) told.push_back(&message.attachments[at]);
  for (auto& one : message.attachments)
    if (std::find(told.begin(), told.end(), &one) == told.end()) (bodies.has_html && is_shown(one, bodies.html) ? shown : others).push_back(&one);
  std::uint32_t part = 0;
  for (auto* list : {&shown, &others, &told})
    for (auto* one : *list) one->part = part++;
  if (others.empty()) return related(bodies, std::move(shown), depth);
  const auto boundary = make_boundary();
  if (auto done = put(fmt::format("Content-Type: multipart/mixed; boundary=\"{0}\"\r\n\r\n--{0}\r\n", boundary)); !done) return done;
  if (auto done = related(bodies, std::move(shown), depth); !done) return done;
  for (auto* one : others) {
    if (auto done = put("\r\n--" + boundary + "\r\n"); !done) return done;
    if (auto done = attachment(*one, false, depth); !done) return done;
  }
  return put("\r\n--" + boundary + "--\r\n");
}

Result<ByteSource> write_mime(MessageData& message, const MimeWriteOptions& options) {
  Spool spool(options.memory_limit, options.folder);
  Writer writer(spool, options);
  if (auto done = writer.message(message, 0); !done) return done.error();
  return std::move(spool).finish();
}

std::string write_non_delivery(const NonDelivery& report) {
  const auto boundary = make_boundary();
  const auto host = report.host;
  std::string out = fmt::format("From: Mail Delivery System <postmaster@{}>\r\nTo: {}\r\n", host, encode_address(report.to, 4));
  out += fmt::format("Subject: {}\r\n", encode_header("Undeliverable: " + report.subject, 9));
  out += fmt::format("Date: {}\r\nMessage-ID: {}\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n", format_date(now()),
                     report.message_id.empty() ? make_message_id(host) : report.message_id);
  out += fmt::format("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{0}\"\r\n\r\n--{0}\r\n", boundary);
  std::string text = "Your message could not be delivered to:\r\n";
  for (const auto& one : report.recipients) text += fmt::format("\r\n  {}\r\n    {}\r\n", one.address, one.text);
  out += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted_printable(text);
  out += fmt::format("\r\n--{}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {}\r\nArrival-Date: {}\r\n", boundary,
                     host, format_date(report.submitted));
  for (const auto& one : report.recipients) {
    std::string words = one.text;
    std::replace_if(words.begin(), words.end(), [](char c) { return c < 0x20 || c == 0x7F; }, ' ');
    out += fmt::format("\r\nFinal-Recipient: rfc822; {}\r\nAction: failed\r\nStatus: {}\r\nDiagnostic-Code: smtp; {}\r\n", one.address,
                       one.status.empty() ? "5.0.0" : one.status, words);
  }
  out += fmt::format("\r\n--{}\r\nContent-Type: text/rfc822-headers\r\n\r\n", boundary);
  out += as_text(report.header);
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out + "\r\n--" + boundary + "--\r\n";
}

}  // namespace mapigate::convert
