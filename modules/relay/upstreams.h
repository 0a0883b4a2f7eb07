// Where a relay hands its calls: MAPI over HTTP or DCE/RPC, behind one face.
#pragma once

#include <map>
#include <memory>

#include "chain/delegated_ticket.h"
#include "chain/module.h"
#include "chain/pinned_connection.h"
#include "chain/web_services.h"
#include "upstream/session.h"

namespace mapigate::relay {

using io::Task;

// With which name and password the upstream is asked for a user.
class CredentialSource {
 public:
  struct Found {
    std::string user;
    Secret password;
    std::shared_ptr<const chain::DelegatedTicket> ticket = nullptr;  // in the password's place
  };
  // Throws std::runtime_error when a file cannot be read.
  explicit CredentialSource(const Settings& settings);
  // Errc::denied when there are none: the user came without a password, or is not in the map.
  Result<Found> of(const chain::Identity& identity) const;
  // Whether each user has an account of the own there. Web services act for the account, whoever asks.
  bool personal() const { return kind_ != Kind::fixed; }
  // Whether users are to be there who they are here.
  bool passes_on() const { return kind_ == Kind::pass_through; }

 private:
  enum class Kind { pass_through, fixed, mapped };
  Kind kind_;
  bool tickets_;  // that users forwarded count before all else
  Found fixed_;
  std::map<std::string, Found, std::less<>> map_;
};

// From any executor, but what it makes belongs to the session's.
class Upstream {
 public:
  virtual ~Upstream() = default;
  virtual Result<std::shared_ptr<upstream::Session>> open(const chain::Session& session, const chain::ClientInfo& client) = 0;
  virtual Task<Status> authenticate(chain::Identity identity) = 0;
  virtual Task<Result<chain::MailboxInfo>> locate(chain::Identity identity) = 0;
  // See chain::WebServices; those reached by DCE/RPC have none.
  virtual Task<Result<chain::WebPlaces>> web_places(chain::Identity identity);
  virtual Task<Result<std::unique_ptr<chain::WebAnswer>>> web_request(chain::Identity identity, chain::WebRequest request);
  // See chain::LogonRelay; over TCP nobody logs on but with a password.
  virtual Status can_pin() const;
  virtual bool carries_mapi_http() const { return false; }
  virtual Result<std::shared_ptr<chain::PinnedConnection>> pin(std::string scheme, std::function<void()> close_client);
};

std::unique_ptr<Upstream> make_http_upstream(const chain::Environment& environment, const Settings& settings);
std::unique_ptr<Upstream> make_rpc_upstream(const chain::Environment& environment, const Settings& settings);

}  // namespace mapigate::relay
