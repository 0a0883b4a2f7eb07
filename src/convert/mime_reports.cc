#include "convert/mime_reports.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "convert/delivery_status.h"
#include "convert/header_properties.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::size_t max_status = 256 * 1024, max_recipients = 2000;

const Entity* find_part(const Entity& entity, std::string_view type) {
  if (entity.type == type) return &entity;
  for (const auto& child : entity.children)
    if (const auto* found = find_part(child, type)) return found;
  return nullptr;
}

using Fields = std::vector<HeaderField>;

std::string text_of_field(const Fields& fields, std::string_view name) {
  const auto* field = find_field(fields, name);
  return field == nullptr ? std::string() : decode_header_text(field->value);
}
// What follows the type in "rfc822; user@example.com", "dns; host".
std::string typed_value(const Fields& fields, std::string_view name) {
  const auto text = text_of_field(fields, name);
  const auto semicolon = text.find(';');
  return std::string(trim(std::string_view(text).substr(semicolon == text.npos ? 0 : semicolon + 1)));
}

// The groups of fields between empty lines (RFC 3464 2.1). Borrows from `body`.
std::vector<Fields> groups_of(View body) {
  std::vector<Fields> out;
  const auto text = as_text(body);
  std::size_t start = 0;
  bool empty = true;
  const auto end_group = [&](std::size_t end) {
    if (!empty && out.size() <= max_recipients) out.push_back(split_header(body.subspan(start, end - start)));
    empty = true;
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    if (trim(text.substr(at, end - at)).empty()) {
      end_group(at);
    } else if (empty) {
      start = at;
      empty = false;
    }
    at = end + 1;
  }
  end_group(text.size());
  return out;
}

// [MS-OXCMAIL] 2.2.3.7.1.1, from least to most severe.
struct Action {
  std::string_view word, message_class;
};
constexpr Action actions[] = {{"delivered", "REPORT.IPM.Note.DR"},
                              {"expanded", "REPORT.IPM.Note.Expanded.DR"},
                              {"relayed", "REPORT.IPM.Note.Relayed.DR"},
                              {"delayed", "REPORT.IPM.Note.Delayed.DR"},
                              {"failed", "REPORT.IPM.Note.NDR"}};

std::optional<std::size_t> severity_of(const Fields& fields) {
  const auto text = lower_ascii(text_of_field(fields, "Action"));
  for (std::size_t i = 0; i < std::size(actions); ++i)
    if (text.starts_with(actions[i].word)) return i;
  return std::nullopt;
}

// [MS-OXCMAIL] 2.2.3.7.1.3.
struct DeliveryStatus {
  std::string text;  // "5.1.1"
  std::int32_t code = 0;
  NonDeliveryCodes codes;
};
DeliveryStatus status_of(const Fields& fields) {
  DeliveryStatus out;
  const auto text = text_of_field(fields, "Status");
  std::int32_t numbers[3]{};
  const auto* at = text.data();
  const auto* end = text.data() + text.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [rest, failed] = std::from_chars(at, end, numbers[i]);
    if (failed != std::errc() || (i < 2 && (rest == end || *rest != '.'))) return out;
    at = i < 2 ? rest + 1 : rest;
  }
  out.text.assign(text.data(), at);
  for (auto& number : numbers)
    if (number < 0 || number > 9) number = 0;
  out.code = numbers[0] * 100 + numbers[1] * 10 + numbers[2];
  out.codes = codes_of_status(numbers[1], numbers[2]);
  return out;
}

// [MS-OXCMAIL] 2.2.3.7.1.2.
std::string supplementary_info(const Fields& fields, std::string_view remote, std::string_view status) {
  if (auto given = text_of_field(fields, "X-Supplementary-Info"); !given.empty()) return given;
  if (status.empty()) return {};
  std::string out = "<" + std::string(remote) + " #" + std::string(status);
  if (const auto diagnostic = text_of_field(fields, "Diagnostic-Code"); !diagnostic.empty()) out += " " + diagnostic;
  return out + ">";
}

void take_recipient(const Fields& fields, Report& out) {
  auto address = typed_value(fields, "Final-Recipient");
  if (address.find('@') == address.npos)
    if (auto original = typed_value(fields, "Original-Recipient"); !original.empty()) address = std::move(original);
  if (address.starts_with('<') && address.ends_with('>')) address = address.substr(1, address.size() - 2);
  if (address.empty()) return;
  auto recipient = make_recipient(recipient_to, {text_of_field(fields, "X-Display-Name"), address}, out.recipients.size());
  auto& bag = recipient.properties;
  const auto remote = typed_value(fields, "Remote-MTA");
  if (!remote.empty()) bag.set_string(PidTagRemoteMessageTransferAgent, remote);
  const auto status = status_of(fields);
  if (const auto text = supplementary_info(fields, remote, status.text); !text.empty()) bag.set_string(PidTagSupplementaryInfo, text);
  bag.set_integer(PidTagNonDeliveryReportStatusCode, status.code);
  bag.set_integer(PidTagNonDeliveryReportDiagCode, status.codes.diagnostic);
  bag.set_integer(PidTagNonDeliveryReportReasonCode, status.codes.reason);
  out.recipients.push_back(std::move(recipient));
}

