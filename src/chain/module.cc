#include "chain/module.h"

#include "wire/rop/rop_common.h"

namespace mapigate::chain {

std::size_t RopExchange::object_index() const {
  // RopSaveChangesMessage and its like have the index for the response in the first place.
  const auto* codec = request.codec;
  const bool elsewhere = codec != nullptr && request.body != nullptr && codec->handle_name == std::string_view(wire::response_handle);
  return elsewhere ? codec->second_handle_index(request).value_or(request.HandleIndex) : request.HandleIndex;
}

Task<Verdict> Module::on_call(Call&, Ahead&) { co_return Verdict::relay; }
Task<> Module::on_reply(Call&, Ahead&) { co_return; }
Task<Verdict> Module::on_rop(Call&, RopExchange&, Ahead&) { co_return Verdict::relay; }
Task<> Module::on_rop_reply(Call&, RopExchange&, Ahead&) { co_return; }
Task<Verdict> Module::on_opaque(Call&, View, Ahead&) { co_return Verdict::relay; }
Task<> Module::on_session_end(Session&) { co_return; }

}  // namespace mapigate::chain
