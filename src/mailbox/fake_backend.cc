#include "mailbox/fake_backend.h"

namespace mapigate::mailbox::testing {

namespace {

std::string joined(const std::set<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += out.empty() ? word : " " + word;
  return out;
}

class FakeWatch final : public Watch {
 public:
  explicit FakeWatch(FakeBackend& backend) : b_(backend) {}
  bool sees_all() const override { return true; }
  Task<Result<News>> next(Duration limit) override {
    for (const auto end = Clock::now() + limit; Clock::now() < end && !closed_;) {
      {
        std::lock_guard lock(b_.mutex);
        if (b_.down.contains("watch")) co_return error(Errc::unavailable, "the backend is down");
        if (!b_.news.empty()) co_return std::exchange(b_.news, {});
      }
      co_await io::sleep_for(std::chrono::milliseconds(2));
    }
    if (closed_) co_return error(Errc::cancelled, "closed");
    co_return News();
  }
  void close() override { closed_ = true; }

 private:
  FakeBackend& b_;
  bool closed_ = false;
};

class FakeProvider final : public Provider {
 public:
  explicit FakeProvider(FakeBackend& backend) : b_(backend) {}

  Task<Result<std::vector<RemoteFolder>>> folders() override {
    if (auto s = asked("folders"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    std::vector<RemoteFolder> out;
    for (const auto& [id, folder] : b_.folders)
      if (b_.left_out.erase(id) == 0) out.push_back(folder.remote);
    co_return out;
  }
  Task<Status> refresh(Folder folder, std::vector<state::MessageKey> known, DeltaSink sink, Progress) override {
    if (auto s = asked("refresh"); !s) co_return s;
    if (b_.slow > Duration::zero()) co_await io::sleep_for(b_.slow);
    std::vector<state::FolderDelta> parts(1);
    {
      std::lock_guard lock(b_.mutex);
      const auto found = b_.folders.find(folder.remote_id);
      if (found == b_.folders.end()) co_return error(Errc::not_found, "gone");
      std::map<std::uint64_t, state::MessageKey> old;
      for (const auto& key : known) old[key.remote_key] = key;
      for (auto at = found->second.messages.rbegin(); at != found->second.messages.rend(); ++at) {
        const auto& [uid, message] = *at;
        if (const auto before = old.find(uid); before != old.end()) {
          const auto words = joined(message.keywords);
          const bool other = before->second.keywords != state::keyword_hash(words);
          if (before->second.flags != message.flags || other) parts.back().flags.push_back({before->second.id, message.flags});
          if (other) parts.back().flags.back().keywords = words;
          continue;
        }
        if (parts.back().added.size() >= b_.part) parts.emplace_back();
        state::Message row;
        row.remote_key = uid;
        row.flags = message.flags;
        row.keywords = joined(message.keywords);
        row.received = message.received;
        row.size = message.raw.size();
        row.properties = convert::header_properties(as_view(message.raw), {message.received});
        row.properties.set_boolean(mapi::PidTagHasAttachments, message.raw.find("multipart/mixed") != std::string::npos);
        parts.back().added.push_back(std::move(row));
      }
      for (const auto& key : known)
        if (!found->second.messages.contains(key.remote_key)) parts.back().removed.push_back(key.id);
      parts.back().cursor = std::to_string(found->second.change);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i].complete = i + 1 == parts.size();
      if (auto s = asked(i == 0 ? "part" : "later part"); !s) co_return s;
      auto stored = co_await sink(std::move(parts[i]));
      if (!stored) co_return stored;
    }
    co_return Status{};
  }
  Task<Result<bool>> changed(Folder folder) override {
    if (auto s = asked("changed"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    const auto found = b_.folders.find(folder.remote_id);
    co_return found == b_.folders.end() || std::to_string(found->second.change) != folder.cursor;
  }
  Task<Result<Quota>> quota() override {
    if (auto s = asked("quota"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    if (!b_.quota) co_return error(Errc::unsupported, "no limit");
    co_return *b_.quota;
  }
  Task<Result<convert::ByteSource>> content(Folder folder, std::uint64_t key) override {
    if (auto s = asked("content"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    const auto& messages = b_.folders.at(folder.remote_id).messages;
    const auto found = messages.find(key);
    if (found == messages.end()) co_return error(Errc::not_found, "gone");
    co_return convert::ByteSource::from_string(found->second.raw);
  }
  Task<Result<std::vector<std::uint64_t>>> search(Folder folder, TextQuery query, std::vector<std::uint64_t> among) override {
    if (auto s = asked("search"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    std::vector<std::uint64_t> out;
    for (const auto& [uid, message] : b_.folders.at(folder.remote_id).messages) {
      if (!among.empty() && std::find(among.begin(), among.end(), uid) == among.end()) continue;
      const auto from = query.where == TextQuery::Where::body ? message.raw.find("\r\n\r\n") : 0;
      if (fold(message.raw.substr(std::min(from, message.raw.size()))).find(fold(query.text)) != std::string::npos) out.push_back(uid);
    }
    co_return out;
  }
  Task<Status> set_flags(Folder folder, std::vector<std::uint64_t> keys, std::uint32_t set, std::uint32_t clear) override {
    if (auto s = asked("set_flags"); !s) co_return s;
    std::lock_guard lock(b_.mutex);
    auto& target = b_.folders.at(folder.remote_id);
    for (const auto key : keys) {
      const auto found = target.messages.find(key);  // those that are gone are passed over, as IMAP does
      if (found != target.messages.end()) found->second.flags = (found->second.flags | set) & ~clear;
    }
    ++target.change;
    co_return Status{};
  }
  Task<Result<std::uint64_t>> append(Folder folder, convert::ByteSource message, std::uint32_t flags, FileTime received) override {
    if (auto s = asked("append"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    if (b_.refused.contains("room")) co_return error(Errc::full, "over quota");
    auto& target = b_.folders.at(folder.remote_id);
    const auto uid = target.next++;
    target.messages[uid] = {std::string(as_text(message.view())), flags, received};
    ++target.change;
    if (b_.down.contains("append answer")) co_return error(Errc::unavailable, "the answer is lost");
    co_return uid;
  }
  Task<Status> remove(Folder folder, std::vector<std::uint64_t> keys) override {
    if (auto s = asked("remove"); !s) co_return s;
    co_await wait_if_stuck("remove");
    std::lock_guard lock(b_.mutex);
    auto& target = b_.folders.at(folder.remote_id);
    for (const auto key : keys) target.messages.erase(key);
    ++target.change;
    co_return Status{};
  }
  Task<Result<std::vector<CopiedMessage>>> copy(Folder from, std::vector<std::uint64_t> keys, Folder to, bool move) override {
    if (auto s = asked("copy"); !s) co_return s.error();
    std::vector<CopiedMessage> out;
    bool lost = false;
    {
      std::lock_guard lock(b_.mutex);
      auto& source = b_.folders.at(from.remote_id);
      auto& target = b_.folders.at(to.remote_id);
      for (const auto key : keys) {
        const auto found = source.messages.find(key);
        if (found == source.messages.end()) continue;
        out.push_back({key, b_.tells_keys ? target.next : 0});
        target.messages[target.next++] = found->second;
        if (move) source.messages.erase(found);
      }
      ++source.change;
      ++target.change;
      lost = b_.down.contains("copy answer");
    }
    co_await wait_if_stuck("copy");
    if (lost) co_return error(Errc::unavailable, "the answer is lost");
    co_return out;
  }
  Task<Result<std::vector<std::uint64_t>>> find(Folder folder, std::string message_id) override {
    if (auto s = asked("find"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    std::vector<std::uint64_t> out;
    for (const auto& [uid, message] : b_.folders.at(folder.remote_id).messages)
      if (message.raw.find("Message-ID: " + message_id) != std::string::npos) out.push_back(uid);
    co_return out;
  }

  Task<Result<std::vector<std::pair<GlobalCounter, std::string>>>> recognize(std::vector<LostFolder> lost,
                                                                             std::vector<RemoteFolder> came) override {
    if (auto s = asked("recognize"); !s) co_return s.error();
    std::lock_guard lock(b_.mutex);
    std::vector<std::pair<GlobalCounter, std::string>> out;
    for (const auto& one : lost)
      for (const auto& to : came) {
        const auto& there = b_.folders.at(to.remote_id).messages;
        const auto found = [&](const state::Message& row) {
          const auto id = "Message-ID: " + row.properties.string(mapi::PidTagInternetMessageId);
          return std::any_of(there.begin(), there.end(), [&](const auto& m) { return m.second.raw.find(id) != std::string::npos; });
        };
        if (!one.sample.empty() && std::all_of(one.sample.begin(), one.sample.end(), found)) out.emplace_back(one.folder.id, to.remote_id);
      }
    co_return out;
  }
  Task<Status> set_keywords(Folder folder, std::vector<std::uint64_t> keys, std::vector<std::string> add,
                            std::vector<std::string> remove) override {
    if (auto s = asked("set_keywords"); !s) co_return s;
    std::lock_guard lock(b_.mutex);
    auto& target = b_.folders.at(folder.remote_id);
    for (const auto key : keys) {
      auto& words = target.messages.at(key).keywords;
      for (const auto& word : remove) words.erase(word);
      words.insert(add.begin(), add.end());
    }
    ++target.change;
    co_return Status{};
  }
  Task<Result<RemoteFolder>> create_folder(std::string parent, std::string name) override {
    if (auto s = asked("create_folder"); !s) co_return s.error();
    const auto id = parent.empty() ? name : parent + "/" + name;
    b_.add_folder(id, FolderRole::none, parent);
    std::lock_guard lock(b_.mutex);
    co_return b_.folders.at(id).remote;
  }
  Task<Status> delete_folder(std::string id) override {
    if (auto s = asked("delete_folder"); !s) co_return s;
    std::lock_guard lock(b_.mutex);
    b_.folders.erase(id);
    co_return Status{};
  }
  Task<Result<std::shared_ptr<Watch>>> watch(Folder) override {
    {
      std::lock_guard lock(b_.mutex);
      if (!b_.tells) co_return error(Errc::unsupported, "nobody tells");
    }
    if (auto s = asked("watch"); !s) co_return s.error();
    co_return std::shared_ptr<Watch>(std::make_shared<FakeWatch>(b_));
  }

 private:
  Task<> wait_if_stuck(const char* what) {
    bool stuck = false;
    {
      std::lock_guard lock(b_.mutex);
      stuck = b_.stuck == what;
    }
    if (stuck) co_await io::sleep_for(std::chrono::hours(1));
  }
  Status asked(const std::string& what) {
    std::lock_guard lock(b_.mutex);
    ++b_.calls[what];
    if (b_.down.contains(what)) return error(Errc::unavailable, "the backend is down");
    if (b_.refused.contains(what)) return error(Errc::denied, "the backend refuses");
    return {};
  }
  FakeBackend& b_;
};

}  // namespace

std::unique_ptr<Provider> FakeFactory::open(std::shared_ptr<const chain::Identity>, io::Executor) {
  return std::make_unique<FakeProvider>(backend_);
}

std::string FakeBackend::add(const std::string& folder, const std::string& subject, std::uint32_t flags, std::string body,
                             std::string extra) {
  std::lock_guard lock(mutex);
  auto& target = folders.at(folder);
  const auto uid = target.next++;
  FakeMessage message;
  message.flags = flags;
  message.received = from_unix(1'700'000'000 + static_cast<std::int64_t>(uid) * 60);
  message.raw = fmt::format(
      "From: Bob Builder <bob@example.test>\r\nTo: Alice <alice@example.test>, carol@example.test\r\nCc: Dave <dave@example.test>\r\n"
      "Subject: {}\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <{}.{}@example.test>\r\nMIME-Version: 1.0\r\n{}\r\n{}",
      subject, folder, uid, extra, body);
  auto raw = message.raw;
  target.messages[uid] = std::move(message);
  ++target.change;
  return raw;
}
void FakeBackend::set_down(const std::string& what, bool is) {
  std::lock_guard lock(mutex);
  if (is) down.insert(what);
  else down.erase(what);
}
void FakeBackend::refuse(const std::string& what, bool is) {
  std::lock_guard lock(mutex);
  if (is) refused.insert(what);
  else refused.erase(what);
}
void FakeBackend::add_folder(const std::string& id, FolderRole role, const std::string& parent) {
  std::lock_guard lock(mutex);
  auto& folder = folders[id];
  folder.remote.remote_id = id;
  folder.remote.parent_remote_id = parent;
  folder.remote.name = id.substr(id.rfind('/') + 1);
  folder.remote.role = role;
}
void FakeBackend::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex);
  std::map<std::string, FakeFolder> after;
  for (auto& [id, folder] : folders) {
    auto moved = std::move(folder);
    auto& name = moved.remote.remote_id;
    if (name == from || name.starts_with(from + "/")) {
      name = to + name.substr(from.size());
      const auto slash = name.rfind('/');
      moved.remote.parent_remote_id = slash == name.npos ? std::string() : name.substr(0, slash);
      moved.remote.name = name.substr(slash + 1);
    }
    auto key = moved.remote.remote_id;
    after[key] = std::move(moved);
  }
  folders = std::move(after);
}
int FakeBackend::count(const std::string& what) {
  std::lock_guard lock(mutex);
  return calls[what];
}

}  // namespace mapigate::mailbox::testing