// What comes back of the message that it is about, whole or its header alone.
void take_original(const Entity& root, Report& out) {
  const auto* part = find_part(root, "message/rfc822");
  if (part == nullptr) part = find_part(root, "text/rfc822-headers");
  if (part == nullptr) return;
  const auto bytes = decoded_body(*part, max_status);
  View header, rest;
  split_entity(bytes, header, rest);
  const auto fields = split_header(header);
  auto& bag = out.properties;
  if (const auto subject = text_of_field(fields, "Subject"); !subject.empty()) bag.set_string(PidTagOriginalSubject, subject);
  if (const auto id = text_of_field(fields, "Message-ID"); !id.empty()) bag.set_string(PidTagOriginalMessageId, id);
  const auto* date = find_field(fields, "Date");
  if (const auto sent = date == nullptr ? std::nullopt : parse_date(date->value)) bag.set_time(PidTagOriginalSubmitTime, *sent);
}

Report delivery_report(const Entity& root, const Entity& part) {
  Report out;
  out.part = &part;
  const auto body = decoded_body(part, max_status);
  const auto groups = groups_of(body);
  std::optional<std::size_t> worst;
  for (const auto& group : groups)
    if (const auto severity = severity_of(group)) worst = std::max(worst.value_or(0), *severity);
  out.message_class = actions[worst.value_or(std::size(actions) - 1)].message_class;
  for (const auto& group : groups) {
    if (const auto name = typed_value(group, "Reporting-MTA"); !name.empty()) out.properties.set_string(PidTagReportingMessageTransferAgent, name);
    if (find_field(group, "Final-Recipient") == nullptr && find_field(group, "Original-Recipient") == nullptr) continue;
    if (!worst || severity_of(group) == worst) take_recipient(group, out);
  }
  take_original(root, out);
  return out;
}

// [MS-OXCMAIL] 2.2.3.7.2.
Report disposition_report(const Entity& root, const Entity& part) {
  Report out;
  out.part = &part;
  Fields fields;
  const auto body = decoded_body(part, max_status);
  for (const auto& group : groups_of(body)) fields.insert(fields.end(), group.begin(), group.end());
  auto& bag = out.properties;
  // "manual-action/MDN-sent-manually; deleted/error" (RFC 8098 3.2.6)
  const auto text = text_of_field(fields, "Disposition");
  const auto mode = trim(std::string_view(text).substr(0, text.find(';')));
  auto type = lower_ascii(typed_value(fields, "Disposition"));
  type = type.substr(0, type.find('/'));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  const bool unread = type == "deleted" || type == "denied" || type == "failed";
  out.message_class = unread ? "REPORT.IPM.Note.IPNNRN" : "REPORT.IPM.Note.IPNRN";
  // [MS-OXOMSG] 2.2.1.34 and 2.2.1.35 know two dispositions and two modes.
  bag.set_string(PidTagReportDisposition, unread ? "deleted" : "displayed");
  for (const std::string_view known : {"manual-action/MDN-sent-automatically", "manual-action/MDN-sent-manually"})
    if (equal_ignoring_ascii_case(mode, known)) bag.set_string(PidTagReportDispositionMode, known);
  take_original(root, out);
  auto reader = text_of_field(fields, "X-Display-Name");
  if (reader.empty()) reader = typed_value(fields, "Original-Recipient");
  if (reader.empty()) reader = typed_value(fields, "Final-Recipient");
  if (!reader.empty()) bag.set_string(PidTagOriginalDisplayTo, reader);
  if (const auto id = text_of_field(fields, "Original-Message-ID"); !id.empty()) bag.set_string(PidTagOriginalMessageId, id);
  if (const auto* key = find_field(fields, "X-MSExch-Correlation-Key")) {
    Bytes bytes;
    if (from_base64(as_text(key->value), bytes) && !bytes.empty()) bag.set_binary(PidTagParentKey, bytes);
  }
  return out;
}

}  // namespace

std::optional<Report> read_report(const Entity& root) {
  if (root.type != "multipart/report") return std::nullopt;
  if (const auto* part = find_part(root, "message/delivery-status")) return delivery_report(root, *part);
  if (const auto* part = find_part(root, "message/disposition-notification")) return disposition_report(root, *part);
  return std::nullopt;
}

}  // namespace mapigate::convert
