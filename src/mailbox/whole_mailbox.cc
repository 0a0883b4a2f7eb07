#include "mailbox/whole_mailbox.h"

#include <algorithm>

namespace mapigate::mailbox {

namespace {

// Of each folder what the index knows of it. Blocks.
Result<std::vector<GlobalCounter>> messages_in(state::MailboxState& state, std::shared_ptr<const StoreIdentity> store,
                                               const std::vector<GlobalCounter>& folders, const ListOrder& order, std::size_t limit) {
  std::vector<std::pair<std::string, GlobalCounter>> found;
  for (const auto folder : folders) {
    auto looked = each_match(state, store, folder, order.restriction, nullptr, [&](const MessageSource& source) {
      std::string key;
      Arena arena(512);
      for (const auto& one : order.sort) {
        const auto value = source.get(one.tag, arena);
        append_key(key, value ? sort_key(*value) : std::string(), one.Order == mapi::SortOrder::Descending);
      }
      // As in other tables: the newest first when nothing else is said.
      if (order.sort.empty()) append_key(key, sort_key(mapi::Value::time(source.message().received)), true);
      found.emplace_back(std::move(key), source.message().id);
      return found.size() <= limit;
    });
    if (!looked) return looked.error();
    if (found.size() > limit) return error(Errc::limit, "more than {} messages in a table", limit);
  }
  std::sort(found.begin(), found.end());
  std::vector<GlobalCounter> ids;
  ids.reserve(found.size());
  for (const auto& [key, id] : found) ids.push_back(id);
  if (const auto most = counted(order.restriction).most; ids.size() > most) ids.resize(most);
  return ids;
}

}  // namespace

Task<Result<bool>> WholeMailboxRows::load(Mailbox& mailbox, std::shared_ptr<const ListOrder> order) {
  const auto version = mailbox.newest_version();
  if (order_ && version == version_ && order->key == order_->key) co_return false;
  if (order->grouped()) co_return error(Errc::unsupported, "categories over all folders");
  std::vector<GlobalCounter> folders;
  for (const auto& folder : mailbox.tree()->all())
    if (folder.selectable && folder.role != FolderRole::search && !keeps_deleted(folder.role)) folders.push_back(folder.id);
  const auto store = mailbox.identity();
  const auto limit = mailbox.context().options.max_rows;
  const auto* wanted = order.get();
  auto look = [&folders, store, wanted, limit](state::MailboxState& s) { return messages_in(s, store, folders, *wanted, limit); };
  auto ids = co_await mailbox.with_state(look);
  if (!ids) co_return ids.error();
  ids_ = std::move(*ids);
  version_ = version;
  order_ = std::move(order);
  co_return true;
}

Task<Result<RowSources>> WholeMailboxRows::read(Mailbox& mailbox, std::size_t first, std::size_t count) {
  if (first >= ids_.size()) co_return RowSources();
  const auto begin = ids_.begin() + static_cast<std::ptrdiff_t>(first);
  std::vector<GlobalCounter> ids(begin, begin + static_cast<std::ptrdiff_t>(std::min(count, ids_.size() - first)));
  co_return co_await read_messages(mailbox, std::move(ids));
}

}  // namespace mapigate::mailbox
