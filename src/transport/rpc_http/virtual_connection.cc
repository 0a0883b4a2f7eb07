#include "transport/rpc_http/virtual_connection.h"

#include <algorithm>

#include "base/log.h"
#include "io/runtime.h"

namespace mapigate::transport::rpc_http {

namespace {

// Bytes of the server's that wait for the OUT channel; then the server waits.
constexpr std::size_t most_queued = 32 * 1024;
constexpr std::size_t one_read = 16 * 1024;
// Bytes that leave in one write.
constexpr std::size_t most_at_once = 64 * 1024;

std::uint32_t milliseconds(Duration duration) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

}  // namespace

VirtualConnection::VirtualConnection(RpcHttp& owner, const rts::RtsCookie& cookie, RpcPeer peer, std::uint16_t port)
    : owner_(owner), cookie_(cookie), peer_(std::move(peer)), port_(port) {}

void VirtualConnection::wake_out() {
  if (out_) out_->wake.set();
  if (next_out_) next_out_->wake.set();
}

void VirtualConnection::control(Bytes pdu) {
  control_.insert(control_.end(), pdu.begin(), pdu.end());
  wake_out();
}

void VirtualConnection::establish() {
  if (established_ || in_ == nullptr || out_ == nullptr) return;
  established_ = true;
  control(rts::write(rts::Kind::conn_c,
                     {rts::version(), rts::receive_window_size(options().window), rts::connection_timeout(milliseconds(options().timeout))}));
  log::debug("RPC over HTTP: {} from {} is connected to port {}", peer_.identity->user, peer_.address, port_);
}

Status VirtualConnection::add_out(std::shared_ptr<OutChannel> channel) {
  const std::lock_guard lock(mutex_);
  if (ended_) return error(Errc::cancelled, "the connection has ended");
  if (out_ != nullptr) return error(Errc::conflict, "there is an OUT channel already");
  out_ = std::move(channel);
  control(rts::write(rts::Kind::conn_a3, {rts::connection_timeout(milliseconds(options().timeout))}));
  establish();
  return {};
}

Status VirtualConnection::add_in(std::shared_ptr<InChannel> channel, std::uint32_t keepalive, io::Executor executor) {
  const std::lock_guard lock(mutex_);
  if (ended_) return error(Errc::cancelled, "the connection has ended");
  if (in_ != nullptr) return error(Errc::conflict, "there is an IN channel already");
  const auto descriptor = owner_.server().connect(port_, peer_);
  if (!descriptor) return descriptor.error();
  pipe_ = std::make_shared<Pipe>(executor, *descriptor);
  in_ = std::move(channel);
  keepalive_ = keepalive;
  establish();
  io::spawn(executor, read_server(shared_from_this(), pipe_));
  return {};
}

void VirtualConnection::join(const chain::Identity& identity) const {
  const auto& first = peer_.identity->pinned;
  if (first != nullptr && identity.pinned != nullptr && identity.pinned != first) first->join(identity.pinned);
}

bool VirtualConnection::want_channel() {
  const std::lock_guard lock(mutex_);
  if (ended_ || !established_) return false;
  if (out_->recycling) return true;  // it is on its way
  out_->recycling = true;
  control(rts::write(rts::Kind::out_r_a2, {rts::destination(rts::FDClient)}));
  return true;
}

bool VirtualConnection::established() const {
  const std::lock_guard lock(mutex_);
  return established_;
}

Status VirtualConnection::add_in_successor(std::shared_ptr<InChannel> channel, const rts::RtsCookie& predecessor) {
  const std::lock_guard lock(mutex_);
  if (ended_ || !established_ || in_->cookie != predecessor) return error(Errc::not_found, "there is no such IN channel to replace");
  if (next_in_ != nullptr) return error(Errc::conflict, "the IN channel is being replaced already");
  next_in_ = std::move(channel);
  control(rts::write(rts::Kind::in_r2_a4, {rts::destination(rts::FDClient)}));
  return {};
}

Status VirtualConnection::add_out_successor(std::shared_ptr<OutChannel> channel, const rts::RtsCookie& predecessor) {
  const std::lock_guard lock(mutex_);
  if (ended_ || !established_ || out_->cookie != predecessor) return error(Errc::not_found, "there is no such OUT channel to replace");
  if (next_out_ != nullptr || !out_->recycling) return error(Errc::conflict, "nobody asked for another OUT channel");
  next_out_ = std::move(channel);
  control(rts::write(rts::Kind::out_r2_a6, {rts::destination(rts::FDClient), rts::ance()}));
  return {};
}

bool VirtualConnection::is_default(const InChannel& channel) const {
  const std::lock_guard lock(mutex_);
  return in_.get() == &channel;
}

bool VirtualConnection::is_default(const OutChannel& channel) const {
  const std::lock_guard lock(mutex_);
  return out_.get() == &channel;
}

// Half a window of unconfirmed bytes is when the client hears that they were taken ([MS-RPCH] 3.2.1.4.1.1).
Bytes VirtualConnection::acknowledge(InChannel& channel) {
  if (channel.received - channel.acknowledged < options().window / 2) return {};
  channel.acknowledged = channel.received;
  return rts::write(rts::Kind::flow_control_ack_with_destination,
                    {rts::destination(rts::FDClient), rts::flow_control_ack(channel.received, options().window, channel.cookie)});
}

io::Task<Status> VirtualConnection::receive(std::shared_ptr<InChannel> channel, View pdu) {
  const auto head = rts::read_pdu_head(pdu);
  if (!head) co_return head.error();
  if (head->is_rts()) co_return on_rts(*channel, pdu);
  std::shared_ptr<Pipe> pipe;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) co_return error(Errc::cancelled, "the connection has ended");
    if (!established_ || in_ != channel || channel->finished) co_return error(Errc::malformed, "a PDU before the channel was in use, or after");
    pipe = pipe_;
  }
  const auto written = co_await pipe->write(pdu, options().timeout);
  if (!written) co_return written;
  const std::lock_guard lock(mutex_);
  channel->received += static_cast<std::uint32_t>(pdu.size());
  if (auto ack = acknowledge(*channel); !ack.empty()) control(std::move(ack));
  co_return Status();
}

