#include "saved.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/cursor.h"

namespace mapigate::ldap {

namespace {

constexpr std::uint32_t magic = 0x33444C4D;  // "MLD3"; another when the fields change

// One field list for both ways.
void fields(auto& v, auto& entry) {
  v(entry.key), v(entry.kind), v(entry.display_name), v(entry.address), v(entry.aliases), v(entry.account);
  v(entry.former_dns), v(entry.source_id), v(entry.known_as), v(entry.texts), v(entry.members), v(entry.owners), v(entry.delegates), v(entry.manager);
  v(entry.container), v(entry.photo), v(entry.certificates), v(entry.capacity), v(entry.hidden);
}

class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}
  template <Scalar T>
  void operator()(T value) {
    out_.scalar(value);
  }
  void operator()(const mapi::PropertyTag& tag) { out_.scalar(tag.value); }
  void operator()(const std::string& text) { bytes(as_view(text)); }
  void operator()(const Bytes& blob) { bytes(blob); }
  template <class T>
  void operator()(const std::vector<T>& list) {
    out_.scalar(static_cast<std::uint32_t>(list.size()));
    for (const auto& element : list) (*this)(element);
  }
  template <class A, class B>
  void operator()(const std::pair<A, B>& pair) {
    (*this)(pair.first), (*this)(pair.second);
  }

 private:
  void bytes(View view) {
    out_.scalar(static_cast<std::uint32_t>(view.size()));
    out_.bytes(view);
  }
  Output out_;
};

class Reader {
 public:
  explicit Reader(Cursor& in) : in_(in) {}
  template <Scalar T>
  void operator()(T& value) {
    if constexpr (std::is_same_v<T, bool>) value = in_.scalar<std::uint8_t>() != 0;
    else value = in_.scalar<T>();
  }
  void operator()(mapi::PropertyTag& tag) { tag = mapi::PropertyTag(in_.scalar<std::uint32_t>()); }
  void operator()(std::string& text) { text = as_text(bytes()); }
  void operator()(Bytes& blob) { blob = to_bytes(bytes()); }
  template <class T>
  void operator()(std::vector<T>& list) {
    const auto count = in_.scalar<std::uint32_t>();
    if (!in_.can_hold(count, 4)) return;
    list.resize(count);
    for (auto& element : list) (*this)(element);
  }
  template <class A, class B>
  void operator()(std::pair<A, B>& pair) {
    (*this)(pair.first), (*this)(pair.second);
  }

 private:
  View bytes() { return in_.bytes(in_.scalar<std::uint32_t>()); }
  Cursor& in_;
};

}  // namespace

Status save(const std::string& file, const Saved& saved) {
  std::vector<const directory::Entry*> entries;
  for (const auto& entry : saved.entries) entries.push_back(&entry);
  return save(file, saved.cookie, saved.settings, entries);
}

Status save(const std::string& file, const std::string& cookie, const std::string& settings, const std::vector<const directory::Entry*>& entries) {
  Bytes out;
  Writer writer(out);
  writer(magic);
  writer(cookie);
  writer(settings);
  writer(static_cast<std::uint32_t>(entries.size()));
  for (const auto* entry : entries) fields(writer, *entry);
  const auto fresh = file + ".new";
  std::ofstream stream(fresh, std::ios::binary | std::ios::trunc);
  std::error_code failed;
  std::filesystem::permissions(fresh, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, failed);
  stream.write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(out.size()));
  stream.close();
  if (!stream || failed) return error(Errc::unavailable, "{} cannot be written", fresh);
  std::filesystem::rename(fresh, file, failed);
  if (failed) return error(Errc::unavailable, "{}: {}", file, failed.message());
  return {};
}

Result<Saved> load(const std::string& file) {
  std::error_code failed;
  const auto size = std::filesystem::file_size(file, failed);
  std::ifstream stream(file, std::ios::binary);
  if (!stream || failed) return error(Errc::not_found, "{} is not there", file);
  Bytes bytes(size);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  Cursor cursor(bytes);
  if (cursor.scalar<std::uint32_t>() != magic) return error(Errc::malformed, "{} is of another version", file);
  Saved out;
  Reader reader(cursor);
  reader(out.cookie);
  reader(out.settings);
  const auto count = cursor.scalar<std::uint32_t>();
  if (!cursor.can_hold(count, 64)) return cursor.error(file);
  out.entries.resize(count);
  for (auto& entry : out.entries) fields(reader, entry);
  if (cursor.ok() && cursor.left() != 0) cursor.fail("bytes are left over");
  if (!cursor.ok()) return cursor.error(file);
  return out;
}

}  // namespace mapigate::ldap
