// The operations of the address book ([MS-OXNSPI] 3.1.4.1) over a snapshot of a directory. Stateless:
// all that a session has is in the STAT its client sends, and minimal ids are the same in all sessions.
// What clients may change is the source's affair; who may, is said here: everybody the own entry, owners their groups.
#pragma once

#include <functional>

#include "chain/call.h"
#include "directory/object_properties.h"
#include "directory/source.h"
#include "wire/nspi/object_bodies.h"
#include "wire/nspi/table_bodies.h"

namespace mapigate::directory {

// Answers one request. What a response refers to lives in `arena` or in the snapshot.
class Nspi {
 public:
  // Makes changes where entries come from; blocks. See Source::change.
  using Edit = std::function<Status(const Entry& entry, const std::vector<Change>& changes)>;

  // `user`: the address of who asks. All must outlive this and its responses. Without `edit` nothing can be changed.
  Nspi(const Snapshot& snapshot, const Server& server, std::string_view user, Arena& arena, Edit edit = {})
      : snapshot_(snapshot), server_(server), user_(user), arena_(arena), edit_(std::move(edit)) {}

  wire::nspi::Bind::Response answer(const wire::nspi::Bind::Request& request);
  wire::nspi::Unbind::Response answer(const wire::nspi::Unbind::Request& request);
  wire::nspi::UrlResponse answer(const wire::nspi::GetMailboxUrl::Request& request);
  wire::nspi::UrlResponse answer(const wire::nspi::GetAddressBookUrl::Request& request);

  wire::nspi::CompareMIds::Response answer(const wire::nspi::CompareMIds::Request& request);
  wire::nspi::DNToMId::Response answer(const wire::nspi::DNToMId::Request& request);
  wire::nspi::GetPropList::Response answer(const wire::nspi::GetPropList::Request& request);
  wire::nspi::GetProps::Response answer(const wire::nspi::GetProps::Request& request);
  wire::nspi::GetTemplateInfo::Response answer(const wire::nspi::GetTemplateInfo::Request& request);
  wire::nspi::PlainResponse answer(const wire::nspi::ModLinkAtt::Request& request);
  wire::nspi::PlainResponse answer(const wire::nspi::ModProps::Request& request);
  wire::nspi::QueryColumns::Response answer(const wire::nspi::QueryColumns::Request& request);

  wire::nspi::GetMatches::Response answer(const wire::nspi::GetMatches::Request& request);
  wire::nspi::GetSpecialTable::Response answer(const wire::nspi::GetSpecialTable::Request& request);
  wire::nspi::RowsResponse answer(const wire::nspi::QueryRows::Request& request);
  wire::nspi::ResolveNames::Response answer(const wire::nspi::ResolveNames::Request& request);
  wire::nspi::ResortRestriction::Response answer(const wire::nspi::ResortRestriction::Request& request);
  wire::nspi::RowsResponse answer(const wire::nspi::SeekEntries::Request& request);
  wire::nspi::UpdateStat::Response answer(const wire::nspi::UpdateStat::Request& request);

 private:
  using STAT = wire::nspi::STAT;
  using Ids = std::vector<MinimalEntryID>;

  // Can texts be had in it? Zero leaves the choice to us.
  static bool speaks(std::uint32_t code_page);
  static const STAT& stat_of(const wire::nspi::Optional<STAT>& state);
  std::vector<mapi::PropertyTag> properties_of(MinimalEntryID id, bool with_tables) const;
  // The rows of these objects; ids that name none give rows without values.
  wire::nspi::ColumnsAndRows rows(std::span<const MinimalEntryID> ids, const wire::nspi::TagList& columns, std::uint32_t code_page,
                                  bool ephemeral);
  // Moves `stat` within its table and says by how many rows; an error when there is no such place.
  Result<std::int32_t> move(STAT& stat, mapi::ErrorCode& code, std::shared_ptr<const Indexes>* table = nullptr) const;
  std::span<const wire::nspi::AddressBookPropertyValueList> creation_table(const STAT& stat);
  Indexes visible(Indexes objects) const;
  mapi::ErrorCode change(Index object, const std::vector<Change>& changes) const;
  std::optional<Index> object_of_entry_id(View entry_id) const;
  mapi::ErrorCode filter(const Container& container, const STAT& stat, const mapi::Restriction& restriction, Indexes& out);
  Indexes resolve(std::string_view name, const Container& container) const;
  std::span<const MinimalEntryID> keep(const Ids& ids) { return arena_.copy(std::span<const MinimalEntryID>(ids)); }

  const Snapshot& snapshot_;
  const Server& server_;
  std::string_view user_;
  Arena& arena_;
  Edit edit_;
};

// The whole way from a request body to a reply body. Errc::malformed when the body is none.
Result<Bytes> answer(chain::Operation operation, View body, const Snapshot& snapshot, const Server& server, std::string_view user,
                     Arena& arena, Nspi::Edit edit = {});

}  // namespace mapigate::directory
