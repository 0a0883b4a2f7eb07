#include "directory/object_properties.h"

#include <algorithm>

#include "base/text.h"
#include "mapi/entry_id.h"
#include "mapi/legacy_dn.h"
#include "mapi/properties.h"

namespace mapigate::directory {

using mapi::PropertyTag;
using mapi::PropertyType;
using mapi::Value;
namespace nspi = wire::nspi;

namespace {

using Cell = std::optional<Value>;
using Source = const ObjectSource&;

// [MS-OXOABK] 2.2.3.10 "PidTagObjectType" and 2.2.2.1 "PidTagContainerFlags".
constexpr std::int32_t MAPI_ABCONT = 4, MAPI_MAILUSER = 6, MAPI_DISTLIST = 8;
constexpr std::int32_t AB_RECIPIENTS = 1, AB_SUBCONTAINERS = 2, AB_UNMODIFIABLE = 8;
// [MS-OXOABK] 2.2.3.12 "PidTagDisplayTypeEx".
constexpr std::int32_t DTE_FLAG_ACL_CAPABLE = 0x40000000, DT_ROOM = 7, DT_EQUIPMENT = 8;

bool is_group(const Object& object) { return object.entry.kind == EntryKind::group; }

Cell text(Arena& arena, std::string_view utf8) {
  if (utf8.empty()) return {};
  return Value::string(arena, utf8);
}
Cell texts(Arena& arena, const std::vector<std::string>& utf8) {
  if (utf8.empty()) return {};
  auto out = arena.make_span<Utf16>(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) out[i] = to_utf16(arena, utf8[i]);
  return Value{PropertyType::PtypMultipleString, std::span<const Utf16>(out)};
}
Value binary(Arena& arena, View bytes) { return Value::binary(arena.copy(bytes)); }

Cell permanent_id(Source s, Arena& arena) { return binary(arena, permanent_entry_id(s.object.display_type, s.object.dn)); }
Cell entry_id(Source s, Arena& arena) {
  if (!s.ephemeral_ids) return permanent_id(s, arena);
  return binary(arena, ephemeral_entry_id(s.server.guid, s.object.display_type, s.object.id));
}
Cell instance_key(Source s, Arena& arena) {
  Bytes id;
  Output(id).scalar(s.object.id);
  return binary(arena, id);
}
Cell display_type_ex(Source s, Arena&) {
  switch (s.object.entry.kind) {
    case EntryKind::room: return Value::integer32(DT_ROOM | DTE_FLAG_ACL_CAPABLE);
    case EntryKind::equipment: return Value::integer32(DT_EQUIPMENT | DTE_FLAG_ACL_CAPABLE);
    case EntryKind::person: return Value::integer32(DTE_FLAG_ACL_CAPABLE);
    default: return Value::integer32(static_cast<std::int32_t>(s.object.display_type));
  }
}
Cell proxy_addresses(Source s, Arena& arena) {
  std::vector<std::string> all;
  if (!s.object.entry.address.empty()) all.push_back("SMTP:" + s.object.entry.address);
  for (const auto& alias : s.object.entry.aliases) all.push_back("smtp:" + alias);
  for (const auto& dn : s.object.entry.former_dns) all.push_back("X500:" + dn);
  return texts(arena, all);
}
// Some are for display where Unicode is not: what ASCII cannot hold goes.
Cell printable_name(Source s, Arena& arena) {
  auto plain = to_code_page(s.object.entry.display_name, 20127);
  return text(arena, plain);
}
Cell object_guid(Source s, Arena& arena) {
  std::uint64_t hash[2] = {14695981039346656037u, 1099511628211u};
  for (const char c : s.object.entry.key) {
    hash[0] = (hash[0] ^ static_cast<unsigned char>(c)) * 1099511628211u;
    hash[1] = (hash[1] + hash[0]) * 6364136223846793005u;
  }
  return binary(arena, {reinterpret_cast<const std::uint8_t*>(hash), sizeof hash});
}
Cell certificates(Source s, Arena& arena) {
  const auto& all = s.object.entry.certificates;
  if (all.empty()) return {};
  auto out = arena.make_span<View>(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) out[i] = arena.copy(View(all[i]));
  return Value{PropertyType::PtypMultipleBinary, std::span<const View>(out)};
}
Cell only_mailboxes(Source s, Arena& arena, std::string_view value) {
  const auto kind = s.object.entry.kind;
  return kind == EntryKind::group || kind == EntryKind::contact ? Cell() : text(arena, value);
}
Cell anr_queries(Source s, Arena& arena) {
  std::vector<std::string> mine;
  for (const auto& query : s.anr ? *s.anr : std::vector<AnrQuery>())
    if (query.matches[s.index]) mine.push_back(query.text);
  return texts(arena, mine);
}

struct Getter {
  PropertyTag tag;
  Cell (*get)(Source, Arena&);
};

// [MS-OXNSPI] 3.1.4.2 "Required Properties" first.
const Getter getters[] = {
    {mapi::PidTagObjectType, [](Source s, Arena&) -> Cell { return Value::integer32(is_group(s.object) ? MAPI_DISTLIST : MAPI_MAILUSER); }},
    {mapi::PidTagInitialDetailsPane, [](Source, Arena&) -> Cell { return Value::integer32(0); }},
    {mapi::PidTagAddressBookDisplayNamePrintable, printable_name},
    {mapi::PidTagAddressBookContainerId, [](Source s, Arena&) -> Cell { return Value::integer32(static_cast<std::int32_t>(s.object.id)); }},
    {mapi::PidTagEntryId, entry_id},
    {mapi::PidTagInstanceKey, instance_key},
    {mapi::PidTagSearchKey, [](Source s, Arena& arena) -> Cell { return binary(arena, mapi::search_key(s.object.dn, "EX")); }},
    {mapi::PidTagRecordKey, permanent_id},
    {mapi::PidTagAddressType, [](Source, Arena& arena) { return text(arena, "EX"); }},
    {mapi::PidTagEmailAddress, [](Source s, Arena& arena) { return text(arena, s.object.dn); }},
    {mapi::PidTagDisplayType, [](Source s, Arena&) -> Cell { return Value::integer32(static_cast<std::int32_t>(s.object.display_type)); }},
    {mapi::PidTagDisplayTypeEx, display_type_ex},
    {mapi::PidTagTemplateid, permanent_id},
    {mapi::PidTagTransmittableDisplayName, [](Source s, Arena& arena) { return text(arena, s.object.entry.display_name); }},
    {mapi::PidTagDisplayName, [](Source s, Arena& arena) { return text(arena, s.object.entry.display_name); }},
    {mapi::PidTagMappingSignature, [](Source, Arena& arena) -> Cell { return binary(arena, nspi::GUID_NSPI.bytes); }},
    {mapi::PidTagAddressBookObjectDistinguishedName, [](Source s, Arena& arena) { return text(arena, s.object.dn); }},
    {mapi::PidTagSmtpAddress, [](Source s, Arena& arena) { return text(arena, s.object.entry.address); }},
    {mapi::PidTagAddressBookProxyAddresses, proxy_addresses},
    {mapi::PidTagAccount, [](Source s, Arena& arena) {
       return text(arena, s.object.entry.account.empty() ? s.object.entry.address.substr(0, s.object.entry.address.find('@'))
                                                         : s.object.entry.account);
     }},
    {mapi::PidTagSendRichInfo, [](Source, Arena&) -> Cell { return Value::boolean(true); }},
    {mapi::PidTagAddressBookObjectGuid, object_guid},
    {mapi::PidTagAddressBookDisplayTypeExtended, display_type_ex},
    {mapi::PidTagContainerFlags, [](Source s, Arena&) -> Cell {
       if (!is_group(s.object)) return {};
       return Value::integer32(AB_RECIPIENTS | AB_UNMODIFIABLE);
     }},
    {mapi::PidTagAddressBookHomeMessageDatabase, [](Source s, Arena& arena) { return only_mailboxes(s, arena, mapi::mdb_dn(s.server.name)); }},
    {mapi::PidTagAddressBookManagerDistinguishedName, [](Source s, Arena& arena) {
       return s.object.manager ? text(arena, s.snapshot.object(*s.object.manager).dn) : Cell();
     }},
    {mapi::PidTagManagerName, [](Source s, Arena& arena) {
       return s.object.manager ? text(arena, s.snapshot.object(*s.object.manager).entry.display_name) : Cell();
     }},
    {mapi::PidTagAddressBookDistributionListMemberCount, [](Source s, Arena&) -> Cell {
       if (!is_group(s.object)) return {};
       return Value::integer32(static_cast<std::int32_t>(s.snapshot.audience(s.index).people));
     }},
    {mapi::PidTagAddressBookDistributionListExternalMemberCount, [](Source s, Arena&) -> Cell {
       if (!is_group(s.object)) return {};
       return Value::integer32(static_cast<std::int32_t>(s.snapshot.audience(s.index).outside));
     }},
    {mapi::PidTagAddressBookRoomCapacity, [](Source s, Arena&) -> Cell {
       if (s.object.entry.capacity == 0) return {};
       return Value::integer32(static_cast<std::int32_t>(s.object.entry.capacity));
     }},
    // [MS-OXOABK] 2.2.3.26: a language with each; a directory of ours has one for all.
    {mapi::PidTagAddressBookSenderHintTranslations, [](Source s, Arena& arena) {
       const auto tip = s.object.text(mapi::PidTagAddressBookSenderHintTranslations);
       return texts(arena, tip.empty() ? std::vector<std::string>() : std::vector<std::string>{"default:" + std::string(tip)});
     }},
    {mapi::PidTagThumbnailPhoto, [](Source s, Arena& arena) -> Cell {
       if (s.object.entry.photo.empty()) return {};
       return binary(arena, s.object.entry.photo);
     }},
    {mapi::PidTagUserX509Certificate, certificates},
    {mapi::PidTagAddressBookX509Certificate, certificates},
    // The number most people are called by.
    {mapi::PidTagPrimaryTelephoneNumber, [](Source s, Arena& arena) { return text(arena, s.object.text(mapi::PidTagBusinessTelephoneNumber)); }},
    {mapi::PidTagAnr, anr_queries},
};

using Links = Indexes (*)(const Object&);
struct Link {
  std::uint16_t id;
  Links objects;
};
const Link links[] = {
    {mapi::PidTagAddressBookMember.id(), [](const Object& o) { return o.members; }},
    {mapi::PidTagAddressBookIsMemberOfDistributionList.id(), [](const Object& o) { return o.member_of; }},
    {mapi::PidTagAddressBookManager.id(), [](const Object& o) { return o.manager ? Indexes{*o.manager} : Indexes(); }},
    {mapi::PidTagAddressBookReports.id(), [](const Object& o) { return o.reports; }},
    {mapi::PidTagAddressBookOwner.id(), [](const Object& o) { return o.owners; }},
    {mapi::PidTagAddressBookOwnerBackLink.id(), [](const Object& o) { return o.owned; }},
    {mapi::PidTagAddressBookPublicDelegates.id(), [](const Object& o) { return o.delegates; }},
};

}  // namespace

Bytes permanent_entry_id(DisplayType type, std::string_view dn) {
  nspi::PermanentEntryID id;
  id.DisplayTypeString = type;
  id.DistinguishedName = dn;
  Bytes out;
  (void)wire::encode("PermanentEntryID", id, out, wire::CountWidth::narrow);  // has no counts that could overflow
  return out;
}

Bytes ephemeral_entry_id(const mapi::Guid& server, DisplayType type, MinimalEntryID mid) {
  nspi::EphemeralEntryID id;
  id.ProviderUID = server;
  id.DisplayType = type;
  id.MId = mid;
  Bytes out;
  (void)wire::encode("EphemeralEntryID", id, out, wire::CountWidth::narrow);
  return out;
}

std::optional<Value> ObjectSource::get(PropertyTag tag, Arena& arena) const {
  for (const auto& getter : getters)
    if (getter.tag.id() == tag.id()) return getter.get(*this, arena);
  return text(arena, object.text(tag));
}

std::vector<PropertyTag> ObjectSource::list() const {
  std::vector<PropertyTag> out;
  Arena arena;
  for (const auto& getter : getters)
    if (getter.tag.id() != mapi::PidTagAnr.id() && getter.get(*this, arena)) out.push_back(getter.tag);
  for (const auto& [tag, value] : object.entry.texts)
    if (!value.empty() && tag.type() == PropertyType::PtypString) out.push_back(tag);  // others have a getter
  return out;
}

std::optional<Value> ContainerSource::get(PropertyTag tag, Arena& arena) const {
  const auto id_of = [&](const Container& c) { return binary(arena, permanent_entry_id(DisplayType::DT_CONTAINER, c.dn)); };
  if (tag.id() == mapi::PidTagEntryId.id() || tag.id() == mapi::PidTagRecordKey.id()) return id_of(container_);
  if (tag.id() == mapi::PidTagContainerFlags.id())
    return Value::integer32(AB_RECIPIENTS | AB_UNMODIFIABLE | (container_.has_children ? AB_SUBCONTAINERS : 0));
  if (tag.id() == mapi::PidTagDepth.id()) return Value::integer32(static_cast<std::int32_t>(container_.depth));
  if (tag.id() == mapi::PidTagAddressBookContainerId.id()) return Value::integer32(static_cast<std::int32_t>(container_.id));
  if (tag.id() == mapi::PidTagDisplayName.id()) return Value::string(arena, container_.name);
  if (tag.id() == mapi::PidTagAddressBookIsMaster.id()) return Value::boolean(false);
  if (tag.id() == mapi::PidTagObjectType.id()) return Value::integer32(MAPI_ABCONT);
  if (tag.id() == mapi::PidTagDisplayType.id()) return Value::integer32(static_cast<std::int32_t>(DisplayType::DT_CONTAINER));
  if (tag.id() == mapi::PidTagAddressBookParentEntryId.id() && container_.parent)
    return id_of(snapshot_.containers()[*container_.parent]);
  return {};
}

std::vector<PropertyTag> ContainerSource::list() const {
  // [MS-OXNSPI] 3.1.4.1.3 asks for this order.
  std::vector<PropertyTag> out{mapi::PidTagEntryId,     mapi::PidTagContainerFlags,
                               mapi::PidTagDepth,       mapi::PidTagAddressBookContainerId,
                               mapi::PidTagDisplayName, mapi::PidTagAddressBookIsMaster};
  if (container_.parent) out.push_back(mapi::PidTagAddressBookParentEntryId);
  return out;
}

std::optional<Indexes> linked_objects(const Object& object, PropertyTag property) {
  for (const auto& link : links)
    if (link.id == property.id()) return link.objects(object);
  return {};
}

std::vector<PropertyTag> object_tables(const Object& object) {
  std::vector<PropertyTag> out;
  for (const auto& link : links)
    if (!link.objects(object).empty()) out.emplace_back(link.id, PropertyType::PtypObject);
  if (is_group(object)) out.push_back(mapi::PidTagContainerContents);
  return out;
}

const std::vector<PropertyTag>& known_properties() {
  static const auto all = [] {
    std::vector<PropertyTag> out;
    for (const auto& getter : getters) out.push_back(getter.tag);
    for (const auto& attribute : text_attributes())
      if (attribute.tag.type() == PropertyType::PtypString) out.push_back(attribute.tag);
    for (const auto& link : links) out.emplace_back(link.id, PropertyType::PtypObject);
    out.push_back(mapi::PidTagContainerContents);
    return out;
  }();
  return all;
}

}  // namespace mapigate::directory
