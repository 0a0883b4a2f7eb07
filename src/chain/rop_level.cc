#include "chain/rop_level.h"

#include <algorithm>

#include "chain/session_state.h"
#include "wire/rop/notification_rops.h"
#include "wire/rop/other_rops.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::chain {

using wire::RopId;

namespace {

// The handle index of a ROP has eight bits: nothing can name what stands further back in a table.
constexpr std::size_t max_table = 256;

// Outlook sends less than a hundred ROPs in a buffer. One that would be split into more
// Executes than this is not made by a client.
constexpr std::size_t max_parts = 256;

// Gives zeros and empty things: the body of a response that a module did not fill.
class ZeroSource : public wire::FieldSource {
 public:
  void begin(const char*) override {}
  void end() override {}
  std::size_t begin_list(const char*) override { return 0; }
  void end_list() override {}
  std::uint64_t number(const char*) override { return 0; }
  bool boolean(const char*) override { return false; }
  double real(const char*) override { return 0; }
  std::string text(const char*) override { return {}; }
  Bytes bytes(const char*) override { return {}; }
  mapi::Value value(const char*, mapi::PropertyType type, Arena&) override { return {type, {}}; }
  const mapi::Restriction* restriction(const char*, Arena&) override { return nullptr; }
  void fail(const char*, const char*) override {}
};

std::optional<std::uint8_t> output_index(const wire::RopRequest& request) {
  if (request.codec == nullptr || request.body == nullptr) return {};
  return request.codec->output_handle_index(request);
}

bool has_response(const wire::RopRequest& request) { return request.codec == nullptr || request.codec->has_response; }

std::size_t encoded_size(const wire::RopRequest& request) {
  if (!request.raw.empty()) return request.raw.size();
  Bytes out;
  return wire::encode_request(request, out) ? out.size() : 0;
}

}  // namespace

RopLevel::RopLevel(Chain& chain, Call& call, std::size_t stage, Ahead& ahead)
    : chain_(chain), stage_(chain.stages_[stage]), call_(call), index_(stage), ahead_(ahead) {}

Task<Status> RopLevel::run() {
  auto decoded = call_.execute();
  View rest;
  bool whole = !decoded;
  if (whole) {
    auto body = call_.body();
    if (body) rest = *body;
  } else {
    requests_ = &(*decoded)->requests;
    rest = requests_->opaque;
    flags_ = (*decoded)->Flags;
    room_ = (*decoded)->MaxRopOut;
  }
  if (stage_.opaque && (whole || !rest.empty())) {
    std::function<Task<Verdict>()> hook = [&] { return stage_.link.module->on_opaque(call_, rest, ahead_); };
    Chain::Outcome outcome = co_await chain_.supervise(index_, std::move(hook));
    if (outcome.verdict == Verdict::norelay) outcome.verdict = Verdict::refuse;
    stage_.verdicts[static_cast<std::size_t>(outcome.verdict)]->add();
    if (outcome.verdict == Verdict::refuse) {
      fail(outcome.failed ? mapi::ecError : mapi::ecAccessDenied);
      co_return Status();
    }
  }
  if (whole && stage_.owns_handles) {
    fail(mapi::ecRpcFormat);  // its handles cannot be translated
    co_return Status();
  }
  if (whole) {
    Status passed = co_await chain_.descend(&call_, index_ + 1);
    co_return passed;
  }
  if (stage_.owns_handles) map_ = &call_.session().state().handle_maps[index_];
  const auto asked = [&](const Request& request) { return stage_.rops.test(static_cast<std::size_t>(request.id)); };
  Status answered;
  if (mapped() || std::any_of(requests_->rops.begin(), requests_->rops.end(), asked)) answered = co_await walk();
  else answered = co_await chain_.descend(&call_, index_ + 1);
  if (!answered) co_return answered;
  answered = co_await reply_phase();
  co_return answered;
}

Task<Status> RopLevel::walk() {
  table_ = requests_->handles;
  if (table_.size() > max_table) table_.resize(max_table);
  for (std::size_t i = 0; i < requests_->rops.size(); ++i) {
    Status visited = co_await visit(&requests_->rops[i]);
    if (!visited || done_) co_return visited;
  }
  Status flushed;
  if (split_ || mapped()) flushed = co_await flush(true);
  else flushed = co_await chain_.descend(&call_, index_ + 1);
  co_return flushed;
}

