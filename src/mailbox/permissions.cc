// Who may do what in a folder ([MS-OXCPERM]). Who opens the mailbox of another has full access by the directory: this is the list
// that clients keep, and nothing follows from it.
#include <algorithm>
#include <sstream>

#include "mailbox/rop_call.h"
#include "mapi/legacy_dn.h"

namespace mapigate::mailbox {

namespace {

struct Member {
  std::int64_t id = 0;
  std::uint32_t rights = 0;
  Bytes entry_id{};
  std::string name{};
};
constexpr std::int64_t default_user = 0, anonymous = -1;
// [MS-OXCPERM] 2.2.7; others are not kept.
constexpr std::uint32_t known_rights = 0x00001FFB, free_busy_rights = 0x00001800;
constexpr std::size_t most_members = 1000, most_entry_id = 4096;

// A line "id rights x<entry id> name" for each.
std::vector<Member> parse(const std::string& text) {
  std::vector<Member> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    Member one;
    std::string hex;
    if (!(in >> one.id >> one.rights >> hex) || !from_hex(std::string_view(hex).substr(1), one.entry_id)) continue;
    if (in.get() == ' ') std::getline(in, one.name);
    out.push_back(std::move(one));
  }
  return out;
}

// The owner is not in the list; two are in every folder's.
Result<std::vector<Member>> members_of(state::MailboxState& s, GlobalCounter folder) {
  auto text = s.value(state::permissions_key(folder));
  if (!text) return text.error();
  auto members = parse(text->value_or(std::string()));
  const auto has = [&](std::int64_t id) { return std::any_of(members.begin(), members.end(), [&](const auto& one) { return one.id == id; }); };
  if (!has(anonymous)) members.insert(members.begin(), Member{anonymous, 0, {}, "Anonymous"});
  if (!has(default_user)) members.insert(members.begin(), Member{default_user, 0, {}, {}});
  return members;
}

// Of a PermanentEntryID ([MS-OXNSPI] 2.3.9.3): the address, or what its distinguished name is.
std::string name_of(View entry_id) {
  constexpr std::size_t head = 28;
  std::string name(as_text(entry_id.size() > head ? entry_id.subspan(head) : View()));
  name = name.substr(0, name.find('\0'));
  std::erase_if(name, [](char c) { return c >= 0 && c < 0x20; });  // a line each
  return mapi::address_of_user_dn(name).value_or(name);
}

Task<ErrorCode> get_permissions_table(RopCall& call, const wire::RopGetPermissionsTable::Request& request,
                                      wire::RopGetPermissionsTable::Response&) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  const auto id = folder->id;
  auto read = [id](state::MailboxState& s) { return members_of(s, id); };
  auto members = co_await call.mailbox.with_state(read);
  if (!members) co_return mapi::to_error_code(members.error());
  const bool free_busy = (request.TableFlags & wire::RopGetPermissionsTable::IncludeFreeBusy) != 0;
  std::vector<mapi::PropertyBag> rows(members->size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& one = (*members)[i];
    const auto rights = free_busy ? one.rights : one.rights & ~free_busy_rights;
    rows[i].set_binary(mapi::PidTagEntryId, one.entry_id);
    rows[i].set(mapi::PidTagMemberId, mapi::Value::integer64(one.id));
    rows[i].set_string(mapi::PidTagMemberName, one.name);
    rows[i].set_integer(mapi::PidTagMemberRights, static_cast<std::int32_t>(rights));
  }
  auto table = std::make_shared<TableObject>();
  table->source = TableObject::Source::permissions;
  table->rows = std::make_unique<FixedRows>(
      std::move(rows), std::vector{mapi::PidTagEntryId, mapi::PidTagMemberId, mapi::PidTagMemberName, mapi::PidTagMemberRights});
  co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), nullptr);
}

ErrorCode apply(std::vector<Member>& members, const wire::PermissionData& change, bool free_busy) {
  std::optional<std::int64_t> id;
  std::optional<std::uint32_t> rights;
  View entry_id;
  for (const auto& [tag, value] : change.PropertyValues) {
    if (tag.id() == mapi::PidTagMemberId.id()) id = mapi::number_of(value);
    if (tag.id() == mapi::PidTagMemberRights.id()) rights = static_cast<std::uint32_t>(mapi::number_of(value));
    if (const auto* bytes = value.get<View>(); bytes && tag.id() == mapi::PidTagEntryId.id()) entry_id = *bytes;
  }
  const bool add = change.PermissionDataFlags == wire::PermissionData::AddRow;
  const bool remove = change.PermissionDataFlags == wire::PermissionData::RemoveRow;
  if (add ? entry_id.empty() || entry_id.size() > most_entry_id : !id) return mapi::ecInvalidParam;
  if (!remove && !rights) return mapi::ecInvalidParam;
  auto known = std::find_if(members.begin(), members.end(),
                            [&](const auto& one) { return add ? equal(one.entry_id, entry_id) : one.id == *id; });
  if (known == members.end()) {
    if (!add) return mapi::ecNotFound;
    if (members.size() >= most_members) return mapi::ecMemory;
    std::int64_t next = 1;
    for (const auto& one : members) next = std::max(next, one.id + 1);
    members.push_back({next, 0, to_bytes(entry_id), name_of(entry_id)});
    known = std::prev(members.end());
  }
  const auto changed = free_busy ? known_rights : known_rights & ~free_busy_rights;
  if (remove && known->id > 0) members.erase(known);
  else known->rights = (known->rights & ~changed) | (rights.value_or(0) & changed);
  return mapi::ecNone;
}

// All changes or none, and in one step: another session may be about to change the same list.
Result<ErrorCode> modify(state::MailboxState& s, GlobalCounter folder, const wire::RopModifyPermissions::Request& request) {
  using Rop = wire::RopModifyPermissions;
  auto there = holds_folder(s, folder);
  if (!there) return there.error();
  if (!*there) return mapi::ecNotFound;
  auto members = members_of(s, folder);
  if (!members) return members.error();
  if (request.ModifyFlags & Rop::ReplaceRows) {
    // All but the default user's ([MS-OXCPERM] 2.2.2.1). Anonymous stays in the list, with nothing.
    std::erase_if(*members, [](const auto& one) { return one.id > 0; });
    for (auto& one : *members)
      if (one.id == anonymous) one.rights = 0;
  }
  for (const auto& change : request.PermissionsData) {
    const auto code = apply(*members, change, (request.ModifyFlags & Rop::IncludeFreeBusy) != 0);
    if (code != mapi::ecNone) return code;
  }
  std::string text;
  for (const auto& one : *members) text += fmt::format("{} {} x{} {}\n", one.id, one.rights, to_hex(one.entry_id), one.name);
  if (auto written = s.set_value(state::permissions_key(folder), text); !written) return written.error();
  return mapi::ecNone;
}

// [MS-OXCPERM] 3.2.5.2. Row P7: one that only empties the list is usual.
Task<ErrorCode> modify_permissions(RopCall& call, const wire::RopModifyPermissions::Request& request, wire::RopModifyPermissions::Response&) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  const auto id = folder->id;
  auto work = [id, &request](state::MailboxState& s) { return modify(s, id, request); };
  auto done = co_await call.mailbox.with_state(work);
  co_return done ? *done : mapi::to_error_code(done.error());
}

}  // namespace

HandlerList permission_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopGetPermissionsTable, get_permissions_table>(),
      on<wire::RopModifyPermissions, modify_permissions>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
