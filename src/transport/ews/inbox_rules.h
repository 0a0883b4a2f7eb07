// A rule of the inbox in the terms of the web services ([MS-OXWSRULES] 2.2.4). Internal to transport/ews.
#pragma once

#include <pugixml.hpp>

#include "directory/snapshot.h"
#include "mailbox/inbox_rules.h"

namespace mapigate::transport::ews {

// Whether it is one of those that users make; others belong to absences and delegates.
bool is_users_rule(const mapi::PropertyBag& rule);

// Adds a Rule. What the web services have no words for leaves only its name, marked as not supported. `book` may be null.
void write_rule(pugi::xml_node rules, const mapi::PropertyBag& rule, int priority, const mailbox::StoreIdentity& store,
                const directory::Snapshot* book);

}  // namespace mapigate::transport::ews
