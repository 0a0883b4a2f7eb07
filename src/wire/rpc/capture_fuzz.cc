// Any file as a capture: what is found in it must be put together without harm, and the same way twice.
#include <cstdlib>

#include "wire/rpc/capture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mapigate;
  using namespace mapigate::wire;
  // The first byte chooses: a whole file, or the two directions of a connection, cut at the second byte.
  if (size < 2) return 0;
  std::vector<rpc::CapturedStream> streams;
  if ((data[0] & 1) == 0) {
    auto read = rpc::read_capture({data + 1, size - 1});
    if (!read) return 0;
    streams = std::move(*read);
  } else {
    const View rest(data + 2, size - 2);
    const auto cut = std::min<std::size_t>(data[1] * rest.size() / 255, rest.size());
    streams.push_back({"a:1", "b:2", to_bytes(rest.first(cut)), 0});
    streams.push_back({"b:2", "a:1", to_bytes(rest.subspan(cut)), 0});
  }
  const auto once = rpc::rpc_connections(streams), twice = rpc::rpc_connections(streams);
  if (once.size() != twice.size() || once.size() > streams.size()) std::abort();
  for (std::size_t i = 0; i < once.size(); ++i) {
    if (once[i].calls.size() != twice[i].calls.size()) std::abort();
    for (std::size_t n = 0; n < once[i].calls.size(); ++n)
      if (once[i].calls[n].request != twice[i].calls[n].request || once[i].calls[n].response != twice[i].calls[n].response) std::abort();
  }
  return 0;
}
