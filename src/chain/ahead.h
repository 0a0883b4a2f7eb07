// How a module works ahead. Internal to src/chain.
#pragma once

#include "chain/chain.h"

namespace mapigate::chain {

class AheadOf : public Ahead {
 public:
  AheadOf(Chain& chain, Call& origin, std::size_t stage) : chain_(chain), origin_(origin), stage_(stage) {}
  Task<Result<Reply>> call(Operation operation, Bytes body) override;
  Task<Result<wire::RopResponseBuffer>> execute(std::vector<wire::RopRequest> rops, std::vector<std::uint32_t> handles,
                                                Arena& arena) override;

 private:
  std::unique_ptr<Call> make(Operation operation, Bytes body) const;

  Chain& chain_;
  Call& origin_;
  std::size_t stage_;
};

}  // namespace mapigate::chain
