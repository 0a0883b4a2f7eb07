#include "wire/ndr/describe.h"

#include "wire/ndr/asyncemsmdb_ndr.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/ndr/epm_ndr.h"
#include "wire/ndr/nspi_ndr.h"
#include "wire/ndr/rfr_ndr.h"

namespace mapigate::wire::ndr {
namespace {

template <class T>
concept Structure = requires { T::minimum_size; };

// Visits what Reader has made, or of a broken stub what it could. A structure is told whole where its fixed part
// stands: what its pointers point to belongs to it, wherever the wire has it.
class Describer {
 public:
  Describer(FieldSink& sink, const Places& places, std::size_t* start) : sink_(sink), places_(places), start_(start) {}

  template <class T>
  requires std::is_arithmetic_v<T>
  void scalars(const char* name, const T& x) {
    if (at(Of::field, &x)) number(name, x);
  }
  void scalars(const char* name, const mapi::Guid& x) {
    if (at(Of::field, &x)) sink_.text(name, mapi::to_string(x));
  }
  void scalars(const char* name, const ContextHandle& x) {
    if (at(Of::field, &x)) sink_.text(name, fmt::format("{}:{}", x.attributes, mapi::to_string(x.uuid)));
  }
  template <class T, std::size_t N>
  void scalars(const char* name, const std::array<T, N>& x) {
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      if (at(Of::field, &x.back()) && at(Of::field, &x)) sink_.bytes(name, x);
    } else {
      sink_.begin_list(name, N);
      for (const auto& one : x) scalars(name, one);
      sink_.end_list();
    }
  }
  template <class T>
  void scalars(const char*, const std::optional<T>&) {}
  template <class T>
  void scalars(const char*, const T* const&) {}
  template <Structure T>
  void scalars(const char* name, const T& x) {
    if (!at(Of::structure, &x)) return;
    sink_.begin(name);
    T::scalars(x, *this);
    T::buffers(x, *this);
    sink_.end();
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  void buffers(const char*, const T&) {}
  void buffers(const char*, const mapi::Guid&) {}
  template <Structure T>
  void buffers(const char*, const T&) {}
  void buffers(const char* name, const std::optional<std::string_view>& x) {
    if (x) text(name, *x);
  }
  void buffers(const char* name, const std::optional<Utf16>& x) {
    if (x) text(name, *x);
  }
  template <class T>
  void buffers(const char* name, const std::optional<std::optional<T>>& x) {
    if (x) buffers(name, *x);
  }
  template <class T>
  void buffers(const char* name, const T* const& x) {
    if (x == nullptr) return;
    scalars(name, *x);
    buffers(name, *x);
  }

  void align(std::size_t) {}
  void text(const char* name, const std::string_view& x) {
    if (at(Of::field, &x)) sink_.text(name, from_code_page(x, 1252));
  }
  void text(const char* name, const Utf16& x) {
    if (at(Of::field, &x)) sink_.text(name, to_utf8(x));
  }
  void fixed_text(const char* name, const std::string_view& x, std::uint32_t) { text(name, x); }
  std::uint32_t conformance(const char*, std::uint64_t size) { return static_cast<std::uint32_t>(size); }
  void adopt(const std::uint32_t&, std::uint32_t) {}

  template <class T>
  void elements(const char* name, const List<T>& list, std::uint32_t) {
    if (!at(Of::field, &list)) return;
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      sink_.bytes(name, list.span());
    } else if constexpr (std::is_arithmetic_v<T>) {
      // One behind the other, without places of their own.
      sink_.begin_list(name, list.size());
      for (const auto& one : list) {
        number(name, one);
        if (start_ != nullptr) *start_ += sizeof(T);
      }
      sink_.end_list();
    } else if constexpr (Structure<T> || std::is_same_v<T, mapi::Guid>) {
      sink_.begin_list(name, list.size());
      for (const auto& one : list) scalars(name, one);
      sink_.end_list();
    }
  }
  template <class T>
  void varying(const char* name, const List<T>& list, std::uint32_t size) {
    elements(name, list, size);
  }
  template <class T>
  void element_buffers(const char* name, const List<T>& list) {
    if constexpr (!std::is_arithmetic_v<T> && !Structure<T> && !std::is_same_v<T, mapi::Guid>) {
      if (!at(Of::field, &list)) return;
      sink_.begin_list(name, list.size());
      for (const auto& one : list) buffers(name, one);
      sink_.end_list();
    }
  }
  template <class T>
  void list_pointer(const char*, const List<T>&) {}
  template <class T>
  void list_pointee(const char* name, const List<T>& list) {
    if (list.data == nullptr) return;
    elements(name, list, 0);
    element_buffers(name, list);
  }

  template <class Union>
  void discriminant(const char* name, const Union& of, std::uint32_t x) {
    if (at(Of::discriminant, &of)) number(name, x);
  }
  template <std::size_t I, class V>
  const auto& arm(const V& x) {
    static const std::variant_alternative_t<I, V> none{};
    return x.index() == I ? std::get<I>(x) : none;
  }
  template <std::size_t I, class V>
  const auto& held(const V& x) {
    return arm<I>(x);
  }
  void range(const char*, std::uint32_t, std::uint32_t, std::uint32_t) {}
  void agree(const char*, bool) {}

