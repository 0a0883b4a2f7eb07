#include "convert/mime_message.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/header_properties.h"
#include "convert/html_text.h"
#include "convert/ical_meeting.h"
#include "convert/mime_attachments.h"
#include "convert/message_data.h"
#include "convert/mime_bodies.h"
#include "convert/mime_reports.h"
#include "convert/mime_supplement.h"
#include "convert/mime_tnef.h"
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
  PropertyBag named;
  std::map<std::uint16_t, PropertyName> names;
  std::vector<Attachment> attachments;  // those of the TNEF first, then those of `content`, then changed instances of a series
  struct Source {
    const Entity* part = nullptr;  // in the MIME, or
    ByteSource made;               // what was made of something else
    bool exception = false;
  };
  std::vector<Source> sources;  // of each attachment
  std::unique_ptr<TnefContent> tnef;
  std::optional<Report> report;
  std::optional<Meeting> meeting;
  std::vector<std::shared_ptr<const Supplement>> inner;  // of embedded messages, as attachments; or none
  bool recipients_kept = false;
  unsigned code_page = 65001;

  void fill();
  void fill_header();
  void fill_internet_headers();
  void fill_classification();
  void fill_language();
  void fill_tnef();
  void fill_meeting();
  void fill_attendees();
  void add_named(const PropertyName& name, PropertyType type, const Value& value);
  void add_attachments();
  void restore_recipients();
  void restore_attachments();
  std::string message_class() const;
  NativeBody native_body() const;
  bool shows_files() const;
  bool body_in_tnef() const { return tnef && tnef->has_body(); }
};

namespace {

constexpr std::size_t max_transport_headers = 256 * 1024, max_internet_headers = 500;

// Unfolded, otherwise as it came.
std::string words_of(View raw) {
  std::string out(as_text(raw));
  std::erase_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  return std::string(trim(out));
}

bool has_part(const Entity& entity, std::string_view type) {
  return entity.type.starts_with(type) ||
         std::any_of(entity.children.begin(), entity.children.end(), [&](const auto& child) { return has_part(child, type); });
}

}  // namespace

std::string MimeMessage::Impl::message_class() const {
  if (content.opaque != nullptr)
    return content.opaque->is_multipart() ? "IPM.Note.SMIME.MultipartSigned" : "IPM.Note.SMIME";
  if (report) return report->message_class;
  if (meeting) return meeting->message_class;
  // A voice message without a voice is a note ([MS-OXCMAIL] 2.2.3.2.15.1 and 2.2.3.2.15.2).
  const auto* field = find_field(root.fields, "Content-Class");
  auto asked = field == nullptr ? std::string() : class_of_content_class(decode_header_text(field->value));
  if (asked.starts_with("IPM.Note.Microsoft.Fax") && !has_part(root, "image/tiff")) asked.clear();
  if ((asked.starts_with("IPM.Note.Microsoft.Voicemail") || asked.starts_with("IPM.Note.Microsoft.Conversation")) && !has_part(root, "audio/"))
    asked.clear();
  return asked.empty() ? "IPM.Note" : asked;
}

// Some attachment is more than a picture in the text, another rendering of the body, or a signature.
bool MimeMessage::Impl::shows_files() const {
  if (content.opaque != nullptr && content.opaque->is_multipart()) return content.signed_files;
  for (const auto& one : attachments)
    if (one.properties.number(PidTagAttachmentHidden) == 0 && !(meeting && one.properties.string(PidTagAttachMimeTag) == "text/calendar")) return true;
  return false;
}

