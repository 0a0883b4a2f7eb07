#include "data.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>

#include "base/text.h"
#include "state/mailbox_state.h"

namespace mapigate::imap {

namespace {

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T number = 0;
  const auto end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc() || stop != end || text.empty()) return std::nullopt;
  return number;
}

std::optional<std::uint32_t> small_number(const Value& value) {
  return value.is_string() ? parse_number<std::uint32_t>(value.text) : std::nullopt;
}

bool is(const Value& value, std::string_view word) {
  return value.is_string() && equal_ignoring_ascii_case(value.text, word);
}

struct FlagName {
  std::string_view name;
  std::uint32_t flag;
  bool system;
};
// The first name of a flag is the one we write.
constexpr std::array<FlagName, 14> flag_table{{
    {"\\Seen", state::flag_seen, true},
    {"\\Answered", state::flag_answered, true},
    {"\\Flagged", state::flag_flagged, true},
    {"\\Deleted", state::flag_deleted, true},
    {"\\Draft", state::flag_draft, true},
    {"$Forwarded", state::flag_forwarded, false},
    {"$Junk", state::flag_junk, false},
    {"$NotJunk", state::flag_not_junk, false},
    {"$MDNSent", state::flag_mdn_sent, false},
    {"Forwarded", state::flag_forwarded, false},
    {"Junk", state::flag_junk, false},
    {"NonJunk", state::flag_not_junk, false},
    {"NotJunk", state::flag_not_junk, false},
    {"MDNSent", state::flag_mdn_sent, false},
}};

}  // namespace

std::optional<std::uint64_t> number_of(const Value& value) {
  return value.is_string() ? parse_number<std::uint64_t>(value.text) : std::nullopt;
}

