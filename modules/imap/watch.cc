// Standing by for news: IDLE (RFC 2177) on a connection of its own, with NOTIFY (RFC 5465) of all mailboxes where the
// server has it.
#include "base/log.h"
#include "mailbox_name.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

// Servers may end an IDLE after 30 minutes, boxes in between forget connections sooner.
constexpr auto longest_idle = std::chrono::minutes(4);

class ImapWatch final : public mailbox::Watch {
 public:
  ImapWatch(std::unique_ptr<Connection> connection, std::string mailbox)
      : connection_(std::move(connection)), mailbox_(std::move(mailbox)) {}

  bool sees_all() const override { return sees_all_; }
  void close() override { connection_->close(); }

  Task<Status> begin() {
    auto selected = co_await connection_->select(mailbox_);
    if (!selected) co_return selected.error();
    if (connection_->has("NOTIFY")) {
      const std::string events = "(MessageNew MessageExpunge FlagChange)";
      auto set = co_await connection_->run(
          fmt::format("NOTIFY SET (selected {}) (personal (MessageNew MessageExpunge FlagChange MailboxName))", events),
          [this](const Response& response) { return note(response); });
      if (!set) co_return set.error();
      sees_all_ = set->ok;
    }
    auto begun = co_await connection_->begin_idle();
    since_ = Clock::now();
    co_return begun;
  }

  Task<Result<mailbox::News>> next(Duration limit) override {
    const auto end = Clock::now() + limit;
    while (news_.empty() && Clock::now() < end) {
      const auto left = std::min<Duration>(end - Clock::now(), since_ + longest_idle - Clock::now());
      auto waited = co_await connection_->idle(std::max<Duration>(left, Duration::zero()),
                                               [this](const Response& response) { return note(response); });
      if (!waited) co_return waited.error();
      if (Clock::now() < since_ + longest_idle) continue;
      auto ended = co_await connection_->end_idle([this](const Response& response) { return note(response); });
      if (!ended) co_return ended.error();
      auto begun = co_await connection_->begin_idle();
      if (!begun) co_return begun.error();
      since_ = Clock::now();
    }
    co_return std::exchange(news_, {});
  }

 private:
  Status note(const Response& response) {
    constexpr std::size_t most_folders = 20'000;
    if (news_.folders.size() >= most_folders) return error(Errc::limit, "news of more than {} mailboxes", most_folders);
    if (response.name == "LIST") {
      news_.folder_list = true;
    } else if (auto status = parse_status(response)) {
      auto& folder = of(status->name);
      if (status->messages) folder.total = status->messages;
      if (status->unseen) folder.unread = status->unseen;
    } else if (response.name == "EXISTS" || response.name == "EXPUNGE" || response.name == "VANISHED" || response.name == "FETCH") {
      of(mailbox_);
    }
    return {};
  }
  mailbox::News::OfFolder& of(const std::string& remote_id) {
    for (auto& folder : news_.folders)
      if (folder.remote_id == remote_id) return folder;
    return news_.folders.emplace_back(mailbox::News::OfFolder{remote_id});
  }

  std::unique_ptr<Connection> connection_;
  std::string mailbox_;
  bool sees_all_ = false;
  Clock::time_point since_{};
  mailbox::News news_;
};

}  // namespace

Task<Result<std::shared_ptr<mailbox::Watch>>> ImapProvider::watch(state::Folder folder) {
  auto account = account_;
  // Not one of the pool's: those are for work.
  auto opened = co_await Connection::open(account->options.server, account->pool->credentials());
  if (!opened) co_return opened.error();
  auto connection = std::move(*opened);
  if (!connection->has("IDLE")) {
    co_await connection->logout();
    co_return error(Errc::unsupported, "the IMAP server has no IDLE");
  }
  auto watch = std::make_shared<ImapWatch>(std::move(connection), folder.remote_id);
  auto begun = co_await watch->begin();
  if (!begun) co_return begun.error();
  co_return std::shared_ptr<mailbox::Watch>(std::move(watch));
}

}  // namespace mapigate::imap
