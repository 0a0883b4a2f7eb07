// The header vocabulary of MAPI over HTTP ([MS-OXCMAPIHTTP] 2.2.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mapigate::wire::mapihttp {

inline constexpr std::string_view content_type = "application/mapi-http";

// X-RequestType (2.2.3.3.1). Compared byte for byte.
namespace request_type {
inline constexpr std::string_view Connect = "Connect";
inline constexpr std::string_view Execute = "Execute";
inline constexpr std::string_view Disconnect = "Disconnect";
inline constexpr std::string_view NotificationWait = "NotificationWait";
inline constexpr std::string_view PING = "PING";  // both endpoints, without body
inline constexpr std::string_view Bind = "Bind";
inline constexpr std::string_view Unbind = "Unbind";
inline constexpr std::string_view CompareMIds = "CompareMIds";
inline constexpr std::string_view DNToMId = "DNToMId";
inline constexpr std::string_view GetMatches = "GetMatches";
inline constexpr std::string_view GetPropList = "GetPropList";
inline constexpr std::string_view GetProps = "GetProps";
inline constexpr std::string_view GetSpecialTable = "GetSpecialTable";
inline constexpr std::string_view GetTemplateInfo = "GetTemplateInfo";
inline constexpr std::string_view ModLinkAtt = "ModLinkAtt";
inline constexpr std::string_view ModProps = "ModProps";
inline constexpr std::string_view QueryColumns = "QueryColumns";
inline constexpr std::string_view QueryRows = "QueryRows";
inline constexpr std::string_view ResolveNames = "ResolveNames";
inline constexpr std::string_view ResortRestriction = "ResortRestriction";
inline constexpr std::string_view SeekEntries = "SeekEntries";
inline constexpr std::string_view UpdateStat = "UpdateStat";
inline constexpr std::string_view GetMailboxUrl = "GetMailboxUrl";
inline constexpr std::string_view GetAddressBookUrl = "GetAddressBookUrl";
}  // namespace request_type

namespace header {
inline constexpr std::string_view RequestType = "X-RequestType";
inline constexpr std::string_view RequestId = "X-RequestId";       // GUID:number, echoed
inline constexpr std::string_view ClientInfo = "X-ClientInfo";     // opaque, echoed
inline constexpr std::string_view ClientApplication = "X-ClientApplication";
inline constexpr std::string_view ServerApplication = "X-ServerApplication";  // "Exchange/15.00.0847.032"
inline constexpr std::string_view ResponseCode = "X-ResponseCode";
inline constexpr std::string_view ExpirationInfo = "X-ExpirationInfo";  // milliseconds until the session expires
inline constexpr std::string_view PendingPeriod = "X-PendingPeriod";    // milliseconds between PENDING tags
inline constexpr std::string_view ElapsedTime = "X-ElapsedTime";        // milliseconds
inline constexpr std::string_view StartTime = "X-StartTime";            // HTTP date
inline constexpr std::string_view TunnelExpirationTime = "X-TunnelExpirationTime";
inline constexpr std::string_view DeviceInfo = "X-DeviceInfo";
}  // namespace header

// X-ResponseCode (2.2.3.3.3).
enum class ResponseCode : std::uint32_t {
  Success = 0,
  UnknownFailure = 1,
  InvalidVerb = 2,
  InvalidPath = 3,
  InvalidHeader = 4,
  InvalidRequestType = 5,
  InvalidContextCookie = 6,
  MissingHeader = 7,
  AnonymousNotAllowed = 8,
  TooLarge = 9,
  ContextNotFound = 10,
  NoPrivilege = 11,
  InvalidRequestBody = 12,
  MissingCookie = 13,
  Reserved = 14,
  InvalidSequence = 15,
  EndpointDisabled = 16,
  InvalidResponse = 17,
  EndpointShuttingDown = 18,
};
std::string_view to_string(ResponseCode code);  // "Context Not Found"; "unknown" for other numbers
std::optional<ResponseCode> response_code_from(std::string_view digits);

}  // namespace mapigate::wire::mapihttp