Task<Status> RopLevel::visit(Request* request) {
  const bool own = mapped() && acts_on_own(*request);
  const bool wanted = stage_.rops.test(static_cast<std::size_t>(request->id));
  const bool opens = mapped() && output_index(*request).has_value();
  if (opens && !map_->can_add(outputs_ + 1)) {
    refuse(request, mapi::ecMemory);
    co_return Status();
  }
  if (wanted && stage_.barrier && pending_ != 0) {
    Status flushed = co_await flush(false);
    if (!flushed || done_) co_return flushed;
  }
  if (own || wanted) {
    Status asked = co_await ask(request, own);
    co_return asked;
  }
  relay(request);
  co_return Status();
}

Task<Status> RopLevel::ask(Request* request, bool own) {
  const Seen before = seen();
  Seen after = before;
  Response response = head_of(*request);
  RopExchange exchange{*request, &response, after.handles, after.own};
  std::function<Task<Verdict>()> hook = [&] { return stage_.link.module->on_rop(call_, exchange, ahead_); };
  Chain::Outcome outcome = co_await chain_.supervise(index_, std::move(hook));
  stage_.verdicts[static_cast<std::size_t>(outcome.verdict)]->add();
  Status done;
  if (outcome.verdict == Verdict::refuse) {
    refuse(request, outcome.failed ? mapi::ecError : exchange.refusal);
  } else if (outcome.verdict == Verdict::norelay) {
    done = co_await take_changes(&before, &after);
    if (!done || done_) co_return done;
    complete(*request, response);
    answer_locally(request, response);
  } else if (own) {
    // Nothing further down knows the object.
    refuse(request, outcome.failed ? mapi::ecError : mapi::ecNotSupported);
  } else {
    relay(request);
  }
  if (own && request->id == RopId::RopRelease) {
    map_->release(table_[request->HandleIndex]);
    table_[request->HandleIndex] = wire::no_handle;
  }
  co_return done;
}

// --- What is known of the entries and the table ---

void RopLevel::forget_entries() {
  entries_.clear();
  uses_.reset();
  opens_.reset();
  pending_ = 0;
  outputs_ = 0;
}

bool RopLevel::acts_on_own(const Request& request) const {
  const auto is_own = [&](std::size_t index) {
    if (index >= table_.size() || opens_.test(index)) return false;
    const auto target = map_->find(table_[index]);
    return target && target->owned;
  };
  if (request.codec == nullptr) return false;
  const std::string_view kind = request.codec->handle_name;
  if (kind != wire::output_handle && kind != wire::response_handle && is_own(request.HandleIndex)) return true;
  if (request.body == nullptr) return false;
  const auto second = request.codec->second_handle_index(request);
  return second && is_own(*second);
}

RopLevel::Seen RopLevel::seen() const {
  if (!mapped()) return {table_, {}};
  Seen out{std::vector<std::uint32_t>(table_.size(), wire::no_handle), std::vector<std::uint8_t>(table_.size())};
  for (std::size_t i = 0; i < table_.size(); ++i) {
    const auto target = map_->find(table_[i]);
    if (!target) continue;
    out.handles[i] = target->number;
    out.own[i] = target->owned ? 1 : 0;
  }
  return out;
}

std::vector<std::uint32_t> RopLevel::table_below() const {
  auto out = seen();
  for (std::size_t i = 0; i < out.own.size(); ++i) {
    if (out.own[i] != 0) out.handles[i] = wire::no_handle;
  }
  return std::move(out.handles);
}

RopLevel::Response RopLevel::head_of(const Request& request) const {
  Response response;
  response.id = wire::response_id(request.id);
  response.HandleIndex = output_index(request).value_or(request.HandleIndex);
  response.codec = wire::find_rop(response.id);
  response.request = static_cast<int>(&request - requests_->rops.data());
  return response;
}

// Puts a body of zeros where the specification wants a body and there is none.
void RopLevel::complete(const Request& request, Response& response) {
  response.raw = {};
  const auto* codec = response.codec;
  if (codec == nullptr || !codec->has_response) return;
  const bool needs = codec->response_has_body(response.ReturnValue);
  if (!needs) response.body = nullptr;
  if (!needs || response.body != nullptr) return;
  wire::ResponseContext context;
  context.ReturnValue = response.ReturnValue;
  context.request = &request;
  context.columns = response.columns.value_or(wire::Columns{});
  ZeroSource zeros;
  wire::FieldBuilder builder(zeros, call_.arena());
  response.body = codec->build_response(builder, call_.arena(), context);
}

