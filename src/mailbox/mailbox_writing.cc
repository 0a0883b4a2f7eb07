// What users write: into the backend first, then into the index, with a journal of what must not be left half done.
//
// Storing in IMAP is two steps that no transaction spans: APPEND, and the row with the id and with what MIME cannot
// hold. The journal names both before the first; after a kill the message is looked for by its Message-ID, and the
// second step is made or the entry dropped. A message that is edited is stored anew and the old one removed; its id
// stays.
#include "mailbox/mailbox.h"

#include <algorithm>

#include "base/log.h"
#include "convert/mime_supplement.h"
#include "convert/mime_tnef_writer.h"
#include "convert/mime_writer.h"
#include "mailbox/message_content.h"
#include "mailbox/message_edit.h"
#include "mailbox/writing_support.h"
#include "wire/property_bag_codec.h"

namespace mapigate::mailbox {

using namespace mapi;

namespace {

// Values above are not columns of a table over messages that live here.
constexpr std::size_t max_column = 512;

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
  out.set_boolean(PidTagHasAttachments, !data.attachments.empty());
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
                                   std::shared_ptr<convert::MessageData> data, std::optional<std::uint64_t> opened, bool again) {
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
  const bool own = opened && again && ended_as(id, *opened, (*before)->remote_key);
  if (opened && !own && (*before)->remote_key != *opened) co_return error(Errc::conflict, "the message was changed by somebody else");
  const auto old_key = *before ? (*before)->remote_key : 0;
  co_return co_await append_locked(folder, id, old_key, flags, received, message_id, form->mime, std::move(extras));
}

bool Mailbox::ended_as(GlobalCounter message, std::uint64_t before, std::uint64_t now) const {
  const auto found = ended_.find(message);
  return found != ended_.end() && found->second.first == before && found->second.second == now;
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
  AppendHead head{id, folder.id, old_key, flags, received, message_id, {}, 0};
  auto payload = wire::serialize(extras);
  BegunEntry begun(journal_open_);
  auto note = [&head, &mime, &payload](state::MailboxState& s) -> Result<std::uint64_t> {
    auto newest = s.newest_key(head.folder);
    if (!newest) return newest;
    head.newest = *newest;
    head.mark = content_mark(mime.view());
    return s.add_journal(append_kind, head.to_string(), payload);
  };
  auto entry = co_await with_state(note);
  if (!entry) co_return entry.error();
  auto append = keep->append(folder, mime, flags, received);
  auto key = co_await io::with_deadline(context_.options.backend_wait, std::move(append));
  if (!key && is_final(key.error())) {
    // Refused: nothing was stored.
    const auto number = *entry;
    auto drop = [number](state::MailboxState& s) { return s.remove_journal(number); };
    auto dropped = co_await with_state(drop);
    if (dropped) begun.ended();
    co_return std::move(key.error()).within("storing a message");
  }
  if (!key) co_return std::move(key.error()).within("storing a message");
  auto uid = *key;
  if (uid == 0) {
    auto found = co_await keep->find(folder, message_id);
    if (!found || found->empty() || found->back() <= old_key)
      co_return error(Errc::unavailable, "the message that was stored is not to be found");
    uid = found->back();
  }
  if (old_key != 0) {
    std::vector<std::uint64_t> old{old_key};
    auto removed = co_await keep->remove(folder, old);
    if (!removed && !is_final(removed.error())) co_return std::move(removed.error()).within("the message before it was edited");
    // What the user wrote is there: an error would make the client store it once more.
    if (!removed) log::warning("mailbox: message {:x} stays in {} beside what was made of it: {}", id, folder.name, removed.error().message);
  }
  std::string keywords;
  if (old_key != 0) {
    auto before = co_await message(id);
    if (before) keywords = std::move(before->keywords);
  }
  auto stored = co_await store_appended(folder, id, uid, flags, received, mime, std::move(extras), *entry);
  if (!stored) co_return stored;  // it is in the backend: whoever tries again has to find it
  begun.ended();
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
    convert::add_content_properties(**parsed, row.properties);
    row.properties.set_boolean(PidTagHasAttachments, !(*parsed)->attachments().empty());
    if (!(*parsed)->attachments().empty() && !(*parsed)->shows_files()) row.properties.set_boolean(state::no_files_shown, true);
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

Task<Status> Mailbox::save_extras(GlobalCounter folder_id, GlobalCounter id, ExtrasEdit edit, std::uint32_t set, std::uint32_t clear) {
  if ((set | clear) != 0) {
    std::vector<GlobalCounter> ids{id};
    auto flagged = co_await set_flags(folder_id, std::move(ids), set, clear);
    if (!flagged) co_return flagged;
  }
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  auto row = co_await message(id);
  if (!row) co_return row.error();
  const auto contents = row->folder;
  if (state::folder_of(contents) != folder_id) co_return error(Errc::not_found, "the message is in another folder");
  auto extras = edit(*row);
  state::FolderDelta delta;
  auto keywords = co_await put_keywords(folder_id, id, &extras);
  if (!keywords) co_return keywords.error();
  if (*keywords) delta.flags.push_back(std::move(**keywords));
  delta.extras.push_back({id, std::move(extras)});
  co_return co_await apply_locked(contents, std::move(delta));
}

}  // namespace mapigate::mailbox
