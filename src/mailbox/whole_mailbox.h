// Messages of all folders as rows of one table ([MS-OXCFOLD] 2.2.1.14.1, ConversationMembers). A client picks a conversation by a
// restriction.
#pragma once

#include "mailbox/table_rows.h"

namespace mapigate::mailbox {

class WholeMailboxRows final : public Rows {
 public:
  Task<Result<bool>> load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) override;
  std::size_t size() const override { return ids_.size(); }
  std::uint64_t identity(std::size_t row) const override { return ids_[row]; }
  Task<Result<RowSources>> read(Mailbox& mailbox, std::size_t first, std::size_t count) override;
  std::vector<mapi::PropertyTag> all_columns() const override { return message_columns(); }
  const SubObjects* subobjects() const override { return &recipients_; }

 private:
  std::vector<GlobalCounter> ids_;
  std::uint64_t version_ = 0;
  std::shared_ptr<const ListOrder> order_;  // null: not loaded
  DisplayRecipients recipients_;
};

}  // namespace mapigate::mailbox
