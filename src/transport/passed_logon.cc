#include "transport/passed_logon.h"

#include "base/log.h"
#include "base/text.h"
#include "transport/gateway.h"
#include "transport/ntlm_name.h"

namespace mapigate::transport {

namespace {

// Empty: the name is nobody's here. The same name in another domain is somebody else.
std::string user_of(const Gateway& gateway, const NtlmName& name) {
  const auto& options = gateway.options();
  const bool ours = name.domain.empty() || equal_ignoring_ascii_case(name.domain, options.nt_domain) ||
                    equal_ignoring_ascii_case(name.domain, options.default_domain);
  if (!ours || name.user.empty() || name.user.find('\\') != std::string::npos) return {};
  return gateway.canonical_user(name.user);
}

class PassedLogon final : public LogonExchange {
 public:
  PassedLogon(Gateway& gateway, std::shared_ptr<chain::PinnedConnection> pinned, std::shared_ptr<LogonExchange> own, std::string peer)
      : gateway_(gateway), pinned_(std::move(pinned)), own_(std::move(own)), peer_(std::move(peer)) {}

  io::Task<Result<LogonStep>> step(Bytes token) override {
    auto name = ntlm_name(token);
    if (!name) {
      log::debug("logon from {}: {}", peer_, name.error().message);
      co_return error(Errc::denied, "{}", name.error().message);
    }
    std::string user;
    if (*name) {
      user = user_of(gateway_, **name);
      if (user.empty()) log::warning("nobody here is {}\\{}, who logs on from {}", (*name)->domain, (*name)->user, peer_);
      // Without a challenge nothing would be proved.
      if (user.empty() || !challenged_) co_return error(Errc::denied, "nobody here is {}", (*name)->user);
      if (gateway_.authentication().is_braked(peer_, user)) co_return error(Errc::limit, "too many wrong passwords for {} from {}", user, peer_);
    }
    auto copy = token;
    auto answer = co_await pinned_->step(std::move(copy));
    if (!user.empty() && (!answer || answer->complete)) {
      const auto outcome = answer ? Status() : Status(answer.error());
      gateway_.authentication().note(peer_, user, outcome);
    }
    if (!answer) {
      if (user.empty() && answer.error().code != Errc::denied) log::warning("logon from {}: {}", peer_, answer.error().message);
      co_return answer.error();
    }
    LogonStep out;
    out.complete = answer->complete;
    out.token = std::move(answer->token);
    if (!out.complete) {
      challenged_ = true;
      co_return out;
    }
    if (user.empty() && own_ != nullptr) {
      auto checked = co_await own_->step(std::move(token));
      if (checked && checked->complete) user = checked->user;
    }
    if (user.empty()) {
      log::warning("the upstream lets in somebody from {} whose name is not known here: tickets need its key in [auth] keytab", peer_);
      co_return error(Errc::denied, "the user's name is not known");
    }
    out.user = std::move(user);
    out.pinned = pinned_;
    co_return out;
  }

 private:
  Gateway& gateway_;
  const std::shared_ptr<chain::PinnedConnection> pinned_;
  const std::shared_ptr<LogonExchange> own_;
  const std::string peer_;
  bool challenged_ = false;
};

}  // namespace

std::shared_ptr<LogonExchange> pass_logon(Gateway& gateway, std::shared_ptr<chain::PinnedConnection> pinned,
                                          std::shared_ptr<LogonExchange> own, std::string peer) {
  return std::make_shared<PassedLogon>(gateway, std::move(pinned), std::move(own), std::move(peer));
}

}  // namespace mapigate::transport
