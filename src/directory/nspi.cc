// Sessions, single objects, and the way from body to body. Tables are in nspi_tables.cc.
#include "directory/nspi.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "directory/templates.h"
#include "mapi/legacy_dn.h"
#include "mapi/properties.h"
#include "wire/nspi/all_bodies.h"

namespace mapigate::directory {

using mapi::PropertyTag;
using mapi::PropertyType;
using mapi::Value;
namespace nspi = wire::nspi;

namespace {

// More columns than an address book has properties are nobody's honest question.
constexpr std::size_t max_columns = 1024;

bool is_text(PropertyType type) { return type == PropertyType::PtypString || type == PropertyType::PtypMultipleString; }
PropertyTag as_string8(PropertyTag tag) {
  if (tag.type() == PropertyType::PtypString) return tag.with(PropertyType::PtypString8);
  if (tag.type() == PropertyType::PtypMultipleString) return tag.with(PropertyType::PtypMultipleString8);
  return tag;
}
PropertyTag as_string(PropertyTag tag) {
  if (tag.type() == PropertyType::PtypString8) return tag.with(PropertyType::PtypString);
  if (tag.type() == PropertyType::PtypMultipleString8) return tag.with(PropertyType::PtypMultipleString);
  return tag;
}

bool is_group(const Object& object) { return object.entry.kind == EntryKind::group; }

template <class Response>
Response failed(mapi::ErrorCode code) {
  Response out;
  out.ErrorCode = code;
  return out;
}

}  // namespace

bool Nspi::speaks(std::uint32_t code_page) {
  return code_page == 0 || code_page == nspi::CP_WINUNICODE || is_known_code_page(code_page);
}

const nspi::STAT& Nspi::stat_of(const nspi::Optional<STAT>& state) {
  static const STAT none = [] {
    STAT stat;
    stat.CodePage = 1252;
    stat.SortLocale = stat.TemplateLocale = nspi::NSPI_DEFAULT_LOCALE;
    return stat;
  }();
  return state ? *state : none;
}

nspi::Bind::Response Nspi::answer(const nspi::Bind::Request& request) {
  if ((request.Flags & nspi::fAnonymousLogin) != 0) return failed<nspi::Bind::Response>(mapi::ecNotSupported);
  if (const auto code_page = stat_of(request.State).CodePage; !is_known_code_page(code_page))
    return failed<nspi::Bind::Response>(nspi::InvalidCodepage);
  nspi::Bind::Response out;
  out.ServerGuid = server_.guid;
  return out;
}

nspi::Unbind::Response Nspi::answer(const nspi::Unbind::Request&) { return failed<nspi::Unbind::Response>(nspi::UnbindSuccess); }

nspi::UrlResponse Nspi::answer(const nspi::GetMailboxUrl::Request& request) {
  if (request.ServerDn.empty()) return failed<nspi::UrlResponse>(mapi::ecInvalidParam);
  nspi::UrlResponse out;
  out.ServerUrl = to_utf16(arena_, server_.mapi_url + "emsmdb/?MailboxId=" + percent_encode(user_));
  return out;
}

nspi::UrlResponse Nspi::answer(const nspi::GetAddressBookUrl::Request& request) {
  if (request.UserDn.empty()) return failed<nspi::UrlResponse>(mapi::ecInvalidParam);
  nspi::UrlResponse out;
  out.ServerUrl = to_utf16(arena_, server_.mapi_url + "nspi/?MailboxId=" + percent_encode(user_));
  return out;
}

nspi::CompareMIds::Response Nspi::answer(const nspi::CompareMIds::Request& request) {
  using Response = nspi::CompareMIds::Response;
  const auto& stat = stat_of(request.State);
  if (stat.CodePage == nspi::CP_WINUNICODE) return failed<Response>(mapi::ecNotSupported);
  const auto* container = snapshot_.find_container(MinimalEntryID{stat.ContainerID});
  if (!container) return failed<Response>(mapi::ecInvalidBookmark);
  const auto table = snapshot_.table(*container, stat.SortType, stat.SortLocale);
  const auto place = [&](MinimalEntryID id) -> std::ptrdiff_t {
    const auto size = static_cast<std::ptrdiff_t>(table->size());
    if (id == MinimalEntryID::MID_BEGINNING_OF_TABLE) return size == 0 ? -1 : 0;
    if (id == MinimalEntryID::MID_END_OF_TABLE) return size;
    const auto index = snapshot_.find(id);
    const auto at = index ? snapshot_.place(*table, *index, stat.SortType, stat.SortLocale) : std::nullopt;
    return at ? static_cast<std::ptrdiff_t>(*at) : -1;
  };
  const auto first = place(request.MinimalId1), second = place(request.MinimalId2);
  if (first < 0 || second < 0) return failed<Response>(mapi::ecError);
  Response out;
  out.Result = first < second ? -1 : first > second ? 1 : 0;
  return out;
}

nspi::DNToMId::Response Nspi::answer(const nspi::DNToMId::Request& request) {
  Ids ids;
  for (const auto& [name] : *request.Names) {
    const auto index = snapshot_.find_dn(name);
    const auto* container = index ? nullptr : snapshot_.find_container_dn(name);
    ids.push_back(index ? snapshot_.id(*index) : container ? container->id : MinimalEntryID{});
  }
  nspi::DNToMId::Response out;
  out.MinimalIds = nspi::MinimalIdList(keep(ids));
  return out;
}

std::vector<PropertyTag> Nspi::properties_of(MinimalEntryID id, bool with_tables) const {
  std::vector<PropertyTag> out;
  if (const auto index = snapshot_.find(id)) {
    out = ObjectSource(snapshot_, *index, server_, false).list();
    if (with_tables)
      for (const auto tag : object_tables(snapshot_.object(*index))) out.push_back(tag);
  } else if (const auto* container = snapshot_.find_container(id); container && id != MinimalEntryID{}) {
    out = ContainerSource(snapshot_, *container).list();
  }
  for (auto& tag : out) tag = as_string8(tag);
  return out;
}

nspi::GetPropList::Response Nspi::answer(const nspi::GetPropList::Request& request) {
  if (request.CodePage == nspi::CP_WINUNICODE) return failed<nspi::GetPropList::Response>(mapi::ecNotSupported);
  auto tags = properties_of(request.MinimalId, (request.Flags & nspi::fSkipObjects) == 0);
  // Of no object in particular: all there are, as QueryColumns lists them.
  if (request.MinimalId == MinimalEntryID{})
    for (const auto tag : known_properties()) tags.push_back(as_string8(tag));
  if (tags.empty()) return failed<nspi::GetPropList::Response>(mapi::ecNotFound);
  nspi::GetPropList::Response out;
  out.PropertyTags = nspi::LargePropertyTagArray{arena_.copy(std::span<const PropertyTag>(tags))};
  return out;
}

nspi::GetProps::Response Nspi::answer(const nspi::GetProps::Request& request) {
  using Response = nspi::GetProps::Response;
  const auto& stat = stat_of(request.State);
  const auto& asked = request.PropertyTags->PropertyTags;
  if (!speaks(stat.CodePage)) return failed<Response>(nspi::InvalidCodepage);
  // A tag without an id names no text: it is just not there.
  if (stat.CodePage == nspi::CP_WINUNICODE && std::any_of(asked.begin(), asked.end(), [](auto tag) {
        return tag.id() != 0 && mapi::element_type(tag.type()) == PropertyType::PtypString8;
      }))
    return failed<Response>(mapi::ecNotSupported);
  if (asked.size() > max_columns) return failed<Response>(mapi::ecTableTooBig);
  std::vector<PropertyTag> tags(asked.begin(), asked.end());
  if (!request.PropertyTags) {
    tags = properties_of(stat.CurrentRec, (request.Flags & nspi::fSkipObjects) == 0);
    // A table has no value that could be sent; who wants it asks GetMatches.
    std::erase_if(tags, [](auto tag) { return tag.type() == PropertyType::PtypObject; });
    // No bytes of a string could be said to be in that code page.
    if (stat.CodePage == nspi::CP_WINUNICODE)
      for (auto& tag : tags) tag = as_string(tag);
  }
  nspi::TagList columns(nspi::LargePropertyTagArray{tags});
  const MinimalEntryID ids[] = {stat.CurrentRec};
  const auto row = rows(ids, columns, stat.CodePage, (request.Flags & nspi::fEphID) != 0).RowData[0];
  auto values = arena_.make_span<mapi::TaggedValue>(tags.size());
  // Exchange from 2010 on warns about an unknown container where the document asks for an error; clients
  // send the ContainerID that GetMatches has changed.
  bool warn = snapshot_.find_container(MinimalEntryID{stat.ContainerID}) == nullptr;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    auto value = row.values[i];
    if (value.type == PropertyType::PtypUnspecified) value = Value::error(mapi::ecNotFound);
    warn = warn || value.type == PropertyType::PtypErrorCode;
    values[i] = {tags[i].with(value.type), value};
  }
  Response out;
  out.ErrorCode = warn ? mapi::ecWarnWithErrors : mapi::ecNone;
  out.CodePage = stat.CodePage;
  out.PropertyValues = nspi::AddressBookPropertyValueList{values};
  return out;
}

