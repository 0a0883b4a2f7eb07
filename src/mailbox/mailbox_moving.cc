// Removing messages, and moving them: within a backend, where that does the work, or from one place to another by storing them anew.
#include <algorithm>
#include <set>

#include "base/cursor.h"
#include "base/log.h"
#include "convert/mime_writer.h"
#include "mailbox/mailbox.h"
#include "mailbox/message_content.h"
#include "mailbox/message_edit.h"
#include "mailbox/writing_support.h"
#include "wire/property_bag_codec.h"

namespace mapigate::mailbox {

using namespace mapi;

Task<Status> Mailbox::delete_messages(GlobalCounter folder_id, std::vector<GlobalCounter> ids, Deletion how,
                                      std::set<GlobalCounter>* found_here) {
  const bool hard = how == Deletion::hard;
  const auto* found = tree_->find(folder_id);
  if (!found) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *found;
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  // Where messages are is known only when what was begun has ended.
  if (journal_open_ && !is_local(folder)) {
    auto finished = co_await finish_journal();
    if (!finished) co_return finished;
  }
  auto read = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto rows = co_await with_state(read);
  if (!rows) co_return rows.error();
  std::vector<state::Message> here;
  std::map<GlobalCounter, std::vector<state::Message>> deleted;
  state::FolderDelta hidden;
  for (auto& row : *rows) {
    const auto in = state::folder_of(row.folder);
    const bool was_deleted = hard && in != folder_id && deleted_from(row, folder_id);
    if (found_here && (in == folder_id || was_deleted)) found_here->insert(row.id);
    if (in != folder_id) {
      if (was_deleted) deleted[in].push_back(std::move(row));
    } else if (state::is_associated(row.folder)) {
      hidden.removed.push_back(row.id);
    } else {
      here.push_back(std::move(row));
    }
  }
  const auto hidden_count = hidden.removed.size();
  if (hidden_count > 0) {
    auto gone = co_await apply_locked(state::associated_of(folder_id), std::move(hidden));
    if (!gone) co_return gone;
  }
  for (const auto& [in, old] : deleted) {
    const auto* row = tree_->find(in);
    if (!row) continue;
    auto purged = co_await remove_rows(*row, old);
    if (!purged) co_return purged;
  }
  const auto count = here.size() + hidden_count;
  const bool keep = !hard && context_.options.deleted_retention > Duration::zero() && !keeps_deleted(folder.role);
  Status done;
  if (keep && !here.empty()) done = co_await keep_deleted(folder, std::move(here));
  else if (!here.empty()) done = co_await remove_rows(folder, here);
  if (!done || count == 0) co_return done;
  co_return co_await add_to_count(folder_id, PidTagDeletedCountTotal, count, 0);
}

Task<Status> Mailbox::remove_rows(Folder folder, const std::vector<state::Message>& rows) {
  std::vector<std::uint64_t> keys;
  state::FolderDelta gone;
  for (const auto& row : rows) {
    keys.push_back(row.remote_key);
    gone.removed.push_back(row.id);
  }
  if (keys.empty()) co_return Status{};
  if (!is_local(folder)) {
    auto from = co_await provider_of(folder);
    if (!from) co_return from.error();
    auto keep = *from;
    auto removed = co_await keep->remove(folder, keys);
    if (!removed) co_return std::move(removed.error()).within("deleting");
  }
  co_return co_await apply_locked(folder.id, std::move(gone));
}

Task<Status> Mailbox::move_messages(GlobalCounter from_id, std::vector<GlobalCounter> ids, GlobalCounter to_id, bool copy,
                                    std::set<GlobalCounter>* found_here) {
  const auto* from_row = tree_->find(from_id);
  const auto* to_row = tree_->find(to_id);
  if (!from_row || !to_row) co_return error(Errc::not_found, "the folder is gone");
  Folder from = *from_row, to = *to_row;
  if (!to.selectable) co_return error(Errc::denied, "folder {} takes no messages", to.name);
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  if (journal_open_ && !(is_local(from) && is_local(to))) {
    auto finished = co_await finish_journal();
    if (!finished) co_return finished;
  }
  auto read = [&ids](state::MailboxState& s) { return s.messages(ids); };
  auto rows = co_await with_state(read);
  if (!rows) co_return rows.error();
  std::vector<state::Message> remote, others;
  std::map<GlobalCounter, std::vector<state::Message>> recovered;
  for (auto& row : *rows) {
    const auto in = state::folder_of(row.folder);
    const bool was_deleted = in != from_id && deleted_from(row, from_id);
    if (found_here && (in == from_id || was_deleted)) found_here->insert(row.id);
    if (in != from_id) {
      if (was_deleted) recovered[in].push_back(std::move(row));
      continue;
    }
    // Row P13.
    if (from_id == to_id && !copy) continue;
    const bool within = !state::is_associated(row.folder) && !from.provider.empty() && from.provider == to.provider;
    (within ? remote : others).push_back(std::move(row));
  }
  for (auto& [in, list] : recovered) {
    const auto* kept = tree_->find(in);
    if (!kept) continue;
    const Folder source = *kept;
    Status done;
    if (!source.provider.empty() && source.provider == to.provider) done = co_await move_within(source, to, std::move(list), copy);
    else done = co_await move_across(source.id, to, std::move(list), copy);
    if (!done) co_return done;
  }
  if (!remote.empty()) {
    auto done = co_await move_within(from, to, std::move(remote), copy);
    if (!done) co_return done;
  }
  if (others.empty()) co_return Status{};
  co_return co_await move_across(from_id, to, std::move(others), copy);
}

// Both folders are the backend's: it does the work.
Task<Status> Mailbox::move_within(Folder from, Folder to, std::vector<state::Message> rows, bool copy) {
  auto provider = co_await provider_of(from);
  if (!provider) co_return provider.error();
  auto keep = *provider;
  auto first = [&rows](state::MailboxState& s) { return s.reserve_ids(static_cast<std::uint32_t>(rows.size())); };
  auto reserved = co_await with_state(first);
  if (!reserved) co_return reserved.error();
  if (keeps_deleted(from.role) || keeps_deleted(to.role))
    for (auto& row : rows) mark_deleted(row.extras, keeps_deleted(to.role) ? from.id : 0);
  std::vector<std::uint64_t> keys;
  std::map<std::uint64_t, std::size_t> by_key;
  Bytes payload;
  Output out(payload);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    keys.push_back(rows[i].remote_key);
    by_key[rows[i].remote_key] = i;
    if (rows[i].extras.empty()) continue;
    const auto extras = wire::serialize(rows[i].extras);
    const auto message_id = rows[i].properties.string(PidTagInternetMessageId);
    out.scalar(*reserved + i);
    out.scalar(rows[i].flags);
    out.scalar(rows[i].received.ticks);
    out.scalar(rows[i].size);
    out.scalar(static_cast<std::uint32_t>(message_id.size()));
    out.bytes(as_view(message_id));
    out.scalar(static_cast<std::uint32_t>(extras.size()));
    out.bytes(extras);
  }
  std::uint64_t entry = 0;
  std::optional<BegunEntry> begun;
  if (!payload.empty()) {
    begun.emplace(journal_open_);
    const auto head = fmt::format("{} {}", to.id, move_version);
    auto note = [&head, &payload](state::MailboxState& s) { return s.add_journal(move_kind, head, payload); };
    auto noted = co_await with_state(note);
    if (!noted) co_return noted.error();
    entry = *noted;
  }
  auto moved = co_await keep->copy(from, keys, to, !copy);
  if (!moved) co_return std::move(moved.error()).within(copy ? "copying" : "moving");
  state::FolderDelta there, here;
  bool left = false, unknown = false;
  std::vector<MailboxEvent> events;
  // Of a backend that tells no new keys: what was there before, or has been found since, is another message.
  Begun target;
  target.folder = to;
  target.provider = keep;
  std::set<std::uint64_t> known;
  if (std::any_of(moved->begin(), moved->end(), [](const auto& one) { return one.to == 0; })) {
    const auto into = to.id;
    auto read = [into](state::MailboxState& s) { return s.message_keys(into); };
    auto before = co_await with_state(read);
    if (!before) co_return before.error();
    for (const auto& one : *before) known.insert(one.remote_key);
  }
  const auto kind = copy ? MailboxEvent::Kind::message_copied : MailboxEvent::Kind::message_moved;
  for (const auto& one : *moved) {
    const auto found = by_key.find(one.from);
    if (found == by_key.end()) continue;
    auto key = one.to;
    auto& row = rows[found->second];
    const auto old_id = row.id;
    const auto new_id = *reserved + found->second;
    if (!copy) here.removed.push_back(old_id);
    if (key == 0) {
      auto again = co_await find_moved(&target, row.properties.string(PidTagInternetMessageId), row.size, &known);
      if (again) key = *again;
      known.insert(key);
    }
    if (key == 0) {
      // The next look at the folder finds it, and the journal what belongs to it.
      left |= !row.extras.empty();
      unknown = true;
      continue;
    }
    MailboxEvent event{kind, to.id, new_id, row.flags, from.id, old_id};
    if (keeps_deleted(to.role)) event = {MailboxEvent::Kind::message_removed, from.id, old_id};
    if (keeps_deleted(from.role)) event = {MailboxEvent::Kind::message_created, to.id, new_id, row.flags};
    events.push_back(event);
    row.id = new_id;
    row.remote_key = key;
    there.added.push_back(std::move(row));
  }
  // Those that had gone before.
  if (!copy && moved->size() < keys.size())
    for (auto& row : rows)
      if (std::none_of(moved->begin(), moved->end(), [&](const auto& m) { return by_key[m.from] == static_cast<std::size_t>(&row - rows.data()); }))
        here.removed.push_back(row.id);
  there.journal_done = left ? 0 : entry;
  auto stored = co_await apply_locked(to.id, std::move(there), false);
  if (!stored) co_return stored;
  if (begun && !left) begun->ended();
  if (!here.removed.empty()) stored = co_await apply_locked(from.id, std::move(here), false);
  for (const auto& event : events) tell(event);
  if (unknown) news_of(to.id);
  co_return stored;
}

