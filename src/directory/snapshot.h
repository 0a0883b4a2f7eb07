// A directory as it is at one moment: objects, containers and what finds them. Immutable, shared by all
// sessions; a source that learns something new makes another one.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "directory/collation.h"
#include "directory/entry.h"
#include "directory/id_table.h"
#include "directory/record.h"
#include "directory/word_index.h"
#include "wire/nspi/nspi.h"

namespace mapigate::directory {

using wire::nspi::DisplayType;
using wire::nspi::MinimalEntryID;
using wire::nspi::SortType;

using Index = std::uint32_t;  // of an object within its snapshot
using Indexes = std::vector<Index>;

// One of them, as it is taken out of its snapshot.
struct Object {
  Entry entry;
  MinimalEntryID id{};
  std::string dn;  // legacy distinguished name
  DisplayType display_type = DisplayType::DT_MAILUSER;
  Indexes members, member_of, owners, owned, reports, delegates, delegate_of, full_access, full_access_to;
  std::optional<Index> manager;

  // A text attribute, empty when it has none.
  std::string_view text(mapi::PropertyTag tag) const;
};

struct Container {
  MinimalEntryID id{};  // zero: the Global Address List
  std::string name, dn;
  std::optional<std::size_t> parent;
  std::uint32_t depth = 0;
  bool has_children = false;
  Indexes objects;  // without those that are hidden, in no order
};

class Snapshot {
 public:
  // Entries without key or display name, and those whose key came before, are left out. `before`: an older snapshot of the same
  // source, whose ids need not be looked up again.
  static Result<std::shared_ptr<const Snapshot>> build(std::vector<Entry> entries, IdTable& ids,
                                                       const std::string& gal_name = "Global Address List",
                                                       const Snapshot* before = nullptr);

  // Objects are kept packed: each of these makes one anew, except where a cheaper question is enough.
  std::size_t size() const { return ids_.size(); }
  Object object(Index index) const;
  Entry entry(Index index) const { return read_record(record(index), shared_); }
  MinimalEntryID id(Index index) const { return MinimalEntryID{ids_[index]}; }
  EntryKind kind(Index index) const { return static_cast<EntryKind>(kinds_[index]); }
  // Members of a group at all depths that are no groups themselves, each once, in order.
  Indexes people_of(Index group) const;
  // How many these are, and how many of them are contacts, who are elsewhere. Counted once for each group.
  struct Audience {
    std::uint32_t people = 0, outside = 0;
  };
  Audience audience(Index group) const;
  // Of the addresses of all but contacts, sorted.
  const std::vector<std::string>& domains() const { return domains_; }
  // Those that were left out: one that hides them may go.
  const std::vector<Entry>& left_out() const { return left_out_; }
  // The Global Address List first, parents before children.
  const std::vector<Container>& containers() const { return containers_; }
  std::uint32_t hierarchy_version() const { return hierarchy_version_; }

  std::optional<Index> find(MinimalEntryID id) const;
  std::optional<Index> find_dn(std::string_view dn) const;       // also former ones; case does not count
  std::optional<Index> find_address(std::string_view smtp) const;
  const Container* find_container(MinimalEntryID id) const;      // zero is the Global Address List
  const Container* find_container_dn(std::string_view dn) const;

  // The objects of a container in order. Sort types other than phonetic go by display name. Orders are
  // made on first use and kept; only so many locales have their own, later ones share the default.
  std::shared_ptr<const Indexes> table(const Container& container, SortType sort, std::uint32_t locale) const;
  std::shared_ptr<const Collation> collation(std::uint32_t locale) const;
  void sort(Indexes& objects, SortType sort, std::uint32_t locale) const;
  // Where an object stands in a table of that order.
  std::optional<std::size_t> place(const Indexes& table, Index object, SortType sort, std::uint32_t locale) const;

  // Ambiguous name resolution ([MS-OXNSPI] 3.1.4.7): whoever `name` may mean, nobody when it is empty. An
  // address, account, DN or display name in full beats everything else; then each word must begin a
  // word of the name, the account or an address.
  Indexes resolve(std::string_view name) const;

 private:
  friend class SnapshotFile;
  // Something in a table that is sorted by what it is found by.
  struct Key {
    std::uint32_t hash;
    Index object;
    bool operator<(const Key& other) const { return hash != other.hash ? hash < other.hash : object < other.object; }
  };
  struct Link {
    Index from, to;
    bool operator<(const Link& other) const { return from != other.from ? from < other.from : to < other.to; }
  };
  enum Relation : std::size_t {
    members, member_of, owners, owned, delegates, delegate_of, full_access, full_access_to, manager, reports, relations
  };
  struct Order {
    std::uint32_t locale;
    std::shared_ptr<const Collation> collation;
    std::vector<Index> rank[2];  // of each object: by display name, by phonetic name
  };
  struct Table {
    const Container* container;
    const Order* order;
    bool phonetic;
    std::shared_ptr<const Indexes> rows;
  };
  Snapshot() = default;
  View record(Index index) const { return View(records_).subspan(record_at_[index], record_at_[index + 1] - record_at_[index]); }
  Indexes linked(Relation relation, Index from) const;
  Status take_ids(IdTable& ids, const Snapshot* before);
  void link(const std::vector<Entry>& entries);
  void make_containers(const std::vector<Entry>& entries);
  Container& container_of(const std::vector<std::string>& path);
  void index_names(const std::vector<Entry>& entries);
  const Order& order(std::uint32_t locale, bool phonetic) const;  // under the lock

  Bytes records_;
  std::vector<std::uint32_t> record_at_{0};  // one more for the end
  Shared shared_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint8_t> kinds_;
  Indexes by_id_;
  std::vector<Link> links_[relations];
  std::vector<Key> by_address_;    // addresses, primary and others; the key of who has none
  std::vector<Key> by_former_dn_;
  std::vector<Key> by_name_;       // folded display names and accounts
  WordIndex words_;
  std::vector<Entry> left_out_;
  std::vector<Container> containers_;
  std::uint32_t hierarchy_version_ = 1;
  std::vector<std::string> domains_;

  mutable std::mutex mutex_;
  mutable std::map<Index, Audience> audiences_;
  mutable std::vector<std::unique_ptr<Order>> orders_;
  mutable std::vector<Table> tables_;
};

}  // namespace mapigate::directory