nspi::GetTemplateInfo::Response Nspi::answer(const nspi::GetTemplateInfo::Request& request) {
  using Response = nspi::GetTemplateInfo::Response;
  if (request.CodePage == nspi::CP_WINUNICODE || !is_known_code_page(request.CodePage)) return failed<Response>(nspi::InvalidCodepage);
  auto type = static_cast<DisplayType>(request.DisplayType);
  auto locale = request.LocaleId;
  std::optional<CreationDialog> creation;
  // An object's PidTagTemplateid is its own entry id: the DN says what type it is of, and then ([MS-OXNSPI] 3.1.4.1.18) neither
  // DisplayType nor LocaleId count.
  if (request.TemplateDn && !request.TemplateDn->empty()) {
    creation = creation_dialog(*request.TemplateDn, request.CodePage);
    const auto named = creation ? std::nullopt : snapshot_.find_dn(*request.TemplateDn);
    if (!creation && !named) return failed<Response>(nspi::InvalidLocale);
    if (named) type = snapshot_.object(*named).display_type;
    locale = nspi::NSPI_DEFAULT_LOCALE;
  } else if (!request.TemplateDn && locale == 0) {
    return failed<Response>(nspi::InvalidLocale);
  }
  const auto data = creation ? creation->data : details_template(type, request.CodePage, locale);
  const auto script = creation ? creation->script : empty_script();
  if (data.empty()) return failed<Response>(nspi::InvalidLocale);
  std::vector<mapi::TaggedValue> values;
  // The properties of the row have the flags as ids. There are no help files.
  if (request.Flags & nspi::TI_TEMPLATE)
    values.push_back({PropertyTag(nspi::TI_TEMPLATE, PropertyType::PtypBinary), Value::binary(arena_.copy(View(data)))});
  if (request.Flags & nspi::TI_SCRIPT)
    values.push_back({PropertyTag(nspi::TI_SCRIPT, PropertyType::PtypBinary), Value::binary(arena_.copy(View(script)))});
  Response out;
  out.CodePage = request.CodePage;
  out.Row = nspi::AddressBookPropertyValueList{arena_.copy(std::span<const mapi::TaggedValue>(values))};
  return out;
}

