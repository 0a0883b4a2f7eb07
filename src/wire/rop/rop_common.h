// What the field lists of ROPs share: the base of their definitions and the
// shapes of field that return in many of them.
#pragma once

#include "wire/rop/rop.h"

namespace mapigate::wire {

// Which kind of handle index the third byte of a request is.
inline constexpr char input_handle[] = "InputHandleIndex";
inline constexpr char output_handle[] = "OutputHandleIndex";
inline constexpr char response_handle[] = "ResponseHandleIndex";
inline constexpr char source_handle[] = "SourceHandleIndex";

template <RopId Id>
struct Rop {
  static constexpr RopId id = Id;
  static constexpr const char* handle_name = input_handle;
  static constexpr bool has_request = true;
  static constexpr bool has_response = true;
  static constexpr bool response_has_head = true;
  struct Request : NoFields {};
  struct Response : NoFields {};
};

// What a server sends without having been asked.
template <RopId Id>
struct ServerRop : Rop<Id> {
  static constexpr bool has_request = false;
  static constexpr bool response_has_head = false;
};

// A response of nothing but PartialCompletion, which errors carry too.
struct PartialCompletionResponse {
  static constexpr bool on_error = true;
  bool PartialCompletion = false;
  static void fields(auto& s, auto& v) { v("PartialCompletion", s.PartialCompletion); }
};

// The same where the destination handle may be null (ecDstNullObject).
struct DestinationResponse {
  static constexpr bool on_error = true;
  std::uint32_t DestHandleIndex = 0;
  bool PartialCompletion = false;
  static void fields(auto& s, auto& v, const ResponseContext& context) {
    if (context.ReturnValue == mapi::ecDstNullObject) v("DestHandleIndex", s.DestHandleIndex);
    v("PartialCompletion", s.PartialCompletion);
  }
};

struct RowCountResponse {
  std::uint32_t RowCount = 0;
  static void fields(auto& s, auto& v) { v("RowCount", s.RowCount); }
};

struct TableStatusResponse {
  std::uint8_t TableStatus = 0;
  static void fields(auto& s, auto& v) { v("TableStatus", s.TableStatus); }
};

// A string that another field says to be UTF-16 or in the code page of the logon.
struct AnyString {
  Utf16 unicode{};
  std::string_view string8{};
};
void any_string(auto& v, const char* name, auto& s, bool is_unicode) {
  if (is_unicode) v.sz(name, s.unicode);
  else v.sz(name, s.string8);
}
inline std::string to_utf8(const AnyString& text, unsigned code_page = 1252) {
  return text.string8.empty() ? mapigate::to_utf8(text.unicode) : from_code_page(text.string8, code_page);
}

// One string of a list of strings.
struct Text8 {
  static constexpr std::size_t minimum_size = 1;
  std::string_view Text{};
  static void fields(auto& s, auto& v) { v.sz("Text", s.Text); }
};

// [MS-OXCDATA] 2.11.7.
struct TypedString {
  enum : std::uint8_t { absent = 0, empty = 1, string8 = 2, reduced_unicode = 3, unicode = 4 };
  std::uint8_t StringType = absent;
  Utf16 Unicode{};
  std::string_view String8{};  // reduced: the low bytes of UTF-16 units that have no others
  static void fields(auto& s, auto& v) {
    v("StringType", s.StringType);
    v.check(s.StringType <= unicode, "unknown type of string");
    if (s.StringType == unicode) v.sz("String", s.Unicode);
    if (s.StringType == string8 || s.StringType == reduced_unicode) v.sz("String", s.String8);
  }
  static TypedString of(Utf16 text) {
    TypedString out{};
    out.StringType = text.empty() ? empty : unicode;
    out.Unicode = text;
    return out;
  }
};

// [MS-OXCDATA] 2.7.
struct PropertyProblem {
  static constexpr std::size_t minimum_size = 10;
  std::uint16_t Index = 0;
  mapi::PropertyTag PropertyTag{};
  mapi::ErrorCode ErrorCode = mapi::ecNone;
  static void fields(auto& s, auto& v) {
    v("Index", s.Index);
    v("PropertyTag", s.PropertyTag);
    v("ErrorCode", s.ErrorCode);
  }
};

// A list behind a count of 16 bits.
void list16(auto& v, const char* count_name, const char* name, auto& span) {
  const auto n = v.template count<std::uint16_t>(count_name, span.size());
  v.list(name, span, n);
}
void tagged16(auto& v, const char* count_name, const char* name, auto& values) {
  const auto n = v.template count<std::uint16_t>(count_name, values.size());
  v.tagged_list(name, values, n);
}
void property_tags(auto& v, auto& tags) { list16(v, "PropertyTagCount", "PropertyTags", tags); }
void property_values(auto& v, auto& values) { tagged16(v, "PropertyValueCount", "PropertyValues", values); }
void property_problems(auto& v, auto& problems) { list16(v, "PropertyProblemCount", "PropertyProblems", problems); }
void message_ids(auto& v, auto& ids) { list16(v, "MessageIdCount", "MessageIds", ids); }

// A restriction behind its size in bytes; null when the size is zero.
void sized_restriction(auto& v, auto& restriction) {
  v.template sized<std::uint16_t>("RestrictionDataSize", [&](auto& v) {
    if (v.more(restriction != nullptr)) v.restriction("RestrictionData", restriction);
  });
}

struct PropertyProblemsResponse {
  std::span<const PropertyProblem> PropertyProblems{};
  static void fields(auto& s, auto& v) { property_problems(v, s.PropertyProblems); }
};

// Rows of a table, which cannot be told apart without its columns.
void table_rows(auto& v, const char* name, auto& rows, std::size_t count, const ResponseContext& context) {
  v.check(count == 0 || context.columns.has_value(), "the columns of the table are unknown");
  v.rows(name, rows, context.columns ? count : 0, context.columns.value_or(Columns{}));
}

}  // namespace mapigate::wire
