#include "convert/read_receipt.h"

#include "base/text.h"
#include "convert/mime_writer.h"
#include "convert/mime_writer_parts.h"

namespace mapigate::convert {

std::string write_read_receipt(const ReadReceipt& receipt) {
  const auto boundary = make_boundary();
  std::string out = fmt::format("From: {}\r\nTo: {}\r\n", encode_address(receipt.reader, 6), encode_address(receipt.to, 4));
  out += fmt::format("Subject: {}\r\n", encode_header("Read: " + receipt.subject, 9));
  out += fmt::format("Date: {}\r\nMessage-ID: {}\r\n", format_date(now()), make_message_id(receipt.host));
  const bool known = !receipt.message_id.empty() && receipt.message_id.find_first_of("\r\n ") == receipt.message_id.npos;
  if (known) out += fmt::format("In-Reply-To: {0}\r\nReferences: {0}\r\n", receipt.message_id);
  out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
  out += fmt::format("Content-Type: multipart/report; report-type=disposition-notification;\r\n boundary=\"{0}\"\r\n\r\n--{0}\r\n", boundary);
  const auto text = fmt::format("Your message\r\n\r\n  To: {}\r\n  Subject: {}\r\n\r\nwas read on {}.\r\n", receipt.reader.address,
                                receipt.subject, format_date(receipt.read));
  out += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  const auto encoded = to_base64(as_view(text));
  for (std::size_t at = 0; at < encoded.size(); at += 76) out += encoded.substr(at, 76) + "\r\n";
  out += fmt::format("\r\n--{}\r\nContent-Type: message/disposition-notification\r\n\r\nReporting-UA: {}; mapigate\r\n", boundary, receipt.host);
  out += fmt::format("Final-Recipient: rfc822;{}\r\n", receipt.reader.address);
  if (known) out += fmt::format("Original-Message-ID: {}\r\n", receipt.message_id);
  out += "Disposition: manual-action/MDN-sent-automatically; displayed\r\n";
  return out + "\r\n--" + boundary + "--\r\n";
}

}  // namespace mapigate::convert
