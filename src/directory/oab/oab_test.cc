// What we write, libmspack reads: it was made after files of Exchange.
#include <gtest/gtest.h>
#include <mspack.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/cursor.h"
#include "base/text.h"
#include "directory/oab/compressed_file.h"
#include "directory/oab/huffman.h"
#include "directory/oab/lzx_encoder.h"
#include "directory/oab/publication.h"
#include "directory/templates.h"
#include "mapi/properties.h"

namespace mapigate::directory::oab {
namespace {

Entry person(unsigned number) {
  Entry entry;
  entry.key = entry.address = "user" + std::to_string(number) + "@example.test";
  entry.display_name = "Üser Number " + std::to_string(number);
  entry.aliases = {"alias" + std::to_string(number) + "@example.test"};
  entry.texts = {{mapi::PidTagTitle, "Engineer"}, {mapi::PidTagDepartmentName, number % 3 == 0 ? "Küche" : "Büro"}};
  return entry;
}

class OabTest : public testing::Test {
 protected:
  OabTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mapigate-oab-XXXXXX").string();
    if (mkdtemp(name.data())) folder = name;
    ids = *IdTable::open((folder / "ids").string());
    server.name = "mail.example.test";
    server.mapi_url = "https://mail.example.test/mapi/";
    unpacker = mspack_create_oab_decompressor(nullptr);
  }
  ~OabTest() override {
    mspack_destroy_oab_decompressor(unpacker);
    ids.reset();
    std::filesystem::remove_all(folder);
  }
  std::shared_ptr<const Snapshot> snapshot_of(std::vector<Entry> entries) { return *Snapshot::build(std::move(entries), *ids); }
  std::string write(const char* name, View bytes) const {
    const auto path = (folder / name).string();
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  static Bytes read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
  }
  Bytes unpacked(View file) const {
    const auto out = (folder / "out").string();
    EXPECT_EQ(unpacker->decompress(unpacker, write("in.lzx", file).c_str(), out.c_str()), MSPACK_ERR_OK);
    return read(out);
  }
  Bytes patched(View patch, View base) const {
    const auto out = (folder / "out").string(), in = write("base", base);
    EXPECT_EQ(unpacker->decompress_incremental(unpacker, write("in.lzx", patch).c_str(), in.c_str(), out.c_str()), MSPACK_ERR_OK);
    return read(out);
  }

