// Read receipts and non-read receipts for messages that ask for them.
#pragma once

#include "mailbox/mailbox.h"

namespace mapigate::mailbox {

// ReadFlags of RopSetReadFlags and RopSetMessageReadFlag ([MS-OXCMSG] 2.2.3.10.1).
enum : std::uint8_t { rfSuppressReceipt = 0x01, rfClearReadFlag = 0x04, rfGenerateReceiptOnly = 0x10, rfClearNotifyRead = 0x20,
                      rfClearNotifyUnread = 0x40 };

enum class Receipts : std::uint8_t {
  leave,
  of_unread,      // the messages are being read: for those that were not read before
  pending,        // for all that wait for one
  refuse,         // none will come
  refuse_unread,  // no non-read receipt will come
};
struct ReadWish {
  std::uint32_t set = 0, clear = 0;  // flags of the message
  Receipts receipts = Receipts::leave;
};
// `guest`: who reads is not the owner, in whose name receipts would be sent.
ReadWish read_wish(std::uint8_t read_flags, bool guest);

// Asks for one that nobody has sent or refused yet: mfNotifyRead.
bool wants_receipt(const state::Message& message);
// The same for messages that are deleted unread: mfNotifyUnread.
bool wants_unread_receipt(const state::Message& message);

// Of these messages of the folder: sends what is asked for, or says that none will come. To be called before their flags change.
// Failures are logged.
Task<> settle_receipts(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids, Receipts what);

// Around a deletion of which the senders are to hear: first takes up whom to tell, then, when the messages are gone, tells them.
Task<std::vector<state::Message>> take_unread_receipts(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids);
Task<> send_unread_receipts(Mailbox* mailbox, std::vector<state::Message> deleted);

}  // namespace mapigate::mailbox
