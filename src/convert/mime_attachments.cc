#include "convert/mime_attachments.h"

#include <algorithm>

#include "base/text.h"
#include "convert/header_properties.h"
#include "wire/property_bag_codec.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::int32_t attRenderedInBody = 4;

struct MediaExtension {
  std::string_view type, extension;
};
constexpr MediaExtension extensions[] = {
    {"text/plain", ".txt"},
    {"text/html", ".htm"},
    {"text/calendar", ".ics"},
    {"text/rfc822-headers", ".txt"},
    {"text/vcard", ".vcf"},
    {"text/x-vcard", ".vcf"},
    {"text/directory", ".vcf"},
    {"text/csv", ".csv"},
    {"text/xml", ".xml"},
    {"text/enriched", ".txt"},
    {"message/rfc822", ".eml"},
    {"message/global", ".eml"},
    {"message/delivery-status", ".txt"},
    {"message/disposition-notification", ".txt"},
    {"image/jpeg", ".jpg"},
    {"image/png", ".png"},
    {"image/gif", ".gif"},
    {"image/bmp", ".bmp"},
    {"image/tiff", ".tif"},
    {"image/svg+xml", ".svg"},
    {"image/webp", ".webp"},
    {"application/pdf", ".pdf"},
    {"application/zip", ".zip"},
    {"application/msword", ".doc"},
    {"application/rtf", ".rtf"},
    {"application/pgp-signature", ".asc"},
    {"application/pgp-encrypted", ".asc"},
    {"application/pgp-keys", ".asc"},
    {"application/pkcs7-signature", ".p7s"},
    {"application/x-pkcs7-signature", ".p7s"},
    {"application/pkcs7-mime", ".p7m"},
    {"application/x-pkcs7-mime", ".p7m"},
    {"application/ms-tnef", ".dat"},
    {"audio/mpeg", ".mp3"},
    {"audio/wav", ".wav"},
    {"video/mp4", ".mp4"},
};

std::string_view extension_for(std::string_view type) {
  for (const auto& entry : extensions)
    if (entry.type == type) return entry.extension;
  return ".dat";
}

bool is_message(const Entity& entity) {
  return entity.type == "message/rfc822" || entity.type == "message/global";
}

std::string subject_of(View message) {
  View header;
  View body;
  split_entity(message, header, body);
  const auto fields = split_header(header);
  const auto* subject = find_field(fields, "Subject");
  return subject == nullptr ? std::string() : decode_header_text(subject->value);
}


constexpr MediaExtension file_types[] = {
    {"application/gzip", "gz"},
    {"application/json", "json"},
    {"application/msword", "doc"},
    {"application/msword", "dot"},
    {"application/pdf", "pdf"},
    {"application/postscript", "ps"},
    {"application/rtf", "rtf"},
    {"application/vnd.ms-excel", "xls"},
    {"application/vnd.ms-excel.sheet.macroenabled.12", "xlsm"},
    {"application/vnd.ms-outlook", "msg"},
    {"application/vnd.ms-powerpoint", "ppt"},
    {"application/vnd.oasis.opendocument.presentation", "odp"},
    {"application/vnd.oasis.opendocument.spreadsheet", "ods"},
    {"application/vnd.oasis.opendocument.text", "odt"},
    {"application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
    {"application/vnd.visio", "vsd"},
    {"application/x-7z-compressed", "7z"},
    {"application/x-tar", "tar"},
    {"application/x-x509-ca-cert", "cer"},
    {"application/x-x509-ca-cert", "crt"},
    {"application/zip", "zip"},
    {"audio/mp4", "m4a"},
    {"audio/mpeg", "mp3"},
    {"audio/ogg", "ogg"},
    {"audio/wav", "wav"},
    {"audio/x-ms-wma", "wma"},
    {"image/bmp", "bmp"},
    {"image/emf", "emf"},
    {"image/gif", "gif"},
    {"image/heic", "heic"},
    {"image/jpeg", "jpeg"},
    {"image/jpeg", "jpg"},
    {"image/png", "png"},
    {"image/svg+xml", "svg"},
    {"image/tiff", "tif"},
    {"image/tiff", "tiff"},
    {"image/webp", "webp"},
    {"image/wmf", "wmf"},
    {"text/calendar", "ics"},
    {"text/css", "css"},
    {"text/csv", "csv"},
    {"text/html", "htm"},
    {"text/html", "html"},
    {"text/markdown", "md"},
    {"text/plain", "log"},
    {"text/plain", "txt"},
    {"text/vcard", "vcf"},
    {"text/xml", "xml"},
    {"video/mp4", "mp4"},
    {"video/mpeg", "mpeg"},
    {"video/mpeg", "mpg"},
    {"video/quicktime", "mov"},
    {"video/webm", "webm"},
    {"video/x-msvideo", "avi"},
};

}  // namespace

