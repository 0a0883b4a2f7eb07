// The offline address book of one directory as files that clients download: made anew when the directory has changed,
// with a patch from each version to the next, and a manifest that names them ([MS-OXWOAB] 2.2).
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "directory/oab/details_file.h"

namespace mapigate::directory::oab {

struct PublicationOptions {
  std::string folder;  // made if missing; holds nothing else
  BookName name;
  std::size_t patches = 30;  // versions that clients may be behind
};

class Publication {
 public:
  // Goes on with the version that the folder holds.
  static Result<std::unique_ptr<Publication>> open(PublicationOptions options);

  // Makes a new version when there is something new; true then. Takes its time: belongs on a worker, one at a time.
  Result<bool> update(const Snapshot& snapshot, const Server& server);

  struct File {
    std::string path;
    std::uint64_t size = 0;
    std::string etag;   // with its quotes
    std::int64_t time = 0;  // seconds since 1970
  };
  // By the name in a URL; only names that the manifest has, and the manifest. From any thread.
  Result<File> find(const std::string& name) const;
  std::uint32_t sequence() const;  // 0: no version yet

 private:
  struct Item {
    std::string kind, file, sha, language, type;  // kind: Full, Template, Diff
    std::uint32_t sequence = 0, version = 0;
    std::uint64_t size = 0, uncompressed = 0;
  };
  explicit Publication(PublicationOptions options) : options_(std::move(options)) {}
  std::string path(const std::string& name) const { return options_.folder + "/" + name; }
  Status load();
  Status store(const std::string& content, const std::vector<Item>& items) const;
  std::string manifest(const std::vector<Item>& items) const;
  Result<Item> put(const char* kind, const std::string& name, View data, std::uint64_t uncompressed, std::uint32_t sequence,
                   std::uint32_t version) const;
  void clean(const std::vector<Item>& items) const;

  const PublicationOptions options_;
  mutable std::mutex mutex_;  // for what follows
  std::uint32_t sequence_ = 0;
  std::string content_;  // hash of the records
  std::vector<Item> items_;
};

}  // namespace mapigate::directory::oab
