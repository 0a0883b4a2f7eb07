// Network Data Representation ([C706] chapter 14, [MS-RPCE] 2.2.4): reads and writes the
// structures that idl/ndrgen makes, by means of Samba's libndr.
//
// A pointer to something is followed by it only behind the structure the pointer
// stands in; so structures have two lists, scalars and buffers. Lengths are
// compared with the bytes that are left before memory is taken; nesting is
// limited; the first error stays and names its field.
//
// Each reader and writer has a talloc context of its own, so several threads may have
// one at a time; Samba's server core, which shares contexts, keeps to its own thread.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "base/text.h"
#include "mapi/ids.h"
#include "wire/places.h"

struct ndr_pull;
struct ndr_push;

namespace mapigate::wire::ndr {

struct Interface {
  const char* name;
  mapi::Guid uuid;
  std::uint16_t major;
  std::uint16_t minor;
  std::uint16_t methods;
};

// [C706] ndr_context_handle: zero is none.
struct ContextHandle {
  std::uint32_t attributes = 0;
  mapi::Guid uuid;
  bool empty() const { return *this == ContextHandle(); }
  auto operator<=>(const ContextHandle&) const = default;
};

// An array, not owned. A null `data` is a null pointer where the array stands behind one.
template <class T>
struct List {
  const T* data = nullptr;
  std::size_t count = 0;

  List() = default;
  List(const T* first, std::size_t size) : data(first), count(size) {}
  template <class U, std::size_t N>
  List(std::span<U, N> from) : data(from.data()), count(from.size()) {}
  std::size_t size() const { return count; }
  const T* begin() const { return data; }
  const T* end() const { return data + count; }
  const T& operator[](std::size_t i) const { return data[i]; }
  std::span<const T> span() const { return {data, count}; }
};

// Bytes that one takes at least.
template <class T>
constexpr std::size_t minimum_size_of() {
  if constexpr (std::is_arithmetic_v<T>) return sizeof(T);
  else if constexpr (std::is_same_v<T, mapi::Guid>) return 16;
  else if constexpr (std::is_same_v<T, ContextHandle>) return 20;
  else if constexpr (requires { T::minimum_size; }) return T::minimum_size;
  else return 4;  // a pointer
}

inline constexpr unsigned max_depth = 64;  // nested pointers: restrictions are the deepest there is

class Reader {
 public:
  // Both have to outlive what is read: byte arrays and narrow strings are views into the bytes of `pull`.
  // `places`, if given, is told where each field stood; lists then keep the elements before a broken one.
  Reader(::ndr_pull* pull, Arena& arena, Places* places = nullptr) : pull_(pull), arena_(arena), places_(places) {}

  const std::optional<Error>& problem() const { return problem_; }
  std::size_t left() const;    // bytes not read
  std::size_t offset() const;  // where it stands; after a failure, where that was

