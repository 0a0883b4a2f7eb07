// Recipients of messages ([MS-OXCMSG] 2.2.3.5 to 2.2.3.7, [MS-OXCDATA] 2.8.3), and the summary that opening gives.
#include <algorithm>

#include "mailbox/message_edit.h"
#include "mailbox/rop_call.h"
#include "mapi/legacy_dn.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using wire::RecipientRow;

// What recipient rows carry behind their fixed part (row S4: entry id and search key are never missing).
constexpr PropertyTag recipient_columns[] = {
    mapi::PidTagObjectType,           mapi::PidTagDisplayType,      mapi::PidTagSmtpAddress,
    mapi::PidTagRecipientDisplayName, mapi::PidTagRecipientEntryId, mapi::PidTagEntryId,
    mapi::PidTagSearchKey,            mapi::PidTagRecipientFlags,   mapi::PidTagRecipientOrder,
    mapi::PidTagSendRichInfo};
// Told by the fixed part of a row.
constexpr PropertyTag fixed_columns[] = {mapi::PidTagDisplayName, mapi::PidTagAddressType, mapi::PidTagEmailAddress,
                                         mapi::PidTagRecipientType, mapi::PidTagRowid, mapi::PidTagTransmittableDisplayName};

constexpr std::uint16_t unicode_code_page = 1200;
constexpr std::size_t recipient_head = 7;  // type, code page, reserved, size
constexpr std::size_t max_recipients_in_summary = 255;
constexpr std::size_t most_recipients = 5000, most_columns = 100;

struct Listed {
  std::vector<convert::Recipient> recipients;
  std::vector<PropertyTag> columns{std::begin(recipient_columns), std::end(recipient_columns)};
};

void note_columns(Listed& listed, const mapi::PropertyBag& bag) {
  for (const auto& [tag, value] : bag) {
    const auto same = [&](PropertyTag one) { return one.id() == tag.id(); };
    if (std::any_of(std::begin(fixed_columns), std::end(fixed_columns), same) || listed.columns.size() >= most_columns) continue;
    if (std::none_of(listed.columns.begin(), listed.columns.end(), same)) listed.columns.push_back(tag);
  }
}

Task<Result<Listed>> recipients_of(RopCall& call, std::shared_ptr<MessageObject> message) {
  Listed out;
  if (message->data) {
    for (const auto& recipient : message->data->recipients) {
      note_columns(out, recipient.properties);
      out.recipients.push_back(convert::complete_recipient(recipient));
    }
    co_return out;
  }
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return content.error();
  for (const auto& recipient : (*content)->recipients()) {
    if ((*content)->recipients_kept()) note_columns(out, recipient.properties);
    out.recipients.push_back({recipient.type, recipient.display_name, recipient.smtp_address, recipient.properties.clone(), recipient.row});
  }
  co_return out;
}

RecipientRow recipient_row(const convert::Recipient& recipient, const std::vector<PropertyTag>& columns, Arena& arena) {
  RecipientRow row;
  row.RecipientFlags = RecipientRow::U | RecipientRow::D | RecipientRow::S;
  row.DisplayName.unicode = to_utf16(arena, recipient.display_name.empty() ? recipient.smtp_address : recipient.display_name);
  if (!recipient.smtp_address.empty()) {
    row.RecipientFlags |= static_cast<std::uint16_t>(RecipientRow::SMTP);
    row.RecipientFlags |= RecipientRow::E;
    row.EmailAddress.unicode = to_utf16(arena, recipient.smtp_address);
  } else if (const auto type = recipient.properties.string(mapi::PidTagAddressType); type == "EX") {
    // As its client wrote it ([MS-OXCDATA] 2.8.3.2).
    row.RecipientFlags |= static_cast<std::uint16_t>(RecipientRow::X500DN);
    row.DisplayType = static_cast<std::uint8_t>(recipient.properties.number(mapi::PidTagDisplayType));
    row.X500Dn = arena.copy(std::string_view(recipient.properties.string(mapi::PidTagEmailAddress)));
  } else if (!type.empty() && type != "SMTP") {
    const auto address = recipient.properties.string(mapi::PidTagEmailAddress);
    row.RecipientFlags |= static_cast<std::uint16_t>(RecipientRow::O | RecipientRow::E);
    row.AddressType = arena.copy(std::string_view(type));
    row.EmailAddress.unicode = to_utf16(arena, address);
  }
  row.RecipientColumnCount = static_cast<std::uint16_t>(columns.size());
  row.RecipientProperties = make_row(BagSource(recipient.properties), columns, arena, {});
  return row;
}

std::size_t row_size(const RecipientRow& row, const std::vector<PropertyTag>& columns) {
  Bytes bytes;
  return wire::encode_recipient_row(row, bytes, columns) ? bytes.size() : SIZE_MAX;
}

