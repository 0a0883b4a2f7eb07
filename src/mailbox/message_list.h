// Ordered lists of a folder's messages: what stands behind contents tables.
#pragma once

#include <memory>
#include <vector>

#include "mailbox/restriction_match.h"
#include "mailbox/store_identity.h"
#include "state/mailbox_state.h"

namespace mapigate::mailbox {

using MessageList = std::shared_ptr<const std::vector<mapi::GlobalCounter>>;

// Sort order and restriction of a table, with everything they point to. Immutable.
struct ListOrder {
  std::vector<mapi::SortOrder> sort;
  const mapi::Restriction* restriction = nullptr;
  Arena arena{256};
  std::string key;  // equal for equal orders

  static std::shared_ptr<const ListOrder> make(std::span<const mapi::SortOrder> sort, const mapi::Restriction* restriction);
};

// Recipients of an index row as its display lists tell them: names, or addresses where there is no name.
class DisplayRecipients final : public SubObjects {
 public:
  std::optional<std::vector<std::unique_ptr<PropertySource>>> rows(const PropertySource& of,
                                                                   mapi::PropertyTag subobject) const override;
};

// Blocks: runs on a worker. Errc::limit beyond `max_rows`.
Result<MessageList> build_list(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store,
                               mapi::GlobalCounter folder, const ListOrder& order, std::size_t max_rows);

}  // namespace mapigate::mailbox