  std::filesystem::path folder;
  std::unique_ptr<IdTable> ids;
  Server server;
  msoab_decompressor* unpacker;
};

TEST_F(OabTest, CompressesWhateverItIsGiven) {
  std::mt19937 random(7);
  const auto noise = [&] { return static_cast<std::uint8_t>(random()); };
  const auto few = [&] { return static_cast<std::uint8_t>(random() % 3); };
  const auto same = [] { return std::uint8_t{'a'}; };
  const auto make = [](std::size_t size, auto next) {
    Bytes out(size);
    for (auto& byte : out) byte = next();
    return out;
  };
  const auto text = [&](std::size_t size) {
    std::string out;
    while (out.size() < size) out += "/o=mapigate/ou=Exchange Administrative Group/cn=Recipients/cn=user" + std::to_string(random() % 5000);
    return to_bytes(as_view(out).first(size));
  };
  for (const std::size_t size : {1, 2, 100, 32767, 32768, 32769, 131072, 262144, 262145, 600'000})
    for (const auto& data : {make(size, noise), make(size, few), make(size, same), text(size)}) {
      const auto file = compress_file(data);
      EXPECT_EQ(unpacked(file), data) << size;
      EXPECT_LT(file.size(), data.size() + data.size() / 100 + 200);
    }
  EXPECT_LT(compress_file(text(262144)).size(), 262144 / 6u);
}

TEST_F(OabTest, PrefixCodesAreCompleteAndWithinTheLimit) {
  std::vector<std::uint32_t> fibonacci{1, 1};
  while (fibonacci.size() < 40) fibonacci.push_back(fibonacci[fibonacci.size() - 1] + fibonacci[fibonacci.size() - 2]);
  for (const unsigned limit : {7u, 15u, 16u}) {
    const auto code = make_prefix_code(fibonacci, limit);
    double sum = 0;
    for (const auto length : code.lengths) {
      EXPECT_LE(length, limit);
      sum += 1.0 / (1 << length);
    }
    EXPECT_EQ(sum, 1.0);
  }
  EXPECT_EQ(make_prefix_code(std::vector<std::uint32_t>{0, 5, 0}, 16).lengths, (std::vector<std::uint8_t>{1, 1, 0}));
  EXPECT_EQ(make_prefix_code(std::vector<std::uint32_t>{0, 0}, 16).lengths, (std::vector<std::uint8_t>{0, 0}));
}

// As a client gets the property over NSPI, in the words of read_details.
std::string online(const mapi::Value& value) {
  if (const auto* number = value.get<std::int32_t>()) return std::to_string(*number);
  if (const auto* flag = value.get<bool>()) return *flag ? "true" : "false";
  if (const auto* text = value.get<Utf16>()) return to_utf8(*text);
  if (const auto* bytes = value.get<View>()) return to_hex(*bytes);
  std::string out;
  if (const auto* texts = value.get<std::span<const Utf16>>())
    for (const auto& one : *texts) out += (out.empty() ? "" : "\n") + to_utf8(one);
  if (const auto* list = value.get<std::span<const View>>())
    for (const auto& one : *list) out += (out.empty() ? "" : "\n") + to_hex(one);
  return out;
}

TEST_F(OabTest, HoldsWhatNspiSays) {
  std::vector<Entry> entries;
  for (unsigned i = 0; i < 50; ++i) entries.push_back(person(i));
  entries[3].certificates = {Bytes(300, 7), Bytes(20, 9)};
  entries[4].certificates = {Bytes(40'000, 1)};  // too long for the file
  entries[5].hidden = true;
  entries[6].kind = EntryKind::room;
  entries[6].capacity = 200;
  entries[7].kind = EntryKind::group;
  entries[7].members = {entries[1].address, entries[2].address};
  const auto snapshot = snapshot_of(entries);
  const auto file = make_details(*snapshot, server, {"01234567-89ab-cdef-0123-456789abcdef"}, 300);
  const auto content = read_details(unpacked(compress_file(file.bytes)));
  ASSERT_TRUE(content.has_value()) << content.error().message;
  EXPECT_EQ(content->header.at(mapi::PidTagOfflineAddressBookSequence.value), "300");
  EXPECT_EQ(content->header.at(mapi::PidTagOfflineAddressBookName.value), "\\Global Address List");
  EXPECT_EQ(content->header.at(mapi::PidTagOfflineAddressBookContainerGuid.value), "01234567-89ab-cdef-0123-456789abcdef");
  ASSERT_EQ(content->records.size(), 49u);
  std::size_t compared = 0, truncated = 0;
  for (const auto& record : content->records) {
    const auto index = snapshot->find_address(record.at(mapi::PidTagSmtpAddress.value));
    ASSERT_TRUE(index);
    ASSERT_FALSE(snapshot->object(*index).entry.hidden);
    const ObjectSource object(*snapshot, *index, server, false);
    Arena arena;
    for (const auto& [tag, value] : record) {
      if (tag == mapi::PidTagOfflineAddressBookTruncatedProperties.value) {
        ++truncated;
        EXPECT_EQ(value, std::to_string(static_cast<std::int32_t>(mapi::PidTagUserX509Certificate.value)) + "\n" +
                             std::to_string(static_cast<std::int32_t>(mapi::PidTagAddressBookX509Certificate.value)));
        continue;
      }
      const auto said = object.get(mapi::PropertyTag(tag), arena);
      ASSERT_TRUE(said) << tag;
      EXPECT_EQ(value, online(*said)) << tag;
      ++compared;
    }
    EXPECT_TRUE(record.contains(mapi::PidTagEmailAddress.with(mapi::PropertyType::PtypString8).value));
  }
  EXPECT_GT(compared, 49u * 15);
  EXPECT_EQ(truncated, 1u);
}

TEST_F(OabTest, DamagedFilesAreTold) {
  const auto file = make_details(*snapshot_of({person(1), person(2)}), server, {"g"}, 1).bytes;
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT_FALSE(read_details(View(file).first(size)));
  auto bent = file;
  bent.back() ^= 1;
  EXPECT_FALSE(read_details(bent));
}

TEST_F(OabTest, PatchesLeadFromEachVersionToTheNext) {
  std::mt19937 random(3);
  std::vector<Entry> entries;
  for (unsigned i = 0; i < 3000; ++i) entries.push_back(person(i));
  auto before = make_details(*snapshot_of(entries), server, {"g"}, 1);
  unsigned next = 3000;
  for (std::uint32_t version = 2; version < 6; ++version) {
    if (version == 3) entries.erase(entries.begin() + 100, entries.begin() + 2500);  // more than a block
    if (version == 4)
      for (unsigned i = 0; i < 2000; ++i) entries.push_back(person(next++));
    for (int i = 0; i < 5; ++i) entries[random() % entries.size()].texts[0].second = "Changed " + std::to_string(random());
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(random() % entries.size()));
    const auto after = make_details(*snapshot_of(entries), server, {"g"}, version);
    const auto patch = make_patch(before, after);
    EXPECT_EQ(patched(patch, before.bytes), after.bytes) << version;
    if (version == 2) {
      EXPECT_LT(patch.size(), compress_file(after.bytes).size() / 10);
    }
    before = after;
  }
  entries.clear();
  const auto none = make_details(*snapshot_of(entries), server, {"g"}, 9);
  EXPECT_EQ(patched(make_patch(before, none), before.bytes), none.bytes);
}

TEST_F(OabTest, TemplatesHoldTheDialogs) {
  const auto file = make_template_file(1252, 0x409);
  Cursor in(file);
  EXPECT_EQ(in.scalar<std::uint32_t>(), 7u);
  in.skip(8);
  for (int i = 0; i < 7; ++i) {
    in.skip(8);
    const auto offset = in.scalar<std::uint32_t>(), size = in.scalar<std::uint32_t>();
    in.skip(16);
    const bool there = i == 0 || i == 1 || i == 3 || i == 6;
    EXPECT_EQ(size != 0, there) << i;
    ASSERT_LE(offset + size, file.size());
    if (there) {
      EXPECT_EQ(Cursor(View(file).subspan(offset)).scalar<std::uint32_t>(), 1u);
    }
  }
  EXPECT_EQ(unpacked(compress_file(file)), file);
}

// [MS-OXOAB] 2.2: names, then what clients make addresses of who is in no address book by.
TEST_F(OabTest, TemplatesHoldTheKindsOfAddresses) {
  for (const auto& [code_page, locale, name] : {std::tuple(1252u, 0x409u, "Internet Address"), std::tuple(1252u, 0x40Cu, "Adresse Internet")}) {
    const auto file = make_template_file(code_page, locale);
    Cursor in(file);
    in.skip(12 + 7 * 32);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(in.scalar<std::uint32_t>(), 0u);  // no names
    ASSERT_EQ(in.scalar<std::uint32_t>(), 1u);
    const auto part = [&] {
      const auto offset = in.scalar<std::uint32_t>(), size = in.scalar<std::uint32_t>();
      return offset + size <= file.size() ? View(file).subspan(offset, size) : View();
    };
    const auto expected = creation_templates(locale).at(0);
    const auto dn = part(), dialog = part(), script = part(), shown = part();
    EXPECT_EQ(as_text(dn), expected.dn + '\0');
    EXPECT_EQ(to_bytes(dialog), creation_dialog(expected.dn, code_page)->data);
    EXPECT_EQ(to_bytes(script), creation_dialog(expected.dn, code_page)->script);
    EXPECT_EQ(as_text(shown), std::string(name) + '\0');
  }
}

TEST_F(OabTest, PublishesWhatIsNewAndNothingElse) {
  const PublicationOptions options{(folder / "book").string(), {"0b0b0b0b-0000-0000-0000-000000000001"}, 2};
  auto book = *Publication::open(options);
  EXPECT_EQ(book->find("oab.xml").error().code, Errc::not_found);
  std::vector<Entry> entries{person(1), person(2)};
  EXPECT_TRUE(*book->update(*snapshot_of(entries), server));
  EXPECT_FALSE(*book->update(*snapshot_of(entries), server));
  EXPECT_EQ(book->sequence(), 1u);
  for (unsigned i = 3; i < 7; ++i) {
    entries.push_back(person(i));
    const auto old = read(folder / "book" / "details");
    book = *Publication::open(options);  // a restart in between
    ASSERT_TRUE(*book->update(*snapshot_of(entries), server));
    const auto patch = book->find(fmt::format("{}-binpatch-{}.lzx", options.name.guid, i - 1));
    ASSERT_TRUE(patch.has_value()) << patch.error().message;
    EXPECT_EQ(patched(read(patch->path), old), read(folder / "book" / "details"));
  }
  EXPECT_EQ(book->sequence(), 5u);
  EXPECT_TRUE(book->find(options.name.guid + "-data-5.lzx"));
  EXPECT_FALSE(book->find(options.name.guid + "-binpatch-3.lzx"));  // only two are kept
  EXPECT_FALSE(book->find("../ids"));
  EXPECT_FALSE(book->find("details"));
  const auto manifest = std::string(as_text(read(book->find("oab.xml")->path)));
  EXPECT_NE(manifest.find("<OAL id='0b0b0b0b-0000-0000-0000-000000000001' dn='/' name='\\Global Address List'>"), std::string::npos);
  EXPECT_NE(manifest.find("type='mac'"), std::string::npos);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "book")) files += entry.path().string().ends_with(".lzx");
  EXPECT_EQ(files, 2 * 7 + 2u);  // full and templates of this version and the one before, two patches
  EXPECT_EQ(unpacked(read(book->find(options.name.guid + "-data-5.lzx")->path)), read(folder / "book" / "details"));
}

}  // namespace
}  // namespace mapigate::directory::oab
