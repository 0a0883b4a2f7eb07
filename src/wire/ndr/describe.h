// Dumps of stubs: each parameter told to a FieldSink by its name in the IDL.
#pragma once

#include "wire/describe.h"
#include "wire/ndr/ndr.h"

namespace mapigate::wire::ndr {

// Null names when the interface or its method is none of idl/.
struct MethodName {
  const char* interface = nullptr;
  const char* method = nullptr;
};
MethodName method_name(const mapi::Guid& interface, std::uint16_t opnum);

// The chains of extended buffers that a stub of EcDoRpcExt2 or EcDoConnectEx carries; empty for the others.
struct CarriedBuffers {
  View rops, auxiliary;
};

// Decodes a stub and tells what it holds; Errc::unsupported for a method that is none of idl/. For one thread, as
// all of libndr. What `carried` gets is valid as long as `stub` and `arena`.
Status describe_stub(FieldSink& sink, const mapi::Guid& interface, std::uint16_t opnum, bool response, View stub,
                     bool big_endian, Arena& arena, CarriedBuffers& carried);

}  // namespace mapigate::wire::ndr
