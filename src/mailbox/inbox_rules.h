// The rules of a user's inbox as MAPI clients stored them, for others who ask (transport/ews).
#pragma once

#include <memory>
#include <vector>

#include "io/task.h"
#include "mailbox/store_identity.h"
#include "mapi/property_bag.h"

namespace mapigate::mailbox {

class Mailbox;

struct InboxRules {
  std::vector<mapi::PropertyBag> rules;  // in the order in which they count: PidTagRuleId, PidTagRuleName and so on
  bool outlook_keeps_its_own = false;    // the inbox holds the message in which Outlook keeps its form of them
  std::shared_ptr<const StoreIdentity> store;  // whose ids folders and messages have in them; null: there are no rules
};

// The mailbox must be open.
io::Task<Result<InboxRules>> inbox_rules(Mailbox* mailbox);

}  // namespace mapigate::mailbox
