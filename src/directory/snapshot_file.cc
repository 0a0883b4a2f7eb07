#include "directory/snapshot_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/cursor.h"

namespace mapigate::directory {

namespace {

constexpr std::uint32_t magic = 0x32534D4D;  // "MMS2"; another when the fields or what they mean change
constexpr std::size_t header_size = 12;      // magic, checksum

// Tells a damaged file from a whole one.
std::uint64_t checksum(View bytes) {
  std::uint64_t sum = bytes.size();
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    sum = (sum ^ word) * 0x9E3779B97F4A7C15u;
    sum ^= sum >> 29;
  }
  for (const auto byte : bytes) sum = (sum ^ byte) * 0x9E3779B97F4A7C15u;
  return sum;
}

template <class T>
constexpr bool is_flat = std::is_trivially_copyable_v<T>;

struct Writer {
  Output out;
  template <Scalar T>
  void operator()(const T& value) {
    out.scalar(value);
  }
  void operator()(const std::string& text) { blob(as_view(text)); }
  template <class T>
  void operator()(const std::vector<T>& list) {
    if constexpr (is_flat<T>) {
      blob({reinterpret_cast<const std::uint8_t*>(list.data()), list.size() * sizeof(T)});
    } else {
      out.scalar(static_cast<std::uint64_t>(list.size()));
      for (const auto& one : list) (*this)(one);
    }
  }
  void operator()(const Container& one) { container(*this, one); }
  static void container(auto& v, auto& one) {
    v(one.id), v(one.name), v(one.dn), v(one.depth), v(one.has_children), v(one.objects);
    std::uint64_t parent = one.parent ? *one.parent + 1 : 0;
    v(parent);
    if constexpr (!std::is_const_v<std::remove_reference_t<decltype(one)>>)
      one.parent = parent == 0 ? std::nullopt : std::optional<std::size_t>(parent - 1);
  }

 private:
  void blob(View bytes) {
    out.scalar(static_cast<std::uint64_t>(bytes.size()));
    out.bytes(bytes);
  }
};

struct Reader {
  Cursor& in;
  template <Scalar T>
  void operator()(T& value) {
    if constexpr (std::is_same_v<T, bool>) value = in.scalar<std::uint8_t>() != 0;
    else value = in.scalar<T>();
  }
  void operator()(std::string& text) { text = as_text(blob()); }
  template <class T>
  void operator()(std::vector<T>& list) {
    if constexpr (is_flat<T>) {
      const auto bytes = blob();
      if (bytes.size() % sizeof(T) != 0) return in.fail("a list that ends within an element");
      list.resize(bytes.size() / sizeof(T));
      if (!bytes.empty()) std::memcpy(static_cast<void*>(list.data()), bytes.data(), bytes.size());
    } else {
      const auto count = in.scalar<std::uint64_t>();
      if (!in.can_hold(count, 8)) return;
      list.resize(count);
      for (auto& one : list) (*this)(one);
    }
  }
  void operator()(Container& one) { Writer::container(*this, one); }

 private:
  View blob() {
    const auto size = in.scalar<std::uint64_t>();
    return in.bytes(size);
  }
};

bool rises(const std::vector<std::uint32_t>& places, std::size_t count, std::size_t end) {
  return places.size() == count + 1 && places.front() == 0 && places.back() == end && std::is_sorted(places.begin(), places.end());
}

}  // namespace

// One list for both ways. What was left out follows as records of its own.
void SnapshotFile::fields(auto& v, auto& s) {
  v(s.records_), v(s.record_at_), v(s.shared_.parents_), v(s.shared_.paths_), v(s.ids_), v(s.kinds_), v(s.by_id_);
  for (auto& list : s.links_) v(list);
  v(s.by_address_), v(s.by_former_dn_), v(s.by_name_);
  v(s.words_.bytes_), v(s.words_.word_at_), v(s.words_.objects_at_), v(s.words_.objects_);
  v(s.containers_), v(s.hierarchy_version_), v(s.domains_);
}