void VirtualConnection::on_ack(const rts::Command& ack) {
  for (auto* channel : {out_.get(), next_out_.get()}) {
    if (channel == nullptr || channel->cookie != ack.Cookie) continue;
    const std::uint32_t on_the_way = channel->sent - ack.BytesReceived;
    const auto available = static_cast<std::int64_t>(ack.AvailableWindow) - on_the_way;
    // An older one that was overtaken, or nonsense.
    if (ack.AvailableWindow > channel->window || available < 0) continue;
    channel->available = available;
    channel->wake.set();
  }
}

Status VirtualConnection::on_rts(InChannel& channel, View bytes) {
  Arena arena;
  const auto pdu = rts::read(bytes, arena);
  if (!pdu) return pdu.error();
  const auto kind = rts::kind_of(*pdu);
  if (!kind) return error(Errc::malformed, "an RTS PDU with flags {:#x} and {} commands", pdu->Flags, pdu->NumberOfCommands);
  const std::lock_guard lock(mutex_);
  switch (*kind) {
    case rts::Kind::ping:
    case rts::Kind::ping_traffic_sent_notify: return {};
    case rts::Kind::keep_alive: keepalive_ = pdu->Commands[0].Value; return {};
    case rts::Kind::flow_control_ack: on_ack(pdu->Commands[0]); return {};
    case rts::Kind::flow_control_ack_with_destination: on_ack(pdu->Commands[1]); return {};
    case rts::Kind::in_r_a5:
      // The last of the predecessor: what comes by the successor counts from here.
      if (in_.get() != &channel || next_in_ == nullptr || next_in_->cookie != pdu->Commands[0].Cookie)
        return error(Errc::malformed, "{} for a channel that is no successor", rts::name_of(*kind));
      channel.finished = true;
      in_ = std::move(next_in_);
      next_in_ = nullptr;
      in_->wake.set();
      owner_.in_recycled().add();
      return {};
    case rts::Kind::out_r_a7:
      if (next_out_ == nullptr || next_out_->cookie != pdu->Commands[1].Cookie)
        return error(Errc::malformed, "{} for a channel that is no successor", rts::name_of(*kind));
      out_acknowledged_ = true;
      wake_out();
      return {};
    default: return error(Errc::malformed, "{} has no place on an IN channel in use", rts::name_of(*kind));
  }
}

