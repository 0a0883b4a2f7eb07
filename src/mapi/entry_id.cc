#include "mapi/entry_id.h"

#include "base/cursor.h"
#include "base/text.h"

namespace mapigate::mapi {

namespace {

// The two visitors that the fixed structures of this file need; those of src/wire stand a layer higher.
struct Writer {
  Output out;
  template <Scalar T>
  void operator()(const char*, const T& x) {
    out.scalar(x);
  }
  void operator()(const char*, const Guid& x) { out.bytes(x.bytes); }
  template <std::size_t N>
  void operator()(const char*, const std::array<std::uint8_t, N>& x) {
    out.bytes(x);
  }
};
struct Reader {
  Cursor& cursor;
  template <Scalar T>
  void operator()(const char* name, T& x) {
    cursor.set_field(name);
    x = cursor.scalar<T>();
  }
  void operator()(const char* name, Guid& x) { (*this)(name, x.bytes); }
  template <std::size_t N>
  void operator()(const char* name, std::array<std::uint8_t, N>& x) {
    cursor.set_field(name);
    const auto view = cursor.bytes(N);
    if (view.size() == N) std::memcpy(x.data(), view.data(), N);
  }
};

template <class T>
Bytes encode_fields(const T& structure) {
  Bytes out;
  Writer writer{Output(out)};
  T::fields(structure, writer);
  return out;
}

template <class T>
Result<T> parse_fields(std::string_view name, View bytes) {
  Cursor cursor(bytes);
  Reader reader{cursor};
  T out;
  T::fields(out, reader);
  if (cursor.left() != 0) cursor.fail("bytes are left over");
  if (!cursor.ok()) return cursor.error(name);
  return out;
}

// The 16 bits after Version ([MS-OXCDATA] 2.2.5.1), read as a little-endian number: U (Unicode), L (do not
// look the recipient up), M (plain MIME, no TNEF).
constexpr std::uint16_t one_off_unicode = 0x8000, one_off_no_lookup = 0x1000, one_off_mime = 0x0001;

Utf16 utf16_sz(Cursor& cursor) {
  const auto* start = cursor.position();
  const auto units = cursor.left() / 2;
  for (std::size_t i = 0; i < units; ++i) {
    if (start[2 * i] != 0 || start[2 * i + 1] != 0) continue;
    const Utf16 text{cursor.bytes(2 * i)};
    cursor.skip(2);
    return text;
  }
  cursor.fail("string without terminator");
  return {};
}

std::string_view string8_sz(Cursor& cursor) {
  const auto left = as_text(View(cursor.position(), cursor.left()));
  const auto end = left.find('\0');
  if (end == std::string_view::npos) return cursor.fail("string without terminator"), std::string_view();
  cursor.skip(end + 1);
  return left.substr(0, end);
}

}  // namespace

Bytes encode(const FolderEntryId& id) { return encode_fields(id); }
Bytes encode(const MessageEntryId& id) { return encode_fields(id); }
Result<FolderEntryId> parse_folder_entry_id(View bytes) {
  return parse_fields<FolderEntryId>("FolderEntryId", bytes);
}
Result<MessageEntryId> parse_message_entry_id(View bytes) {
  return parse_fields<MessageEntryId>("MessageEntryId", bytes);
}

Bytes address_book_entry_id(std::string_view dn) {
  static constexpr std::uint8_t provider[16] = {0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A,
                                                0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F, 0xE1, 0x82};
  Bytes bytes;
  Output out(bytes);
  out.scalar<std::uint32_t>(0);
  out.bytes(provider);
  out.scalar<std::uint32_t>(1);
  out.scalar<std::uint32_t>(0);  // DT_MAILUSER
  out.bytes(as_view(dn));
  out.scalar<std::uint8_t>(0);
  return bytes;
}

Bytes one_off_entry_id(std::string_view display_name, std::string_view email_address,
                       std::string_view address_type) {
  Bytes out;
  out.reserve(30 + 2 * (display_name.size() + email_address.size() + address_type.size()));
  Output output(out);
  output.scalar<std::uint32_t>(0);
  output.bytes(one_off_provider.bytes);
  output.scalar<std::uint16_t>(0);
  output.scalar<std::uint16_t>(one_off_unicode | one_off_no_lookup | one_off_mime);
  for (const auto text : {display_name, address_type, email_address}) {
    output.bytes(to_utf16(text));
    output.scalar<std::uint16_t>(0);
  }
  return out;
}

bool is_one_off_entry_id(View bytes) {
  return bytes.size() >= 24 && equal(bytes.subspan(4, 16), one_off_provider.bytes);
}

Result<OneOff> parse_one_off_entry_id(View bytes) {
  if (!is_one_off_entry_id(bytes))
    return error(Errc::malformed, "one-off entry id: another provider, or too short");
  Cursor cursor(bytes);
  cursor.skip(20);
  cursor.set_field("Version");
  if (cursor.scalar<std::uint16_t>() != 0) cursor.fail("unknown version");
  const bool unicode = (cursor.scalar<std::uint16_t>() & one_off_unicode) != 0;
  OneOff out;
  const auto read = [&](const char* name, std::string& text) {
    cursor.set_field(name);
    text = unicode ? to_utf8(utf16_sz(cursor)) : from_code_page(string8_sz(cursor), 1252);
  };
  read("DisplayName", out.DisplayName);
  read("AddressType", out.AddressType);
  read("EmailAddress", out.EmailAddress);
  if (cursor.left() != 0) cursor.fail("bytes are left over");
  if (!cursor.ok()) return cursor.error("one-off entry id");
  return out;
}

Bytes search_key(std::string_view email_address, std::string_view address_type) {
  Bytes out;
  out.reserve(address_type.size() + email_address.size() + 2);
  const auto append = [&](std::string_view text) {
    for (const char c : text) out.push_back(static_cast<std::uint8_t>(c >= 'a' && c <= 'z' ? c - 32 : c));
  };
  append(address_type);
  out.push_back(':');
  append(email_address);
  out.push_back(0);
  return out;
}

Bytes flat_entry_list(std::span<const Bytes> entry_ids) {
  Bytes out;
  Output output(out);
  output.scalar(static_cast<std::uint32_t>(entry_ids.size()));
  output.scalar<std::uint32_t>(0);
  for (const auto& id : entry_ids) {
    output.scalar(static_cast<std::uint32_t>(id.size()));
    output.bytes(id);
    while (output.size() % 4 != 0) output.scalar<std::uint8_t>(0);
  }
  output.patch(4, static_cast<std::uint32_t>(output.size() - 8));
  return out;
}

Result<std::vector<Bytes>> parse_flat_entry_list(View bytes) {
  Cursor cursor(bytes);
  cursor.set_field("Count");
  const auto count = cursor.scalar<std::uint32_t>();
  cursor.set_field("Size");
  const auto size = cursor.scalar<std::uint32_t>();
  if (size > cursor.left()) cursor.fail("truncated");
  std::vector<Bytes> out;
  cursor.set_field("FlatEntries");
  if (!cursor.can_hold(count, 4)) return cursor.error("FlatEntryList");
  for (std::uint32_t i = 0; i < count && cursor.ok(); ++i) {
    const auto length = cursor.scalar<std::uint32_t>();
    out.push_back(to_bytes(cursor.bytes(length)));
    const auto padding = (4 - length % 4) % 4;
    cursor.skip(std::min<std::size_t>(padding, cursor.left()));  // absent behind the last one in some
  }
  if (!cursor.ok()) return cursor.error("FlatEntryList");
  return out;
}

}  // namespace mapigate::mapi
