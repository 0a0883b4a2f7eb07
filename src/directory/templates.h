// The dialogs in which clients show the details of an object or have an address made ([MS-OXOABKT] 2.2.2.1 "Template Format").
#pragma once

#include "directory/snapshot.h"

namespace mapigate::directory {

// A TRowSet for objects of this type, its strings in the code page and in the locale's language (English, German and French are
// known); empty when there is none.
Bytes details_template(DisplayType type, std::uint32_t code_page, std::uint32_t locale);

// A kind of address that clients make of what somebody fills in ([MS-OXOABKT] 2.2.1), for who is in no address book.
struct CreationTemplate {
  std::string_view address_type;
  std::string_view display_name;  // UTF-8, in the language of the locale
  std::string dn;
};
// All there are; none where there is no locale.
std::vector<CreationTemplate> creation_templates(std::uint32_t locale);
// The dialog of one of them by its DN, in the language that the DN says, and the script that makes the address. None: there is no
// such template.
struct CreationDialog {
  Bytes data, script;
};
std::optional<CreationDialog> creation_dialog(std::string_view dn, std::uint32_t code_page);

// A script without instructions ([MS-OXOABKT] 2.2.2.2 "Script Format"): what is shown makes no address.
Bytes empty_script();

}  // namespace mapigate::directory
