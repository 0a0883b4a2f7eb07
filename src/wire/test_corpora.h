// For tests: the folder of test data that is not ours, or nothing where it is absent.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/bytes.h"

namespace mapigate::test {

inline std::optional<std::filesystem::path> corpora() {
  namespace fs = std::filesystem;
  if (const char* named = std::getenv("MAPIGATE_CORPORA")) {
    return fs::is_directory(named) ? std::optional<fs::path>(named) : std::nullopt;
  }
  for (auto at = fs::current_path(); at != at.root_path(); at = at.parent_path()) {
    if (const auto here = at / "shared" / "corpora"; fs::is_directory(here)) return here;
  }
  return std::nullopt;
}

inline Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file()) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

// A row of the table that `./test corpora` prints.
inline void report_corpus(const std::string& name, std::size_t good, std::size_t all, const std::string& what) {
  std::printf("corpus\t%s\t%zu\t%zu\t%s\n", name.c_str(), good, all, what.c_str());
}

}  // namespace mapigate::test
