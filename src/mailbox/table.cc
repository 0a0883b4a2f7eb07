// Table ROPs ([MS-OXCTABL] 3.2.5).
#include <algorithm>

#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using mapi::PropertyType;

constexpr auto ecUnableToAbort = static_cast<ErrorCode>(0x80040114);
constexpr std::uint8_t tblstat_complete = 0x00;
constexpr std::size_t max_columns = 1024, max_sort_orders = 100, max_bookmarks = 1000;
constexpr std::size_t page = 64;            // rows read from the index at once
constexpr std::size_t max_cell_text = 255;  // characters of a string cell
constexpr std::size_t max_cell = 4096;      // bytes of any other
constexpr std::size_t query_rows_fields = 3;  // Origin, RowCount

CellOptions cell_options(const RopCall& call) {
  CellOptions options;
  options.code_page = call.session.options().code_page;
  options.max_text = max_cell_text;
  options.max_value = max_cell;
  return options;
}

// Brings the rows up to date. The position stays at its row, wherever that is now.
Task<ErrorCode> load(RopCall& call, std::shared_ptr<TableObject> table) {
  auto loaded = co_await table->rows->load(call.mailbox, table->order);
  if (!loaded) co_return mapi::to_error_code(loaded.error());
  table->told = false;
  if (!*loaded) co_return mapi::ecNone;
  const auto size = table->rows->size();
  auto to = std::min(table->position, size);
  if (table->anchor) {
    for (std::size_t i = 0; i < size; ++i)
      if (table->rows->identity(i) == *table->anchor) {
        to = i;
        break;
      }
  } else if (table->position != 0) {
    to = size;  // was at the end
  }
  table->move_to(to);
  co_return mapi::ecNone;
}

// A new order or restriction: bookmarks end and the cursor goes to the beginning.
Task<ErrorCode> reorder(RopCall& call, std::shared_ptr<TableObject> table, std::shared_ptr<const ListOrder> order) {
  auto before = table->order;
  table->order = std::move(order);
  auto loaded = co_await table->rows->load(call.mailbox, table->order);
  if (!loaded) {
    table->order = before;
    co_return loaded.error().code == Errc::limit ? mapi::ecTooComplex : mapi::to_error_code(loaded.error());
  }
  table->bookmarks.clear();
  table->move_to(0);
  co_return mapi::ecNone;
}

std::size_t clamp(std::int64_t position, std::size_t size) {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(position, 0, static_cast<std::int64_t>(size)));
}

Task<ErrorCode> set_columns(RopCall& call, const wire::RopSetColumns::Request& request, wire::RopSetColumns::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (request.PropertyTags.empty() || request.PropertyTags.size() > max_columns) co_return mapi::ecInvalidParam;
  for (const auto tag : request.PropertyTags)
    if (tag.type() == PropertyType::PtypErrorCode || tag.type() == PropertyType::PtypObject) co_return mapi::ecInvalidParam;
  table->columns.assign(request.PropertyTags.begin(), request.PropertyTags.end());
  response.TableStatus = tblstat_complete;
  co_return mapi::ecNone;
}

Task<ErrorCode> sort_table(RopCall& call, const wire::RopSortTable::Request& request, wire::RopSortTable::Response&) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (table->source != TableObject::Source::contents) co_return mapi::ecNotSupported;
  if (request.SortOrders.size() > max_sort_orders || request.CategoryCount > request.SortOrders.size() ||
      request.ExpandedCount > request.CategoryCount)
    co_return mapi::ecInvalidParam;
  if (request.CategoryCount > 0) co_return mapi::ecNotSupported;
  for (const auto& order : request.SortOrders) {
    if (order.Order == mapi::SortOrder::MaximumCategory) co_return mapi::ecNotSupported;
    if (order.Order > mapi::SortOrder::Descending) co_return mapi::ecInvalidParam;
    if (mapi::is_multivalue(order.tag.type())) co_return mapi::ecNotSupported;
  }
  co_return co_await reorder(call, table, ListOrder::make(request.SortOrders, table->order->restriction));
}

