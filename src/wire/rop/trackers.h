// What the decoders of a session have to remember from one buffer to the next.
#pragma once

#include <bitset>
#include <list>
#include <unordered_map>

#include "wire/rop/rop.h"

namespace mapigate::wire {

// Remembers the columns of each table by its handle: RopSetColumns sets them,
// RopRelease and RopResetTable forget them. Holds at most `max_tables`; beyond
// that the one set longest ago is forgotten, and its rows become opaque. What
// columns_of() returns is valid until the next watch().
class ColumnTracker final : public ColumnSource {
 public:
  explicit ColumnTracker(std::size_t max_tables = 512) : max_tables_(max_tables) {}

  // To be called with each pair of buffers, after the responses were decoded.
  void watch(const RopRequestBuffer& requests, const RopResponseBuffer& responses);
  void forget(std::uint32_t handle);
  std::optional<Columns> columns_of(std::uint32_t handle) const override;
  std::size_t size() const { return tables_.size(); }

 private:
  struct Table {
    std::vector<mapi::PropertyTag> columns;
    std::list<std::uint32_t>::iterator age;
  };
  void set(std::uint32_t handle, Columns columns);

  std::size_t max_tables_;
  std::unordered_map<std::uint32_t, Table> tables_;
  std::list<std::uint32_t> oldest_first_;
};

// Remembers which LogonIds are of public folders.
class LogonTracker final : public LogonSource {
 public:
  void watch(const RopRequestBuffer& requests, const RopResponseBuffer& responses);
  bool is_public(std::uint8_t LogonId) const override { return public_[LogonId]; }

 private:
  std::bitset<256> public_;
};

}  // namespace mapigate::wire
