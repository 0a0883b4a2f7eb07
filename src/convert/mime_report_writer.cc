#include "convert/mime_report_writer.h"

#include <algorithm>

#include "base/text.h"
#include "convert/delivery_status.h"
#include "convert/mime_writer_parts.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

// [MS-OXCMAIL] 2.1.3.6.1.1; the longer endings first.
struct Action {
  std::string_view class_end, word, sentence;
  std::int32_t usual_status;
};
constexpr Action actions[] = {
    {".expanded.dr", "expanded", "was delivered to the members of", 200},
    {".relayed.dr", "relayed", "was relayed to a server that sends no reports for", 200},
    {".delayed.dr", "delayed", "has not been delivered yet to", 400},
    {".dr", "delivered", "was delivered to", 200},
    {".ndr", "failed", "could not be delivered to", 500}};

// [MS-OXCMAIL] 2.1.3.6.2.1.
struct Disposition {
  std::string_view class_end, word, sentence;
};
constexpr Disposition dispositions[] = {{".ipnrn", "displayed", "was read on"}, {".ipnnrn", "deleted", "was deleted without being read on"}};

template <class T, std::size_t N>
const T* by_class(const T (&list)[N], const PropertyBag& bag) {
  const auto name = lower_ascii(bag.string(PidTagMessageClass));
  if (!name.starts_with("report.")) return nullptr;
  for (const auto& one : list)
    if (name.ends_with(one.class_end)) return &one;
  return nullptr;
}

// On one logical line and not beyond what a line may hold.
void put(std::string& out, std::string_view name, std::string_view value) {
  constexpr std::size_t most = 900;
  put_text(out, name, words(std::string(utf8_prefix(value, most))));
}
// "dns; host"; what has a type keeps it.
std::string host_value(std::string value) { return value.find(';') == value.npos ? "dns; " + value : value; }

std::int32_t status_of(const PropertyBag& bag, const Action& action) {
  const auto code = static_cast<std::int32_t>(bag.number(PidTagNonDeliveryReportStatusCode));
  const bool is_status = code >= 200 && code < 600;
  NonDeliveryCodes codes;
  if (bag.contains(PidTagNonDeliveryReportDiagCode)) codes.diagnostic = static_cast<std::int32_t>(bag.number(PidTagNonDeliveryReportDiagCode));
  codes.reason = static_cast<std::int32_t>(bag.number(PidTagNonDeliveryReportReasonCode));
  const bool coded = bag.contains(PidTagNonDeliveryReportDiagCode) || bag.contains(PidTagNonDeliveryReportReasonCode);
  // Several numbers come to the same codes: where they do, the one that was given is the more exact.
  if (is_status && (!coded || codes_of_status(code / 10 % 10, code % 10) == codes)) return code;
  return coded && action.usual_status != 200 ? status_of_codes(codes) : action.usual_status;
}

std::string subject_of_original(const PropertyBag& bag) {
  auto out = bag.string(PidTagOriginalSubject);
  if (out.empty()) out = bag.string(PidTagNormalizedSubject);
  return out.empty() ? subject_of(bag) : out;
}

// [MS-OXCMAIL] 2.1.3.6.1.
ReportPart delivery(const MessageData& message, const Action& action, const MimeWriteOptions& options) {
  const auto& bag = message.properties;
  ReportPart out{"delivery-status", {}, fmt::format("Your message\r\n\r\n  Subject: {}\r\n\r\n{}\r\n\r\n", subject_of_original(bag), action.sentence)};
  const auto reporting = bag.string(PidTagReportingMessageTransferAgent);
  put(out.fields, "Reporting-MTA", host_value(reporting.empty() ? options.host : reporting));
  const auto about = recipients_in_report(message);
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    if (!about[i]) continue;
    const auto& properties = message.recipients[i].properties;
    const auto who = recipient_address(properties);
    out.fields += "\r\n";
    put(out.fields, "Final-Recipient", "rfc822;" + one_word(who.address));
    put(out.fields, "Action", action.word);
    const auto status = status_of(properties, action);
    put(out.fields, "Status", fmt::format("{}.{}.{}", status / 100, status / 10 % 10, status % 10));
    if (const auto remote = properties.string(PidTagRemoteMessageTransferAgent); !remote.empty()) put(out.fields, "Remote-MTA", host_value(remote));
    const auto info = words(properties.string(PidTagSupplementaryInfo));
    put(out.fields, "X-Supplementary-Info", info);
    if (who.name != who.address) put(out.fields, "X-Display-Name", who.name);
    out.text += fmt::format("  {}\r\n", who.display());
    if (!info.empty()) out.text += fmt::format("    {}\r\n", info);
  }
  return out;
}

