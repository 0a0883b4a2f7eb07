#include "convert/mime_message.h"

#include <algorithm>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/header_properties.h"
#include "convert/html_text.h"
#include "convert/mime_attachments.h"
#include "convert/mime_bodies.h"
#include "convert/rtf.h"

namespace mapigate::convert {

using namespace mapi;

struct MimeMessage::Impl {
  ByteSource source;
  MimeOptions options;
  Entity root;
  Content content;
  PropertyBag properties;
  std::vector<Recipient> recipients;
  std::vector<std::pair<PropertyName, std::string>> internet_headers;
  std::vector<std::string> keywords;
  std::vector<Attachment> attachments;
  unsigned code_page = 65001;

  void fill();
  void fill_header();
  void fill_internet_headers();
  std::string message_class() const;
};

namespace {

constexpr std::size_t max_transport_headers = 256 * 1024, max_internet_headers = 500;

const Entity* find_part(const Entity& entity, std::string_view type) {
  if (entity.type == type) return &entity;
  for (const auto& child : entity.children)
    if (const auto* found = find_part(child, type)) return found;
  return nullptr;
}

// The value of a "Name: value" line in the body of a delivery status or a calendar, in lower case.
std::string line_value(const Entity& entity, std::string_view name) {
  const auto body = decoded_body(entity, 64 * 1024);
  const auto text = lower_ascii(as_text(body));
  const auto key = "\n" + std::string(name) + ":";
  const auto padded = "\n" + text;
  const auto at = padded.find(key);
  if (at == padded.npos) return {};
  const auto begin = at + key.size();
  return std::string(trim(
      std::string_view(padded).substr(begin, std::min(padded.find('\n', begin), padded.size()) - begin)));
}

std::string report_class(const Entity& root) {
  if (const auto* status = find_part(root, "message/delivery-status")) {
    const auto action = line_value(*status, "action");
    if (action.starts_with("delivered")) return "REPORT.IPM.Note.DR";
    if (action.starts_with("delayed")) return "REPORT.IPM.Note.Delayed";
    if (action.starts_with("relayed")) return "REPORT.IPM.Note.Relayed";
    if (action.starts_with("expanded")) return "REPORT.IPM.Note.Expanded";
    return "REPORT.IPM.Note.NDR";
  }
  if (const auto* notification = find_part(root, "message/disposition-notification")) {
    const auto disposition = line_value(*notification, "disposition");
    const auto what =
        std::string(trim(disposition.substr(std::min(disposition.find(';') + 1, disposition.size()))));
    return what.starts_with("deleted") ? "REPORT.IPM.Note.IPNNRN" : "REPORT.IPM.Note.IPNRN";
  }
  return {};
}

// [MS-OXCICAL] 2.1.3.1.1.1 "Property: METHOD".
std::string meeting_class(const Entity& calendar) {
  auto method = lower_ascii(calendar.parameter("method"));
  if (method.empty()) method = line_value(calendar, "method");
  if (method == "request") return "IPM.Schedule.Meeting.Request";
  if (method == "cancel") return "IPM.Schedule.Meeting.Canceled";
  if (method == "counter") return "IPM.Schedule.Meeting.Resp.Tent";
  if (method != "reply") return {};
  const auto body = lower_ascii(as_text(decoded_body(calendar, 64 * 1024)));
  if (body.find("partstat=declined") != body.npos) return "IPM.Schedule.Meeting.Resp.Neg";
  if (body.find("partstat=tentative") != body.npos) return "IPM.Schedule.Meeting.Resp.Tent";
  return "IPM.Schedule.Meeting.Resp.Pos";
}

}  // namespace

std::string MimeMessage::Impl::message_class() const {
  if (content.opaque != nullptr)
    return content.opaque->is_multipart() ? "IPM.Note.SMIME.MultipartSigned" : "IPM.Note.SMIME";
  if (root.type == "multipart/report") {
    if (auto report = report_class(root); !report.empty()) return report;
  }
  if (content.calendar != nullptr) {
    if (auto meeting = meeting_class(*content.calendar); !meeting.empty()) return meeting;
  }
  return "IPM.Note";
}

void MimeMessage::Impl::fill_header() {
  add_header_properties(properties, root.fields, options.header);
  properties.set_string(PidTagMessageClass, message_class());
  recipients = header_recipients(root.fields);
  const auto raw = root.header.first(std::min(root.header.size(), max_transport_headers));
  properties.set_string(PidTagTransportMessageHeaders, guess_text(raw));
  const auto text = [&](PropertyTag tag, std::string_view name) {
    const auto* field = find_field(root.fields, name);
    if (field == nullptr) return;
    if (const auto value = decode_header_text(field->value); !value.empty())
      properties.set_string(tag, value);
  };
  text(PidTagListHelp, "List-Help");
  text(PidTagListSubscribe, "List-Subscribe");
  text(PidTagListUnsubscribe, "List-Unsubscribe");
  text(PidTagInternetOrganization, "Organization");
  text(PidTagInternetReturnPath, "Return-Path");
  for (const auto* field : {find_field(root.fields, "Keywords"), find_field(root.fields, "X-Keywords")}) {
    if (field == nullptr || !keywords.empty()) continue;
    const auto list = decode_header_text(field->value);
    for (std::size_t at = 0; at <= list.size() && keywords.size() < 100;) {
      const auto end = std::min(list.find_first_of(",;", at), list.size());
      const auto word = trim(std::string_view(list).substr(at, end - at));
      if (!word.empty()) keywords.emplace_back(word);
      at = end + 1;
    }
  }
  fill_internet_headers();
}

void MimeMessage::Impl::fill_internet_headers() {
  for (const auto& field : root.fields) {
    if (internet_headers.size() >= max_internet_headers) break;
    auto name = lower_ascii(field.name);
    if (name.size() > 200 || is_mapped_header(name) || !is_ascii(as_view(name))) continue;
    const bool known = std::any_of(internet_headers.begin(), internet_headers.end(),
                                   [&](const auto& entry) { return entry.first.name == name; });
    if (known) continue;
    internet_headers.emplace_back(
        PropertyName{PS_INTERNET_HEADERS, std::nullopt, std::move(name)},
        decode_header_text(field.value.first(std::min<std::size_t>(field.value.size(), 32768))));
  }
}

void MimeMessage::Impl::fill() {
  root = parse_structure(source.view(), {options.max_depth, options.max_parts, options.max_header_bytes});
  content = sort_parts(root);
  fill_header();
  const bool html = content.has_html();
  const auto utf8 =
      html && !content.attachments.empty() ? body_html_utf8(content, options.max_body_bytes) : std::string();
  const AttachmentContext context{utf8, options.max_embedded > 0, properties.time(PidTagMessageDeliveryTime)};
  bool visible = false;
  for (std::size_t i = 0; i < content.attachments.size(); ++i) {
    attachments.push_back(make_attachment(content.attachments[i], content.opaque != nullptr, i, context));
    visible = visible || attachments.back().properties.number(PidTagAttachmentHidden) == 0;
  }
  code_page = body_code_page(content, options.max_body_bytes);
  properties.set_boolean(PidTagHasAttachments, visible);
  const auto size = static_cast<std::int32_t>(std::min<std::size_t>(source.size(), 0x7FFFFFFF));
  properties.set_integer(PidTagMessageSize, size);
  properties.set(PidTagMessageSizeExtended, Value::integer64(static_cast<std::int64_t>(source.size())));
  properties.set_integer(PidTagNativeBody,
                         static_cast<std::int32_t>(html ? NativeBody::html : NativeBody::text));
  // Row S9. False sends readers to the HTML body, true to the plain text ([MS-OXBBODY] 2.1.3.1).
  properties.set_boolean(PidTagRtfInSync, !html);
  properties.set_integer(PidTagInternetCodepage, static_cast<std::int32_t>(code_page));
}

MimeMessage::MimeMessage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MimeMessage::~MimeMessage() = default;

Result<std::shared_ptr<MimeMessage>> MimeMessage::parse(ByteSource source, const MimeOptions& options) {
  if (source.size() > options.max_size)
    return error(Errc::limit, "message of {} bytes is over the limit of {}", source.size(), options.max_size);
  auto impl = std::make_unique<Impl>();
  impl->source = std::move(source);
  impl->options = options;
  impl->fill();
  return std::make_shared<MimeMessage>(std::move(impl));
}

const PropertyBag& MimeMessage::properties() const { return impl_->properties; }
const std::vector<Recipient>& MimeMessage::recipients() const { return impl_->recipients; }
const std::vector<std::pair<PropertyName, std::string>>& MimeMessage::internet_headers() const {
  return impl_->internet_headers;
}
const std::vector<std::string>& MimeMessage::keywords() const { return impl_->keywords; }
const std::vector<Attachment>& MimeMessage::attachments() const { return impl_->attachments; }
const ByteSource& MimeMessage::source() const { return impl_->source; }
unsigned MimeMessage::html_code_page() const { return impl_->code_page; }

NativeBody MimeMessage::native_body() const {
  return impl_->content.has_html() ? NativeBody::html : NativeBody::text;
}

std::string MimeMessage::text() const { return body_text(impl_->content, impl_->options.max_body_bytes); }
Bytes MimeMessage::html() const { return body_html(impl_->content, impl_->options.max_body_bytes).bytes; }

Bytes MimeMessage::rtf_compressed() const {
  const auto limit = impl_->options.max_body_bytes;
  if (impl_->content.has_html()) return compress_rtf(html_to_rtf(body_html_utf8(impl_->content, limit)));
  return compress_rtf(text_to_rtf(body_text(impl_->content, limit)));
}

Status MimeMessage::read_attachment(std::size_t i, const std::function<Status(View)>& sink) const {
  if (i >= impl_->attachments.size()) return error(Errc::not_found, "message has no attachment {}", i);
  return read_part(*impl_->content.attachments[i].entity, impl_->content.opaque != nullptr, sink);
}

Result<Bytes> MimeMessage::attachment_data(std::size_t i) const {
  Bytes out;
  auto status = read_attachment(i, [&](View piece) -> Status {
    out.insert(out.end(), piece.begin(), piece.end());
    return {};
  });
  if (!status) return std::move(status).error();
  return out;
}

Result<std::size_t> MimeMessage::attachment_size(std::size_t i) const {
  if (i >= impl_->attachments.size()) return error(Errc::not_found, "message has no attachment {}", i);
  return static_cast<std::size_t>(impl_->attachments[i].properties.number(PidTagAttachSize));
}

Result<std::shared_ptr<MimeMessage>> MimeMessage::embedded(std::size_t i) const {
  if (i >= impl_->attachments.size() || impl_->attachments[i].kind != Attachment::Kind::embedded)
    return error(Errc::not_found, "attachment {} is no message", i);
  const auto& entity = *impl_->content.attachments[i].entity;
  auto options = impl_->options;
  --options.max_embedded;
  options.header.internal_date.reset();
  if (entity.encoding == "base64" || entity.encoding == "quoted-printable") {
    auto bytes = attachment_data(i);
    if (!bytes) return std::move(bytes).error();
    return parse(ByteSource::from_bytes(std::move(*bytes)), options);
  }
  return parse(impl_->source.slice(entity.body), options);
}

}  // namespace mapigate::convert
