// Logon and store ROPs ([MS-OXCSTOR] 3.2.5).
#include <algorithm>
#include <ctime>
#include <sstream>

#include "mailbox/rop_call.h"
#include "mailbox/store_out_of_office.h"
#include "mapi/legacy_dn.h"

namespace mapigate::mailbox {

namespace {

// [MS-OXCSTOR] 2.2.1.1.1, OpenFlags.
constexpr std::uint32_t open_public = 0x00000002, use_per_mdb_replid_mapping = 0x01000000;
// ResponseFlags: reserved, owner. The right to send is there with the first submitter.
constexpr std::uint8_t reserved_right = 0x01, owner_right = 0x02, send_as_right = 0x04, out_of_office = 0x10;
// It tried too often to log on to a mailbox that is not here ([MS-OXCSTOR] 3.2.5.1.3).
constexpr auto ecServerPaused = static_cast<ErrorCode>(0x0000047F);
// More replicas than the map holds ([MS-OXCSTOR] 3.2.5.9).
constexpr auto ecParameterOverflow = static_cast<ErrorCode>(0x00000450);
// When the address routing table changed last: there is none, so any time that stays the same will do.
constexpr std::uint64_t gwart_time = 0x01CD000000000000;

wire::LogonTime logon_time() {
  const std::time_t seconds = to_unix(now());
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  wire::LogonTime out;
  out.Seconds = static_cast<std::uint8_t>(tm.tm_sec);
  out.Minutes = static_cast<std::uint8_t>(tm.tm_min);
  out.Hour = static_cast<std::uint8_t>(tm.tm_hour);
  out.DayOfWeek = static_cast<std::uint8_t>(tm.tm_wday);
  out.Day = static_cast<std::uint8_t>(tm.tm_mday);
  out.Month = static_cast<std::uint8_t>(tm.tm_mon + 1);
  out.Year = static_cast<std::uint16_t>(tm.tm_year + 1900);
  return out;
}

Task<ErrorCode> logon(RopCall& call, const wire::RopLogon::Request& request, wire::RopLogon::Response& response) {
  const auto& options = call.mailbox.context().options;
  const auto& store = call.store();
  // Row P2: of the flags asked only these come back.
  response.LogonFlags = request.LogonFlags & (wire::RopLogon::Private | wire::RopLogon::Undercover | wire::RopLogon::Ghosted);
  // There is no public folder store, and no other server that would have one.
  if (!(request.LogonFlags & wire::RopLogon::Private) || (request.OpenFlags & open_public)) co_return mapi::ecLoginFailure;
  const auto owner = mapi::address_of_user_dn(request.essdn());
  if (!owner) co_return mapi::ecUnknownUser;
  if (const auto home = options.elsewhere.find(*owner); home != options.elsewhere.end()) {
    if (!call.session.may_redirect()) co_return ecServerPaused;
    // Row L8.
    const auto name = call.arena.copy(std::string_view(home->second.c_str(), home->second.size() + 1));
    response.ServerName = as_view(name);
    co_return mapi::ecWrongServer;
  }
  // Ids and named properties differ from mailbox to mailbox, and the client has to know ([MS-OXCSTOR] 3.2.5.1.1).
  auto& first = call.session.first_logon();
  if (!first.empty() && first != *owner && !(request.OpenFlags & use_per_mdb_replid_mapping)) co_return mapi::ecInvalidParam;
  // Session::target_of has found the mailboxes of others that this user may open. Whether there are more is nobody's business.
  if (*owner != store.user) co_return mapi::ecLoginPerm;

  const bool away = co_await is_out_of_office(&call.mailbox, call.session.is_guest());
  call.session.release_logon(call.request.LogonId);
  auto object = std::make_shared<LogonObject>();
  if (const auto code = call.put(call.request.HandleIndex, object); code != mapi::ecNone) co_return code;
  if (first.empty()) first = *owner;
  // Row L3: the order of the roles is the order of the reply.
  for (std::size_t i = 0; i < wire::LogonFolderIds::count; ++i)
    response.FolderIds[i] = store.id(special_id(static_cast<FolderRole>(static_cast<std::size_t>(FolderRole::root) + i)));
  response.ResponseFlags = reserved_right | owner_right;
  if (!call.session.is_guest()) response.ResponseFlags |= send_as_right;
  if (away) response.ResponseFlags |= out_of_office;
  response.MailboxGuid = store.mailbox;
  response.ReplId = own_replid;
  response.ReplGuid = store.replica;
  response.LogonTime = logon_time();
  response.GwartTime = gwart_time;
  response.StoreState = 0;
  co_return mapi::ecNone;
}

// Row F1. The longest prefix wins; classes compare without case.
struct ReceiveFolder {
  std::string message_class;
  GlobalCounter folder;
  FileTime changed{};
};
constexpr char receive_key[] = "engine.receive_folders";  // a line "folder time class" for each that was set
constexpr std::size_t most_receive_folders = 1000;

std::vector<ReceiveFolder> parse_receive_folders(const std::string& text) {
  std::vector<ReceiveFolder> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    ReceiveFolder one;
    if (in >> one.folder >> one.changed.ticks && in.get() == ' ') std::getline(in, one.message_class);
    if (one.folder != 0) out.push_back(std::move(one));
  }
  return out;
}

Task<Result<std::vector<ReceiveFolder>>> set_receive_folders(Mailbox* mailbox) {
  auto read = [](state::MailboxState& s) { return s.value(receive_key); };
  auto text = co_await mailbox->with_state(read);
  if (!text) co_return text.error();
  co_return parse_receive_folders(text->value_or(std::string()));
}

// Those that were set, over those that every mailbox has. One whose folder is gone does not count.
Task<Result<std::vector<ReceiveFolder>>> receive_folders(Mailbox* mailbox) {
  const auto* inbox = mailbox->tree()->by_role(FolderRole::inbox);
  const auto created = inbox ? inbox->created : FileTime();
  auto set = co_await set_receive_folders(mailbox);
  if (!set) co_return set;
  std::vector<ReceiveFolder> all{{"", special_id(FolderRole::inbox), created},
                                 {"IPM", special_id(FolderRole::inbox), created},
                                 {"REPORT.IPM", special_id(FolderRole::inbox), created},
                                 {"IPC", special_id(FolderRole::root), created}};
  for (auto& one : *set) {
    if (!mailbox->tree()->find(one.folder)) continue;
    std::erase_if(all, [&](const auto& other) { return equal_ignoring_ascii_case(other.message_class, one.message_class); });
    all.push_back(std::move(one));
  }
  co_return all;
}

bool valid_class(std::string_view name) {
  if (name.size() > 254 || name.starts_with('.') || name.ends_with('.') || name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

Task<ErrorCode> get_receive_folder(RopCall& call, const wire::RopGetReceiveFolder::Request& request,
                                   wire::RopGetReceiveFolder::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  if (!valid_class(request.MessageClass)) co_return mapi::ecInvalidParam;
  const auto asked = lower_ascii(request.MessageClass);
  auto all = co_await receive_folders(&call.mailbox);
  if (!all) co_return mapi::to_error_code(all.error());
  const ReceiveFolder* best = nullptr;
  for (const auto& entry : *all) {
    const auto name = lower_ascii(entry.message_class);
    const bool matches = asked == name || name.empty() || (asked.starts_with(name) && asked[name.size()] == '.');
    if (matches && (!best || entry.message_class.size() >= best->message_class.size())) best = &entry;
  }
  if (!best) co_return mapi::ecNotFound;
  response.FolderId = call.id(best->folder);
  response.ExplicitMessageClass = call.arena.copy(std::string_view(best->message_class));
  co_return mapi::ecNone;
}

Task<ErrorCode> get_receive_folder_table(RopCall& call, const wire::RopGetReceiveFolderTable::Request&,
                                         wire::RopGetReceiveFolderTable::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  auto all = co_await receive_folders(&call.mailbox);
  if (!all) co_return mapi::to_error_code(all.error());
  auto rows = call.arena.make_span<wire::PropertyRow>(all->size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& one = (*all)[i];
    auto values = call.arena.make_span<mapi::Value>(3);
    values[0] = mapi::Value::integer64(static_cast<std::int64_t>(call.id(one.folder).value));
    values[1] = mapi::Value::string8(call.arena.copy(std::string_view(one.message_class)));
    values[2] = mapi::Value::time(one.changed);
    rows[i] = {0, values};
  }
  response.Rows = rows;
  co_return mapi::ecNone;
}

// [MS-OXCSTOR] 2.2.1.3 and 3.2.5.3.
Task<ErrorCode> set_receive_folder(RopCall& call, const wire::RopSetReceiveFolder::Request& request, wire::RopSetReceiveFolder::Response&) {
  if (!call.object<LogonObject>()) co_return call.why;
  if (!valid_class(request.MessageClass)) co_return mapi::ecInvalidParam;
  const std::string name(request.MessageClass);
  const auto folder = RopCall::counter(request.FolderId);
  const bool remove = request.FolderId.value == 0;
  if (equal_ignoring_ascii_case(name, "IPM") || equal_ignoring_ascii_case(name, "REPORT.IPM")) co_return mapi::ecAccessDenied;
  if (remove ? name.empty() : !call.mailbox.tree()->find(folder)) co_return mapi::ecError;
  auto set = co_await set_receive_folders(&call.mailbox);
  if (!set) co_return mapi::to_error_code(set.error());
  std::erase_if(*set, [&](const auto& one) { return equal_ignoring_ascii_case(one.message_class, name); });
  if (set->size() >= most_receive_folders) co_return mapi::ecMemory;
  if (!remove) set->push_back({name, folder, now()});
  std::string text;
  for (const auto& one : *set) text += fmt::format("{} {} {}\n", one.folder, one.changed.ticks, one.message_class);
  auto write = [&text](state::MailboxState& s) { return s.set_value(receive_key, text); };
  auto written = co_await call.mailbox.with_state(write);
  co_return written ? mapi::ecNone : mapi::to_error_code(written.error());
}

Task<ErrorCode> get_store_state(RopCall& call, const wire::RopGetStoreState::Request&, wire::RopGetStoreState::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  response.StoreState = store_state(call.mailbox.has_searches());
  co_return mapi::ecNone;
}

// Public folders only: "The ROP was attempted against a private mailbox".
Task<ErrorCode> get_owning_servers(RopCall& call, const wire::RopGetOwningServers::Request&, wire::RopGetOwningServers::Response&) {
  if (!call.object<LogonObject>()) co_return call.why;
  co_return mapi::ecNotSupported;
}
Task<ErrorCode> public_folder_is_ghosted(RopCall& call, const wire::RopPublicFolderIsGhosted::Request&,
                                         wire::RopPublicFolderIsGhosted::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  response.IsGhosted = false;
  co_return mapi::ecNone;
}

Task<ErrorCode> get_local_replica_ids(RopCall& call, const wire::RopGetLocalReplicaIds::Request& request,
                                      wire::RopGetLocalReplicaIds::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  if (request.IdCount == 0) co_return mapi::ecInvalidParam;
  // Row L5: 65,536 and more are given. The counter has 48 bits; a client would have to ask for
  // 2^32 ids 65,536 times to use it up.
  const auto count = request.IdCount;
  auto reserve = [count](state::MailboxState& s) { return s.reserve_ids(count); };
  auto first = co_await call.mailbox.with_state(reserve);
  if (!first) co_return mapi::to_error_code(first.error());
  response.ReplGuid = call.store().replica;
  response.GlobalCount = mapi::counter_bytes(*first);
  co_return mapi::ecNone;
}

Task<ErrorCode> long_term_id_from_id(RopCall& call, const wire::RopLongTermIdFromId::Request& request,
                                     wire::RopLongTermIdFromId::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  // Nothing has no replica; an id with a replid alone has ([MS-OXCSTOR] 3.2.5.8).
  if (request.ObjectId.value == 0) co_return mapi::ecNone;
  auto replica = co_await call.mailbox.replica_of(request.ObjectId.replid());
  if (!replica) co_return mapi::ecNotFound;
  response.LongTermId = {*replica, mapi::counter_bytes(request.ObjectId.counter()), 0};
  co_return mapi::ecNone;
}

Task<ErrorCode> id_from_long_term_id(RopCall& call, const wire::RopIdFromLongTermId::Request& request,
                                     wire::RopIdFromLongTermId::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  const auto counter = mapi::counter_from(request.LongTermId.GlobalCounter);
  // No counter is none to find out about ([MS-OXCSTOR] 3.2.5.9).
  if (request.LongTermId.DatabaseGuid == mapi::Guid()) co_return mapi::ecInvalidParam;
  // Row L6: ids of other stores are taken as well.
  auto replid = co_await call.mailbox.replid_of(request.LongTermId.DatabaseGuid);
  if (!replid) co_return replid.error().code == Errc::limit ? ecParameterOverflow : mapi::to_error_code(replid.error());
  response.ObjectId = mapi::Id(*replid, counter);
  co_return mapi::ecNone;
}

Task<ErrorCode> get_address_types(RopCall& call, const wire::RopGetAddressTypes::Request&, wire::RopGetAddressTypes::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  auto types = call.arena.make_span<wire::Text8>(2);  // row T1
  types[0].Text = "EX";
  types[1].Text = "SMTP";
  response.AddressTypes = types;
  co_return mapi::ecNone;
}

Task<ErrorCode> get_transport_folder(RopCall& call, const wire::RopGetTransportFolder::Request&,
                                     wire::RopGetTransportFolder::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  response.FolderId = call.id(special_id(FolderRole::outbox));
  co_return mapi::ecNone;
}

}  // namespace

HandlerList logon_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopLogon, logon>(),
      on<wire::RopGetReceiveFolder, get_receive_folder>(),
      on<wire::RopGetReceiveFolderTable, get_receive_folder_table>(),
      on<wire::RopSetReceiveFolder, set_receive_folder>(),
      on<wire::RopGetStoreState, get_store_state>(),
      on<wire::RopGetOwningServers, get_owning_servers>(),
      on<wire::RopPublicFolderIsGhosted, public_folder_is_ghosted>(),
      on<wire::RopGetLocalReplicaIds, get_local_replica_ids>(),
      on<wire::RopLongTermIdFromId, long_term_id_from_id>(),
      on<wire::RopIdFromLongTermId, id_from_long_term_id>(),
      on<wire::RopGetAddressTypes, get_address_types>(),
      on<wire::RopGetTransportFolder, get_transport_folder>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