  template <class T>
  requires std::is_arithmetic_v<T>
  void scalars(const char* name, T& x) {
    x = static_cast<T>(number<std::make_unsigned_t<T>>(name));
    place(&x, sizeof(T));
  }
  void scalars(const char* name, mapi::Guid& x);
  void scalars(const char* name, ContextHandle& x);
  template <class T, std::size_t N>
  void scalars(const char* name, std::array<T, N>& x) {
    for (auto& one : x) scalars(name, one);
  }
  template <class T>
  void scalars(const char* name, std::optional<T>& x) {
    if (referent(name)) x.emplace();
    else x.reset();
  }
  template <class T>
  void scalars(const char* name, const T*& x) {
    x = referent(name) && !problem_ ? arena_.make<T>() : nullptr;
  }
  template <class T>
  requires requires { T::minimum_size; }
  void scalars(const char*, T& x) {
    if (places_ != nullptr && !problem_) places_->set(Places::Of::structure, &x, offset());
    T::scalars(x, *this);
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  void buffers(const char*, T&) {}
  void buffers(const char*, mapi::Guid&) {}
  void buffers(const char* name, std::optional<std::string_view>& x) {
    if (x) text(name, *x);
  }
  void buffers(const char* name, std::optional<Utf16>& x) {
    if (x) text(name, *x);
  }
  template <class T>
  void buffers(const char* name, std::optional<std::optional<T>>& x) {
    if (!x) return;
    scalars(name, *x);
    buffers(name, *x);
  }
  template <class T>
  void buffers(const char* name, const T*& x) {
    if (x == nullptr || !enter(name)) return;
    auto& target = *const_cast<T*>(x);  // made by scalars() in the arena
    scalars(name, target);
    buffers(name, target);
    leave();
  }
  template <class T>
  requires requires { T::minimum_size; }
  void buffers(const char*, T& x) {
    if (!problem_) T::buffers(x, *this);
  }

  void align(std::size_t size);
  void text(const char* name, std::string_view& x);
  void text(const char* name, Utf16& x);
  void fixed_text(const char* name, std::string_view& x, std::uint32_t size);
  std::uint32_t conformance(const char* name, std::uint64_t) { return number<std::uint32_t>(name); }
  void adopt(std::uint32_t& x, std::uint32_t size) { x = size; }

  template <class T>
  void elements(const char* name, List<T>& list, std::uint32_t size) {
    list = {};
    if (!fits(name, size, minimum_size_of<T>())) return;
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      const auto bytes = take(name, size);
      list = {bytes.data(), bytes.size()};
      place(&list, bytes.size());
    } else {
      const auto items = arena_.make_span<T>(size);
      if constexpr (minimum_size_of<T>() >= 4) align(4);
      place(&list, 0);
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (problem_) {
          if (places_ != nullptr) list = {items.data(), i};
          return;
        }
        if constexpr (std::is_arithmetic_v<T>) items[i] = static_cast<T>(number<std::make_unsigned_t<T>>(name));
        else scalars(name, items[i]);
      }
      list = {items.data(), items.size()};
    }
  }
  template <class T>
  void varying(const char* name, List<T>& list, std::uint32_t size) {
    elements(name, list, variance(name, size));
  }
  template <class T>
  void element_buffers(const char* name, List<T>& list) {
    for (const auto& one : list) {
      if (problem_) return;
      buffers(name, const_cast<T&>(one));  // made by elements() in the arena
    }
  }
  template <class T>
  void list_pointer(const char* name, List<T>& list) {
    static constexpr std::uint64_t somewhere = 0;  // until list_pointee() comes to it
    list = {referent(name) ? reinterpret_cast<const T*>(&somewhere) : nullptr, 0};
  }
  template <class T>
  void list_pointee(const char* name, List<T>& list) {
    if (list.data == nullptr || !enter(name)) return;
    const auto before = list.data;
    elements(name, list, conformance(name, 0));
    if constexpr (!std::is_arithmetic_v<T>) element_buffers(name, list);
    if (list.data == nullptr) list = {before, 0};  // an empty array is not a null pointer
    leave();
  }

  template <class Union>
  void discriminant(const char* name, Union& x, std::uint32_t expected) {
    const auto read = number<std::uint32_t>(name);
    if (places_ != nullptr && !problem_) places_->set(Places::Of::discriminant, &x, offset() - sizeof read);
    agree(name, read == expected);
  }
  template <std::size_t I, class V>
  auto& arm(V& x) {
    return x.template emplace<I>();
  }
  template <std::size_t I, class V>
  auto& held(V& x) {
    return std::get<I>(x);
  }

  void range(const char* name, std::uint32_t x, std::uint32_t low, std::uint32_t high);
  void agree(const char* name, bool so);

 private:
  void pull(const char* name, std::uint8_t& x);
  void pull(const char* name, std::uint16_t& x);
  void pull(const char* name, std::uint32_t& x);
  template <class T>
  T number(const char* name) {
    T x = 0;
    pull(name, x);
    return x;
  }
  // That `size` bytes, the last that were read, are what is at `address`.
  void place(const void* address, std::size_t size) {
    if (places_ != nullptr && !problem_) places_->set(Places::Of::field, address, offset() - size);
  }
  bool referent(const char* name) { return number<std::uint32_t>(name) != 0; }
  std::uint32_t variance(const char* name, std::uint32_t size);  // offset and actual count
  bool fits(const char* name, std::uint64_t count, std::size_t each);
  View take(const char* name, std::uint32_t size);
  bool enter(const char* name);
  void leave() { --depth_; }
  void check(const char* name, int ndr_error);
  void fail(const char* name, Errc code, std::string_view why);

  ::ndr_pull* pull_;
  Arena& arena_;
  Places* places_;
  unsigned depth_ = 0;
  std::optional<Error> problem_;
};

class Writer {
 public:
  explicit Writer(::ndr_push* push) : push_(push) {}
  const std::optional<Error>& problem() const { return problem_; }

