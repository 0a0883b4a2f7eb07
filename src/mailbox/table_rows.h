// What stands behind a table: rows in the order asked for, read by position.
#pragma once

#include "mailbox/mailbox.h"
#include "mailbox/object_properties.h"
#include "mailbox/row_groups.h"

namespace mapigate::mailbox {

struct MessageObject;

using RowSources = std::vector<std::unique_ptr<PropertySource>>;
// Messages by their ids, from the index; null for one that has gone.
Task<Result<RowSources>> read_messages(Mailbox& mailbox, std::vector<GlobalCounter> ids);

// How long rows wait for texts, and how long news of rows do.
inline constexpr Duration text_wait = std::chrono::seconds(10), text_wait_of_news = std::chrono::seconds(1);
// Puts what the texts of messages begin with into rows that are about to be shown, where columns ask for it.
Task<> add_texts(Mailbox& mailbox, wire::Columns columns, std::span<const std::unique_ptr<PropertySource>> rows, Duration limit = text_wait);

class Rows {
 public:
  virtual ~Rows() = default;
  // Makes size(), identity() and read() current. Cheap when nothing changed. True: the rows are others than before.
  virtual Task<Result<bool>> load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) = 0;
  virtual std::size_t size() const = 0;
  virtual std::uint64_t identity(std::size_t row) const = 0;  // stays with the row while the table lives
  // At most `count` rows from `first` on; null for a row that has gone meanwhile.
  virtual Task<Result<RowSources>> read(Mailbox& mailbox, std::size_t first, std::size_t count) = 0;
  virtual std::vector<mapi::PropertyTag> all_columns() const = 0;
  // Which of the rows have changed since the last call, by identity; nullopt: many, or nobody knows.
  virtual Task<Result<std::optional<std::vector<std::uint64_t>>>> changed(Mailbox&) {
    co_return std::optional<std::vector<std::uint64_t>>();
  }
  // Bodies and the like can be asked for where the rows come from.
  virtual bool has_texts() const { return false; }
  virtual Task<Result<TextMatches>> find_texts(Mailbox&, const mapi::Restriction*) { co_return TextMatches(); }
  // nullptr: SubObjectRestrictions are too complex here.
  virtual const SubObjects* subobjects() const { return nullptr; }
};

// Messages of a folder, or those that a search folder shows: ids in memory, rows from the index by page.
class ContentsRows final : public Rows {
 public:
  explicit ContentsRows(GlobalCounter folder) : folder_(folder) {}
  Task<Result<bool>> load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) override;
  std::size_t size() const override;
  std::uint64_t identity(std::size_t row) const override { return grouped_ ? view_.identity(row) : (*list_)[row]; }
  Task<Result<RowSources>> read(Mailbox& mailbox, std::size_t first, std::size_t count) override;
  Task<Result<std::optional<std::vector<std::uint64_t>>>> changed(Mailbox& mailbox) override;
  bool has_texts() const override { return !state::is_associated(folder_); }
  Task<Result<TextMatches>> find_texts(Mailbox& mailbox, const mapi::Restriction* restriction) override;
  std::vector<mapi::PropertyTag> all_columns() const override { return message_columns(); }
  const SubObjects* subobjects() const override { return &recipients_; }
  // Null when the order has no categories.
  GroupedView* view() { return grouped_ ? &view_ : nullptr; }

 private:
  Task<Result<RowSources>> read_grouped(Mailbox& mailbox, std::size_t first, std::size_t count);
  GlobalCounter folder_;
  MessageList list_;
  bool loaded_ = false, grouped_ = false;
  GroupedView view_;
  std::uint64_t version_ = 0;
  GlobalCounter told_ = 0;  // changes up to here are known to whom changed() told
  std::shared_ptr<const ListOrder> order_;
  DisplayRecipients recipients_;
};

// Rows that are few enough to be filtered and sorted in memory.
class MemoryRows : public Rows {
 public:
  Task<Result<bool>> load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) final;
  std::size_t size() const final { return order_.size(); }
  std::uint64_t identity(std::size_t row) const final { return order_[row]; }
  Task<Result<RowSources>> read(Mailbox& mailbox, std::size_t first, std::size_t count) final;

 protected:
  struct Row {
    std::uint64_t identity;
    std::unique_ptr<PropertySource> source;
  };
  virtual Task<Result<std::vector<Row>>> all(Mailbox& mailbox) = 0;
  virtual std::uint64_t version(Mailbox& mailbox) const = 0;  // of what all() would give

 private:
  std::vector<std::uint64_t> order_;
  std::shared_ptr<const ListOrder> made_for_;
  std::uint64_t version_ = 0;
  bool loaded_ = false;
};

class HierarchyRows final : public MemoryRows {
 public:
  HierarchyRows(GlobalCounter folder, bool deep) : folder_(folder), deep_(deep) {}
  std::vector<mapi::PropertyTag> all_columns() const override { return folder_columns(); }
  Task<Result<std::optional<std::vector<std::uint64_t>>>> changed(Mailbox& mailbox) override;

 private:
  Task<Result<std::vector<Row>>> all(Mailbox& mailbox) override;
  std::uint64_t version(Mailbox& mailbox) const override { return mailbox.tree_version(); }
  GlobalCounter folder_;
  bool deep_;
  // What of a row changes by itself: change number and counts, as changed() last told.
  std::map<GlobalCounter, std::array<std::uint64_t, 4>> told_;
};

class AttachmentRows final : public MemoryRows {
 public:
  explicit AttachmentRows(std::shared_ptr<MessageObject> message) : message_(std::move(message)) {}
  std::vector<mapi::PropertyTag> all_columns() const override;

 private:
  Task<Result<std::vector<Row>>> all(Mailbox& mailbox) override;
  std::uint64_t version(Mailbox&) const override;
  std::shared_ptr<MessageObject> message_;
};

// Fixed rows: the permissions of a folder, its rules, the (no) associated messages.
class FixedRows final : public MemoryRows {
 public:
  FixedRows(std::vector<mapi::PropertyBag> rows, std::vector<mapi::PropertyTag> columns)
      : rows_(std::move(rows)), columns_(std::move(columns)) {}
  std::vector<mapi::PropertyTag> all_columns() const override { return columns_; }

 private:
  Task<Result<std::vector<Row>>> all(Mailbox& mailbox) override;
  std::uint64_t version(Mailbox&) const override { return 1; }
  std::vector<mapi::PropertyBag> rows_;
  std::vector<mapi::PropertyTag> columns_;
};

}  // namespace mapigate::mailbox