void MimeMessage::Impl::fill_header() {
  add_header_properties(properties, root.fields, options.header);
  properties.set_string(PidTagMessageClass, message_class());
  recipients = header_recipients(root.fields);
  if (report) {
    // Its rows are whom it is about: Outlook lists them as those that were or were not reached.
    const bool about = !report->recipients.empty();
    if (about) recipients = std::move(report->recipients);
    for (const auto& [tag, value] : report->properties) properties.set(tag, value);
    if (const auto sent = properties.time(PidTagClientSubmitTime); sent.ticks != 0) {
      properties.set_time(PidTagReportTime, sent);
      if (report->message_class.ends_with("RN")) properties.set_time(PidTagReceiptTime, sent);
      // [MS-OXCMAIL] 2.2.3.7.1, 3.5 and 3.6.
      for (auto& one : recipients) {
        if (!about) break;
        one.properties.set_time(PidTagReportTime, sent);
        if (!report->message_class.ends_with(".NDR")) one.properties.set_time(PidTagDeliverTime, sent);
      }
    }
  }
  const auto raw = root.header.first(std::min(root.header.size(), max_transport_headers));
  properties.set_string(PidTagTransportMessageHeaders, guess_text(raw));
  const auto text = [&](PropertyTag tag, std::string_view name) {
    const auto* field = find_field(root.fields, name);
    if (field == nullptr) return;
    if (const auto value = decode_header_text(field->value); !value.empty())
      properties.set_string(tag, value);
  };
  // The former is what some list servers write; the latter counts.
  for (const std::string prefix : {"X-", ""}) {
    text(PidTagListHelp, prefix + "List-Help");
    text(PidTagListSubscribe, prefix + "List-Subscribe");
    text(PidTagListUnsubscribe, prefix + "List-Unsubscribe");
  }
  text(PidTagInternetOrganization, "Organization");
  text(PidTagInternetReturnPath, "Return-Path");
  // [MS-OXCMAIL] 2.2.3.2.26, of the part that is the body.
  if (content.body.size() == 1) {
    const auto& segment = content.body.front();
    const auto& part = segment.html != nullptr ? *segment.html : *segment.plain;
    const auto* location = find_field(part.fields, "Content-Location");
    if (location != nullptr) properties.set_string(PidTagBodyContentLocation, decode_header_text(location->value));
    if (!part.content_id.empty()) properties.set_string(PidTagBodyContentId, part.content_id);
  }
  // Of voice and fax messages ([MS-OXOUM] 2.2).
  text(PidTagSenderTelephoneNumber, "X-CallingTelephoneNumber");
  text(PidTagVoiceMessageSenderName, "X-VoiceMessageSenderName");
  text(PidTagVoiceMessageAttachmentOrder, "X-AttachmentOrder");
  text(PidTagCallId, "X-CallID");
  const auto number = [&](PropertyTag tag, std::string_view name) {
    const auto* field = find_field(root.fields, name);
    if (field == nullptr) return;
    const auto digits = decode_header_text(field->value);
    std::int32_t n = 0;
    const auto [rest, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (failed == std::errc() && rest == digits.data() + digits.size() && n >= 0) properties.set_integer(tag, n);
  };
  number(PidTagVoiceMessageDuration, "X-VoiceMessageDuration");
  number(PidTagFaxNumberOfPages, "X-FaxNumberOfPages");
  if (const auto* field = find_field(root.fields, "X-Message-Flag"))
    if (const auto request = decode_header_text(field->value); !request.empty()) {
      Arena arena;
      add_named(PidLidFlagRequest, PidLidFlagRequest.type, Value::string(arena, request));
    }
  // There may be several; those that some clients write for themselves count where there are no others.
  const bool usual = find_field(root.fields, "Keywords") != nullptr;
  for (const auto& field : root.fields) {
    if (!equal_ignoring_ascii_case(field.name, usual ? "Keywords" : "X-Keywords")) continue;
    const auto list = decode_header_text(field.value);
    for (std::size_t at = 0; at <= list.size() && keywords.size() < 100;) {
      const auto end = std::min(list.find_first_of(",;", at), list.size());
      const auto word = trim(std::string_view(list).substr(at, end - at));
      if (!word.empty() && std::find(keywords.begin(), keywords.end(), word) == keywords.end()) keywords.emplace_back(word);
      at = end + 1;
    }
  }
  // 2.2.3.2.21.
  if (const auto* field = find_field(root.fields, "X-MS-Exchange-Organization-AutoForwarded");
      field != nullptr && equal_ignoring_ascii_case(decode_header_text(field->value), "true"))
    properties.set_boolean(PidTagAutoForwarded, true);
  fill_classification();
  fill_language();
  fill_internet_headers();
}

// [MS-OXCMAIL] 2.2.3.2.22.
void MimeMessage::Impl::fill_classification() {
  const auto text = [&](std::string_view name) {
    const auto* field = find_field(root.fields, name);
    return field == nullptr ? std::string() : decode_header_text(field->value);
  };
  if (!equal_ignoring_ascii_case(text("X-Microsoft-Classified"), "true")) return;
  add_named(PidLidClassified, PidLidClassified.type, Value::boolean(true));
  add_named(PidLidClassificationKeep, PidLidClassificationKeep.type, Value::boolean(equal_ignoring_ascii_case(text("X-Microsoft-ClassKeep"), "true")));
  Arena arena;
  if (const auto value = text("X-Microsoft-Classification"); !value.empty()) add_named(PidLidClassification, PidLidClassification.type, Value::string(arena, value));
  if (const auto value = text("X-Microsoft-ClassDesc"); !value.empty())
    add_named(PidLidClassificationDescription, PidLidClassificationDescription.type, Value::string(arena, value));
  if (const auto value = text("X-Microsoft-ClassID"); !value.empty())
    add_named(PidLidClassificationGuid, PidLidClassificationGuid.type, Value::string(arena, value));
}

// [MS-OXCMAIL] 2.2.3.2.11: the first language counts.
void MimeMessage::Impl::fill_language() {
  if (const auto* field = find_field(root.fields, "Content-Language")) {
    const auto list = decode_header_text(field->value);
    const auto locale = locale_of_language(trim(std::string_view(list).substr(0, list.find_first_of(",; "))));
    if (locale != 0) properties.set_integer(PidTagMessageLocaleId, locale);
  }
  const auto* other = find_field(root.fields, "X-Accept-Language");
  if (other != nullptr && find_field(root.fields, "Accept-Language") == nullptr)
    internet_headers.emplace_back(PropertyName{PS_INTERNET_HEADERS, std::nullopt, "accept-language"}, decode_header_text(other->value));
}

void MimeMessage::Impl::fill_internet_headers() {
  // [MS-OXOSMIME] 2.1: what kind of message lies in the attachment, with all parameters.
  if (const auto* field = content.opaque == nullptr ? nullptr : find_field(root.fields, "Content-Type"))
    internet_headers.emplace_back(PropertyName{PS_INTERNET_HEADERS, std::nullopt, "content-type"},
                                  words_of(field->value.first(std::min<std::size_t>(field->value.size(), 32768))));
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

// The first of a name stays.
void MimeMessage::Impl::add_named(const PropertyName& name, PropertyType type, const Value& value) {
  constexpr std::size_t most = 1000;
  constexpr std::uint16_t first = 0x8000;
  if (names.size() >= most || std::any_of(names.begin(), names.end(), [&](const auto& known) { return known.second == name; })) return;
  const auto id = static_cast<std::uint16_t>(first + names.size());
  names.emplace(id, name);
  named.set(PropertyTag(id, type), value);
}

// Of what the sender's Outlook says only that is taken which the header does not say ([MS-OXTNEF] 2.1.3.3.21).
void MimeMessage::Impl::fill_tnef() {
  const PropertyName categories{PS_PUBLIC_STRINGS, std::nullopt, "Keywords"};
  for (const auto& [tag, value] : tnef->properties) {
    if (tag.named()) {
      const auto name = tnef->names.find(tag.id());
      if (name == tnef->names.end() || name->second == categories || name->second.set == PS_INTERNET_HEADERS) continue;
      add_named(name->second, tag.type(), value);
    } else if (!properties.contains(tag.with(PropertyType::PtypUnspecified))) {
      properties.set(tag, value);
    }
  }
  for (const auto tag : {PidTagImportance, PidTagPriority, PidTagSensitivity})
    if (const auto* value = tnef->properties.find(tag)) properties.set(tag, *value);
  const auto its_class = tnef->properties.string(PidTagMessageClass);
  if (message_class() == "IPM.Note" && (its_class.starts_with("IPM.") || its_class.starts_with("REPORT.")))
    properties.set_string(PidTagMessageClass, its_class);
}

// What the TNEF says already is more exact.
void MimeMessage::Impl::fill_meeting() {
  for (const auto& [tag, value] : meeting->named) add_named(meeting->names.at(tag.id()), tag.type(), value);
  // The header counts where it says something.
  bool judged = tnef != nullptr, important = tnef != nullptr;
  for (const auto* name : {"Importance", "X-Priority", "X-MSMail-Priority", "Priority"}) important = important || find_field(root.fields, name) != nullptr;
  judged = judged || find_field(root.fields, "Sensitivity") != nullptr;
  for (const auto& [tag, value] : meeting->properties) {
    const bool silent = (tag == PidTagImportance && !important) || (tag == PidTagSensitivity && !judged);
    if (silent || !properties.contains(tag)) properties.set(tag, value);
  }
}

// What the calendar says of those in the header, and those that it alone names ([MS-OXCICAL] 2.1.3.1.1.20.2).
void MimeMessage::Impl::fill_attendees() {
  const bool of_all = meeting->message_class == "IPM.Schedule.Meeting.Request" || meeting->message_class == "IPM.Schedule.Meeting.Canceled" ||
                      meeting->message_class == exception_class;
  if (!of_all || meeting->attendees.empty()) return;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < recipients.size(); ++i) known.emplace(lower_ascii(recipients[i].smtp_address), i);
  for (const auto& one : meeting->attendees) {
    const auto [place, is_new] = known.emplace(lower_ascii(one.address), recipients.size());
    if (is_new) recipients.push_back(make_recipient(one.type, {one.name, one.address}, recipients.size()));
    recipients[place->second].properties.set_integer(PidTagRecipientTrackStatus, one.track_status);
  }
}

void MimeMessage::Impl::add_attachments() {
  if (tnef) {
    attachments = std::move(tnef->attachments);
    for (auto& data : tnef->data) sources.push_back({nullptr, std::move(data), false});
    if (!tnef->damaged) std::erase_if(content.attachments, [&](const auto& part) { return part.entity == tnef->part; });
  }
  const auto utf8 = content.has_html() && !content.attachments.empty() ? body_html_utf8(content, options.max_body_bytes) : std::string();
  const AttachmentContext context{utf8, options.max_embedded > 0, properties.time(PidTagMessageDeliveryTime)};
  for (const auto& part : content.attachments) {
    attachments.push_back(make_attachment(part, content.opaque != nullptr, attachments.size(), context));
    sources.push_back({part.entity, {}, false});
  }
  // The TNEF has its own.
  if (meeting && !tnef && options.max_embedded > 0)
    for (auto& one : meeting->exceptions) {
      sources.push_back({nullptr, ByteSource::from_string(std::move(one.message)), true});
      attachments.push_back({Attachment::Kind::embedded, std::move(one.attachment), 0});
      attachments.back().properties.set_integer(PidTagAttachNumber, static_cast<std::int32_t>(attachments.size() - 1));
      attachments.back().properties.set_integer(PidTagAttachSize, static_cast<std::int32_t>(sources.back().made.size()));
    }
  for (std::size_t i = 0; i < attachments.size(); ++i) attachments[i].part = static_cast<std::uint32_t>(i);
}

void MimeMessage::Impl::restore_recipients() {
  const auto& kept = *options.supplement;
  if (!belongs_to(kept, recipients)) return;
  recipients_kept = true;
  recipients.clear();
  std::string lists[3];
  for (const auto& one : kept.recipients) {
    recipients.push_back(complete_recipient(one));
    const auto kind = (one.type & 0x0F) - 1;
    if (kind < 0 || kind > 2) continue;
    if (!lists[kind].empty()) lists[kind] += "; ";
    lists[kind] += recipients.back().display_name;
  }
  properties.set_string(PidTagDisplayTo, lists[0]);
  properties.set_string(PidTagDisplayCc, lists[1]);
  properties.set_string(PidTagDisplayBcc, lists[2]);
}

void MimeMessage::Impl::restore_attachments() {
  const auto& kept = *options.supplement;
  if (tnef || !belongs_to(kept, attachments)) return;  // what we wrote has no TNEF
  std::vector<Attachment> ordered;
  std::vector<Source> from;
  for (const auto& part : kept.parts) {
    ordered.push_back(std::move(attachments[part.position]));
    ordered.back().properties.set_all(part.properties);
    ordered.back().properties.set_integer(PidTagAttachNumber, static_cast<std::int32_t>(part.number));
    from.push_back(std::move(sources[part.position]));
    inner.push_back(part.inner);
  }
  attachments = std::move(ordered);
  sources = std::move(from);
}

void MimeMessage::Impl::fill() {
  root = parse_structure(source.view(), {options.max_depth, options.max_parts, options.max_header_bytes});
  content = sort_parts(root);
  if (content.opaque == nullptr) report = read_report(root);
  if (report) std::erase_if(content.attachments, [&](const auto& part) { return part.entity == report->part; });
  if (content.calendar != nullptr && !report) {
    const auto& part = *content.calendar;
    const auto bytes = decoded_body(part, (options.exception ? max_exception_bytes : max_calendar_bytes) + 1);
    const auto calendar = decode_charset(bytes, part.parameter("charset"));
    meeting = options.exception ? read_exception(calendar) : read_meeting(calendar, part.parameter("method"));
    if (meeting && content.body.empty()) content.stand_in = meeting->text, content.stand_in_html = meeting->html;
    // It is what the message is, no file that came with it.
    if (meeting) std::erase_if(content.attachments, [&](const auto& one) { return one.entity == &part && (one.alternative || &part == &root); });
  }
  fill_header();
  if (content.opaque == nullptr && options.max_embedded > 0) tnef = take_tnef(root, options.max_tnef_bytes);
  if (tnef) fill_tnef();
  if (meeting) fill_meeting();
  if (meeting) fill_attendees();
  add_attachments();
  if (options.supplement) {
    restore_recipients();
    restore_attachments();
  }
  // [MS-OXCMSG] 2.2.1.2 and 2.2.1.14: what has attachments but none to show says so in a property of its own.
  if (!attachments.empty() && !shows_files()) add_named(PidLidSmartNoAttach, PidLidSmartNoAttach.type, Value::boolean(true));
  const bool html = native_body() == NativeBody::html;
  code_page = body_in_tnef() ? static_cast<unsigned>(tnef->body.number(PidTagInternetCodepage)) : body_code_page(content, options.max_body_bytes);
  properties.set_boolean(PidTagHasAttachments, !attachments.empty());
  const auto size = static_cast<std::int32_t>(std::min<std::size_t>(source.size(), 0x7FFFFFFF));
  properties.set_integer(PidTagMessageSize, size);
  properties.set(PidTagMessageSizeExtended, Value::integer64(static_cast<std::int64_t>(source.size())));
  properties.set_integer(PidTagNativeBody, static_cast<std::int32_t>(native_body()));
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
bool MimeMessage::shows_files() const { return impl_->shows_files(); }
bool MimeMessage::recipients_kept() const { return impl_->recipients_kept; }
const std::shared_ptr<const Supplement>& MimeMessage::supplement() const { return impl_->options.supplement; }
const PropertyBag& MimeMessage::beside() const {
  static const PropertyBag nothing;
  return impl_->options.supplement ? impl_->options.supplement->properties : nothing;
}
const std::vector<std::pair<PropertyName, std::string>>& MimeMessage::internet_headers() const {
  return impl_->internet_headers;
}
const std::vector<std::string>& MimeMessage::keywords() const { return impl_->keywords; }
const std::vector<Attachment>& MimeMessage::attachments() const { return impl_->attachments; }
const ByteSource& MimeMessage::source() const { return impl_->source; }
unsigned MimeMessage::html_code_page() const { return impl_->code_page; }

const PropertyBag& MimeMessage::named_properties() const { return impl_->named; }
const std::map<std::uint16_t, PropertyName>& MimeMessage::names() const { return impl_->names; }

NativeBody MimeMessage::Impl::native_body() const {
  if (!body_in_tnef()) return content.has_html() ? NativeBody::html : NativeBody::text;
  Arena arena;
  const auto native = body_of(tnef->body, PidTagNativeBody, arena);
  return native ? static_cast<NativeBody>(number_of(*native)) : NativeBody::text;
}

NativeBody MimeMessage::native_body() const { return impl_->native_body(); }

std::string MimeMessage::text() const {
  if (!impl_->body_in_tnef()) {
    auto out = body_text(impl_->content, impl_->options.max_body_bytes);
    if (impl_->options.supplement && impl_->options.supplement->open_text && out.ends_with("\r\n")) out.resize(out.size() - 2);
    return out;
  }
  Arena arena;
  const auto value = body_of(impl_->tnef->body, PidTagBody, arena);
  auto text = value ? text_of(*value) : std::string();
  std::erase(text, '\0');
  return text;
}

Bytes MimeMessage::html() const {
  if (!impl_->body_in_tnef()) {
    auto out = body_html(impl_->content, impl_->options.max_body_bytes).bytes;
    if (impl_->options.supplement && impl_->options.supplement->open_html && as_text(out).ends_with("\r\n")) out.resize(out.size() - 2);
    return out;
  }
  Arena arena;
  const auto value = body_of(impl_->tnef->body, PidTagHtml, arena);
  return value && value->get<View>() != nullptr ? to_bytes(*value->get<View>()) : Bytes();
}

Bytes MimeMessage::rtf_compressed() const {
  const auto limit = impl_->options.max_body_bytes;
  if (impl_->body_in_tnef()) {
    Arena arena;
    const auto value = body_of(impl_->tnef->body, PidTagRtfCompressed, arena);
    return value && value->get<View>() != nullptr ? to_bytes(*value->get<View>()) : Bytes();
  }
  if (impl_->content.has_html()) return compress_rtf(html_to_rtf(body_html_utf8(impl_->content, limit)));
  return compress_rtf(text_to_rtf(body_text(impl_->content, limit)));
}

std::optional<std::size_t> MimeMessage::attachment_numbered(std::size_t number) const {
  for (std::size_t i = 0; i < impl_->attachments.size(); ++i)
    if (static_cast<std::uint32_t>(impl_->attachments[i].properties.number(PidTagAttachNumber)) == number) return i;
  return std::nullopt;
}

Status MimeMessage::read_attachment(std::size_t i, const std::function<Status(View)>& sink) const {
  if (i >= impl_->attachments.size()) return error(Errc::not_found, "message has no attachment {}", i);
  const auto& source = impl_->sources[i];
  if (source.part != nullptr) return read_part(*source.part, impl_->content.opaque != nullptr, sink);
  constexpr std::size_t piece = 64 * 1024;
  const auto all = source.made.view();
  for (std::size_t at = 0; at < all.size(); at += piece)
    if (auto status = sink(all.subspan(at, std::min(piece, all.size() - at))); !status) return status;
  return {};
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
  auto options = impl_->options;
  --options.max_embedded;
  options.header.internal_date.reset();
  options.supplement = i < impl_->inner.size() ? impl_->inner[i] : nullptr;
  const auto& source = impl_->sources[i];
  options.exception = source.exception;
  if (source.part == nullptr) return parse(source.made, options);
  const auto& entity = *source.part;
  if (entity.encoding == "base64" || entity.encoding == "quoted-printable") {
    auto bytes = attachment_data(i);
    if (!bytes) return std::move(bytes).error();
    return parse(ByteSource::from_bytes(std::move(*bytes)), options);
  }
  return parse(impl_->source.slice(entity.body), options);
}

void add_content_properties(const MimeMessage& message, PropertyBag& bag) {
  constexpr PropertyTag told[] = {PidTagMessageClass,         PidTagIconIndex,           PidTagImportance,
                                  PidTagPriority,             PidTagSensitivity,         PidTagReportTime,
                                  PidTagReceiptTime,          PidTagOriginalSubject,     PidTagOriginalMessageId,
                                  PidTagOriginalSubmitTime,   PidTagOriginalDisplayTo,   PidTagReportDisposition,
                                  PidTagReportDispositionMode, PidTagReportingMessageTransferAgent, PidTagParentKey,
                                  PidTagStartDate,            PidTagEndDate,             PidTagOwnerAppointmentId,
                                  PidTagResponseRequested,    PidTagReplyRequested};
  for (const auto tag : told)
    if (const auto* value = message.properties().find(tag)) bag.set(tag, *value);
}

}  // namespace mapigate::convert
