// Identity, counters, folders, properties of the user's, names and settings.
//
// Durability: what a caller tells somebody else is saved (properties, folders, names, ids given to a client)
// is flushed to the disk. Index changes (apply) are not: they survive the death of the process, and after a
// power failure the next refresh finds them in the backend again, since cursor and rows come back together.
// That works because counters are taken from the file in flushed blocks: none is given out twice.
#include "state/sql_state.h"

#include <openssl/rand.h>

#include <algorithm>

#include "wire/property_bag_codec.h"

namespace mapigate::state {

namespace {

constexpr std::uint64_t counter_block = 4096;
constexpr std::uint64_t bulk_blocks = 16;  // each block costs a flush to the disk

Result<mapi::Guid> random_guid() {
  mapi::Guid guid;
  if (RAND_bytes(guid.bytes.data(), static_cast<int>(guid.bytes.size())) != 1)
    return error(Errc::internal, "no random bytes");
  guid.bytes[7] = static_cast<std::uint8_t>((guid.bytes[7] & 0x0F) | 0x40);  // version 4 (RFC 4122 4.4)
  guid.bytes[8] = static_cast<std::uint8_t>((guid.bytes[8] & 0x3F) | 0x80);
  return guid;
}

bool read_guid(View bytes, mapi::Guid& guid) {
  if (bytes.size() != guid.bytes.size()) return false;
  std::copy(bytes.begin(), bytes.end(), guid.bytes.begin());
  return true;
}

constexpr const char* select_folders =
    "SELECT id, parent, role, provider, remote_id, name, container_class, selectable, change_number, "
    "created, "
    "modified, cursor, total, unread, size, indexed, associated FROM folders ORDER BY id";

Folder read_folder(const Query& row) {
  Folder folder;
  folder.id = row.number(0);
  folder.parent = row.number(1);
  folder.role = static_cast<FolderRole>(row.number(2));
  folder.provider = row.text(3);
  folder.remote_id = as_text(row.blob(4));
  folder.name = row.text(5);
  folder.container_class = row.text(6);
  folder.selectable = row.number(7) != 0;
  folder.change_number = row.number(8);
  folder.created.ticks = row.number(9);
  folder.modified.ticks = row.number(10);
  folder.cursor = as_text(row.blob(11));
  folder.total = static_cast<std::uint32_t>(row.number(12));
  folder.unread = static_cast<std::uint32_t>(row.number(13));
  folder.size = row.number(14);
  folder.indexed = row.number(15) != 0;
  folder.associated = static_cast<std::uint32_t>(row.number(16));
  return folder;
}

}  // namespace

std::string rules_key(GlobalCounter folder) { return fmt::format("engine.rules.{}", folder); }
std::string permissions_key(GlobalCounter folder) { return fmt::format("engine.permissions.{}", folder); }
std::string search_key(GlobalCounter folder) { return fmt::format("engine.search.{:x}", folder); }

SqlState::~SqlState() {
  // Gives back what is left of the block, if nobody took one after it.
  if (!shared_ && next_ < block_end_)
    (void)(database_->query("UPDATE mailbox SET next_counter = ? WHERE next_counter = ?")
           << next_ << block_end_)
        .run();
}

Status SqlState::load() {
  auto read = [this]() -> Result<bool> {
    auto select = database_->query("SELECT mailbox_guid, replica_guid, next_counter FROM mailbox");
    const bool found = select.row();
    // Nothing of a block yet; what the last life of the mailbox did not use of its own is passed over.
    if (found) next_ = block_end_ = select.number(2);
    auto status = select.status();
    if (!status) return status.error();
    if (found && !(read_guid(select.blob(0), mailbox_guid_) && read_guid(select.blob(1), replica_guid_)))
      return error(Errc::internal, "the state {} is damaged (mailbox identity)", database_->name());
    return found;
  };
  auto found = read();
  if (!found) return found.error();
  if (*found) return {};

  auto mailbox = random_guid();
  if (!mailbox) return mailbox.error();
  auto replica = random_guid();
  if (!replica) return replica.error();
  auto made =
      (database_->query("INSERT INTO mailbox (one, mailbox_guid, replica_guid, next_counter) "
                        "VALUES (1, ?, ?, ?) ON CONFLICT DO NOTHING")
       << View(mailbox->bytes) << View(replica->bytes) << first_given_counter)
          .run();
  if (!made) return made;
  found = read();
  if (!found) return found.error();
  return {};
}

Result<GlobalCounter> SqlState::move_counter(std::uint64_t count) {
  auto first = database_->number("SELECT next_counter FROM mailbox");
  if (!first) return first.error();
  if (*first < first_given_counter || *first > mapi::max_global_counter - count)
    return error(Errc::limit, "state {}: no ids are left", database_->name());
  auto moved = (database_->query("UPDATE mailbox SET next_counter = ?") << *first + count).run();
  if (!moved) return moved.error();
  return *first;
}

Result<GlobalCounter> SqlState::take_counters(std::uint64_t count) {
  if (shared_ || block_end_ - next_ < count) {
    const auto wanted = shared_ ? count : std::max(bulk_ ? bulk_blocks * count : count, counter_block);
    Transaction transaction(*database_);
    auto begun = transaction.begin(Durability::full);
    if (!begun) return begun.error();
    auto first = move_counter(wanted);
    if (!first) return first.error();
    auto done = transaction.commit();
    if (!done) return done.error();
    if (shared_) return *first;
    if (*first != block_end_ || block_end_ == 0) next_ = *first;  // else it continues the old block
    block_end_ = *first + wanted;
  }
  const auto first = next_;
  next_ += count;
  return first;
}

Result<GlobalCounter> SqlState::begin_numbered(Transaction& transaction, Durability durability, std::uint64_t count) {
  GlobalCounter first = 0;
  if (!shared_) {
    auto taken = take_counters(count);
    if (!taken) return taken.error();
    first = *taken;
  }
  auto begun = transaction.begin(durability);
  if (!begun) return begun.error();
  if (!shared_ || count == 0) return first;
  return move_counter(count);
}

GlobalCounter SqlState::latest_change() const {
  if (!shared_) return next_ - 1;
  const auto next = database_->number("SELECT next_counter FROM mailbox");
  return next && *next > 0 ? *next - 1 : 0;
}

Result<GlobalCounter> SqlState::reserve_ids(std::uint32_t count) {
  if (count == 0) return error(Errc::internal, "no ids asked for");
  return take_counters(count);
}

Result<std::vector<Folder>> SqlState::folders() {
  std::vector<Folder> out;
  auto select = database_->query(select_folders);
  while (select.row()) out.push_back(read_folder(select));
  auto status = select.status();
  if (!status) return status.error();
  return out;
}

Result<Folder> SqlState::put_folder(Folder folder) {
  Transaction transaction(*database_);
  auto counters = begin_numbered(transaction, Durability::full, folder.id == 0 ? 2 : 1);
  if (!counters) return counters.error();
  if (folder.id == 0) folder.id = (*counters)++;
  folder.change_number = *counters;
  folder.modified = now();
  if (folder.created.ticks == 0) folder.created = folder.modified;

  auto put = database_->query(
      "INSERT INTO folders (id, parent, role, provider, remote_id, name, container_class, selectable, "
      "change_number, created, modified, cursor, total, unread, size, indexed) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?) ON CONFLICT (id) DO UPDATE SET "
      "parent = excluded.parent, role = excluded.role, provider = excluded.provider, "
      "remote_id = excluded.remote_id, name = excluded.name, container_class = excluded.container_class, "
      "selectable = excluded.selectable, change_number = excluded.change_number, created = excluded.created, "
      "modified = excluded.modified RETURNING cursor, total, unread, size, indexed, associated");
  put << folder.id << folder.parent << static_cast<std::uint64_t>(folder.role) << folder.provider
      << as_view(folder.remote_id) << folder.name << folder.container_class
      << static_cast<std::uint64_t>(folder.selectable) << folder.change_number << folder.created.ticks
      << folder.modified.ticks << as_view(folder.cursor) << static_cast<std::uint64_t>(folder.indexed);
  if (put.row()) {
    std::string cursor(as_text(put.blob(0)));
    folder.total = static_cast<std::uint32_t>(put.number(1));
    folder.unread = static_cast<std::uint32_t>(put.number(2));
    folder.size = put.number(3);
    folder.indexed = put.number(4) != 0;
    folder.associated = static_cast<std::uint32_t>(put.number(5));
    auto status = put.run();
    if (!status) return status.error();
    folder.cursor = std::move(cursor);
  }
  auto status = put.reset();
  if (!status) return status.error();
  auto done = transaction.commit();
  if (!done) return done.error();
  return folder;
}

Status SqlState::remove_folder(GlobalCounter id, bool vanished) {
  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun;
  if (vanished) {
    std::vector<GlobalCounter> noted;
    auto select = database_->query("SELECT m.id FROM messages m JOIN extra_properties e ON e.object = m.id WHERE m.folder = ?");
    select << id;
    while (select.row()) noted.push_back(select.number(0));
    auto kept = select.reset();
    for (const auto message : noted)
      if (kept) kept = keep_extras(message);
    if (kept) kept = prune_kept();
    if (!kept) return kept;
  }
  for (const auto contents : {id, associated_of(id)}) {
    for (const char* sql :
         {"DELETE FROM extra_properties WHERE object IN (SELECT id FROM messages WHERE folder = ?)",
          "DELETE FROM contents WHERE id IN (SELECT id FROM messages WHERE folder = ?)",
          "DELETE FROM messages WHERE folder = ?", "DELETE FROM extra_properties WHERE object = ?"}) {
      auto done = (database_->query(sql) << contents).run();
      if (!done) return done;
    }
  }
  for (const auto& key : {rules_key(id), permissions_key(id), search_key(id)}) {
    auto done = (database_->query("DELETE FROM settings WHERE key = ?") << std::string_view(key)).run();
    if (!done) return done;
  }
  auto removed = database_->query("DELETE FROM folders WHERE id = ? RETURNING id");
  removed << id;
  const bool found = removed.row();
  auto status = removed.reset();
  if (!status) return status;
  if (!found) return error(Errc::not_found, "no folder {}", id);
  return transaction.commit();
}

Result<mapi::PropertyBag> SqlState::extra_properties(GlobalCounter object) {
  auto select = database_->query("SELECT properties FROM extra_properties WHERE object = ?");
  select << object;
  const bool found = select.row();
  auto status = select.status();
  if (!status) return status.error();
  if (!found) return mapi::PropertyBag();
  return wire::parse_property_bag(select.blob(0));
}

Status SqlState::set_extra_properties(GlobalCounter object, const mapi::PropertyBag& properties) {
  const auto bytes = wire::serialize(properties);
  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun;
  auto done = properties.empty()
                  ? (database_->query("DELETE FROM extra_properties WHERE object = ?") << object).run()
                  : (database_->query("INSERT INTO extra_properties (object, properties) VALUES (?, ?) "
                                      "ON CONFLICT (object) DO UPDATE SET properties = excluded.properties")
                     << object << View(bytes))
                        .run();
  if (!done) return done;
  return transaction.commit();
}

Result<std::optional<std::string>> SqlState::value(const std::string& key) {
  auto select = database_->query("SELECT value FROM settings WHERE key = ?");
  select << key;
  const bool found = select.row();
  auto status = select.status();
  if (!status) return status.error();
  std::optional<std::string> out;
  if (found) out = as_text(select.blob(0));
  return out;
}

Status SqlState::set_value(const std::string& key, const std::string& value) {
  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun;
  auto done = (database_->query("INSERT INTO settings (key, value) VALUES (?, ?) "
                                "ON CONFLICT (key) DO UPDATE SET value = excluded.value")
               << key << as_view(value))
                  .run();
  if (!done) return done;
  return transaction.commit();
}

}  // namespace mapigate::state