  void scalars(const char* name, std::uint8_t x);
  void scalars(const char* name, std::uint16_t x);
  void scalars(const char* name, std::uint32_t x);
  void scalars(const char* name, std::int16_t x) { scalars(name, static_cast<std::uint16_t>(x)); }
  void scalars(const char* name, std::int32_t x) { scalars(name, static_cast<std::uint32_t>(x)); }
  void scalars(const char* name, const mapi::Guid& x);
  void scalars(const char* name, const ContextHandle& x);
  template <class T, std::size_t N>
  void scalars(const char* name, const std::array<T, N>& x) {
    for (const auto& one : x) scalars(name, one);
  }
  template <class T>
  void scalars(const char* name, const std::optional<T>& x) {
    referent(name, x.has_value());
  }
  template <class T>
  void scalars(const char* name, const T* const& x) {
    referent(name, x != nullptr);
  }
  template <class T>
  requires requires { T::minimum_size; }
  void scalars(const char*, const T& x) {
    T::scalars(x, *this);
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  void buffers(const char*, const T&) {}
  void buffers(const char*, const mapi::Guid&) {}
  void buffers(const char* name, const std::optional<std::string_view>& x) {
    if (x) text(name, *x);
  }
  void buffers(const char* name, const std::optional<Utf16>& x) {
    if (x) text(name, *x);
  }
  template <class T>
  void buffers(const char* name, const std::optional<std::optional<T>>& x) {
    if (!x) return;
    scalars(name, *x);
    buffers(name, *x);
  }
  template <class T>
  void buffers(const char* name, const T* const& x) {
    if (x == nullptr) return;
    scalars(name, *x);
    buffers(name, *x);
  }
  template <class T>
  requires requires { T::minimum_size; }
  void buffers(const char*, const T& x) {
    T::buffers(x, *this);
  }

  void align(std::size_t size);
  void text(const char* name, std::string_view x);
  void text(const char* name, const Utf16& x);
  void fixed_text(const char* name, std::string_view x, std::uint32_t size);
  std::uint32_t conformance(const char* name, std::uint64_t size) {
    scalars(name, static_cast<std::uint32_t>(size));
    return static_cast<std::uint32_t>(size);
  }
  void adopt(std::uint32_t, std::uint32_t) {}

  template <class T>
  void elements(const char* name, const List<T>& list, std::uint32_t) {
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      put(name, list.span());
    } else {
      for (const auto& one : list) scalars(name, one);
    }
  }
  template <class T>
  void varying(const char* name, const List<T>& list, std::uint32_t) {
    scalars(name, std::uint32_t{0});
    scalars(name, static_cast<std::uint32_t>(list.size()));
    elements(name, list, 0);
  }
  template <class T>
  void element_buffers(const char* name, const List<T>& list) {
    for (const auto& one : list) buffers(name, one);
  }
  template <class T>
  void list_pointer(const char* name, const List<T>& list) {
    referent(name, list.data != nullptr);
  }
  template <class T>
  void list_pointee(const char* name, const List<T>& list) {
    if (list.data == nullptr) return;
    conformance(name, list.size());
    elements(name, list, 0);
    if constexpr (!std::is_arithmetic_v<T>) element_buffers(name, list);
  }

  template <class Union>
  void discriminant(const char* name, const Union&, std::uint32_t x) {
    scalars(name, x);
  }
  template <std::size_t I, class V>
  const auto& arm(const V& x) {
    static const std::variant_alternative_t<I, V> none{};
    agree("union", x.index() == I);
    return x.index() == I ? std::get<I>(x) : none;
  }
  template <std::size_t I, class V>
  const auto& held(const V& x) {
    return arm<I>(x);
  }

  void range(const char* name, std::uint32_t x, std::uint32_t low, std::uint32_t high) { agree(name, x >= low && x <= high); }
  void agree(const char* name, bool so);

 private:
  void referent(const char* name, bool present);
  void put(const char* name, View bytes);
  void check(const char* name, int ndr_error);

  ::ndr_push* push_;
  std::uint32_t referents_ = 0;
  std::optional<Error> problem_;
};

// A libndr context over bytes that somebody else keeps, freed with this.
class Stub {
 public:
  explicit Stub(View bytes, bool big_endian = false);
  ~Stub();
  Stub(const Stub&) = delete;
  ::ndr_pull* pull() const { return pull_; }

 private:
  ::ndr_pull* pull_;
};
class NewStub {
 public:
  NewStub();
  ~NewStub();
  NewStub(const NewStub&) = delete;
  ::ndr_push* push() const { return push_; }
  View bytes() const;

 private:
  ::ndr_push* push_;
};

// `what` names the method in errors. Padding behind the last field is no error, anything longer is.
// With `places`, `stopped` is set to the offset of what is broken, or of the end.
template <class T>
Status decode(const char* what, View stub, bool big_endian, Arena& arena, T& out, Places* places = nullptr,
              std::size_t* stopped = nullptr) {
  const Stub source(stub, big_endian);
  Reader reader(source.pull(), arena, places);
  T::fields(out, reader);
  if (stopped != nullptr) *stopped = reader.offset();
  if (reader.problem()) return Error(*reader.problem()).within(what);
  if (reader.left() >= 16) return error(Errc::malformed, "{}: {} bytes follow the last parameter", what, reader.left());
  return {};
}

template <class T>
Status encode(const char* what, const T& in, Bytes& out) {
  const NewStub target;
  Writer writer(target.push());
  T::fields(in, writer);
  if (writer.problem()) return Error(*writer.problem()).within(what);
  const auto bytes = target.bytes();
  out.insert(out.end(), bytes.begin(), bytes.end());
  return {};
}

}  // namespace mapigate::wire::ndr
