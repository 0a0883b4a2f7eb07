// What the two sources of the MIME writer share.
#pragma once

#include "convert/header_properties.h"
#include "convert/mime_writer.h"

namespace mapigate::convert {

// All fields but those of the body's own, with MIME-Version; each ends in CR LF.
std::string write_header(MessageData& message, const MimeWriteOptions& options);
std::string make_boundary();
std::string subject_of(const mapi::PropertyBag& bag);

}  // namespace mapigate::convert
