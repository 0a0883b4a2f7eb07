// The dialogs in which clients show the details of an object ([MS-OXOABKT] 2.2.2.1 "Template Format").
#pragma once

#include "directory/snapshot.h"

namespace mapigate::directory {

// A TRowSet for objects of this type, its strings in the code page and in the locale's language (English, German and French are
// known); empty when there is none.
Bytes details_template(DisplayType type, std::uint32_t code_page, std::uint32_t locale);

// A script without instructions ([MS-OXOABKT] 2.2.2.2 "Script Format"): what is shown makes no address.
Bytes empty_script();

}  // namespace mapigate::directory
