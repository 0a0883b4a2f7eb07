// Categorised and multiplied rows of a contents table ([MS-OXCTABL] 2.2.1 and 2.2.2.3): messages that share the values
// of the first sort columns stand under a header row, and a message with several values of a property may have a row
// for each of them.
#pragma once

#include <set>

#include "mailbox/message_list.h"

namespace mapigate::mailbox {

using mapi::GlobalCounter;

// The rows there are, whatever is expanded. Immutable.
struct RowGroups {
  struct Leaf {
    GlobalCounter id;
    std::uint32_t instance;  // which of the values; PidTagInstanceNum
  };
  struct Category {
    std::uint64_t id;        // PidTagInstID: the same for the same values in the same order of the table
    std::uint32_t depth;
    std::uint32_t after;     // index of the next category that is not within this one
    std::uint32_t first, last;  // leaves; `last` is behind them
    std::uint32_t unread;
    std::uint32_t greatest;  // leaf with the greatest value of ListOrder::maximum
  };
  std::vector<Leaf> leaves;
  std::vector<Category> categories;  // each before those within it
};
// Blocks: runs on a worker. Errc::limit beyond `max_rows` leaves.
Result<std::shared_ptr<const RowGroups>> build_groups(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store,
                                                      GlobalCounter folder, const ListOrder& order, std::size_t max_rows,
                                                      const TextMatches* matches);

// Which of them a table shows: what is expanded is each table's own.
class GroupedView {
 public:
  void show(std::shared_ptr<const RowGroups> groups, std::uint16_t expanded);

  std::size_t size() const { return rows_.size(); }
  std::uint64_t identity(std::size_t row) const;
  bool is_header(std::size_t row) const { return (rows_[row] & header_bit) != 0; }
  const RowGroups::Category& category(std::size_t row) const { return groups_->categories[rows_[row] & ~header_bit]; }
  const RowGroups::Leaf& leaf(std::size_t row) const { return groups_->leaves[rows_[row]]; }
  const RowGroups& groups() const { return *groups_; }

  bool is_expanded(const RowGroups::Category& category) const;
  // The row of a header that is shown; nullopt when there is none.
  std::optional<std::size_t> header(std::uint64_t id) const;
  bool knows(std::uint64_t id) const;
  // The row count before and after tells what came or went.
  void set_expanded(std::uint64_t id, bool expanded);
  // Categories that are not as the order of the table says.
  const std::set<std::uint64_t>& toggled() const { return toggled_; }
  void set_toggled(std::set<std::uint64_t> ids);

 private:
  static constexpr std::uint32_t header_bit = 0x80000000;
  void lay_out();
  std::shared_ptr<const RowGroups> groups_;
  std::uint16_t expanded_ = 0;  // levels that start expanded
  std::set<std::uint64_t> toggled_;
  std::vector<std::uint32_t> rows_;
};

// A row of a message as the table shows it. `number`: of categories around it.
std::unique_ptr<PropertySource> leaf_source(std::unique_ptr<PropertySource> message, std::shared_ptr<const ListOrder> order,
                                            std::uint32_t instance);
// A header row. `message`: the first under it, whose values of the category columns are its own; `greatest`: that with the
// greatest value, where the order asks for one.
std::unique_ptr<PropertySource> header_source(std::unique_ptr<PropertySource> message, std::unique_ptr<PropertySource> greatest,
                                              std::shared_ptr<const ListOrder> order, const RowGroups::Category& category,
                                              std::uint32_t instance, bool expanded);

}  // namespace mapigate::mailbox
