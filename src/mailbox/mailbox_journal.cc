// Ends what a kill, a lost connection or a lost answer left half done, by the journal that every write of two steps keeps.
#include <algorithm>
#include <sstream>

#include "base/cursor.h"
#include "base/log.h"
#include "mailbox/mailbox.h"
#include "mailbox/writing_support.h"
#include "wire/property_bag_codec.h"

namespace mapigate::mailbox {

using namespace mapi;

namespace {

// What can never be ended must not hold up everything that comes after it. The messages themselves are in the backend,
// where the next refresh finds them.
Status unless_final(Error why) {
  if (!is_final(why)) return why;
  log::warning("mailbox: what was begun before is given up: {}", why.message);
  return {};
}

// The rest of a line, which may hold spaces.
std::string rest_of(std::istream& in) {
  std::string out;
  in >> std::ws;
  std::getline(in, out);
  return out;
}

}  // namespace

// With the write lock, or before anybody writes.
Task<Status> Mailbox::finish_journal() {
  auto read = [](state::MailboxState& s) -> Result<std::vector<state::JournalEntry>> {
    auto appends = s.journal(append_kind);
    if (!appends) return appends;
    // What went from one place to another counts only when it has arrived.
    for (const char* kind : {move_kind, across_kind}) {
      auto more = s.journal(kind);
      if (!more) return more;
      appends->insert(appends->end(), more->begin(), more->end());
    }
    return appends;
  };
  auto entries = co_await with_state(read);
  if (!entries) co_return entries.error();
  for (auto& entry : *entries) {
    Status done;
    if (entry.kind == append_kind) done = co_await finish_append(entry);
    else if (entry.kind == move_kind) done = co_await finish_move(entry);
    else done = co_await finish_across(entry);
    if (!done && done.error().code != Errc::not_found) co_return std::move(done.error()).within("what was begun before");
    const auto id = entry.id;
    auto drop = [id](state::MailboxState& s) { return s.remove_journal(id); };
    auto dropped = co_await with_state(drop);
    if (!dropped) co_return dropped;
  }
  journal_open_ = false;
  co_return Status{};
}

Task<Status> Mailbox::finish_append(state::JournalEntry entry) {
  std::istringstream head(entry.head);
  GlobalCounter id = 0, folder_id = 0;
  std::uint64_t old_key = 0;
  std::uint32_t flags = 0;
  FileTime received;
  head >> id >> folder_id >> old_key >> flags >> received.ticks;
  const auto message_id = rest_of(head);
  const auto* row = tree_->find(folder_id);
  if (!row || is_local(*row)) co_return Status{};
  Folder folder = *row;
  auto provider = co_await provider_of(folder);
  if (!provider) co_return provider.error();
  auto keep = *provider;
  auto found = co_await keep->find(folder, message_id);
  if (!found) co_return unless_final(found.error());
  // Others may have that Message-ID: copies that were here before. They have older ids; one that a refresh has come upon
  // meanwhile has a newer one.
  auto read = [folder_id](state::MailboxState& s) { return s.message_keys(folder_id); };
  auto keys = co_await with_state(read);
  if (!keys) co_return keys.error();
  const auto& known = *keys;
  std::erase_if(*found, [&](const auto key) {
    return std::any_of(known.begin(), known.end(), [&](const auto& k) { return k.remote_key == key && k.id < id; });
  });
  if (found->empty() || found->back() <= old_key) co_return Status{};  // it never got there
  const auto key = found->back();
  if (old_key != 0) {
    std::vector<std::uint64_t> old{old_key};
    auto removed = co_await keep->remove(folder, old);
    if (!removed && !is_final(removed.error())) co_return removed;
    if (!removed) log::warning("mailbox: message {:x} stays in {} beside what was made of it: {}", id, folder.name, removed.error().message);
  }
  const auto number = entry.id;
  auto load = [number](state::MailboxState& s) { return s.journal_payload(number); };
  auto payload = co_await with_state(load);
  if (!payload) co_return payload.error();
  auto extras = wire::parse_property_bag(*payload ? View(**payload) : View());
  if (!extras) co_return unless_final(extras.error());
  auto mime = co_await keep->content(folder, key);
  if (!mime) co_return unless_final(mime.error());
  log::info("mailbox: message {:x} had been stored before an interruption; it is in its place now", id);
  auto stored = co_await store_appended(folder, id, key, flags, received, *mime, std::move(*extras), entry.id);
  if (stored && old_key != 0) {
    auto& ended = ended_[id];
    if (ended.second != old_key) ended.first = old_key;
    ended.second = key;
  }
  co_return stored;
}

Task<Status> Mailbox::finish_move(state::JournalEntry entry) {
  GlobalCounter folder_id = 0;
  unsigned version = 1;
  std::istringstream head(entry.head);
  head >> folder_id;
  if (!(head >> version)) version = 1;
  const auto* row = tree_->find(folder_id);
  if (!row || is_local(*row)) co_return Status{};
  Folder folder = *row;
  auto provider = co_await provider_of(folder);
  if (!provider) co_return provider.error();
  auto keep = *provider;
  const auto number = entry.id;
  auto load = [number](state::MailboxState& s) { return s.journal_payload(number); };
  auto payload = co_await with_state(load);
  if (!payload) co_return payload.error();
  if (!*payload) co_return Status{};
  Cursor in(**payload);
  while (in.ok() && in.left() > 0) {
    const auto id = in.scalar<GlobalCounter>();
    const auto flags = version >= 2 ? in.scalar<std::uint32_t>() : 0;
    const auto received = version >= 2 ? FileTime{in.scalar<std::uint64_t>()} : now();
    const std::string message_id(as_text(in.bytes(in.scalar<std::uint32_t>())));
    auto extras = wire::parse_property_bag(in.bytes(in.scalar<std::uint32_t>()));
    if (!in.ok() || !extras) break;
    auto found = co_await keep->find(folder, message_id);
    if (!found) co_return unless_final(found.error());
    if (found->empty()) continue;
    auto mime = co_await keep->content(folder, found->back());
    if (!mime && !is_final(mime.error())) co_return mime.error();
    if (!mime) continue;
    auto read = [folder_id](state::MailboxState& s) { return s.message_keys(folder_id); };
    auto keys = co_await with_state(read);
    if (!keys) co_return keys.error();
    const auto key = found->back();
    const bool known = std::any_of(keys->begin(), keys->end(), [&](const auto& k) { return k.remote_key == key; });
    if (known) continue;
    auto stored = co_await store_appended(folder, id, key, flags, received, *mime, std::move(*extras), 0);
    if (!stored) co_return stored;
  }
  co_return Status{};
}

// The message is stored anew in another folder: does it stand there, then the old one goes.
Task<Status> Mailbox::finish_across(state::JournalEntry entry) {
  GlobalCounter from = 0, old_id = 0, new_id = 0;
  std::uint64_t key = 0;
  std::istringstream(entry.head) >> from >> key >> old_id >> new_id;
  auto read = [new_id](state::MailboxState& s) { return s.message(new_id); };
  auto arrived = co_await with_state(read);
  if (!arrived) co_return arrived.error();
  if (!*arrived || !tree_->find(from)) co_return Status{};
  auto removed = co_await remove_moved(from, key);
  if (!removed) co_return unless_final(removed.error());
  state::FolderDelta gone;
  gone.removed.push_back(old_id);
  gone.journal_done = entry.id;
  co_return co_await apply_locked(from, std::move(gone));
}

}  // namespace mapigate::mailbox
