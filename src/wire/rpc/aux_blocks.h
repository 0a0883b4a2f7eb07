// The auxiliary blocks of [MS-OXCRPC] 2.2.2.2.1 to 2.2.2.2.23, without AUX_HEADER.
// Times are milliseconds. Blocks with offsets keep their variable part in `Data`,
// as it stood; aux_string() finds strings in it.
#pragma once

#include "wire/fields.h"

namespace mapigate::wire::rpc {

#define FIELD(name) v(#name, s.name)

struct AUX_PERF_REQUESTID {
  std::uint16_t SessionID = 0, RequestID = 0;
  static void fields(auto& s, auto& v) { FIELD(SessionID), FIELD(RequestID); }
};

struct AUX_PERF_SESSIONINFO {
  std::uint16_t SessionID = 0, Reserved = 0;
  mapi::Guid SessionGuid;
  static void fields(auto& s, auto& v) { FIELD(SessionID), FIELD(Reserved), FIELD(SessionGuid); }
};

struct AUX_PERF_SESSIONINFO_V2 {
  std::uint16_t SessionID = 0, Reserved = 0;
  mapi::Guid SessionGuid;
  std::uint32_t ConnectionID = 0;
  static void fields(auto& s, auto& v) { FIELD(SessionID), FIELD(Reserved), FIELD(SessionGuid), FIELD(ConnectionID); }
};

struct AUX_PERF_CLIENTINFO {
  static constexpr std::size_t data_offset = 32;  // from the block's AUX_HEADER
  std::uint32_t AdapterSpeed = 0;                 // kilobits a second
  std::uint16_t ClientID = 0, MachineNameOffset = 0, UserNameOffset = 0, ClientIPSize = 0, ClientIPOffset = 0,
                ClientIPMaskSize = 0, ClientIPMaskOffset = 0, AdapterNameOffset = 0, MacAddressSize = 0,
                MacAddressOffset = 0, ClientMode = 0, Reserved = 0;
  View Data;
  static void fields(auto& s, auto& v) {
    FIELD(AdapterSpeed), FIELD(ClientID), FIELD(MachineNameOffset), FIELD(UserNameOffset), FIELD(ClientIPSize);
    FIELD(ClientIPOffset), FIELD(ClientIPMaskSize), FIELD(ClientIPMaskOffset), FIELD(AdapterNameOffset);
    FIELD(MacAddressSize), FIELD(MacAddressOffset), FIELD(ClientMode), FIELD(Reserved);
    v.rest("Data", s.Data);
  }
};
enum ClientMode : std::uint16_t { CLIENTMODE_UNKNOWN = 0, CLIENTMODE_CLASSIC = 1, CLIENTMODE_CACHED = 2 };

struct AUX_PERF_SERVERINFO {
  static constexpr std::size_t data_offset = 12;
  std::uint16_t ServerID = 0, ServerType = 0, ServerDNOffset = 0, ServerNameOffset = 0;
  View Data;
  static void fields(auto& s, auto& v) {
    FIELD(ServerID), FIELD(ServerType), FIELD(ServerDNOffset), FIELD(ServerNameOffset);
    v.rest("Data", s.Data);
  }
};

struct AUX_PERF_PROCESSINFO {
  static constexpr std::size_t data_offset = 28;
  std::uint16_t ProcessID = 0, Reserved_1 = 0;
  mapi::Guid ProcessGuid;
  std::uint16_t ProcessNameOffset = 0, Reserved_2 = 0;
  View Data;
  static void fields(auto& s, auto& v) {
    FIELD(ProcessID), FIELD(Reserved_1), FIELD(ProcessGuid), FIELD(ProcessNameOffset), FIELD(Reserved_2);
    v.rest("Data", s.Data);
  }
};

struct AUX_PERF_DEFMDB_SUCCESS {
  std::uint32_t TimeSinceRequest = 0, TimeToCompleteRequest = 0;
  std::uint16_t RequestID = 0, Reserved = 0;
  static void fields(auto& s, auto& v) {
    FIELD(TimeSinceRequest), FIELD(TimeToCompleteRequest), FIELD(RequestID), FIELD(Reserved);
  }
};

struct AUX_PERF_DEFGC_SUCCESS {
  std::uint16_t ServerID = 0, SessionID = 0;
  std::uint32_t TimeSinceRequest = 0, TimeToCompleteRequest = 0;
  std::uint8_t RequestOperation = 0;
  std::array<std::uint8_t, 3> Reserved{};
  static void fields(auto& s, auto& v) {
    FIELD(ServerID), FIELD(SessionID), FIELD(TimeSinceRequest), FIELD(TimeToCompleteRequest);
    FIELD(RequestOperation), FIELD(Reserved);
  }
};

struct AUX_PERF_MDB_SUCCESS {
  std::uint16_t ClientID = 0, ServerID = 0, SessionID = 0, RequestID = 0;
  std::uint32_t TimeSinceRequest = 0, TimeToCompleteRequest = 0;
  static void fields(auto& s, auto& v) {
    FIELD(ClientID), FIELD(ServerID), FIELD(SessionID), FIELD(RequestID);
    FIELD(TimeSinceRequest), FIELD(TimeToCompleteRequest);
  }
};

struct AUX_PERF_MDB_SUCCESS_V2 {
  std::uint16_t ProcessID = 0, ClientID = 0, ServerID = 0, SessionID = 0, RequestID = 0, Reserved = 0;
  std::uint32_t TimeSinceRequest = 0, TimeToCompleteRequest = 0;
  static void fields(auto& s, auto& v) {
    FIELD(ProcessID), FIELD(ClientID), FIELD(ServerID), FIELD(SessionID), FIELD(RequestID), FIELD(Reserved);
    FIELD(TimeSinceRequest), FIELD(TimeToCompleteRequest);
  }
};

struct AUX_PERF_GC_SUCCESS {
  std::uint16_t ClientID = 0, ServerID = 0, SessionID = 0, Reserved_1 = 0;
  std::uint32_t TimeSinceRequest = 0, TimeToCompleteRequest = 0;
  std::uint8_t RequestOperation = 0;
  std::array<std::uint8_t, 3> Reserved_2{};
  static void fields(auto& s, auto& v) {
    FIELD(ClientID), FIELD(ServerID), FIELD(SessionID), FIELD(Reserved_1);
    FIELD(TimeSinceRequest), FIELD(TimeToCompleteRequest), FIELD(RequestOperation), FIELD(Reserved_2);
  }
};

struct AUX_PERF_GC_SUCCESS_V2 {
  std::uint16_t ProcessID = 0, ClientID = 0, ServerID = 0, SessionID = 0;
  std::uint32_t TimeSinceRequest = 0, TimeToCompleteRequest = 0;
  std::uint8_t RequestOperation = 0;
  std::array<std::uint8_t, 3> Reserved{};
  static void fields(auto& s, auto& v) {
    FIELD(ProcessID), FIELD(ClientID), FIELD(ServerID), FIELD(SessionID);
    FIELD(TimeSinceRequest), FIELD(TimeToCompleteRequest), FIELD(RequestOperation), FIELD(Reserved);
  }
};

struct AUX_PERF_FAILURE {
  std::uint16_t ClientID = 0, ServerID = 0, SessionID = 0, RequestID = 0;
  std::uint32_t TimeSinceRequest = 0, TimeToFailRequest = 0, ResultCode = 0;
  std::uint8_t RequestOperation = 0;
  std::array<std::uint8_t, 3> Reserved{};
  static void fields(auto& s, auto& v) {
    FIELD(ClientID), FIELD(ServerID), FIELD(SessionID), FIELD(RequestID);
    FIELD(TimeSinceRequest), FIELD(TimeToFailRequest), FIELD(ResultCode), FIELD(RequestOperation), FIELD(Reserved);
  }
};

struct AUX_PERF_FAILURE_V2 {
  std::uint16_t ProcessID = 0, ClientID = 0, ServerID = 0, SessionID = 0, RequestID = 0, Reserved_1 = 0;
  std::uint32_t TimeSinceRequest = 0, TimeToFailRequest = 0, ResultCode = 0;
  std::uint8_t RequestOperation = 0;
  std::array<std::uint8_t, 3> Reserved_2{};
  static void fields(auto& s, auto& v) {
    FIELD(ProcessID), FIELD(ClientID), FIELD(ServerID), FIELD(SessionID), FIELD(RequestID), FIELD(Reserved_1);
    FIELD(TimeSinceRequest), FIELD(TimeToFailRequest), FIELD(ResultCode), FIELD(RequestOperation), FIELD(Reserved_2);
  }
};

struct AUX_CLIENT_CONTROL {
  std::uint32_t EnableFlags = 0, ExpiryTime = 0;
  static void fields(auto& s, auto& v) { FIELD(EnableFlags), FIELD(ExpiryTime); }
};
enum EnableFlags : std::uint32_t { ENABLE_PERF_SENDTOSERVER = 0x1, ENABLE_COMPRESSION = 0x4, ENABLE_HTTP_TUNNELING = 0x8, ENABLE_PERF_SENDGCDATA = 0x10 };

struct AUX_OSVERSIONINFO {
  std::uint32_t OSVersionInfoSize = 0, MajorVersion = 0, MinorVersion = 0, BuildNumber = 0;
  std::array<std::uint8_t, 132> Reserved1{};
  std::uint16_t ServicePackMajor = 0, ServicePackMinor = 0;
  std::uint32_t Reserved2 = 0;
  static void fields(auto& s, auto& v) {
    FIELD(OSVersionInfoSize), FIELD(MajorVersion), FIELD(MinorVersion), FIELD(BuildNumber), FIELD(Reserved1);
    FIELD(ServicePackMajor), FIELD(ServicePackMinor), FIELD(Reserved2);
  }
};

struct AUX_EXORGINFO {
  std::uint32_t OrgFlags = 0;
  static void fields(auto& s, auto& v) { FIELD(OrgFlags); }
};
enum OrgFlags : std::uint32_t { PUBLIC_FOLDERS_ENABLED = 0x1, USE_AUTODISCOVER_FOR_PUBLIC_FOLDER_CONFIGURATION = 0x2 };

struct AUX_PERF_ACCOUNTINFO {
  std::uint16_t ClientID = 0, Reserved = 0;
  mapi::Guid Account;
  static void fields(auto& s, auto& v) { FIELD(ClientID), FIELD(Reserved), FIELD(Account); }
};

struct AUX_SERVER_CAPABILITIES {
  std::uint32_t ServerCapabilityFlags = 0;
  static void fields(auto& s, auto& v) { FIELD(ServerCapabilityFlags); }
};
enum ServerCapabilityFlags : std::uint32_t {
  PACKED_FAST_TRANSFER_UPLOAD_BUFFERS = 0x1,
  PACKED_WRITE_STREAM_UPLOAD_BUFFERS = 0x2,
  ULTRA_LARGE_PACKED_DOWNLOAD_BUFFERS = 0x8,
};

struct AUX_ENDPOINT_CAPABILITIES {
  std::uint32_t EndpointCapabilityFlags = 0;
  static void fields(auto& s, auto& v) { FIELD(EndpointCapabilityFlags); }
};
enum EndpointCapabilityFlags : std::uint32_t { ENDPOINT_CAPABILITIES_SINGLE_ENDPOINT = 0x1 };

struct AUX_CLIENT_CONNECTION_INFO {
  static constexpr std::size_t data_offset = 32;
  mapi::Guid ConnectionGUID;
  std::uint16_t OffsetConnectionContextInfo = 0, Reserved = 0;
  std::uint32_t ConnectionAttempts = 0, ConnectionFlags = 0;
  View Data;
  static void fields(auto& s, auto& v) {
    FIELD(ConnectionGUID), FIELD(OffsetConnectionContextInfo), FIELD(Reserved), FIELD(ConnectionAttempts);
    FIELD(ConnectionFlags);
    v.rest("Data", s.Data);
  }
};

struct AUX_SERVER_SESSION_INFO {
  static constexpr std::size_t data_offset = 6;
  std::uint16_t OffsetServerSessionContextInfo = 0;
  View Data;
  static void fields(auto& s, auto& v) {
    FIELD(OffsetServerSessionContextInfo);
    v.rest("Data", s.Data);
  }
};

struct AUX_PROTOCOL_DEVICE_IDENTIFICATION {
  static constexpr std::size_t data_offset = 14;
  std::uint16_t DeviceManufacturerOffset = 0, DeviceModelOffset = 0, DeviceSerialNumberOffset = 0,
                DeviceVersionOffset = 0, DeviceFirmwareIDOffset = 0;
  View Data;
  static void fields(auto& s, auto& v) {
    FIELD(DeviceManufacturerOffset), FIELD(DeviceModelOffset), FIELD(DeviceSerialNumberOffset);
    FIELD(DeviceVersionOffset), FIELD(DeviceFirmwareIDOffset);
    v.rest("Data", s.Data);
  }
};

#undef FIELD

}  // namespace mapigate::wire::rpc
