#include "mailbox/engine.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "mailbox/outbox.h"

namespace mapigate::mailbox {

Engine::Engine(io::Runtime& runtime, EngineOptions options, std::unique_ptr<state::StateStore> store,
               std::function<std::vector<NamedFactory>()> factories, std::function<SubmitterFactory*()> submitter,
               UserServices* services)
    : context_(std::make_shared<MailboxContext>(
          MailboxContext{runtime, std::move(options), std::move(store), std::move(factories), std::move(submitter), services})) {
  context_->mailbox_of = [this](const std::string& user) {
    auto identity = std::make_shared<chain::Identity>();
    identity->user = user;
    return mailbox_of(std::move(identity), context_->runtime.executor_of(user));
  };
}
Engine::~Engine() = default;

std::shared_ptr<Mailbox> Engine::mailbox_of(std::shared_ptr<const chain::Identity> identity, io::Executor executor) {
  std::lock_guard lock(mutex_);
  auto& slot = mailboxes_[identity->user];
  if (auto found = slot.lock()) return found;
  auto made = std::make_shared<Mailbox>(context_, identity, executor);
  slot = made;
  // Users come and go: names without a mailbox do not pile up.
  if (mailboxes_.size() % 256 == 0) std::erase_if(mailboxes_, [](const auto& entry) { return entry.second.expired(); });
  io::spawn(executor, watch_idle(made, context_->options.idle_close));
  return made;
}

Task<> Engine::watch_idle(std::weak_ptr<Mailbox> mailbox, Duration idle) {
  const auto step = std::clamp<Duration>(idle / 4, std::chrono::milliseconds(50), std::chrono::seconds(30));
  for (;;) {
    co_await io::sleep_for(step);
    auto alive = mailbox.lock();
    if (!alive) co_return;
    alive->close_if_idle(idle);
  }
}

namespace {
Task<> open_once(std::shared_ptr<Mailbox> mailbox) {
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) log::info("outbox of a mailbox that nobody is logged on to: {}", opened.error().message);
}
}  // namespace

bool Engine::has_waiting() const {
  std::error_code none;
  return std::filesystem::directory_iterator(std::filesystem::path(context_->options.state_dir) / outbox_folder, none) !=
         std::filesystem::directory_iterator();
}

void Engine::resume() {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(context_->options.state_dir) / outbox_folder, none)) {
    std::string user;
    std::ifstream file(entry.path());
    if (!std::getline(file, user) || user.empty()) continue;
    auto identity = std::make_shared<chain::Identity>();
    identity->user = user;
    const auto executor = context_->runtime.executor_of(user);
    io::spawn(executor, open_once(mailbox_of(std::move(identity), executor)));
  }
}

std::unique_ptr<Session> Engine::connect(std::shared_ptr<const chain::Identity> identity, io::Executor executor,
                                         SessionOptions options) {
  auto mailbox = mailbox_of(identity, std::move(executor));
  mailbox->use_identity(std::move(identity));
  return std::make_unique<Session>(std::move(mailbox), options);
}

Task<Result<InboxRules>> Engine::inbox_rules(std::shared_ptr<const chain::Identity> identity, io::Executor executor) {
  auto mailbox = mailbox_of(identity, std::move(executor));
  // A mailbox that is open has what it needs; who asks here may have come without a password, and must not take that of a
  // session whose mailbox was closed meanwhile.
  if (!mailbox->is_open() && !identity->password.empty()) mailbox->use_identity(std::move(identity));
  auto using_it = mailbox->use();
  auto opened = co_await mailbox->open();
  if (!opened) co_return opened.error();
  auto rules = co_await mailbox::inbox_rules(mailbox.get());
  co_return rules;
}

std::size_t Engine::mailboxes() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(mailboxes_.begin(), mailboxes_.end(), [](const auto& entry) { return !entry.second.expired(); }));
}

}  // namespace mapigate::mailbox
