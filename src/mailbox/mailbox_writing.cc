// What users write: into the backend first, then into the index, with a journal of what must not be left half done.
//
// Storing in IMAP is two steps that no transaction spans: APPEND, and the row with the id and with what MIME cannot
// hold. The journal names both before the first; after a kill the message is looked for by its Message-ID, and the
// second step is made or the entry dropped. A message that is edited is stored anew and the old one removed; its id
// stays.
#include "mailbox/mailbox.h"

#include <algorithm>
#include <sstream>

#include "base/cursor.h"
#include "base/log.h"
#include "convert/mime_supplement.h"
#include "convert/mime_tnef_writer.h"
#include "convert/mime_writer.h"
#include "mailbox/message_content.h"
#include "mailbox/message_edit.h"
#include "wire/property_bag_codec.h"

namespace mapigate::mailbox {

using namespace mapi;

namespace {

constexpr char append_kind[] = "append", move_kind[] = "move", across_kind[] = "across";
constexpr unsigned move_version = 2;  // of its payload; 1 had neither flags nor date
// Values above are not columns of a table over messages that live here.
constexpr std::size_t max_column = 512;

std::string domain_of(std::string_view user) {
  const auto at = user.rfind('@');
  return std::string(at == std::string_view::npos ? "localhost" : user.substr(at + 1));
}

// Trying again will not help: what was refused is refused.
bool is_final(const Error& why) { return !why.retryable() && why.code != Errc::cancelled; }

// What can never be ended must not hold up everything that comes after it. The messages themselves are in the backend,
// where the next refresh finds them.
Status unless_final(Error why) {
  if (!is_final(why)) return why;
  log::warning("mailbox: what was begun before is given up: {}", why.message);
  return {};
}

FileTime whole_seconds(FileTime time) { return from_unix(to_unix(time)); }

// The rest of a line, which may hold spaces.
std::string rest_of(std::istream& in) {
  std::string out;
  in >> std::ws;
  std::getline(in, out);
  return out;
}

bool has_files(const convert::MessageData& data) {
  return std::any_of(data.attachments.begin(), data.attachments.end(), [](const auto& a) {
    return a.properties.number(PidTagAttachmentHidden) == 0 && (a.properties.number(PidTagAttachFlags) & 4) == 0;
  });
}

// The columns of a message that the state store holds whole.
PropertyBag columns_of(const convert::MessageData& data) {
  PropertyBag out;
  for (const auto& [tag, value] : data.properties) {
    if (is_computed(tag) || tag.id() == PidTagBody.id() || tag.id() == PidTagHtml.id() || tag.id() == PidTagRtfCompressed.id()) continue;
    if (wire_size(value) <= max_column) out.set(tag, value);
  }
  std::string lists[3];
  for (const auto& recipient : data.recipients) {
    const auto kind = (recipient.type & 0x0F) - 1;
    if (kind < 0 || kind > 2) continue;
    if (!lists[kind].empty()) lists[kind] += "; ";
    lists[kind] += convert::recipient_address(recipient.properties).display();
  }
  out.set_string(PidTagDisplayTo, lists[0]);
  out.set_string(PidTagDisplayCc, lists[1]);
  out.set_string(PidTagDisplayBcc, lists[2]);
  out.set_boolean(PidTagHasAttachments, has_files(data));
  return out;
}

}  // namespace

Task<Result<io::Mutex::Lock>> Mailbox::write_lock() {
  auto lock = co_await write_lock_.lock(context_.options.backend_wait);
  co_return lock;
}

Task<Result<std::shared_ptr<Provider>>> Mailbox::provider_of(const Folder& folder) {
  const auto name = folder.provider;
  auto found = provider(name);
  if (!found) co_return found.error();
  co_return providers_[name];
}

Task<Result<GlobalCounter>> Mailbox::reserve_id() {
  auto reserve = [](state::MailboxState& s) { return s.reserve_ids(1); };
  co_return co_await with_state(reserve);
}

Task<Result<std::shared_ptr<convert::MessageData>>> Mailbox::stored_data(GlobalCounter message) {
  using Data = std::shared_ptr<convert::MessageData>;
  auto read = [message](state::MailboxState& s) -> Result<Data> {
    auto bytes = s.content(message);
    if (!bytes) return bytes.error();
    if (!*bytes) return Data();
    auto parsed = convert::parse_message_data(**bytes);
    if (!parsed) return parsed.error();
    return std::make_shared<convert::MessageData>(std::move(*parsed));
  };
  co_return co_await with_state(read);
}

Task<Result<std::map<std::uint16_t, PropertyName>>> Mailbox::names_in(const convert::MessageData& message) {
  std::vector<std::uint16_t> ids;
  convert::collect_named(message, ids);
  co_return co_await names_of(std::move(ids));
}

Task<Result<std::map<std::uint16_t, PropertyName>>> Mailbox::names_of(std::vector<std::uint16_t> ids) {
  using Names = std::map<std::uint16_t, PropertyName>;
  if (ids.empty()) co_return Names();
  auto look_up = [&ids](state::MailboxState& s) -> Result<Names> {
    auto names = s.named_properties(ids);
    if (!names) return names.error();
    Names out;
    for (std::size_t i = 0; i < ids.size() && i < names->size(); ++i)
      if ((*names)[i]) out.emplace(ids[i], *(*names)[i]);
    return out;
  };
  co_return co_await with_state(look_up);
}

// -- storing

Task<Status> Mailbox::save_message(GlobalCounter folder_id, bool associated, GlobalCounter id, std::uint32_t flags,
                                   std::shared_ptr<convert::MessageData> data, std::optional<std::uint64_t> opened) {
  const auto* row = tree_->find(folder_id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *row;
  auto read = [id](state::MailboxState& s) { return s.message(id); };
  if (associated || is_local(folder)) {
    auto lock = co_await write_lock();
    if (!lock) co_return lock.error();
    if (opened) {
      auto current = co_await with_state(read);
      if (!current) co_return current.error();
      if (!*current) co_return error(Errc::not_found, "the message is gone");
      if ((*current)->change_number != *opened) co_return error(Errc::conflict, "the message was changed by somebody else");
    }
    co_return co_await save_locally(associated ? state::associated_of(folder_id) : folder_id, id, flags, data);
  }
  auto names = co_await names_in(*data);
  if (!names) co_return names.error();
  convert::MimeWriteOptions options;
  options.from = {store_->display_name == store_->user ? std::string() : store_->display_name, store_->user};
  options.host = domain_of(store_->user);
  options.names = std::move(*names);
  options.attachment_properties = true;
  options.memory_limit = context_.options.max_stream_memory;
  auto* message = data.get();
  auto write = [message, &options]() { return stored_form(*message, options); };
  auto form = co_await io::run_blocking(context_.runtime, write);
  if (!form) co_return std::move(form.error()).within("writing a message");
  const auto delivered = data->properties.time(PidTagMessageDeliveryTime);
  const auto received = whole_seconds(delivered.ticks != 0 ? delivered : now());
  auto extras = std::move(form->extras);
  extras.set_time(PidTagLastModificationTime, now());
  const auto message_id = data->properties.string(PidTagInternetMessageId);
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  // What an attempt before this one left open may be this message.
  if (journal_open_) {
    auto finished = co_await finish_journal();
    if (!finished) co_return finished;
  }
  auto before = co_await with_state(read);
  if (!before) co_return before.error();
  // Others had the time that writing the MIME took.
  if (opened && !*before) co_return error(Errc::not_found, "the message is gone");
  if (opened && (*before)->remote_key != *opened) co_return error(Errc::conflict, "the message was changed by somebody else");
  const auto old_key = *before ? (*before)->remote_key : 0;
  co_return co_await append_locked(folder, id, old_key, flags, received, message_id, form->mime, std::move(extras));
}

Task<Status> Mailbox::save_locally(GlobalCounter folder, GlobalCounter id, std::uint32_t flags,
                                   std::shared_ptr<convert::MessageData> data) {
  auto* message = data.get();
  message->properties.set_time(PidTagLastModificationTime, now());
  if (!message->properties.contains(PidTagCreationTime)) message->properties.set_time(PidTagCreationTime, now());
  auto pack = [message]() { return convert::serialize(*message); };
  auto bytes = co_await io::run_blocking(context_.runtime, pack);
  state::FolderDelta delta;
  state::Message row;
  row.id = id;
  row.remote_key = id;
  row.flags = flags;
  const auto delivered = message->properties.time(PidTagMessageDeliveryTime);
  row.received = delivered.ticks != 0 ? delivered : now();
  row.size = bytes.size();
  row.properties = columns_of(*message);
  delta.added.push_back(std::move(row));
  delta.contents.push_back({id, std::move(bytes)});
  co_return co_await apply_locked(folder, std::move(delta));
}

Task<Status> Mailbox::append_locked(Folder folder, GlobalCounter id, std::uint64_t old_key, std::uint32_t flags,
                                    FileTime received, std::string message_id, convert::ByteSource mime, PropertyBag extras) {
  auto to = co_await provider_of(folder);
  if (!to) co_return to.error();
  auto keep = *to;
  auto head = fmt::format("{} {} {} {} {} {}", id, folder.id, old_key, flags, received.ticks, message_id);
  auto payload = wire::serialize(extras);
  auto note = [&head, &payload](state::MailboxState& s) { return s.add_journal(append_kind, head, payload); };
  auto entry = co_await with_state(note);
  if (!entry) co_return entry.error();
  auto append = keep->append(folder, mime, flags, received);
  auto key = co_await io::with_deadline(context_.options.backend_wait, std::move(append));
  if (!key && is_final(key.error())) {
    // Refused: nothing was stored.
    const auto number = *entry;
    auto drop = [number](state::MailboxState& s) { return s.remove_journal(number); };
    auto dropped = co_await with_state(drop);
    (void)dropped;
    co_return std::move(key.error()).within("storing a message");
  }
  if (!key) {
    journal_open_ = true;
    co_return std::move(key.error()).within("storing a message");
  }
  auto uid = *key;
  if (uid == 0) {
    auto found = co_await keep->find(folder, message_id);
    if (!found || found->empty() || found->back() <= old_key) {
      journal_open_ = true;
      co_return error(Errc::unavailable, "the message that was stored is not to be found");
    }
    uid = found->back();
  }
  if (old_key != 0) {
    std::vector<std::uint64_t> old{old_key};
    auto removed = co_await keep->remove(folder, old);
    if (!removed && !is_final(removed.error())) {
      journal_open_ = true;
      co_return std::move(removed.error()).within("the message before it was edited");
    }
    // What the user wrote is there: an error would make the client store it once more.
    if (!removed) log::warning("mailbox: message {:x} stays in {} beside what was made of it: {}", id, folder.name, removed.error().message);
  }
  std::string keywords;
  if (old_key != 0) {
    auto before = co_await message(id);
    if (before) keywords = std::move(before->keywords);
  }
  auto stored = co_await store_appended(folder, id, uid, flags, received, mime, std::move(extras), *entry);
  if (!stored) {
    // It is in the backend: whoever tries again has to find it.
    journal_open_ = true;
    co_return stored;
  }
  co_return co_await renew_keywords(folder, id, std::move(keywords));
}

Task<Status> Mailbox::store_appended(Folder folder, GlobalCounter id, std::uint64_t key, std::uint32_t flags, FileTime received,
                                     convert::ByteSource mime, PropertyBag extras, std::uint64_t journal) {
  state::Message row;
  row.id = id;
  row.remote_key = key;
  row.flags = flags;
  row.received = received;
  row.size = mime.size();
  convert::MimeOptions options;
  options.header.internal_date = received;
  options.supplement = supplement_in(extras);
  auto parse = [&mime, &options]() { return convert::MimeMessage::parse(mime, options); };
  auto parsed = co_await io::run_blocking(context_.runtime, parse);
  row.properties = convert::header_properties(mime.view().first(std::min<std::size_t>(mime.size(), 1 << 20)), options.header);
  // A message that cannot be read is in the backend nevertheless.
  if (!parsed) {
    log::warning("mailbox: message {:x}: {}", id, parsed.error().message);
  } else {
    row.properties.set_boolean(PidTagHasAttachments, (*parsed)->properties().number(PidTagHasAttachments) != 0);
    row.properties.set_string(PidTagMessageClass, (*parsed)->properties().string(PidTagMessageClass));
    // With those whom the header has no address for.
    if ((*parsed)->recipients_kept())
      for (const auto tag : {PidTagDisplayTo, PidTagDisplayCc, PidTagDisplayBcc})
        row.properties.set_string(tag, (*parsed)->properties().string(tag));
  }
  row.extras = std::move(extras);
  state::FolderDelta delta;
  delta.added.push_back(std::move(row));
  delta.journal_done = journal;
  rekeyed_[id] = ++writes_;
  co_return co_await apply_locked(folder.id, std::move(delta));
}

Task<Result<GlobalCounter>> Mailbox::deliver(GlobalCounter folder_id, convert::ByteSource mime, std::uint32_t flags,
                                              PropertyBag extras) {
  const auto* row = tree_->find(folder_id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *row;
  auto id = co_await reserve_id();
  if (!id) co_return id.error();
  const auto header = convert::header_properties(mime.view().first(std::min<std::size_t>(mime.size(), 1 << 20)));
  if (is_local(folder)) {
    convert::MimeOptions options;
    options.supplement = supplement_in(extras);
    auto parsed = convert::MimeMessage::parse(mime, options);
    if (!parsed) co_return parsed.error();
    auto data = convert::message_data(**parsed, context_.options.max_stream_memory);
    if (!data) co_return data.error();
    auto held = std::make_shared<convert::MessageData>(std::move(*data));
    add_extras(*held, extras);
    auto saved = co_await save_message(folder_id, false, *id, flags, held);
    if (!saved) co_return saved.error();
    co_return *id;
  }
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  auto message_id = header.string(PidTagInternetMessageId);
  auto stored = co_await append_locked(folder, *id, 0, flags, whole_seconds(now()), message_id, mime, std::move(extras));
  if (!stored) co_return stored.error();
  co_return *id;
}

Task<Status> Mailbox::save_extras(GlobalCounter folder_id, GlobalCounter id, PropertyBag extras, std::uint32_t set, std::uint32_t clear) {
  if ((set | clear) != 0) {
    std::vector<GlobalCounter> ids{id};
    auto flagged = co_await set_flags(folder_id, std::move(ids), set, clear);
    if (!flagged) co_return flagged;
  }
  state::FolderDelta delta;
  auto keywords = co_await put_keywords(folder_id, id, &extras);
  if (!keywords) co_return keywords.error();
  if (*keywords) delta.flags.push_back(std::move(**keywords));
  delta.extras.push_back({id, std::move(extras)});
  co_return co_await apply(folder_id, std::move(delta));
}

// -- removing and moving

Task<Status> Mailbox::delete_messages(GlobalCounter folder_id, std::vector<GlobalCounter> ids, Deletion how) {
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
    if (in != folder_id) {
      if (hard && deleted_from(row, folder_id)) deleted[in].push_back(std::move(row));
    } else if (state::is_associated(row.folder)) {
      hidden.removed.push_back(row.id);
    } else {
      here.push_back(std::move(row));
    }
  }
  if (!hidden.removed.empty()) {
    auto gone = co_await apply_locked(state::associated_of(folder_id), std::move(hidden));
    if (!gone) co_return gone;
  }
  for (const auto& [in, old] : deleted) {
    const auto* row = tree_->find(in);
    if (!row) continue;
    auto purged = co_await remove_rows(*row, old);
    if (!purged) co_return purged;
  }
  if (here.empty()) co_return Status{};
  const bool keep = !hard && context_.options.deleted_retention > Duration::zero() && !keeps_deleted(folder.role);
  if (keep) co_return co_await keep_deleted(folder, std::move(here));
  co_return co_await remove_rows(folder, here);
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

Task<Status> Mailbox::move_messages(GlobalCounter from_id, std::vector<GlobalCounter> ids, GlobalCounter to_id, bool copy) {
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
    if (in != from_id) {
      if (deleted_from(row, from_id)) recovered[in].push_back(std::move(row));
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
    out.scalar(static_cast<std::uint32_t>(message_id.size()));
    out.bytes(as_view(message_id));
    out.scalar(static_cast<std::uint32_t>(extras.size()));
    out.bytes(extras);
  }
  std::uint64_t entry = 0;
  if (!payload.empty()) {
    const auto head = fmt::format("{} {}", to.id, move_version);
    auto note = [&head, &payload](state::MailboxState& s) { return s.add_journal(move_kind, head, payload); };
    auto noted = co_await with_state(note);
    if (!noted) co_return noted.error();
    entry = *noted;
  }
  auto moved = co_await keep->copy(from, keys, to, !copy);
  if (!moved) {
    journal_open_ |= entry != 0;
    co_return std::move(moved.error()).within(copy ? "copying" : "moving");
  }
  state::FolderDelta there, here;
  bool left = false;
  std::vector<MailboxEvent> events;
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
      auto again = co_await keep->find(to, row.properties.string(PidTagInternetMessageId));
      if (again && !again->empty()) key = again->back();
    }
    if (key == 0) {
      // The next look at the folder finds it, and the journal what belongs to it.
      left |= !row.extras.empty();
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
  journal_open_ |= entry != 0 && (left || !stored);
  if (!stored) co_return stored;
  if (!here.removed.empty()) stored = co_await apply_locked(from.id, std::move(here), false);
  for (const auto& event : events) tell(event);
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
    if (!copy && elsewhere) {
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
    if (!saved) {
      journal_open_ |= entry != 0;
      co_return saved;
    }
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
        (void)dropped;
        co_return std::move(removed.error()).within("the message that was moved");
      }
      if (!removed) {
        journal_open_ = true;
        co_return removed;
      }
    }
    state::FolderDelta gone;
    gone.removed.push_back(row.id);
    gone.journal_done = entry;
    auto applied = co_await apply_locked(row.folder, std::move(gone));
    if (!applied) {
      journal_open_ |= entry != 0;
      co_return applied;
    }
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

// -- the journal

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
  co_return co_await store_appended(folder, id, key, flags, received, *mime, std::move(*extras), entry.id);
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
