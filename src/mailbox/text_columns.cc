// What texts of messages begin with, for tables that have PidTagBody among their columns (the AutoPreview of Outlook). The index
// does not hold them: backends are asked, once for all rows of an answer, and what they say is kept in memory. What lives in the
// state store is read. A row whose text cannot be had now says why in this cell, and is a row all the same.
#include <algorithm>
#include <map>

#include "base/log.h"
#include "convert/message_data.h"
#include "convert/mime_supplement.h"
#include "convert/text_beginning.h"
#include "mailbox/message_edit.h"
#include "mailbox/table_rows.h"

namespace mapigate::mailbox {

using mapi::PidTagBody;

namespace {

// More than a cell shows ([MS-OXCTABL] 2.2.2.5.2 lets it be cut), so that it is seen where it is cut.
constexpr std::size_t text_characters = 300;
// Nobody asks a backend that was this slow again before.
constexpr auto pause_after_timeout = std::chrono::seconds(30);

// Messages of backends never change under one key; a key that another message has had is not given to this one.
std::uint64_t version_of(const state::Message& row) { return row.remote_key != 0 ? row.remote_key : row.change_number; }

void show(state::Message& row, const TextCache::Entry& entry) {
  if (entry.code == mapi::ecNone) row.properties.set_string(PidTagBody, entry.text);
  else row.properties.set(PidTagBody, mapi::Value::error(entry.code));
}
void show_error(const std::vector<state::Message*>& rows, mapi::ErrorCode code) {
  for (auto* row : rows) row->properties.set(PidTagBody, mapi::Value::error(code));
}

// As a message that is opened says it (DataSource).
TextCache::Entry text_in(const convert::MessageData* data) {
  TextCache::Entry out;
  out.code = mapi::ecNotFound;
  if (data == nullptr) return out;
  Arena arena;
  auto value = find_in(data->properties, PidTagBody);
  if (!value) value = convert::body_of(data->properties, PidTagBody, arena);
  if (!value) return out;
  out.text = convert::first_characters(mapi::text_of(*value), text_characters);
  out.code = mapi::ecNone;
  return out;
}

}  // namespace

Task<> Mailbox::add_texts(std::vector<state::Message*> rows, Duration limit) {
  std::map<GlobalCounter, std::vector<state::Message*>> missing;  // by folder
  for (auto* row : rows) {
    if (const auto* known = texts_.find(row->id, version_of(*row))) show(*row, *known);
    else missing[row->folder].push_back(row);
  }
  const auto end = Clock::now() + limit;
  std::map<std::string, mapi::ErrorCode> failed;  // providers
  for (auto& [id, some] : missing) {
    const auto* found = tree_->find(state::folder_of(id));
    if (found == nullptr) {
      show_error(some, mapi::ecNotFound);
      continue;
    }
    const Folder folder = *found;
    if (is_local(folder) || state::is_associated(id)) {
      co_await add_stored_texts(some);
      continue;
    }
    auto& code = failed[folder.provider];
    if (code == mapi::ecNone) {
      const auto left = std::max<Duration>(end - Clock::now(), Duration::zero());
      auto asked = co_await add_remote_texts(folder, some, left);
      if (asked) continue;
      log::debug("mailbox of {}: texts of {} rows: {}", store_->user, some.size(), asked.error().message);
      code = mapi::to_error_code(asked.error());
    }
    show_error(some, code);
  }
}

Task<> Mailbox::add_stored_texts(std::vector<state::Message*> rows) {
  for (auto* row : rows) {
    auto data = co_await stored_data(row->id);
    if (!data) {
      row->properties.set(PidTagBody, mapi::Value::error(mapi::to_error_code(data.error())));
      continue;
    }
    auto held = *data;
    auto read = [held] { return text_in(held.get()); };
    auto entry = co_await io::run_blocking(context_.runtime, read);
    entry.version = version_of(*row);
    show(*row, entry);
    texts_.put(row->id, std::move(entry), context_.options.text_cache);
  }
}

Task<Status> Mailbox::add_remote_texts(Folder folder, std::vector<state::Message*> rows, Duration limit) {
  if (Clock::now() < no_texts_before_) co_return error(Errc::timeout, "the backend was too slow just now");
  std::vector<std::uint64_t> keys;
  for (const auto* row : rows)
    if (row->remote_key != 0) keys.push_back(row->remote_key);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  auto from = provider(folder.provider);
  if (!from) co_return from.error();
  auto keep = providers_[folder.provider];
  auto ask = keep->beginnings(folder, keys, text_characters);
  auto answer = co_await io::with_deadline(limit, std::move(ask));
  if (!answer) {
    // A shorter wait says nothing of the backend.
    if (answer.error().code == Errc::timeout && limit >= text_wait / 2) no_texts_before_ = Clock::now() + pause_after_timeout;
    co_return answer.error();
  }
  std::map<std::uint64_t, std::optional<std::string>> texts;
  for (auto& one : *answer) texts[one.remote_key] = std::move(one.text);
  for (auto* row : rows) {
    const auto found = texts.find(row->remote_key);
    if (found == texts.end()) {  // it went, and the index does not know yet
      row->properties.set(PidTagBody, mapi::Value::error(mapi::ecNotFound));
      continue;
    }
    TextCache::Entry entry;
    entry.version = version_of(*row);
    // A client that needs it opens the message.
    if (!found->second) entry.code = mapi::ecMemory;
    else entry.text = *found->second;
    // The last line end may be one that only mail has, as Mailbox::content knows of whole messages.
    const auto supplement = supplement_in(row->extras);
    if (supplement && supplement->open_text && entry.text.ends_with("\r\n")) entry.text.resize(entry.text.size() - 2);
    show(*row, entry);
    texts_.put(row->id, std::move(entry), context_.options.text_cache);
  }
  co_return Status();
}

Task<> add_texts(Mailbox& mailbox, wire::Columns columns, std::span<const std::unique_ptr<PropertySource>> rows, Duration limit) {
  if (std::none_of(columns.begin(), columns.end(), [](auto tag) { return tag.id() == PidTagBody.id(); })) co_return;
  std::vector<state::Message*> messages;
  for (const auto& row : rows)
    if (auto* message = row ? row->index_row() : nullptr) messages.push_back(message);
  if (!messages.empty()) co_await mailbox.add_texts(std::move(messages), limit);
}

}  // namespace mapigate::mailbox
