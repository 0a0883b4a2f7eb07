// Tables: positions, rows, searches and names ([MS-OXNSPI] 3.1.4.4 to 3.1.4.7).
#include <algorithm>

#include "base/text.h"
#include "directory/nspi.h"
#include "directory/templates.h"
#include "mailbox/restriction_match.h"
#include "mapi/properties.h"

namespace mapigate::directory {

using mapi::PropertyTag;
using mapi::PropertyType;
using mapi::Restriction;
using mapi::RestrictType;
namespace nspi = wire::nspi;

namespace {

// Row N1: never more rows than asked for. Below that, as many as a reply can reasonably hold.
constexpr std::size_t max_rows = 5000, max_cells = 200'000;
constexpr std::uint32_t rows_of_seek = 50;
// What a search may cost: comparisons of a restriction's nodes with objects.
constexpr std::size_t max_nodes = 512, max_comparisons = 20'000'000;

constexpr PropertyTag default_columns[] = {
    mapi::PidTagAddressBookContainerId,
    mapi::PidTagObjectType,
    mapi::PidTagDisplayType,
    mapi::PidTagDisplayName.with(PropertyType::PtypString8),
    mapi::PidTagPrimaryTelephoneNumber.with(PropertyType::PtypString8),
    mapi::PidTagDepartmentName.with(PropertyType::PtypString8),
    mapi::PidTagOfficeLocation.with(PropertyType::PtypString8),
};

template <class Response>
Response failed(mapi::ErrorCode code) {
  Response out;
  out.ErrorCode = code;
  return out;
}

std::size_t count_nodes(const Restriction& restriction) {
  std::size_t count = 1;
  for (const auto& child : restriction.children) count += count_nodes(child);
  return count;
}

// The node with PidTagAnr without which nothing matches; null when there is none.
const Restriction* required_anr(const Restriction& restriction) {
  if (restriction.type == RestrictType::PropertyRestriction && restriction.relop == mapi::RelationalOperator::Equal &&
      restriction.tag.id() == mapi::PidTagAnr.id())
    return &restriction;
  if (restriction.type != RestrictType::AndRestriction) return nullptr;
  for (const auto& child : restriction.children)
    if (const auto* found = required_anr(child)) return found;
  return nullptr;
}

// The names that the restriction's nodes with PidTagAnr ask for.
void collect_anr(const Restriction& node, unsigned code_page, std::vector<std::string>& out) {
  const bool compares = node.type == RestrictType::PropertyRestriction || node.type == RestrictType::ContentRestriction;
  if (compares && node.tag.id() == mapi::PidTagAnr.id()) out.push_back(mapi::text_of(node.value.value, code_page));
  for (const auto& child : node.children) collect_anr(child, code_page, out);
}

}  // namespace

nspi::ColumnsAndRows Nspi::rows(std::span<const MinimalEntryID> ids, const nspi::TagList& asked, std::uint32_t code_page,
                                bool ephemeral) {
  const auto columns = asked ? asked->PropertyTags : std::span<const PropertyTag>(default_columns);
  mailbox::CellOptions options;
  options.code_page = code_page;
  options.unicode = code_page == nspi::CP_WINUNICODE;
  const mapi::PropertyBag nothing;
  auto out = arena_.make_span<wire::PropertyRow>(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto* container = snapshot_.find_container(ids[i]);
    if (const auto index = snapshot_.find(ids[i]))
      out[i] = mailbox::make_row(ObjectSource(snapshot_, *index, server_, ephemeral), columns, arena_, options);
    else if (container && ids[i] != MinimalEntryID{})
      out[i] = mailbox::make_row(ContainerSource(snapshot_, *container), columns, arena_, options);
    else
      out[i] = mailbox::make_row(mailbox::BagSource(nothing), columns, arena_, options);
  }
  return {{arena_.copy(columns)}, out};
}

Result<std::int32_t> Nspi::move(STAT& stat, mapi::ErrorCode& code, std::shared_ptr<const Indexes>* table) const {
  const auto refuse = [&](mapi::ErrorCode why) {
    code = why;
    return error(Errc::not_found, "no such place in the address book");
  };
  const auto* container = snapshot_.find_container(MinimalEntryID{stat.ContainerID});
  if (!container) return refuse(mapi::ecInvalidBookmark);
  const auto rows = snapshot_.table(*container, stat.SortType, stat.SortLocale);
  const auto total = static_cast<std::int64_t>(rows->size());
  std::int64_t start = 0;
  if (stat.CurrentRec == MinimalEntryID::MID_CURRENT) {
    // Fractional: the place that the client's numbers stand for, whatever the table's size was then.
    if (stat.TotalRecs != 0) start = std::min<std::int64_t>(total, total * stat.NumPos / stat.TotalRecs);
    else start = std::min<std::int64_t>(total, stat.NumPos);
  } else if (stat.CurrentRec == MinimalEntryID::MID_END_OF_TABLE) {
    start = total;
  } else if (stat.CurrentRec != MinimalEntryID::MID_BEGINNING_OF_TABLE) {
    const auto index = snapshot_.find(stat.CurrentRec);
    const auto at = index ? snapshot_.place(*rows, *index, stat.SortType, stat.SortLocale) : std::nullopt;
    if (!at) return refuse(mapi::ecNotFound);
    start = static_cast<std::int64_t>(*at);
  }
  const auto place = std::clamp<std::int64_t>(start + stat.Delta, 0, total);
  stat.CurrentRec = place == total ? MinimalEntryID::MID_END_OF_TABLE : snapshot_.id((*rows)[static_cast<std::size_t>(place)]);
  stat.NumPos = static_cast<std::uint32_t>(place);
  stat.TotalRecs = static_cast<std::uint32_t>(total);
  stat.Delta = 0;
  if (table) *table = rows;
  return static_cast<std::int32_t>(place - start);
}

nspi::UpdateStat::Response Nspi::answer(const nspi::UpdateStat::Request& request) {
  using Response = nspi::UpdateStat::Response;
  auto stat = stat_of(request.State);
  if (stat.CodePage == nspi::CP_WINUNICODE) return failed<Response>(mapi::ecNotSupported);
  auto code = mapi::ecNone;
  const auto moved = move(stat, code);
  if (!moved) return failed<Response>(code);
  Response out;
  out.State = stat;
  if (request.DeltaRequested) out.Delta = *moved;
  return out;
}

nspi::RowsResponse Nspi::answer(const nspi::QueryRows::Request& request) {
  using Response = nspi::RowsResponse;
  auto stat = stat_of(request.State);
  const bool is_explicit = !request.ExplicitTable.empty();
  if (stat.CodePage == nspi::CP_WINUNICODE) return failed<Response>(mapi::ecNotSupported);
  if (!speaks(stat.CodePage)) return failed<Response>(nspi::InvalidCodepage);
  if (request.RowCount == 0) return failed<Response>(mapi::ecInvalidParam);
  const auto columns = request.Columns ? request.Columns->PropertyTags.size() : std::size(default_columns);
  const auto most = std::min({std::size_t{request.RowCount}, max_rows, std::max<std::size_t>(1, max_cells / std::max<std::size_t>(1, columns))});
  Ids ids;
  if (is_explicit) {
    ids.assign(request.ExplicitTable.begin(), request.ExplicitTable.end());
    ids.resize(std::min(ids.size(), most));
  } else {
    auto code = mapi::ecNone;
    std::shared_ptr<const Indexes> table;
    if (!move(stat, code, &table)) return failed<Response>(code);
    const auto start = static_cast<std::size_t>(stat.NumPos);
    for (auto at = start; at < table->size() && ids.size() < most; ++at) ids.push_back(snapshot_.id((*table)[at]));
    stat.Delta = static_cast<std::int32_t>(ids.size());
    if (!move(stat, code)) return failed<Response>(code);
  }
  Response out;
  out.State = stat;
  out.ColumnsAndRows = rows(ids, request.Columns, stat.CodePage, (request.Flags & nspi::fEphID) != 0);
  return out;
}

nspi::RowsResponse Nspi::answer(const nspi::SeekEntries::Request& request) {
  using Response = nspi::RowsResponse;
  auto stat = stat_of(request.State);
  if (stat.CodePage == nspi::CP_WINUNICODE) return failed<Response>(mapi::ecNotSupported);
  const auto* container = snapshot_.find_container(MinimalEntryID{stat.ContainerID});
  if (!container) return failed<Response>(mapi::ecInvalidBookmark);
  if (stat.SortType != SortType::SortTypeDisplayName || !request.Target || request.Target->tag.id() != mapi::PidTagDisplayName.id() ||
      mapi::element_type(request.Target->value.type) != request.Target->value.type)
    return failed<Response>(mapi::ecError);
  const auto target = mapi::text_of(request.Target->value, stat.CodePage);
  const auto collation = snapshot_.collation(stat.SortLocale);
  const auto is_before = [&](Index row, const std::string& wanted) {
    return collation->compare(snapshot_.entry(row).display_name, wanted) < 0;
  };
  Indexes given;
  std::shared_ptr<const Indexes> table;
  if (request.ExplicitTable) {
    for (const auto id : *request.ExplicitTable) {
      const auto index = snapshot_.find(id);
      if (!index) return failed<Response>(mapi::ecInvalidBookmark);
      given.push_back(*index);
    }
  } else {
    table = snapshot_.table(*container, stat.SortType, stat.SortLocale);
  }
  const auto& list = table ? *table : given;
  const auto found = std::lower_bound(list.begin(), list.end(), target, is_before);
  if (found == list.end()) return failed<Response>(mapi::ecNotFound);
  stat.CurrentRec = snapshot_.id(*found);
  stat.NumPos = static_cast<std::uint32_t>(found - list.begin());
  stat.TotalRecs = static_cast<std::uint32_t>(list.size());  // row N1
  Response out;
  out.State = stat;
  if (!request.Columns) return out;
  const auto most = table ? std::size_t{rows_of_seek} : max_rows;
  Ids ids;
  for (auto at = found; at != list.end() && ids.size() < most; ++at) ids.push_back(snapshot_.id(*at));
  out.ColumnsAndRows = rows(ids, request.Columns, stat.CodePage, true);
  return out;
}

Indexes Nspi::visible(Indexes objects) const {
  std::erase_if(objects, [&](Index i) {
    const auto entry = snapshot_.entry(i);
    return entry.hidden && entry.address != user_;
  });
  return objects;
}

mapi::ErrorCode Nspi::filter(const Container& container, const STAT& stat, const Restriction& restriction, Indexes& out) {
  const auto nodes = count_nodes(restriction);
  const auto table = snapshot_.table(container, stat.SortType, stat.SortLocale);
  if (nodes > max_nodes || nodes * table->size() > max_comparisons) return mapi::ecTooComplex;
  if (const auto code = mailbox::check(restriction, true, false); code != mapi::ecNone) return code;
  if (restriction.type == RestrictType::ExistRestriction && restriction.tag.id() == 0) return mapi::ecTooComplex;
  std::vector<std::string> names;
  collect_anr(restriction, stat.CodePage, names);
  if (names.size() > 16) return mapi::ecTooComplex;
  std::vector<AnrQuery> queries;
  for (auto& name : names) {
    AnrQuery query{std::move(name), std::vector<bool>(snapshot_.size())};
    for (const auto index : snapshot_.resolve(query.text)) query.matches[index] = true;
    queries.push_back(std::move(query));
  }
  // Everybody who is compared has to be unpacked for it: not those whom the name cannot mean.
  const std::vector<bool>* meant = nullptr;
  if (const auto* anr = required_anr(restriction))
    for (const auto& query : queries)
      if (query.text == mapi::text_of(anr->value.value, stat.CodePage)) meant = &query.matches;
  mailbox::Matcher matcher(&restriction, nullptr, stat.CodePage);
  for (const auto index : *table)
    if ((!meant || (*meant)[index]) && matcher.matches(ObjectSource(snapshot_, index, server_, false, &queries))) out.push_back(index);
  return mapi::ecNone;
}

nspi::GetMatches::Response Nspi::answer(const nspi::GetMatches::Request& request) {
  using Response = nspi::GetMatches::Response;
  auto stat = stat_of(request.State);
  const bool by_name = stat.SortType == SortType::SortTypeDisplayName || stat.SortType == SortType::SortTypePhoneticDisplayName ||
                       stat.SortType == SortType::SortTypeDisplayName_RO || stat.SortType == SortType::SortTypeDisplayName_W;
  if (stat.CodePage == nspi::CP_WINUNICODE || (request.Filter && !by_name)) return failed<Response>(mapi::ecNotSupported);
  if (request.Reserved != 0) return failed<Response>(mapi::ecInvalidParam);
  Indexes matches;
  if (request.Filter) {
    const auto* container = snapshot_.find_container(MinimalEntryID{stat.ContainerID});
    // Where GetMatches has put an object's id, clients send it along with the next search.
    if (!container && snapshot_.find(MinimalEntryID{stat.ContainerID})) container = snapshot_.find_container(MinimalEntryID{});
    if (!container) return failed<Response>(mapi::ecInvalidBookmark);
    if (const auto code = filter(*container, stat, **request.Filter, matches); code != mapi::ecNone) return failed<Response>(code);
  } else {
    // Here CurrentRec names an object, and ContainerID the property that leads from it to others (row N2).
    const auto index = snapshot_.find(stat.CurrentRec);
    if (!index) return failed<Response>(mapi::ecError);
    if (stat.SortType == SortType::SortTypeDisplayName_W) return failed<Response>(mapi::ecAccessDenied);
    if (request.PropertyName) return failed<Response>(mapi::ecNotSupported);
    if (const auto linked = linked_objects(snapshot_.object(*index), PropertyTag(stat.ContainerID))) {
      matches = visible(*linked);
    } else if (request.MinimalIds) {
      // No property, but a table of the client's own ([MS-OXCMAPIHTTP] 2.2.5.5.1).
      for (const auto id : *request.MinimalIds)
        if (const auto row = snapshot_.find(id)) matches.push_back(*row);
    } else if (PropertyTag(stat.ContainerID).type() == PropertyType::PtypObject) {
      return failed<Response>(mapi::ecNotSupported);
    } else {
      matches.push_back(*index);
    }
    snapshot_.sort(matches, SortType::SortTypeDisplayName, stat.SortLocale);
  }
  if (matches.size() > request.RowCount || matches.size() > max_rows) return failed<Response>(mapi::ecTableTooBig);
  Ids ids;
  for (const auto index : matches) ids.push_back(snapshot_.id(index));
  stat.ContainerID = static_cast<std::uint32_t>(stat.CurrentRec);
  Response out;
  out.State = stat;
  out.MinimalIds = nspi::MinimalIdList(keep(ids));
  if (request.Columns) out.ColumnsAndRows = rows(ids, request.Columns, stat.CodePage, true);
  return out;
}

nspi::ResortRestriction::Response Nspi::answer(const nspi::ResortRestriction::Request& request) {
  using Response = nspi::ResortRestriction::Response;
  auto stat = stat_of(request.State);
  const bool by_name = stat.SortType == SortType::SortTypeDisplayName || stat.SortType == SortType::SortTypePhoneticDisplayName;
  if (!by_name) return failed<Response>(mapi::ecNotSupported);
  Indexes objects;
  for (const auto id : *request.MinimalIds)
    if (const auto index = snapshot_.find(id)) objects.push_back(*index);
  snapshot_.sort(objects, stat.SortType, stat.SortLocale);
  Ids ids;
  for (const auto index : objects) ids.push_back(snapshot_.id(index));
  const auto current = std::find(ids.begin(), ids.end(), stat.CurrentRec);
  stat.TotalRecs = static_cast<std::uint32_t>(ids.size());
  stat.NumPos = current == ids.end() ? 0 : static_cast<std::uint32_t>(current - ids.begin());
  if (current == ids.end()) stat.CurrentRec = MinimalEntryID::MID_BEGINNING_OF_TABLE;
  Response out;
  out.State = stat;
  out.MinimalIds = nspi::MinimalIdList(keep(ids));
  return out;
}

Indexes Nspi::resolve(std::string_view name, const Container& container) const {
  auto found = snapshot_.resolve(name);
  if (container.id == MinimalEntryID{}) return found;  // who is in no list may still be written to
  std::erase_if(found, [&](Index i) { return std::find(container.objects.begin(), container.objects.end(), i) == container.objects.end(); });
  return found;
}

nspi::ResolveNames::Response Nspi::answer(const nspi::ResolveNames::Request& request) {
  using Response = nspi::ResolveNames::Response;
  const auto& stat = stat_of(request.State);
  if (stat.CodePage == nspi::CP_WINUNICODE) return failed<Response>(mapi::ecNotSupported);
  if (request.Reserved != 0) return failed<Response>(mapi::ecInvalidParam);
  const auto* container = snapshot_.find_container(MinimalEntryID{stat.ContainerID});
  if (!container) return failed<Response>(mapi::ecInvalidBookmark);
  Ids outcomes, resolved;
  for (const auto& [name] : *request.Names) {
    const auto found = resolve(to_utf8(name), *container);
    outcomes.push_back(found.empty()       ? MinimalEntryID::MID_UNRESOLVED
                       : found.size() == 1 ? MinimalEntryID::MID_RESOLVED
                                           : MinimalEntryID::MID_AMBIGUOUS);
    if (found.size() == 1) resolved.push_back(snapshot_.id(found[0]));
  }
  Response out;
  out.CodePage = stat.CodePage;
  out.MinimalIds = nspi::MinimalIdList(keep(outcomes));
  out.ColumnsAndRows = rows(resolved, request.PropertyTags, stat.CodePage, false);  // row N3
  return out;
}

// [MS-OXOABKT] 2.2.1: a row for each kind of address that clients can make themselves.
std::span<const nspi::AddressBookPropertyValueList> Nspi::creation_table(const STAT& stat) {
  const auto templates = creation_templates(stat.TemplateLocale);
  const bool unicode = stat.CodePage == nspi::CP_WINUNICODE;
  const auto text = [&](PropertyTag tag, std::string_view utf8) {
    if (unicode) return mapi::TaggedValue{tag, mapi::Value::string(arena_, utf8)};
    const auto narrow = to_code_page(utf8, stat.CodePage);
    return mapi::TaggedValue{tag.with(PropertyType::PtypString8), mapi::Value::string8(arena_.copy(std::string_view(narrow)))};
  };
  auto rows = arena_.make_span<nspi::AddressBookPropertyValueList>(templates.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Bytes key;
    Output(key).scalar(static_cast<std::uint32_t>(i + 1));
    const auto entry_id = permanent_entry_id(DisplayType::DT_ADDRESS_TEMPLATE, templates[i].dn);
    const mapi::TaggedValue values[] = {
        text(mapi::PidTagAddressType, templates[i].address_type),
        text(mapi::PidTagDisplayName, templates[i].display_name),
        // Of what is made: somebody beyond this system.
        {mapi::PidTagDisplayType, mapi::Value::integer32(static_cast<std::int32_t>(DisplayType::DT_REMOTE_MAILUSER))},
        {mapi::PidTagEntryId, mapi::Value::binary(arena_.copy(View(entry_id)))},
        {mapi::PidTagDepth, mapi::Value::integer32(0)},
        {mapi::PidTagSelectable, mapi::Value::boolean(true)},
        {mapi::PidTagInstanceKey, mapi::Value::binary(arena_.copy(View(key)))}};
    rows[i].PropertyValues = arena_.copy(std::span<const mapi::TaggedValue>(values));
  }
  return rows;
}

nspi::GetSpecialTable::Response Nspi::answer(const nspi::GetSpecialTable::Request& request) {
  using Response = nspi::GetSpecialTable::Response;
  const auto& stat = stat_of(request.State);
  const bool templates = (request.Flags & nspi::NspiAddressCreationTemplates) != 0;
  const bool unicode = !templates && (request.Flags & nspi::NspiUnicodeStrings) != 0;
  if (!templates && !unicode && stat.CodePage == nspi::CP_WINUNICODE) return failed<Response>(mapi::ecNotSupported);
  if (!unicode && !speaks(stat.CodePage)) return failed<Response>(nspi::InvalidCodepage);
  Response out;
  out.CodePage = unicode ? nspi::CP_WINUNICODE : stat.CodePage;
  out.Rows = std::span<const nspi::AddressBookPropertyValueList>();
  if (templates) {
    out.Rows = creation_table(stat);
    return out;
  }
  out.Version = snapshot_.hierarchy_version();
  if (request.Version && *request.Version == snapshot_.hierarchy_version()) return out;
  mailbox::CellOptions options;
  options.code_page = stat.CodePage;
  options.unicode = unicode;
  const auto& containers = snapshot_.containers();
  auto rows = arena_.make_span<nspi::AddressBookPropertyValueList>(containers.size());
  for (std::size_t i = 0; i < containers.size(); ++i) {
    const ContainerSource source(snapshot_, containers[i]);
    const auto tags = source.list();
    auto values = arena_.make_span<mapi::TaggedValue>(tags.size());
    for (std::size_t column = 0; column < tags.size(); ++column) {
      auto tag = tags[column];
      if (tag.type() == PropertyType::PtypString && !unicode) tag = tag.with(PropertyType::PtypString8);
      values[column] = {tag, mailbox::cell(source, tag, arena_, options)};
    }
    rows[i].PropertyValues = values;
  }
  out.Rows = std::span<const nspi::AddressBookPropertyValueList>(rows);
  return out;
}

}  // namespace mapigate::directory
