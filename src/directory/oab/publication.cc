#include "directory/oab/publication.h"

#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/cursor.h"
#include "directory/oab/compressed_file.h"

namespace mapigate::directory::oab {

namespace {

constexpr const char* manifest_name = "oab.xml";
constexpr const char* state_name = "versions";
constexpr const char* state_head = "mapigate-oab 1";

// The dialogs by language: their code pages on Windows and on the Mac.
struct Language {
  const char* id;
  std::uint32_t locale, windows, mac;
};
constexpr Language languages[] = {{"0409", 0x409, 1252, 10000}, {"0407", 0x407, 1252, 10000}, {"040c", 0x40C, 1252, 10000}};

std::string sha1(View bytes) {
  std::uint8_t out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out, &size, EVP_sha1(), nullptr);
  return to_hex(View(out, size));
}

// Replaces the file as a whole: a download in progress goes on with the old one.
Status write_file(const std::string& path, View bytes) {
  const auto fresh = path + ".new";
  std::ofstream stream(fresh, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (!stream || std::rename(fresh.c_str(), path.c_str()) != 0) return error(Errc::unavailable, "{} cannot be written", path);
  return {};
}
Result<Bytes> read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return error(Errc::not_found, "{} cannot be read", path);
  return Bytes(std::istreambuf_iterator<char>(stream), {});
}

// What makes a version another one: all but the header record, which has the number of the version in it.
std::string content_of(const DetailsFile& file) {
  return sha1(View(file.bytes).subspan(file.starts.empty() ? file.bytes.size() : file.starts.front())) + "-" + std::to_string(file.ids.size());
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '\'') out += "&apos;";
    else out += c;
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Publication>> Publication::open(PublicationOptions options) {
  std::error_code failed;
  std::filesystem::create_directories(options.folder, failed);
  if (failed) return error(Errc::unavailable, "{}: {}", options.folder, failed.message());
  std::unique_ptr<Publication> made(new Publication(std::move(options)));
  if (const auto loaded = made->load(); !loaded && loaded.error().code != Errc::not_found) return loaded.error();
  return made;
}

// "mapigate-oab 1", then sequence and hash, then a line each file.
Status Publication::load() {
  std::ifstream stream(path(state_name));
  if (!stream) return error(Errc::not_found, "no version yet");
  std::string head;
  std::getline(stream, head);
  std::uint32_t sequence = 0;
  std::string content;
  stream >> sequence >> content;
  std::vector<Item> items;
  if (head != state_head || !stream) return error(Errc::malformed, "{} is of another version; remove the folder", path(state_name));
  for (Item item; stream >> item.kind >> item.file >> item.sha >> item.language >> item.type >> item.sequence >> item.version >> item.size >>
                  item.uncompressed;) {
    if (item.file.find('/') != std::string::npos) return error(Errc::malformed, "{} names a file elsewhere", path(state_name));
    items.push_back(item);
  }
  sequence_ = sequence;
  content_ = std::move(content);
  items_ = std::move(items);
  return {};
}

Status Publication::store(const std::string& content, const std::vector<Item>& items) const {
  std::ostringstream out;
  out << state_head << "\n" << items.front().sequence << " " << content << "\n";
  for (const auto& item : items)
    out << item.kind << " " << item.file << " " << item.sha << " " << (item.language.empty() ? "-" : item.language) << " "
        << (item.type.empty() ? "-" : item.type) << " " << item.sequence << " " << item.version << " " << item.size << " " << item.uncompressed << "\n";
  if (auto written = write_file(path(manifest_name), as_view(manifest(items))); !written) return written;
  return write_file(path(state_name), as_view(out.str()));
}

std::string Publication::manifest(const std::vector<Item>& items) const {
  std::string out = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<OAB>\n";
  out += fmt::format("  <OAL id='{}' dn='{}' name='\\{}'>\n", options_.name.guid, escaped(options_.name.dn), escaped(options_.name.name));
  for (const auto& item : items) {
    out += fmt::format("    <{} seq='{}' ver='{}' size='{}' uncompressedsize='{}' SHA='{}'", item.kind, item.sequence, item.version, item.size,
                       item.uncompressed, item.sha);
    if (item.kind == "Template") out += fmt::format(" langid='{}' type='{}'", item.language, item.type);
    out += fmt::format(">{}</{}>\n", item.file, item.kind);
  }
  return out + "  </OAL>\n</OAB>\n";
}

Result<Publication::Item> Publication::put(const char* kind, const std::string& name, View data, std::uint64_t uncompressed,
                                           std::uint32_t sequence, std::uint32_t version) const {
  Item item;
  item.kind = kind;
  item.file = options_.name.guid + "-" + name + ".lzx";
  item.sha = sha1(data);
  item.sequence = sequence;
  item.version = version;
  item.size = data.size();
  item.uncompressed = uncompressed;
  if (const auto written = write_file(path(item.file), data); !written) return written.error();
  return item;
}

Result<bool> Publication::update(const Snapshot& snapshot, const Server& server) {
  const auto before = sequence();
  const auto made = make_details(snapshot, server, options_.name, before + 1);
  const auto content = content_of(made);
  std::vector<Item> old;
  {
    const std::lock_guard lock(mutex_);
    if (before != 0 && content == content_) return false;
    old = items_;
  }
  const auto number = before + 1;
  std::vector<Item> items;
  auto full = put("Full", fmt::format("data-{}", number), compress_file(made.bytes), made.bytes.size(), number, details_version);
  if (!full) return full.error();
  items.push_back(std::move(*full));
  for (const auto& language : languages)
    for (const bool windows : {true, false}) {
      const auto file = make_template_file(windows ? language.windows : language.mac, language.locale);
      auto item = put("Template", fmt::format("{}{}-{}", windows ? "lng" : "mac", language.id, number), compress_file(file), file.size(), number,
                      template_version);
      if (!item) return item.error();
      item->language = language.id;
      item->type = windows ? "windows" : "mac";
      items.push_back(std::move(*item));
    }
  // The patch from the version before, if that is still here as it was.
  const auto details = path("details"), ids = path("details.ids");
  auto last = before == 0 ? Result<Bytes>(error(Errc::not_found, "none")) : read_file(details);
  auto last_ids = before == 0 ? Result<Bytes>(error(Errc::not_found, "none")) : read_file(ids);
  if (last && last_ids) {
    std::vector<std::uint32_t> numbers;
    for (Cursor in(*last_ids); in.left() >= 4;) numbers.push_back(in.scalar<std::uint32_t>());
    if (const auto split = split_details(std::move(*last), std::move(numbers))) {
      auto patch = put("Diff", fmt::format("binpatch-{}", number), make_patch(*split, made), made.bytes.size(), number, details_version);
      if (!patch) return patch.error();
      items.push_back(std::move(*patch));
      std::size_t kept = 1;
      for (const auto& item : old)
        if (item.kind == "Diff" && kept++ < options_.patches) items.push_back(item);
    }
  }
  Bytes raw_ids;
  Output out(raw_ids);
  for (const auto id : made.ids) out.scalar(id);
  if (auto written = write_file(ids, raw_ids); !written) return written.error();
  if (auto written = write_file(details, made.bytes); !written) return written.error();
  if (auto written = store(content, items); !written) return written.error();
  {
    const std::lock_guard lock(mutex_);
    sequence_ = number;
    content_ = content;
    items_ = items;
  }
  for (auto& item : old)
    if (item.kind != "Diff") items.push_back(item);  // somebody may be half through with the manifest before
  clean(items);
  return true;
}

void Publication::clean(const std::vector<Item>& items) const {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(options_.folder, failed)) {
    const auto name = entry.path().filename().string();
    const bool wanted = !name.ends_with(".lzx") || std::any_of(items.begin(), items.end(), [&](const auto& item) { return item.file == name; });
    if (!wanted) std::filesystem::remove(entry.path(), failed);
  }
}

Result<Publication::File> Publication::find(const std::string& name) const {
  File out;
  {
    const std::lock_guard lock(mutex_);
    if (sequence_ == 0) return error(Errc::not_found, "there is no offline address book yet");
    if (name == manifest_name) {
      out.etag = fmt::format("\"{}-{}\"", sequence_, content_.substr(0, 16));
    } else {
      const auto item = std::find_if(items_.begin(), items_.end(), [&](const auto& one) { return one.file == name; });
      if (item == items_.end()) return error(Errc::not_found, "{} is no file of the offline address book", name);
      out.etag = "\"" + item->sha + "\"";
    }
  }
  out.path = path(name);
  struct stat status {};
  if (::stat(out.path.c_str(), &status) != 0) return error(Errc::not_found, "{} is gone", out.path);
  out.size = static_cast<std::uint64_t>(status.st_size);
  out.time = status.st_mtime;
  return out;
}

std::uint32_t Publication::sequence() const {
  const std::lock_guard lock(mutex_);
  return sequence_;
}

}  // namespace mapigate::directory::oab
