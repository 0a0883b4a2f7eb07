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

struct MethodId {
  mapi::Guid interface;
  std::uint16_t opnum = 0;
};
// By its name in idl/: no two interfaces have one of the same name.
std::optional<MethodId> find_method(std::string_view name);
std::vector<std::string> method_names();

// The chains of extended buffers that a stub of EcDoRpcExt2 or EcDoConnectEx carries; empty for the others.
struct CarriedBuffers {
  View rops, auxiliary;
};

// The chain of extended buffers in a request of a method that carries ROPs. Valid as long as `stub`.
Result<View> rops_of_request(std::string_view method, View stub, Arena& arena);

// Decodes a stub and tells what it holds, of a broken one what stands before the field that the error names, and what
// follows as `rest`; Errc::unsupported for a method that is none of idl/. `start`, if given, is set to the offset of
// each field before it is told. For one thread, as all of libndr. What `carried` gets is valid as long as `stub` and
// `arena`.
Status describe_stub(FieldSink& sink, std::size_t* start, const mapi::Guid& interface, std::uint16_t opnum, bool response,
                     View stub, bool big_endian, Arena& arena, CarriedBuffers& carried);

}  // namespace mapigate::wire::ndr
