// PidTagOutOfOfficeState of a store ([MS-OXCSTOR] 2.2.2.1.1): whether the user's mail is answered automatically, read from and
// written to whoever keeps these replies. `guest`: for somebody who has the mailbox open as a guest.
#pragma once

#include "mailbox/mailbox.h"
#include "mailbox/property_source.h"

namespace mapigate::mailbox {

bool names_out_of_office(std::span<const mapi::PropertyTag> tags);

// The store's properties with that one as it is now; without it when nobody can tell.
Task<std::shared_ptr<const PropertySource>> with_out_of_office(Mailbox* mailbox, bool guest, std::shared_ptr<const PropertySource> store);

// Whether mail is answered now, for a logon: what was heard within the last minute counts, then whoever keeps the replies is asked,
// but not for long; then what was heard before, or set on the store.
Task<bool> is_out_of_office(Mailbox* mailbox, bool guest);

// True answers mail from now on with the texts that were set before, false no longer does. ecNotSupported: nobody keeps replies.
Task<mapi::ErrorCode> set_out_of_office(Mailbox* mailbox, bool guest, bool away);

}  // namespace mapigate::mailbox
