// An Internet message seen as a MAPI message object ([MS-OXCMAIL] 2.2.3).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "convert/byte_source.h"
#include "convert/headers.h"

namespace mapigate::convert {

struct Supplement;

// Beyond a limit conversion degrades, it does not fail: deeper or later parts stay unsplit
// attachments, later header bytes are not looked at. Only max_size is refused (Errc::limit).
struct MimeOptions {
  unsigned max_depth = 32;     // nested multiparts
  unsigned max_embedded = 16;  // messages within messages
  std::size_t max_parts = 2000;
  std::size_t max_header_bytes = std::size_t{1} << 20;  // of one entity
  std::size_t max_size = std::size_t{512} << 20;
  std::size_t max_body_bytes = std::size_t{16} << 20;  // decoded text or HTML; the rest is cut off
  std::size_t max_tnef_bytes = std::size_t{64} << 20;  // a larger winmail.dat is an attachment like others
  bool exception = false;  // it is a changed instance of a series that EventException::message holds
  HeaderOptions header;
  std::shared_ptr<const Supplement> supplement{};  // what was kept beside it
};

// PidTagAttachMethod values.
enum : std::int32_t { afNone = 0, afByValue = 1, afEmbeddedMessage = 5 };

struct Attachment {
  enum class Kind { data, embedded };
  Kind kind = Kind::data;
  mapi::PropertyBag properties;  // all but the data: PidTagAttachNumber, PidTagAttachMethod, names, sizes …
  std::uint32_t part = 0;        // its place in the MIME, whatever order a supplement gave them
};

// PidTagNativeBody values ([MS-OXPROPS] "PidTagNativeBody").
enum class NativeBody : std::int32_t { none = 0, text = 1, rtf = 2, html = 3 };

// Immutable; every method may be called from any thread. Holds views into its source, decodes on
// demand and keeps nothing of what it decoded.
class MimeMessage {
 public:
  // Broken MIME is taken as far as it goes and never refused.
  static Result<std::shared_ptr<MimeMessage>> parse(ByteSource source, const MimeOptions& options = {});
  ~MimeMessage();
  MimeMessage(const MimeMessage&) = delete;
  MimeMessage& operator=(const MimeMessage&) = delete;

  // Of the message object itself, without the bodies.
  const mapi::PropertyBag& properties() const;
  const std::vector<Recipient>& recipients() const;
  // What the supplement says of the message's own properties, and whether its recipients are those of the supplement.
  const mapi::PropertyBag& beside() const;
  bool recipients_kept() const;
  const std::shared_ptr<const Supplement>& supplement() const;
  // Fields without a property of their own, as names in PS_INTERNET_HEADERS (lower case) with their
  // decoded text; the first of each name.
  const std::vector<std::pair<mapi::PropertyName, std::string>>& internet_headers() const;
  // PidNameKeywords (PS_PUBLIC_STRINGS "Keywords", multiple strings): categories.
  const std::vector<std::string>& keywords() const;

  // Further named properties. Their ids mean what names() says, in this message only.
  const mapi::PropertyBag& named_properties() const;
  const std::map<std::uint16_t, mapi::PropertyName>& names() const;

  // Each body can always be had: the ones that the message does not carry are made from the one it does.
  NativeBody native_body() const;
  std::string text() const;         // UTF-8, lines end in CR LF
  Bytes html() const;               // in html_code_page()
  unsigned html_code_page() const;  // also PidTagInternetCodepage
  Bytes rtf_compressed() const;     // PidTagRtfCompressed, encapsulating HTML or text

  const std::vector<Attachment>& attachments() const;
  // Some are more than pictures in the text, other renderings of it, and signatures. Else PidLidSmartNoAttach is set.
  bool shows_files() const;
  // The index of the attachment with that PidTagAttachNumber.
  std::optional<std::size_t> attachment_numbered(std::size_t number) const;
  // Indices from 0 to attachments().size() - 1; beyond is Errc::not_found.
  Result<Bytes> attachment_data(std::size_t i) const;  // of an embedded message: its RFC 5322 bytes
  Result<std::size_t> attachment_size(std::size_t i) const;
  // Decodes in pieces of at most 64 KiB; an error from `sink` ends it and is returned.
  Status read_attachment(std::size_t i, const std::function<Status(View)>& sink) const;
  Result<std::shared_ptr<MimeMessage>> embedded(std::size_t i) const;

  const ByteSource& source() const;

  struct Impl;  // for the sources of this folder
  explicit MimeMessage(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// Adds to properties of the header what only the content tells, of those that stand in tables: class and icon of reports and meetings,
// and what is in these.
void add_content_properties(const MimeMessage& message, mapi::PropertyBag& bag);

}  // namespace mapigate::convert
