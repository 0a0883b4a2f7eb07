// Ordered lists of a folder's messages: what stands behind contents tables.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "mailbox/restriction_match.h"
#include "mailbox/store_identity.h"
#include "state/mailbox_state.h"

namespace mapigate::mailbox {

using MessageList = std::shared_ptr<const std::vector<mapi::GlobalCounter>>;

// What makes header rows and rows of single values out of a sort order ([MS-OXCTABL] 2.2.2.2.1 and 2.2.2.3.1).
struct Categories {
  std::uint16_t count = 0, expanded = 0;          // of the first sort columns; levels that start expanded
  std::optional<mapi::PropertyTag> instances{};   // a row for each value of this property
};

// Sort order and restriction of a table, with everything they point to. Immutable.
struct ListOrder {
  std::vector<mapi::SortOrder> sort;         // without MaximumCategory
  std::optional<mapi::PropertyTag> maximum;  // of MaximumCategory: by its greatest value the innermost categories stand
  std::uint16_t categories = 0, expanded = 0;
  std::optional<mapi::PropertyTag> instances;
  const mapi::Restriction* restriction = nullptr;
  Arena arena{256};
  std::string key;  // equal for equal orders
  std::vector<mapi::SortOrder> asked;  // what make() was given, to make the next one of

  bool grouped() const { return categories > 0 || instances.has_value(); }
  Categories category_order() const { return {categories, expanded, instances}; }
  static std::shared_ptr<const ListOrder> make(std::span<const mapi::SortOrder> sort, const mapi::Restriction* restriction,
                                               const Categories& categories = {});
};

// Appends one key so that keys of several columns compare one after the other, whatever their lengths.
void append_key(std::string& out, std::string_view key, bool down);

class MessageSource;
// Calls `each` for every message of the folder that meets the restriction, in no order, until it returns false. How many of
// them are wanted (counted()) is up to the caller.
Status each_match(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store, mapi::GlobalCounter folder,
                  const mapi::Restriction* restriction, const TextMatches* matches,
                  const std::function<bool(const MessageSource&)>& each);

// Recipients of an index row as its display lists tell them: names, or addresses where there is no name.
class DisplayRecipients final : public SubObjects {
 public:
  std::optional<std::vector<std::unique_ptr<PropertySource>>> rows(const PropertySource& of,
                                                                   mapi::PropertyTag subobject) const override;
};

// Blocks: runs on a worker. Errc::limit beyond `max_rows`.
Result<MessageList> build_list(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store,
                               mapi::GlobalCounter folder, const ListOrder& order, std::size_t max_rows,
                               const TextMatches* matches = nullptr);

}  // namespace mapigate::mailbox
