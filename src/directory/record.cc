#include "directory/record.h"

#include <algorithm>

#include "base/cursor.h"

namespace mapigate::directory {

namespace {

// Which fields a record has.
enum Field : std::uint32_t {
  aliases = 1 << 0,
  account = 1 << 1,
  former_dns = 1 << 2,
  source_id = 1 << 3,
  known_as = 1 << 4,
  texts = 1 << 5,
  members = 1 << 6,
  owners = 1 << 7,
  delegates = 1 << 8,
  manager = 1 << 9,
  container = 1 << 10,
  photo = 1 << 11,
  certificates = 1 << 12,
  capacity = 1 << 13,
  hidden = 1 << 14,
  account_begins_address = 1 << 15,
  full_access = 1 << 16,
};

constexpr std::uint32_t packed_uuid = 1;  // a text's mark; else twice its size
constexpr std::size_t uuid_text = 36;
constexpr std::uint32_t foreign_tag = 0xFF;

void put_number(Bytes& out, std::uint32_t number) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<std::uint8_t>(number | 0x80));
  out.push_back(static_cast<std::uint8_t>(number));
}
std::uint32_t read_number(Cursor& in) {
  std::uint32_t out = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto byte = in.scalar<std::uint8_t>();
    out |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) break;
  }
  return out;
}

int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }
bool is_dash(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }
bool is_uuid(std::string_view text) {
  if (text.size() != uuid_text) return false;
  for (std::size_t i = 0; i < uuid_text; ++i)
    if (is_dash(i) ? text[i] != '-' : digit(text[i]) < 0) return false;
  return true;
}

void put_text(Bytes& out, std::string_view text) {
  if (is_uuid(text)) {
    put_number(out, packed_uuid);
    for (std::size_t i = 0; i < uuid_text; i += 2) {
      if (is_dash(i)) ++i;
      out.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
    }
    return;
  }
  put_number(out, static_cast<std::uint32_t>(text.size()) * 2);
  out.insert(out.end(), text.begin(), text.end());
}
std::string read_text(Cursor& in) {
  const auto mark = read_number(in);
  if (mark != packed_uuid) return std::string(as_text(in.bytes(mark / 2)));
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const auto byte : in.bytes(16)) {
    if (is_dash(out.size())) out += '-';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

void put_texts(Bytes& out, const std::vector<std::string>& list) {
  put_number(out, static_cast<std::uint32_t>(list.size()));
  for (const auto& text : list) put_text(out, text);
}
std::vector<std::string> read_texts(Cursor& in) {
  const auto count = read_number(in);
  if (!in.can_hold(count, 1)) return {};
  std::vector<std::string> out(count);
  for (auto& text : out) text = read_text(in);
  return out;
}

void put_blob(Bytes& out, const Bytes& blob) {
  put_number(out, static_cast<std::uint32_t>(blob.size()));
  out.insert(out.end(), blob.begin(), blob.end());
}
Bytes read_blob(Cursor& in) { return to_bytes(in.bytes(read_number(in))); }

std::uint32_t fields_of(const Entry& entry) {
  const bool begins = !entry.account.empty() && entry.address.size() > entry.account.size() && entry.address.starts_with(entry.account) &&
                      entry.address[entry.account.size()] == '@';
  const std::pair<Field, bool> all[] = {{aliases, !entry.aliases.empty()},
                                        {account, !entry.account.empty() && !begins},
                                        {former_dns, !entry.former_dns.empty()},
                                        {source_id, !entry.source_id.empty()},
                                        {known_as, !entry.known_as.empty()},
                                        {texts, !entry.texts.empty()},
                                        {members, !entry.members.empty()},
                                        {owners, !entry.owners.empty()},
                                        {delegates, !entry.delegates.empty()},
                                        {manager, !entry.manager.empty()},
                                        {container, !entry.container.empty()},
                                        {photo, !entry.photo.empty()},
                                        {certificates, !entry.certificates.empty()},
                                        {capacity, entry.capacity != 0},
                                        {hidden, entry.hidden},
                                        {account_begins_address, begins},
                                        {full_access, !entry.full_access.empty()}};
  std::uint32_t out = 0;
  for (const auto& [field, there] : all)
    if (there) out |= field;
  return out;
}

// Where a name's parent begins, with the comma before it; its end when it has none.
std::size_t parent_in(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\') ++i;
    else if (name[i] == ',') return i;
  }
  return name.size();
}

template <class T>
std::uint32_t place_of(std::vector<T>& list, std::uint32_t& last, const auto& wanted) {
  if (list[last] == wanted) return last;
  const auto found = std::find(list.begin(), list.end(), wanted);
  last = static_cast<std::uint32_t>(found - list.begin());
  if (found == list.end()) list.emplace_back(wanted);
  return last;
}

}  // namespace

