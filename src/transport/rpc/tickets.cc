// Tickets that clients forward when they log on: out of Samba's hands, whose Kerberos is Heimdal's, into MIT's, which upstreams are
// reached by. Both read and write the same files.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/log.h"
#include "transport/rpc/auth.h"
#include "upstream/delegated_ticket.h"

// Of credentials.h, which declares its enumerations in a way that C++ does not take.
extern "C" {
struct ccache_container;
int cli_credentials_get_ccache(cli_credentials* credentials, tevent_context* events, loadparm_context* lp_ctx, ccache_container** cache,
                               const char** why);
}

namespace mapigate::transport {

namespace {

// A folder that nobody else looks into, and that goes with all that is in it. In memory where there is such a place: what has been
// on a disk can be read there when it is long deleted, and a crash amid this would leave it.
class PrivateFolder {
 public:
  PrivateFolder() {
    std::error_code failed;
    const auto otherwise = std::filesystem::temp_directory_path(failed);
    for (const std::filesystem::path& place : {std::filesystem::path("/dev/shm"), otherwise}) {
      if (place.empty() || !name_.empty()) continue;
      auto name = (place / "mapigate-ticket-XXXXXX").string();
      if (mkdtemp(name.data()) != nullptr) name_ = std::move(name);
    }
  }
  ~PrivateFolder() {
    std::error_code ignored;
    if (!name_.empty()) std::filesystem::remove_all(name_, ignored);
  }
  PrivateFolder(const PrivateFolder&) = delete;
  const std::string& name() const { return name_; }  // empty: there is none

 private:
  std::string name_;
};

Result<upstream::TakenTicket> take(const samba::PrivateFunctions& functions, const samba::KerberosCache& found) {
  const PrivateFolder folder;
  if (folder.name().empty()) return error(Errc::unavailable, "there is no folder for a forwarded ticket to pass through");
  const auto file = folder.name() + "/ticket";
  void* context = *found.context;
  void* copy = nullptr;
  auto code = functions.krb5_cc_resolve(context, ("FILE:" + file).c_str(), &copy);
  if (code == 0) {
    code = functions.krb5_cc_copy_cache(context, found.cache, copy);
    functions.krb5_cc_close(context, copy);
  }
  if (code != 0) return error(Errc::unavailable, "a forwarded ticket cannot be written to {}: error {}", file, code);
  return upstream::take_ticket(file);
}

}  // namespace

std::shared_ptr<const chain::DelegatedTicket> RpcAuthentication::take_ticket(auth_session_info& info, const std::string& user,
                                                                            tevent_context* events) const {
  if (info.credentials == nullptr) return nullptr;
  ccache_container* found = nullptr;
  const char* why = nullptr;
  if (cli_credentials_get_ccache(info.credentials, events, settings_->lp_ctx, &found, &why) != 0) {
    log::warning("the ticket that {} forwarded cannot be read: {}", user, why == nullptr ? "" : why);
    return nullptr;
  }
  auto taken = take(functions_, *reinterpret_cast<const samba::KerberosCache*>(found));
  if (!taken) {
    log::warning("{}: {}", user, taken.error().message);
    return nullptr;
  }
  if (user_of(taken->principal) != user) {
    log::warning("{} forwards the ticket of {}, which does not count", user, taken->principal);
    return nullptr;
  }
  return std::move(taken->ticket);
}

// A child of Samba's auth_session_info, which tells when that goes.
struct RpcAuthentication::Kept {
  RpcAuthentication* owner;
  const auth_session_info* info;
};

int RpcAuthentication::forget_ticket(Kept* kept) {
  kept->owner->tickets_.erase(kept->info);
  return 0;
}

std::shared_ptr<const chain::DelegatedTicket> RpcAuthentication::ticket_of(auth_session_info& info, const std::string& user,
                                                                           tevent_context* events) {
  if (info.credentials == nullptr) return nullptr;
  if (const auto known = tickets_.find(&info); known != tickets_.end()) return known->second;
  auto* kept = talloc_zero(&info, Kept);
  if (kept == nullptr) return nullptr;
  *kept = {this, &info};
  auto ticket = take_ticket(info, user, events);
  tickets_.emplace(&info, ticket);
  talloc_set_destructor(kept, forget_ticket);
  return ticket;
}

}  // namespace mapigate::transport
