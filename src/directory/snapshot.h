// A directory as it is at one moment: objects, containers and what finds them. Immutable, shared by all
// sessions; a source that learns something new makes another one.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "directory/collation.h"
#include "directory/entry.h"
#include "directory/id_table.h"
#include "wire/nspi/nspi.h"

namespace mapigate::directory {

using wire::nspi::DisplayType;
using wire::nspi::MinimalEntryID;
using wire::nspi::SortType;

using Index = std::uint32_t;  // of an object within its snapshot
using Indexes = std::vector<Index>;

struct Object {
  Entry entry;
  MinimalEntryID id{};
  std::string dn;  // legacy distinguished name
  DisplayType display_type = DisplayType::DT_MAILUSER;
  Indexes members, member_of, owners, owned, reports, delegates, delegate_of;
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
  // Entries without key or display name, and those whose key came before, are left out.
  static Result<std::shared_ptr<const Snapshot>> build(std::vector<Entry> entries, IdTable& ids,
                                                       const std::string& gal_name = "Global Address List");

  const std::vector<Object>& objects() const { return objects_; }
  const Object& object(Index index) const { return objects_[index]; }
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
  void link(const std::unordered_map<std::string, Index>& by_name);
  void make_containers();
  Container& container_of(const std::vector<std::string>& path);
  void index_names();
  std::vector<std::string> words_of(const Object& object) const;
  const Order& order(std::uint32_t locale, bool phonetic) const;  // under the lock

  std::vector<Object> objects_;
  std::vector<Entry> left_out_;
  std::vector<Container> containers_;
  std::uint32_t hierarchy_version_ = 1;
  std::unordered_map<std::uint32_t, Index> by_id_;
  std::unordered_map<std::string, Index> by_dn_, by_address_;
  std::unordered_multimap<std::string, Index> by_name_;         // folded display names and accounts
  std::vector<std::pair<std::string, Index>> words_;            // folded, sorted

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Order>> orders_;
  mutable std::vector<Table> tables_;
};

}  // namespace mapigate::directory
