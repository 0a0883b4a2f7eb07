#include "upstream/pinned_http.h"

#include "base/log.h"
#include "base/text.h"
#include "io/runtime.h"
#include "io/sync.h"
#include "wire/mapihttp/headers.h"

namespace mapigate::upstream {

// Its connection belongs to an executor of its own, wherever its users are; they take turns.
class PinnedHttp final : public chain::PinnedConnection,
                         public HttpIdentity,
                         public LoggedOnConnection,
                         public std::enable_shared_from_this<PinnedHttp> {
 public:
  PinnedHttp(std::shared_ptr<PinnedConnections> owner, std::string scheme, std::function<void()> close_client)
      : owner_(std::move(owner)),
        scheme_(std::move(scheme)),
        close_client_(std::move(close_client)),
        executor_(owner_->runtime_.make_strand()) {}
  ~PinnedHttp() override {
    if (leads_) rpc_->close();
    --owner_->count_;
    owner_->gauge_.add(-1);
  }

  const PinnedConnections* owner() const { return owner_.get(); }
  const io::Executor& executor() const { return executor_; }

  Task<Result<Step>> step(Bytes token) override {
    auto task = io::on(executor_, advance(std::move(token)));
    auto outcome = co_await std::move(task);
    co_return outcome;
  }

  Task<bool> is_alive() override {
    auto task = io::on(executor_, look());
    const auto alive = co_await std::move(task);
    co_return alive;
  }

  void close() override {
    if (options().rpc) rpc()->close();
    io::post(executor_, [self = shared_from_this()] {
      if (self->connection_ != nullptr) self->connection_->close();
    });
  }

  void lead(std::function<bool()> ask) override {
    if (!options().rpc) return;
    leads_ = true;
    const auto own = rpc();
    own->lead(std::move(ask));
    own->add(weak_from_this());
  }
  void join(std::shared_ptr<chain::PinnedConnection> other) override {
    const auto one = std::dynamic_pointer_cast<PinnedHttp>(other);
    if (!options().rpc || one == nullptr || one.get() == this || one->owner() != owner() || one->rpc()->is_led()) return;
    const auto own = rpc();
    {
      const std::lock_guard lock(one->mutex_);
      one->rpc_ = own;
    }
    own->add(one);
  }
  std::shared_ptr<PinnedRpc> rpc() const {
    const std::lock_guard lock(mutex_);
    return rpc_;
  }
  Task<Result<std::unique_ptr<io::Stream>>> give(io::Executor to) override {
    auto task = io::on(executor_, part_with(std::move(to)));
    auto stream = co_await std::move(task);
    co_return stream;
  }

  Task<Result<io::HttpResponse>> request(io::HttpRequest request, io::RequestOptions limits) override {
    auto task = io::on(executor_, ask(std::move(request), limits));
    auto response = co_await std::move(task);
    co_return response;
  }

  Task<Result<std::unique_ptr<HttpAnswer>>> open(io::HttpRequest request, io::RequestOptions limits) override {
    auto answer = std::make_unique<Answer>(shared_from_this());
    auto task = io::on(executor_, begin(std::move(request), limits, answer.get()));
    auto begun = co_await std::move(task);
    if (!begun) co_return begun.error();
    std::unique_ptr<HttpAnswer> made = std::move(answer);
    co_return made;
  }

  // Until it ends, or nobody holds it.
  static Task<> watch(std::weak_ptr<PinnedHttp> weak) {
    for (;;) {
      co_await io::sleep_for(std::chrono::seconds(2));
      const auto self = weak.lock();
      if (self == nullptr) co_return;
      const auto goes_on = co_await self->look_after();
      if (goes_on) continue;
      self->close_client_();
      co_return;
    }
  }

 private:
  const PinOptions& options() const { return owner_->options_; }

  // The connection is its own until the body has been read to its end; who leaves before ends the connection.
  struct Answer final : HttpAnswer {
    explicit Answer(std::shared_ptr<PinnedHttp> pinned) : owner(std::move(pinned)), turn(std::make_shared<io::Mutex::Lock>()) {}
    ~Answer() override {
      io::post(owner->executor_, [owner = owner, turn = std::move(turn)] {
        if (*turn && owner->connection_ != nullptr) owner->connection_->close();
      });
    }
    Task<Result<View>> read(Duration inter_byte) override {
      auto task = io::on(owner->executor_, owner->next_piece(inter_byte, turn));
      auto piece = co_await std::move(task);
      co_return piece;
    }
    const std::shared_ptr<PinnedHttp> owner;
    std::shared_ptr<io::Mutex::Lock> turn;  // held until the end of the body; used on the owner's executor
  };

  // On executor_ from here on.
  bool has_connection() const { return complete_ && !forgotten_ && connection_ != nullptr && connection_->is_open(); }
  bool is_quiet() const { return has_connection() && (turn_.locked() || connection_->stream().is_quiet()); }
  bool usable() const {
    const auto carried = rpc();
    return carried->is_begun() ? !carried->is_ended() : is_quiet();
  }
  Task<bool> look() { co_return usable(); }

  io::HttpRequest ping() const {
    io::HttpRequest request;
    request.url = options().place;
    if (options().rpc) {
      request.method = "RPC_IN_DATA";
      request.headers.add("Accept", "application/rpc");
      request.headers.add("User-Agent", "MSRPC");
      request.headers.add("Content-Length", "0");
      request.headers.add("Connection", "Keep-Alive");
      return request;
    }
    request.method = "POST";
    request.headers.add("Content-Type", wire::mapihttp::content_type);
    request.headers.add(wire::mapihttp::header::RequestType, "PING");
    request.headers.add(wire::mapihttp::header::RequestId, "{00000000-0000-0000-0000-000000000000}:1");
    request.headers.add(wire::mapihttp::header::ClientInfo, "mapigate");
    request.headers.add(wire::mapihttp::header::ClientApplication, "mapigate/0.1.0.0");
    return request;
  }
  io::RequestOptions ping_limits() const {
    io::RequestOptions limits;
    limits.limit = limits.inter_byte = options().logon_limit;
    limits.body_bytes = 64 * 1024;
    return limits;
  }

  Task<Status> connect() {
    if (connection_ != nullptr && connection_->is_open()) co_return Status();
    if (connection_ != nullptr) co_return error(Errc::unavailable, "{} closed the connection amid a logon", options().place.authority());
    auto made = co_await owner_->client_->dedicate(options().place);
    if (!made) {
      Error problem = made.error();
      if (problem.code == Errc::denied) problem.code = Errc::unavailable;  // its certificate, not the user's password
      co_return std::move(problem).within(options().place.authority());
    }
    connection_ = std::move(*made);
    co_return Status();
  }

  Task<Result<Step>> advance(Bytes token) {
    auto lock = co_await turn_.lock(options().logon_limit);
    if (!lock) co_return lock.error();
    // What a server does with a second logon on one connection is its own affair: it may stay with the first.
    if (complete_) co_return error(Errc::denied, "somebody has logged on by this connection already");
    last_used_ = Clock::now();
    auto connected = co_await connect();
    if (!connected) co_return connected.error();
    auto request = ping();
    request.headers.add("Authorization", scheme_ + " " + to_base64(token));
    const auto limits = ping_limits();
    auto response = co_await connection_->request(std::move(request), limits);
    last_used_ = Clock::now();
    if (!response) co_return error(Errc::unavailable, "{}", response.error().message);
    auto step = read(*response);
    const bool ticket = ++legs_ == 1 && scheme_ == "Negotiate";
    if (!step || !step->complete || !ticket || equal_ignoring_ascii_case(trim(response->fields.get("Persistent-Auth")), "true")) co_return step;
    auto remembered = co_await remembers();
    if (!remembered) co_return remembered.error();
    co_return step;
  }

  // Servers may take a ticket for the one request that it came with, and nobody but the client has another: IIS does unless its
  // authPersistNonNTLM is set. Then each call would end the client's connection, and the client begin again, for ever.
  Task<Status> remembers() {
    auto request = ping();
    const auto limits = ping_limits();
    auto response = co_await connection_->request(std::move(request), limits);
    last_used_ = Clock::now();
    if (!response) co_return error(Errc::unavailable, "{}", response.error().message);
    if (response->status != 401) co_return Status();
    forgotten_ = true;
    log::warning("{} forgets after one request who came with a ticket (IIS: authPersistNonNTLM is false): tickets cannot be passed on to it",
                 options().place.authority());
    co_return error(Errc::denied, "{} takes a ticket for one request only", options().place.authority());
  }

  Result<Step> read(const io::HttpResponse& response) {
    const auto where = options().place.authority();
    auto token = token_in(response.fields, scheme_);
    Step step;
    if (token) step.token = std::move(*token);
    switch (response.status) {
      case 200:
        complete_ = true;
        step.complete = true;
        return step;
      case 401:
        if (!token) return error(Errc::denied, "{} does not go on with {}", where, scheme_);
        if (step.token.empty()) return error(Errc::denied, "{} refuses the logon", where);
        return step;
      case 403: return error(Errc::denied, "{} refuses the logon (HTTP 403)", where);
      case 429: return error(Errc::limit, "{} brakes guesses (HTTP 429)", where);
      default: return error(Errc::unavailable, "{} answers a logon with HTTP {}", where, response.status);
    }
  }

  // Errc::unavailable: the connection has ended.
  Status check(const io::Url& url) const {
    const auto& place = options().place;
    if (url.host != place.host || url.port != place.port || url.tls != place.tls)
      return error(Errc::unsupported, "the client is logged on at {}, not at {}", place.authority(), url.authority());
    if (!has_connection() || !connection_->stream().is_quiet())
      return error(Errc::unavailable, "{} closed the client's connection", place.authority());
    return {};
  }

  Task<Result<io::HttpResponse>> ask(io::HttpRequest request, io::RequestOptions limits) {
    auto lock = co_await turn_.lock(limits.limit);
    if (!lock) co_return lock.error();
    if (auto checked = check(request.url); !checked) co_return checked.error();
    auto response = co_await connection_->request(std::move(request), limits);
    last_used_ = Clock::now();
    if (response && response->status == 401) forgotten_ = true;
    co_return response;
  }

  Task<Status> begin(io::HttpRequest request, io::RequestOptions limits, Answer* answer) {
    auto lock = co_await turn_.lock(limits.limit);
    if (!lock) co_return lock.error();
    if (auto checked = check(request.url); !checked) co_return checked;
    auto head = co_await connection_->open(std::move(request), limits);
    last_used_ = Clock::now();
    if (!head) co_return head.error();
    if (head->status == 401) forgotten_ = true;
    answer->status = head->status;
    answer->fields = std::move(head->fields);
    *answer->turn = std::move(*lock);
    co_return Status();
  }

  Task<Result<View>> next_piece(Duration inter_byte, std::shared_ptr<io::Mutex::Lock> turn) {
    if (!*turn) co_return View();
    auto piece = co_await connection_->read(inter_byte);
    last_used_ = Clock::now();
    if (!piece || piece->empty()) turn->unlock();
    co_return piece;
  }

  // For a channel of RPC over HTTP.
  Task<Result<std::unique_ptr<io::Stream>>> part_with(io::Executor to) {
    auto lock = co_await turn_.lock(options().logon_limit);
    if (!lock) co_return lock.error();
    if (auto checked = check(options().place); !checked) co_return checked.error();
    auto stream = connection_->take_stream();
    connection_ = nullptr;
    if (auto moved = stream->move_to(std::move(to)); !moved) co_return moved.error();
    co_return stream;
  }

  Task<bool> look_after() {
    if (turn_.locked()) co_return true;
    const auto idle = Clock::now() - last_used_;
    if (!complete_) co_return idle < options().logon_limit;
    if (is_quiet() && idle >= options().ping_interval) {
      auto request = ping();
      const auto limits = ping_limits();
      auto answer = co_await ask(std::move(request), limits);
      if (!answer) log::debug("keeping a client's connection awake: {}", answer.error().message);
    }
    co_return usable();
  }

  const std::shared_ptr<PinnedConnections> owner_;
  const std::string scheme_;
  const std::function<void()> close_client_;
  const io::Executor executor_;
  io::Mutex turn_;
  std::unique_ptr<io::HttpClientConnection> connection_;
  Clock::time_point last_used_ = Clock::now();
  mutable std::mutex mutex_;
  std::shared_ptr<PinnedRpc> rpc_ = std::make_shared<PinnedRpc>();
  std::atomic<bool> leads_ = false;
  unsigned legs_ = 0;  // messages of the client's
  bool complete_ = false;
  bool forgotten_ = false;  // the server wants another logon
};

PinnedConnections::PinnedConnections(io::Runtime& runtime, std::shared_ptr<io::HttpClient> client, Metrics& metrics, PinOptions options)
    : runtime_(runtime),
      client_(std::move(client)),
      options_(std::move(options)),
      gauge_(metrics.gauge("mapigate_relay_pinned", "Connections to the upstream that are a pair with a client's", options_.label)) {}

std::shared_ptr<PinnedConnections> PinnedConnections::create(io::Runtime& runtime, std::shared_ptr<io::HttpClient> client, Metrics& metrics,
                                                             PinOptions options) {
  return std::make_shared<PinnedConnections>(runtime, std::move(client), metrics, std::move(options));
}

Result<std::shared_ptr<chain::PinnedConnection>> PinnedConnections::pin(std::string scheme, std::function<void()> close_client) {
  if (++count_ > options_.most) {
    --count_;
    return error(Errc::unavailable, "{} connections of clients to {} are open: the limit", options_.most, options_.place.authority());
  }
  gauge_.add(1);
  auto made = std::make_shared<PinnedHttp>(shared_from_this(), std::move(scheme), std::move(close_client));
  io::spawn(made->executor(), PinnedHttp::watch(made));
  return std::shared_ptr<chain::PinnedConnection>(std::move(made));
}

std::shared_ptr<HttpIdentity> PinnedConnections::identity_of(const std::shared_ptr<chain::PinnedConnection>& pinned) {
  auto own = std::dynamic_pointer_cast<PinnedHttp>(pinned);
  if (own == nullptr || own->owner() != this) return nullptr;
  return own;
}

std::shared_ptr<PinnedRpc> PinnedConnections::rpc_of(const std::shared_ptr<chain::PinnedConnection>& pinned) {
  const auto own = std::dynamic_pointer_cast<PinnedHttp>(pinned);
  if (own == nullptr || own->owner() != this) return nullptr;
  return own->rpc();
}

std::uint32_t PinnedConnections::group_of(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = carried_.find(key);
  const auto connection = found == carried_.end() ? nullptr : found->second.lock();
  return connection != nullptr && connection->is_open() ? connection->group() : 0;
}

void PinnedConnections::remember(const std::string& key, const std::shared_ptr<RpcConnection>& connection) {
  const std::lock_guard lock(mutex_);
  const auto found = carried_.find(key);
  const auto known = found == carried_.end() ? nullptr : found->second.lock();
  if (known != nullptr && known->is_open()) return;
  std::erase_if(carried_, [](const auto& one) { return one.second.expired(); });
  carried_[key] = connection;
}

}  // namespace mapigate::upstream
