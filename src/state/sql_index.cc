// The index of messages: rows, order, and what a refresh changes.
#include <algorithm>

#include "base/text.h"
#include "state/sql_state.h"
#include "wire/property_bag_codec.h"

namespace mapigate::state {

namespace {

constexpr std::uint64_t max_remote_key = static_cast<std::uint64_t>(INT64_MAX);

std::string sort_key(const mapi::PropertyBag& properties, mapi::PropertyTag first, mapi::PropertyTag second) {
  const auto* value = properties.find(first);
  if (value == nullptr) value = properties.find(second);
  return value == nullptr ? std::string() : mapi::collation_key_of(*value);
}

#define SELECT_MESSAGES                                                                              \
  "SELECT m.id, m.folder, remote_key, change_number, flags, received, size, m.properties, e.properties, keywords " \
  "FROM messages m LEFT JOIN extra_properties e ON e.object = m.id "

Result<Message> read_message(const Query& row) {
  Message message;
  message.id = row.number(0);
  message.folder = row.number(1);
  message.remote_key = row.number(2);
  message.change_number = row.number(3);
  message.flags = static_cast<std::uint32_t>(row.number(4));
  message.received.ticks = row.number(5);
  message.size = row.number(6);
  auto properties = wire::parse_property_bag(row.blob(7));
  if (!properties)
    return std::move(properties).error().within(fmt::format("message {} in the index", message.id));
  message.properties = std::move(*properties);
  message.keywords = std::string(as_text(row.blob(9)));
  if (row.is_null(8)) return message;
  auto extras = wire::parse_property_bag(row.blob(8));
  if (!extras) return std::move(extras).error().within(fmt::format("properties of message {}", message.id));
  message.extras = std::move(*extras);
  return message;
}

bool is_unread(std::uint64_t flags) { return (flags & flag_seen) == 0; }

}  // namespace

std::uint32_t keyword_hash(std::string_view keywords) {
  if (keywords.empty()) return 0;
  std::uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : keywords) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash == 0 ? 1 : hash;
}

// What a delta does to the folder's totals. Unsigned on purpose: removals wrap and add up.
struct SqlState::FolderSums {
  std::uint64_t total = 0, unread = 0, size = 0;
  void add(std::uint64_t flags, std::uint64_t bytes) {
    total += 1;
    unread += is_unread(flags);
    size += bytes;
  }
  void remove(std::uint64_t flags, std::uint64_t bytes) {
    total -= 1;
    unread -= is_unread(flags);
    size -= bytes;
  }
};

Result<std::vector<MessageKey>> SqlState::message_keys(GlobalCounter folder) {
  std::vector<MessageKey> out;
  auto select =
      database_->query(is_links(folder) ? "SELECT m.id, m.remote_key, m.flags, m.keywords FROM links l JOIN messages m "
                                          "ON m.id = l.message WHERE l.folder = ? ORDER BY m.remote_key"
                                        : "SELECT id, remote_key, flags, keywords FROM messages WHERE folder = ? ORDER BY remote_key");
  select << (is_links(folder) ? folder_of(folder) : folder);
  while (select.row())
    out.push_back({select.number(0), select.number(1), static_cast<std::uint32_t>(select.number(2)),
                   keyword_hash(as_text(select.blob(3)))});
  auto status = select.status();
  if (!status) return status.error();
  return out;
}

Result<std::uint64_t> SqlState::newest_key(GlobalCounter folder) {
  auto select = database_->query("SELECT coalesce(max(remote_key), 0) FROM messages WHERE folder = ?");
  select << folder;
  std::uint64_t out = 0;
  if (select.row()) out = select.number(0);
  auto status = select.status();
  if (!status) return status.error();
  return out;
}

