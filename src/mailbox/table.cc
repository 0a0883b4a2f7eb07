// Table ROPs ([MS-OXCTABL] 3.2.5).
#include <algorithm>

#include "mailbox/table_support.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using mapi::PropertyType;

constexpr std::uint8_t tblstat_complete = 0x00;
constexpr std::size_t max_columns = 1024, max_sort_orders = 100, max_bookmarks = 1000;
constexpr std::size_t page = 64;            // rows read from the index at once
// Longer ones are cut ([MS-OXCTABL] 2.2.2.5.2). By a length that is just this a client knows that there is more.
constexpr std::size_t max_cell_text = 255;    // characters of a string cell
constexpr std::size_t max_cell_binary = 510;  // bytes of a binary one
constexpr std::size_t max_cell = 4096;        // bytes of a multiple value, which would not be whole without its last ones
constexpr std::size_t query_rows_fields = 3;  // Origin, RowCount

// A list that would be too long, or a text that nobody looks for.
ErrorCode text_error(const Error& error) {
  return error.code == Errc::limit || error.code == Errc::unsupported ? mapi::ecTooComplex : mapi::to_error_code(error);
}

// A new order or restriction: bookmarks end and the cursor goes to the beginning.
Task<ErrorCode> reorder(RopCall& call, std::shared_ptr<TableObject> table, std::shared_ptr<const ListOrder> order) {
  auto before = table->order;
  table->order = std::move(order);
  auto loaded = co_await table->rows->load(call.mailbox, table->order);
  if (!loaded) {
    table->order = before;
    co_return text_error(loaded.error());
  }
  table->bookmarks.clear();
  table->move_to(0);
  table->dirty = false;
  co_return mapi::ecNone;
}

// The property that columns or sort orders want a row a value of; false: more than one.
bool instances_in(std::span<const PropertyTag> columns, std::span<const mapi::SortOrder> sort, std::optional<PropertyTag>* out) {
  const auto take = [&](PropertyTag tag) {
    if ((static_cast<std::uint16_t>(tag.type()) & mapi::multivalue_instance_flag) == 0) return true;
    if (*out && (*out)->id() != tag.id()) return false;
    *out = tag;
    return true;
  };
  return std::all_of(sort.begin(), sort.end(), [&](const auto& one) { return take(one.tag); }) &&
         std::all_of(columns.begin(), columns.end(), take);
}

// What a column may be asked as ([MS-OXCTABL] 3.2.5.2).
bool is_column_type(PropertyType type) {
  switch (static_cast<PropertyType>(static_cast<std::uint16_t>(type) & ~mapi::multivalue_instance_flag)) {
    case PropertyType::PtypInteger16:
    case PropertyType::PtypInteger32:
    case PropertyType::PtypFloating32:
    case PropertyType::PtypFloating64:
    case PropertyType::PtypCurrency:
    case PropertyType::PtypFloatingTime:
    case PropertyType::PtypBoolean:
    case PropertyType::PtypInteger64:
    case PropertyType::PtypString8:
    case PropertyType::PtypString:
    case PropertyType::PtypTime:
    case PropertyType::PtypGuid:
    case PropertyType::PtypServerId:
    case PropertyType::PtypRestriction:
    case PropertyType::PtypRuleAction:
    case PropertyType::PtypBinary:
    case PropertyType::PtypMultipleInteger16:
    case PropertyType::PtypMultipleInteger32:
    case PropertyType::PtypMultipleFloating32:
    case PropertyType::PtypMultipleFloating64:
    case PropertyType::PtypMultipleCurrency:
    case PropertyType::PtypMultipleFloatingTime:
    case PropertyType::PtypMultipleInteger64:
    case PropertyType::PtypMultipleString8:
    case PropertyType::PtypMultipleString:
    case PropertyType::PtypMultipleTime:
    case PropertyType::PtypMultipleGuid:
    case PropertyType::PtypMultipleBinary: return true;
    default: return false;
  }
}

