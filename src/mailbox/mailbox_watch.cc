// News of the backend, told unasked: one standing connection a mailbox, however many sessions wait. What it does not see
// is asked for every `refresh_interval` while somebody waits.
#include "base/log.h"
#include "mailbox/mailbox.h"

namespace mapigate::mailbox {

namespace {

constexpr auto slice = std::chrono::minutes(4);
// Events that come in bursts are looked at together; the first one at once.
constexpr auto gather = std::chrono::milliseconds(50);
constexpr Duration first_pause = std::chrono::seconds(1), longest_pause = std::chrono::minutes(5);
constexpr auto without_news = std::chrono::hours(1);  // a backend that tells none is asked again whether it does
// Whatever a watch says it sees is looked at so often all the same.
constexpr auto trust = std::chrono::minutes(5);

}  // namespace

void Mailbox::watch_soon() {
  if (watching_ || !state_ || Clock::now() < no_watch_before_) return;
  const auto* inbox = tree_->by_role(FolderRole::inbox);
  if (!inbox || inbox->provider.empty()) return;
  watching_ = true;
  io::spawn(executor_, run_watch(weak_from_this(), ++watch_life_));
}

void Mailbox::end_watch() {
  ++watch_life_;
  watching_ = false;
  if (watch_) watch_->close();
  watch_.reset();
}

Task<Result<std::shared_ptr<Watch>>> Mailbox::open_watch() {
  const auto* inbox = tree_->by_role(FolderRole::inbox);
  if (!inbox || inbox->provider.empty()) co_return error(Errc::unsupported, "the inbox has no backend");
  const Folder folder = *inbox;
  auto from = provider(folder.provider);
  if (!from) co_return from.error();
  auto keep = providers_[folder.provider];
  auto ask = keep->watch(folder);
  co_return co_await io::with_deadline(context_.options.backend_wait, std::move(ask));
}

// Holds the mailbox while it works, not while it waits.
Task<> Mailbox::run_watch(std::weak_ptr<Mailbox> weak, std::uint64_t life) {
  Duration pause = first_pause;
  for (;;) {
    std::shared_ptr<Watch> watch;
    {
      auto self = weak.lock();
      if (!self || self->watch_life_ != life) co_return;
      auto using_it = self->use();
      auto opened = co_await self->open_watch();
      if (self->watch_life_ != life) {
        if (opened) (*opened)->close();
        co_return;
      }
      if (opened) {
        watch = *opened;
        self->watch_ = watch;
        pause = first_pause;
        // What happened before it stood.
        self->news_of(special_id(FolderRole::inbox));
        if (watch->sees_all()) {
          for (const auto& folder : self->tree_->all())
            if (folder.indexed) self->refresh_folder_soon(folder.id);
          self->list_again();
        }
      } else if (opened.error().code == Errc::unsupported || opened.error().code == Errc::denied) {
        self->watching_ = false;
        self->no_watch_before_ = Clock::now() + without_news;
        co_return;
      } else {
        log::info("mailbox of {}: {}", self->store_->user, opened.error().message);
      }
    }
    while (watch) {
      auto news = co_await watch->next(slice);
      auto self = weak.lock();
      if (!self || self->watch_life_ != life) co_return;
      if (!news) {
        log::info("mailbox of {}: {}", self->store_->user, news.error().message);
        self->watch_.reset();
        watch.reset();
        break;
      }
      self->take_news(*news);
      self.reset();
      if (!news->empty()) co_await io::sleep_for(gather);
    }
    co_await io::sleep_for(pause);
    pause = std::min(pause * 2, longest_pause);
  }
}

void Mailbox::take_news(const News& news) {
  const auto* inbox = tree_->by_role(FolderRole::inbox);
  if (!inbox) return;
  const auto name = inbox->provider;
  bool unknown = news.folder_list, counts = false;
  const auto keep = tree_;
  std::vector<GlobalCounter> counted;
  for (const auto& one : news.folders) {
    const auto* folder = keep->by_remote(name, one.remote_id);
    if (!folder) {
      unknown = true;
    } else if (folder->indexed || folder->role == FolderRole::inbox) {
      news_of(folder->id);
    } else if (one.total || one.unread) {
      auto& told = announced_[{name, one.remote_id}];
      told = {one.total.value_or(told.first), one.unread.value_or(told.second)};
      counts = true;
      counted.push_back(folder->id);
    }
  }
  if (counts) {
    tree_ = std::make_shared<FolderTree>(with_announced(keep->all()));
    tree_version_ = ++next_version_;
    for (const auto id : counted) tell({MailboxEvent::Kind::folder_changed, id});
    tell({MailboxEvent::Kind::hierarchy_changed});
  }
  if (unknown) list_again();
}

void Mailbox::news_of(GlobalCounter folder) {
  const auto* row = state_ ? tree_->find(folder) : nullptr;
  if (!row || row->provider.empty() || !row->selectable) return;
  auto& activity = activity_[folder];
  activity.sure = true;
  if (activity.running) activity.again = true;
  else start_folder_refresh(folder, activity);
}

bool Mailbox::sees(GlobalCounter folder) const {
  if (!watch_) return false;
  const auto* row = tree_->find(folder);
  if (!row || !row->indexed) return false;
  const auto looked = activity_.find(folder);
  if (looked == activity_.end() || !looked->second.last || Clock::now() - looked->second.tried > trust) return false;
  return row->role == FolderRole::inbox || watch_->sees_all();
}

void Mailbox::refresh_watched() {
  last_use_ = Clock::now();
  watch_soon();
  std::vector<GlobalCounter> folders;
  for (const auto* listener : listeners_)
    for (const auto folder : listener->watched()) folders.push_back(folder);
  std::sort(folders.begin(), folders.end());
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  for (const auto folder : folders)
    if (!sees(folder)) refresh_folder_soon(folder);
  const bool list_seen = watch_ && watch_->sees_all() && listing_.last && Clock::now() - listing_.tried < trust;
  if (!list_seen) refresh_folders_soon();
}

}  // namespace mapigate::mailbox
