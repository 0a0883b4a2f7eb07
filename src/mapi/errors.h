// Return codes ([MS-OXCDATA] 2.4). The names are those of the specification.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace mapigate::mapi {

// X(name, code)
#define MAPIGATE_ERROR_CODES(X)          \
  X(ecNone, 0x00000000)                  \
  X(ecUnknownUser, 0x000003EB)           \
  X(ecServerOOM, 0x000003F0)             \
  X(ecLoginPerm, 0x000003F2)             \
  X(ecSearchFolder, 0x00000460)          \
  X(ecNotSearchFolder, 0x00000461)       \
  X(ecNoReceiveFolder, 0x00000463)       \
  X(ecInvalidRecips, 0x00000467)         \
  X(ecWrongServer, 0x00000478)           \
  X(ecBufferTooSmall, 0x0000047D)        \
  X(ecSearchFolderScopeViolation, 0x00000490) \
  X(ecRpcFormat, 0x000004B6)             \
  X(ecNullObject, 0x000004B9)            \
  X(ecQuotaExceeded, 0x000004D9)         \
  X(ecMaxAttachmentExceeded, 0x000004DB) \
  X(ecNotExpanded, 0x000004F7)           \
  X(ecNotCollapsed, 0x000004F8)          \
  X(ecDstNullObject, 0x00000503)         \
  X(ecMdbNotInit, 0x00000507)            \
  X(ecUnknownCodePage, 0x000003EF)       \
  X(ecWarnWithErrors, 0x00040380)        \
  X(ecWarnPositionChanged, 0x00040481)   \
  X(ecPartialCompletion, 0x00040680)     \
  X(ecError, 0x80004005)                 \
  X(ecNotSupported, 0x80040102)          \
  X(ecInvalidObject, 0x80040108)         \
  X(ecObjectModified, 0x80040109)        \
  X(ecBusy, 0x8004010B)                  \
  X(ecNotFound, 0x8004010F)              \
  X(ecObjectDeleted, 0x8004010A)         \
  X(ecNetwork, 0x80040115)               \
  X(ecDiskError, 0x80040116)             \
  X(ecTooComplex, 0x80040117)            \
  X(ecComputed, 0x8004011A)              \
  X(ecCorruptData, 0x8004011B)           \
  X(ecUnconfigured, 0x8004011C)          \
  X(ecTooBig, 0x80040305)                \
  X(ecUnknownLcid, 0x8004011F)           \
  X(ecUnexpectedType, 0x80040304)        \
  X(ecNotInQueue, 0x80040601)            \
  X(ecDuplicateName, 0x80040604)         \
  X(ecSearchNotFound, 0x8004010F)        \
  X(ecInvalidBookmark, 0x80040405)       \
  X(ecNoSuppress, 0x80040602)            \
  X(ecNotInitialized, 0x80040605)        \
  X(ecFolderCycle, 0x8004060B)           \
  X(ecRecursionLimit, 0x8004060C)        \
  X(ecHasFolders, 0x80040609)            \
  X(ecHasMessages, 0x8004060A)           \
  X(ecAmbiguousRecip, 0x80040700)        \
  X(ecSyncObjectDeleted, 0x80040800)     \
  X(ecSyncIgnore, 0x80040801)            \
  X(ecSyncConflict, 0x80040802)          \
  X(ecSyncNoParent, 0x80040803)          \
  X(ecNotImplemented, 0x80040FFF)        \
  X(ecAccessDenied, 0x80070005)          \
  X(ecMemory, 0x8007000E)                \
  X(ecInvalidParam, 0x80070057)          \
  X(ecTimeout, 0x80040401)               \
  X(ecRpcFailed, 0x80040115)             \
  X(ecLoginFailure, 0x80040111)          \
  X(ecServerBusy, 0x00000480)            \
  X(ecTableTooBig, 0x80040403)

#define MAPIGATE_ENUMERATOR(name, code) name = code,
enum ErrorCode : std::uint32_t { MAPIGATE_ERROR_CODES(MAPIGATE_ENUMERATOR) };
#undef MAPIGATE_ENUMERATOR

std::string to_string(ErrorCode code);  // "ecNotFound (0x8004010f)"

// What an inner error looks like to a MAPI client. Everything retryable becomes a code on
// which Outlook tries again later and keeps what it has.
ErrorCode to_error_code(const Error& error);

}  // namespace mapigate::mapi