std::optional<FileTime> parse_internal_date(std::string_view text) {
  text = trim(text);
  if (text.size() < 20) return std::nullopt;
  auto part = [&](std::size_t at, std::size_t size) -> int {
    if (at + size > text.size()) return -1;
    return parse_number<int>(trim(text.substr(at, size))).value_or(-1);
  };
  std::size_t at = text[1] == '-' ? 1 : 2;  // some servers leave out the leading blank of the day
  const int day = part(0, at);
  static constexpr std::string_view months = "janfebmaraprmayjunjulaugsepoctnovdec";
  const auto month = months.find(lower_ascii(text.substr(at + 1, 3)));
  const int year = part(at + 5, 4), hour = part(at + 10, 2), minute = part(at + 13, 2),
            second = part(at + 16, 2);
  if (day < 1 || day > 31 || month == std::string_view::npos || month % 3 != 0 || year < 1601 ||
      year > 9999 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  int offset = 0;
  const auto zone = trim(text.substr(std::min(text.size(), at + 18)));
  if (zone.size() == 5 && (zone[0] == '+' || zone[0] == '-')) {
    const auto hours = parse_number<int>(zone.substr(1, 2)), minutes = parse_number<int>(zone.substr(3, 2));
    if (hours && minutes) offset = (*hours * 60 + *minutes) * (zone[0] == '-' ? -60 : 60);
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(unsigned(month / 3) + 1),
                                         std::chrono::day(unsigned(day))};
  if (!date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return from_unix(std::int64_t{days} * 86400 + hour * 3600 + minute * 60 + second - offset);
}

std::string format_internal_date(FileTime time) {
  const std::time_t seconds = to_unix(time);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{:02}-{}-{:04} {:02}:{:02}:{:02} +0000", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
                     tm.tm_hour, tm.tm_min, tm.tm_sec);
}

std::uint32_t flags_of(const Value& list) {
  std::uint32_t flags = 0;
  for (const auto& value : list.list)
    for (const auto& row : flag_table)
      if (is(value, row.name)) flags |= row.flag;
  return flags;
}

std::string keywords_of(const Value& list) {
  constexpr std::size_t most = 100;
  std::vector<std::string_view> words;
  for (const auto& value : list.list) {
    if (!value.is_string() || value.text.empty() || value.text[0] == '\\' || value.text.find(' ') != value.text.npos) continue;
    if (std::any_of(flag_table.begin(), flag_table.end(), [&](const auto& row) { return is(value, row.name); })) continue;
    if (words.size() < most) words.push_back(value.text);
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::string out;
  for (const auto word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

std::string flag_names(std::uint32_t flags, bool keywords_allowed) {
  std::string out;
  for (const auto& row : flag_table) {
    if ((flags & row.flag) == 0 || (!row.system && !keywords_allowed)) continue;
    flags &= ~row.flag;
    if (!out.empty()) out += ' ';
    out += row.name;
  }
  return out;
}

std::optional<std::vector<UidRange>> parse_uid_set(std::string_view text) {
  std::vector<UidRange> out;
  auto one = [](std::string_view number) {
    return number == "*" ? std::optional<std::uint32_t>(UINT32_MAX) : parse_number<std::uint32_t>(number);
  };
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const auto colon = part.find(':');
    const auto first = one(part.substr(0, colon));
    const auto last = colon == std::string_view::npos ? first : one(part.substr(colon + 1));
    if (!first || !last) return std::nullopt;
    out.emplace_back(std::min(*first, *last), std::max(*first, *last));
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::string make_uid_set(std::span<const std::uint32_t> ascending) {
  std::string out;
  for (std::size_t i = 0; i < ascending.size();) {
    std::size_t end = i;
    while (end + 1 < ascending.size() && ascending[end + 1] == ascending[end] + 1) ++end;
    if (!out.empty()) out += ',';
    out += std::to_string(ascending[i]);
    if (end > i) out += ':' + std::to_string(ascending[end]);
    i = end + 1;
  }
  return out;
}

Result<std::vector<std::uint32_t>> expand(const std::vector<UidRange>& ranges, std::size_t limit) {
  std::vector<std::uint32_t> out;
  for (const auto& [first, last] : ranges) {
    if (last - first >= limit || out.size() + (last - first) >= limit)
      return error(Errc::limit, "the server lists more than {} messages", limit);
    for (std::uint64_t uid = first; uid <= last; ++uid)
      if (uid != 0) out.push_back(static_cast<std::uint32_t>(uid));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

namespace {

bool is_item_name(const Value& value) {
  return value.is_string() && std::all_of(value.text.begin(), value.text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

// False when a name stands without its value: then a literal was longer or shorter than announced. Or where bytes stand that no
// server sends.
bool read_fetch_items(std::span<const Value> items, FetchData& out) {
  for (std::size_t i = 0; i < items.size(); i += 2) {
    const auto& name = items[i];
    if (name.is_list()) {  // Domino puts some items into parentheses of their own
      if (!read_fetch_items(name.list, out)) return false;
      --i;
      continue;
    }
    if (!is_item_name(name)) return false;
    if (i + 1 == items.size())
      return name.text.ends_with(']');  // Yandex leaves out content that it does not find
    const auto& value = items[i + 1];
    if (is(name, "UID")) {
      const auto uid = small_number(value);
      if (!uid) return false;
      out.uid = *uid;
    } else if (is(name, "FLAGS")) {
      if (value.kind == Value::Kind::nil) continue;
      if (!value.is_list()) return false;
      out.flags = flags_of(value);
      out.keywords = keywords_of(value);
    } else if (is(name, "INTERNALDATE")) {
      out.internal_date = parse_internal_date(value.text);
    } else if (is(name, "RFC822.SIZE")) {
      out.size = number_of(value);
    } else if (is(name, "MODSEQ")) {
      if (value.is_list() && !value.list.empty()) out.modseq = number_of(value.list[0]);
    } else if (is(name, "BODYSTRUCTURE")) {
      if (value.is_list()) out.body_structure = &value;
    } else if (out.body == nullptr) {
      const auto start = lower_ascii(name.text.substr(0, 7));
      if (start.starts_with("body[") || start.starts_with("binary[")) out.body = &value;
    }
  }
  return true;
}

}  // namespace

Result<std::optional<FetchData>> parse_fetch(const Response& response) {
  if (response.name != "FETCH") return std::optional<FetchData>();
  FetchData out;
  if (response.values.empty() || !response.values[0].is_list() || !read_fetch_items(response.values[0].list, out))
    return error(Errc::malformed, "a FETCH response that does not add up");
  return std::optional(std::move(out));
}

bool ListEntry::has(std::string_view attribute) const {
  return std::find(attributes.begin(), attributes.end(), attribute) != attributes.end();
}

std::optional<ListEntry> parse_list(const Response& response) {
  if (response.name != "LIST" && response.name != "LSUB" && response.name != "XLIST") return std::nullopt;
  const auto& values = response.values;
  if (values.size() < 3 || !values[0].is_list()) return std::nullopt;
  ListEntry out;
  for (const auto& attribute : values[0].list)
    if (attribute.is_string()) out.attributes.push_back(lower_ascii(attribute.text));
  if (values[1].is_string() && !values[1].text.empty()) out.separator = values[1].text[0];
  // A mailbox may be called NIL.
  out.name = values[2].kind == Value::Kind::nil ? "NIL" : std::string(values[2].text);
  if (values[2].is_list() || values[2].kind == Value::Kind::spooled) return std::nullopt;
  return out;
}

std::optional<MailboxStatus> parse_status(const Response& response) {
  if (response.name != "STATUS" || response.values.size() < 2) return std::nullopt;
  const auto& list = response.values.back();  // Domino has been seen to split unquoted names
  if (!list.is_list()) return std::nullopt;
  MailboxStatus out;
  for (std::size_t i = 0; i + 1 < response.values.size(); ++i) {
    if (i > 0) out.name += ' ';
    out.name += response.values[i].kind == Value::Kind::nil ? "NIL" : response.values[i].text;
  }
  for (std::size_t i = 0; i + 1 < list.list.size(); i += 2) {
    const auto& name = list.list[i];
    const auto& value = list.list[i + 1];
    if (is(name, "MESSAGES")) out.messages = small_number(value);
    if (is(name, "UNSEEN")) out.unseen = small_number(value);
    if (is(name, "UIDNEXT")) out.uidnext = small_number(value);
    if (is(name, "UIDVALIDITY")) out.uidvalidity = small_number(value);
    if (is(name, "HIGHESTMODSEQ")) out.highestmodseq = number_of(value);
  }
  return out;
}

std::optional<mailbox::Quota> parse_quota(const Response& response) {
  if (response.name != "QUOTA" || response.values.size() < 2 || !response.values[1].is_list()) return std::nullopt;
  const auto list = response.values[1].list;
  for (std::size_t i = 0; i + 2 < list.size(); i += 3) {
    if (!is(list[i], "STORAGE")) continue;
    const auto used = number_of(list[i + 1]), limit = number_of(list[i + 2]);
    constexpr std::uint64_t unit = 1024, most = UINT64_MAX / unit;
    if (!used || !limit) return std::nullopt;
    return mailbox::Quota{std::min(*used, most) * unit, std::min(*limit, most) * unit};
  }
  return std::nullopt;
}

std::optional<std::vector<UidRange>> parse_search(const Response& response) {
  std::vector<UidRange> out;
  if (response.name == "SEARCH") {
    for (const auto& value : response.values) {
      if (value.is_list()) continue;  // (MODSEQ 12)
      const auto uid = small_number(value);
      if (!uid) return std::nullopt;
      if (!out.empty() && *uid == out.back().second + 1)
        out.back().second = *uid;
      else
        out.emplace_back(*uid, *uid);
    }
    return out;
  }
  if (response.name != "ESEARCH") return std::nullopt;
  for (std::size_t i = 0; i + 1 < response.values.size(); ++i)
    if (is(response.values[i], "ALL") && response.values[i + 1].is_string())
      return parse_uid_set(response.values[i + 1].text);
  return out;
}

std::optional<std::vector<UidRange>> parse_vanished(const Response& response) {
  if (response.name != "VANISHED" || response.values.empty() || !response.values.back().is_string())
    return std::nullopt;
  return parse_uid_set(response.values.back().text);
}

std::optional<Namespaces> parse_namespaces(const Response& response) {
  if (response.name != "NAMESPACE" || response.values.size() < 3) return std::nullopt;
  Namespaces out;
  std::vector<Namespace>* const kinds[] = {&out.personal, &out.others, &out.shared};
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& one : response.values[i].list) {
      if (one.list.empty() || !one.list[0].is_string()) continue;
      Namespace found{std::string(one.list[0].text), '\0'};
      if (one.list.size() > 1 && one.list[1].is_string() && !one.list[1].text.empty())
        found.separator = one.list[1].text[0];
      kinds[i]->push_back(std::move(found));
    }
  }
  return out;
}

std::optional<std::pair<std::string, std::string>> parse_my_rights(const Response& response) {
  if (response.name != "MYRIGHTS" || response.values.size() < 2) return std::nullopt;
  const auto &mailbox = response.values[0], &rights = response.values[1];
  if (mailbox.is_list() || !rights.is_string()) return std::nullopt;
  return std::pair(mailbox.kind == Value::Kind::nil ? std::string("NIL") : std::string(mailbox.text), std::string(rights.text));
}

}  // namespace mapigate::imap
