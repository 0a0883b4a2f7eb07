// Numbers and value forms that reading and writing of TNEF share ([MS-OXTNEF] 2.1.3).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "mapi/value.h"

namespace mapigate::convert::tnef {

inline constexpr std::uint32_t signature = 0x223E9F78;
inline constexpr std::uint32_t version = 0x00010000;
enum Level : std::uint8_t { lvlMessage = 1, lvlAttachment = 2 };

enum Attribute : std::uint32_t {
  attOwner = 0x00060000,
  attSentFor = 0x00060001,
  attDelegate = 0x00060002,
  attDateStart = 0x00030006,
  attDateEnd = 0x00030007,
  attAidOwner = 0x00050008,
  attRequestRes = 0x00040009,
  attFrom = 0x00008000,
  attSubject = 0x00018004,
  attDateSent = 0x00038005,
  attDateRecd = 0x00038006,
  attMessageStatus = 0x00068007,
  attMessageClass = 0x00078008,
  attMessageID = 0x00018009,
  attParentID = 0x0001800A,
  attConversationID = 0x0001800B,
  attBody = 0x0002800C,
  attPriority = 0x0004800D,
  attAttachData = 0x0006800F,
  attAttachTitle = 0x00018010,
  attAttachMetaFile = 0x00068011,
  attAttachCreateDate = 0x00038012,
  attAttachModifyDate = 0x00038013,
  attDateModified = 0x00038020,
  attAttachTransportFilename = 0x00069001,
  attAttachRenddata = 0x00069002,
  attMsgProps = 0x00069003,
  attRecipTable = 0x00069004,
  attAttachment = 0x00069005,
  attTnefVersion = 0x00089006,
  attOemCodepage = 0x00069007,
  attOriginalMessageClass = 0x00070006,
};
std::string_view name_of(std::uint32_t attribute);  // empty when it is no known one

// The interface that a PtypObject value begins with.
inline constexpr mapi::Guid IID_IMessage{{0x07, 0x03, 0x02, 0x00, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}};

// attMessageClass has names of its own for the oldest classes ([MS-OXTNEF] 2.1.3.2.2).
std::string_view to_mapi_class(std::string_view microsoft_mail_class);
std::string_view from_mapi_class(std::string_view message_class);

// Seven words: year, month, day, hour, minute, second, day of the week.
FileTime from_dtr(View fourteen_bytes);
Bytes to_dtr(FileTime time);

}  // namespace mapigate::convert::tnef