// "cid:" links write the id as a URL; ids rarely hold what has to be escaped there.
bool refers_to(std::string_view html, std::string_view content_id, std::string_view location) {
  constexpr std::string_view scheme = "cid:";
  const auto escaped = percent_encode(content_id);
  auto entirely = escaped;
  if (const auto at = entirely.find('@'); at != entirely.npos) entirely.replace(at, 1, "%40");
  if (!content_id.empty()) {
    for (auto at = html.find(scheme); at != html.npos; at = html.find(scheme, at + 1)) {
      const auto id = html.substr(at + scheme.size());
      if (id.starts_with(content_id) || id.starts_with(escaped) || id.starts_with(entirely)) return true;
    }
  }
  return !location.empty() && html.find("\"" + std::string(location) + "\"") != html.npos;
}

std::string_view media_type_of_file(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == name.npos) return {};
  const auto extension = lower_ascii(name.substr(dot + 1));
  for (const auto& entry : file_types)
    if (entry.extension == extension) return entry.type;
  return {};
}

bool in_part(PropertyTag tag) {
  constexpr PropertyTag told[] = {PidTagAttachNumber,       PidTagAttachMethod,   PidTagAttachSize,      PidTagAttachDataBinary,
                                  PidTagAttachLongFilename, PidTagAttachFilename, PidTagAttachExtension, PidTagAttachMimeTag,
                                  PidTagAttachContentId,    PidTagAttachFlags,    PidTagAttachEncoding,  PidTagCreationTime,
                                  PidTagLastModificationTime, PidTagObjectType,   PidTagAccessLevel,     PidTagRecordKey};
  return std::any_of(std::begin(told), std::end(told), [&](auto one) { return one.id() == tag.id(); });
}

std::string safe_file_name(std::string_view name) {
  if (const auto slash = name.find_last_of("/\\"); slash != name.npos) name.remove_prefix(slash + 1);
  std::string out;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) continue;
    out += std::string_view("<>:\"|?*").find(c) == std::string_view::npos ? c : '_';
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '.')) out.pop_back();
  if (out.size() > 250) {
    const auto dot = out.rfind('.');
    const auto extension = dot == out.npos || out.size() - dot > 16 ? std::string() : out.substr(dot);
    out = std::string(utf8_prefix(out, 250 - extension.size())) + extension;
  }
  return std::string(trim(out));
}

std::string short_file_name(std::string_view name) {
  const auto clean = [](std::string_view part) {
    std::string out;
    for (const char c : part) {
      if (c == ' ' || c == '.') continue;
      const bool plain = static_cast<unsigned char>(c) < 0x80 &&
                         std::string_view("+,;=[]").find(c) == std::string_view::npos;
      out += plain ? c : '_';
    }
    return out;
  };
  const auto dot = name.rfind('.');
  auto stem = clean(dot == name.npos || dot == 0 ? name : name.substr(0, dot));
  const auto extension =
      dot == name.npos || dot == 0 ? std::string() : clean(name.substr(dot + 1)).substr(0, 3);
  if (stem.size() > 8) stem = stem.substr(0, 6) + "~1";
  return extension.empty() ? stem : stem + "." + extension;
}

Status read_part(const Entity& entity, bool opaque, const std::function<Status(View)>& sink) {
  if (opaque && entity.is_multipart()) {
    for (const auto name : {std::string_view("MIME-Version"), std::string_view("Content-Type")}) {
      const auto* field = find_field(entity.fields, name);
      if (field == nullptr) continue;
      const auto text = std::string(field->name) + ":" + std::string(as_text(field->value)) + "\r\n";
      if (auto status = sink(as_view(text)); !status) return status;
    }
    if (auto status = sink(as_view("\r\n")); !status) return status;
  }
  return decode_body(entity, sink);
}