Status SqlState::remove_messages(GlobalCounter folder, const std::vector<GlobalCounter>& ids, bool vanished,
                                    FolderSums& sums) {
  auto remove = database_->query("DELETE FROM messages WHERE id = ? AND folder = ? RETURNING flags, size");
  auto remove_extra = database_->query("DELETE FROM extra_properties WHERE object = ?");
  auto remove_content = database_->query("DELETE FROM contents WHERE id = ?");
  for (const auto id : ids) {
    if (vanished)
      if (auto kept = keep_extras(id); !kept) return kept;
    remove << id << folder;
    const bool found = remove.row();
    if (found) sums.remove(remove.number(0), remove.number(1));
    auto status = remove.reset();
    if (!status) return status;
    if (!found) continue;
    for (auto* query : {&remove_extra, &remove_content}) {
      status = (*query << id).run();
      if (!status) return status;
      (void)query->reset();
    }
  }
  return vanished && !ids.empty() ? prune_kept() : Status();
}

Status SqlState::change_keys(GlobalCounter folder, const std::vector<KeyChange>& changes) {
  if (changes.empty()) return {};
  auto update = database_->query("UPDATE messages SET remote_key = ? WHERE id = ? AND folder = ?");
  for (const auto& change : changes) {
    if (change.remote_key > max_remote_key)
      return error(Errc::limit, "remote key {} is too large", change.remote_key);
    auto done = (update << change.remote_key << change.id << folder).run();
    if (!done) return done;
    (void)update.reset();
  }
  auto count =
      database_->query("SELECT count(*) - count(DISTINCT remote_key) FROM messages WHERE folder = ?");
  count << folder;
  const bool twice = count.row() && count.number(0) != 0;
  auto status = count.status();
  if (!status) return status;
  if (twice) return error(Errc::conflict, "two messages of folder {} would get one remote key", folder);
  return {};
}

Status SqlState::change_flags(GlobalCounter folder, const std::vector<FlagChange>& changes,
                                 GlobalCounter& next, FolderSums& sums, AppliedDelta& applied) {
  auto select = database_->query("SELECT flags, keywords FROM messages WHERE id = ? AND folder = ?");
  auto update = database_->query("UPDATE messages SET flags = ?, change_number = ? WHERE id = ?");
  auto update_read = database_->query("UPDATE messages SET flags = ?, read_number = ? WHERE id = ?");
  auto update_keywords = database_->query("UPDATE messages SET keywords = ?, change_number = ? WHERE id = ?");
  for (const auto& change : changes) {
    select << change.id << folder;
    const bool found = select.row();
    const auto old = found ? select.number(0) : 0;
    const bool words = found && change.keywords && *change.keywords != as_text(select.blob(1));
    auto status = select.reset();
    if (!status) return status;
    if (words) {
      status = (update_keywords << std::string_view(*change.keywords) << next << change.id).run();
      if (!status) return status;
      (void)update_keywords.reset();
      ++next;
      if (old == change.flags) applied.changed.push_back(change.id);
    }
    if (!found || old == change.flags) continue;
    auto& statement = (old ^ change.flags) == flag_seen ? update_read : update;
    status = (statement << static_cast<std::uint64_t>(change.flags) << next << change.id).run();
    if (!status) return status;
    (void)statement.reset();
    ++next;
    sums.unread += is_unread(change.flags);
    sums.unread -= is_unread(old);
    applied.changed.push_back(change.id);
  }
  return {};
}

// Whether messages of the folder may have the keys of these, or two of these the same. When a folder is first read none has.
Result<bool> SqlState::may_have_keys(GlobalCounter folder, const std::vector<Message>& added) {
  std::vector<std::uint64_t> keys;
  for (const auto& message : added) keys.push_back(message.remote_key);
  std::sort(keys.begin(), keys.end());
  if (keys.empty() || keys.back() > max_remote_key || std::adjacent_find(keys.begin(), keys.end()) != keys.end()) return true;
  auto select = database_->query("SELECT id FROM messages WHERE folder = ? AND remote_key BETWEEN ? AND ? LIMIT 1");
  select << folder << keys.front() << keys.back();
  const bool any = select.row();
  auto status = select.status();
  if (!status) return status.error();
  return any;
}

