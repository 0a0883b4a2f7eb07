// The mailbox engine: mailboxes by user, and sessions with them. See README.md.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "mailbox/inbox_rules.h"
#include "mailbox/session.h"

namespace mapigate::mailbox {

// Thread-safe; a user's mailbox and sessions are used on the user's executor only. Must be destroyed before
// the runtime; mailboxes that still work for themselves end after it.
class Engine {
 public:
  // `factories` is asked when a mailbox is opened, not before.
  Engine(io::Runtime& runtime, EngineOptions options, std::unique_ptr<state::StateStore> store,
         std::function<std::vector<NamedFactory>()> factories, std::function<SubmitterFactory*()> submitter = {},
         UserServices* services = nullptr);
  ~Engine();
  Engine(const Engine&) = delete;

  // Costs little: nothing is opened before the first Execute.
  std::unique_ptr<Session> connect(std::shared_ptr<const chain::Identity> identity, io::Executor executor, SessionOptions options);
  // Opens the mailbox where it is not.
  Task<Result<InboxRules>> inbox_rules(std::shared_ptr<const chain::Identity> identity, io::Executor executor);
  const EngineOptions& options() const { return context_->options; }
  std::size_t mailboxes() const;  // that sessions hold

  // Goes on with what was submitted before a restart, as far as that goes without the users' passwords. Blocks a little.
  bool has_waiting() const;  // of such
  void resume();

 private:
  std::shared_ptr<Mailbox> mailbox_of(std::shared_ptr<const chain::Identity> identity, io::Executor executor);
  static Task<> watch_idle(std::weak_ptr<Mailbox> mailbox, Duration idle);

  std::shared_ptr<MailboxContext> context_;
  mutable std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Mailbox>> mailboxes_;
};

}  // namespace mapigate::mailbox