// Nothing in it leads out of it.
bool SnapshotFile::is_sound(const Snapshot& s) {
  const auto count = s.ids_.size();
  const auto within = [&](const Indexes& list) { return std::all_of(list.begin(), list.end(), [&](Index i) { return i < count; }); };
  const auto known = [&](const auto& keys) { return std::all_of(keys.begin(), keys.end(), [&](const auto& key) { return key.object < count; }); };
  const auto words = s.words_.word_at_.size() - 1;
  if (!rises(s.record_at_, count, s.records_.size()) || s.kinds_.size() != count || s.by_id_.size() != count || !within(s.by_id_)) return false;
  for (const auto& list : s.links_)
    if (!std::all_of(list.begin(), list.end(), [&](const auto& one) { return one.from < count && one.to < count; })) return false;
  if (!known(s.by_address_) || !known(s.by_former_dn_) || !known(s.by_name_)) return false;
  if (s.words_.word_at_.empty() || !rises(s.words_.word_at_, words, s.words_.bytes_.size()) ||
      !rises(s.words_.objects_at_, words, s.words_.objects_.size()) || !within(s.words_.objects_))
    return false;
  return !s.containers_.empty() && !s.shared_.parents_.empty() && !s.shared_.paths_.empty() &&
         std::all_of(s.containers_.begin(), s.containers_.end(),
                     [&](const auto& one) { return within(one.objects) && (!one.parent || *one.parent < s.containers_.size()); });
}

Status SnapshotFile::save(const std::string& file, const Snapshot& snapshot, const Notes& notes) {
  Bytes out;
  out.reserve(snapshot.records_.size() * 3);
  Writer writer{Output(out)};
  writer(magic);
  writer(std::uint64_t{0});
  writer(notes);
  fields(writer, snapshot);
  Bytes records;
  Shared shared;
  std::vector<std::uint32_t> starts;
  for (const auto& entry : snapshot.left_out_) {
    starts.push_back(static_cast<std::uint32_t>(records.size()));
    put_record(records, entry, shared);
  }
  writer(records), writer(starts), writer(shared.parents()), writer(shared.paths());
  writer.out.patch(4, checksum(View(out).subspan(header_size)));
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

Result<SnapshotFile::Loaded> SnapshotFile::load(const std::string& file, IdTable& ids, const std::string& gal_name) {
  std::error_code failed;
  const auto size = std::filesystem::file_size(file, failed);
  std::ifstream stream(file, std::ios::binary);
  if (!stream || failed) return error(Errc::not_found, "{} is not there", file);
  Bytes bytes(size);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  Cursor in(bytes);
  if (in.scalar<std::uint32_t>() != magic) return error(Errc::malformed, "{} is of another version", file);
  const auto sum = in.scalar<std::uint64_t>();
  if (in.ok() && sum != checksum(View(bytes).subspan(header_size))) return error(Errc::malformed, "{} is damaged", file);
  Loaded out;
  std::shared_ptr<Snapshot> made(new Snapshot());
  Reader reader{in};
  reader(out.notes);
  fields(reader, *made);
  Bytes records;
  std::vector<std::uint32_t> starts;
  Shared shared;
  reader(records), reader(starts), reader(shared.parents_), reader(shared.paths_);
  if (in.ok() && in.left() != 0) in.fail("bytes are left over");
  if (!in.ok()) return in.error(file);
  if (!is_sound(*made)) return error(Errc::malformed, "{} contradicts itself", file);
  for (const auto start : starts)
    if (start < records.size()) made->left_out_.push_back(read_record(View(records).subspan(start), shared));
  // Ids that the table does not know would be given to others.
  const auto last = ids.last();
  if (!last) return last.error();
  if (std::any_of(made->ids_.begin(), made->ids_.end(), [&](auto id) { return id > *last; }))
    return error(Errc::malformed, "{} is older than the table of ids", file);
  made->containers_.front().name = gal_name;
  out.snapshot = std::move(made);
  return out;
}

}  // namespace mapigate::directory
