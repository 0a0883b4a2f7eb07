#include "mailbox/table_rows.h"

#include <algorithm>

#include "mailbox/message_edit.h"

namespace mapigate::mailbox {

Task<Result<bool>> ContentsRows::load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) {
  const auto version = mailbox.version(folder_);
  if (list_ && version == version_ && order_ && order->key == order_->key) co_return false;
  if (!mailbox.tree()->find(state::folder_of(folder_))) co_return error(Errc::not_found, "the folder is gone");
  auto list = co_await mailbox.message_list(folder_, order);
  if (!list) co_return list.error();
  list_ = std::move(*list);
  version_ = version;
  order_ = std::move(order);
  co_return true;
}

Task<Result<RowSources>> ContentsRows::read(Mailbox& mailbox, std::size_t first, std::size_t count) {
  RowSources out;
  if (first >= size()) co_return out;
  const auto n = std::min(count, size() - first);
  std::vector<GlobalCounter> ids(list_->begin() + static_cast<std::ptrdiff_t>(first),
                                 list_->begin() + static_cast<std::ptrdiff_t>(first + n));
  auto load = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto messages = co_await mailbox.with_state(load);
  if (!messages) co_return messages.error();
  auto store = mailbox.identity();
  for (auto& message : *messages) out.push_back(std::make_unique<MessageSource>(MessageView{store, std::move(message)}));
  co_return out;
}

Task<Result<bool>> MemoryRows::load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) {
  const auto current = version(mailbox);
  if (loaded_ && current == version_ && made_for_ && made_for_->key == order->key) co_return false;
  auto rows = co_await all(mailbox);
  if (!rows) co_return rows.error();
  Matcher matcher(order->restriction, subobjects());
  struct Kept {
    std::vector<std::string> keys;
    std::uint64_t identity;
    std::size_t position;  // rows with the same keys stay in their order
  };
  std::vector<Kept> kept;
  for (const auto& row : *rows) {
    if (!matcher.matches(*row.source)) continue;
    std::vector<std::string> keys;
    Arena arena(512);
    for (const auto& one : order->sort) {
      const auto value = row.source->get(one.tag, arena);
      keys.push_back(value ? sort_key(*value) : std::string());
    }
    kept.push_back({std::move(keys), row.identity, kept.size()});
  }
  const auto& sort = order->sort;
  std::sort(kept.begin(), kept.end(), [&sort](const Kept& a, const Kept& b) {
    for (std::size_t i = 0; i < sort.size(); ++i) {
      if (a.keys[i] == b.keys[i]) continue;
      return (a.keys[i] < b.keys[i]) == (sort[i].Order != mapi::SortOrder::Descending);
    }
    return a.position < b.position;
  });
  order_.clear();
  for (const auto& row : kept) order_.push_back(row.identity);
  order_.shrink_to_fit();
  version_ = current;
  made_for_ = std::move(order);
  loaded_ = true;
  co_return true;
}

Task<Result<RowSources>> MemoryRows::read(Mailbox& mailbox, std::size_t first, std::size_t count) {
  RowSources out;
  if (first >= order_.size()) co_return out;
  auto rows = co_await all(mailbox);
  if (!rows) co_return rows.error();
  const auto end = first + std::min(count, order_.size() - first);
  for (auto i = first; i < end; ++i) {
    for (auto& row : *rows) {
      if (!row.source || row.identity != order_[i]) continue;
      out.push_back(std::move(row.source));
      break;
    }
  }
  co_return out;
}

Task<Result<std::vector<MemoryRows::Row>>> HierarchyRows::all(Mailbox& mailbox) {
  std::vector<Row> rows;
  auto tree = mailbox.tree();
  if (!tree->find(folder_)) co_return error(Errc::not_found, "the folder is gone");
  std::vector<std::pair<const Folder*, unsigned>> below;
  if (deep_) {
    below = tree->descendants(folder_);
  } else {
    for (const auto* folder : tree->children(folder_)) below.emplace_back(folder, 1);
  }
  for (const auto& [folder, depth] : below)
    rows.push_back({folder->id, std::make_unique<FolderSource>(FolderView{mailbox.identity(), tree, folder, depth - 1, mailbox.folder_extras(folder->id)})});
  co_return rows;
}

Task<Result<std::vector<MemoryRows::Row>>> AttachmentRows::all(Mailbox& mailbox) {
  auto message = message_;
  std::vector<Row> rows;
  if (auto data = message->data) {
    for (const auto& attachment : data->attachments)
      rows.push_back({attachment.number, std::make_unique<AttachmentDataSource>(data, &attachment, false)});
    co_return rows;
  }
  auto content = co_await content_of(mailbox, message);
  if (!content) co_return content.error();
  for (std::size_t i = 0; i < (*content)->attachments().size(); ++i)
    rows.push_back({i, std::make_unique<AttachmentSource>(*content, i, false)});
  co_return rows;
}
// Attachments that were added and taken away are told by the numbers there are.
std::uint64_t AttachmentRows::version(Mailbox&) const {
  if (!message_->data) return 1;
  std::uint64_t sum = 2;
  for (const auto& attachment : message_->data->attachments) sum = sum * 31 + attachment.number + 1;
  return sum;
}
std::vector<mapi::PropertyTag> AttachmentRows::all_columns() const { return attachment_columns(); }

Task<Result<std::vector<MemoryRows::Row>>> FixedRows::all(Mailbox&) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < rows_.size(); ++i) rows.push_back({i, std::make_unique<BagSource>(rows_[i])});
  co_return rows;
}

}  // namespace mapigate::mailbox