Task<ErrorCode> restrict_table(RopCall& call, const wire::RopRestrict::Request& request, wire::RopRestrict::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (request.RestrictionData) {
    const auto code = check(*request.RestrictionData, true, table->rows->subobjects() != nullptr);
    if (code != mapi::ecNone) co_return code;
  }
  response.TableStatus = tblstat_complete;
  co_return co_await reorder(call, table, ListOrder::make(table->order->sort, request.RestrictionData));
}

Task<ErrorCode> query_rows(RopCall& call, const wire::RopQueryRows::Request& request, wire::RopQueryRows::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (table->columns.empty()) co_return mapi::ecNullObject;
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto size = table->rows->size();
  const bool forward = request.ForwardRead;
  const auto columns = call.arena.copy(wire::Columns(table->columns));
  call.columns = columns;
  const auto options = cell_options(call);

  std::vector<wire::PropertyRow> rows;
  auto at = table->position;  // of the next row to read, or behind it when going back
  std::size_t used = query_rows_fields;
  bool full = false;
  while (!full && rows.size() < request.RowCount && (forward ? at < size : at > 0)) {
    const auto wanted = std::min<std::size_t>(page, request.RowCount - rows.size());
    const auto n = forward ? std::min(wanted, size - at) : std::min(wanted, at);
    const auto first = forward ? at : at - n;
    auto sources = co_await table->rows->read(call.mailbox, first, n);
    if (!sources) co_return mapi::to_error_code(sources.error());
    if (!forward) std::reverse(sources->begin(), sources->end());
    std::size_t taken = 0;
    for (const auto& source : *sources) {
      auto row = make_row(*source, columns, call.arena, options);
      const auto cost = wire_size(row, columns);
      if (cost == SIZE_MAX || used + cost > call.budget) {
        full = true;
        break;
      }
      used += cost;
      rows.push_back(row);
      ++taken;
    }
    // Rows that went between listing and reading count as read.
    const auto passed = full ? taken : n;
    at = forward ? at + passed : at - passed;
  }
  if (full && rows.empty()) {
    call.too_small = call.budget < 0x7000;
    co_return mapi::ecBufferTooSmall;
  }
  response.RowData = call.arena.copy(std::span<const wire::PropertyRow>(rows));
  // Row P5: the end is said, or the client asks again.
  response.Origin = forward ? (at >= size ? wire::BOOKMARK_END : wire::BOOKMARK_CURRENT)
                            : (at == 0 ? wire::BOOKMARK_BEGINNING : wire::BOOKMARK_CURRENT);
  const bool advance = !(request.QueryRowsFlags & wire::RopQueryRows::NoAdvance);
  if (advance) {
    table->move_to(at);
    const bool packable = call.packed && call.mailbox.context().options.chain_rows && forward &&
                          (request.QueryRowsFlags & wire::RopQueryRows::EnablePackedBuffers);
    if (packable && full && at < size) call.left = static_cast<std::uint32_t>(request.RowCount - rows.size());
  }
  co_return mapi::ecNone;
}

Task<ErrorCode> get_status(RopCall& call, const wire::RopGetStatus::Request&, wire::RopGetStatus::Response& response) {
  if (!call.object<TableObject>()) co_return call.why;
  response.TableStatus = tblstat_complete;
  co_return mapi::ecNone;
}
Task<ErrorCode> abort_table(RopCall& call, const wire::RopAbort::Request&, wire::RopAbort::Response&) {
  if (!call.object<TableObject>()) co_return call.why;
  co_return ecUnableToAbort;  // nothing runs in the background
}

Task<ErrorCode> query_position(RopCall& call, const wire::RopQueryPosition::Request&, wire::RopQueryPosition::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  response.Numerator = static_cast<std::uint32_t>(table->position);
  response.Denominator = static_cast<std::uint32_t>(table->rows->size());
  co_return mapi::ecNone;
}