Status SqlState::add_messages(GlobalCounter folder, const std::vector<Message>& added, GlobalCounter& next,
                                 FolderSums& sums, AppliedDelta& applied) {
  applied.added.reserve(added.size());
  const auto may_be_known = may_have_keys(folder, added);
  if (!may_be_known) return may_be_known.error();
  // Found by its key or, where the engine wrote it, by its id.
  auto by_key = database_->query("SELECT id, flags, size FROM messages WHERE folder = ? AND remote_key = ?");
  auto by_id = database_->query("SELECT id, flags, size FROM messages WHERE folder = ? AND id = ?");
  auto put = database_->query(
      "INSERT INTO messages (id, folder, remote_key, change_number, flags, received, size, subject_key, "
      "sender_key, "
      "properties, keywords) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
      "remote_key = excluded.remote_key, change_number = excluded.change_number, flags = excluded.flags, received = excluded.received, "
      "size = excluded.size, subject_key = excluded.subject_key, sender_key = excluded.sender_key, "
      "properties = excluded.properties, keywords = excluded.keywords");
  bool look = std::any_of(added.begin(), added.end(), [](const auto& message) { return message.id == 0; }) && !is_associated(folder);
  if (look) {
    auto any = any_kept();
    if (!any) return any.error();
    look = *any;
  }
  for (const auto& message : added) {
    if (message.remote_key > max_remote_key)
      return error(Errc::limit, "remote key {} is too large", message.remote_key);
    GlobalCounter id = message.id;
    bool known = false;
    for (auto* select : {&by_id, &by_key}) {
      if (known || (select == &by_id ? id == 0 : !*may_be_known)) continue;
      *select << folder << (select == &by_id ? id : message.remote_key);
      known = select->row();
      if (known) {
        id = select->number(0);
        sums.remove(select->number(1), select->number(2));
      }
      auto status = select->reset();
      if (!status) return status;
    }
    const bool came = id == 0;
    if (came) id = next++;
    const auto content = [&] { return is_associated(folder) ? Bytes() : content_key(message.properties, message.received, message.size); };

    const auto subject = sort_key(message.properties, mapi::PidTagNormalizedSubject, mapi::PidTagSubject);
    const auto sender =
        sort_key(message.properties, mapi::PidTagSentRepresentingName, mapi::PidTagSenderName);
    const auto properties = wire::serialize(message.properties);
    put << id << folder << message.remote_key << next++ << static_cast<std::uint64_t>(message.flags)
        << message.received.ticks << message.size << as_view(subject) << as_view(sender) << View(properties)
        << std::string_view(message.keywords);
    auto status = put.run();
    if (!status) return status;
    (void)put.reset();
    if (!message.extras.empty() && known && message.merge_extras) {
      auto all = extra_properties(id);
      if (!all) return all.error();
      all->set_all(message.extras);
      status = put_extras(*all, id, content());
    } else if (came && look) {
      auto all = kept_extras(content());
      if (!all) return all.error();
      all->set_all(message.extras);
      if (!all->empty()) status = put_extras(*all, id, content());
    } else if (!message.extras.empty()) {
      status = put_extras(message.extras, id, content());
    }
    if (!status) return status;
    sums.add(message.flags, message.size);
    applied.added.push_back(id);
    if (known) applied.changed.push_back(id);
  }
  return {};
}

Status SqlState::put_extras(const mapi::PropertyBag& extras, GlobalCounter id, const Bytes& content) {
  const auto bytes = wire::serialize(extras);
  auto put = database_->query("INSERT INTO extra_properties (object, properties, content_key) VALUES (?, ?, ?) "
                              "ON CONFLICT (object) DO UPDATE SET properties = excluded.properties, content_key = excluded.content_key");
  put << id << View(bytes);
  if (content.empty()) put.null();
  else put << View(content);
  return put.run();
}

Status SqlState::change_extras(GlobalCounter folder, const std::vector<ExtrasChange>& changes,
                                  GlobalCounter& next, AppliedDelta& applied) {
  auto update = database_->query(
      "UPDATE messages SET change_number = ? WHERE id = ? AND folder = ? RETURNING received, size, properties");
  for (const auto& change : changes) {
    update << next++ << change.id << folder;
    const bool found = update.row();
    Bytes content;
    if (found && !is_associated(folder))
      if (auto properties = wire::parse_property_bag(update.blob(2)))
        content = content_key(*properties, FileTime{update.number(0)}, update.number(1));
    auto status = update.reset();
    if (status && found) status = put_extras(change.extras, change.id, content);
    if (!status) return status;
    if (found) applied.changed.push_back(change.id);
  }
  return {};
}