Task<ErrorCode> read_recipients(RopCall& call, const wire::RopReadRecipients::Request& request,
                                wire::RopReadRecipients::Response& response) {
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  auto listed = co_await recipients_of(call, message);
  if (!listed) co_return mapi::to_error_code(listed.error());
  const auto& columns = listed->columns;
  std::vector<wire::ReadRecipientRow> rows;
  std::size_t used = 1;
  for (std::size_t i = 0; i < listed->recipients.size() && rows.size() < 255; ++i) {
    if (listed->recipients[i].row < request.RowId) continue;
    wire::ReadRecipientRow out;
    out.RowId = listed->recipients[i].row;
    out.RecipientType = convert::row_type_of(listed->recipients[i].type);
    out.CodePageId = unicode_code_page;
    Bytes bytes;
    if (!wire::encode_recipient_row(recipient_row(listed->recipients[i], columns, call.arena), bytes, columns)) continue;
    if (used + bytes.size() + recipient_head + 4 > call.budget) {
      if (rows.empty()) {
        call.too_small = call.budget < 0x7000;
        co_return mapi::ecBufferTooSmall;
      }
      break;
    }
    used += bytes.size() + recipient_head + 4;
    out.RecipientRow = call.arena.copy(View(bytes));
    rows.push_back(out);
  }
  if (rows.empty()) co_return mapi::ecNotFound;
  response.RecipientRows = call.arena.copy(std::span<const wire::ReadRecipientRow>(rows));
  co_return mapi::ecNone;
}

// The fixed part of a row as properties.
mapi::PropertyBag properties_of(const RecipientRow& row, std::span<const PropertyTag> columns, unsigned code_page) {
  mapi::PropertyBag bag;
  Arena arena;
  const auto& cells = row.RecipientProperties.values;
  for (std::size_t i = 0; i < cells.size() && i < columns.size(); ++i) {
    if (cells[i].type == mapi::PropertyType::PtypErrorCode || cells[i].type == mapi::PropertyType::PtypUnspecified) continue;
    auto tag = columns[i].with(cells[i].type);
    const auto value = normal_value(tag, cells[i], arena, code_page);
    bag.set(tag, value);
  }
  const auto text = [&](PropertyTag tag, const wire::AnyString& string) { bag.set_string(tag, wire::to_utf8(string, code_page)); };
  if (row.has(RecipientRow::D)) text(mapi::PidTagDisplayName, row.DisplayName);
  if (row.has(RecipientRow::T)) text(mapi::PidTagTransmittableDisplayName, row.TransmittableDisplayName);
  if (row.has(RecipientRow::E)) text(mapi::PidTagEmailAddress, row.EmailAddress);
  if (row.has(RecipientRow::I)) text(mapi::PidTagAddressBookDisplayNamePrintable, row.SimpleDisplayName);
  if (row.has(RecipientRow::N) && !bag.contains(mapi::PidTagSendRichInfo)) bag.set_boolean(mapi::PidTagSendRichInfo, false);
  switch (row.type()) {
    case RecipientRow::SMTP: bag.set_string(mapi::PidTagAddressType, "SMTP"); break;
    case RecipientRow::X500DN: {
      bag.set_string(mapi::PidTagAddressType, "EX");
      // AddressPrefixUsed counts the bytes that the name shares with the organisation's; we announce none.
      const std::string dn(row.X500Dn);
      bag.set_string(mapi::PidTagEmailAddress, dn);
      bag.set_integer(mapi::PidTagDisplayType, row.DisplayType);
      if (auto address = mapi::address_of_user_dn(dn); address && !bag.contains(mapi::PidTagSmtpAddress))
        bag.set_string(mapi::PidTagSmtpAddress, *address);
      break;
    }
    case RecipientRow::PersonalDistributionList1:
    case RecipientRow::PersonalDistributionList2:
      bag.set_binary(mapi::PidTagEntryId, row.EntryId);
      bag.set_binary(mapi::PidTagSearchKey, row.SearchKey);
      bag.set_string(mapi::PidTagAddressType, "MAPIPDL");
      break;
    case RecipientRow::Fax: bag.set_string(mapi::PidTagAddressType, "FAX"); break;
    default:
      if (row.has(RecipientRow::O)) bag.set_string(mapi::PidTagAddressType, row.AddressType);
  }
  return bag;
}

