// The client's side of one DCE/RPC connection ([C706] chapter 12, [MS-RPCE] 3.3.2): binds, calls side by side, protection.
#pragma once

#include <vector>

#include "upstream/rpc_channel.h"
#include "upstream/security.h"
#include "wire/ndr/ndr.h"

namespace mapigate::upstream {

inline constexpr std::uint32_t fault_access_denied = 0x00000005;
inline constexpr std::uint32_t fault_context_mismatch = 0x1c00001a;
std::string fault_text(std::uint32_t fault);  // "nca_s_fault_context_mismatch (0x1c00001a)"

struct RpcAnswer {
  std::uint32_t fault = 0;
  Bytes stub;
};

struct RpcConnectionOptions {
  std::vector<wire::ndr::Interface> interfaces;  // presentation contexts, in this order
  AuthLevel level = AuthLevel::none;
  AuthType type = AuthType::none;
  std::uint32_t group = 0;                       // association group to join; 0: a new one
  std::size_t max_reply = 4u << 20;              // bytes of one answer in all its fragments
  Duration limit = std::chrono::seconds(30);     // of the bind, each leg
};

// Belongs to the executor on which it was opened, but may be destroyed anywhere.
class RpcConnection {
 public:
  // `security` may be null with AuthLevel::none. Errc::denied: the server refuses us; not_found: it does not serve the
  // first interface; conflict: it does not know the association group.
  static Task<Result<std::unique_ptr<RpcConnection>>> open(std::unique_ptr<RpcChannel> channel, std::unique_ptr<SecurityContext> security,
                                                           RpcConnectionOptions options);
  ~RpcConnection();
  RpcConnection(const RpcConnection&) = delete;

  // `context` counts the interfaces of the bind. After Errc::timeout the connection goes on, and an answer that comes late
  // is dropped; unavailable: the connection broke, and the call may or may not have been done.
  Task<Result<RpcAnswer>> call(std::uint16_t context, std::uint16_t opnum, Bytes stub, Duration limit);

  std::uint32_t group() const;
  // Where call() has to go for an interface; one that the bind did not have is added (alter_context), while no security is in
  // between. Errc::not_found: the server does not serve it there.
  Task<Result<std::uint16_t>> context_of(wire::ndr::Interface interface, Duration limit);
  // From any thread.
  bool is_open() const;
  void close();  // what is asked ends with Errc::unavailable

 private:
  struct Impl;
  explicit RpcConnection(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace mapigate::upstream
