// Contacts for those who read no MAPI ([MS-OXVCARD] 2.1.3, RFC 2426).
#pragma once

#include <map>
#include <string>

#include "convert/message_data.h"

namespace mapigate::convert {

bool is_contact(const MessageData& message);
// Whether a contact is among the attachments of the message or of messages in it: these leave as vCards ([MS-OXCMAIL] 2.1.3.4.6).
bool has_contacts(const MessageData& message);

// A vCard 3.0 in UTF-8. `names`: of the named properties in the message.
std::string write_vcard(const MessageData& contact, const std::map<std::uint16_t, mapi::PropertyName>& names);

}  // namespace mapigate::convert
