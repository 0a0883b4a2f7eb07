// Expanding and collapsing the categories of contents tables ([MS-OXCTABL] 2.2.2.17 to 2.2.2.20).
#include <algorithm>

#include "mailbox/table_support.h"

namespace mapigate::mailbox {

namespace {

constexpr std::uint8_t state_version = 1;
constexpr std::size_t max_toggled = 8000;  // keeps the collapse state below the 64 KiB of its field

// The contents table that the request is for, with its rows as they are now; null with the reason in call.why.
Task<std::shared_ptr<TableObject>> contents_table(RopCall& call) {
  auto table = call.object<TableObject>();
  if (!table) co_return nullptr;
  if (table->source != TableObject::Source::contents) {
    call.why = mapi::ecNotSupported;
  } else if (table->columns.empty()) {
    call.why = mapi::ecNullObject;
  } else {
    call.why = co_await view(call, table);
    if (call.why == mapi::ecNone) co_return table;
  }
  co_return nullptr;
}
GroupedView* view_of(TableObject& table) {
  auto* rows = dynamic_cast<ContentsRows*>(table.rows.get());
  return rows ? rows->view() : nullptr;
}

std::uint64_t order_number(const ListOrder& order) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : order.key) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  return hash;
}

Task<ErrorCode> expand_row(RopCall& call, const wire::RopExpandRow::Request& request, wire::RopExpandRow::Response& response) {
  auto table = co_await contents_table(call);
  if (!table) co_return call.why;
  auto* view = view_of(*table);
  if (!view || !view->knows(request.CategoryId)) co_return mapi::ecNotFound;
  const auto header = view->header(request.CategoryId);
  if (!header) co_return mapi::ecNotFound;  // within a collapsed one
  if (view->is_expanded(view->category(*header))) co_return mapi::ecNotCollapsed;
  if (view->toggled().size() >= max_toggled) co_return mapi::ecTooBig;
  const auto places = table->places();
  const auto before = view->size();
  view->set_expanded(request.CategoryId, true);
  table->restore(places);
  const auto count = view->size() - before;
  response.ExpandedRowCount = static_cast<std::uint32_t>(count);

  const auto columns = call.arena.copy(wire::Columns(table->columns));
  call.columns = columns;
  const auto wanted = std::min<std::size_t>(request.MaxRowCount, count);
  std::vector<wire::PropertyRow> rows;
  if (wanted > 0) {
    auto sources = co_await table->rows->read(call.mailbox, *header + 1, std::min<std::size_t>(wanted, 1000));
    if (!sources) co_return mapi::to_error_code(sources.error());
    std::size_t used = 6;  // ExpandedRowCount, RowCount
    constexpr std::size_t page = 64;
    for (std::size_t i = 0; i < sources->size(); ++i) {
      if (i % page == 0) co_await add_texts(call.mailbox, columns, std::span(*sources).subspan(i, std::min(page, sources->size() - i)));
      const auto& source = (*sources)[i];
      if (!source) continue;
      const auto row = make_row(*source, columns, call.arena, cell_options(call.session));
      const auto cost = wire_size(row, columns);
      if (cost == SIZE_MAX || used + cost > call.budget) break;
      used += cost;
      rows.push_back(row);
    }
  }
  response.RowData = call.arena.copy(std::span<const wire::PropertyRow>(rows));
  co_return mapi::ecNone;
}

Task<ErrorCode> collapse_row(RopCall& call, const wire::RopCollapseRow::Request& request, wire::RopCollapseRow::Response& response) {
  auto table = co_await contents_table(call);
  if (!table) co_return call.why;
  auto* view = view_of(*table);
  if (!view || !view->knows(request.CategoryId)) co_return mapi::ecNotFound;
  const auto header = view->header(request.CategoryId);
  if (!header) co_return mapi::ecNotFound;
  if (!view->is_expanded(view->category(*header))) co_return mapi::ecNotExpanded;
  if (view->toggled().size() >= max_toggled) co_return mapi::ecTooBig;
  const auto places = table->places();
  const auto before = view->size();
  view->set_expanded(request.CategoryId, false);
  table->restore(places);
  response.CollapsedRowCount = static_cast<std::uint32_t>(before - view->size());
  co_return mapi::ecNone;
}

// Ours alone: version, the order it belongs to, the row to return to, and the categories that are not as that order says.
Task<ErrorCode> get_collapse_state(RopCall& call, const wire::RopGetCollapseState::Request& request,
                                   wire::RopGetCollapseState::Response& response) {
  auto table = co_await contents_table(call);
  if (!table) co_return call.why;
  Bytes bytes;
  Output out(bytes);
  out.scalar(state_version);
  out.scalar(order_number(*table->order));
  out.scalar(request.RowId);
  out.scalar(request.RowInstanceNumber);
  if (const auto* view = view_of(*table))
    for (const auto id : view->toggled()) out.scalar(id);
  response.CollapseState = call.arena.copy(View(bytes));
  co_return mapi::ecNone;
}

Task<ErrorCode> set_collapse_state(RopCall& call, const wire::RopSetCollapseState::Request& request,
                                   wire::RopSetCollapseState::Response& response) {
  auto table = co_await contents_table(call);
  if (!table) co_return call.why;
  Cursor in(request.CollapseState);
  const auto version = in.scalar<std::uint8_t>();
  const auto order = in.scalar<std::uint64_t>();
  const mapi::Id row(in.scalar<std::uint64_t>());
  const auto instance = in.scalar<std::uint32_t>();
  // It belongs to one sort order and restriction.
  if (!in.ok() || version != state_version || order != order_number(*table->order) || in.left() % 8 != 0 || in.left() / 8 > max_toggled)
    co_return mapi::ecInvalidParam;
  std::set<std::uint64_t> toggled;
  while (in.left() > 0) toggled.insert(in.scalar<std::uint64_t>());
  auto* view = view_of(*table);
  if (view) view->set_toggled(std::move(toggled));
  table->bookmarks.clear();
  const auto size = table->rows->size();
  std::size_t at = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const bool header = view && view->is_header(i);
    const bool found = header ? view->category(i).id == row.value
                       : view ? view->leaf(i).id == row.counter() && view->leaf(i).instance == instance && row.replid() != 0
                              : table->rows->identity(i) == row.counter();
    if (!found) continue;
    at = i;
    break;
  }
  table->move_to(at);
  const auto bookmark = add_bookmark(*table, at);
  if (!bookmark) co_return mapi::ecMemory;
  response.Bookmark = call.arena.copy(View(*bookmark));
  co_return mapi::ecNone;
}

}  // namespace

HandlerList category_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopExpandRow, expand_row>(),
      on<wire::RopCollapseRow, collapse_row>(),
      on<wire::RopGetCollapseState, get_collapse_state>(),
      on<wire::RopSetCollapseState, set_collapse_state>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
