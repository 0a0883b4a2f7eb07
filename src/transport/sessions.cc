#include "transport/sessions.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "base/log.h"
#include "chain/chain.h"
#include "io/runtime.h"

namespace mapigate::transport {

namespace {
constexpr std::size_t token_size = 16;  // bytes; twice as many digits
}

std::string random_token() {
  // Every Execute takes one; the generator costs much the same for 16 bytes as for many.
  thread_local std::array<std::uint8_t, 64 * token_size> store;
  thread_local std::size_t left = 0;
  if (left == 0) {
    if (RAND_bytes(store.data(), static_cast<int>(store.size())) != 1) throw std::runtime_error("no random numbers to be had");
    left = store.size();
  }
  left -= token_size;
  const auto token = to_hex(View(store.data() + left, token_size));
  OPENSSL_cleanse(store.data() + left, token_size);
  return token;
}

bool is_token(std::string_view text) {
  return text.size() == 2 * token_size && text.find_first_not_of("0123456789abcdef") == text.npos;
}

SessionTable::SessionTable(SessionLimits limits, Metrics& metrics)
    : limits_(limits),
      count_(metrics.gauge("mapigate_sessions", "Session contexts in being")),
      expired_(metrics.counter("mapigate_sessions_expired_total", "Session contexts that ended by being idle")) {}

Status SessionTable::add(std::shared_ptr<SessionContext> context) {
  context->touch();
  std::shared_ptr<SessionContext> victim;
  {
    const std::lock_guard lock(mutex_);
    if (by_context_.size() >= limits_.sessions) return error(Errc::limit, "{} sessions are open: the limit", by_context_.size());
    auto& own = by_user_[context->session->identity().user];
    std::erase_if(own, [](const auto& weak) {
      const auto one = weak.lock();
      return one == nullptr || one->ended;
    });
    if (own.size() >= limits_.sessions_per_user) {
      const auto longest_idle = std::min_element(own.begin(), own.end(), [](const auto& a, const auto& b) {
        const auto first = a.lock(), second = b.lock();
        return first != nullptr && second != nullptr && first->used() < second->used();
      });
      victim = longest_idle->lock();
    }
    own.push_back(context);
    by_context_.emplace(context->context, context);
    count_.set(static_cast<std::int64_t>(by_context_.size()));
  }
  if (victim != nullptr) {
    log::info("{} has {} sessions: the longest idle one is ended", context->session->identity().user, limits_.sessions_per_user);
    end(victim);
  }
  return {};
}

std::shared_ptr<SessionContext> SessionTable::find(std::string_view cookie, std::string_view user,
                                                   chain::Interface interface) {
  const std::lock_guard lock(mutex_);
  const auto found = by_context_.find(std::string(cookie));
  if (found == by_context_.end()) return nullptr;
  const auto& context = found->second;
  if (context->session->identity().user != user || context->session->interface() != interface) return nullptr;
  // Too old, though no sweep has come by yet ([MS-OXCMAPIHTTP] 3.2.5.6).
  if (context->requests == 0 && Clock::now() - context->used() >= limits_.expiration + limits_.grace) return nullptr;
  return context;
}

namespace {
chain::Task<> close_session(std::shared_ptr<SessionContext> context) {
  // Requests still in progress hold the context; the chain is told when the last is done.
  for (int i = 0; i < 600 && context->requests > 0; ++i) co_await io::sleep_for(std::chrono::milliseconds(100));
  co_await context->session->chain().end_session(*context->session);
}
}  // namespace

void SessionTable::end(const std::shared_ptr<SessionContext>& context) {
  if (context->ended.exchange(true)) return;
  {
    const std::lock_guard lock(mutex_);
    by_context_.erase(context->context);
    if (const auto own = by_user_.find(context->session->identity().user); own != by_user_.end()) {
      std::erase_if(own->second, [&](const auto& weak) { return weak.expired() || weak.lock() == context; });
      if (own->second.empty()) by_user_.erase(own);
    }
    count_.set(static_cast<std::int64_t>(by_context_.size()));
  }
  io::spawn(context->session->executor(), close_session(context));
}

void SessionTable::sweep() {
  const auto deadline = Clock::now() - limits_.expiration - limits_.grace;
  std::vector<std::shared_ptr<SessionContext>> idle;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [cookie, context] : by_context_)
      if (context->requests == 0 && context->used() < deadline) idle.push_back(context);
  }
  for (const auto& context : idle) end(context);
  expired_.add(idle.size());
}

void SessionTable::end_all() {
  std::vector<std::shared_ptr<SessionContext>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [cookie, context] : by_context_) all.push_back(context);
  }
  for (const auto& context : all) end(context);
}

std::size_t SessionTable::size() const {
  const std::lock_guard lock(mutex_);
  return by_context_.size();
}

}  // namespace mapigate::transport
