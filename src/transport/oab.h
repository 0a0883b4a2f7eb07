// Offline address books at /OAB/GUID/: makes them of the directories that chains have, and serves their files.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "directory/oab/publication.h"
#include "directory/source.h"
#include "transport/gateway.h"

namespace mapigate::transport {

class OabService {
 public:
  OabService(Gateway& gateway, OabOptions options) : gateway_(gateway), options_(std::move(options)) {}

  // Makes new versions until the runtime stops; to be spawned once.
  io::Task<> keep_current();
  // "/OAB/GUID/FILE" for a user whose directory that is.
  io::Task<> handle(io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity);

 private:
  using Publication = directory::oab::Publication;
  std::shared_ptr<Publication> publication_of(const std::string& directory);
  io::Task<> answer_file(io::HttpExchange& exchange, Publication::File file);

  Gateway& gateway_;
  const OabOptions options_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Publication>> books_;                              // by directory
  std::map<std::string, std::weak_ptr<const directory::Snapshot>> published_;              // what they were made of
};

// The bytes that a Range field asks for, of one range; none when it asks for all or cannot be read.
// Errc::limit: nothing of it is there.
struct ByteRange {
  std::uint64_t first = 0, last = 0;
};
Result<std::optional<ByteRange>> parse_range(std::string_view field, std::uint64_t size);

}  // namespace mapigate::transport