// --- Verdicts ---

void RopLevel::relay(Request* request) {
  Entry entry;
  entry.request = request;
  entries_.push_back(entry);
  ++pending_;
  uses_.set(request->HandleIndex);
  if (const auto index = output_index(*request)) {
    uses_.set(*index);
    opens_.set(*index);
    ++outputs_;
  }
  if (request->codec != nullptr && request->body != nullptr) {
    if (const auto second = request->codec->second_handle_index(*request)) uses_.set(*second);
  }
  if (!mapped()) return;
  if (request->id == RopId::RopRelease && request->HandleIndex < table_.size())
    released_.push_back(table_[request->HandleIndex]);
}

void RopLevel::answer_locally(Request* request, const Response& response) {
  split_ = true;
  Entry entry;
  entry.request = request;
  entry.local = true;
  entry.answered = has_response(*request);
  entry.response = response;
  entries_.push_back(entry);
}

void RopLevel::refuse(Request* request, mapi::ErrorCode code) {
  auto response = head_of(*request);
  response.ReturnValue = code;
  complete(*request, response);
  answer_locally(request, response);
}

Task<Status> RopLevel::take_changes(const Seen* before, const Seen* after) {
  std::vector<std::size_t> changed;
  for (std::size_t i = 0; i < table_.size(); ++i) {
    const bool own_changed = mapped() && before->own[i] != after->own[i];
    if (own_changed || before->handles[i] != after->handles[i]) changed.push_back(i);
  }
  const auto used = [&](std::size_t index) { return uses_.test(index); };
  if (std::any_of(changed.begin(), changed.end(), used)) {
    Status flushed = co_await flush(false);
    if (!flushed || done_) co_return flushed;
  }
  for (const auto i : changed) {
    const auto number = after->handles[i];
    if (!mapped() || number == wire::no_handle) table_[i] = number;
    else if (after->own[i] != 0) table_[i] = map_->add_owned(number).value_or(wire::no_handle);
    else table_[i] = map_->add_below(number).value_or(wire::no_handle);
  }
  co_return Status();
}

// --- Execution of what was relayed ---

Task<Status> RopLevel::flush(bool last) {
  split_ = true;
  DecodedExecute execute;
  for (const auto& entry : entries_) {
    if (!entry.local) execute.requests.rops.push_back(*entry.request);
  }
  if (last) execute.requests.opaque = requests_->opaque;
  if (execute.requests.rops.empty() && execute.requests.opaque.empty()) {
    for (const auto& entry : entries_) push(entry);
    forget_entries();
    // A buffer without any ROP is how a client asks for pending notifications: it has to go down.
    const bool ask_anyway = last && parts_ == 0 && requests_->rops.empty();
    if (!ask_anyway) {
      if (last) finish(last_part_);
      co_return Status();
    }
  }
  if (parts_ == max_parts) {
    fail(mapi::ecTooComplex);
    co_return Status();
  }
  // Chained replies answer the last ROP, and their place is the end of the reply.
  const bool at_end = last && (entries_.empty() || !entries_.back().local);
  execute.Flags = at_end ? flags_ : flags_ & ~std::uint32_t{wire::rpc::Chain};
  execute.MaxRopOut = room_;
  if (parts_ == 0) {
    auto whole = call_.execute();
    if (whole) execute.AuxiliaryBuffer = (*whole)->AuxiliaryBuffer;
  }
  execute.requests.handles = table_below();
  const bool unsplit = execute.requests.rops.size() == requests_->rops.size();
  Call& part = call_.add_part(std::move(execute), call_.level() + (mapped() ? 1 : 0), unsplit);
  ++parts_;
  last_part_ = &part;
  Status answered = co_await chain_.answer(&part, index_ + 1);
  if (!answered) co_return answered;
  merge(part, last);
  if (last && !done_) finish(&part);
  co_return Status();
}

