// Texts in messages, looked for by the server (RFC 3501 6.4.4, RFC 4731, RFC 6203).
#include <algorithm>

#include "provider.h"

namespace mapigate::imap {

namespace {
constexpr std::size_t most_found = 2'000'000;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
}  // namespace

Task<Result<std::vector<std::uint64_t>>> ImapProvider::search(state::Folder folder, mailbox::TextQuery query,
                                                              std::vector<std::uint64_t> among) {
  auto account = account_;
  std::vector<std::uint64_t> out;
  // No string of a command holds these; line ends in a text are spaces to a search.
  std::string text = query.text;
  for (auto& c : text)
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  if (text.empty()) co_return out;
  std::vector<std::uint32_t> uids;
  for (const auto key : among) uids.push_back(static_cast<std::uint32_t>(key));
  std::sort(uids.begin(), uids.end());
  for (bool again = false;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto entered = co_await enter(&connection, folder, uids.empty() ? UINT32_MAX : uids.back());
    if (!entered && lease->stale()) continue;
    if (!entered) co_return entered.error();
    std::string command = "UID SEARCH ";
    if (connection.has("ESEARCH")) command += "RETURN (ALL) ";
    // With UTF8=ACCEPT everything is UTF-8, and naming a charset is an error (RFC 6855 3).
    if (!is_ascii(text) && !connection.utf8()) command += "CHARSET UTF-8 ";
    if (!uids.empty()) command += "UID " + make_uid_set(uids) + " ";
    if (query.fuzzy && connection.has("SEARCH=FUZZY")) command += "FUZZY ";
    command += query.where == mailbox::TextQuery::Where::anything ? "TEXT" : "BODY";
    std::vector<UidRange> found;
    auto on = [&found](const Response& response) -> Status {
      if (auto ranges = parse_search(response)) found.insert(found.end(), ranges->begin(), ranges->end());
      return {};
    };
    auto done = co_await connection.run_literal(std::move(command), as_view(text), on, false);
    if (!done && lease->stale()) continue;
    if (!done) co_return done.error();
    if (!done->ok && done->code == "BADCHARSET") co_return error(Errc::unsupported, "the IMAP server does not search in UTF-8");
    if (!done->ok && select_again(*lease, &again)) continue;
    if (!done->ok) co_return done->error("UID SEARCH");
    auto all = expand(found, most_found);
    if (!all) co_return all.error();
    out.assign(all->begin(), all->end());
    co_return out;
  }
}

}  // namespace mapigate::imap