Status SqlState::change_contents(const std::vector<ContentChange>& changes) {
  for (const auto& change : changes) {
    auto done = (database_->query("INSERT INTO contents (id, content) VALUES (?, ?) "
                                  "ON CONFLICT (id) DO UPDATE SET content = excluded.content")
                 << change.id << View(change.content))
                    .run();
    if (!done) return done;
  }
  return {};
}

Result<AppliedDelta> SqlState::apply(GlobalCounter folder, FolderDelta delta) {
  constexpr std::size_t many = 100;
  if (!bulk_ && delta.added.size() >= many) database_->expect_bulk(bulk_ = true);
  Transaction transaction(*database_);
  // What only this file holds is flushed; what a backend holds is found there again.
  const bool ours = !delta.extras.empty() || !delta.contents.empty() || delta.journal_done != 0;
  auto counters = begin_numbered(transaction, ours ? Durability::full : Durability::normal,
                                 2 * delta.flags.size() + delta.extras.size() + 2 * delta.added.size());
  if (!counters) return counters.error();
  GlobalCounter next = *counters;
  AppliedDelta applied;
  FolderSums sums;
  auto done = remove_messages(folder, delta.removed, delta.vanished, sums);
  if (done) done = change_keys(folder, delta.rekeyed);
  if (done) done = change_flags(folder, delta.flags, next, sums, applied);
  if (done) done = add_messages(folder, delta.added, next, sums, applied);
  if (done) done = change_extras(folder, delta.extras, next, applied);
  if (done) done = change_contents(delta.contents);
  if (done && delta.journal_done != 0)
    done = (database_->query("DELETE FROM journal WHERE id = ?") << delta.journal_done).run();
  if (!done) return done.error();
  if (is_associated(folder)) {
    auto count = database_->query("UPDATE folders SET associated = associated + ? WHERE id = ? RETURNING id");
    count << sums.total << folder_of(folder);
    const bool there = count.row();
    auto counted = count.reset();
    if (!counted) return counted.error();
    if (!there) return error(Errc::not_found, "no folder {}", folder_of(folder));
    counted = transaction.commit();
    if (!counted) return counted.error();
    return applied;
  }

  auto update = database_->query(
      "UPDATE folders SET total = total + ?, unread = unread + ?, size = size + ?, cursor = coalesce(?, "
      "cursor), "
      "indexed = CASE WHEN ? <> 0 THEN 1 ELSE indexed END WHERE id = ? RETURNING id");
  update << sums.total << sums.unread << sums.size;
  if (delta.cursor)
    update << as_view(*delta.cursor);
  else
    update.null();
  update << static_cast<std::uint64_t>(delta.complete) << folder;
  const bool found = update.row();
  auto status = update.reset();
  if (!status) return status.error();
  if (!found) return error(Errc::not_found, "no folder {}", folder);
  status = transaction.commit();
  if (!status) return status.error();
  if (bulk_ && delta.complete) database_->expect_bulk(bulk_ = false);
  return applied;
}