// Some ROPs are for some kinds of tables only ([MS-OXCTABL] 3.2.5.4, 3.2.5.6, 3.2.5.10 to 3.2.5.16).
bool has_places(const TableObject& table) {
  return table.source == TableObject::Source::contents || table.source == TableObject::Source::hierarchy;
}
bool can_filter(const TableObject& table) { return has_places(table) || table.source == TableObject::Source::rules; }

std::size_t clamp(std::int64_t position, std::size_t size) {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(position, 0, static_cast<std::int64_t>(size)));
}

Task<ErrorCode> set_columns(RopCall& call, const wire::RopSetColumns::Request& request, wire::RopSetColumns::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  // A request that fails leaves the table without columns ([MS-OXCTABL] 3.2.5.2).
  table->columns.clear();
  if (request.PropertyTags.empty() || request.PropertyTags.size() > max_columns) co_return mapi::ecInvalidParam;
  for (const auto tag : request.PropertyTags)
    if (!is_column_type(tag.type())) co_return mapi::ecInvalidParam;
  auto categories = table->order->category_order();
  categories.instances.reset();
  if (!instances_in(request.PropertyTags, table->order->asked, &categories.instances)) co_return mapi::ecNotSupported;
  // Columns of single values change the rows; other columns only what is shown of them.
  const auto id_of = [](const auto& tag) { return tag ? tag->id() : 0; };
  if (table->source == TableObject::Source::contents && id_of(categories.instances) != id_of(table->order->instances)) {
    const auto code =
        co_await reorder(call, table, ListOrder::make(table->order->asked, table->order->restriction, categories));
    if (code != mapi::ecNone) co_return code;
  }
  table->columns.assign(request.PropertyTags.begin(), request.PropertyTags.end());
  response.TableStatus = tblstat_complete;
  co_return mapi::ecNone;
}

Task<ErrorCode> sort_table(RopCall& call, const wire::RopSortTable::Request& request, wire::RopSortTable::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (table->source != TableObject::Source::contents) co_return mapi::ecNotSupported;
  const auto& orders = request.SortOrders;
  if (orders.size() > max_sort_orders || request.CategoryCount > orders.size() || request.ExpandedCount > request.CategoryCount)
    co_return mapi::ecInvalidParam;
  std::size_t single_values = 0;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const auto type = orders[i].tag.type();
    const bool instance = (static_cast<std::uint16_t>(type) & mapi::multivalue_instance_flag) != 0;
    if (mapi::is_multivalue(type) && !instance) co_return mapi::ecNotSupported;
    if (instance && i < request.CategoryCount && ++single_values > 1) co_return mapi::ecInvalidParam;
    // It modifies the category right before it, the innermost.
    const bool maximum = orders[i].Order == mapi::SortOrder::MaximumCategory;
    if (maximum && (request.CategoryCount == 0 || i != request.CategoryCount)) co_return mapi::ecInvalidParam;
    if (!maximum && orders[i].Order > mapi::SortOrder::Descending) co_return mapi::ecInvalidParam;
  }
  Categories categories{request.CategoryCount, request.ExpandedCount, {}};
  if (!instances_in(table->columns, orders, &categories.instances)) co_return mapi::ecNotSupported;
  response.TableStatus = tblstat_complete;
  co_return co_await reorder(call, table, ListOrder::make(orders, table->order->restriction, categories));
}

Task<ErrorCode> restrict_table(RopCall& call, const wire::RopRestrict::Request& request, wire::RopRestrict::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (!can_filter(*table)) co_return mapi::ecNotSupported;
  if (request.RestrictionData) {
    const auto code = check(*request.RestrictionData, !table->rows->has_texts(), table->rows->subobjects() != nullptr);
    if (code != mapi::ecNone) co_return code;
  }
  response.TableStatus = tblstat_complete;
  co_return co_await reorder(call, table,
                             ListOrder::make(table->order->asked, request.RestrictionData, table->order->category_order()));
}

