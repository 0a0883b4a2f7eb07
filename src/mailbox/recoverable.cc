// Deleting in two steps ([MS-OXCFOLD] 3.1.4.8 and 2.2.1.14, "soft delete"). A deleted message moves into a folder of the
// backend that clients of MAPI do not see, and one of the state store into one there; with it goes from where and when it
// was deleted. Moving it out recovers it; `deleted_retention` later it is removed for good.
#include "mailbox/recoverable.h"

#include <algorithm>

#include "base/log.h"
#include "mapi/entry_id.h"

namespace mapigate::mailbox {

namespace {

// The folder it was deleted from, as entry id.
constexpr mapi::PropertyTag PidTagLastActiveParentEntryId_{0x348A, mapi::PropertyType::PtypBinary};
constexpr auto between_purges = std::chrono::hours(6);

template <class T>
T first_of(const state::Message& message, T (mapi::PropertyBag::*get)(mapi::PropertyTag) const, mapi::PropertyTag tag) {
  return message.extras.contains(tag) ? (message.extras.*get)(tag) : (message.properties.*get)(tag);
}

// 0: nothing is said, or the folder is gone.
GlobalCounter deletion_folder(const FolderTree& tree, const state::Message& message) {
  const auto id = mapi::parse_folder_entry_id(first_of(message, &mapi::PropertyBag::binary, PidTagLastActiveParentEntryId_));
  const auto folder = id ? mapi::counter_from(id->GlobalCounter) : 0;
  return tree.find(folder) ? folder : 0;
}

bool belongs(const FolderTree& tree, const state::Message& message, GlobalCounter folder) {
  const auto from = deletion_folder(tree, message);
  // What cannot be said of any is shown where people look for it.
  return from == folder || (from == 0 && folder == special_id(FolderRole::deleted_items));
}

}  // namespace

void Mailbox::mark_deleted(mapi::PropertyBag& properties, GlobalCounter from) const {
  if (from == 0) {
    properties.remove(mapi::PidTagDeletedOn);
    properties.remove(PidTagLastActiveParentEntryId_);
    return;
  }
  properties.set_time(mapi::PidTagDeletedOn, now());
  properties.set_binary(PidTagLastActiveParentEntryId_, store_->folder_entry_id(from));
}

bool Mailbox::deleted_from(const state::Message& message, GlobalCounter folder) const {
  const auto* in = tree_->find(state::folder_of(message.folder));
  return in && keeps_deleted(in->role) && belongs(*tree_, message, folder);
}

std::uint64_t Mailbox::recoverable_version() const {
  return version(special_id(FolderRole::recoverable)) + version(special_id(FolderRole::recoverable_local)) + tree_version_;
}

Task<Result<std::vector<state::Message>>> Mailbox::recoverable_messages(GlobalCounter folder) {
  using Rows = std::vector<state::Message>;
  const auto tree = tree_;
  const auto limit = context_.options.max_rows;
  auto read = [tree, folder, limit](state::MailboxState& s) -> Result<Rows> {
    std::vector<GlobalCounter> ids;
    for (const auto role : {FolderRole::recoverable, FolderRole::recoverable_local}) {
      const auto* in = tree->by_role(role);
      if (!in) continue;
      const auto scanned = s.each_message(in->id, [&](const state::Message& message) {
        if (belongs(*tree, message, folder)) ids.push_back(message.id);
        return ids.size() < limit;
      });
      if (!scanned) return scanned.error();
    }
    auto rows = s.messages(ids);
    if (rows)
      for (auto& row : *rows) row.folder = folder;
    return rows;
  };
  co_return co_await with_state(read);
}

Task<Result<Folder>> Mailbox::recoverable_of(Folder folder) {
  const auto role = is_local(folder) ? FolderRole::recoverable_local : FolderRole::recoverable;
  if (const auto* known = tree_->by_role(role); known && known->provider == folder.provider) co_return *known;
  Folder made;
  made.id = special_id(role);
  made.parent = special_id(FolderRole::root);
  made.role = role;
  made.name = special_folder(role)->name;
  made.container_class = special_folder(role)->container_class;
  if (!is_local(folder)) {
    auto to = co_await provider_of(folder);
    if (!to) co_return to.error();
    auto keep = *to;
    const auto name = context_.options.recoverable_folder;
    ++tree_writes_;
    auto created = co_await keep->create_folder({}, name);
    ++tree_writes_;
    made.provider = folder.provider;
    if (created) {
      made.remote_id = created->remote_id;
    } else {
      // It may be there since the last look at the list.
      const auto why = created.error();
      auto all = co_await keep->folders();
      if (!all) co_return all.error();
      for (const auto& one : *all)
        if (one.parent_remote_id.empty() && one.name == name && one.selectable) made.remote_id = one.remote_id;
      if (made.remote_id.empty()) co_return why;
      if (const auto* known = tree_->by_remote(made.provider, made.remote_id)) co_return *known;
    }
  }
  auto write = [&made](state::MailboxState& s) { return s.put_folder(made); };
  auto stored = co_await with_state(write);
  if (!stored) co_return stored.error();
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded.error();
  co_return *stored;
}

// With the write lock.
Task<Status> Mailbox::keep_deleted(Folder folder, std::vector<state::Message> rows) {
  auto to = co_await recoverable_of(folder);
  if (!to && to.error().retryable()) co_return to.error();
  if (to && is_local(folder)) co_return co_await move_across(folder.id, *to, std::move(rows), false);
  std::vector<GlobalCounter> ids;
  for (const auto& row : rows) ids.push_back(row.id);
  auto why = to ? Error() : to.error();
  for (int attempt = 0; to && attempt < 2; ++attempt) {
    auto moved = co_await move_within(folder, *to, std::move(rows), false);
    if (moved) co_return moved;
    why = moved.error();
    auto left = co_await rows_of(ids);
    if (!left) co_return left.error();
    rows = std::move(*left);
    if (why.code != Errc::not_found || attempt > 0) break;
    // Somebody removed the folder.
    auto keep = co_await provider_of(folder);
    if (!keep) co_return keep.error();
    auto provider = *keep;
    auto made = co_await provider->create_folder({}, context_.options.recoverable_folder);
    if (!made && made.error().retryable()) co_return made.error();
  }
  const bool refused = why.code == Errc::full || why.code == Errc::limit || why.code == Errc::denied || why.code == Errc::unsupported;
  if (!refused) co_return why;
  log::info("mailbox of {}: deleted at once: {}", store_->user, why.message);
  // A full mailbox, or one in which no folder may be made, must not be one in which nothing can be deleted.
  co_return co_await remove_rows(folder, rows);
}

Task<Status> Mailbox::purge_old() {
  if (tidied_ != Clock::time_point{} && Clock::now() - tidied_ < between_purges) co_return Status{};
  tidied_ = Clock::now();
  const auto retention = std::chrono::duration_cast<std::chrono::seconds>(context_.options.deleted_retention).count();
  const auto limit = to_unix(now()) - retention;
  for (const auto role : {FolderRole::recoverable, FolderRole::recoverable_local}) {
    const auto* row = tree_->by_role(role);
    if (!row) continue;
    const Folder folder = *row;
    auto lock = co_await write_lock();
    if (!lock) co_return lock.error();
    auto read = [&folder, limit](state::MailboxState& s) -> Result<std::vector<state::Message>> {
      std::vector<GlobalCounter> old;
      const auto scanned = s.each_message(folder.id, [&](const state::Message& message) {
        const auto deleted = first_of(message, &mapi::PropertyBag::time, mapi::PidTagDeletedOn);
        // What others put there was not deleted by us.
        if (deleted.ticks != 0 && to_unix(deleted) < limit) old.push_back(message.id);
        return true;
      });
      if (!scanned) return scanned.error();
      return s.messages(old);
    };
    auto old = co_await with_state(read);
    if (!old) co_return old.error();
    auto removed = co_await remove_rows(folder, *old);
    if (!removed) co_return removed;
  }
  co_return Status{};
}

// -- as a table

std::vector<mapi::PropertyTag> SoftDeletedRows::all_columns() const {
  auto columns = message_columns();
  columns.push_back(mapi::PidTagDeletedOn);
  return columns;
}

Task<Result<std::vector<MemoryRows::Row>>> SoftDeletedRows::all(Mailbox& mailbox) {
  auto messages = co_await mailbox.recoverable_messages(folder_);
  if (!messages) co_return messages.error();
  std::vector<Row> rows;
  for (auto& message : *messages) {
    const auto id = message.id;
    rows.push_back({id, std::make_unique<MessageSource>(MessageView{mailbox.identity(), std::move(message)})});
  }
  co_return rows;
}

}  // namespace mapigate::mailbox