// One of the folders is the state store's, or the messages are hidden: they go over one by one.
Task<Status> Mailbox::move_across(GlobalCounter from, Folder to, std::vector<state::Message> rows, bool copy) {
  for (auto& row : rows) {
    const bool hidden = state::is_associated(row.folder);
    auto data = co_await stored_data(row.id);
    if (!data) co_return data.error();
    auto message = *data;
    if (!message) {
      state::Message light;
      light.id = row.id;
      light.folder = row.folder;
      light.remote_key = row.remote_key;
      light.received = row.received;
      auto content = co_await this->content(std::move(light));
      if (!content) co_return content.error();
      auto held = *content;
      const auto limit = context_.options.max_stream_memory;
      auto convert = [held, limit]() { return convert::message_data(*held, limit); };
      auto made = co_await io::run_blocking(context_.runtime, convert);
      if (!made) co_return made.error();
      message = std::make_shared<convert::MessageData>(std::move(*made));
      auto named = co_await add_named_values(*this, held, message.get());
      if (!named) co_return named;
      add_extras(*message, row.extras);
    }
    const auto* from_row = tree_->find(from);
    const bool recovered = from_row && keeps_deleted(from_row->role);
    if (recovered || keeps_deleted(to.role)) mark_deleted(message->properties, keeps_deleted(to.role) ? from : 0);
    auto id = co_await reserve_id();
    if (!id) co_return id.error();
    const auto flags = row.flags;
    const auto* source = tree_->find(from);
    const bool elsewhere = source && !hidden && !is_local(*source);
    std::uint64_t entry = 0;
    std::optional<BegunEntry> begun;
    if (!copy && elsewhere) {
      begun.emplace(journal_open_);
      const auto head = fmt::format("{} {} {} {}", from, row.remote_key, row.id, *id);
      auto note = [&head](state::MailboxState& s) { return s.add_journal(across_kind, head, View()); };
      auto noted = co_await with_state(note);
      if (!noted) co_return noted.error();
      entry = *noted;
    }
    Status saved;
    if (hidden || is_local(to)) {
      saved = co_await save_locally(hidden ? state::associated_of(to.id) : to.id, *id, flags, message);
    } else {
      auto names = co_await names_in(*message);
      if (!names) co_return names.error();
      convert::MimeWriteOptions options;
      options.from = {{}, store_->user};
      options.host = domain_of(store_->user);
      options.names = std::move(*names);
      options.attachment_properties = true;
      auto* raw = message.get();
      auto write = [raw, &options]() { return stored_form(*raw, options); };
      auto form = co_await io::run_blocking(context_.runtime, write);
      if (!form) co_return form.error();
      auto message_id = raw->properties.string(PidTagInternetMessageId);
      saved = co_await append_locked(to, *id, 0, flags, whole_seconds(row.received), message_id, form->mime, std::move(form->extras));
    }
    if (!saved) co_return saved;
    if (copy) continue;
    if (elsewhere) {
      auto removed = co_await remove_moved(from, row.remote_key);
      if (!removed && is_final(removed.error())) {
        // It stays where it was, and there only.
        std::vector<GlobalCounter> made{*id};
        auto again = co_await rows_of(std::move(made));
        if (again) {
          auto undone = co_await remove_rows(to, *again);
          if (!undone) log::warning("mailbox: message {:x} is in {} now, too: {}", *id, to.name, undone.error().message);
        }
        auto drop = [entry](state::MailboxState& s) { return s.remove_journal(entry); };
        auto dropped = co_await with_state(drop);
        if (dropped) begun->ended();
        co_return std::move(removed.error()).within("the message that was moved");
      }
      if (!removed) co_return removed;
    }
    state::FolderDelta gone;
    gone.removed.push_back(row.id);
    gone.journal_done = entry;
    auto applied = co_await apply_locked(row.folder, std::move(gone));
    if (!applied) co_return applied;
    if (begun) begun->ended();
  }
  co_return Status{};
}

Task<Status> Mailbox::remove_moved(GlobalCounter from, std::uint64_t key) {
  const auto* row = tree_->find(from);
  if (!row) co_return Status{};
  const Folder folder = *row;
  auto provider = co_await provider_of(folder);
  if (!provider) co_return provider.error();
  auto keep = *provider;
  std::vector<std::uint64_t> keys{key};
  co_return co_await keep->remove(folder, std::move(keys));
}

}  // namespace mapigate::mailbox
