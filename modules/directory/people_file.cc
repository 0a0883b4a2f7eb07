#include "people_file.h"

#include <toml++/toml.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "base/text.h"

namespace mapigate::directory {

namespace {

constexpr std::uintmax_t max_attachment = 1 << 20;  // a photo or a certificate

struct Reader {
  std::filesystem::path folder;
  Entry entry;

  Status text(const toml::node& node, std::string& out) const {
    const auto* value = node.as_string();
    if (!value) return error(Errc::malformed, "is no string");
    out = value->get();
    return {};
  }
  Status texts(const toml::node& node, std::vector<std::string>& out) const {
    const auto* array = node.as_array();
    if (!array) return error(Errc::malformed, "is no list of strings");
    for (const auto& element : *array) {
      std::string one;
      if (const auto read = text(element, one); !read) return error(Errc::malformed, "is no list of strings");
      out.push_back(std::move(one));
    }
    return {};
  }
  Status bytes(const std::string& name, Bytes& out) const {
    const auto path = folder / name;
    std::error_code failed;
    const auto size = std::filesystem::file_size(path, failed);
    if (failed) return error(Errc::not_found, "{}: {}", path.string(), failed.message());
    if (size > max_attachment) return error(Errc::limit, "{} has more than {} bytes", path.string(), max_attachment);
    std::ifstream file(path, std::ios::binary);
    out.assign(std::istreambuf_iterator<char>(file), {});
    return {};
  }
};

using Take = std::function<Status(Reader&, const toml::node&)>;

const std::map<std::string, Take, std::less<>>& keys() {
  static const auto all = [] {
    std::map<std::string, Take, std::less<>> out{
        {"id", [](Reader& r, const toml::node& n) { return r.text(n, r.entry.key); }},
        {"name", [](Reader& r, const toml::node& n) { return r.text(n, r.entry.display_name); }},
        {"address", [](Reader& r, const toml::node& n) { return r.text(n, r.entry.address); }},
        {"aliases", [](Reader& r, const toml::node& n) { return r.texts(n, r.entry.aliases); }},
        {"account", [](Reader& r, const toml::node& n) { return r.text(n, r.entry.account); }},
        {"former_dns", [](Reader& r, const toml::node& n) { return r.texts(n, r.entry.former_dns); }},
        {"members", [](Reader& r, const toml::node& n) { return r.texts(n, r.entry.members); }},
        {"owners", [](Reader& r, const toml::node& n) { return r.texts(n, r.entry.owners); }},
        {"delegates", [](Reader& r, const toml::node& n) { return r.texts(n, r.entry.delegates); }},
        {"full_access", [](Reader& r, const toml::node& n) { return r.texts(n, r.entry.full_access); }},
        {"manager", [](Reader& r, const toml::node& n) { return r.text(n, r.entry.manager); }},
        {"kind",
         [](Reader& r, const toml::node& n) -> Status {
           std::string name;
           if (auto read = r.text(n, name); !read) return read;
           const auto kind = entry_kind(name);
           if (!kind) return error(Errc::malformed, "is none of person, group, room, equipment, contact");
           r.entry.kind = *kind;
           return {};
         }},
        {"container",
         [](Reader& r, const toml::node& n) -> Status {
           std::string path;
           if (auto read = r.text(n, path); !read) return read;
           for (std::size_t start = 0; start <= path.size();) {
             const auto end = std::min(path.find('/', start), path.size());
             if (end > start) r.entry.container.push_back(path.substr(start, end - start));
             start = end + 1;
           }
           return {};
         }},
        {"hidden",
         [](Reader& r, const toml::node& n) -> Status {
           if (!n.is_boolean()) return error(Errc::malformed, "is neither true nor false");
           r.entry.hidden = n.as_boolean()->get();
           return {};
         }},
        {"capacity",
         [](Reader& r, const toml::node& n) -> Status {
           if (!n.is_integer() || n.as_integer()->get() < 0 || n.as_integer()->get() > 1'000'000)
             return error(Errc::malformed, "is no number of people");
           r.entry.capacity = static_cast<std::uint32_t>(n.as_integer()->get());
           return {};
         }},
        {"photo",
         [](Reader& r, const toml::node& n) -> Status {
           std::string name;
           if (auto read = r.text(n, name); !read) return read;
           return r.bytes(name, r.entry.photo);
         }},
        {"certificates",
         [](Reader& r, const toml::node& n) -> Status {
           std::vector<std::string> names;
           if (auto read = r.texts(n, names); !read) return read;
           for (const auto& name : names)
             if (auto read = r.bytes(name, r.entry.certificates.emplace_back()); !read) return read;
           return {};
         }},
    };
    for (const auto& attribute : text_attributes())
      out.emplace(std::string(attribute.name), [tag = attribute.tag](Reader& r, const toml::node& n) -> Status {
        std::string value;
        if (auto read = r.text(n, value); !read) return read;
        r.entry.texts.emplace_back(tag, std::move(value));
        return {};
      });
    return out;
  }();
  return all;
}

Result<Entry> read_entry(const std::filesystem::path& file, const toml::table& table) {
  const auto where = [&](const toml::source_region& source) { return fmt::format("{}:{}", file.string(), source.begin.line); };
  Reader reader{file.parent_path(), {}};
  for (const auto& [key, node] : table) {
    const auto name = std::string(key.str());
    const auto known = keys().find(name);
    if (known == keys().end()) {
      std::vector<std::string> names;
      for (const auto& one : keys()) names.push_back(one.first);
      const auto near = nearest(name, names);
      return error(Errc::malformed, "{}: unknown key \"{}\"{}", where(node.source()), name,
                   near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
    }
    if (const auto taken = known->second(reader, node); !taken)
      return error(Errc::malformed, "{}: {} {}", where(node.source()), name, taken.error().message);
  }
  auto& entry = reader.entry;
  if (entry.display_name.empty()) return error(Errc::malformed, "{}: an entry needs a name", where(table.source()));
  if (entry.key.empty()) entry.key = lower_ascii(trim(entry.address));
  if (entry.key.empty()) return error(Errc::malformed, "{}: an entry needs an address or an id", where(table.source()));
  return std::move(entry);
}

}  // namespace

Result<std::vector<Entry>> read_people_file(const std::string& file) {
  try {
    const auto root = toml::parse_file(file);
    std::vector<Entry> out;
    for (const auto& [key, node] : root) {
      const auto* entries = node.as_array();
      if (key.str() != "entry" || !entries)
        return error(Errc::malformed, "{}:{}: only [[entry]] is known here", file, node.source().begin.line);
      for (const auto& element : *entries) {
        if (!element.is_table()) return error(Errc::malformed, "{}: entry is no table", file);
        auto entry = read_entry(file, *element.as_table());
        if (!entry) return entry.error();
        out.push_back(std::move(*entry));
      }
    }
    return out;
  } catch (const toml::parse_error& problem) {
    return error(Errc::malformed, "{}:{}: {}", file, problem.source().begin.line, std::string(problem.description()));
  }
}

}  // namespace mapigate::directory