// [MS-OXCMAIL] 2.1.3.6.2.
ReportPart disposition(const MessageData& message, const Disposition& kind, const MimeWriteOptions& options) {
  const auto& bag = message.properties;
  const auto reader = sender_of(bag, options);
  auto when = bag.time(PidTagReceiptTime);
  if (when.ticks == 0) when = bag.time(PidTagReportTime);
  if (when.ticks == 0) when = bag.time(PidTagClientSubmitTime);
  ReportPart out{"disposition-notification", {},
                 fmt::format("Your message\r\n\r\n  To: {}\r\n  Subject: {}\r\n\r\n{} {}.\r\n", reader.address, subject_of_original(bag), kind.sentence,
                             format_date(when.ticks != 0 ? when : now()))};
  put(out.fields, "Reporting-UA", options.host + "; mapigate");
  put(out.fields, "Final-Recipient", "rfc822;" + one_word(reader.address));
  put(out.fields, "Original-Message-ID", one_word(bag.string(PidTagOriginalMessageId)));
  put(out.fields, "Disposition", fmt::format("manual-action/MDN-sent-automatically; {}", kind.word));
  if (const auto key = bag.binary(PidTagParentKey); !key.empty() && key.size() < 500) put(out.fields, "X-MSExch-Correlation-Key", to_base64(key));
  if (reader.name != reader.address) put(out.fields, "X-Display-Name", reader.name);
  return out;
}

}  // namespace

std::optional<ReportPart> report_part(const MessageData& message, const MimeWriteOptions& options) {
  if (const auto* action = by_class(actions, message.properties)) return delivery(message, *action, options);
  if (const auto* kind = by_class(dispositions, message.properties)) return disposition(message, *kind, options);
  return std::nullopt;
}

bool is_report(const PropertyBag& bag) { return by_class(actions, bag) != nullptr || by_class(dispositions, bag) != nullptr; }

std::vector<bool> recipients_in_report(const MessageData& message) {
  std::vector<bool> out(message.recipients.size(), by_class(actions, message.properties) != nullptr);
  if (out.empty() || !out[0]) return out;
  const auto told = [](const MessageData::Recipient& one) {
    const PropertyTag tags[] = {PidTagNonDeliveryReportDiagCode, PidTagNonDeliveryReportReasonCode, PidTagNonDeliveryReportStatusCode,
                                PidTagSupplementaryInfo,         PidTagRemoteMessageTransferAgent,  PidTagReportTime, PidTagDeliverTime};
    return std::any_of(std::begin(tags), std::end(tags), [&](auto tag) { return one.properties.contains(tag); });
  };
  std::vector<bool> some;
  for (const auto& one : message.recipients) some.push_back(told(one));
  return std::find(some.begin(), some.end(), true) == some.end() ? out : some;
}

std::vector<const MessageData::Recipient*> addressees(const MessageData& message) {
  const auto about = recipients_in_report(message);
  const bool all = std::find(about.begin(), about.end(), false) == about.end();
  std::vector<const MessageData::Recipient*> out;
  for (std::size_t i = 0; i < message.recipients.size(); ++i)
    if (all || !about[i]) out.push_back(&message.recipients[i]);
  return out;
}

}  // namespace mapigate::convert
