#include "transport/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdexcept>

#include "base/text.h"

namespace mapigate::transport {

std::optional<Credentials> parse_basic(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos || !equal_ignoring_ascii_case(authorization.substr(0, space), "basic")) return {};
  Bytes decoded;
  if (!from_base64(trim(authorization.substr(space + 1)), decoded)) return {};
  const auto text = as_text(decoded);
  const auto colon = text.find(':');
  std::optional<Credentials> out;
  // NUL and line breaks have no place in a name or a password and confuse backends.
  constexpr std::string_view forbidden("\0\r\n", 3);
  if (colon != std::string_view::npos && colon > 0 && text.find_first_of(forbidden) == std::string_view::npos)
    out = Credentials{std::string(text.substr(0, colon)), Secret(text.substr(colon + 1))};
  OPENSSL_cleanse(decoded.data(), decoded.size());
  return out;
}

namespace {
template <class Digest>
Digest random_digest() {
  Digest out;
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) throw std::runtime_error("no random numbers to be had");
  return out;
}
}  // namespace

Authentication::Authentication(AuthLimits limits, Metrics& metrics)
    : limits_(limits),
      process_key_(random_digest<Digest>()),
      good_(metrics.counter("mapigate_auth_total", "Authentications by outcome", "outcome=\"good\"")),
      wrong_(metrics.counter("mapigate_auth_total", "Authentications by outcome", "outcome=\"wrong\"")),
      braked_(metrics.counter("mapigate_auth_total", "Authentications by outcome", "outcome=\"braked\"")),
      unknown_(metrics.counter("mapigate_auth_total", "Authentications by outcome", "outcome=\"unavailable\"")) {}

Authentication::Digest Authentication::hash(const Digest& salt, const Secret& password) const {
  // Every request with Basic comes here. Looking an algorithm up by its name, as HMAC() and EVP_sha256() do, costs more
  // than the digest itself.
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  std::string salted(reinterpret_cast<const char*>(process_key_.data()), process_key_.size());
  salted.append(reinterpret_cast<const char*>(salt.data()), salt.size()).append(password.reveal());
  Digest out{};
  const bool made = EVP_Digest(salted.data(), salted.size(), out.data(), nullptr, sha256, nullptr) == 1;
  OPENSSL_cleanse(salted.data(), salted.size());
  if (!made) throw std::runtime_error("OpenSSL has no SHA-256");
  return out;
}

std::optional<Clock::time_point> Authentication::remembered_until(const chain::Identity& identity) {
  Remembered entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = remembered_.find(identity.user);
    if (found == remembered_.end()) return {};
    if (found->second.until < Clock::now()) {
      remembered_.erase(found);
      return {};
    }
    entry = found->second;
  }
  const auto given = hash(entry.salt, identity.password);
  if (CRYPTO_memcmp(given.data(), entry.hash.data(), given.size()) != 0) return {};
  return entry.until;
}

Clock::time_point Authentication::remember(const chain::Identity& identity) {
  Remembered entry;
  entry.salt = random_digest<Digest>();
  entry.hash = hash(entry.salt, identity.password);
  const auto now = Clock::now();
  entry.until = now + limits_.remember;
  const std::lock_guard lock(mutex_);
  if (remembered_.size() >= limits_.remembered) {
    std::erase_if(remembered_, [&](const auto& item) { return item.second.until < now; });
    if (remembered_.size() >= limits_.remembered) remembered_.clear();
  }
  remembered_[identity.user] = entry;
  return entry.until;
}

bool Authentication::braked(const std::string& key, unsigned allowance) {
  const std::lock_guard lock(mutex_);
  const auto found = failures_.find(key);
  if (found == failures_.end()) return false;
  if (found->second.since + limits_.window < Clock::now()) {
    failures_.erase(found);
    return false;
  }
  return found->second.count >= allowance;
}

void Authentication::count_failure(const std::string& key) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (failures_.size() >= limits_.tracked) {
    std::erase_if(failures_, [&](const auto& item) { return item.second.since + limits_.window < now; });
    // Still full: under attack from many places. Forgetting all is the lesser evil than growing.
    if (failures_.size() >= limits_.tracked) failures_.clear();
  }
  auto& entry = failures_[key];
  if (entry.count == 0 || entry.since + limits_.window < now) entry = {0, now};
  ++entry.count;
}

std::shared_ptr<void> Authentication::begin_passed(const std::string& peer) {
  const std::lock_guard lock(passed_->mutex);
  auto& count = passed_->by_peer[peer];
  if (count >= limits_.passed_per_peer) return nullptr;
  ++count;
  // A logon that waits for an upstream when the gateway stops ends after it.
  return {static_cast<void*>(this), [passed = passed_, peer](void*) {
            const std::lock_guard held(passed->mutex);
            const auto found = passed->by_peer.find(peer);
            if (found != passed->by_peer.end() && --found->second == 0) passed->by_peer.erase(found);
          }};
}

std::size_t Authentication::tracked() const {
  const std::lock_guard lock(mutex_);
  return failures_.size();
}

bool Authentication::is_braked(const std::string& peer, const std::string& user) {
  if (!braked(peer + '\n' + user, limits_.guesses) && !braked(peer, limits_.guesses_per_peer)) return false;
  braked_.add();
  return true;
}

void Authentication::note(const std::string& peer, const std::string& user, const Status& outcome) {
  if (outcome) {
    good_.add();
  } else if (outcome.error().code == Errc::denied) {
    wrong_.add();
    count_failure(peer + '\n' + user);
    count_failure(peer);
    log::warning("wrong password for {} from {}", user, peer);
  } else {
    unknown_.add();
    log::warning("cannot check the password of {}: {}", user, outcome.error().message);
  }
}

Task<Result<Clock::time_point>> Authentication::check(chain::Identity identity, std::string peer, chain::Authenticator* authenticator) {
  if (const auto until = remembered_until(identity)) co_return *until;
  if (is_braked(peer, identity.user)) co_return error(Errc::limit, "too many wrong passwords for {} from {}", identity.user, peer);
  if (authenticator == nullptr) co_return error(Errc::denied, "no module of the chain can check passwords");
  const auto outcome = co_await authenticator->authenticate(identity);
  note(peer, identity.user, outcome);
  if (!outcome) co_return outcome.error();
  co_return remember(identity);
}

}  // namespace mapigate::transport
