#include "chain/session_state.h"

namespace mapigate::chain {

namespace {
// A session outlives the connection that opened it.
std::shared_ptr<const Identity> without_connection(std::shared_ptr<const Identity> identity) {
  if (identity == nullptr || identity->pinned == nullptr) return identity;
  auto own = std::make_shared<Identity>(*identity);
  own->pinned = nullptr;
  return own;
}
}  // namespace

Session::Session(std::uint64_t id, Interface interface, std::shared_ptr<const Identity> identity,
                 std::shared_ptr<Chain> chain, io::Executor executor)
    : id_(id),
      interface_(interface),
      identity_(without_connection(std::move(identity))),
      chain_(std::move(chain)),
      executor_(std::move(executor)),
      state_(std::make_unique<State>()) {}

Session::~Session() = default;

std::any& Session::slot(const Module& module) {
  for (const auto& [owner, value] : slots_) {
    if (owner == &module) return *value;
  }
  return *slots_.emplace_back(&module, std::make_unique<std::any>()).second;
}

}  // namespace mapigate::chain
