#include "chain/session_state.h"

namespace mapigate::chain {

Session::Session(std::uint64_t id, Interface interface, std::shared_ptr<const Identity> identity,
                 std::shared_ptr<Chain> chain, io::Executor executor)
    : id_(id),
      interface_(interface),
      identity_(std::move(identity)),
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
