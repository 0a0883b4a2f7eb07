// The module of type `mailbox`: ends a chain and answers its Calls out of the mailbox engine, over the
// providers that its setting `providers` names. See README.md.
#include <stdexcept>

#include "base/text.h"
#include "chain/module.h"
#include "directory/delegates.h"
#include "directory/nspi.h"
#include "directory/object_properties.h"
#include "directory/source.h"
#include "mailbox/engine.h"
#include "mailbox/remembered_out_of_office.h"
#include "mailbox/submitter.h"
#include "mailbox/user_services.h"
#include "mapi/legacy_dn.h"
#include "state/stores.h"
#include "wire/mapihttp/bodies.h"
#include "wire/mapihttp/headers.h"
#include "wire/rpc/aux.h"
#include "wire/rop/message_rops.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::mailbox {

using chain::Ahead;
using chain::Call;
using chain::Operation;
using chain::Verdict;
namespace http = wire::mapihttp;
namespace rpc = wire::rpc;

namespace {

// Row L1: how often and how patiently a client comes back.
constexpr std::uint32_t poll_milliseconds = 60'000, retry_count = 6, retry_milliseconds = 10'000;
// Above so many entries the address book is searched on a worker.
constexpr std::size_t large_directory = 2000;
constexpr std::uint32_t client_control_expiry = 7 * 24 * 3600 * 1000u;

using enum Setting::Type;
const Setting settings[] = {
    {"providers", list, nullptr, "Names of the modules that bring folders and messages, e.g. one of type imap. The first "
                                 "that can checks passwords.", "0.1"},
    {"submitter", text, "", "Name of the module that sends messages, e.g. one of type smtp; empty: nothing can be sent.", "0.1"},
    {"directory", text, "", "Name of the module that brings the address book, e.g. one of type directory or ldap. Without one "
                            "users find nobody but themselves.", "0.1"},
    {"out_of_office", text, "", "Name of the module that keeps automatic replies, e.g. one of type sieve; empty: there are none.", "0.1"},
    {"free_busy", text, "", "Name of the module that knows when people are busy, e.g. one of type freebusy; empty: nobody knows.", "0.1"},
    {"moved_users", list, "", "Users whose mailbox is elsewhere, as ADDRESS=DN of their server: they are told so.", "0.1"},
    {"shared_mailboxes", boolean, "true", "Delegates, as the directory names them, open the mailboxes of others beside their own, with all rights but "
                                         "sending. Providers have to log in without the owner's password: master_user of the imap module.", "0.1"},
    {"database", text, "", "PostgreSQL to keep the mailboxes' state in, for several gateways with the same users, as libpq takes it: "
                           "\"host=db dbname=mapigate user=mapigate\". Empty: SQLite files in state_dir.", "0.1"},
    {"database_connections", number, "8", "Most connections to it.", "0.1", 1, 1000},
    {"keep_removals", number, "100000", "How many messages that left a folder are remembered for each mailbox at least. A client that "
                                        "comes back after more of them costs one full comparison.", "0.1", 0, 100'000'000},
    {"refresh_interval", duration, "30s", "Folders in use are asked for changes when they were not asked for this long.", "0.1", 1000, 3'600'000},
    {"first_index_wait", duration, "60s", "How long opening a folder waits while it is read for the first time. Then the "
                                          "client is told to try again; reading goes on.", "0.1", 0, 600'000},
    {"backend_wait", duration, "60s", "How long the folder list and the content of a message may take.", "0.1", 1000, 600'000},
    {"idle_close", duration, "10min", "Mailboxes that nobody used for this long give back their memory and their connections.", "0.1", 1000, 86'400'000},
    {"deleted_retention", duration, "14d", "Deleted messages can be recovered for this long; 0s: they are gone at once.", "0.1", 0, std::int64_t{3650} * 86'400'000},
    {"recoverable_folder", text, "Recoverable Items", "The folder of the backend in which they wait. Outlook does not show it.", "0.1"},
    {"max_objects", number, "4096", "Most objects (handles) that one session may hold.", "0.1", 64, 1'000'000},
    {"max_tables", number, "500", "Most of them that may be tables.", "0.1", 16, 100'000},
    {"max_open_messages", number, "500", "Most of them that may be messages, attachments and streams.", "0.1", 16, 100'000},
    {"max_rows", number, "2000000", "Most messages of one folder that a table lists.", "0.1", 1000, 100'000'000},
    {"stream_memory", size, "1MiB", "Streams larger than this are kept in an unlinked temporary file.", "0.1", 4096, 1 << 30},
    {"content_cache", size, "8MiB", "Bytes of opened messages kept in memory for each user.", "0.1", 0, 1 << 30},
    {"text_cache", size, "1MiB", "Bytes of what texts begin with, which lists show below the subject (AutoPreview), kept in memory for each user.",
     "0.1", 0, 1 << 30},
    {"stream_lock_time", duration, "5min", "How long a region of a stream that a client has locked holds others back.", "0.1", 1000, 86'400'000},
    {"max_rules_size", size, "256KiB", "Bytes that the rules of one folder may take together.", "0.1", 32768, 64 << 20},
    {"max_submit_size", size, "35MiB", "The largest message that clients are told they may send.", "0.1", 65536, std::int64_t{2047} << 20},
    {"tnef", choice, "never", "Which messages leave with a winmail.dat, all that Outlook knows of them, beside their text. Other mail "
                              "programs do not read it. asked: those that ask for it and those whose recipients all take rich text.",
     "0.1", 0, 0, {"never", "asked", "always"}},
    {"chain_rows", boolean, "true", "Pack more rows of a table into a reply where the client asks for it."},
    {"chain_streams", boolean, "false", "The same for streams. Outlook 2013 and 2016 are confused by it."},
};

EngineOptions read_options(const chain::Environment& environment, const Settings& s) {
  EngineOptions options;
  options.state_dir = environment.state_dir;
  options.server_name = environment.server_name;
  options.refresh_interval = s.duration("refresh_interval");
  options.first_index_wait = s.duration("first_index_wait");
  options.backend_wait = s.duration("backend_wait");
  options.idle_close = s.duration("idle_close");
  options.deleted_retention = s.duration("deleted_retention");
  options.recoverable_folder = s.text("recoverable_folder");
  options.max_objects = static_cast<std::size_t>(s.number("max_objects"));
  options.max_tables = static_cast<std::size_t>(s.number("max_tables"));
  options.max_messages = static_cast<std::size_t>(s.number("max_open_messages"));
  options.max_rows = static_cast<std::size_t>(s.number("max_rows"));
  options.max_stream_memory = static_cast<std::size_t>(s.number("stream_memory"));
  options.content_cache = static_cast<std::size_t>(s.number("content_cache"));
  options.text_cache = static_cast<std::size_t>(s.number("text_cache"));
  options.max_submit_kilobytes = static_cast<std::uint32_t>(s.number("max_submit_size") / 1024);
  options.stream_lock_time = s.duration("stream_lock_time");
  options.max_rules_bytes = static_cast<std::size_t>(s.number("max_rules_size"));
  if (const auto& tnef = s.text("tnef"); tnef != "never") options.tnef = tnef == "asked" ? convert::TnefPolicy::asked : convert::TnefPolicy::always;
  options.chain_rows = s.boolean("chain_rows");
  options.chain_streams = s.boolean("chain_streams");
  for (const auto& moved : s.list("moved_users")) {
    const auto at = moved.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == moved.size())
      throw std::runtime_error(fmt::format("moved_users: \"{}\" is not ADDRESS=DN", moved));
    const auto dn = std::string(trim(std::string_view(moved).substr(at + 1)));
    if (dn.size() > 254) throw std::runtime_error("moved_users: a DN of more than 254 bytes");
    options.elsewhere[lower_ascii(trim(std::string_view(moved).substr(0, at)))] = dn;
  }
  return options;
}

template <class Body>
chain::Reply encoded(Operation operation, const Body& body, wire::CountWidth width) {
  chain::Reply reply;
  if (auto status = wire::encode("reply", body, reply.body, width); !status) return chain::error_reply(operation, mapi::ecError);
  return reply;
}

// The operations of the address book over the directory that the settings name.
class AddressBook {
 public:
  AddressBook(const chain::Environment& environment, std::string source)
      : environment_(environment), source_name_(std::move(source)) {
    server_.name = environment.server_name;
    server_.mapi_url = environment.external_url + "/mapi/";
    // Any value that stays the same and that other servers do not have.
    std::uint64_t hash[2] = {14695981039346656037u, 1099511628211u};
    for (const char c : environment.server_name) {
      hash[0] = (hash[0] ^ static_cast<unsigned char>(c)) * 1099511628211u;
      hash[1] = (hash[1] + hash[0]) * 6364136223846793005u;
    }
    std::memcpy(server_.guid.bytes.data(), hash, 16);
  }

  io::Task<> answer(Call& call) {
    const auto body = call.body();
    const auto snapshot = snapshot_for(call.session().identity().user);
    if (!snapshot || !body) {
      // A directory that was never read is no empty one.
      call.set_reply({static_cast<std::uint32_t>(http::ResponseCode::UnknownFailure), {}, chain::Reply::Trouble::unavailable});
      co_return;
    }
    auto* source = source_name_.empty() ? nullptr : dynamic_cast<directory::Source*>(environment_.find(source_name_));
    const directory::Nspi::Edit edit = [source](const directory::Entry& entry, const std::vector<directory::Change>& changes) -> Status {
      if (source == nullptr) return error(Errc::denied, "there is no directory");
      return source->change(entry, changes);
    };
    const auto work = [this, &call, &body, &snapshot, &edit] {
      return directory::answer(call.operation(), *body, *snapshot, server_, call.session().identity().user, call.arena(), edit);
    };
    std::optional<Result<Bytes>> reply;
    const bool changes = call.operation() == Operation::ModProps || call.operation() == Operation::ModLinkAtt;
    if (changes || snapshot->size() > large_directory) {
      auto found = co_await io::run_blocking(environment_.runtime, work);
      reply.emplace(std::move(found));
    } else {
      reply.emplace(work());
    }
    if (*reply) call.set_reply({0, std::move(**reply)});
    else if (reply->error().code == Errc::malformed)
      call.set_reply({static_cast<std::uint32_t>(http::ResponseCode::InvalidRequestBody), {}});
    else call.set_reply(chain::error_reply(call.operation(), mapi::ecError));
  }

  std::string name_of(const std::string& user) {
    const auto snapshot = snapshot_for(user);
    const auto found = snapshot ? snapshot->find_address(user) : std::nullopt;
    return found ? snapshot->object(*found).entry.display_name : user;
  }

  // Whether the directory has nobody under a mailbox's name. False when that cannot be told: without a directory, or before it was read.
  bool is_unknown(std::string_view dn, const std::string& address, const std::string& user) {
    if (source_name_.empty()) return false;
    const auto book = snapshot_for(user);
    return book && !book->find_address(address) && !book->find_dn(dn);
  }

  // Clients name recipients by any distinguished name under which the address book has them: that of another server, of
  // an address that has changed. The engine knows those that tell an address, so they get theirs.
  void name_by_address(const wire::RopRequestBuffer& buffer, const std::string& user, Arena& arena) {
    std::shared_ptr<const directory::Snapshot> book;
    for (const auto& rop : buffer.rops) {
      if (rop.id != wire::RopId::RopModifyRecipients) continue;
      auto* request = rop.as<wire::RopModifyRecipients>();
      if (!request) continue;
      if (!book) book = snapshot_for(user);
      if (!book) return;
      const auto rows = arena.copy(request->RecipientRows);
      for (auto& row : rows) name_by_address(row.RecipientRow, *book, arena);
      request->RecipientRows = rows;
    }
  }

  const std::string& source_name() const { return source_name_; }

  std::shared_ptr<const directory::Snapshot> snapshot_for(const std::string& user) {
    if (!source_name_.empty()) {
      auto* source = dynamic_cast<directory::Source*>(environment_.find(source_name_));
      if (source) return source->snapshot();
      log::error("{}: \"{}\" brings no address book", environment_.name, source_name_);
      return nullptr;
    }
    const std::lock_guard lock(mutex_);
    if (const auto known = alone_.find(user); known != alone_.end()) return known->second;
    if (!ids_) {
      auto opened = directory::IdTable::open(environment_.state_dir + "/" + environment_.name + ".addressbook");
      if (!opened) return log::error("{}: {}", environment_.name, opened.error().message), nullptr;
      ids_ = std::move(*opened);
    }
    directory::Entry self;
    self.key = self.address = self.display_name = user;
    auto made = directory::Snapshot::build({self}, *ids_);
    if (!made) return log::error("{}: {}", environment_.name, made.error().message), nullptr;
    if (alone_.size() >= 10'000) alone_.clear();
    return alone_.emplace(user, *made).first->second;
  }

 private:
  static void name_by_address(wire::RecipientRow& row, const directory::Snapshot& book, Arena& arena) {
    using Row = wire::RecipientRow;
    std::string dn;
    if (row.type() == Row::X500DN) dn = row.X500Dn;
    else if (row.type() == Row::NoType && row.has(Row::O) && equal_ignoring_ascii_case(row.AddressType, "EX"))
      dn = wire::to_utf8(row.EmailAddress, 1252);
    const auto found = dn.empty() ? std::nullopt : book.find_dn(dn);
    if (!found || book.object(*found).entry.address.empty()) return;
    row.RecipientFlags = static_cast<std::uint16_t>((row.RecipientFlags & ~(Row::TypeMask | Row::O)) | Row::X500DN);
    row.AddressPrefixUsed = 0;
    row.X500Dn = arena.copy(std::string_view(book.object(*found).dn));
  }

  const chain::Environment& environment_;
  const std::string source_name_;
  directory::Server server_;
  // Without a directory: one for each user, of the user.
  std::mutex mutex_;
  std::unique_ptr<directory::IdTable> ids_;
  std::map<std::string, std::shared_ptr<const directory::Snapshot>> alone_;
};

class MailboxModule final : public chain::Module,
                            public chain::Authenticator,
                            public chain::MailboxLocator,
                            public directory::AddressBooks,
                            public UserServices {
 public:
  MailboxModule(const chain::Environment& environment, const Settings& s)
      : environment_(environment), names_(s.list("providers")), submitter_(s.text("submitter")),
        out_of_office_(s.text("out_of_office")),
        free_busy_(s.text("free_busy")), shared_mailboxes_(s.boolean("shared_mailboxes")) {
    if (names_.empty()) throw std::runtime_error("providers: at least one has to be named");
    auto options = read_options(environment, s);
    state::StoreOptions where;
    where.folder = environment.state_dir;
    where.postgres.conninfo = s.text("database");
    where.postgres.connections = static_cast<std::size_t>(s.number("database_connections"));
    where.keep_removals = where.postgres.keep_removals = static_cast<std::uint64_t>(s.number("keep_removals"));
    auto store = state::open_store(where);
    if (!store) throw std::runtime_error(store.error().message);
    engine_ = std::make_unique<Engine>(environment.runtime, std::move(options), std::move(*store), [this] { return factories(); },
                                       [this] { return submitter(); }, this);
    address_book_ = std::make_unique<AddressBook>(environment_, s.text("directory"));
    if (engine_->has_waiting()) io::spawn(environment.runtime.executor(), resume(alive_, this));
  }

  chain::Interests interests() const override {
    chain::Interests wanted;
    wanted.calls = {Operation::Connect, Operation::Execute, Operation::Disconnect, Operation::NotificationWait};
    for (int i = static_cast<int>(Operation::Bind); i <= static_cast<int>(Operation::GetAddressBookUrl); ++i)
      wanted.calls.push_back(static_cast<Operation>(i));
    return wanted;
  }

  io::Task<Verdict> on_call(Call& call, Ahead&) override {
    switch (call.operation()) {
      case Operation::Connect: connect(call); break;
      case Operation::Execute: co_await execute(call); break;
      case Operation::NotificationWait: co_await notification_wait(call); break;
      case Operation::Disconnect:
        forget(call.session());
        call.set_reply(encoded(call.operation(), http::Disconnect::Response{}, wire::CountWidth::narrow));
        break;
      default: co_await address_book_->answer(call);
    }
    co_return Verdict::norelay;
  }

  io::Task<> on_session_end(chain::Session& session) override {
    forget(session);
    co_return;
  }

  io::Task<Status> authenticate(chain::Identity identity) override {
    auto* checker = dynamic_cast<chain::Authenticator*>(environment_.find(names_.front()));
    if (!checker) co_return error(Errc::unavailable, "\"{}\" checks no passwords", names_.front());
    auto outcome = co_await checker->authenticate(std::move(identity));
    co_return outcome;
  }

  io::Task<Result<chain::MailboxInfo>> locate(chain::Identity identity) override {
    co_return chain::MailboxInfo{address_book_->name_of(identity.user), identity.user, mapi::user_dn(identity.user)};
  }

  std::shared_ptr<const directory::Snapshot> address_book(const std::string& user) override { return address_book_->snapshot_for(user); }
  std::string directory_name() const override { return address_book_->source_name(); }

  OutOfOfficeFactory* out_of_office() override {
    const std::lock_guard lock(replies_mutex_);
    if (!replies_)
      if (auto* keeper = component<OutOfOfficeFactory>(out_of_office_, "keeps no automatic replies"))
        replies_ = std::make_unique<RememberedOutOfOffice>(*keeper);
    return replies_.get();
  }
  FreeBusySource* free_busy() override { return component<FreeBusySource>(free_busy_, "brings no free/busy information"); }

  io::Task<Result<InboxRules>> inbox_rules(std::shared_ptr<const chain::Identity> user, io::Executor executor) override {
    return engine_->inbox_rules(std::move(user), std::move(executor));
  }

  std::string display_name(const std::string& user) override { return address_book_->name_of(user); }

  std::uint64_t max_submit_size() const override { return std::uint64_t{engine_->options().max_submit_kilobytes} * 1024; }

  std::vector<std::string> other_addresses(const std::string& user) override {
    const auto book = address_book_->snapshot_for(user);
    const auto self = book ? book->find_address(user) : std::nullopt;
    if (!self) return {};
    const auto entry = book->entry(*self);
    auto out = entry.aliases;
    if (!entry.address.empty()) out.push_back(entry.address);
    return out;
  }

  std::optional<KnownPerson> who_has(const std::string& user, const std::string& address) override {
    if (address_book_->source_name().empty()) return std::nullopt;
    const auto book = address_book_->snapshot_for(user);
    const auto found = book ? book->find_address(address) : std::nullopt;
    return found ? std::optional(known_person(*book, *found)) : std::nullopt;
  }

  Result<KnownPerson> author(const std::string& user, const std::string& author) override {
    const auto book = address_book_->snapshot_for(user);
    if (!book) return error(Errc::unavailable, "the directory was not read yet");
    const auto self = book->find_address(user);
    const auto found = author.find('@') != std::string::npos && !author.starts_with('/') ? book->find_address(author) : book->find_dn(author);
    if (!self || !found || !directory::may_send_for(*book, *found, *self))
      return error(Errc::denied, "{} does not send in the name of {}", user, author);
    return known_person(*book, *found);
  }

  bool may_open(const std::string& user, const std::string& owner) override {
    if (!shared_mailboxes_) return false;
    const auto book = address_book_->snapshot_for(user);
    if (!book || !directory::may_open(*book, user, owner)) return false;
    // Another chain has that mailbox somewhere else; here it would be a second, empty one.
    if (environment_.serves && !environment_.serves(owner)) return false;
    for (const auto& one : factories()) {
      if (one.factory->opens_without_password()) continue;
      log::info("{}: {} may open the mailbox of {}, but {} has no master_user to log in with", environment_.name, user, owner, one.name);
      return false;
    }
    return true;
  }

  static KnownPerson known_person(const directory::Snapshot& book, directory::Index index) {
    const auto object = book.object(index);
    return {object.entry.display_name, object.entry.address, directory::permanent_entry_id(object.display_type, object.dn)};
  }

  // Once the other modules are there.
  static io::Task<> resume(std::weak_ptr<int> alive, MailboxModule* self) {
    co_await io::sleep_for(std::chrono::milliseconds(500));
    if (alive.expired()) co_return;
    self->engine_->resume();
  }

 private:
  using SessionSlot = std::shared_ptr<Session>;

  std::vector<NamedFactory> factories() const {
    std::vector<NamedFactory> out;
    for (const auto& name : names_) {
      auto* factory = dynamic_cast<ProviderFactory*>(environment_.find(name));
      if (factory) out.push_back({name, factory});
      else log::error("{}: \"{}\" is no provider", environment_.name, name);
    }
    return out;
  }

  SubmitterFactory* submitter() const {
    return submitter_.empty() ? nullptr : dynamic_cast<SubmitterFactory*>(environment_.find(submitter_));
  }

  template <class T>
  T* component(const std::string& name, const char* otherwise) const {
    if (name.empty()) return nullptr;
    auto* found = dynamic_cast<T*>(environment_.find(name));
    if (!found) log::error("{}: \"{}\" {}", environment_.name, name, otherwise);
    return found;
  }

  void forget(chain::Session& session) {
    auto& slot = session.slot(*this);
    if (const auto* known = std::any_cast<SessionSlot>(&slot)) (*known)->close();
    slot.reset();
  }
  SessionSlot session_of(Call& call) {
    auto& slot = call.session().slot(*this);
    const auto* session = std::any_cast<SessionSlot>(&slot);
    return session ? *session : nullptr;
  }

  void connect(Call& call) {
    const auto body = call.body();
    const auto request = body ? wire::decode<http::Connect::Request>("Connect", *body, call.arena(), wire::CountWidth::narrow)
                              : Result<http::Connect::Request>(body.error());
    if (!request) return call.set_reply({static_cast<std::uint32_t>(http::ResponseCode::InvalidRequestBody), {}});
    const auto& user = call.session().identity().user;
    // [MS-OXCRPC] 3.1.4.1: nobody named, somebody unknown, somebody else.
    if (request->UserDn.empty()) return call.set_reply(chain::error_reply(call.operation(), mapi::ecAccessDenied));
    const auto named = mapi::address_of_user_dn(request->UserDn);
    if (!named) return call.set_reply(chain::error_reply(call.operation(), mapi::ecUnknownUser));
    if (*named != user) {
      const bool unknown = address_book_->is_unknown(request->UserDn, *named, user);
      return call.set_reply(chain::error_reply(call.operation(), unknown ? mapi::ecUnknownUser : mapi::ecAccessDenied));
    }

    SessionOptions options;
    if (request->DefaultCodePage != 0) options.code_page = request->DefaultCodePage;
    if (request->LcidString != 0) options.locale = request->LcidString;
    options.index = static_cast<std::uint16_t>(call.session().id());
    SessionSlot session = engine_->connect(call.session().shared_identity(), call.session().executor(), options);
    call.session().slot(*this) = std::move(session);

    http::Connect::Response response;
    response.PollsMax = poll_milliseconds;
    response.RetryCount = retry_count;
    response.RetryDelay = retry_milliseconds;
    const auto prefix = mapi::user_dn("");
    response.DnPrefix = prefix;
    response.DisplayName = to_utf16(call.arena(), address_book_->name_of(user));
    Bytes blocks, auxiliary;
    const auto aux = rpc::server_aux_blocks(0, rpc::ENABLE_COMPRESSION | rpc::ENABLE_HTTP_TUNNELING, client_control_expiry,
                                            rpc::ENDPOINT_CAPABILITIES_SINGLE_ENDPOINT);
    if (rpc::write_aux(aux, blocks) && rpc::write_extended_buffer(blocks, true, {}, auxiliary)) response.AuxiliaryBuffer = auxiliary;
    call.set_reply(encoded(call.operation(), response, wire::CountWidth::narrow));
  }

  io::Task<> execute(Call& call) {
    auto session = session_of(call);
    auto request = call.execute();
    if (!session) {
      call.set_reply(chain::error_reply(call.operation(), mapi::ecError));
      co_return;
    }
    if (!request) {
      call.set_reply({static_cast<std::uint32_t>(http::ResponseCode::InvalidRequestBody), {}});
      co_return;
    }
    const auto* execute = *request;
    address_book_->name_by_address(execute->requests, call.session().identity().user, call.arena());
    auto result = co_await session->execute(execute->requests, execute->Flags, std::min<std::size_t>(execute->MaxRopOut, rpc::max_rop_out),
                                            call.arena());
    if (result.code != mapi::ecNone) {
      call.set_reply(chain::error_reply(call.operation(), result.code));
      co_return;
    }
    std::vector<View> payloads(result.payloads.begin(), result.payloads.end());
    Bytes buffer;
    if (!rpc::write_extended_buffers(payloads, rpc::reply_options(execute->Flags), buffer)) {
      call.set_reply(chain::error_reply(call.operation(), mapi::ecBufferTooSmall));
      co_return;
    }
    http::Execute::Response response;
    response.RopBuffer = buffer;
    call.set_reply(encoded(call.operation(), response, wire::CountWidth::narrow));
  }

  // The transport keeps the client patient meanwhile (row M4).
  io::Task<> notification_wait(Call& call) {
    auto session = session_of(call);
    http::NotificationWait::Response response;
    if (!session) {
      call.set_reply(chain::error_reply(call.operation(), mapi::ecError));
      co_return;
    }
    const bool pending = co_await session->wait_for_event(engine_->options().notification_wait);
    response.EventPending = pending ? http::NotificationWait::event_pending : 0;
    call.set_reply(encoded(call.operation(), response, wire::CountWidth::narrow));
  }

  const chain::Environment environment_;
  std::vector<std::string> names_;
  std::string submitter_, out_of_office_, free_busy_;
  const bool shared_mailboxes_;
  std::mutex replies_mutex_;
  std::unique_ptr<RememberedOutOfOffice> replies_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::unique_ptr<AddressBook> address_book_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& s) {
  return std::make_unique<MailboxModule>(environment, s);
}

const chain::ModuleDescriptor descriptor{
    .type = "mailbox",
    .summary = "answers clients out of a mailbox made of folders from providers",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::milliseconds(0),
    .create = create,
};

}  // namespace
}  // namespace mapigate::mailbox

MAPIGATE_MODULE(mapigate::mailbox::descriptor)
