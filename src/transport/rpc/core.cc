#include "transport/rpc/core.h"

#include <openssl/rand.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>

#include "base/log.h"
#include "io/runtime.h"
#include "transport/gateway.h"

namespace mapigate::transport::rpc {

Inbox::Inbox() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}
Inbox::~Inbox() { ::close(descriptor_); }

void Inbox::post(std::function<void()> what) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    waiting_.push_back(std::move(what));
  }
  const std::uint64_t one = 1;
  (void)!write(descriptor_, &one, sizeof one);  // full means that it is readable already
}

void Inbox::run_all() {
  std::uint64_t count = 0;
  (void)!read(descriptor_, &count, sizeof count);
  std::vector<std::function<void()>> now;
  {
    const std::lock_guard lock(mutex_);
    now.swap(waiting_);
  }
  for (auto& one : now) one();
}

void Inbox::close() {
  std::vector<std::function<void()>> dropped;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  dropped.swap(waiting_);
}

Group::~Group() {
  for (const auto& [id, handle] : handles_) run_down_(*handle);
}

Result<ndr::ContextHandle> Group::add(std::shared_ptr<Handle> handle) {
  if (handles_.size() >= most) return error(Errc::limit, "association group {} holds {} context handles: the limit", id_, most);
  ndr::ContextHandle wire;
  if (RAND_bytes(wire.uuid.bytes.data(), static_cast<int>(wire.uuid.bytes.size())) != 1)
    return error(Errc::internal, "no random numbers to be had");
  handles_.emplace(wire.uuid, std::move(handle));
  return wire;
}

std::shared_ptr<Handle> Group::find(const ndr::ContextHandle& wire, Handle::Kind kind, const Caller& caller) const {
  if (wire.attributes != 0) return nullptr;
  const auto found = handles_.find(wire.uuid);
  if (found == handles_.end()) return nullptr;
  const auto& handle = found->second;
  return handle->kind == kind && handle->user == caller.user && caller.level >= handle->level ? handle : nullptr;
}

void Group::remove_session(const std::string& session_key) {
  std::erase_if(handles_, [&](const auto& one) { return one.second->session_key == session_key; });
}

chain::ClientInfo client_of(const Caller& caller) {
  chain::ClientInfo client;
  client.application = "DCE/RPC";
  client.peer = caller.peer;
  if (caller.identity != nullptr && caller.identity->user == caller.user) client.pinned = caller.identity->pinned;
  return client;
}

std::shared_ptr<SessionContext> new_session(Gateway& gateway, const Caller& caller, chain::Interface interface) {
  const auto route = gateway.route(caller.user);
  if (!route) return nullptr;
  auto identity = std::make_shared<chain::Identity>();
  identity->user = caller.user;
  if (caller.identity != nullptr && caller.identity->user == caller.user) *identity = *caller.identity;
  if (caller.ticket != nullptr) identity->ticket = caller.ticket;
  auto context = std::make_shared<SessionContext>();
  context->context = random_token();
  context->session = std::make_unique<chain::Session>(gateway.sessions().next_id(), interface, std::move(identity), route->chain,
                                                      gateway.executor_of(caller.user));
  return context;
}

namespace {

// The first eight bytes of a success body are StatusCode and ErrorCode; see mapi_http.cc.
bool opened(const Result<chain::Reply>& result) {
  if (!result || result->response_code != 0) return false;
  Cursor cursor(result->body);
  const auto status = cursor.scalar<std::uint32_t>();
  const auto code = cursor.scalar<std::uint32_t>();
  return cursor.ok() && status == 0 && code == mapi::ecNone;
}

struct Job {
  std::shared_ptr<Inbox> inbox;
  std::shared_ptr<SessionContext> context;
  std::unique_ptr<chain::Call> call;
  std::shared_ptr<io::Mutex> turn;
  Duration limit;
  bool opening;
  std::function<void(Result<chain::Reply>)> done;
};

io::Task<Result<chain::Reply>> run_chain(chain::Call* call) { return call->session().chain().run(*call); }

io::Task<Result<chain::Reply>> in_turn(Job* job) {
  io::Mutex::Lock lock;
  if (job->turn != nullptr) {
    auto locked = co_await job->turn->lock(job->limit);
    if (!locked) co_return locked.error();
    lock = std::move(*locked);
  }
  auto task = run_chain(job->call.get());
  auto result = co_await io::with_deadline(job->limit, std::move(task));
  co_return result;
}

// On the executor of the call and its session, which go there, before the answer does.
void finish(Gateway& gateway, Job job, Result<chain::Reply> result) {
  if (!result && result.error().code == Errc::internal)
    log::error("{} for {}: {}", chain::to_string(job.call->operation()), job.context->session->identity().user, result.error().message);
  --job.context->requests;
  job.context->touch();
  if (job.opening && opened(result)) {
    if (auto added = gateway.sessions().add(job.context); !added) result = Result<chain::Reply>(added.error());
  }
  auto outcome = std::make_shared<Result<chain::Reply>>(std::move(result));
  job.call.reset();
  job.context.reset();
  job.inbox->post([done = std::move(job.done), outcome] { done(std::move(*outcome)); });
}

}  // namespace

std::function<void()> run_call(Gateway& gateway, std::shared_ptr<Inbox> inbox, std::shared_ptr<SessionContext> context,
                               std::unique_ptr<chain::Call> call, std::shared_ptr<io::Mutex> turn, Duration limit, bool opening,
                               std::function<void(Result<chain::Reply>)> done) {
  const auto executor = context->session->executor();
  ++context->requests;
  context->touch();
  auto job = std::make_shared<Job>(Job{std::move(inbox), std::move(context), std::move(call), std::move(turn), limit, opening, std::move(done)});
  // In its turn the call has its own limit.
  auto task = in_turn(job.get());
  return io::spawn<chain::Reply>(executor, Duration::max(), std::move(task), [&gateway, job](Result<chain::Reply> result) {
    finish(gateway, std::move(*job), std::move(result));
  });
}

}  // namespace mapigate::transport::rpc
