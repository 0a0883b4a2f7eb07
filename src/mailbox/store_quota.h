// How large a mailbox may become ([MS-OXCSTOR] 2.2.2.1.1), as its backend tells. A backend has one limit; it stands for those
// of warning, sending and receiving alike.
#pragma once

#include "mailbox/mailbox.h"
#include "mailbox/property_source.h"

namespace mapigate::mailbox {

bool names_quota(std::span<const mapi::PropertyTag> tags);

// The store's properties with the limits and the size that the backend tells; as they are when it tells none.
Task<std::shared_ptr<const PropertySource>> with_quota(Mailbox* mailbox, std::shared_ptr<const PropertySource> store);

}  // namespace mapigate::mailbox