namespace {

#define BY(column, direction) \
  "SELECT id FROM messages WHERE folder = ? ORDER BY " column " " direction ", id " direction

const char* order_query(Sort sort) {
  switch (sort.key) {
    case SortKey::received:
      return sort.descending ? BY("received", "DESC") : BY("received", "ASC");
    case SortKey::size:
      return sort.descending ? BY("size", "DESC") : BY("size", "ASC");
    case SortKey::subject:
      return sort.descending ? BY("subject_key", "DESC") : BY("subject_key", "ASC");
    case SortKey::sender:
      return sort.descending ? BY("sender_key", "DESC") : BY("sender_key", "ASC");
    case SortKey::unread:
      return sort.descending ? BY("((flags & 1) = 0)", "DESC") : BY("((flags & 1) = 0)", "ASC");
    case SortKey::id:
      break;
  }
  return "SELECT id FROM messages INDEXED BY messages_keys WHERE folder = ?";  // sorted by us
}

#undef BY

// SQLite has these only after the first table in such an order. Each ends in the rowid, which settles ties.
const char* order_index(SortKey key) {
  switch (key) {
    case SortKey::size:
      return "CREATE INDEX IF NOT EXISTS messages_size ON messages (folder, size)";
    case SortKey::subject:
      return "CREATE INDEX IF NOT EXISTS messages_subject ON messages (folder, subject_key)";
    case SortKey::sender:
      return "CREATE INDEX IF NOT EXISTS messages_sender ON messages (folder, sender_key)";
    case SortKey::unread:
      return "CREATE INDEX IF NOT EXISTS messages_unread ON messages (folder, ((flags & 1) = 0))";
    case SortKey::received:
    case SortKey::id:
      break;
  }
  return nullptr;
}

// The same over what a search folder shows, sorted there and then.
#define BY(expression, direction)                                                              \
  "SELECT m.id FROM links l JOIN messages m ON m.id = l.message WHERE l.folder = ? ORDER BY " \
  expression " " direction ", m.id " direction

const char* link_order_query(Sort sort) {
  switch (sort.key) {
    case SortKey::received:
      return sort.descending ? BY("m.received", "DESC") : BY("m.received", "ASC");
    case SortKey::size:
      return sort.descending ? BY("m.size", "DESC") : BY("m.size", "ASC");
    case SortKey::subject:
      return sort.descending ? BY("m.subject_key", "DESC") : BY("m.subject_key", "ASC");
    case SortKey::sender:
      return sort.descending ? BY("m.sender_key", "DESC") : BY("m.sender_key", "ASC");
    case SortKey::unread:
      return sort.descending ? BY("((m.flags & 1) = 0)", "DESC") : BY("((m.flags & 1) = 0)", "ASC");
    case SortKey::id:
      break;
  }
  return "SELECT message FROM links WHERE folder = ?";
}

#undef BY

}  // namespace

Result<std::vector<GlobalCounter>> SqlState::message_ids(GlobalCounter folder, Sort sort) {
  std::vector<GlobalCounter> out;
  if (const auto* index = is_links(folder) ? nullptr : order_index(sort.key)) database_->want_index(index);
  auto select = database_->query(is_links(folder) ? link_order_query(sort) : order_query(sort));
  select << (is_links(folder) ? folder_of(folder) : folder);
  while (select.row()) out.push_back(select.number(0));
  auto status = select.status();
  if (!status) return status.error();
  if (sort.key == SortKey::id) {
    std::sort(out.begin(), out.end());
    if (sort.descending) std::reverse(out.begin(), out.end());
  }
  return out;
}

Result<std::optional<Message>> SqlState::message(GlobalCounter id) {
  auto found = messages(std::span<const GlobalCounter>(&id, 1));
  if (!found) return found.error();
  std::optional<Message> out;
  if (!found->empty()) out = std::move(found->front());
  return out;
}

Result<std::vector<Message>> SqlState::messages(std::span<const GlobalCounter> ids) {
  std::vector<Message> out;
  out.reserve(ids.size());
  auto select = database_->query(SELECT_MESSAGES "WHERE m.id = ?");
  for (const auto id : ids) {
    select << id;
    if (select.row()) {
      auto message = read_message(select);
      if (!message) return message.error();
      out.push_back(std::move(*message));
    }
    auto status = select.reset();
    if (!status) return status.error();
  }
  return out;
}

Status SqlState::each_message(GlobalCounter folder, const std::function<bool(Message&)>& each) {
  auto select = database_->query(is_links(folder) ? SELECT_MESSAGES "JOIN links l ON l.message = m.id WHERE l.folder = ?"
                                                  : SELECT_MESSAGES "WHERE m.folder = ?");
  select << (is_links(folder) ? folder_of(folder) : folder);
  while (select.row()) {
    auto message = read_message(select);
    if (!message) return message.error();
    if (!each(*message)) return {};
  }
  return select.status();
}

}  // namespace mapigate::state
