#include "upstream/address_book_client.h"

#include <openssl/rand.h>

#include "base/text.h"
#include "mapi/properties.h"
#include "wire/nspi/object_bodies.h"
#include "wire/nspi/table_bodies.h"

namespace mapigate::upstream {

using chain::Operation;
using mapi::PropertyTag;
namespace nspi = wire::nspi;

namespace {

constexpr std::uint32_t rows_a_query = 200;
constexpr std::uint32_t most_candidates = 50;

const PropertyTag columns[] = {mapi::PidTagDisplayName,    mapi::PidTagSmtpAddress,    mapi::PidTagTitle,
                               mapi::PidTagDepartmentName, mapi::PidTagOfficeLocation, mapi::PidTagBusinessTelephoneNumber,
                               mapi::PidTagDisplayType};

nspi::STAT start_of(std::uint32_t container) {
  nspi::STAT stat;
  stat.ContainerID = container;
  stat.CodePage = 1252;
  stat.SortLocale = stat.TemplateLocale = nspi::NSPI_DEFAULT_LOCALE;
  return stat;
}

std::vector<AddressBookEntry> entries_of(const nspi::ColumnsAndRows& rows) {
  std::vector<AddressBookEntry> out;
  for (const auto& row : rows.RowData) {
    if (row.values.size() != std::size(columns)) continue;
    const auto text = [&](std::size_t i) { return mapi::text_of(row.values[i]); };
    out.push_back({text(0), text(1), text(2), text(3), text(4), text(5),
                   static_cast<nspi::DisplayType>(mapi::number_of(row.values[6]))});
  }
  return out;
}

}  // namespace

AddressBookClient::AddressBookClient(std::unique_ptr<Session> session) : session_(std::move(session)) {
  mapi::Guid guid;
  if (RAND_bytes(guid.bytes.data(), static_cast<int>(guid.bytes.size())) == 1) client_guid_ = "{" + mapi::to_string(guid) + "}";
}

// What the response refers to lives in `arena` and `reply`.
template <class T>
Task<Result<typename T::Response>> AddressBookClient::call(Operation operation, typename T::Request request, Arena* arena, Bytes* reply) {
  Bytes body;
  auto encoded = wire::encode(T::request_type, request, body, wire::CountWidth::address_book);
  if (!encoded) co_return encoded.error();
  chain::ClientInfo info;
  info.application = "mapigate/0.1.0.0";
  info.user_agent = "mapigate";
  info.info = client_guid_ + ":1";
  info.request_id = fmt::format("{}:{}", client_guid_, ++requests_);
  auto answered = co_await session_->call(operation, body, info);
  if (!answered) co_return answered.error();
  if (answered->response_code != 0)
    co_return error(Errc::unavailable, "{}: X-ResponseCode {}", T::request_type, answered->response_code);
  *reply = std::move(answered->body);
  auto decoded = wire::decode<typename T::Response>(T::request_type, *reply, *arena, wire::CountWidth::address_book);
  if (!decoded) co_return decoded.error();
  const bool fine = decoded->ErrorCode == mapi::ecNone || decoded->ErrorCode == mapi::ecWarnWithErrors ||
                    (operation == Operation::Unbind && decoded->ErrorCode == nspi::UnbindSuccess);
  if (decoded->StatusCode != 0 || !fine)
    co_return error(decoded->ErrorCode == mapi::ecNotFound ? Errc::not_found : Errc::unsupported, "{}: {}", T::request_type,
                    mapi::to_string(decoded->ErrorCode));
  co_return *decoded;
}

Task<Status> AddressBookClient::bind() {
  Arena arena;
  Bytes reply;
  nspi::Bind::Request request;
  request.State = start_of(0);
  auto bound = co_await call<nspi::Bind>(Operation::Bind, request, &arena, &reply);
  if (!bound) co_return bound.error();
  co_return Status{};
}

Task<Status> AddressBookClient::unbind() {
  Arena arena;
  Bytes reply;
  auto gone = co_await call<nspi::Unbind>(Operation::Unbind, nspi::Unbind::Request(), &arena, &reply);
  if (!gone) co_return gone.error();
  co_return Status{};
}

// Exchange knows the form "=SMTP:" as an exact match of a proxy address; others find the address as they find names.
Task<Result<std::string>> AddressBookClient::legacy_dn(std::string address) {
  static const PropertyTag wanted[] = {mapi::PidTagEmailAddress, mapi::PidTagSmtpAddress};
  for (const bool exact : {true, false}) {
    Arena arena;
    Bytes reply;
    auto texts = arena.make_span<nspi::UnicodeString>(1);
    texts[0].Name = to_utf16(arena, exact ? "=SMTP:" + address : address);
    nspi::ResolveNames::Request request;
    request.State = start_of(0);
    request.PropertyTags = nspi::LargePropertyTagArray{wanted};
    request.Names = std::span<const nspi::UnicodeString>(texts);
    auto resolved = co_await call<nspi::ResolveNames>(Operation::ResolveNames, request, &arena, &reply);
    if (!resolved) co_return resolved.error();
    if (!resolved->ColumnsAndRows || resolved->ColumnsAndRows->RowData.size() != 1) continue;
    const auto& row = resolved->ColumnsAndRows->RowData[0].values;
    if (row.size() != std::size(wanted)) continue;
    if (exact || equal_ignoring_ascii_case(mapi::text_of(row[1]), address)) co_return mapi::text_of(row[0]);
  }
  co_return error(Errc::not_found, "the address book does not know {}", address);
}

Task<Result<std::vector<AddressBookContainer>>> AddressBookClient::containers() {
  Arena arena;
  Bytes reply;
  nspi::GetSpecialTable::Request request;
  request.Flags = nspi::NspiUnicodeStrings;
  request.State = start_of(0);
  request.Version = 0u;
  auto table = co_await call<nspi::GetSpecialTable>(Operation::GetSpecialTable, request, &arena, &reply);
  if (!table) co_return table.error();
  std::vector<AddressBookContainer> out;
  for (const auto& row : *table->Rows) {
    AddressBookContainer container;
    for (const auto& [tag, value] : row.PropertyValues) {
      if (tag.id() == mapi::PidTagAddressBookContainerId.id()) container.id = static_cast<std::uint32_t>(mapi::number_of(value));
      else if (tag.id() == mapi::PidTagDepth.id()) container.depth = static_cast<std::uint32_t>(mapi::number_of(value));
      else if (tag.id() == mapi::PidTagDisplayName.id()) container.name = mapi::text_of(value);
    }
    out.push_back(std::move(container));
  }
  co_return out;
}

Task<Result<std::vector<AddressBookEntry>>> AddressBookClient::entries(std::uint32_t container, std::size_t limit,
                                                                       std::function<void(std::uint64_t, std::uint64_t)> progress) {
  std::vector<AddressBookEntry> out;
  auto stat = start_of(container);
  for (;;) {
    Arena arena;
    Bytes reply;
    nspi::QueryRows::Request request;
    request.State = stat;
    request.RowCount = limit == 0 ? rows_a_query : static_cast<std::uint32_t>(std::min<std::size_t>(rows_a_query, limit - out.size()));
    request.Columns = nspi::LargePropertyTagArray{columns};
    auto rows = co_await call<nspi::QueryRows>(Operation::QueryRows, request, &arena, &reply);
    if (!rows) co_return rows.error();
    auto found = entries_of(*rows->ColumnsAndRows);
    if (found.size() > request.RowCount) co_return error(Errc::malformed, "QueryRows: more rows than were asked for");
    const bool at_end = found.empty() || !rows->State || rows->State->CurrentRec == nspi::MinimalEntryID::MID_END_OF_TABLE;
    for (auto& entry : found) out.push_back(std::move(entry));
    if (rows->State) stat = *rows->State;
    if (progress) progress(out.size(), stat.TotalRecs);
    if (at_end || (limit != 0 && out.size() >= limit)) co_return out;
  }
}

Task<Result<std::vector<ResolvedName>>> AddressBookClient::resolve(std::vector<std::string> names) {
  Arena arena;
  Bytes reply;
  auto texts = arena.make_span<nspi::UnicodeString>(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) texts[i].Name = to_utf16(arena, names[i]);
  nspi::ResolveNames::Request request;
  request.State = start_of(0);
  request.PropertyTags = nspi::LargePropertyTagArray{columns};
  request.Names = std::span<const nspi::UnicodeString>(texts);
  auto resolved = co_await call<nspi::ResolveNames>(Operation::ResolveNames, request, &arena, &reply);
  if (!resolved) co_return resolved.error();
  const auto outcomes = *resolved->MinimalIds;
  if (outcomes.size() != names.size()) co_return error(Errc::malformed, "ResolveNames: not one outcome a name");
  auto rows = entries_of(*resolved->ColumnsAndRows);
  std::vector<ResolvedName> out;
  std::size_t row = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    ResolvedName one{names[i], outcomes[i], {}};
    if (outcomes[i] == nspi::MinimalEntryID::MID_RESOLVED && row < rows.size()) one.entries.push_back(rows[row++]);
    if (outcomes[i] == nspi::MinimalEntryID::MID_AMBIGUOUS) {
      Arena filter_arena;
      Bytes matches_reply;
      mapi::Restriction filter;
      filter.type = mapi::RestrictType::PropertyRestriction;
      filter.tag = mapi::PidTagAnr;
      filter.value = {mapi::PidTagAnr, mapi::Value::string(filter_arena, names[i])};
      nspi::GetMatches::Request matches;
      matches.State = start_of(0);
      matches.Filter = static_cast<const mapi::Restriction*>(&filter);
      matches.RowCount = most_candidates;
      matches.Columns = nspi::LargePropertyTagArray{columns};
      auto found = co_await call<nspi::GetMatches>(Operation::GetMatches, matches, &filter_arena, &matches_reply);
      if (found) one.entries = entries_of(*found->ColumnsAndRows);  // too many to list is an answer as well
    }
    out.push_back(std::move(one));
  }
  co_return out;
}

}  // namespace mapigate::upstream
