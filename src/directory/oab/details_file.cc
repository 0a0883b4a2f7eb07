#include "directory/oab/details_file.h"

#include <algorithm>
#include <array>

#include "base/cursor.h"
#include "base/text.h"
#include "directory/templates.h"
#include "mapi/properties.h"

namespace mapigate::directory::oab {

using mapi::PropertyTag;
using mapi::PropertyType;

namespace {

// OAB_PROP_REC: whether a property is looked into for names, and the one that identifies records.
constexpr std::uint32_t searched = 1, primary_key = 2;
constexpr std::size_t max_binary = 16 * 1024;  // of one property; longer ones clients have to ask for online
constexpr std::size_t template_kinds = 7, entry_size = 32, names_size = 16;  // TMPLT_ENTRY, NAMES_STRUCT

struct Column {
  PropertyTag tag;
  std::uint32_t flags;
};

std::uint32_t flags_of(PropertyTag tag) {
  for (const auto name : {mapi::PidTagDisplayName, mapi::PidTagSmtpAddress, mapi::PidTagAccount, mapi::PidTagSurname,
                          mapi::PidTagGivenName, mapi::PidTagOfficeLocation, mapi::PidTagAddressBookProxyAddresses,
                          mapi::PidTagAddressBookPhoneticDisplayName})
    if (tag.id() == name.id()) return searched;
  return 0;
}

// All that an object can have, but for what [MS-OXOABK] 2.2 keeps out of offline address books.
const std::vector<Column>& columns() {
  static const auto all = [] {
    std::vector<Column> out{{mapi::PidTagEmailAddress.with(PropertyType::PtypString8), primary_key}};
    const PropertyTag online[] = {mapi::PidTagEmailAddress, mapi::PidTagEntryId, mapi::PidTagInstanceKey, mapi::PidTagSearchKey,
                                  mapi::PidTagRecordKey, mapi::PidTagTemplateid, mapi::PidTagMappingSignature, mapi::PidTagAnr,
                                  mapi::PidTagContainerFlags, mapi::PidTagInitialDetailsPane, mapi::PidTagAddressBookContainerId,
                                  mapi::PidTagAddressType, mapi::PidTagThumbnailPhoto,
                                  mapi::PidTagAddressBookObjectDistinguishedName};
    for (const auto tag : known_properties()) {
      const bool skipped = tag.type() == PropertyType::PtypObject ||
                           std::any_of(std::begin(online), std::end(online), [&](auto one) { return one.id() == tag.id(); });
      if (!skipped) out.push_back({tag, flags_of(tag)});
    }
    out.push_back({mapi::PidTagOfflineAddressBookTruncatedProperties, 0});
    return out;
  }();
  return all;
}

constexpr PropertyTag header_columns[] = {mapi::PidTagOfflineAddressBookName, mapi::PidTagOfflineAddressBookDistinguishedName,
                                          mapi::PidTagOfflineAddressBookSequence, mapi::PidTagOfflineAddressBookContainerGuid};

// [MS-OXOAB] 2.9.6: numbers up to 127 are one byte; others the count of their bytes, with the highest bit set, and these.
void put_number(Output& out, std::uint32_t number) {
  if (number < 0x80) return out.scalar(static_cast<std::uint8_t>(number));
  std::uint8_t count = 0;
  for (auto rest = number; rest != 0; rest >>= 8) ++count;
  out.scalar(static_cast<std::uint8_t>(0x80 | count));
  for (; count > 0; --count, number >>= 8) out.scalar(static_cast<std::uint8_t>(number));
}
void put_text(Output& out, std::string_view text) {
  out.bytes(as_view(text.substr(0, text.find('\0'))));
  out.scalar(std::uint8_t{0});
}
void put_binary(Output& out, View bytes) {
  put_number(out, static_cast<std::uint32_t>(bytes.size()));
  out.bytes(bytes);
}

// False when there is no form for it here, or it is too long.
bool put_value(Output& out, const mapi::Value& value) {
  if (const auto* number = value.get<std::int32_t>()) return put_number(out, static_cast<std::uint32_t>(*number)), true;
  if (const auto* flag = value.get<bool>()) return out.scalar(static_cast<std::uint8_t>(*flag)), true;
  if (const auto* text = value.get<Utf16>()) return put_text(out, to_utf8(*text)), true;
  if (const auto* bytes = value.get<View>()) {
    if (bytes->size() > max_binary) return false;
    return put_binary(out, *bytes), true;
  }
  if (const auto* texts = value.get<std::span<const Utf16>>()) {
    put_number(out, static_cast<std::uint32_t>(texts->size()));
    for (const auto& text : *texts) put_text(out, to_utf8(text));
    return true;
  }
  if (const auto* list = value.get<std::span<const View>>()) {
    std::size_t size = 0;
    for (const auto& bytes : *list) size += bytes.size();
    if (size > max_binary) return false;
    put_number(out, static_cast<std::uint32_t>(list->size()));
    for (const auto& bytes : *list) put_binary(out, bytes);
    return true;
  }
  return false;
}

// cbSize, the bits of what is there, the values.
void put_record(Bytes& file, std::span<const std::uint8_t> presence, View data) {
  Output out(file);
  out.scalar(static_cast<std::uint32_t>(4 + presence.size() + data.size()));
  out.bytes(View(presence.data(), presence.size()));
  out.bytes(data);
}
void set_bit(std::vector<std::uint8_t>& bits, std::size_t i) { bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | 0x80 >> i % 8); }

void put_object(Bytes& file, const ObjectSource& object, Arena& arena) {
  const auto& all = columns();
  std::vector<std::uint8_t> presence((all.size() + 7) / 8);
  Bytes data;
  Output out(data);
  std::vector<std::uint32_t> truncated;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const auto value = object.get(all[i].tag, arena);
    if (!value) continue;
    if (put_value(out, *value)) set_bit(presence, i);
    else truncated.push_back(all[i].tag.value);
  }
  if (!truncated.empty()) {
    set_bit(presence, all.size() - 1);
    put_number(out, static_cast<std::uint32_t>(truncated.size()));
    for (const auto tag : truncated) put_number(out, tag);
  }
  put_record(file, presence, data);
}