// A directory has few of either; one that has more than can be looked through keeps them with its entries.
constexpr std::size_t most_parents = 4096;

std::uint32_t Shared::parent(std::string_view name) {
  if (parents_.size() >= most_parents && std::find(parents_.begin(), parents_.end(), name) == parents_.end()) return 0;
  return place_of(parents_, last_parent_, name);
}
std::uint32_t Shared::path(const std::vector<std::string>& path) { return place_of(paths_, last_path_, path); }

void put_record(Bytes& out, const Entry& entry, Shared& shared) {
  const auto fields = fields_of(entry);
  put_text(out, entry.key);
  put_number(out, fields);
  out.push_back(static_cast<std::uint8_t>(entry.kind));
  put_text(out, entry.display_name);
  put_text(out, entry.address);
  if (fields & account_begins_address) put_number(out, static_cast<std::uint32_t>(entry.account.size()));
  if (fields & account) put_text(out, entry.account);
  if (fields & aliases) put_texts(out, entry.aliases);
  if (fields & former_dns) put_texts(out, entry.former_dns);
  if (fields & source_id) put_text(out, entry.source_id);
  if (fields & known_as) {
    auto at = parent_in(entry.known_as);
    const auto parent = shared.parent(std::string_view(entry.known_as).substr(at));
    if (parent == 0) at = entry.known_as.size();
    put_number(out, parent);
    put_text(out, std::string_view(entry.known_as).substr(0, at));
  }
  if (fields & texts) {
    put_number(out, static_cast<std::uint32_t>(entry.texts.size()));
    const auto& known = text_attributes();
    for (const auto& [tag, value] : entry.texts) {
      const auto at = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.tag.value == tag.value; });
      put_number(out, at == known.end() ? foreign_tag : static_cast<std::uint32_t>(at - known.begin()));
      if (at == known.end()) Output(out).scalar(tag.value);
      put_text(out, value);
    }
  }
  if (fields & members) put_texts(out, entry.members);
  if (fields & owners) put_texts(out, entry.owners);
  if (fields & delegates) put_texts(out, entry.delegates);
  if (fields & full_access) put_texts(out, entry.full_access);
  if (fields & manager) put_text(out, entry.manager);
  if (fields & container) put_number(out, shared.path(entry.container));
  if (fields & photo) put_blob(out, entry.photo);
  if (fields & certificates) {
    put_number(out, static_cast<std::uint32_t>(entry.certificates.size()));
    for (const auto& one : entry.certificates) put_blob(out, one);
  }
  if (fields & capacity) put_number(out, entry.capacity);
}

Entry read_record(View record, const Shared& shared) {
  Cursor in(record);
  Entry out;
  out.key = read_text(in);
  const auto fields = read_number(in);
  out.kind = static_cast<EntryKind>(in.scalar<std::uint8_t>());
  out.display_name = read_text(in);
  out.address = read_text(in);
  if (fields & account_begins_address) out.account = out.address.substr(0, read_number(in));
  if (fields & account) out.account = read_text(in);
  if (fields & aliases) out.aliases = read_texts(in);
  if (fields & former_dns) out.former_dns = read_texts(in);
  if (fields & source_id) out.source_id = read_text(in);
  if (fields & known_as) {
    const auto parent = read_number(in);
    out.known_as = read_text(in);
    if (parent < shared.parents().size()) out.known_as += shared.parents()[parent];
  }
  if (fields & texts) {
    const auto count = read_number(in);
    const auto& known = text_attributes();
    if (in.can_hold(count, 2)) out.texts.reserve(count);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
      const auto at = read_number(in);
      const auto tag = at < known.size() ? known[at].tag : mapi::PropertyTag(in.scalar<std::uint32_t>());
      out.texts.emplace_back(tag, read_text(in));
    }
  }
  if (fields & members) out.members = read_texts(in);
  if (fields & owners) out.owners = read_texts(in);
  if (fields & delegates) out.delegates = read_texts(in);
  if (fields & full_access) out.full_access = read_texts(in);
  if (fields & manager) out.manager = read_text(in);
  if (fields & container)
    if (const auto path = read_number(in); path < shared.paths().size()) out.container = shared.paths()[path];
  if (fields & photo) out.photo = read_blob(in);
  if (fields & certificates) {
    const auto count = read_number(in);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) out.certificates.push_back(read_blob(in));
  }
  if (fields & capacity) out.capacity = read_number(in);
  out.hidden = (fields & hidden) != 0;
  return out;
}

std::string key_of_record(View record) {
  Cursor in(record);
  return read_text(in);
}

}  // namespace mapigate::directory
