#include "convert/read_receipt.h"

#include "convert/header_properties.h"
#include "convert/mime_writer.h"

namespace mapigate::convert {

using namespace mapi;

Result<ByteSource> write_read_receipt(const ReadReceipt& receipt) {
  MessageData message;
  auto& bag = message.properties;
  bag.set_string(PidTagMessageClass, receipt.was_read ? "REPORT.IPM.Note.IPNRN" : "REPORT.IPM.Note.IPNNRN");
  bag.set_string(PidTagSubject, (receipt.was_read ? "Read: " : "Not read: ") + receipt.subject);
  bag.set_string(PidTagOriginalSubject, receipt.subject);
  bag.set_time(PidTagReceiptTime, receipt.when);
  if (receipt.message_id.find_first_of("\r\n ") == std::string::npos) bag.set_string(PidTagOriginalMessageId, receipt.message_id);
  MessageData::Recipient to;
  to.properties = make_recipient(recipient_to, receipt.to, 0).properties;
  message.recipients.push_back(std::move(to));
  MimeWriteOptions options;
  options.from = receipt.reader;
  options.host = receipt.host;
  return write_mime(message, options);
}

}  // namespace mapigate::convert