void put_metadata(Bytes& file) {
  Output out(file);
  out.scalar(static_cast<std::uint32_t>(4 + 4 + std::size(header_columns) * 8 + 4 + columns().size() * 8));
  out.scalar(static_cast<std::uint32_t>(std::size(header_columns)));
  for (const auto tag : header_columns) out.scalar(tag.value), out.scalar(std::uint32_t{0});
  out.scalar(static_cast<std::uint32_t>(columns().size()));
  for (const auto& column : columns()) out.scalar(column.tag.value), out.scalar(column.flags);
}

void put_header_record(Bytes& file, const BookName& name, std::uint32_t sequence) {
  Bytes data;
  Output out(data);
  put_text(out, "\\" + name.name);
  put_text(out, name.dn);
  put_number(out, sequence);
  put_text(out, name.guid);
  const std::uint8_t presence[] = {0xF0};
  put_record(file, presence, data);
}

void put_u32(Bytes& file, std::size_t at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) file[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value >> 8 * i);
}

}  // namespace

DetailsFile make_details(const Snapshot& snapshot, const Server& server, const BookName& name, std::uint32_t sequence) {
  DetailsFile out;
  auto order = snapshot.containers().front().objects;  // the Global Address List: without those that are hidden
  std::sort(order.begin(), order.end(), [&](Index a, Index b) { return snapshot.id(a) < snapshot.id(b); });
  out.bytes.resize(header_size);
  put_metadata(out.bytes);
  put_header_record(out.bytes, name, sequence);
  for (const auto index : order) {
    Arena arena;
    out.ids.push_back(static_cast<std::uint32_t>(snapshot.id(index)));
    out.starts.push_back(out.bytes.size());
    put_object(out.bytes, ObjectSource(snapshot, index, server, false), arena);
  }
  put_u32(out.bytes, 0, details_version);
  put_u32(out.bytes, 4, checksum(View(out.bytes).subspan(header_size)));
  put_u32(out.bytes, 8, static_cast<std::uint32_t>(order.size()));
  return out;
}

Bytes make_template_file(std::uint32_t code_page, std::uint32_t locale) {
  // mail user, list, public folder, agent, organization, private list, remote mail user.
  constexpr DisplayType kinds[template_kinds] = {DisplayType::DT_MAILUSER,     DisplayType::DT_DISTLIST,         DisplayType::DT_FORUM,
                                                 DisplayType::DT_AGENT,        DisplayType::DT_ORGANIZATION,
                                                 DisplayType::DT_PRIVATE_DISTLIST, DisplayType::DT_REMOTE_MAILUSER};
  const auto creations = creation_templates(locale);
  // Behind the dialogs stand names of properties, which there are none of, and then the kinds of addresses that clients can make.
  constexpr std::size_t count_at = header_size + template_kinds * entry_size + names_size;
  Bytes out(count_at + 4 + creations.size() * entry_size);
  put_u32(out, 0, template_version);
  const auto put = [&](std::size_t at, View data) {
    put_u32(out, at, static_cast<std::uint32_t>(out.size()));
    put_u32(out, at + 4, static_cast<std::uint32_t>(data.size()));
    out.insert(out.end(), data.begin(), data.end());
  };
  for (std::size_t i = 0; i < template_kinds; ++i) {
    if (kinds[i] == DisplayType::DT_ORGANIZATION || kinds[i] == DisplayType::DT_PRIVATE_DISTLIST) continue;
    const auto data = details_template(kinds[i], code_page, locale);
    if (data.empty()) continue;
    put(header_size + i * entry_size + 8, data);
  }
  put_u32(out, count_at, static_cast<std::uint32_t>(creations.size()));
  for (std::size_t i = 0; i < creations.size(); ++i) {
    const auto entry = count_at + 4 + i * entry_size;
    const auto dialog = creation_dialog(creations[i].dn, code_page);
    if (!dialog) continue;
    const auto text = [](std::string value) { return value + '\0'; };
    put(entry, as_view(text(creations[i].dn)));
    put(entry + 8, dialog->data);
    put(entry + 16, dialog->script);
    put(entry + 24, as_view(text(to_code_page(creations[i].display_name, code_page))));
  }
  return out;
}

}  // namespace mapigate::directory::oab
