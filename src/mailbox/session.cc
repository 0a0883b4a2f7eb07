#include "mailbox/session.h"

#include <algorithm>

#include "base/log.h"
#include "mailbox/rop_call.h"
#include "mailbox/user_services.h"
#include "mapi/legacy_dn.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::mailbox {

namespace rpc = wire::rpc;
using mapi::ErrorCode;
using wire::RopId;

namespace {

constexpr std::size_t rop_size_field = 2;
constexpr std::size_t too_small_head = 3;   // RopId, SizeNeeded
constexpr std::size_t response_head = 6;    // RopId, handle index, ReturnValue
constexpr std::uint32_t most_to_read = 0x80000000;
// [MS-OXCRPC] 3.1.4.2.1.2: another payload is packed only while this much room is left.
constexpr std::size_t chain_room_rows = 0x8008, chain_room_stream = 0x2008;

Task<std::shared_ptr<OpenMailbox>> open_as_guest(std::shared_ptr<Mailbox> mailbox, SessionOptions options,
                                                 std::shared_ptr<SessionShare> share, std::string guest) {
  co_return OpenMailbox::make(std::move(mailbox), options, std::move(share), std::move(guest));
}

// The handles that a call has made. Those of one that ends without an answer, because it is cut off or fails as a whole, are nobody's.
class MadeHandles {
 public:
  MadeHandles(const RopAnswer& answer, std::vector<std::uint32_t>& nobodys) : answer_(answer), nobodys_(nobodys) {}
  ~MadeHandles() {
    if (answered_) return;
    add();
    nobodys_.insert(nobodys_.end(), made_.begin(), made_.end());
  }
  MadeHandles(const MadeHandles&) = delete;
  void add() { made_.insert(made_.end(), answer_.made.begin(), answer_.made.end()); }  // of the ROP that was answered last
  void answered() { answered_ = true; }

 private:
  const RopAnswer& answer_;
  std::vector<std::uint32_t>& nobodys_;
  std::vector<std::uint32_t> made_;
  bool answered_ = false;
};

void append_pending(Bytes& rops, std::size_t limit, std::uint16_t session_index) {
  wire::RopPending::Response body;
  body.SessionIndex = session_index;
  wire::RopResponse response;
  response.id = RopId::RopPending;
  response.codec = wire::find_rop(RopId::RopPending);
  response.body = &body;
  Bytes bytes;
  if (wire::encode_response(response, bytes, {}) && rops.size() + bytes.size() <= limit)
    rops.insert(rops.end(), bytes.begin(), bytes.end());
}

}  // namespace

Session::Session(std::shared_ptr<Mailbox> mailbox, SessionOptions options) {
  open_.push_back(OpenMailbox::make(std::move(mailbox), options, share_, {}));
}
Session::~Session() = default;

Task<ExecuteResult> Session::execute(const wire::RopRequestBuffer& requests, std::uint32_t flags, std::size_t max_rop_out,
                                     Arena& arena) {
  auto turn = co_await turn_.lock(std::chrono::minutes(5));
  if (!turn) co_return ExecuteResult{mapi::ecTimeout, {}};
  auto using_it = mailbox().use();
  if (!nobodys_.empty()) {
    co_await release(nobodys_);
    nobodys_.clear();
  }
  co_await close_forbidden();
  co_return co_await run(requests, flags, max_rop_out, arena);
}

// -- mailboxes

bool Session::may_open(const std::string& owner) {
  const auto& context = mailbox().context();
  return context.services != nullptr && !context.options.elsewhere.contains(owner) &&
         context.services->may_open(own().owner(), owner);
}

Task<> Session::close_forbidden() {
  for (auto i = open_.size(); i-- > 1;) {
    const auto one = open_[i];
    if (may_open(one->owner())) continue;
    log::info("{} may not open the mailbox of {} any more", own().owner(), one->owner());
    auto released = one->release_all();
    co_await io::on(one->mailbox().executor(), std::move(released));
  }
  close_empty();
}

void Session::close_empty() {
  const auto empty = [](const auto& one) { return one->is_guest() && one->is_empty(); };
  open_.erase(std::remove_if(open_.begin(), open_.end(), empty), open_.end());
}

Task<Session::Open> Session::open_other(std::string owner) {
  for (const auto& one : open_)
    if (one->owner() == owner) co_return one;
  auto mailbox = this->mailbox().context().mailbox_of(owner);
  const auto executor = mailbox->executor();
  auto opening = open_as_guest(std::move(mailbox), own().options(), share_, own().owner());
  auto opened = co_await io::on(executor, std::move(opening));
  open_.push_back(opened);
  co_return opened;
}

