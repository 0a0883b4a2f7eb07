// What a chain keeps for a session. Internal to src/chain.
#pragma once

#include <bitset>
#include <map>
#include <memory>
#include <utility>

#include "chain/call.h"
#include "chain/handle_map.h"

namespace mapigate::chain {

// The columns of the session's open tables, as their RopSetColumns set them: without
// them nobody can decode rows. A table is known by its handle and by the level of the
// chain at which the handle counts (see Call::level()).
class TableColumns {
 public:
  static constexpr std::size_t max_tables = 4096;
  static constexpr std::size_t max_columns = 1024;  // of one table

  // The oldest table is forgotten when there are too many.
  void set(unsigned level, std::uint32_t table, wire::Columns columns);
  void forget(unsigned level, std::uint32_t table);
  std::optional<wire::Columns> find(unsigned level, std::uint32_t table) const;
  std::size_t size() const { return tables_.size(); }

 private:
  using Key = std::pair<unsigned, std::uint32_t>;
  struct Entry {
    std::vector<mapi::PropertyTag> columns;
    std::uint64_t age;
  };
  std::map<Key, Entry> tables_;
  std::uint64_t next_age_ = 0;
};

struct Session::State : wire::LogonSource {
  bool is_public(std::uint8_t LogonId) const override { return public_logons.test(LogonId); }

  TableColumns columns;
  std::bitset<256> public_logons;  // by LogonId
  // By the place of the owning module in the chain.
  std::map<std::size_t, HandleMap> handle_maps;
};

}  // namespace mapigate::chain
