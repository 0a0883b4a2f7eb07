// What clients are told of changes in their tables ([MS-OXCNOTIF] 2.2.1.1.1 and 3.1.4.3): row by row where these are few,
// else "look again". A table whose rows changed is only marked; what to tell is found out when the client comes for its
// events or looks at the table, whichever is first. So a table that changes often and is looked at seldom costs little.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "mailbox/table_support.h"

namespace mapigate::mailbox {

namespace note = wire::notification;
using wire::NotificationData;

namespace {

constexpr std::size_t most_rows = 20;  // told one by one
// The answers to all that a session asked wait for this.
constexpr auto telling_patience = std::chrono::seconds(2);

Task<Result<ErrorCode>> as_result(Task<ErrorCode> task) {
  const auto code = co_await std::move(task);
  co_return Result<ErrorCode>(code);
}

std::vector<std::uint64_t> identities(const Rows& rows) {
  std::vector<std::uint64_t> out(rows.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = rows.identity(i);
  return out;
}

// Rows that went, and places of those that came or are others than before. nullopt: rows have changed their order among
// themselves, or there are too many.
struct Difference {
  std::vector<std::uint64_t> removed;
  std::vector<std::pair<std::size_t, bool>> shown;  // place, and whether it is new; ascending
};
std::optional<Difference> difference(std::vector<std::uint64_t> before, std::vector<std::uint64_t> after,
                                     const std::vector<std::uint64_t>& changed) {
  Difference out;
  const std::unordered_set<std::uint64_t> others(changed.begin(), changed.end());
  const auto head = static_cast<std::size_t>(std::mismatch(before.begin(), before.end(), after.begin(), after.end()).first - before.begin());
  std::size_t tail = 0;
  while (tail < before.size() - head && tail < after.size() - head && before[before.size() - 1 - tail] == after[after.size() - 1 - tail])
    ++tail;
  const std::span old_part(before.data() + head, before.size() - head - tail), new_part(after.data() + head, after.size() - head - tail);
  const std::unordered_set<std::uint64_t> old_ids(old_part.begin(), old_part.end()), new_ids(new_part.begin(), new_part.end());
  std::vector<std::uint64_t> stayed;
  for (const auto id : old_part) {
    if (!new_ids.contains(id)) out.removed.push_back(id);
    else if (!others.contains(id)) stayed.push_back(id);
    if (out.removed.size() > most_rows) return std::nullopt;
  }
  std::size_t next = 0;
  for (const auto id : new_part)
    if (old_ids.contains(id) && !others.contains(id) && stayed[next++] != id) return std::nullopt;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const bool in_part = i >= head && i < after.size() - tail;
    const bool added = in_part && !old_ids.contains(after[i]);
    if (!added && !others.contains(after[i])) continue;
    out.shown.emplace_back(i, added);
    if (out.removed.size() + out.shown.size() > most_rows) return std::nullopt;
  }
  return out;
}

mapi::Id id_in(const PropertySource& source, mapi::PropertyTag tag) {
  Arena arena(128);
  const auto value = source.get(tag, arena);
  return mapi::Id(value ? static_cast<std::uint64_t>(mapi::number_of(*value)) : 0);
}

constexpr std::uint64_t counter_mask = mapi::max_global_counter;

}  // namespace

void OpenMailbox::mark_tables(TableObject::Source source, GlobalCounter folder, bool rows_too) {
  for (const auto& [handle, object] : objects_) {
    if (object->kind != Object::Kind::table) continue;
    auto& table = static_cast<TableObject&>(*object);
    if (!table.notify || table.source != source || table.told) continue;
    if (source == TableObject::Source::contents && table.folder != folder) continue;
    if (table.quiet && changing_folders_) continue;
    // Of a table that nobody has looked at nothing is told ([MS-OXCNOTIF] 3.1.4.3), but that it has filled.
    if (!table.viewed) {
      if (rows_too && table.fills) look_again(handle, table);
      continue;
    }
    ++table.changes;
    if (table.dirty) continue;
    table.dirty = true;
    tables_dirty_ = true;
    note_pending();
    share_->wake.set();
  }
}

void OpenMailbox::look_again(std::uint32_t handle, TableObject& table) {
  // One is enough until the client has looked.
  if (table.told) return;
  table.told = true;
  table.dirty = false;
  NotificationData data;
  data.NotificationFlags = note::TableModified;
  data.TableEventType = NotificationData::TableChanged;
  queue(handle, table, data);
}

Task<ErrorCode> OpenMailbox::tell_rows(std::uint32_t handle, std::shared_ptr<TableObject> table) {
  table->dirty = false;
  const auto changes = std::exchange(table->changes, 0);
  const auto before = identities(*table->rows);
  const auto loaded = co_await load(*mailbox_, table);
  if (loaded != mapi::ecNone) {
    look_again(handle, *table);  // row S11
    co_return loaded;
  }
  auto changed = co_await table->rows->changed(*mailbox_);
  const auto after = identities(*table->rows);
  if (!changed || !*changed || table->columns.empty()) {
    look_again(handle, *table);
    co_return mapi::ecNone;
  }
  const auto found = difference(before, after, **changed);
  // Many changes that leave nothing to see are told as one.
  const bool nothing_left = found && found->removed.empty() && found->shown.empty();
  if (!found || (nothing_left && changes > most_rows)) {
    look_again(handle, *table);
    co_return mapi::ecNone;
  }
  const auto store = mailbox_->identity();
  const bool messages = table->source == TableObject::Source::contents;
  const std::uint16_t flags = note::TableModified | (messages ? std::uint16_t{NotificationData::M} : std::uint16_t{0});
  for (const auto row : found->removed) {
    NotificationData data;
    data.NotificationFlags = flags;
    data.TableEventType = NotificationData::TableRowDeleted;
    data.TableRowFolderID = store->id(messages ? state::folder_of(table->folder) : row);
    data.TableRowMessageID = store->id(row & counter_mask);
    queue(handle, *table, data);
  }
  RowSources rows;
  std::vector<std::pair<mapi::Id, mapi::Id>> before_them;  // folder and message of the row before each
  for (const auto& [place, added] : found->shown) {
    const auto first = place == 0 ? place : place - 1;
    auto sources = co_await table->rows->read(*mailbox_, first, place - first + 1);
    if (!sources || !sources->back() || !sources->front()) {
      look_again(handle, *table);
      co_return mapi::ecNone;
    }
    before_them.emplace_back(id_in(*sources->front(), mapi::PidTagFolderId), id_in(*sources->front(), mapi::PidTagMid));
    rows.push_back(std::move(sources->back()));
  }
  co_await add_texts(*mailbox_, table->columns, rows, text_wait_of_news);
  const auto options = cell_options(*this);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& [place, added] = found->shown[i];
    const auto& source = *rows[i];
    NotificationData data;
    data.NotificationFlags = flags;
    data.TableEventType = added ? NotificationData::TableRowAdded : NotificationData::TableRowModified;
    data.TableRowFolderID = id_in(source, mapi::PidTagFolderId);
    if (messages) data.TableRowMessageID = id_in(source, mapi::PidTagMid);
    if (place > 0) {
      data.InsertAfterTableRowFolderID = before_them[i].first;
      if (messages) data.InsertAfterTableRowID = before_them[i].second;
    }
    Arena arena(1024);
    const wire::Columns columns(table->columns);
    const auto row = make_row(source, columns, arena, options);
    auto bytes = std::make_shared<Bytes>();
    Output output(*bytes);
    wire::FieldWriter writer(output);
    writer.row("row", row, columns);
    if (!writer.ok() || bytes->size() > 0x4000) {
      look_again(handle, *table);
      co_return mapi::ecNone;
    }
    data.TableRowData = *bytes;
    queue(handle, *table, data, std::move(bytes));
  }
  co_return mapi::ecNone;
}