// [MS-OXNSPI] knows one code for all that the server does not let a client do.
mapi::ErrorCode Nspi::change(Index object, const std::vector<Change>& changes) const {
  if (!edit_) return mapi::ecAccessDenied;
  const auto done = edit_(snapshot_.object(object).entry, changes);
  if (done) return mapi::ecNone;
  switch (done.error().code) {
    case Errc::denied: return mapi::ecAccessDenied;
    case Errc::malformed: return mapi::ecInvalidParam;
    default:
      log::warning("change of {}: {}", snapshot_.object(object).entry.display_name, done.error().message);
      return mapi::ecError;
  }
}

// Both kinds of entry id ([MS-OXNSPI] 2.2.9.2 and 2.2.9.3).
std::optional<Index> Nspi::object_of_entry_id(View entry_id) const {
  Arena arena;
  if (const auto permanent = wire::decode<nspi::PermanentEntryID>("entry id", entry_id, arena, wire::CountWidth::narrow);
      permanent && permanent->IDType == 0 && permanent->ProviderUID.bytes == nspi::GUID_NSPI.bytes)
    return snapshot_.find_dn(permanent->DistinguishedName);
  if (const auto ephemeral = wire::decode<nspi::EphemeralEntryID>("entry id", entry_id, arena, wire::CountWidth::narrow);
      ephemeral && ephemeral->IDType == 0x87 && ephemeral->ProviderUID.bytes == server_.guid.bytes)
    return snapshot_.find(ephemeral->MId);
  return {};
}

