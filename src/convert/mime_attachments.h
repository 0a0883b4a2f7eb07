// Attachment objects from MIME parts ([MS-OXCMAIL] 2.2.3.4).
#pragma once

#include "convert/mime_content.h"
#include "convert/mime_message.h"

namespace mapigate::convert {

struct AttachmentContext {
  std::string_view html;  // UTF-8; to see which parts it shows
  bool may_embed = true;  // whether messages become objects of their own
  FileTime time;          // of the message; zero when unknown
};

Attachment make_attachment(const AttachedPart& part, bool opaque, std::size_t number,
                           const AttachmentContext& context);

// A field of stored parts: the properties that nothing else in the part tells, as a bag in base64.
inline constexpr std::string_view kept_properties_field = "X-Mapigate-Attachment";
// Whether the rest of the part tells the property; the field has no say in these.
bool in_part(mapi::PropertyTag tag);

// The bytes of the attachment. An opaque multipart comes with its Content-Type field, byte for byte.
Status read_part(const Entity& entity, bool opaque, const std::function<Status(View)>& sink);

// Whether an HTML document in UTF-8 shows the attachment with that Content-ID or Content-Location; both may be empty.
bool refers_to(std::string_view html, std::string_view content_id, std::string_view location);

// What a file is by its name, for clients that do not say it ([MS-OXCMAIL] 2.1.3.4): "application/pdf"; empty when
// nothing is known.
std::string_view media_type_of_file(std::string_view name);
// A file name in the 8.3 form of PidTagAttachFilename.
std::string short_file_name(std::string_view name);
// Without folders and characters that no file system takes; never empty parts of a path.
std::string safe_file_name(std::string_view name);

}  // namespace mapigate::convert
