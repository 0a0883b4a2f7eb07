// What the sources of the MIME writer share.
#pragma once

#include "convert/header_properties.h"
#include "convert/mime_writer.h"

namespace mapigate::convert {

// All fields but those of the body's own, with MIME-Version; each ends in CR LF.
std::string write_header(MessageData& message, const MimeWriteOptions& options);
std::string make_boundary();
std::string subject_of(const mapi::PropertyBag& bag);
// In UTF-8, lines end in CR LF.
struct TextBodies {
  std::string text, html;
  bool has_html = false;
};
TextBodies bodies_of(const mapi::PropertyBag& bag);
// Who sends the message: the sender, else whom it represents, else the mailbox's owner.
Address sender_of(const mapi::PropertyBag& bag, const MimeWriteOptions& options);
// Whom it comes from, as From tells it: whom the sender represents, else the sender, else the mailbox's owner.
Address represented_of(const mapi::PropertyBag& bag, const MimeWriteOptions& options);
// Without what would end a field: as one word, as words.
std::string one_word(std::string_view text);
std::string words(std::string text);
// A field, folded and encoded; none when there is no text.
void put_text(std::string& out, std::string_view name, std::string_view utf8);
// Signed or encrypted by the client: its only attachment is all of it.
bool is_secured(const MessageData& message);
// Which rows of the recipient table a delivery report is about: those that say what became of them, or else all. None in
// other messages.
std::vector<bool> recipients_in_report(const MessageData& message);

}  // namespace mapigate::convert
