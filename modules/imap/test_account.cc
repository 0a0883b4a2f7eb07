#include "test_account.h"

#include <algorithm>
#include <stdexcept>

extern "C" const mapigate::chain::ModuleDescriptor* mapigate_module();

namespace mapigate::imap {

RawSection plain_settings(std::uint16_t port) {
  return {{"host", std::string("127.0.0.1")},
          {"port", std::int64_t(port)},
          {"tls", std::string("none")},
          {"command_timeout", std::string("20s")},
          {"backoff", std::string("0s")}};
}

std::string test_message(int number, const std::string& body) {
  return fmt::format(
      "From: Sender {0} <sender{0}@example.test>\r\nTo: Alice <alice@example.test>\r\n"
      "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= {0}\r\nDate: Tue, 06 Feb 2024 09:00:00 +0000\r\n"
      "Message-ID: <m{0}@example.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
      "charset=utf-8\r\n\r\n{1}",
      number, body);
}

TestAccount::TestAccount(RawSection settings, std::string user, std::string password) {
  char pattern[] = "/tmp/mapigate-imap-XXXXXX";
  if (::mkdtemp(pattern) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  runtime_ = std::make_unique<io::Runtime>(io::RuntimeOptions{1, 2});
  runtime_->start();
  executor_ = runtime_->executor();
  const auto* descriptor = mapigate_module();
  auto checked = Settings::check("[modules.imap]", descriptor->settings, settings);
  if (!checked) throw std::runtime_error(checked.error().message);
  chain::Environment environment{*runtime_, metrics_, "imap", folder_, "localhost", nullptr};
  module_ = descriptor->create(environment, *checked);
  store_ = state::open_sqlite_store(folder_ + "/state").value();
  state_ = std::move(store_->open(user).value());
  auto identity = std::make_shared<chain::Identity>(chain::Identity{user, Secret(password)});
  provider_ = dynamic_cast<mailbox::ProviderFactory&>(*module_).open(identity, executor_);
  provider_->set_row_lookup(
      [this](std::vector<state::GlobalCounter> ids) -> io::Task<Result<std::vector<state::Message>>> {
        co_return state_->messages(ids);
      });
}

TestAccount::~TestAccount() {
  std::promise<void> gone;
  io::post(executor_, [&] {
    provider_.reset();
    gone.set_value();
  });
  gone.get_future().wait();
  runtime_->stop();
  runtime_->join();
  std::filesystem::remove_all(folder_);
}

template <class T>
T TestAccount::run(io::Task<T> task) {
  std::optional<T> out;
  auto done = std::make_shared<std::promise<void>>();
  auto ended = done->get_future();
  io::spawn(executor_, io::run_into<T>(std::move(task), &out, done));
  if (ended.wait_for(std::chrono::seconds(100)) != std::future_status::ready) {
    std::fprintf(stderr, "a test's task did not end within 100 s\n");
    std::abort();  // the task refers to this frame
  }
  if (!out) throw std::runtime_error("the task gave nothing");
  return std::move(*out);
}

Status TestAccount::authenticate(std::string password) {
  return run(dynamic_cast<chain::Authenticator&>(*module_).authenticate(
      chain::Identity{mapigate::testing::Dovecot::user, Secret(password)}));
}
Result<std::vector<mailbox::RemoteFolder>> TestAccount::folders() { return run(provider_->folders()); }

Result<mailbox::RemoteFolder> TestAccount::create_folder(const std::string& parent, const std::string& name) {
  return run(provider_->create_folder(parent, name));
}
Result<std::string> TestAccount::move_folder(const std::string& remote_id, const std::string& parent, const std::string& name) {
  auto moved = run(provider_->move_folder(remote_id, parent, name));
  if (!moved) return moved.error();
  return moved->at(0).second;
}

state::Folder TestAccount::add_folder(const std::string& remote_id) {
  state::Folder folder;
  folder.provider = "imap";
  folder.remote_id = remote_id;
  return state_->put_folder(folder).value();
}

state::Folder TestAccount::folder(state::GlobalCounter id) {
  for (auto& folder : state_->folders().value())
    if (folder.id == id) return folder;
  throw std::runtime_error("no such folder");
}

std::string TestAccount::recognize(state::GlobalCounter id, const std::vector<std::string>& came) {
  std::vector<mailbox::LostFolder> lost;
  lost.push_back({folder(id), messages(id)});
  std::reverse(lost[0].sample.begin(), lost[0].sample.end());  // the newest say more
  std::vector<mailbox::RemoteFolder> others;
  for (const auto& remote_id : came) {
    others.emplace_back();
    others.back().remote_id = others.back().name = remote_id;
  }
  const auto pairs = run(provider_->recognize(std::move(lost), std::move(others))).value();
  if (pairs.size() > 1 || (pairs.size() == 1 && pairs[0].first != id)) throw std::runtime_error("pairs that nobody asked for");
  return pairs.empty() ? std::string() : pairs[0].second;
}

Status TestAccount::refresh(state::GlobalCounter id) {
  parts.clear();
  auto sink = [this, id](state::FolderDelta delta) -> io::Task<Status> {
    parts.push_back(delta.added.size());
    auto applied = state_->apply(id, std::move(delta));
    if (!applied) co_return applied.error();
    co_return Status();
  };
  return run(provider_->refresh(folder(id), state_->message_keys(id).value(), sink, {}));
}

Result<bool> TestAccount::changed(state::GlobalCounter id) { return run(provider_->changed(folder(id))); }
Result<convert::ByteSource> TestAccount::content(state::GlobalCounter id, std::uint64_t key) {
  return run(provider_->content(folder(id), key));
}
Result<std::vector<mailbox::MessageBeginning>> TestAccount::beginnings(state::GlobalCounter id, std::vector<std::uint64_t> keys, std::size_t characters) {
  return run(provider_->beginnings(folder(id), std::move(keys), characters));
}
Status TestAccount::set_flags(state::GlobalCounter id, std::vector<std::uint64_t> keys, std::uint32_t set,
                              std::uint32_t clear) {
  return run(provider_->set_flags(folder(id), std::move(keys), set, clear));
}

Result<std::vector<mailbox::CopiedMessage>> TestAccount::copy(state::GlobalCounter from, std::vector<std::uint64_t> keys, state::GlobalCounter to,
                                                              bool move) {
  return run(provider_->copy(folder(from), std::move(keys), folder(to), move));
}

std::vector<state::Message> TestAccount::messages(state::GlobalCounter id) {
  std::vector<state::GlobalCounter> ids;
  for (const auto& key : state_->message_keys(id).value()) ids.push_back(key.id);
  return std::move(state_->messages(ids).value());
}

}  // namespace mapigate::imap