 private:
  using Of = Places::Of;
  // Whether it was read; sets the offset that is told with it.
  bool at(Of of, const void* address) {
    const auto offset = places_.find(of, address);
    if (offset && start_ != nullptr) *start_ = *offset;
    return offset.has_value();
  }
  template <class T>
  void number(const char* name, T x) {
    sink_.number(name, static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<T>>(x)), sizeof(T));
  }

  FieldSink& sink_;
  const Places& places_;
  std::size_t* start_;
};

struct Call {
  FieldSink& sink;
  std::size_t* start;
  std::uint16_t opnum;
  bool response;
  View stub;
  bool big_endian;
  Arena& arena;
  CarriedBuffers& carried;
  Status status = error(Errc::unsupported, "operation {} is unknown", opnum);

  template <class Method>
  void operator()() {
    if (Method::opnum != opnum) return;
    if (response) tell<typename Method::Out>();
    else tell<typename Method::In>();
  }
  template <class T>
  void tell() {
    T parameters{};
    Places places;
    std::size_t stopped = 0;
    status = decode("stub", stub, big_endian, arena, parameters, &places, &stopped);
    Describer describer(sink, places, start);
    T::fields(std::as_const(parameters), describer);
    if (!status && stopped < stub.size()) {
      if (start != nullptr) *start = stopped;
      sink.bytes("rest", stub.subspan(stopped));
    }
    if constexpr (requires { parameters.rgbIn; }) carried.rops = parameters.rgbIn.span();
    if constexpr (requires { parameters.rgbOut; }) carried.rops = parameters.rgbOut.span();
    if constexpr (requires { parameters.rgbAuxIn; }) carried.auxiliary = parameters.rgbAuxIn.span();
    if constexpr (requires { parameters.rgbAuxOut; }) carried.auxiliary = parameters.rgbAuxOut.span();
  }
};

// Calls visit(interface, names, for_each) of the interface; false when it is none of ours.
bool with_interface(const mapi::Guid& uuid, auto visit) {
  if (uuid == emsmdb::interface.uuid) return visit(emsmdb::interface, emsmdb::method_names, [](auto& v) { emsmdb::for_each_method(v); }), true;
  if (uuid == asyncemsmdb::interface.uuid)
    return visit(asyncemsmdb::interface, asyncemsmdb::method_names, [](auto& v) { asyncemsmdb::for_each_method(v); }), true;
  if (uuid == rfr::interface.uuid) return visit(rfr::interface, rfr::method_names, [](auto& v) { rfr::for_each_method(v); }), true;
  if (uuid == nspi::interface.uuid) return visit(nspi::interface, nspi::method_names, [](auto& v) { nspi::for_each_method(v); }), true;
  if (uuid == epm::interface.uuid) return visit(epm::interface, epm::method_names, [](auto& v) { epm::for_each_method(v); }), true;
  return false;
}

}  // namespace

MethodName method_name(const mapi::Guid& interface, std::uint16_t opnum) {
  MethodName out;
  with_interface(interface, [&](const Interface& which, const auto& names, auto) {
    out.interface = which.name;
    if (opnum < std::size(names)) out.method = names[opnum];
  });
  return out;
}

std::optional<MethodId> find_method(std::string_view name) {
  for (const auto& interface : {emsmdb::interface, asyncemsmdb::interface, rfr::interface, nspi::interface, epm::interface})
    for (std::uint16_t opnum = 0; opnum < interface.methods; ++opnum)
      if (const auto one = method_name(interface.uuid, opnum); one.method != nullptr && one.method == name)
        return MethodId{interface.uuid, opnum};
  return {};
}

std::vector<std::string> method_names() {
  std::vector<std::string> out;
  for (const auto& interface : {emsmdb::interface, asyncemsmdb::interface, rfr::interface, nspi::interface, epm::interface})
    for (std::uint16_t opnum = 0; opnum < interface.methods; ++opnum)
      if (const auto one = method_name(interface.uuid, opnum); one.method != nullptr) out.emplace_back(one.method);
  return out;
}

Result<View> rops_of_request(std::string_view method, View stub, Arena& arena) {
  if (method != emsmdb::method_names[emsmdb::EcDoRpcExt2::opnum]) return error(Errc::unsupported, "{} carries no ROPs", method);
  emsmdb::EcDoRpcExt2::In in;
  if (const auto decoded = decode("stub", stub, false, arena, in); !decoded) return decoded.error();
  return in.rgbIn.span();
}

Status describe_stub(FieldSink& sink, std::size_t* start, const mapi::Guid& interface, std::uint16_t opnum, bool response,
                     View stub, bool big_endian, Arena& arena, CarriedBuffers& carried) {
  Call call{sink, start, opnum, response, stub, big_endian, arena, carried};
  if (!with_interface(interface, [&](const Interface&, const auto&, auto for_each) { for_each(call); }))
    return error(Errc::unsupported, "interface {} is unknown", mapi::to_string(interface));
  return call.status;
}

}  // namespace mapigate::wire::ndr
