// People and rooms out of the address book: ResolveNames ([MS-OXWSRSLNM]), FindPeople ([MS-OXWSPERS]), ExpandDL
// ([MS-OXWSDLIST]), GetRoomLists and GetRooms, GetUserPhoto.
#include <algorithm>

#include "base/text.h"
#include "mapi/properties.h"
#include "transport/ews/operation.h"

namespace mapigate::transport::ews {

namespace {

using namespace wire::ews;
using directory::EntryKind;
using directory::Index;
using directory::Indexes;
using directory::Object;
using directory::Snapshot;

constexpr std::size_t most_resolutions = 100;
constexpr std::size_t most_people = 500;

Status unread() { return error(Errc::unavailable, "there is no address book yet"); }

std::string address_in(const pugi::xml_node& node) {
  auto address = lower_ascii(text(node, "EmailAddress"));
  if (address.empty()) address = lower_ascii(text(node, "Address"));
  if (address.starts_with("smtp:")) address.erase(0, 5);
  return address;
}

void add_text(pugi::xml_node node, const char* name, std::string_view value) {
  if (!value.empty()) add(node, name, value);
}

// In the order of the schema's sequence.
void write_contact(pugi::xml_node contact, const Snapshot& book, const Object& object) {
  const auto& entry = object.entry;
  const auto attribute = [&](const char* name, mapi::PropertyTag tag) { add_text(contact, name, object.text(tag)); };
  add(contact, "t:DisplayName", entry.display_name);
  attribute("t:GivenName", mapi::PidTagGivenName);
  attribute("t:Initials", mapi::PidTagInitials);
  attribute("t:CompanyName", mapi::PidTagCompanyName);
  if (!entry.address.empty()) {
    auto list = contact.append_child("t:EmailAddresses");
    constexpr const char* keys[] = {"EmailAddress1", "EmailAddress2", "EmailAddress3"};
    add(list, "t:Entry", "SMTP:" + entry.address).append_attribute("Key") = keys[0];
    for (std::size_t i = 0; i < entry.aliases.size() && i + 1 < std::size(keys); ++i)
      add(list, "t:Entry", "smtp:" + entry.aliases[i]).append_attribute("Key") = keys[i + 1];
  }
  const std::pair<const char*, mapi::PropertyTag> place[] = {{"t:Street", mapi::PidTagStreetAddress},
                                                             {"t:City", mapi::PidTagLocality},
                                                             {"t:State", mapi::PidTagStateOrProvince},
                                                             {"t:CountryOrRegion", mapi::PidTagCountry},
                                                             {"t:PostalCode", mapi::PidTagPostalCode}};
  if (std::any_of(std::begin(place), std::end(place), [&](const auto& one) { return !object.text(one.second).empty(); })) {
    auto address = contact.append_child("t:PhysicalAddresses").append_child("t:Entry");
    address.append_attribute("Key") = "Business";
    for (const auto& [name, tag] : place) add_text(address, name, object.text(tag));
  }
  const std::pair<const char*, mapi::PropertyTag> phones[] = {{"BusinessFax", mapi::PidTagPrimaryFaxNumber},
                                                              {"BusinessPhone", mapi::PidTagBusinessTelephoneNumber},
                                                              {"BusinessPhone2", mapi::PidTagBusiness2TelephoneNumber},
                                                              {"HomePhone", mapi::PidTagHomeTelephoneNumber},
                                                              {"MobilePhone", mapi::PidTagMobileTelephoneNumber},
                                                              {"Pager", mapi::PidTagPagerTelephoneNumber}};
  pugi::xml_node numbers;
  for (const auto& [key, tag] : phones) {
    if (object.text(tag).empty()) continue;
    if (!numbers) numbers = contact.append_child("t:PhoneNumbers");
    add(numbers, "t:Entry", object.text(tag)).append_attribute("Key") = key;
  }
  attribute("t:AssistantName", mapi::PidTagAssistant);
  add(contact, "t:ContactSource", "ActiveDirectory");
  attribute("t:Department", mapi::PidTagDepartmentName);
  attribute("t:JobTitle", mapi::PidTagTitle);
  if (object.manager) add(contact, "t:Manager", book.object(*object.manager).entry.display_name);
  attribute("t:OfficeLocation", mapi::PidTagOfficeLocation);
  attribute("t:Surname", mapi::PidTagSurname);
  attribute("t:PhoneticFullName", mapi::PidTagAddressBookPhoneticDisplayName);
  add_text(contact, "t:Alias", entry.account);
  if (object.manager) write_address(contact.append_child("t:ManagerMailbox").append_child("t:Mailbox"), book.object(*object.manager));
}

io::Task<Status> resolve_names(Call* call) {
  const auto book = call->address_book();
  if (!book) co_return unread();
  const auto name = text(call->content(), "UnresolvedEntry");
  if (name.empty()) co_return error(Errc::malformed, "UnresolvedEntry");
  auto message = call->body.append_child("m:ResolveNamesResponse").append_child("m:ResponseMessages").append_child("m:ResolveNamesResponseMessage");
  auto found = book->resolve(name);
  if (found.empty()) {
    write_response_message(message, "ErrorNameResolutionNoResults", "No results were found.");
    co_return Status();
  }
  const bool full = boolean(call->content().attribute("ReturnFullContactData").value()).value_or(false);
  if (found.size() == 1) write_response_message(message, "NoError");
  else write_response_message(message, "ErrorNameResolutionMultipleResults", "Multiple results were found.", true);
  auto set = message.append_child("m:ResolutionSet");
  const auto count = std::min(found.size(), most_resolutions);
  set.append_attribute("TotalItemsInView") = static_cast<unsigned>(count);
  set.append_attribute("IncludesLastItemInRange") = count == found.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& object = book->object(found[i]);
    auto resolution = set.append_child("t:Resolution");
    write_address(resolution.append_child("t:Mailbox"), object);
    if (full) write_contact(resolution.append_child("t:Contact"), *book, object);
  }
  co_return Status();
}

io::Task<Status> expand_dl(Call* call) {
  const auto book = call->address_book();
  if (!book) co_return unread();
  auto message = call->body.append_child("m:ExpandDLResponse").append_child("m:ResponseMessages").append_child("m:ExpandDLResponseMessage");
  const auto group = book->find_address(address_in(child(call->content(), "Mailbox")));
  if (!group || book->object(*group).entry.kind != EntryKind::group) {
    write_response_message(message, "ErrorNameResolutionNoResults", "No results were found.");
    co_return Status();
  }
  write_response_message(message, "NoError");
  const auto& members = book->object(*group).members;
  auto list = message.append_child("m:DLExpansion");
  list.append_attribute("TotalItemsInView") = static_cast<unsigned>(members.size());
  list.append_attribute("IncludesLastItemInRange") = true;
  for (const auto member : members) write_address(list.append_child("t:Mailbox"), book->object(member));
  co_return Status();
}

// What a FindPeople looks for: its query, or the first constant of its restriction.
std::string sought(const pugi::xml_node& request) {
  if (const auto query = text(request, "QueryString"); !query.empty()) return std::string(query);
  const auto constant = child(request, "Restriction").find_node([](const pugi::xml_node& node) { return local_name(node) == "Constant"; });
  return std::string(trim(constant.attribute("Value").value()));
}

void write_persona(pugi::xml_node persona, const Object& object) {
  const auto& entry = object.entry;
  const auto attribute = [&](const char* name, mapi::PropertyTag tag) { add_text(persona, name, object.text(tag)); };
  persona.append_child("t:PersonaId").append_attribute("Id") = to_base64(as_view(object.dn)).c_str();
  add(persona, "t:PersonaType", entry.kind == EntryKind::group ? "DistributionList" : entry.kind == EntryKind::room ? "Room" : "Person");
  add(persona, "t:DisplayName", entry.display_name);
  attribute("t:GivenName", mapi::PidTagGivenName);
  attribute("t:Surname", mapi::PidTagSurname);
  attribute("t:Title", mapi::PidTagTitle);
  attribute("t:Department", mapi::PidTagDepartmentName);
  attribute("t:CompanyName", mapi::PidTagCompanyName);
  attribute("t:Location", mapi::PidTagOfficeLocation);
  if (entry.address.empty()) return;
  write_address(persona.append_child("t:EmailAddress"), object);
  write_address(persona.append_child("t:EmailAddresses").append_child("t:Address"), object);
}

io::Task<Status> find_people(Call* call) {
  const auto book = call->address_book();
  if (!book) co_return unread();
  const auto& request = call->content();
  const auto page = child(request, "IndexedPageItemView");
  const auto offset = integer(page.attribute("Offset").value()).value_or(0), most = integer(page.attribute("MaxEntriesReturned").value()).value_or(100);
  if (offset < 0 || most < 1) co_return error(Errc::malformed, "IndexedPageItemView");
  const auto words = sought(request);
  Indexes found;
  if (words.empty()) {
    found = *book->table(book->containers().front(), directory::SortType::SortTypeDisplayName, 0x409);
  } else {
    found = book->resolve(words);
    book->sort(found, directory::SortType::SortTypeDisplayName, 0x409);
  }
  auto response = call->body.append_child("m:FindPeopleResponse");
  write_response_message(response, "NoError");
  auto people = response.append_child("m:People");
  const auto first = std::min(static_cast<std::size_t>(offset), found.size());
  const auto count = std::min({static_cast<std::size_t>(most), most_people, found.size() - first});
  for (std::size_t i = first; i < first + count; ++i) write_persona(people.append_child("t:Persona"), book->object(found[i]));
  add(response, "m:TotalNumberOfPeopleInView", static_cast<int>(found.size()));
  add(response, "m:FirstMatchingRowIndex", 0);
  add(response, "m:FirstLoadedRowIndex", static_cast<int>(first));
  co_return Status();
}

// A group that has members, and all of them rooms.
bool is_room_list(const Snapshot& book, const Object& object) {
  return object.entry.kind == EntryKind::group && !object.entry.hidden && !object.members.empty() &&
         std::all_of(object.members.begin(), object.members.end(),
                     [&](Index member) { return book.kind(member) == EntryKind::room; });
}

io::Task<Status> get_room_lists(Call* call) {
  const auto book = call->address_book();
  if (!book) co_return unread();
  auto response = call->body.append_child("m:GetRoomListsResponse");
  write_response_message(response, "NoError");
  auto list = response.append_child("m:RoomLists");
  for (Index i = 0; i < book->size(); ++i) {
    if (book->kind(i) != EntryKind::group) continue;
    const auto object = book->object(i);
    if (is_room_list(*book, object) && !object.entry.address.empty()) write_address(list.append_child("t:Address"), object);
  }
  co_return Status();
}

io::Task<Status> get_rooms(Call* call) {
  const auto book = call->address_book();
  if (!book) co_return unread();
  auto response = call->body.append_child("m:GetRoomsResponse");
  const auto group = book->find_address(address_in(child(call->content(), "RoomList")));
  if (!group || !is_room_list(*book, book->object(*group))) {
    write_response_message(response, "ErrorNameResolutionNoResults", "There is no such list of rooms.");
    co_return Status();
  }
  write_response_message(response, "NoError");
  auto rooms = response.append_child("m:Rooms");
  for (const auto member : book->object(*group).members)
    write_address(rooms.append_child("t:Room").append_child("t:Id"), book->object(member));
  co_return Status();
}

io::Task<Status> get_user_photo(Call* call) {
  const auto book = call->address_book();
  if (!book) co_return unread();
  auto response = call->body.append_child("m:GetUserPhotoResponse");
  const auto found = book->find_address(text(call->content(), "Email"));
  if (!found || book->object(*found).entry.photo.empty()) {
    write_response_message(response, "ErrorItemNotFound", "There is no picture.");
    co_return Status();
  }
  write_response_message(response, "NoError");
  add(response, "m:HasChanged", true);
  add(response, "m:PictureData", to_base64(book->object(*found).entry.photo));
  co_return Status();
}

constexpr Operation operations[] = {{"ResolveNames", resolve_names}, {"ExpandDL", expand_dl},   {"FindPeople", find_people},
                                    {"GetRoomLists", get_room_lists}, {"GetRooms", get_rooms}, {"GetUserPhoto", get_user_photo}};

}  // namespace

std::span<const Operation> directory_operations() { return operations; }

}  // namespace mapigate::transport::ews
