// Logons at the HTTP level: gensec is in the server's thread only.
#include "base/log.h"
#include "io/sync.h"
#include "transport/rpc/server_core.h"

namespace mapigate::transport {

struct HttpLogon {
  TALLOC_CTX* memory = nullptr;
  gensec_security* security = nullptr;
  tevent_req* request = nullptr;  // a message is being looked at
  RpcCore* core = nullptr;
  std::uint64_t id = 0;
  std::function<void(Result<LogonStep>)> done;

  ~HttpLogon() { talloc_free(memory); }
};

namespace {

Error error_of(NTSTATUS status) {
  if (NT_STATUS_EQUAL(status, NT_STATUS_ACCOUNT_LOCKED_OUT)) return error(Errc::limit, "too many wrong passwords");
  if (NT_STATUS_EQUAL(status, NT_STATUS_NO_LOGON_SERVERS)) return error(Errc::unavailable, "the accounts cannot be read");
  return error(Errc::denied, "{:#x}", NT_STATUS_V(status));
}

Result<LogonStep> outcome(HttpLogon& logon, NTSTATUS status, const DATA_BLOB& out) {
  LogonStep step;
  step.token.assign(out.data, out.data + out.length);
  if (NT_STATUS_EQUAL(status, NT_STATUS_MORE_PROCESSING_REQUIRED)) return step;
  if (!NT_STATUS_IS_OK(status)) return error_of(status);
  auth_session_info* info = nullptr;
  status = logon.core->functions.gensec_session_info(logon.security, logon.memory, &info);
  if (!NT_STATUS_IS_OK(status)) return error_of(status);
  step.complete = true;
  if (info->info != nullptr && info->info->authenticated != 0) step.user = info->info->account_name;
  if (!step.user.empty()) step.ticket = logon.core->authentication->take_ticket(*info, step.user, logon.core->events);
  return step;
}

void on_update(tevent_req* request) {
  auto& logon = *static_cast<HttpLogon*>(tevent_req_callback_data_void(request));
  DATA_BLOB out{};
  const auto status = logon.core->functions.gensec_update_recv(request, logon.memory, &out);
  auto step = outcome(logon, status, out);
  logon.request = nullptr;
  auto done = std::move(logon.done);
  // gensec is still on the stack.
  if (!step || step->complete) logon.core->inbox->post([core = logon.core, id = logon.id] { core->logon_end(id); });
  done(std::move(step));
}

class Exchange : public LogonExchange {
 public:
  Exchange(std::shared_ptr<rpc::Inbox> inbox, RpcCore* core, std::uint64_t id, bool spnego, std::string peer)
      : inbox_(std::move(inbox)), core_(core), id_(id), spnego_(spnego), peer_(std::move(peer)) {}
  ~Exchange() override {
    inbox_->post([core = core_, id = id_] { core->logon_end(id); });
  }

  io::Task<Result<LogonStep>> step(Bytes token) override {
    struct Shared {
      io::Event done;
      std::optional<Result<LogonStep>> result;
    };
    auto shared = std::make_shared<Shared>();
    inbox_->post([core = core_, id = id_, spnego = spnego_, peer = peer_, token = std::move(token), shared]() mutable {
      core->logon_step(id, spnego, peer, std::move(token), [shared](Result<LogonStep> result) {
        shared->result.emplace(std::move(result));
        shared->done.set();
      });
    });
    const auto done = co_await shared->done.wait_for(std::chrono::seconds(30));
    if (!done) co_return error(Errc::unavailable, "nobody looked at the logon in time");
    co_return std::move(*shared->result);
  }

 private:
  std::shared_ptr<rpc::Inbox> inbox_;  // closed when the server has stopped
  RpcCore* core_;
  std::uint64_t id_;
  bool spnego_;
  std::string peer_;
};

}  // namespace

RpcCore::RpcCore(Gateway& g, RpcOptions o)
    : gateway(g),
      options(std::move(o)),
      connection_count(g.metrics().gauge("mapigate_rpc_connections", "DCE/RPC connections in being")),
      call_count(g.metrics().counter("mapigate_rpc_calls_total", "DCE/RPC calls")),
      fault_count(g.metrics().counter("mapigate_rpc_faults_total", "DCE/RPC calls that ended in a fault")),
      orphan_count(g.metrics().counter("mapigate_rpc_orphans_total", "DCE/RPC calls whose client went away meanwhile")) {}
RpcCore::~RpcCore() = default;

void RpcCore::logon_step(std::uint64_t id, bool spnego, const std::string& peer, Bytes token, std::function<void(Result<LogonStep>)> done) {
  auto& logon = logons[id];
  if (logon == nullptr) {
    logon = std::make_unique<HttpLogon>();
    logon->core = this;
    logon->id = id;
    logon->memory = talloc_named_const(memory, 0, "logon");
    const auto begun = authentication->begin(logon->memory, events, peer, spnego, &logon->security);
    if (!NT_STATUS_IS_OK(begun)) {
      logons.erase(id);
      done(error(Errc::internal, "gensec does not start: {:#x}", NT_STATUS_V(begun)));
      return;
    }
  }
  if (logon->request != nullptr) {
    done(error(Errc::denied, "a message before the answer to the one before"));
    return;
  }
  logon->done = std::move(done);
  auto* copy = static_cast<std::uint8_t*>(talloc_memdup(logon->memory, token.data(), token.size()));
  logon->request = functions.gensec_update_send(logon->memory, events, logon->security, DATA_BLOB{copy, token.size()});
  if (logon->request == nullptr) {
    auto failed = std::move(logon->done);
    logons.erase(id);
    failed(error(Errc::internal, "no memory"));
    return;
  }
  tevent_req_set_callback(logon->request, on_update, logon.get());
}

void RpcCore::logon_end(std::uint64_t id) { logons.erase(id); }

std::shared_ptr<LogonExchange> RpcCore::begin_logon(AuthScheme scheme, std::string peer) {
  return std::make_shared<Exchange>(inbox, this, ++last_logon, scheme == AuthScheme::negotiate, std::move(peer));
}

}  // namespace mapigate::transport
