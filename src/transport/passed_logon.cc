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
  PassedLogon(Gateway& gateway, std::shared_ptr<chain::PinnedConnection> pinned, std::shared_ptr<LogonExchange> own, std::string peer,
              std::shared_ptr<void> unfinished)
      : gateway_(gateway), pinned_(std::move(pinned)), own_(std::move(own)), peer_(std::move(peer)), unfinished_(std::move(unfinished)) {}

  io::Task<Result<LogonStep>> step(Bytes token) override {
    auto name = ntlm_name(token);
    if (!name) {
      log::debug("logon from {}: {}", peer_, name.error().message);
      co_return error(Errc::denied, "{}", name.error().message);
    }
    std::string user;
    if (*name && challenged_ && !unicode_) {
      log::warning("logon from {}: the upstream settled on no Unicode, so the name may be another there", peer_);
      co_return error(Errc::denied, "the name of the NTLM message is not known for sure");
    }
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
      if (const auto unicode = challenges_in_unicode(out.token); unicode && *unicode) unicode_ = **unicode;
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
    unfinished_.reset();
    co_return out;
  }

 private:
  Gateway& gateway_;
  const std::shared_ptr<chain::PinnedConnection> pinned_;
  const std::shared_ptr<LogonExchange> own_;
  const std::string peer_;
  std::shared_ptr<void> unfinished_;
  bool challenged_ = false, unicode_ = false;
};

}  // namespace

std::shared_ptr<LogonExchange> pass_logon(Gateway& gateway, std::shared_ptr<chain::PinnedConnection> pinned,
                                          std::shared_ptr<LogonExchange> own, std::string peer, std::shared_ptr<void> unfinished) {
  return std::make_shared<PassedLogon>(gateway, std::move(pinned), std::move(own), std::move(peer), std::move(unfinished));
}

}  // namespace mapigate::transport
