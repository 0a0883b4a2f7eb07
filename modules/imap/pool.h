// The connections of one user: few, opened when needed, closed when idle.
#pragma once

#include <list>
#include <memory>

#include "connection.h"
#include "io/sync.h"

namespace mapigate::imap {

struct PoolOptions {
  unsigned connections = 2;
  Duration idle_limit = std::chrono::seconds(60);
  Duration longest_backoff = std::chrono::seconds(30);
};

// Lives on one executor; kept alive by its leases.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(std::shared_ptr<const Server> server, PoolOptions options, Credentials credentials,
       io::Executor executor);

  class Lease {
   public:
    Lease() = default;
    Lease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection, bool reused)
        : pool_(std::move(pool)), connection_(std::move(connection)), reused_(reused) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { give_back(); }
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }
    bool reused() const { return reused_; }
    // It may have died while it lay idle: worth another try on a new one.
    bool stale() const { return reused_ && !connection_->any_response() && !connection_->is_open(); }
    // Closes the connection instead of giving it back: commands are still under way on it.
    void discard() { connection_->close(); }

   private:
    void give_back();
    std::shared_ptr<Pool> pool_;
    std::unique_ptr<Connection> connection_;
    bool reused_ = false;
  };

  // A writer has one more connection than all others together: what reads may hold theirs while it waits for a writer's lock.
  enum class Purpose : bool { reading, writing };
  // A connection, rather one that has `mailbox` selected already. While the server is down this fails
  // at once, and tries again only after a growing while.
  Task<Result<Lease>> acquire(std::string mailbox, Purpose purpose = Purpose::reading);
  // Settings of the connection for folders and cursors, without asking the server.
  const Server& server() const { return *server_; }
  const Credentials& credentials() const { return credentials_; }
  std::size_t idle() const { return idle_.size(); }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    Clock::time_point since;
  };
  void take_back(std::unique_ptr<Connection> connection);
  static Task<> close_when_idle(std::weak_ptr<Pool> weak);

  std::shared_ptr<const Server> server_;
  PoolOptions options_;
  Credentials credentials_;
  io::Executor executor_;
  std::list<Idle> idle_;
  unsigned open_ = 0;  // leased, idle and being opened
  io::Event freed_;
  bool reaping_ = false;
  Clock::time_point not_before_{};
  Duration backoff_{};
  Error last_failure_;
};

}  // namespace mapigate::imap
