// Shared by the index path and by MimeMessage, so that both say the same.
#pragma once

#include "convert/headers.h"

namespace mapigate::convert {

void add_header_properties(mapi::PropertyBag& bag, const std::vector<HeaderField>& fields,
                           const HeaderOptions& options);
// The class that a Content-Class field asks for, of messages that would be IPM.Note otherwise; empty for other values
// ([MS-OXCMAIL] 2.2.3.2.15).
std::string class_of_content_class(std::string_view value);
// A row of a recipient table.
Recipient make_recipient(std::int32_t type, const Address& address, std::size_t order);
// Whether the field ends up in a property of its own or says nothing about the message object, so that it
// is not kept among the named headers.
bool is_mapped_header(std::string_view lower_name);
// The media type of a Content-Type field in lower case, without parameters.
std::string media_type(View content_type);
// One parameter of a structured field, RFC 2231 and RFC 2047 decoded; empty when it is not there.
std::string parameter(View content_type, std::string_view name);

}  // namespace mapigate::convert
