// Read receipts for messages that ask for one.
#pragma once

#include "mailbox/mailbox.h"

namespace mapigate::mailbox {

// Asks for one that nobody has sent or refused yet.
bool wants_receipt(const state::Message& message);
// Of these messages of the folder: sends what is asked for, or says that none will come. Failures are logged.
Task<> settle_receipts(Mailbox* mailbox, GlobalCounter folder, std::vector<GlobalCounter> ids, bool send);

}  // namespace mapigate::mailbox
