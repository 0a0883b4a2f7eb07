// Bodies of the address book endpoint's request types ([MS-OXCMAPIHTTP] 2.2.5), for
// CountWidth::address_book: what all have in common and the sessions here, objects in
// object_bodies.h, tables in table_bodies.h. all_bodies.h lists them.
#pragma once

#include "wire/mapihttp/headers.h"
#include "wire/nspi/nspi.h"

namespace mapigate::wire::nspi {

namespace request_type = mapihttp::request_type;

// The Has… byte of a field that is there, as clients and servers write it; readers take any but zero.
inline constexpr std::uint8_t present = 0xFF;

// A field behind a Has… byte. Assigning a value makes it present.
template <class T>
struct Optional {
  std::uint8_t Has = 0;
  T value{};
  Optional() = default;
  Optional(const T& x) : Has(present), value(x) {}
  explicit operator bool() const { return Has != 0; }
  const T& operator*() const { return value; }
  const T* operator->() const { return &value; }
};
using MinimalIdList = std::span<const MinimalEntryID>;
using TagList = Optional<LargePropertyTagArray>;

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::span<const T>> = true;

// Visits the byte and, behind it, the field; lists have a 32-bit count of their own.
void optional(auto& v, const char* has_name, const char* name, auto& field) {
  v(has_name, field.Has);
  if (field.Has == 0) return;
  using T = std::remove_cvref_t<decltype(field.value)>;
  if constexpr (is_list<T>) v.template counted<std::uint32_t>(name, field.value);
  else if constexpr (std::is_same_v<T, std::string_view>) v.sz(name, field.value);
  else if constexpr (std::is_same_v<T, mapi::TaggedValue>) v.tagged(name, field.value);
  else if constexpr (std::is_same_v<T, const mapi::Restriction*>) v.restriction(name, field.value);
  else v(name, field.value);
}
// The one field that nearly all have, and the pair of those that give rows.
void state(auto& v, auto& s) { optional(v, "HasState", "State", s.State); }
void columns(auto& v, auto& s) { optional(v, "HasColumns", "Columns", s.Columns); }
void columns_and_rows(auto& v, auto& s) { optional(v, "HasColumnsAndRows", "ColumnsAndRows", s.ColumnsAndRows); }
void minimal_ids(auto& v, auto& s) { optional(v, "HasMinimalIds", "MinimalIds", s.MinimalIds); }

// A request is its own fields (`own_fields`) and the auxiliary buffer.
template <class Own>
struct RequestBody {
  View AuxiliaryBuffer;
  static void fields(auto& s, auto& v) {
    Own::own_fields(s, v);
    v.template binary<std::uint32_t>("AuxiliaryBuffer", s.AuxiliaryBuffer);
  }
};
// A response with a StatusCode has nothing but that and the auxiliary buffer. One with an
// ErrorCode has all its fields; those behind a Has… byte are absent then.
template <class Own>
struct ResponseBody {
  std::uint32_t StatusCode = 0;
  mapi::ErrorCode ErrorCode = mapi::ecNone;
  View AuxiliaryBuffer;
  static void fields(auto& s, auto& v) {
    v("StatusCode", s.StatusCode);
    if (s.StatusCode == 0) {
      v("ErrorCode", s.ErrorCode);
      Own::own_fields(s, v);
    }
    v.template binary<std::uint32_t>("AuxiliaryBuffer", s.AuxiliaryBuffer);
  }
};

struct Bind {  // 2.2.5.1
  static constexpr auto request_type = nspi::request_type::Bind;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    Optional<STAT> State;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      state(v, s);
    }
  };
  struct Response : ResponseBody<Response> {
    mapi::Guid ServerGuid;
    static void own_fields(auto& s, auto& v) { v("ServerGuid", s.ServerGuid); }
  };
};

struct Unbind {  // 2.2.5.2; ErrorCode is UnbindSuccess when all went well
  static constexpr auto request_type = nspi::request_type::Unbind;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    static void own_fields(auto& s, auto& v) { v("Reserved", s.Reserved); }
  };
  struct Response : ResponseBody<Response> {
    static void own_fields(auto&, auto&) {}
  };
};

struct UrlResponse : ResponseBody<UrlResponse> {
  Utf16 ServerUrl;
  static void own_fields(auto& s, auto& v) { v.sz("ServerUrl", s.ServerUrl); }
};

struct GetMailboxUrl {  // 2.2.5.18: where the mailbox server of that DN is
  static constexpr auto request_type = nspi::request_type::GetMailboxUrl;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    Utf16 ServerDn;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      v.sz("ServerDn", s.ServerDn);
    }
  };
  using Response = UrlResponse;
};

struct GetAddressBookUrl {  // 2.2.5.19: the address book for that user
  static constexpr auto request_type = nspi::request_type::GetAddressBookUrl;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    Utf16 UserDn;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      v.sz("UserDn", s.UserDn);
    }
  };
  using Response = UrlResponse;
};

}  // namespace mapigate::wire::nspi
