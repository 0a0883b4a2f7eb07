// What a client sends for a logon: NTLM, SPNEGO, or neither.
#include "transport/ntlm_name.h"

using namespace mapigate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const View token(data, size);
  const auto name = transport::ntlm_name(token);
  // Where there is a name, there is a message to read it from: its head and the names do not fit into less.
  if (name && *name && (*name)->user.size() + (*name)->domain.size() > 3 * size) __builtin_trap();
  return 0;
}
