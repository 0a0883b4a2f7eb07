#include "directory/entry.h"

#include "mapi/properties.h"

namespace mapigate::directory {

const std::vector<TextAttribute>& text_attributes() {
  static const std::vector<TextAttribute> all{
      {"given_name", mapi::PidTagGivenName},
      {"surname", mapi::PidTagSurname},
      {"initials", mapi::PidTagInitials},
      {"title", mapi::PidTagTitle},
      {"company", mapi::PidTagCompanyName},
      {"department", mapi::PidTagDepartmentName},
      {"office", mapi::PidTagOfficeLocation},
      {"assistant", mapi::PidTagAssistant},
      {"phone", mapi::PidTagBusinessTelephoneNumber},
      {"phone2", mapi::PidTagBusiness2TelephoneNumber},
      {"home_phone", mapi::PidTagHomeTelephoneNumber},
      {"mobile", mapi::PidTagMobileTelephoneNumber},
      {"pager", mapi::PidTagPagerTelephoneNumber},
      {"fax", mapi::PidTagPrimaryFaxNumber},
      {"street", mapi::PidTagStreetAddress},
      {"city", mapi::PidTagLocality},
      {"state", mapi::PidTagStateOrProvince},
      {"postal_code", mapi::PidTagPostalCode},
      {"country", mapi::PidTagCountry},
      {"home_page", mapi::PidTagBusinessHomePage},
      {"comment", mapi::PidTagComment},
      {"phonetic_name", mapi::PidTagAddressBookPhoneticDisplayName},
      {"phonetic_given_name", mapi::PidTagAddressBookPhoneticGivenName},
      {"phonetic_surname", mapi::PidTagAddressBookPhoneticSurname},
      {"phonetic_company", mapi::PidTagAddressBookPhoneticCompanyName},
      {"phonetic_department", mapi::PidTagAddressBookPhoneticDepartmentName},
      {"room_description", mapi::PidTagAddressBookRoomDescription},
      {"extension1", mapi::PidTagAddressBookExtensionAttribute1},
      {"extension2", mapi::PidTagAddressBookExtensionAttribute2},
      {"extension3", mapi::PidTagAddressBookExtensionAttribute3},
      {"extension4", mapi::PidTagAddressBookExtensionAttribute4},
      {"extension5", mapi::PidTagAddressBookExtensionAttribute5},
      {"mail_tip", mapi::PidTagAddressBookSenderHintTranslations},
  };
  return all;
}

std::optional<EntryKind> entry_kind(std::string_view name) {
  if (name == "person") return EntryKind::person;
  if (name == "group") return EntryKind::group;
  if (name == "room") return EntryKind::room;
  if (name == "equipment") return EntryKind::equipment;
  if (name == "contact") return EntryKind::contact;
  return {};
}

}  // namespace mapigate::directory