Task<Session::Open> Session::target_of(const wire::RopRequest& request, const RopAnswer& answer) {
  if (const auto* logon = request.as<wire::RopLogon>()) {
    const auto owner = mapi::address_of_user_dn(logon->essdn());
    const bool wanted = owner && (logon->LogonFlags & wire::RopLogon::Private) && *owner != own().owner();
    if (wanted && may_open(*owner)) co_return co_await open_other(*owner);
    co_return open_.front();
  }
  auto index = request.id == RopId::RopRelease ? std::optional<std::uint8_t>(request.HandleIndex) : input_index(request);
  if (!index || *index >= answer.handles.size()) co_return open_.front();
  const auto holder = share_->handles.find(answer.handles[*index]);
  if (holder == share_->handles.end()) co_return open_.front();
  for (const auto& one : open_)
    if (one.get() == holder->second) co_return one;
  co_return open_.front();
}

Task<> Session::release(std::vector<std::uint32_t> handles) {
  for (const auto& one : open_) {
    auto released = one->release_handles(handles);
    co_await io::on(one->mailbox().executor(), std::move(released));
  }
}

// -- the loop

Task<ErrorCode> Session::answer(const wire::RopRequest& request, RopAnswer& answer, std::size_t budget, bool packed) {
  const auto target = co_await target_of(request, answer);
  auto answering = target->answer(request, answer, budget, packed);
  const auto code = co_await io::on(target->mailbox().executor(), std::move(answering));
  if (request.id == RopId::RopLogon && code == mapi::ecNone) {
    // The id may have stood for a logon to another mailbox.
    for (const auto& one : open_) {
      if (one == target) continue;
      auto released = one->release_logon_id(request.LogonId);
      co_await io::on(one->mailbox().executor(), std::move(released));
    }
  }
  co_return code;
}

Task<ExecuteResult> Session::run(const wire::RopRequestBuffer& requests, std::uint32_t flags, std::size_t max_rop_out,
                                 Arena& arena) {
  // A list that cannot be told apart fails as a whole ([MS-OXCROPS] 3.2.5.1); so does one with a reserved RopId.
  if (!requests.opaque.empty()) {
    log::info("mailbox: Execute refused: {}", requests.problem);
    co_return ExecuteResult{mapi::ecRpcFormat, {}};
  }
  // [MS-OXCROPS] 2.2.9.2.1: so much to read at once fails the call.
  for (const auto& request : requests.rops)
    if (const auto* read = request.as<wire::RopReadStream>(); read && read->wanted() > most_to_read)
      co_return ExecuteResult{mapi::ecRpcFormat, {}};
  constexpr std::size_t most_room = rpc::header_ext_size + rpc::max_payload;
  const auto room = std::min(max_rop_out, most_room);
  // The requests as bytes, for RopBufferTooSmall; one that a module edited has none of its own.
  std::vector<View> raws;
  std::size_t remaining = 0;  // bytes of the requests not yet answered
  for (const auto& request : requests.rops) {
    Bytes encoded;
    if (request.raw.empty() && !wire::encode_request(request, encoded)) co_return ExecuteResult{mapi::ecRpcFormat, {}};
    raws.push_back(request.raw.empty() ? arena.copy(View(encoded)) : request.raw);
    remaining += raws.back().size();
  }
  RopAnswer answer(arena);
  answer.handles = requests.handles;
  MadeHandles made(answer, nobodys_);
  const auto overhead = [&] { return rpc::header_ext_size + rop_size_field + answer.handles.size() * 4; };
  // What is not answered must at least fit into a RopBufferTooSmall.
  if (room < overhead() + too_small_head + remaining) co_return ExecuteResult{mapi::ecBufferTooSmall, {}};

  Bytes rops;
  const bool packed = (flags & rpc::Chain) != 0;
  bool cut = false;
  for (std::size_t i = 0; i < requests.rops.size(); ++i) {
    const auto& request = requests.rops[i];
    const auto after = remaining - raws[i].size();
    const auto fallback = after == 0 ? 0 : too_small_head + after;
    const auto used = overhead() + rops.size() + fallback;
    const auto budget = room > used + response_head ? room - used - response_head : 0;
    const bool last = i + 1 == requests.rops.size();
    answer.bytes.clear();
    made.add();
    answer.made.clear();
    answer.left = 0;
    answer.too_small = false;
    answer.first = rops.empty();
    const auto handles_before = answer.handles;
    co_await this->answer(request, answer, budget, packed && last);
    const bool fits = !answer.too_small && overhead() + rops.size() + answer.bytes.size() + fallback <= room;
    if (!fits) {
      co_await release(answer.made);
      answer.handles = handles_before;
      // A client that came back with the same would never get on ([MS-OXCROPS] 3.2.4.3).
      if (i == 0 && room == most_room) co_return ExecuteResult{mapi::ecBufferTooSmall, {}};
      wire::RopBufferTooSmall::Response small;
      // All the room there is would do; more is not allowed in one payload.
      small.SizeNeeded = 0x8000;
      Bytes rest;
      for (auto j = i; j < raws.size(); ++j) rest.insert(rest.end(), raws[j].begin(), raws[j].end());
      small.RequestBuffers = rest;
      wire::RopResponse response;
      response.id = RopId::RopBufferTooSmall;
      response.codec = wire::find_rop(RopId::RopBufferTooSmall);
      response.body = &small;
      if (auto status = wire::encode_response(response, rops, {}); !status) co_return ExecuteResult{mapi::ecBufferTooSmall, {}};
      cut = true;
      break;
    }
    rops.insert(rops.end(), answer.bytes.begin(), answer.bytes.end());
    remaining = after;
  }
  for (const auto& one : open_) {
    auto told = one->tell_tables();
    co_await io::on(one->mailbox().executor(), std::move(told));
  }
  // Row P16: also after a buffer that only releases. Before RopBufferTooSmall nothing may follow.
  if (!cut && answer.left == 0) {
    const auto limit = room > overhead() ? room - overhead() : 0;
    for (const auto& one : open_) {
      auto appended = one->append_events(&rops, limit);
      co_await io::on(one->mailbox().executor(), std::move(appended));
    }
    if (has_events()) append_pending(rops, limit, own().options().index);
  }
  close_empty();

  ExecuteResult result;
  const auto finish = [&](const Bytes& list) {
    Bytes payload;
    Output out(payload);
    out.scalar(static_cast<std::uint16_t>(list.size() + rop_size_field));
    out.bytes(list);
    for (const auto handle : answer.handles) out.scalar(handle);
    return payload;
  };
  result.payloads.push_back(finish(rops));
  if (!cut && packed && answer.left > 0) {
    const auto used = rpc::header_ext_size + result.payloads[0].size();
    const auto& request = requests.rops.back();
    (void)co_await chain_more(request, answer, max_rop_out, used, result.payloads);
  }
  made.answered();
  co_return result;
}

