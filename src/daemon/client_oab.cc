#include "daemon/client_oab.h"

#include <mspack.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include "base/text.h"
#include "daemon/output.h"
#include "directory/oab/details_file.h"
#include "mapi/properties.h"

namespace mapigate::daemon {

namespace {

namespace oab = directory::oab;
constexpr std::size_t max_download = std::size_t{512} << 20;

struct Manifest {
  std::string file, sha, name;
  std::size_t sequence = 0, patches = 0, templates = 0;
};

Result<Manifest> parse_manifest(View bytes) {
  pugi::xml_document document;
  if (!document.load_buffer(bytes.data(), bytes.size())) return error(Errc::malformed, "oab.xml is no XML");
  const auto list = document.child("OAB").child("OAL");
  const auto full = list.child("Full");
  if (!full) return error(Errc::not_found, "oab.xml names no book");
  Manifest out;
  out.file = trim(full.text().get());
  out.sha = lower_ascii(full.attribute("SHA").value());
  out.name = list.attribute("name").value();
  out.sequence = full.attribute("seq").as_uint();
  for (const auto& one : list.children("Diff")) out.patches += one.empty() ? 0u : 1u;
  for (const auto& one : list.children("Template")) out.templates += one.empty() ? 0u : 1u;
  if (out.file.empty() || out.file.find('/') != std::string::npos) return error(Errc::malformed, "oab.xml names the file \"{}\"", out.file);
  return out;
}

std::string sha1(View bytes) {
  std::uint8_t out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out, &size, EVP_sha1(), nullptr);
  return lower_ascii(to_hex(View(out, size)));
}

io::Task<Result<Bytes>> get(std::shared_ptr<upstream::HttpIdentity> identity, std::string text) {
  auto url = io::parse_url(text);
  if (!url) co_return std::move(url.error()).within(text);
  io::HttpRequest request;
  request.url = std::move(*url);
  request.headers.add("User-Agent", "mapigate");
  io::RequestOptions limits;
  limits.limit = std::chrono::minutes(10);
  limits.body_bytes = max_download;
  auto response = co_await identity->request(std::move(request), limits);
  if (!response) co_return std::move(response.error()).within(text);
  if (response->status == 401) co_return error(Errc::denied, "{}: the user name or password is wrong", text);
  if (response->status == 404) co_return error(Errc::not_found, "{}: HTTP 404; is there a version yet?", text);
  if (response->status != 200) co_return error(Errc::unavailable, "{}: HTTP {}", text, response->status);
  co_return std::move(response->body);
}

Status write_file(const std::filesystem::path& path, View bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) return error(Errc::unavailable, "{} cannot be written", path.string());
  return {};
}

// libmspack works on files.
Result<Bytes> unpack(const std::filesystem::path& folder, const std::string& name, View packed) {
  const auto in = folder / name, out = folder / "udetails.oab";
  if (auto written = write_file(in, packed); !written) return written.error();
  auto* unpacker = mspack_create_oab_decompressor(nullptr);
  if (!unpacker) return error(Errc::unavailable, "libmspack does not start");
  const auto failed = unpacker->decompress(unpacker, in.c_str(), out.c_str());
  mspack_destroy_oab_decompressor(unpacker);
  if (failed != MSPACK_ERR_OK) return error(Errc::malformed, "{} cannot be unpacked (libmspack error {})", name, failed);
  std::ifstream file(out, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::string value_of(const oab::DetailsRecord& record, mapi::PropertyTag tag) {
  const auto at = record.find(tag.value);
  return at == record.end() ? std::string() : at->second;
}

std::string print(const Manifest& manifest, const oab::DetailsContent& content, bool json) {
  constexpr std::pair<const char*, mapi::PropertyTag> shown[] = {{"name", mapi::PidTagDisplayName}, {"address", mapi::PidTagSmtpAddress},
                                                                 {"title", mapi::PidTagTitle}, {"department", mapi::PidTagDepartmentName},
                                                                 {"phone", mapi::PidTagBusinessTelephoneNumber}};
  if (!json) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& record : content.records) {
      auto& row = rows.emplace_back();
      for (const auto& [name, tag] : shown) row.push_back(escape_controls(value_of(record, tag)));
    }
    return fmt::format("{} version {}: {} entries, {} patches, {} templates\n", escape_controls(manifest.name), manifest.sequence,
                       content.records.size(), manifest.patches, manifest.templates) +
           table({{"Name", 40}, {"Address", 40}, {"Title", 30}, {"Department", 30}, {"Phone"}}, rows);
  }
  nlohmann::ordered_json out{{"name", manifest.name}, {"sequence", manifest.sequence}, {"patches", manifest.patches},
                             {"templates", manifest.templates}};
  auto& entries = out["entries"] = nlohmann::ordered_json::array();
  for (const auto& record : content.records) {
    auto& entry = entries.emplace_back();
    for (const auto& [name, tag] : shown) entry[name] = value_of(record, tag);
    for (const auto& [tag, value] : record) entry["properties"][fmt::format("{:#010x}", tag)] = value;
  }
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

io::Task<Result<std::string>> read_oab(std::shared_ptr<upstream::HttpIdentity> identity, OabRequest request) {
  auto base = request.url;
  if (!base.ends_with('/')) base += '/';
  auto place = base + "oab.xml";
  auto manifest_bytes = co_await get(identity, std::move(place));
  if (!manifest_bytes) co_return manifest_bytes.error();
  auto manifest = parse_manifest(*manifest_bytes);
  if (!manifest) co_return manifest.error();
  place = base + manifest->file;
  auto packed = co_await get(identity, std::move(place));
  if (!packed) co_return packed.error();
  if (const auto sum = sha1(*packed); sum != manifest->sha)
    co_return error(Errc::malformed, "{} is damaged: its SHA-1 is {}, the manifest says {}", manifest->file, sum, manifest->sha);
  std::filesystem::path folder = request.save;
  std::string temporary = (std::filesystem::temp_directory_path() / "mapigate-oab-XXXXXX").string();
  if (request.save.empty()) {
    if (::mkdtemp(temporary.data()) == nullptr) co_return error(Errc::unavailable, "no temporary folder can be made");
    folder = temporary;
  }
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  const auto details = unpack(folder, manifest->file, *packed);
  if (request.save.empty()) std::filesystem::remove_all(folder, failed);
  else (void)write_file(folder / "oab.xml", *manifest_bytes);
  if (!details) co_return details.error();
  const auto content = oab::read_details(*details);
  if (!content) co_return content.error();
  co_return print(*manifest, *content, request.json);
}

}  // namespace mapigate::daemon
