// Read receipts ([MS-OXOMSG] 3.2.4.4, [MS-OXCMSG] 2.2.3.10.1): whoever asked for one by Disposition-Notification-To gets
// it when the message is marked read, unless the reader does not want that. $MDNSent (RFC 3503) tells every client that it
// is settled; it is set first, so that a kill costs a receipt and never sends two.
#include "mailbox/receipts.h"

#include <algorithm>

#include "base/log.h"
#include "convert/read_receipt.h"

namespace mapigate::mailbox {

using namespace mapi;

bool wants_receipt(const state::Message& message) {
  constexpr std::uint32_t settled = state::flag_mdn_sent | state::flag_draft;
  return message.properties.number(PidTagReadReceiptRequested) != 0 && (message.flags & settled) == 0 &&
         !message.properties.string(PidTagMessageClass).starts_with("REPORT.");
}

Task<> settle_receipts(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids, bool send) {
  auto read = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto rows = co_await mailbox->with_state(read);
  if (!rows) co_return;
  std::erase_if(*rows, [&](const auto& row) { return row.folder != folder || !wants_receipt(row); });
  if (rows->empty()) co_return;
  std::vector<GlobalCounter> asked;
  for (const auto& row : *rows) asked.push_back(row.id);
  const std::uint32_t sent = state::flag_mdn_sent;
  auto settled = co_await mailbox->set_flags(folder, asked, sent, 0);
  if (!settled) {
    log::info("mailbox: read receipts: {}", settled.error().message);
    co_return;
  }
  if (!send || !mailbox->can_submit()) co_return;
  const auto store = mailbox->identity();
  for (const auto& row : *rows) {
    convert::ReadReceipt receipt;
    receipt.reader = {store->display_name == store->user ? std::string() : store->display_name, store->user};
    receipt.to = {row.properties.string(PidTagReadReceiptName), row.properties.string(PidTagReadReceiptSmtpAddress)};
    if (receipt.to.address.find('@') == receipt.to.address.npos || receipt.to.address == store->user) continue;
    receipt.host = store->user.substr(store->user.rfind('@') + 1);
    receipt.subject = row.properties.string(PidTagSubjectPrefix) + row.properties.string(PidTagNormalizedSubject);
    receipt.message_id = row.properties.string(PidTagInternetMessageId);
    receipt.read = now();
    Mailbox::Submission submission;
    submission.mime = convert::ByteSource::from_string(convert::write_read_receipt(receipt));
    submission.recipients = {receipt.to.address};
    submission.subject = receipt.subject;
    auto taken = co_await mailbox->submit(std::move(submission));
    if (!taken) log::info("mailbox: read receipt: {}", taken.error().message);
  }
}

}  // namespace mapigate::mailbox