VirtualConnection::Batch VirtualConnection::take(OutChannel& channel) {
  Batch batch;
  const std::lock_guard lock(mutex_);
  if (ended_ || channel.finished) {
    batch.finished = true;
    return batch;
  }
  batch.in_use = out_.get() == &channel;
  if (!batch.in_use) return batch;
  batch.bytes.swap(control_);
  if (out_acknowledged_ && next_out_ != nullptr) {
    // What is queued goes by the successor: after this the client reads there.
    const auto last = rts::write(rts::Kind::out_r2_b3, {rts::ance()});
    batch.bytes.insert(batch.bytes.end(), last.begin(), last.end());
    channel.finished = true;
    out_ = std::move(next_out_);
    next_out_ = nullptr;
    out_acknowledged_ = false;
    out_->wake.set();
    owner_.out_recycled().add();
    return batch;
  }
  // An answer that no window would ever hold goes when the window is open to its end.
  while (!queue_.empty() && batch.bytes.size() < most_at_once) {
    const auto size = queue_.front().size();
    const bool fits = static_cast<std::int64_t>(size) <= channel.available || channel.available == channel.window;
    if (!fits || channel.total + batch.bytes.size() + size > options().lifetime) break;
    batch.bytes.insert(batch.bytes.end(), queue_.front().begin(), queue_.front().end());
    queue_.pop_front();
    queued_ -= size;
    channel.available -= static_cast<std::int64_t>(size);
    channel.sent += static_cast<std::uint32_t>(size);
  }
  if (queued_ < most_queued) room_.set();
  channel.total += batch.bytes.size();
  // Early enough for the successor to be there before the last byte is used.
  if (!channel.recycling && channel.total > options().lifetime - std::min(options().lifetime / 4, 1u << 20)) {
    channel.recycling = true;
    const auto ask = rts::write(rts::Kind::out_r_a2, {rts::destination(rts::FDClient)});
    batch.bytes.insert(batch.bytes.end(), ask.begin(), ask.end());
    channel.total += ask.size();
  }
  batch.finished = server_gone_ && queue_.empty() && batch.bytes.empty();
  return batch;
}

void VirtualConnection::count_ping(OutChannel& channel) {
  const std::lock_guard lock(mutex_);
  channel.total += rts::header_size;
}

// Half of what the client wants ([MS-RPCH] 3.2.1.2.1); 0 means five minutes, and a minute is the least.
Duration VirtualConnection::ping_interval() const {
  const std::lock_guard lock(mutex_);
  const std::chrono::milliseconds wanted(keepalive_ == 0 ? 300'000 : std::max<std::uint32_t>(keepalive_, 60'000));
  return std::min<Duration>(wanted, options().keepalive) / 2;
}

io::Task<> VirtualConnection::read_server(std::shared_ptr<VirtualConnection> self, std::shared_ptr<Pipe> pipe) {
  Bytes buffer;
  for (;;) {
    const auto got = co_await pipe->read(buffer, one_read);
    if (!got || *got == 0) break;
    std::size_t at = 0;
    bool sound = true;
    bool full = false;
    {
      const std::lock_guard lock(self->mutex_);
      while (sound && buffer.size() - at >= rts::pdu_head_size) {
        const auto head = rts::read_pdu_head(View(buffer).subspan(at));
        sound = head.has_value();
        if (!sound || buffer.size() - at < head->frag_length) break;
        self->queue_.emplace_back(buffer.begin() + static_cast<std::ptrdiff_t>(at), buffer.begin() + static_cast<std::ptrdiff_t>(at + head->frag_length));
        self->queued_ += head->frag_length;
        at += head->frag_length;
      }
      self->room_.reset();
      full = self->queued_ >= most_queued && !self->ended_;
      if (at > 0) self->wake_out();
    }
    if (!sound) break;
    if (at == buffer.size()) Bytes().swap(buffer);
    else buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(at));
    if (!full) continue;
    // A client that takes nothing for so long has gone or is stuck.
    const auto room = co_await self->room_.wait_for(2 * self->options().timeout);
    if (!room) {
      self->end("the client takes no answers");
      co_return;
    }
  }
  const std::lock_guard lock(self->mutex_);
  self->server_gone_ = true;
  self->wake_out();
}

void VirtualConnection::end(std::string_view why) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    log::debug("RPC over HTTP: the connection of {} from {} ends: {}", peer_.identity->user, peer_.address, why);
    if (pipe_) pipe_->shut_down();
    queue_.clear();
    queued_ = 0;
    room_.set();
    wake_out();
    if (next_in_) next_in_->wake.set();
    for (const auto& one : {in_, next_in_})
      if (one) one->abort();
    for (const auto& one : {out_, next_out_})
      if (one) one->abort();
  }
  owner_.forget(cookie_);
  if (peer_.identity->pinned != nullptr) peer_.identity->pinned->close();
}

bool VirtualConnection::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

}  // namespace mapigate::transport::rpc_http
