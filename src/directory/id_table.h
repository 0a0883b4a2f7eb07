// Which minimal id belongs to which key, for ever: a file in the state folder. Ids of entries that are
// gone are not given out again, so that what a client has remembered never names somebody else.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace mapigate::state {
class Database;
}

namespace mapigate::directory {

// Used by one thread at a time.
class IdTable {
 public:
  static Result<std::unique_ptr<IdTable>> open(const std::string& file);
  ~IdTable();

  // The ids of these keys, in their order; new keys get new ids, from 0x10 on.
  Result<std::vector<std::uint32_t>> assign(const std::vector<std::string>& keys);
  // The highest that was given out.
  Result<std::uint32_t> last();

 private:
  Result<std::unordered_map<std::string, std::uint32_t>> known(const std::vector<std::string>& keys);
  explicit IdTable(std::unique_ptr<state::Database> database);
  std::unique_ptr<state::Database> database_;
};

}  // namespace mapigate::directory
