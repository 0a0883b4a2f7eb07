// Deleted messages that can be recovered, as rows of the folder that they were deleted from.
#pragma once

#include "mailbox/table_rows.h"

namespace mapigate::mailbox {

class SoftDeletedRows final : public MemoryRows {
 public:
  explicit SoftDeletedRows(GlobalCounter folder) : folder_(folder) {}
  std::vector<mapi::PropertyTag> all_columns() const override;
  const SubObjects* subobjects() const override { return &recipients_; }

 private:
  Task<Result<std::vector<Row>>> all(Mailbox& mailbox) override;
  std::uint64_t version(Mailbox& mailbox) const override { return mailbox.recoverable_version(); }
  GlobalCounter folder_;
  DisplayRecipients recipients_;
};

}  // namespace mapigate::mailbox