Task<> OpenMailbox::tell_tables() {
  if (!tables_dirty_) co_return;
  auto using_it = mailbox_->use();
  tables_dirty_ = false;
  note_pending();
  std::vector<std::uint32_t> handles;
  for (const auto& [handle, object] : objects_)
    if (object->kind == Object::Kind::table && static_cast<const TableObject&>(*object).dirty) handles.push_back(handle);
  const auto end = Clock::now() + telling_patience;
  for (const auto handle : handles) {
    auto object = find(handle);
    if (!object) continue;
    auto table = std::static_pointer_cast<TableObject>(object);
    // Closed since, or out of time: what rows these are the client finds out when it looks (row S11).
    const auto left = end - Clock::now();
    if (!mailbox_->is_open() || left <= Duration::zero()) {
      look_again(handle, *table);
      continue;
    }
    auto telling = as_result(tell_rows(handle, table));
    auto code = co_await io::with_deadline(left, std::move(telling));
    if (!code) look_again(handle, *table);
    if (!code || *code != mapi::ecNone) log::debug("mailbox of {}: a table was not told of row by row", owner_);
  }
}

Task<ErrorCode> view(RopCall& call, std::shared_ptr<TableObject> table) {
  if (table->notify && table->viewed && !table->told && table->dirty)
    co_return co_await call.session.tell_rows(call.handles[call.request.HandleIndex], table);
  if (table->notify && (!table->viewed || table->told || table->dirty)) {
    // What was before now need not be told.
    auto before = co_await table->rows->changed(call.mailbox);
    if (!before) co_return mapi::to_error_code(before.error());
    table->viewed = true;
    table->told = table->dirty = false;
    table->changes = 0;
  }
  co_return co_await load(call.mailbox, table);
}

}  // namespace mapigate::mailbox