// Further payloads for the last ROP, as if the client had sent it again ([MS-OXCRPC] 3.1.4.2.1.2.1).
Task<Status> Session::chain_more(const wire::RopRequest& request, RopAnswer& last, std::size_t max_rop_out, std::size_t used,
                                 std::vector<Bytes>& payloads) {
  const auto room_needed = request.id == RopId::RopQueryRows ? chain_room_rows : chain_room_stream;
  while (last.left > 0 && payloads.size() < rpc::max_chained_payloads && used + room_needed <= max_rop_out) {
    auto again = request;
    wire::RopQueryRows::Request rows;
    if (const auto* query = request.as<wire::RopQueryRows>()) {
      rows = *query;
      rows.RowCount = static_cast<std::uint16_t>(last.left);
      again.body = &rows;
    }
    wire::RopReadStream::Request stream;
    if (request.as<wire::RopReadStream>()) {
      stream.ByteCount = wire::size_follows;
      stream.MaximumByteCount = last.left;
      again.body = &stream;
    }
    const auto overhead = rpc::header_ext_size + rop_size_field + last.handles.size() * 4;
    const auto room = std::min<std::size_t>(max_rop_out - used, rpc::header_ext_size + rpc::max_payload);
    last.bytes.clear();
    last.left = 0;
    last.first = true;
    const auto budget = room > overhead + response_head ? room - overhead - response_head : 0;
    const auto code = co_await answer(again, last, budget, true);
    if (code != mapi::ecNone || last.too_small || overhead + last.bytes.size() > room) break;
    Bytes payload;
    Output out(payload);
    out.scalar(static_cast<std::uint16_t>(last.bytes.size() + rop_size_field));
    out.bytes(last.bytes);
    for (const auto handle : last.handles) out.scalar(handle);
    used += rpc::header_ext_size + payload.size();
    payloads.push_back(std::move(payload));
  }
  co_return Status{};
}

// -- events

bool Session::has_events() const {
  return std::any_of(open_.begin(), open_.end(), [](const auto& one) { return one->has_events(); });
}

Task<bool> Session::wait_for_event(Duration limit) {
  const auto end = Clock::now() + limit;
  for (;;) {
    // Events that were taken, or released with their objects, have left it set. Reset before looking: those of other
    // executors come at any time.
    share_->wake.reset();
    if (has_events()) co_return true;
    const auto now = Clock::now();
    if (now >= end || closed_) co_return false;
    for (const auto& one : open_) {
      if (!one->is_guest()) one->keep_fresh();
      else io::post(one->mailbox().executor(), [one] { one->keep_fresh(); });
    }
    auto event = share_->wake;
    const auto slice = std::min<Duration>(end - now, mailbox().context().options.refresh_interval / 2);
    co_await event.wait_for(std::max<Duration>(slice, std::chrono::milliseconds(10)));
  }
}

void Session::close() {
  closed_ = true;
  share_->wake.set();
}

}  // namespace mapigate::mailbox
