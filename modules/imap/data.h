// What single responses say, taken from their values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "mailbox/provider.h"
#include "parser.h"

namespace mapigate::imap {

std::optional<std::uint64_t> number_of(const Value& value);

// "06-Feb-2024 09:00:00 +0100" (RFC 3501 9, date-time).
std::optional<FileTime> parse_internal_date(std::string_view text);

std::string format_internal_date(FileTime time);  // in UTC

// MessageFlag bits of a list of flags and keywords; unknown ones are passed over.
std::uint32_t flags_of(const Value& list);
// The other keywords, sorted, a blank between two; each once. Names of flags are left out.
std::string keywords_of(const Value& list);
// The names for STORE. `keywords_allowed`: the mailbox takes keywords.
std::string flag_names(std::uint32_t flags, bool keywords_allowed);

using UidRange = std::pair<std::uint32_t, std::uint32_t>;  // both inclusive, first <= second
// "1:3,7"; nullopt when it is none. "*" counts as 2^32-1.
std::optional<std::vector<UidRange>> parse_uid_set(std::string_view text);
// The shortest set for ascending UIDs.
std::string make_uid_set(std::span<const std::uint32_t> ascending);
// All UIDs of the ranges, ascending; Errc::limit beyond `limit`.
Result<std::vector<std::uint32_t>> expand(const std::vector<UidRange>& ranges, std::size_t limit);

// What BODYSTRUCTURE tells about the message as a whole.
struct BodySummary {
  // By the rules of convert::sort_parts(), by which the opened message has its attachments.
  bool has_attachments = false;
  bool shows_files = false;     // some of them are more than pictures in the text and other renderings of it
  bool encrypted = false;       // it is one application/pkcs7-mime part, maybe under another type
  bool has_calendar = false;    // a text/calendar part that is no mere attachment
  bool has_tnef = false, has_tiff = false, has_audio = false;
  bool deep = false;            // nested so deeply that servers cut it, each elsewhere
  std::string content_type;     // of the outermost part, lower case
  std::string calendar_method;  // of the calendar, upper case
};
BodySummary summarize_body(const Value& body_structure);

struct FetchData {
  std::uint32_t uid = 0;
  std::optional<std::uint32_t> flags;
  std::string keywords;  // with flags
  std::optional<FileTime> internal_date;
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> modseq;
  const Value* body = nullptr;  // the first BODY[…] or BINARY[…]
  const Value* body_structure = nullptr;
};
// Of a FETCH response; nullopt when it is another one. Errc::malformed: it does not add up, and who passes over it never learns
// what it said of a message.
Result<std::optional<FetchData>> parse_fetch(const Response& response);

struct ListEntry {
  std::vector<std::string> attributes;  // lower case, with the backslash
  char separator = '\0';                // 0: flat
  std::string name;                     // as on the wire
  bool has(std::string_view attribute) const;
};
std::optional<ListEntry> parse_list(const Response& response);  // LIST, LSUB, XLIST

struct MailboxStatus {
  std::string name;
  std::optional<std::uint32_t> messages, unseen, uidnext, uidvalidity;
  std::optional<std::uint64_t> highestmodseq;
};
std::optional<MailboxStatus> parse_status(const Response& response);

// STORAGE of one QUOTA response (RFC 9208 5.1), in bytes; nullopt when it limits something else.
std::optional<mailbox::Quota> parse_quota(const Response& response);

// UIDs of SEARCH or of the ALL item of ESEARCH.
std::optional<std::vector<UidRange>> parse_search(const Response& response);
// UIDs of VANISHED.
std::optional<std::vector<UidRange>> parse_vanished(const Response& response);

struct Namespace {
  std::string prefix;  // as on the wire
  char separator = '\0';
};
struct Namespaces {
  std::vector<Namespace> personal, others, shared;
};
std::optional<Namespaces> parse_namespaces(const Response& response);

// Of MYRIGHTS (RFC 4314 3.8): mailbox and letters.
std::optional<std::pair<std::string, std::string>> parse_my_rights(const Response& response);

}  // namespace mapigate::imap
