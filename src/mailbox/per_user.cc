// What a user has read in public folders, which clients keep in the mailbox ([MS-OXCSTOR] 3.2.5.10 to 3.2.5.13). There are no such
// folders here; what a client stores of those of others comes back.
#include <algorithm>
#include <sstream>

#include "mailbox/rop_call.h"
#include "wire/fxics/idset.h"

namespace mapigate::mailbox {

namespace {

constexpr char list_key[] = "engine.per_user";  // a line "database counter replica" for each folder
constexpr std::size_t most_folders = 1000, most_bytes = 1 << 20;
constexpr std::size_t response_fields = 3;
constexpr std::size_t largest_piece = 4096;  // of what is read at once, and what comes when nothing is said

struct Entry {
  mapi::LongTermId folder;
  mapi::Guid replica;
};
bool same(const mapi::LongTermId& a, const mapi::LongTermId& b) {
  return a.DatabaseGuid == b.DatabaseGuid && a.GlobalCounter == b.GlobalCounter;
}
std::string name_of(const mapi::LongTermId& folder) {
  return fmt::format("{} {}", mapi::to_string(folder.DatabaseGuid), to_hex(folder.GlobalCounter));
}
std::string data_key(const mapi::LongTermId& folder) { return fmt::format("{} {}", list_key, name_of(folder)); }

std::vector<Entry> parse(const std::string& text) {
  std::vector<Entry> out;
  std::istringstream in(text);
  for (std::string database, counter, replica; in >> database >> counter >> replica;) {
    const auto of = mapi::guid_from_string(database), with = mapi::guid_from_string(replica);
    Bytes bytes;
    Entry one;
    if (!of || !with || !from_hex(counter, bytes) || bytes.size() != one.folder.GlobalCounter.size()) continue;
    one.folder.DatabaseGuid = *of;
    std::copy(bytes.begin(), bytes.end(), one.folder.GlobalCounter.begin());
    one.replica = *with;
    out.push_back(one);
  }
  return out;
}

Task<Result<std::vector<Entry>>> entries(Mailbox* mailbox) {
  auto read = [](state::MailboxState& s) { return s.value(list_key); };
  auto text = co_await mailbox->with_state(read);
  if (!text) co_return text.error();
  co_return parse(text->value_or(std::string()));
}

Task<ErrorCode> get_per_user_long_term_ids(RopCall& call, const wire::RopGetPerUserLongTermIds::Request& request,
                                           wire::RopGetPerUserLongTermIds::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  auto all = co_await entries(&call.mailbox);
  if (!all) co_return mapi::to_error_code(all.error());
  std::vector<mapi::LongTermId> found;
  for (const auto& one : *all)
    if (one.replica == request.DatabaseGuid) found.push_back(one.folder);
  response.LongTermIds = call.arena.copy(std::span<const mapi::LongTermId>(found));
  co_return mapi::ecNone;
}

Task<ErrorCode> get_per_user_guid(RopCall& call, const wire::RopGetPerUserGuid::Request& request, wire::RopGetPerUserGuid::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  auto all = co_await entries(&call.mailbox);
  if (!all) co_return mapi::to_error_code(all.error());
  const auto found = std::find_if(all->begin(), all->end(), [&](const auto& one) { return same(one.folder, request.LongTermId); });
  if (found == all->end()) co_return mapi::ecNotFound;
  response.DatabaseGuid = found->replica;
  co_return mapi::ecNone;
}

Task<ErrorCode> read_per_user_information(RopCall& call, const wire::RopReadPerUserInformation::Request& request,
                                          wire::RopReadPerUserInformation::Response& response) {
  if (!call.object<LogonObject>()) co_return call.why;
  const auto key = data_key(request.FolderId);
  auto read = [&key](state::MailboxState& s) { return s.value(key); };
  auto hex = co_await call.mailbox.with_state(read);
  if (!hex) co_return mapi::to_error_code(hex.error());
  Bytes data;  // nothing, where nothing was written ([MS-OXCSTOR] 3.2.5.12.2)
  if (*hex && !from_hex(**hex, data)) co_return mapi::ecError;
  if (request.DataOffset > data.size()) co_return mapi::ecError;
  const std::size_t wanted = request.MaxDataSize == 0 ? largest_piece : std::min<std::size_t>(request.MaxDataSize, largest_piece);
  const auto room = call.budget > response_fields ? call.budget - response_fields : 0;
  const auto n = std::min({wanted, room, data.size() - request.DataOffset});
  response.Data = call.arena.copy(View(data).subspan(request.DataOffset, n));
  response.HasFinished = request.DataOffset + n == data.size();
  co_return mapi::ecNone;
}

Task<ErrorCode> write_per_user_information(RopCall& call, const wire::RopWritePerUserInformation::Request& request,
                                           wire::RopWritePerUserInformation::Response&) {
  auto logon = call.object<LogonObject>();
  if (!logon) co_return call.why;
  auto& pending = logon->per_user;
  // It goes on where the last one ended, or begins anew; what came before and does not go on is given up ([MS-OXCSTOR] 3.2.5.13.1).
  const bool goes_on = pending && same(pending->folder, request.FolderId) && pending->data.size() == request.DataOffset;
  if (!goes_on) pending.reset();
  if (request.DataOffset != 0 && !goes_on) co_return mapi::ecError;
  if (request.DataOffset == 0) pending = LogonObject::PerUser{request.FolderId, request.ReplGuid, {}};
  if (pending->data.size() + request.Data.size() > most_bytes) co_return mapi::ecTooBig;
  pending->data.insert(pending->data.end(), request.Data.begin(), request.Data.end());
  if (!request.HasFinished) co_return mapi::ecNone;
  const auto whole = std::move(*pending);
  pending.reset();
  // Change numbers by replica, as a synchronisation state has them.
  if (!wire::fxics::read_idset<mapi::Guid>(View(whole.data))) co_return mapi::ecCorruptData;
  auto all = co_await entries(&call.mailbox);
  if (!all) co_return mapi::to_error_code(all.error());
  std::erase_if(*all, [&](const auto& one) { return same(one.folder, whole.folder); });
  if (all->size() >= most_folders) co_return mapi::ecMemory;
  all->push_back({whole.folder, whole.replica});
  std::string list;
  for (const auto& one : *all) list += fmt::format("{} {}\n", name_of(one.folder), mapi::to_string(one.replica));
  const auto key = data_key(whole.folder), hex = to_hex(whole.data);
  auto write = [&key, &hex, &list](state::MailboxState& s) {
    auto written = s.set_value(key, hex);
    return written ? s.set_value(list_key, list) : written;
  };
  auto written = co_await call.mailbox.with_state(write);
  co_return written ? mapi::ecNone : mapi::to_error_code(written.error());
}

}  // namespace

HandlerList per_user_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopGetPerUserLongTermIds, get_per_user_long_term_ids>(),
      on<wire::RopGetPerUserGuid, get_per_user_guid>(),
      on<wire::RopReadPerUserInformation, read_per_user_information>(),
      on<wire::RopWritePerUserInformation, write_per_user_information>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
