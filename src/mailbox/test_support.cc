#include "mailbox/test_support.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

namespace mapigate::mailbox::testing {

namespace asio = boost::asio;

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
mapi::ErrorCode Client::sort(std::vector<mapi::SortOrder> orders, std::uint16_t categories, std::uint16_t expanded) {
  Ask<wire::RopSortTable> ask;
  ask.handle = 2;
  ask.body.SortOrders = arena.copy(std::span<const mapi::SortOrder>(orders));
  ask.body.CategoryCount = categories;
  ask.body.ExpandedCount = expanded;
  return execute(ask).value();
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