Task<ErrorCode> modify_recipients(RopCall& call, const wire::RopModifyRecipients::Request& request,
                                  wire::RopModifyRecipients::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  if (is_read_only(*message)) co_return mapi::ecAccessDenied;
  auto made = co_await make_editable(call.mailbox, message);
  if (!made) co_return mapi::to_error_code(made.error());
  auto& recipients = message->data->recipients;
  const auto code_page = message->code_page ? message->code_page : call.session.options().code_page;
  message->content_changed = true;
  for (const auto& one : request.RecipientRows) {
    const auto known = std::find_if(recipients.begin(), recipients.end(), [&](const auto& r) { return r.row == one.RowId; });
    if (!one.has_row) {
      if (known != recipients.end()) recipients.erase(known);
      continue;
    }
    convert::MessageData::Recipient recipient;
    recipient.row = one.RowId;
    recipient.type = convert::recipient_type_of(one.RecipientType);
    recipient.properties = properties_of(one.RecipientRow, request.RecipientColumns, code_page);
    constexpr std::uint32_t resend_flags = convert::recipient_gets_it_again | convert::recipient_has_it;
    recipient.type |= static_cast<std::int32_t>(static_cast<std::uint32_t>(recipient.properties.number(mapi::PidTagRecipientType)) & resend_flags);
    if (known != recipients.end()) *known = std::move(recipient);
    else if (recipients.size() >= most_recipients) co_return mapi::ecTooBig;
    else {
      // Told in the order of their rows ([MS-OXCMSG] 3.2.5.1).
      const auto behind = std::find_if(recipients.begin(), recipients.end(), [&](const auto& r) { return r.row > one.RowId; });
      recipients.insert(behind, std::move(recipient));
    }
  }
  co_return mapi::ecNone;
}

Task<ErrorCode> remove_all_recipients(RopCall& call, const wire::RopRemoveAllRecipients::Request&,
                                      wire::RopRemoveAllRecipients::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  if (is_read_only(*message)) co_return mapi::ecAccessDenied;
  auto made = co_await make_editable(call.mailbox, message);
  if (!made) co_return mapi::to_error_code(made.error());
  message->data->recipients.clear();
  message->content_changed = true;
  co_return mapi::ecNone;
}

}  // namespace

namespace {

// In half the bytes where no character needs more ([MS-OXCDATA] 2.11.7).
wire::TypedString typed_string(Utf16 text, Arena& arena) {
  std::string low;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.at(i) > 0xFF) return wire::TypedString::of(text);
    low += static_cast<char>(text.at(i));
  }
  if (low.empty()) return wire::TypedString::of(text);
  wire::TypedString out{};
  out.StringType = wire::TypedString::reduced_unicode;
  out.String8 = arena.copy(std::string_view(low));
  return out;
}
std::size_t size_of(const wire::TypedString& text) { return text.Unicode.bytes.size() + text.String8.size(); }

}  // namespace

Task<ErrorCode> summarize_message(RopCall& call, std::shared_ptr<MessageObject> message, wire::MessageSummary& out) {
  auto listed = co_await recipients_of(call, message);
  if (!listed) co_return mapi::to_error_code(listed.error());
  auto properties = co_await mailbox::properties_of(call, message, false, false);
  if (!properties) co_return mapi::to_error_code(properties.error());
  auto& arena = call.arena;
  const auto text = [&](PropertyTag tag) {
    // Into the arena: the response is encoded after its sources are gone.
    const auto value = (*properties)->get(tag, arena);
    return value && value->get<Utf16>() ? Utf16{arena.copy(value->get<Utf16>()->bytes)} : Utf16{};
  };
  if (message->data) {
    out.HasNamedProperties = std::any_of(message->data->properties.begin(), message->data->properties.end(),
                                         [](const auto& value) { return value.tag.named(); });
  } else {
    auto content = co_await content_of(call.mailbox, message);
    if (!content) co_return mapi::to_error_code(content.error());
    const auto tags = (*properties)->list();
    out.HasNamedProperties = !(*content)->keywords().empty() || !(*content)->internet_headers().empty() ||
                             std::any_of(tags.begin(), tags.end(), [](auto tag) { return tag.named(); });
  }
  out.SubjectPrefix = typed_string(text(mapi::PidTagSubjectPrefix), arena);
  out.NormalizedSubject = typed_string(text(mapi::PidTagNormalizedSubject), arena);
  out.RecipientCount = static_cast<std::uint16_t>(std::min<std::size_t>(listed->recipients.size(), UINT16_MAX));
  out.RecipientColumns = arena.copy(std::span<const PropertyTag>(listed->columns));
  std::size_t used = 32 + size_of(out.SubjectPrefix) + size_of(out.NormalizedSubject) + 4 * listed->columns.size();
  std::vector<wire::OpenRecipientRow> rows;
  for (const auto& recipient : listed->recipients) {
    if (rows.size() >= max_recipients_in_summary) break;
    wire::OpenRecipientRow row;
    row.RecipientType = convert::row_type_of(recipient.type);
    row.CodePageId = unicode_code_page;
    row.RecipientRow = recipient_row(recipient, listed->columns, arena);
    const auto size = row_size(row.RecipientRow, listed->columns);
    // The client asks for the rest with RopReadRecipients.
    if (size == SIZE_MAX || used + size + recipient_head > call.budget) break;
    used += size + recipient_head;
    rows.push_back(row);
  }
  out.RecipientRows = arena.copy(std::span<const wire::OpenRecipientRow>(rows));
  co_return mapi::ecNone;
}

HandlerList recipient_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopReadRecipients, read_recipients>(),
      on<wire::RopModifyRecipients, modify_recipients>(),
      on<wire::RopRemoveAllRecipients, remove_all_recipients>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