// Where a bookmark is now. False: the row it stood on is gone; it stands where that was.
bool resolve(const TableObject& table, const TableObject::Bookmark& bookmark, std::size_t* at) {
  const auto size = table.rows->size();
  *at = std::min(bookmark.position, size);
  if (!bookmark.row) {
    *at = size;
    return true;
  }
  if (*at < size && table.rows->identity(*at) == *bookmark.row) return true;
  for (std::size_t i = 0; i < size; ++i) {
    if (table.rows->identity(i) != *bookmark.row) continue;
    *at = i;
    return true;
  }
  return false;
}
std::uint32_t bookmark_number(View bookmark) {
  std::uint32_t number = 0;
  if (bookmark.size() == sizeof(number)) std::memcpy(&number, bookmark.data(), sizeof(number));
  return number;
}

Task<ErrorCode> seek_row(RopCall& call, const wire::RopSeekRow::Request& request, wire::RopSeekRow::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (request.Origin > wire::BOOKMARK_END) co_return mapi::ecInvalidParam;
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto size = table->rows->size();
  const auto from = request.Origin == wire::BOOKMARK_BEGINNING ? 0 : request.Origin == wire::BOOKMARK_END ? size : table->position;
  const auto target = static_cast<std::int64_t>(from) + request.RowCount;
  const auto to = clamp(target, size);
  table->move_to(to);
  if (request.WantRowMovedCount) {
    response.HasSoughtLess = static_cast<std::int64_t>(to) != target;
    response.RowsSought = static_cast<std::int32_t>(static_cast<std::int64_t>(to) - static_cast<std::int64_t>(from));
  }
  co_return mapi::ecNone;
}

Task<ErrorCode> seek_row_bookmark(RopCall& call, const wire::RopSeekRowBookmark::Request& request,
                                  wire::RopSeekRowBookmark::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (table->columns.empty()) co_return mapi::ecNullObject;
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto bookmark = table->bookmarks.find(bookmark_number(request.Bookmark));
  if (bookmark == table->bookmarks.end()) co_return mapi::ecInvalidBookmark;
  std::size_t from = 0;
  response.RowNoLongerVisible = !resolve(*table, bookmark->second, &from);
  const auto target = static_cast<std::int64_t>(from) + request.RowCount;
  const auto to = clamp(target, table->rows->size());
  table->move_to(to);
  if (request.WantRowMovedCount) {
    response.HasSoughtLess = static_cast<std::int64_t>(to) != target;
    response.RowsSought = static_cast<std::int32_t>(static_cast<std::int64_t>(to) - static_cast<std::int64_t>(from));
  }
  co_return mapi::ecNone;
}

Task<ErrorCode> seek_row_fractional(RopCall& call, const wire::RopSeekRowFractional::Request& request,
                                    wire::RopSeekRowFractional::Response&) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (request.Denominator == 0) co_return mapi::ecInvalidParam;
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto size = table->rows->size();
  const auto to = static_cast<std::uint64_t>(size) * std::min(request.Numerator, request.Denominator) / request.Denominator;
  table->move_to(static_cast<std::size_t>(to));
  co_return mapi::ecNone;
}

Task<ErrorCode> create_bookmark(RopCall& call, const wire::RopCreateBookmark::Request&, wire::RopCreateBookmark::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  if (table->bookmarks.size() >= max_bookmarks) co_return mapi::ecMemory;
  const auto number = table->next_bookmark++;
  table->bookmarks[number] = {table->position, table->anchor};
  Bytes bytes;
  Output(bytes).scalar(number);
  response.Bookmark = call.arena.copy(View(bytes));
  co_return mapi::ecNone;
}
Task<ErrorCode> free_bookmark(RopCall& call, const wire::RopFreeBookmark::Request& request, wire::RopFreeBookmark::Response&) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  co_return table->bookmarks.erase(bookmark_number(request.Bookmark)) ? mapi::ecNone : mapi::ecInvalidBookmark;
}

