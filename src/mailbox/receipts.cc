// Read receipts ([MS-OXOMSG] 3.2.4.4, [MS-OXCMSG] 2.2.3.10.1): whoever asked for one by Disposition-Notification-To gets
// it when the message is marked read, unless the reader does not want that; what another client of the backend marked is not
// ours to tell. $MDNSent (RFC 3503) tells every client that it is settled; it is set first, so that a kill costs a receipt and
// never sends two, and by one session at a time.
#include "mailbox/receipts.h"

#include <algorithm>

#include "base/log.h"
#include "convert/message_data.h"
#include "convert/read_receipt.h"

namespace mapigate::mailbox {

using namespace mapi;

namespace {

// What a client set on a message that came by mail stands beside it, and counts.
bool asked(const state::Message& message, PropertyTag tag) {
  const auto* beside = message.extras.find(tag);
  return beside != nullptr ? number_of(*beside) != 0 : message.properties.number(tag) != 0;
}

bool is_settled(const state::Message& message) {
  return (message.flags & (state::flag_mdn_sent | state::flag_draft)) != 0 ||
         message.properties.string(PidTagMessageClass).starts_with("REPORT.");
}

bool fits(const state::Message& row, Receipts what) {
  const bool seen = (row.flags & state::flag_seen) != 0;
  return wants_receipt(row) && !(what == Receipts::of_unread && seen);
}

// Those of them that `wanted` says, which are then settled for everybody else.
Task<std::vector<state::Message>> take(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids,
                                       bool (*wanted)(const state::Message&, Receipts), Receipts what) {
  auto lock = co_await mailbox->receipts_lock().lock(mailbox->context().options.backend_wait);
  if (!lock) co_return std::vector<state::Message>();
  auto read = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto rows = co_await mailbox->with_state(read);
  if (!rows) co_return std::vector<state::Message>();
  std::erase_if(*rows, [&](const auto& row) { return row.folder != folder || !wanted(row, what); });
  if (rows->empty()) co_return std::vector<state::Message>();
  std::vector<GlobalCounter> theirs;
  for (const auto& row : *rows) theirs.push_back(row.id);
  const std::uint32_t sent = state::flag_mdn_sent;
  auto settled = co_await mailbox->set_flags(folder, theirs, sent, 0);
  if (!settled) {
    log::info("mailbox: read receipts: {}", settled.error().message);
    co_return std::vector<state::Message>();
  }
  co_return std::move(*rows);
}

// Who wants to know: whom the message names for that, else its sender.
convert::Address asker(const state::Message& row) {
  PropertyBag bag = row.properties.clone();
  bag.set_all(row.extras);
  auto to = convert::person(bag, {PidTagReadReceiptName, PidTagReadReceiptAddressType, PidTagReadReceiptEmailAddress, PidTagReadReceiptEntryId,
                                  PidTagReadReceiptSmtpAddress});
  if (to.address.find('@') == std::string::npos)
    to = convert::person(bag, {PidTagSenderName, PidTagSenderAddressType, PidTagSenderEmailAddress, PidTagSenderEntryId, PidTagSenderSmtpAddress});
  return to;
}

Task<> send(Mailbox* mailbox, std::vector<state::Message> rows, bool was_read) {
  if (rows.empty() || !mailbox->can_submit()) co_return;
  const auto store = mailbox->identity();
  for (const auto& row : rows) {
    convert::ReadReceipt receipt;
    receipt.reader = {store->display_name == store->user ? std::string() : store->display_name, store->user};
    receipt.to = asker(row);
    const auto& address = receipt.to.address;
    if (address.find('@') == std::string::npos || address.find_first_of("\r\n<> ") != std::string::npos || address == store->user) continue;
    receipt.host = store->user.substr(store->user.rfind('@') + 1);
    receipt.subject = row.properties.string(PidTagSubjectPrefix) + row.properties.string(PidTagNormalizedSubject);
    receipt.message_id = row.properties.string(PidTagInternetMessageId);
    receipt.when = now();
    receipt.was_read = was_read;
    auto written = convert::write_read_receipt(receipt);
    if (!written) {
      log::info("mailbox: read receipt: {}", written.error().message);
      continue;
    }
    Mailbox::Submission submission;
    submission.mime = std::move(*written);
    submission.recipients = {address};
    submission.subject = receipt.subject;
    submission.is_report = true;
    auto taken = co_await mailbox->submit(std::move(submission));
    if (!taken) log::info("mailbox: read receipt: {}", taken.error().message);
  }
}

// Nothing of the message itself changes, and no flag of the backend says it.
Task<> refuse_unread(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids) {
  auto read = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto rows = co_await mailbox->with_state(read);
  if (!rows) co_return;
  for (const auto& row : *rows) {
    if (row.folder != folder || !wants_unread_receipt(row)) continue;
    auto edit = [](const state::Message& current) {
      auto extras = current.extras.clone();
      extras.set_boolean(PidTagNonReceiptNotificationRequested, false);
      return extras;
    };
    auto kept = co_await mailbox->save_extras(folder, row.id, edit, 0, 0);
    if (!kept) log::info("mailbox: non-read receipt: {}", kept.error().message);
  }
}

}  // namespace

ReadWish read_wish(std::uint8_t flags, bool guest) {
  ReadWish out;
  if (flags & rfClearReadFlag) {
    out.clear = state::flag_seen;
  } else if (flags & rfClearNotifyRead) {
    out.receipts = Receipts::refuse;
  } else if (flags & rfClearNotifyUnread) {
    out.receipts = Receipts::refuse_unread;
  } else if (flags & rfGenerateReceiptOnly) {
    out.receipts = flags & rfSuppressReceipt ? Receipts::refuse : Receipts::pending;
  } else {
    // Other bits mean nothing (row P17).
    out.set = state::flag_seen;
    out.receipts = flags & rfSuppressReceipt ? Receipts::refuse : Receipts::of_unread;
  }
  if (guest && (out.receipts == Receipts::of_unread || out.receipts == Receipts::pending)) out.receipts = Receipts::leave;
  return out;
}

bool wants_receipt(const state::Message& message) { return !is_settled(message) && asked(message, PidTagReadReceiptRequested); }

bool wants_unread_receipt(const state::Message& message) {
  return !is_settled(message) && (message.flags & state::flag_seen) == 0 && asked(message, PidTagNonReceiptNotificationRequested);
}

Task<> settle_receipts(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids, Receipts what) {
  if (what == Receipts::leave) co_return;
  if (what == Receipts::refuse_unread) {
    co_await refuse_unread(mailbox, folder, std::move(ids));
    co_return;
  }
  auto rows = co_await take(mailbox, folder, std::move(ids), fits, what);
  if (what != Receipts::refuse) co_await send(mailbox, std::move(rows), true);
}

Task<std::vector<state::Message>> take_unread_receipts(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids) {
  const auto wanted = [](const state::Message& row, Receipts) { return wants_unread_receipt(row); };
  co_return co_await take(mailbox, folder, std::move(ids), wanted, Receipts::leave);
}

Task<> send_unread_receipts(Mailbox* mailbox, std::vector<state::Message> deleted) {
  co_await send(mailbox, std::move(deleted), false);
}

}  // namespace mapigate::mailbox
