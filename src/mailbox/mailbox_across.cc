// Messages between two mailboxes. They have no id in common, nor the ids of named properties, nor an executor: a message is
// packed in one, and unpacked in the other. What came from a backend arrives there byte for byte.
//
// It is stored in the one before it is removed from the other; handover.cc knows of what a kill leaves in both.
#include <algorithm>

#include "convert/mime_supplement.h"
#include "mailbox/mailbox.h"
#include "mailbox/message_edit.h"
#include "mailbox/parcel.h"

namespace mapigate::mailbox {

using namespace mapi;

namespace {

using Ids = NamedIdMap;

void collect(const PropertyBag& bag, std::vector<std::uint16_t>& ids) {
  for (const auto& [tag, value] : bag)
    if (tag.named()) ids.push_back(tag.id());
}
void collect(const convert::MessageData& message, std::vector<std::uint16_t>& ids) {
  collect(message.properties, ids);
  for (const auto& one : message.recipients) collect(one.properties, ids);
  for (const auto& one : message.attachments) {
    collect(one.properties, ids);
    if (one.embedded) collect(*one.embedded, ids);
  }
}

// Under the ids of the other mailbox; those that have none there, because nobody knows their names, stay behind.
PropertyBag renamed(const PropertyBag& bag, const Ids& ids) {
  PropertyBag out;
  for (const auto& [tag, value] : bag) {
    const auto found = tag.named() ? ids.find(tag.id()) : ids.end();
    if (!tag.named()) out.set(tag, value);
    else if (found != ids.end()) out.set(PropertyTag(found->second, tag.type()), value);
  }
  return out;
}
convert::Supplement renamed(const convert::Supplement& supplement, const Ids& ids) {
  convert::Supplement out;
  out.properties = renamed(supplement.properties, ids);
  out.recipients_key = supplement.recipients_key;
  out.open_text = supplement.open_text;
  out.open_html = supplement.open_html;
  for (const auto& one : supplement.recipients) out.recipients.push_back({one.row, one.type, renamed(one.properties, ids)});
  for (const auto& one : supplement.parts) {
    convert::Supplement::Part part{one.number, one.position, one.size, one.message, renamed(one.properties, ids), nullptr};
    if (one.inner) part.inner = std::make_shared<const convert::Supplement>(renamed(*one.inner, ids));
    out.parts.push_back(std::move(part));
  }
  return out;
}
PropertyBag renamed_extras(const PropertyBag& extras, const Ids& ids) {
  auto out = renamed(extras, ids);
  if (const auto supplement = supplement_in(extras)) {
    const auto bytes = convert::serialize(renamed(*supplement, ids));
    out.set_binary(supplement_tag, bytes);
  }
  return out;
}

FileTime whole_seconds(FileTime time) { return from_unix(to_unix(time)); }

}  // namespace

std::shared_ptr<convert::MessageData> renamed(const convert::MessageData& message, const NamedIdMap& ids) {
  auto out = std::make_shared<convert::MessageData>(message.clone());
  out->properties = renamed(message.properties, ids);
  for (auto& one : out->recipients) one.properties = renamed(one.properties, ids);
  for (auto& one : out->attachments) {
    one.properties = renamed(one.properties, ids);
    if (one.embedded) one.embedded = renamed(*one.embedded, ids);
  }
  return out;
}

Task<Result<std::map<std::uint16_t, PropertyName>>> Mailbox::all_names_in(const convert::MessageData* message) {
  std::vector<std::uint16_t> ids;
  collect(*message, ids);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  co_return co_await names_of(std::move(ids));
}

Task<Result<std::map<std::uint16_t, std::uint16_t>>> Mailbox::own_ids(std::map<std::uint16_t, PropertyName> from) {
  std::vector<std::uint16_t> theirs;
  std::vector<PropertyName> names;
  for (const auto& [id, name] : from) {
    theirs.push_back(id);
    names.push_back(name);
  }
  NamedIdMap ids;
  if (names.empty()) co_return ids;
  auto look_up = [&names](state::MailboxState& s) { return s.named_property_ids(names, true); };
  auto ours = co_await with_state(look_up);
  if (!ours) co_return ours.error();
  for (std::size_t i = 0; i < theirs.size() && i < ours->size(); ++i)
    if ((*ours)[i] != 0) ids[theirs[i]] = (*ours)[i];
  co_return ids;
}

Task<Result<std::shared_ptr<Parcel>>> Mailbox::pack(GlobalCounter folder, GlobalCounter id) {
  auto row = co_await message(id);
  if (!row) co_return row.error();
  if (state::folder_of(row->folder) != folder) co_return error(Errc::not_found, "the message is in another folder");
  auto parcel = std::make_shared<Parcel>();
  parcel->associated = state::is_associated(row->folder);
  parcel->flags = row->flags;
  parcel->received = row->received;
  parcel->change_number = row->change_number;
  parcel->message_id = row->properties.string(PidTagInternetMessageId);
  auto stored = co_await stored_data(id);
  if (!stored) co_return stored.error();
  parcel->data = *stored;
  if (!parcel->data) {
    parcel->extras = row->extras.clone();
    auto content = co_await this->content(std::move(*row));
    if (!content) co_return content.error();
    auto held = *content;
    if (!parcel->message_id.empty()) {
      parcel->mime = held->source();
    } else {
      // Without a name the journal could not find it again: it is written anew, and gets one.
      const auto limit = context_.options.max_stream_memory;
      auto convert = [held, limit]() { return convert::message_data(*held, limit); };
      auto made = co_await io::run_blocking(context_.runtime, convert);
      if (!made) co_return made.error();
      parcel->data = std::make_shared<convert::MessageData>(std::move(*made));
      auto named = co_await add_named_values(*this, held, parcel->data.get());
      if (!named) co_return named.error();
      add_extras(*parcel->data, parcel->extras);
    }
  }
  std::vector<std::uint16_t> ids;
  if (parcel->data) {
    collect(*parcel->data, ids);
  } else {
    collect(parcel->extras, ids);
    if (const auto supplement = supplement_in(parcel->extras)) convert::collect_named(*supplement, ids);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  auto names = co_await names_of(std::move(ids));
  if (!names) co_return names.error();
  parcel->names = std::move(*names);
  co_return parcel;
}

Task<Status> Mailbox::unpack(GlobalCounter folder_id, std::shared_ptr<Parcel> parcel) {
  auto using_it = use();
  auto open_now = co_await open();
  if (!open_now) co_return open_now;
  const auto* row = tree_->find(folder_id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *row;
  if (!folder.selectable) co_return error(Errc::denied, "folder {} takes no messages", folder.name);
  auto known = co_await own_ids(parcel->names);
  if (!known) co_return known.error();
  const auto ids = std::move(*known);
  Result<GlobalCounter> id = parcel->id;
  if (*id == 0) id = co_await reserve_id();
  if (!id) co_return id.error();
  auto data = parcel->data ? renamed(*parcel->data, ids) : nullptr;
  auto extras = renamed_extras(parcel->extras, ids);
  if (!data && is_local(folder)) {
    convert::MimeOptions options;
    options.header.internal_date = parcel->received;
    options.supplement = supplement_in(extras);
    const auto mime = parcel->mime;
    auto parse = [&mime, &options]() { return convert::MimeMessage::parse(mime, options); };
    auto parsed = co_await io::run_blocking(context_.runtime, parse);
    if (!parsed) co_return parsed.error();
    Content held = *parsed;
    const auto limit = context_.options.max_stream_memory;
    auto convert = [held, limit]() { return convert::message_data(*held, limit); };
    auto made = co_await io::run_blocking(context_.runtime, convert);
    if (!made) co_return made.error();
    data = std::make_shared<convert::MessageData>(std::move(*made));
    auto named = co_await add_named_values(*this, held, data.get());
    if (!named) co_return named;
    add_extras(*data, extras);
  }
  if (data) {
    if (!data->properties.contains(PidTagMessageDeliveryTime)) data->properties.set_time(PidTagMessageDeliveryTime, parcel->received);
    co_return co_await save_message(folder_id, parcel->associated, *id, parcel->flags, data);
  }
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  // As in save_message.
  if (journal_open_) {
    auto finished = co_await finish_journal();
    if (!finished) co_return finished;
  }
  co_return co_await append_locked(folder, *id, 0, parcel->flags, whole_seconds(parcel->received), parcel->message_id, parcel->mime,
                                   std::move(extras));
}

}  // namespace mapigate::mailbox
