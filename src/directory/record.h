// Entries as the bytes in which a snapshot keeps them: what is absent costs nothing, what repeats is kept once.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "directory/entry.h"

namespace mapigate::directory {

// What many entries share, kept once: the parents of names like "uid=anna,ou=people,dc=example,dc=test", and containers.
class Shared {
 public:
  Shared() : parents_{{}}, paths_{{}} {}
  const std::vector<std::string>& parents() const { return parents_; }
  const std::vector<std::vector<std::string>>& paths() const { return paths_; }
  std::uint32_t parent(std::string_view name);
  std::uint32_t path(const std::vector<std::string>& path);

 private:
  friend class SnapshotFile;
  std::vector<std::string> parents_;            // the first one is empty
  std::vector<std::vector<std::string>> paths_;  // likewise
  std::uint32_t last_parent_ = 0, last_path_ = 0;  // neighbours mostly have the same
};

void put_record(Bytes& out, const Entry& entry, Shared& shared);
// `record` begins where put_record() wrote. A record that is cut off gives what is there.
Entry read_record(View record, const Shared& shared);
// Its key alone.
std::string key_of_record(View record);

}  // namespace mapigate::directory