Task<ErrorCode> find_row(RopCall& call, const wire::RopFindRow::Request& request, wire::RopFindRow::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (table->columns.empty()) co_return mapi::ecNullObject;
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  if (request.RestrictionData) {
    const auto code = check(*request.RestrictionData, true, table->rows->subobjects() != nullptr);
    if (code != mapi::ecNone) co_return code;
  }
  const auto size = table->rows->size();
  std::size_t from = table->position;
  if (request.Origin == wire::BOOKMARK_BEGINNING) from = 0;
  else if (request.Origin == wire::BOOKMARK_END) from = size;
  else if (request.Origin == wire::BOOKMARK_CUSTOM) {
    const auto bookmark = table->bookmarks.find(bookmark_number(request.Bookmark));
    if (bookmark == table->bookmarks.end()) co_return mapi::ecInvalidBookmark;
    response.RowNoLongerVisible = !resolve(*table, bookmark->second, &from);
  } else if (request.Origin != wire::BOOKMARK_CURRENT) {
    co_return mapi::ecInvalidParam;
  }
  const bool backward = (request.FindRowFlags & wire::RopFindRow::Backward) != 0;
  Matcher matcher(request.RestrictionData, table->rows->subobjects(), call.session.options().code_page);
  const auto columns = call.arena.copy(wire::Columns(table->columns));
  constexpr std::size_t stride = 256;
  auto at = from;  // forward: first row to look at; backward: behind it
  while (backward ? at > 0 : at < size) {
    const auto n = backward ? std::min(stride, at) : std::min(stride, size - at);
    const auto first = backward ? at - n : at;
    auto sources = co_await table->rows->read(call.mailbox, first, n);
    if (!sources) co_return mapi::to_error_code(sources.error());
    // With a row gone meanwhile positions would shift: then rows are found by what they are.
    if (backward) std::reverse(sources->begin(), sources->end());
    for (std::size_t i = 0; i < sources->size(); ++i) {
      const auto& source = *(*sources)[i];
      if (!matcher.matches(source)) continue;
      auto found = backward ? at - 1 - i : at + i;
      if (sources->size() != n) {
        const auto* message = dynamic_cast<const MessageSource*>(&source);
        for (auto j = first; message && j < first + n; ++j)
          if (table->rows->identity(j) == message->message().id) found = j;
      }
      auto row = make_row(source, columns, call.arena, cell_options(call));
      const auto cost = wire_size(row, columns);
      if (cost == SIZE_MAX || cost + 2 > call.budget) {
        call.too_small = call.budget < 0x7000;
        co_return mapi::ecBufferTooSmall;
      }
      table->move_to(found);
      call.columns = columns;
      response.HasRowData = true;
      response.RowData = row;
      co_return mapi::ecNone;
    }
    at = backward ? first : at + n;
  }
  co_return mapi::ecNotFound;
}

Task<ErrorCode> query_columns_all(RopCall& call, const wire::RopQueryColumnsAll::Request&, wire::RopQueryColumnsAll::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  const auto all = table->rows->all_columns();
  response.PropertyTags = call.arena.copy(std::span<const PropertyTag>(all));
  co_return mapi::ecNone;
}

Task<ErrorCode> reset_table(RopCall& call, const wire::RopResetTable::Request&, wire::RopResetTable::Response&) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  table->columns.clear();
  co_return co_await reorder(call, table, ListOrder::make({}, nullptr));
}

}  // namespace

Task<ErrorCode> open_table(RopCall& call, std::uint8_t index, std::shared_ptr<TableObject> table, std::uint32_t* row_count) {
  const auto loaded = co_await load(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  if (row_count) *row_count = static_cast<std::uint32_t>(table->rows->size());
  table->move_to(0);
  co_return call.put(index, std::move(table));
}

HandlerList table_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopSetColumns, set_columns>(),
      on<wire::RopSortTable, sort_table>(),
      on<wire::RopRestrict, restrict_table>(),
      on<wire::RopQueryRows, query_rows>(),
      on<wire::RopGetStatus, get_status>(),
      on<wire::RopAbort, abort_table>(),
      on<wire::RopQueryPosition, query_position>(),
      on<wire::RopSeekRow, seek_row>(),
      on<wire::RopSeekRowBookmark, seek_row_bookmark>(),
      on<wire::RopSeekRowFractional, seek_row_fractional>(),
      on<wire::RopCreateBookmark, create_bookmark>(),
      on<wire::RopFreeBookmark, free_bookmark>(),
      on<wire::RopFindRow, find_row>(),
      on<wire::RopQueryColumnsAll, query_columns_all>(),
      on<wire::RopResetTable, reset_table>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