nspi::PlainResponse Nspi::answer(const nspi::ModLinkAtt::Request& request) {
  const auto refuse = [](mapi::ErrorCode code) { return failed<nspi::PlainResponse>(code); };
  const auto index = snapshot_.find(request.MinimalId);
  const auto property = request.PropertyTag.id();
  if (!linked_objects(Object(), request.PropertyTag)) return refuse(mapi::ecNotFound);
  if (!index) return refuse(mapi::ecInvalidParam);
  const auto self = snapshot_.find_address(user_);
  const auto& object = snapshot_.object(*index);
  const bool is_member = property == mapi::PidTagAddressBookMember.id();
  const bool is_delegate = property == mapi::PidTagAddressBookPublicDelegates.id();
  // Owners change the members of their groups, everybody the own delegates.
  const bool may = self && ((is_member && is_group(object) && std::find(object.owners.begin(), object.owners.end(), *self) != object.owners.end()) ||
                            (is_delegate && *self == *index));
  if (!may) return refuse(mapi::ecAccessDenied);
  Change change;
  change.attribute = is_member ? "members" : "delegates";
  change.how = (request.Flags & nspi::fDelete) != 0 ? Change::How::remove : Change::How::add;
  for (const auto& id : request.EntryIds ? *request.EntryIds : std::span<const nspi::EntryId>()) {
    const auto other = object_of_entry_id(id.Value);
    if (!other) return refuse(mapi::ecInvalidParam);
    const auto& entry = snapshot_.object(*other).entry;
    change.values.push_back(entry.known_as.empty() ? entry.address : entry.known_as);
  }
  if (change.values.empty()) return refuse(edit_ ? mapi::ecNone : mapi::ecAccessDenied);
  return refuse(this->change(*index, {change}));
}

namespace {

// What an entry calls a property, where that can be written; empty: it cannot.
std::string_view writable_name(PropertyTag tag) {
  for (const auto& attribute : text_attributes())
    if (attribute.tag.id() == tag.id()) return attribute.name;
  if (tag.id() == mapi::PidTagUserX509Certificate.id() || tag.id() == mapi::PidTagAddressBookX509Certificate.id()) return "certificates";
  if (tag.id() == mapi::PidTagThumbnailPhoto.id()) return "photo";
  return {};
}

std::vector<std::string> values_of(const Value& value, unsigned code_page) {
  std::vector<std::string> out;
  if (const auto* bytes = value.get<View>()) out.emplace_back(as_text(*bytes));
  if (const auto* list = value.get<std::span<const View>>())
    for (const auto& bytes : *list) out.emplace_back(as_text(bytes));
  if (value.get<Utf16>() || value.get<mapi::String8>()) out.push_back(mapi::text_of(value, code_page));
  std::erase_if(out, [](const auto& one) { return one.empty(); });
  return out;
}

}  // namespace