Task<ErrorCode> query_rows(RopCall& call, const wire::RopQueryRows::Request& request, wire::RopQueryRows::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (table->columns.empty()) co_return mapi::ecNullObject;
  const auto loaded = co_await view(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto size = table->rows->size();
  const bool forward = request.ForwardRead;
  const auto columns = call.arena.copy(wire::Columns(table->columns));
  call.columns = columns;
  const auto options = cell_options(call.session, *table);

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
    co_await add_texts(call.mailbox, columns, *sources);
    std::size_t taken = 0;
    for (const auto& source : *sources) {
      if (!source) {  // it went between listing and reading, and counts as read
        ++taken;
        continue;
      }
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
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (!has_places(*table)) co_return mapi::ecNotSupported;
  co_return ecUnableToAbort;  // nothing runs in the background
}

Task<ErrorCode> query_position(RopCall& call, const wire::RopQueryPosition::Request&, wire::RopQueryPosition::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  const auto loaded = co_await view(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  response.Numerator = static_cast<std::uint32_t>(table->position);
  response.Denominator = static_cast<std::uint32_t>(table->rows->size());
  co_return mapi::ecNone;
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
  const auto loaded = co_await view(call, table);
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
  if (!has_places(*table)) co_return mapi::ecNotSupported;
  if (table->columns.empty()) co_return mapi::ecNullObject;
  const auto loaded = co_await view(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto bookmark = table->bookmarks.find(bookmark_number(request.Bookmark));
  if (bookmark == table->bookmarks.end()) co_return mapi::ecInvalidBookmark;
  const auto from = bookmark->second.position;
  response.RowNoLongerVisible = bookmark->second.gone;
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
  const auto loaded = co_await view(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto size = table->rows->size();
  const auto to = static_cast<std::uint64_t>(size) * std::min(request.Numerator, request.Denominator) / request.Denominator;
  table->move_to(static_cast<std::size_t>(to));
  co_return mapi::ecNone;
}

Task<ErrorCode> create_bookmark(RopCall& call, const wire::RopCreateBookmark::Request&, wire::RopCreateBookmark::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (!has_places(*table)) co_return mapi::ecNotSupported;
  const auto loaded = co_await view(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto bytes = add_bookmark(*table, table->position);
  if (!bytes) co_return mapi::ecMemory;
  response.Bookmark = call.arena.copy(View(*bytes));
  co_return mapi::ecNone;
}
Task<ErrorCode> free_bookmark(RopCall& call, const wire::RopFreeBookmark::Request& request, wire::RopFreeBookmark::Response&) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (!has_places(*table)) co_return mapi::ecNotSupported;
  if (table->columns.empty()) co_return mapi::ecNullObject;
  co_return table->bookmarks.erase(bookmark_number(request.Bookmark)) ? mapi::ecNone : mapi::ecInvalidBookmark;
}

Task<ErrorCode> find_row(RopCall& call, const wire::RopFindRow::Request& request, wire::RopFindRow::Response& response) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (!can_filter(*table)) co_return mapi::ecNotSupported;
  if (table->columns.empty()) co_return mapi::ecNullObject;
  const auto loaded = co_await view(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  TextMatches texts;
  if (request.RestrictionData) {
    const auto code = check(*request.RestrictionData, !table->rows->has_texts(), table->rows->subobjects() != nullptr);
    if (code != mapi::ecNone) co_return code;
    auto found = co_await table->rows->find_texts(call.mailbox, request.RestrictionData);
    if (!found) co_return text_error(found.error());
    texts = std::move(*found);
  }
  const auto size = table->rows->size();
  std::size_t from = table->position;
  if (request.Origin == wire::BOOKMARK_BEGINNING) from = 0;
  else if (request.Origin == wire::BOOKMARK_END) from = size;
  else if (request.Origin == wire::BOOKMARK_CUSTOM) {
    const auto bookmark = table->bookmarks.find(bookmark_number(request.Bookmark));
    if (bookmark == table->bookmarks.end()) co_return mapi::ecInvalidBookmark;
    from = bookmark->second.position;
    response.RowNoLongerVisible = bookmark->second.gone;
  } else if (request.Origin != wire::BOOKMARK_CURRENT) {
    co_return mapi::ecInvalidParam;
  }
  const bool backward = (request.FindRowFlags & wire::RopFindRow::Backward) != 0;
  Matcher matcher(request.RestrictionData, table->rows->subobjects(), call.session.options().code_page);
  matcher.use(&texts);
  const auto columns = call.arena.copy(wire::Columns(table->columns));
  constexpr std::size_t stride = 256;
  auto at = from;  // forward: first row to look at; backward: behind it
  while (backward ? at > 0 : at < size) {
    const auto n = backward ? std::min(stride, at) : std::min(stride, size - at);
    const auto first = backward ? at - n : at;
    auto sources = co_await table->rows->read(call.mailbox, first, n);
    if (!sources) co_return mapi::to_error_code(sources.error());
    if (backward) std::reverse(sources->begin(), sources->end());
    for (std::size_t i = 0; i < sources->size(); ++i) {
      if (!(*sources)[i]) continue;  // gone meanwhile
      const auto& source = *(*sources)[i];
      if (!matcher.matches(source)) continue;
      const auto found = backward ? at - 1 - i : at + i;
      co_await add_texts(call.mailbox, columns, std::span(*sources).subspan(i, 1));
      auto row = make_row(source, columns, call.arena, cell_options(call.session, *table));
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
  // It is one of those that make a view ([MS-OXCNOTIF] 3.1.4.3).
  const auto loaded = co_await view(call, table);
  if (loaded != mapi::ecNone) co_return loaded;
  const auto all = table->rows->all_columns();
  response.PropertyTags = call.arena.copy(std::span<const PropertyTag>(all));
  co_return mapi::ecNone;
}

Task<ErrorCode> reset_table(RopCall& call, const wire::RopResetTable::Request&, wire::RopResetTable::Response&) {
  auto table = call.object<TableObject>();
  if (!table) co_return call.why;
  if (table->source != TableObject::Source::contents) co_return mapi::ecNotSupported;
  table->columns.clear();
  table->viewed = table->told = table->fills = false;
  table->next_bookmark = 1;  // as of a table that was just opened
  co_return co_await reorder(call, table, ListOrder::make({}, nullptr));
}

}  // namespace

CellOptions cell_options(const OpenMailbox& session) {
  CellOptions options;
  options.code_page = session.options().code_page;
  options.max_text = max_cell_text;
  options.max_binary = max_cell_binary;
  options.max_value = max_cell;
  return options;
}
CellOptions cell_options(const OpenMailbox& session, const TableObject& table) {
  auto options = cell_options(session);
  if (table.source == TableObject::Source::rules) options.max_text = options.max_binary = options.max_value = SIZE_MAX;
  return options;
}

Task<ErrorCode> load(Mailbox& mailbox, std::shared_ptr<TableObject> table) {
  const auto places = table->places();
  auto loaded = co_await table->rows->load(mailbox, table->order);
  if (!loaded) co_return mapi::to_error_code(loaded.error());
  if (*loaded) table->restore(places);
  co_return mapi::ecNone;
}

std::optional<Bytes> add_bookmark(TableObject& table, std::size_t at) {
  if (table.bookmarks.size() >= max_bookmarks) return std::nullopt;
  const auto number = table.next_bookmark++;
  const auto row = at < table.rows->size() ? std::optional(table.rows->identity(at)) : std::nullopt;
  table.bookmarks[number] = {at, row, false};
  Bytes bytes;
  Output(bytes).scalar(number);
  return bytes;
}

Task<ErrorCode> open_table(RopCall& call, std::uint8_t index, std::shared_ptr<TableObject> table, std::uint32_t* row_count) {
  const auto loaded = co_await load(call.mailbox, table);
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
