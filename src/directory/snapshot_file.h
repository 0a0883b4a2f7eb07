// A snapshot in a file: read back as it was, without anything being made anew.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "directory/snapshot.h"

namespace mapigate::directory {

class SnapshotFile {
 public:
  // What a source wants to know again beside the snapshot.
  using Notes = std::vector<std::string>;
  struct Loaded {
    std::shared_ptr<const Snapshot> snapshot;
    Notes notes;
  };

  // Replaces the file as a whole; only its owner can read it.
  static Status save(const std::string& file, const Snapshot& snapshot, const Notes& notes);
  // Errc::not_found: there is none; malformed: it is damaged, of another version, or its ids are not those of `ids`. The Global
  // Address List gets this name.
  static Result<Loaded> load(const std::string& file, IdTable& ids, const std::string& gal_name = "Global Address List");

 private:
  static void fields(auto& v, auto& snapshot);
  static bool is_sound(const Snapshot& snapshot);
};

}  // namespace mapigate::directory