void RopLevel::merge(Call& part, bool last) {
  const auto decoded = part.responses();
  if (!decoded) {
    if (decoded.error().code == Errc::not_found) return fail_like(part);
    log::warning("module {}: {}", stage_.link.name, decoded.error().message);
    return fail(mapi::ecRpcFormat);
  }
  auto& below = **decoded;
  std::vector<std::size_t> relayed;  // place in entries_ of each request of the part
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].local) relayed.push_back(i);
  }
  for (const auto above : released_) map_->release(above);
  released_.clear();

  std::vector<bool> outputs(max_table);
  for (const auto& response : below.rops) {
    if (response.ReturnValue != mapi::ecNone || response.request < 0) continue;
    if (static_cast<std::size_t>(response.request) >= relayed.size()) continue;
    const auto& request = *entries_[relayed[static_cast<std::size_t>(response.request)]].request;
    if (const auto index = output_index(request)) outputs[*index] = true;
  }
  take_table(below.handles, outputs, !below.opaque.empty() || (last && !requests_->opaque.empty()));

  std::size_t next = 0;  // of entries_: the first that is not in the reply yet
  for (auto response : below.rops) {
    room_ -= std::min<std::uint32_t>(room_, static_cast<std::uint32_t>(response.raw.size()));
    if (response.id == RopId::RopBufferTooSmall) return too_small(response, next, relayed);
    if (response.request >= 0 && static_cast<std::size_t>(response.request) < relayed.size()) {
      const auto entry = relayed[static_cast<std::size_t>(response.request)];
      for (; next < entry; ++next) push(entries_[next]);
      next = std::max(next, entry + 1);
      response.request = static_cast<int>(entries_[entry].request - requests_->rops.data());
    } else {
      response.request = -1;
      if (response.id == RopId::RopNotify && mapped() && !translate_notification(response)) continue;
    }
    out_.rops.push_back(response);
    local_.push_back(false);
  }
  const auto answered = [](const Entry& entry) { return entry.local && entry.answered; };
  const auto first_left = entries_.begin() + static_cast<std::ptrdiff_t>(next);
  const bool locals_left = std::any_of(first_left, entries_.end(), answered);
  if (!below.opaque.empty()) {
    // Somewhere in these bytes are the responses of the rest: ours cannot be put among them.
    if (locals_left || !last) {
      log::warning("module {}: responses after {} cannot be decoded: {}", stage_.link.name, out_.rops.size(), below.problem);
      return fail(mapi::ecRpcFormat);
    }
    out_.opaque = below.opaque;
    out_.problem = below.problem;
  }
  for (; next < entries_.size(); ++next) push(entries_[next]);
  forget_entries();
}

void RopLevel::take_table(const std::vector<std::uint32_t>& below, const std::vector<bool>& outputs, bool all) {
  if (table_.size() < below.size()) table_.resize(std::min(below.size(), max_table), wire::no_handle);
  const auto sent = table_below();
  for (std::size_t i = 0; i < std::min(below.size(), table_.size()); ++i) {
    if (!outputs[i] && (!all || below[i] == sent[i])) continue;
    if (!mapped() || below[i] == wire::no_handle) table_[i] = below[i];
    else table_[i] = map_->add_below(below[i]).value_or(wire::no_handle);
  }
}

bool RopLevel::translate_notification(Response& response) {
  auto* body = response.as<wire::RopNotify>();
  if (body == nullptr) return false;
  const auto above = map_->above_of_below(body->NotificationHandle);
  if (!above) return false;  // of a subscription that the client has released
  auto* edited = call_.arena().make<wire::RopNotify::Response>(*body);
  edited->NotificationHandle = *above;
  response.body = edited;
  if (!response.raw.empty()) {
    // RopId, NotificationHandle: the rest stays as it came.
    auto bytes = call_.arena().copy(std::span<const std::uint8_t>(response.raw.data(), response.raw.size()));
    auto* at = const_cast<std::uint8_t*>(bytes.data());
    std::memcpy(at + 1, &*above, sizeof *above);
    response.raw = bytes;
  }
  return true;
}

