// Who may open whose mailbox, as `full_access` of the entries says, and who sends for whom, as `delegates` says. Autodiscover
// tells of the same mailboxes that open.
#pragma once

#include "directory/snapshot.h"

namespace mapigate::directory {

// Groups have delegates too, who write in their name, and contacts are elsewhere: neither has a mailbox to open.
bool has_mailbox(const Entry& entry);
// Whether `user` may send on behalf of `object` or has full access to its mailbox: named there, or in a group that is.
bool may_act_for(const Snapshot& book, const Object& object, Index user);
// Whether `user` may send in the name of `object`: oneself, or as one of its delegates or in a group that is. Full access is to the
// mailbox and does not count; groups have delegates like people, contacts write from elsewhere.
bool may_send_for(const Snapshot& book, Index object, Index user);
// Whether `user` has full access, by address. `owner` has to be the address of the entry itself, in lower case: that is what mailboxes are called
// by, and an alias would be a second one.
bool may_open(const Snapshot& book, std::string_view user, std::string_view owner);
// The mailboxes of others that `user` may open.
std::vector<Index> mailboxes_open_to(const Snapshot& book, Index user);

}  // namespace mapigate::directory