Attachment make_attachment(const AttachedPart& part, bool opaque, std::size_t number,
                           const AttachmentContext& context) {
  const auto& entity = *part.entity;
  Attachment out;
  auto& bag = out.properties;
  out.kind = is_message(entity) && !opaque && context.may_embed ? Attachment::Kind::embedded
                                                                : Attachment::Kind::data;
  std::size_t size = 0;
  Bytes head;  // enough of an encoded message to find its subject
  const auto status = read_part(entity, opaque, [&](View piece) -> Status {
    size += piece.size();
    if (out.kind == Attachment::Kind::embedded && head.size() < 65536)
      head.insert(head.end(), piece.begin(), piece.end());
    return {};
  });
  (void)status;  // the sink above never fails

  // [MS-OXCMAIL] 2.2.3.4.1.1: the name that people see, and the file's for lack of another.
  const auto field_text = [&](std::string_view field_name) {
    const auto* field = find_field(entity.fields, field_name);
    return field == nullptr || opaque ? std::string() : decode_header_text(field->value);
  };
  const auto description = field_text("Content-Description");
  auto name = opaque ? std::string("smime.p7m") : safe_file_name(entity.filename);
  if (name.empty() && out.kind == Attachment::Kind::data) name = safe_file_name(description);
  auto display = description.empty() ? name : description;
  if (out.kind == Attachment::Kind::embedded) {
    if (auto subject = subject_of(head); description.empty() || !subject.empty()) display = std::move(subject);
    if (name.empty() && !display.empty()) name = safe_file_name(display + ".eml");
  }
  if (name.empty()) {
    auto digits = std::to_string(number + 1);
    if (digits.size() < 5) digits.insert(0, 5 - digits.size(), '0');
    name = "ATT" + digits + std::string(extension_for(entity.type));
  }
  if (display.empty()) display = name;
  const auto dot = name.rfind('.');

  bag.set_integer(PidTagAttachNumber, static_cast<std::int32_t>(number));
  bag.set_integer(PidTagAttachMethod, out.kind == Attachment::Kind::embedded ? afEmbeddedMessage : afByValue);
  bag.set_integer(PidTagRenderingPosition, -1);
  bag.set_string(PidTagDisplayName, display);
  bag.set_string(PidTagAttachLongFilename, name);
  bag.set_string(PidTagAttachFilename, short_file_name(name));
  bag.set_string(PidTagAttachExtension,
                 dot == name.npos ? std::string_view() : std::string_view(name).substr(dot));
  bag.set_string(PidTagAttachMimeTag, entity.type);
  bag.set_integer(PidTagAttachSize, static_cast<std::int32_t>(std::min<std::size_t>(size, 0x7FFFFFFF)));
  bag.set_binary(PidTagAttachEncoding, {});
  if (context.time.ticks != 0) {
    bag.set_time(PidTagCreationTime, context.time);
    bag.set_time(PidTagLastModificationTime, context.time);
  }
  // RFC 2183 2.4 and 2.5: those of the file.
  if (const auto* field = find_field(entity.fields, "Content-Disposition"); field != nullptr && !opaque)
    for (const auto& [tag, what] : {std::pair(PidTagCreationTime, "creation-date"), std::pair(PidTagLastModificationTime, "modification-date")}) {
      const auto text = parameter(field->value, what);
      if (const auto when = text.empty() ? std::nullopt : parse_date(as_view(text))) bag.set_time(tag, *when);
    }
  if (!entity.content_id.empty()) bag.set_string(PidTagAttachContentId, entity.content_id);
  std::string location;
  if (const auto* field = find_field(entity.fields, "Content-Location"))
    location = decode_header_text(field->value);
  if (!location.empty()) bag.set_string(PidTagAttachContentLocation, location);
  if (const auto* field = find_field(entity.fields, "Content-Base"))
    bag.set_string(PidTagAttachContentBase, decode_header_text(field->value));
  // 2.2.3.4.1: which software shows it.
  for (const auto& [tag, field_name] : {std::pair(PidTagAttachPayloadClass, "X-Payload-Class"),
                                        std::pair(PidTagAttachPayloadProviderGuidString, "X-Payload-Provider-Guid")})
    if (const auto text = field_text(field_name); !text.empty()) bag.set_string(tag, text);
  if (entity.is_text()) {
    if (const auto charset = entity.parameter("charset"); !charset.empty())
      bag.set_string(PidTagTextAttachmentCharset, charset);
  }
  const bool inline_image = !opaque && out.kind == Attachment::Kind::data &&
                            entity.disposition != "attachment" && refers_to(context.html, entity.content_id, location);
  // Some senders mark the pictures of their HTML as attachments; within multipart/related they are none.
  const bool rendered = inline_image || (!opaque && part.related && refers_to(context.html, entity.content_id, location));
  bag.set_integer(PidTagAttachFlags, rendered ? attRenderedInBody : 0);
  bag.set_boolean(PidTagAttachmentHidden, rendered || (part.alternative && entity.type != "text/calendar"));
  bag.set_integer(PidTagAttachmentLinkId, 0);
  bag.set_integer(PidTagAttachmentFlags, 0);
  if (const auto* field = find_field(entity.fields, kept_properties_field)) {
    Bytes bytes;
    const bool readable = from_base64(as_text(field->value), bytes);
    auto kept = wire::parse_property_bag(bytes);
    if (readable && kept) {
      for (const auto& [tag, value] : *kept)
        if (!in_part(tag) && !tag.named()) bag.set(tag, value);
    }
  }
  return out;
}

}  // namespace mapigate::convert