// The part below ran out of room: everything from the first ROP that was not executed
// goes back to the client, our own answers among it.
void RopLevel::too_small(Response response, std::size_t next, const std::vector<std::size_t>& relayed) {
  auto* body = response.as<wire::RopBufferTooSmall>();
  const std::size_t returned = body == nullptr ? 0 : body->RequestBuffers.size();
  std::size_t entry = next;
  std::size_t size = 0;
  for (auto i = relayed.rbegin(); i != relayed.rend() && size < returned; ++i) {
    size += encoded_size(*entries_[*i].request);
    if (size == returned) entry = std::max(next, *i);
  }
  for (; next < entry; ++next) push(entries_[next]);
  Bytes requests;
  auto first = entry < entries_.size() ? entries_[entry].request - requests_->rops.data()
                                       : static_cast<std::ptrdiff_t>(requests_->rops.size());
  for (auto i = static_cast<std::size_t>(first); i < requests_->rops.size(); ++i) {
    if (!wire::encode_request(requests_->rops[i], requests)) return fail(mapi::ecBufferTooSmall);
  }
  requests.insert(requests.end(), requests_->opaque.begin(), requests_->opaque.end());
  auto* edited = call_.arena().make<wire::RopBufferTooSmall::Response>();
  edited->SizeNeeded = body != nullptr ? body->SizeNeeded : static_cast<std::uint16_t>(wire::rpc::max_payload);
  edited->RequestBuffers = call_.arena().copy(View(requests));
  response.body = edited;
  response.codec = wire::find_rop(RopId::RopBufferTooSmall);
  response.id = RopId::RopBufferTooSmall;
  response.raw = {};
  response.request = -1;
  out_.rops.push_back(response);
  local_.push_back(false);
  finish(last_part_);
}

void RopLevel::push(const Entry& entry) {
  if (!entry.local || !entry.answered) return;
  out_.rops.push_back(entry.response);
  local_.push_back(true);
}

// The whole part failed. Where parts before it succeeded, a client that was told of failure would send
// them again; of the one failure that invites just that, only the rest is returned.
void RopLevel::fail_like(Call& part) {
  const auto& reply = part.reply();
  std::uint32_t code = 0;
  if (reply.response_code == 0 && reply.body.size() >= 8) std::memcpy(&code, reply.body.data() + 4, 4);
  if (code == mapi::ecBufferTooSmall && parts_ > 1) {
    return too_small({}, 0, {});
  }
  call_.set_reply(part.take_reply());
  done_ = true;
}

void RopLevel::fail(mapi::ErrorCode code) {
  call_.set_reply(error_reply(Operation::Execute, code));
  done_ = true;
}

void RopLevel::finish(const Call* like) {
  out_.handles = table_;
  call_.set_responses(std::move(out_), like);
  done_ = true;
}

// --- Replies ---

Task<Status> RopLevel::reply_phase() {
  const auto wanted = [&](RopId id) { return stage_.rop_replies.test(static_cast<std::size_t>(id)); };
  if (stage_.rop_replies.none()) co_return Status();
  const auto unasked = wanted(RopId::RopNotify) || wanted(RopId::RopPending) || wanted(RopId::RopBackoff) ||
                       wanted(RopId::RopBufferTooSmall);
  const auto any = [&](const Request& request) { return wanted(request.id); };
  if (!unasked && std::none_of(requests_->rops.begin(), requests_->rops.end(), any)) co_return Status();
  auto decoded = call_.responses();
  if (!decoded) co_return Status();  // the call failed as a whole, or cannot be read
  auto& replies = (*decoded)->rops;
  table_ = (*decoded)->handles;
  if (table_.size() > max_table) table_.resize(max_table);
  local_.resize(replies.size());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (local_[i] || !wanted(replies[i].id)) continue;
    Request none;
    none.id = replies[i].id;
    none.codec = replies[i].codec;
    const auto answers = static_cast<std::size_t>(replies[i].request);
    auto& request = replies[i].request >= 0 && answers < requests_->rops.size() ? requests_->rops[answers] : none;
    Seen table = seen();
    RopExchange exchange{request, &replies[i], table.handles, table.own};
    std::function<Task<Verdict>()> hook = [&] { return Chain::as_verdict(stage_.link.module->on_rop_reply(call_, exchange, ahead_)); };
    Chain::Outcome outcome = co_await chain_.supervise(index_, std::move(hook));
    if (!outcome.failed || outcome.verdict != Verdict::refuse) continue;
    call_.mark_reply_edited();
    if (&request == &none) {
      replies.erase(replies.begin() + static_cast<std::ptrdiff_t>(i));
      local_.erase(local_.begin() + static_cast<std::ptrdiff_t>(i));
      --i;
      continue;
    }
    auto refused = head_of(request);
    refused.ReturnValue = mapi::ecError;
    complete(request, refused);
    replies[i] = refused;
  }
  co_return Status();
}

}  // namespace mapigate::chain
