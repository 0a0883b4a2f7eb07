#include "mailbox/remembered_out_of_office.h"

namespace mapigate::mailbox {

namespace {
constexpr std::size_t most_users = 200'000;  // beyond that all is forgotten, and heard anew
}

class RememberedOutOfOffice::Replies final : public OutOfOffice {
 public:
  Replies(std::shared_ptr<OutOfOffice> replies, std::shared_ptr<Memory> memory, std::string user)
      : replies_(std::move(replies)), memory_(std::move(memory)), user_(std::move(user)) {}

  Task<Result<wire::ews::UserOofSettings>> get() override {
    const Asked asked(*memory_, user_);
    auto task = replies_->get();
    auto settings = co_await std::move(task);
    if (settings) learn(*settings);
    co_return settings;
  }

  Task<Status> set(wire::ews::UserOofSettings settings, std::vector<std::string> addresses) override {
    const auto wanted = times_of(settings);
    auto task = replies_->set(std::move(settings), std::move(addresses));
    auto done = co_await std::move(task);
    if (done) learn(wanted);
    co_return done;
  }

 private:
  // Notes that somebody asked, also when nobody waited for the answer until it came.
  struct Asked {
    Asked(Memory& memory, const std::string& user) : memory(memory), user(user) {}
    Asked(const Asked&) = delete;
    ~Asked() {
      const std::lock_guard lock(memory.mutex);
      entry(memory, user).when = Clock::now();
    }
    Memory& memory;
    const std::string& user;
  };

  static Heard& entry(Memory& memory, const std::string& user) {
    if (memory.users.size() >= most_users && !memory.users.contains(user)) memory.users.clear();
    return memory.users[user];
  }
  static wire::ews::UserOofSettings times_of(const wire::ews::UserOofSettings& settings) {
    wire::ews::UserOofSettings out;
    out.State = settings.State;
    out.StartTime = settings.StartTime;
    out.EndTime = settings.EndTime;
    return out;
  }
  void learn(const wire::ews::UserOofSettings& settings) {
    const std::lock_guard lock(memory_->mutex);
    auto& heard = entry(*memory_, user_);
    heard.settings = times_of(settings);
    heard.when = Clock::now();
  }

  std::shared_ptr<OutOfOffice> replies_;
  std::shared_ptr<Memory> memory_;
  std::string user_;
};

std::shared_ptr<OutOfOffice> RememberedOutOfOffice::open(std::shared_ptr<const chain::Identity> identity, io::Executor executor) {
  auto user = identity->user;
  return std::make_shared<Replies>(keeper_.open(std::move(identity), std::move(executor)), memory_, std::move(user));
}

std::optional<OutOfOfficeFactory::Heard> RememberedOutOfOffice::last_heard(const std::string& user) const {
  const std::lock_guard lock(memory_->mutex);
  const auto found = memory_->users.find(user);
  if (found == memory_->users.end()) return {};
  return found->second;
}

}  // namespace mapigate::mailbox