nspi::PlainResponse Nspi::answer(const nspi::ModProps::Request& request) {
  const auto refuse = [](mapi::ErrorCode code) { return failed<nspi::PlainResponse>(code); };
  const auto& stat = stat_of(request.State);
  if (stat.CodePage == nspi::CP_WINUNICODE) return refuse(mapi::ecNotSupported);
  const auto index = snapshot_.find(stat.CurrentRec);
  if (!request.PropertiesToRemove || !index) return refuse(mapi::ecInvalidParam);
  if (snapshot_.object(*index).display_type != DisplayType::DT_MAILUSER) return refuse(mapi::ecInvalidObject);
  const auto self = snapshot_.find_address(user_);
  if (!self || *self != *index) return refuse(mapi::ecAccessDenied);
  // [MS-OXNSPI] 3.1.4.1.12: the values of the first list go, then those of the second come.
  std::vector<Change> changes;
  const auto put = [&](PropertyTag tag, std::vector<std::string> values) {
    const auto name = writable_name(tag);
    if (name.empty()) return false;
    const auto known = std::find_if(changes.begin(), changes.end(), [&](const auto& one) { return one.attribute == name; });
    if (known == changes.end()) changes.push_back({Change::How::replace, std::string(name), std::move(values)});
    else if (!values.empty()) known->values = std::move(values);
    return true;
  };
  for (const auto tag : request.PropertiesToRemove->PropertyTags)
    if (!put(tag, {})) return refuse(mapi::ecAccessDenied);
  if (request.PropertyValues)
    for (const auto& one : request.PropertyValues->PropertyValues)
      if (!put(one.tag, values_of(one.value, stat.CodePage))) return refuse(mapi::ecAccessDenied);
  if (changes.empty()) return refuse(edit_ ? mapi::ecNone : mapi::ecAccessDenied);
  return refuse(change(*index, changes));
}

nspi::QueryColumns::Response Nspi::answer(const nspi::QueryColumns::Request& request) {
  auto tags = known_properties();
  if ((request.MapiFlags & nspi::NspiUnicodeProptypes) == 0)
    for (auto& tag : tags) tag = is_text(tag.type()) ? as_string8(tag) : tag;
  nspi::QueryColumns::Response out;
  out.Columns = nspi::LargePropertyTagArray{arena_.copy(std::span<const PropertyTag>(tags))};
  return out;
}

namespace {

// Servers take what some clients send beside the documents: strings with a zero code unit too many and whatever else
// leaves bytes behind a complete request, and the target of SeekEntries without the HasValue byte of its text.
template <class Request>
Result<Request> decode_request(View body, Arena& arena) {
  auto strict = wire::decode<Request>("request", body, arena, wire::CountWidth::address_book);
  if (strict) return strict;
  if constexpr (std::is_same_v<Request, nspi::SeekEntries::Request>) {
    // Reserved, HasState, State (if any), HasTarget, the target's tag, its text.
    const std::size_t at = body.size() > 4 && body[4] == 0 ? 10 : 46;
    if (body.size() > at) {
      Bytes amended(body.size() + 1, nspi::present);
      std::copy_n(body.begin(), at, amended.begin());
      std::copy(body.begin() + static_cast<std::ptrdiff_t>(at), body.end(), amended.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      auto decoded = wire::decode<Request>("request", arena.copy(View(amended)), arena, wire::CountWidth::address_book);
      if (decoded) return decoded;
    }
  }
  Cursor cursor(body);
  wire::FieldReader reader(cursor, arena, wire::CountWidth::address_book);
  Request out{};
  Request::fields(out, reader);
  // Of the auxiliary buffer, which comes last, nothing is used.
  if (cursor.ok() || std::string_view(cursor.field()) == "AuxiliaryBuffer") return out;
  return strict;
}

}  // namespace

Result<Bytes> answer(chain::Operation operation, View body, const Snapshot& snapshot, const Server& server, std::string_view user,
                     Arena& arena, Nspi::Edit edit) {
  const auto name = chain::to_string(operation);
  Result<Bytes> out = error(Errc::unsupported, "{} is no request of the address book", name);
  nspi::any_request_type([&]<class T>() {
    if (T::request_type != name) return false;
    const auto request = decode_request<typename T::Request>(body, arena);
    if (!request) {
      out = request.error();
      return true;
    }
    const auto response = Nspi(snapshot, server, user, arena, edit).answer(*request);
    Bytes bytes;
    const auto encoded = wire::encode("response", response, bytes, wire::CountWidth::address_book);
    out = encoded ? Result<Bytes>(std::move(bytes)) : Result<Bytes>(encoded.error());
    return true;
  });
  return out;
}

}  // namespace mapigate::directory
