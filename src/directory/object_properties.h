// The properties of objects and containers as clients see them ([MS-OXOABK] 2.2).
#pragma once

#include "directory/snapshot.h"
#include "mailbox/property_source.h"

namespace mapigate::directory {

// What the answers of one server have in common.
struct Server {
  std::string name;      // host name
  std::string mapi_url;  // "https://mail.example.test/mapi/"
  mapi::Guid guid;       // the same for all sessions, so that ephemeral ids stay the same too
};

Bytes permanent_entry_id(DisplayType type, std::string_view dn);
Bytes ephemeral_entry_id(const mapi::Guid& server, DisplayType type, MinimalEntryID id);

// Which objects a PidTagAnr in a restriction may mean, worked out before rows are compared with it.
struct AnrQuery {
  std::string text;
  std::vector<bool> matches;  // by Index
};

// One object. Borrows everything.
class ObjectSource final : public mailbox::PropertySource {
 public:
  ObjectSource(const Snapshot& snapshot, Index index, const Server& server, bool ephemeral_ids,
               const std::vector<AnrQuery>* anr = nullptr)
      : snapshot(snapshot), object(snapshot.object(index)), server(server), ephemeral_ids(ephemeral_ids), anr(anr), index(index) {}

  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;  // without tables (PtypObject)

  const Snapshot& snapshot;
  const Object object;
  const Server& server;
  const bool ephemeral_ids;
  const std::vector<AnrQuery>* anr;
  const Index index;
};

// A container; also a row of the hierarchy table.
class ContainerSource final : public mailbox::PropertySource {
 public:
  ContainerSource(const Snapshot& snapshot, const Container& container) : snapshot_(snapshot), container_(container) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;

 private:
  const Snapshot& snapshot_;
  const Container& container_;
};

// Objects that a property of an object leads to ([MS-OXNSPI] 3.1.4.4.2.2): members, member of, manager,
// reports, owner. None for a property that leads nowhere.
std::optional<Indexes> linked_objects(const Object& object, mapi::PropertyTag property);
// Properties that do, as PtypObject, of which this object has a value.
std::vector<mapi::PropertyTag> object_tables(const Object& object);

// Every property that some object can have.
const std::vector<mapi::PropertyTag>& known_properties();

}  // namespace mapigate::directory
