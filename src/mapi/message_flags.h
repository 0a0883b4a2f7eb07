// Bits of PidTagMessageFlags ([MS-OXCMSG] 2.2.1.6).
#pragma once

#include <cstdint>

namespace mapigate::mapi {

inline constexpr std::uint32_t mfRead = 0x01, mfUnmodified = 0x02, mfSubmitted = 0x04, mfUnsent = 0x08, mfHasAttach = 0x10,
                               mfFAI = 0x40, mfResend = 0x80, mfNotifyRead = 0x100, mfNotifyUnread = 0x200, mfEverRead = 0x400;

}  // namespace mapigate::mapi
