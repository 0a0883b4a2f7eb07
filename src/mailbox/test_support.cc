#include "mailbox/test_support.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

namespace mapigate::mailbox::testing {

namespace asio = boost::asio;

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
    for (const auto& [id, folder] : b_.folders) out.push_back(folder.remote);
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

// -- the client

template <class T>
T Client::run(Task<T> task) {
  return asio::co_spawn(executor_, std::move(task), asio::use_future).get();
}

namespace {
Task<bool> make_session(Engine* engine, std::shared_ptr<const chain::Identity> identity, io::Executor executor,
                        SessionOptions options, std::unique_ptr<Session>* out) {
  *out = engine->connect(std::move(identity), std::move(executor), options);
  co_return true;
}
Task<bool> drop_session(std::unique_ptr<Session>* session) {
  session->reset();
  co_return true;
}
}  // namespace

Client::Client(io::Runtime& runtime, Engine& engine, std::string name, unsigned code_page, std::string_view password)
    : user(std::move(name)), executor_(runtime.executor_of(user)) {
  auto identity = std::make_shared<const chain::Identity>(chain::Identity{user, Secret(password)});
  run(make_session(&engine, identity, executor_, {code_page, 0x0409, index}, &session));
}
Client::~Client() { run(drop_session(&session)); }

Replies Client::send(std::vector<wire::RopRequest> rops) {
  wire::RopRequestBuffer buffer;
  buffer.rops = std::move(rops);
  buffer.handles = handles;
  Bytes payload;
  if (auto status = wire::encode_requests(buffer, payload); !status) throw std::runtime_error(status.error().message);
  return send_payload(payload);
}

Replies Client::send_payload(View payload) {
  kept_.push_back(to_bytes(payload));
  auto requests = wire::decode_requests(kept_.back(), arena);
  if (!requests) throw std::runtime_error(requests.error().message);
  auto result = run(session->execute(*requests, flags, max_rop_out, arena));
  Replies out;
  out.code = result.code;
  std::size_t total = 0;
  for (std::size_t i = 0; i < result.payloads.size(); ++i) {
    total += result.payloads[i].size() + wire::rpc::header_ext_size;
    kept_.push_back(std::move(result.payloads[i]));
    // The chained ones answer the last request once more.
    wire::RopRequestBuffer last;
    if (i > 0) {
      last.rops = {requests->rops.back()};
      last.handles = requests->handles;
    }
    auto replies = wire::decode_responses(kept_.back(), arena, i > 0 ? &last : &*requests, this);
    if (!replies) throw std::runtime_error(replies.error().message);
    if (!replies->problem.empty()) throw std::runtime_error(replies->problem);
    if (i == 0) {
      handles = replies->handles;
      out.buffer = std::move(*replies);
      for (const auto& response : out.buffer.rops) {
        if (response.request < 0 || response.ReturnValue != mapi::ecNone) continue;
        const auto& asked = requests->rops[static_cast<std::size_t>(response.request)];
        if (const auto* set = asked.as<wire::RopSetColumns>())
          columns_[handles.at(asked.HandleIndex)].assign(set->PropertyTags.begin(), set->PropertyTags.end());
      }
    } else {
      out.chained.push_back(std::move(*replies));
    }
  }
  if (total > max_rop_out) throw std::runtime_error("more bytes than MaxRopOut");
  return out;
}

bool Client::wait(Duration limit) { return run(session->wait_for_event(limit)); }

std::optional<wire::Columns> Client::columns_of(std::uint32_t handle) const {
  const auto found = columns_.find(handle);
  return found == columns_.end() ? std::nullopt : std::optional(wire::Columns(found->second));
}

Replies Client::logon() {
  Ask<wire::RopLogon> ask;
  ask.body.LogonFlags = 0x09;
  const auto dn = mapi::user_dn(user) + '\0';
  ask.body.Essdn = arena.copy(as_view(dn));
  return execute(ask);
}
mapi::ErrorCode Client::open_folder(FolderRole role, std::uint8_t out) {
  return open_folder(mapi::Id(own_replid, special_id(role)), out);
}
mapi::ErrorCode Client::open_folder(mapi::Id id, std::uint8_t out) {
  Ask<wire::RopOpenFolder> ask;
  ask.body.FolderId = id;
  ask.body.OutputHandleIndex = out;
  return execute(ask).value();
}
Result<std::uint32_t> Client::contents(std::uint8_t table_flags) {
  Ask<wire::RopGetContentsTable> ask;
  ask.handle = 1;
  ask.body.OutputHandleIndex = 2;
  ask.body.TableFlags = table_flags;
  const auto replies = execute(ask);
  if (replies.value() != mapi::ecNone) return error(Errc::internal, "{}", mapi::to_string(replies.value()));
  return replies.get<wire::RopGetContentsTable>().RowCount;
}
Replies Client::columns(std::vector<PropertyTag> tags, std::uint8_t table) {
  Ask<wire::RopSetColumns> ask;
  ask.handle = table;
  ask.body.PropertyTags = arena.copy(std::span<const PropertyTag>(tags));
  return execute(ask);
}
std::vector<std::vector<std::string>> Client::rows(std::uint16_t count, std::uint8_t table) {
  std::vector<std::vector<std::string>> out;
  for (;;) {
    Ask<wire::RopQueryRows> ask;
    ask.handle = table;
    ask.body.RowCount = static_cast<std::uint16_t>(count - out.size());
    const auto replies = execute(ask);
    if (replies.value() != mapi::ecNone) throw std::runtime_error(mapi::to_string(replies.value()));
    const auto& response = replies.get<wire::RopQueryRows>();
    for (const auto& row : response.RowData) {
      out.emplace_back();
      for (const auto& value : row.values) out.back().push_back(to_text(value));
    }
    if (response.Origin == wire::BOOKMARK_END || response.RowData.empty() || out.size() >= count) return out;
  }
}
std::vector<std::string> Client::properties(std::vector<PropertyTag> tags, std::uint8_t handle, std::uint16_t limit) {
  Ask<wire::RopGetPropertiesSpecific> ask;
  ask.handle = handle;
  ask.body.WantUnicode = 1;
  ask.body.PropertySizeLimit = limit;
  ask.body.PropertyTags = arena.copy(std::span<const PropertyTag>(tags));
  const auto replies = execute(ask);
  if (replies.value() != mapi::ecNone) throw std::runtime_error(mapi::to_string(replies.value()));
  std::vector<std::string> out;
  for (const auto& value : replies.get<wire::RopGetPropertiesSpecific>().RowData.values) out.push_back(to_text(value));
  return out;
}
mapi::Value Client::property(PropertyTag tag, std::uint8_t handle) {
  Ask<wire::RopGetPropertiesSpecific> ask;
  ask.handle = handle;
  ask.body.WantUnicode = 1;
  ask.body.PropertyTags = arena.copy(std::span<const PropertyTag>(&tag, 1));
  const auto replies = execute(ask);
  if (replies.value() != mapi::ecNone) throw std::runtime_error(mapi::to_string(replies.value()));
  return replies.get<wire::RopGetPropertiesSpecific>().RowData.values[0];
}
std::vector<mapi::Id> Client::message_ids(FolderRole role) {
  if (const auto code = open_folder(role); code != mapi::ecNone) throw std::runtime_error(mapi::to_string(code));
  if (auto count = contents(); !count) throw std::runtime_error(count.error().message);
  columns({mapi::PidTagMid});
  std::vector<mapi::Id> ids;
  for (const auto& row : rows()) ids.emplace_back(std::stoull(row[0]));
  return ids;
}
Replies Client::open_message(FolderRole role, std::size_t n) {
  const auto ids = message_ids(role);
  Ask<wire::RopOpenMessage> ask;
  ask.body.FolderId = mapi::Id(own_replid, special_id(role));
  ask.body.MessageId = ids.at(n);
  ask.body.OpenModeFlags = wire::RopOpenMessage::BestAccess;
  ask.body.OutputHandleIndex = 3;
  return execute(ask);
}
std::string Client::read_stream(PropertyTag tag, std::uint8_t handle, std::uint16_t piece) {
  Ask<wire::RopOpenStream> open;
  open.handle = handle;
  open.body.PropertyTag = tag;
  open.body.OutputHandleIndex = 10;
  const auto opened = execute(open);
  if (opened.value() != mapi::ecNone) return "!" + mapi::to_string(opened.value());
  std::string out;
  for (;;) {
    Ask<wire::RopReadStream> read;
    read.handle = 10;
    read.body.ByteCount = piece;
    const auto replies = execute(read);
    const auto& data = replies.get<wire::RopReadStream>().Data;
    if (data.empty()) break;
    out += as_text(data);
  }
  execute(Ask<wire::RopRelease>{{}, 10});
  if (out.size() != opened.get<wire::RopOpenStream>().StreamSize) return "!wrong StreamSize";
  return out;
}

std::string to_text(const mapi::Value& value) {
  if (const auto* failed = value.get<mapi::ErrorValue>()) return "!" + mapi::to_string(static_cast<mapi::ErrorCode>(failed->code));
  if (value.get<Utf16>() || value.get<mapi::String8>()) return mapi::text_of(value);
  if (const auto* bytes = value.get<View>()) return to_hex(*bytes);
  if (const auto* list = value.get<std::span<const View>>()) {
    std::string out;
    for (const auto& one : *list) out += to_hex(one) + ",";
    return out;
  }
  if (const auto* list = value.get<std::span<const Utf16>>()) {
    std::string out;
    for (const auto& one : *list) out += to_utf8(one) + ",";
    return out;
  }
  return std::to_string(mapi::number_of(value));
}

// -- the fixture

EngineTest::EngineTest(unsigned threads) {
  std::string name = (std::filesystem::temp_directory_path() / "mapigate-mailbox-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
  folder = name;
  options.refresh_interval = std::chrono::milliseconds(20);
  options.backend_wait = std::chrono::seconds(5);
  options.first_index_wait = std::chrono::seconds(5);
  runtime = std::make_unique<io::Runtime>(io::RuntimeOptions{threads, 2});
  runtime->start();
  backend.add_folder("INBOX", FolderRole::inbox);
  backend.add_folder("Sent", FolderRole::sent_items);
  backend.add_folder("Projects");
  backend.add_folder("Projects/Bridge", FolderRole::none, "Projects");
  make_engine();
}
EngineTest::~EngineTest() {
  stop_all();
  std::filesystem::remove_all(folder);
}
void EngineTest::stop_all() {
  runtime.reset();
  engine.reset();
}
void EngineTest::make_engine() {
  engine.reset();
  auto store = state::open_sqlite_store(folder.string());
  if (!store) throw std::runtime_error(store.error().message);
  std::function<SubmitterFactory*()> way_out;
  if (submitter) way_out = [this] { return submitter; };
  engine = std::make_unique<Engine>(*runtime, options, std::move(*store),
                                    [this] { return std::vector<NamedFactory>{{"fake", provider}}; }, std::move(way_out), services);
}
void EngineTest::use(const std::function<void(EngineOptions&)>& change) {
  change(options);
  make_engine();
}
std::unique_ptr<Client> EngineTest::connect(const std::string& user, std::string_view password) {
  return std::make_unique<Client>(*runtime, *engine, user, 1252, password);
}

namespace {
Task<Status> refresh(Mailbox* mailbox, GlobalCounter folder) {
  auto listed = co_await mailbox->refresh_folders();
  if (!listed) co_return listed;
  co_return co_await mailbox->refresh_folder(folder);
}
}  // namespace

std::shared_ptr<const FolderTree> EngineTest::tree_of(Client& client) {
  auto* mailbox = &client.session->mailbox();
  auto task = [](Mailbox* of) -> Task<std::shared_ptr<const FolderTree>> { co_return of->tree(); };
  return asio::co_spawn(mailbox->executor(), task(mailbox), asio::use_future).get();
}

void EngineTest::settle(Client& client, FolderRole role) {
  // Twice: the first may have begun before what the test did last.
  for (int i = 0; i < 2; ++i) {
    auto done = asio::co_spawn(client.session->mailbox().executor(), refresh(&client.session->mailbox(), special_id(role)), asio::use_future).get();
    (void)done;
  }
}

// -- an open inbox

void InboxTest::open() {
  client = connect();
  ASSERT_EQ(client->logon().value(), mapi::ecNone);
  ASSERT_EQ(client->open_folder(state::FolderRole::inbox), mapi::ecNone);
  ASSERT_TRUE(client->contents());
}

void InboxTest::restart() {
  client.reset();
  make_engine();
  open();
}

}  // namespace mapigate::mailbox::testing
