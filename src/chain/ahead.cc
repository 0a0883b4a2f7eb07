#include "chain/ahead.h"

#include "wire/rpc/header_ext.h"

namespace mapigate::chain {

std::unique_ptr<Call> AheadOf::make(Operation operation, Bytes body) const {
  auto call = std::make_unique<Call>(origin_.session(), operation, origin_.client(), std::move(body));
  call->level_ = origin_.level() + (chain_.stages_[stage_].owns_handles ? 1 : 0);
  return call;
}

Task<Result<Reply>> AheadOf::call(Operation operation, Bytes body) {
  auto call = make(operation, std::move(body));
  Status answered = co_await chain_.answer(call.get(), stage_ + 1);
  if (!answered) co_return answered.error();
  co_return call->take_reply();
}

Task<Result<wire::RopResponseBuffer>> AheadOf::execute(std::vector<wire::RopRequest> rops,
                                                       std::vector<std::uint32_t> handles, Arena& arena) {
  auto call = make(Operation::Execute, {});
  DecodedExecute execute;
  execute.Flags = wire::rpc::NoCompression | wire::rpc::NoXorMagic;
  execute.MaxRopOut = wire::rpc::max_payload + wire::rpc::header_ext_size;
  execute.requests.rops = std::move(rops);
  execute.requests.handles = std::move(handles);
  call->adopt_execute(std::move(execute));
  Status answered = co_await chain_.answer(call.get(), stage_ + 1);
  if (!answered) co_return answered.error();
  co_return call->copy_responses(arena);
}

}  // namespace mapigate::chain
