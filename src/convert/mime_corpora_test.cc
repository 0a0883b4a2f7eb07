// Messages and expectations that others wrote, outside the repository.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "convert/mime_message.h"
#include "convert/rtf.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

std::filesystem::path corpora() {
  if (const char* given = std::getenv("MAPIGATE_CORPORA")) return given;
  return std::filesystem::path(__FILE__).parent_path() / "../../../shared/corpora";
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return std::move(out).str();
}

// Paths of the files of one kind, from the index.
std::vector<std::filesystem::path> files_of_kind(std::string_view kind) {
  std::vector<std::filesystem::path> out;
  std::ifstream index(corpora() / "INDEX.tsv");
  for (std::string line; std::getline(index, line);) {
    std::istringstream cells(line);
    std::string source;
    std::string path;
    std::string its_kind;
    std::getline(cells, source, '\t');
    std::getline(cells, path, '\t');
    std::getline(cells, its_kind, '\t');
    if (its_kind == kind) out.push_back(corpora() / path);
  }
  return out;
}

void take_all(const MimeMessage& message, unsigned depth, unsigned& embedded) {
  EXPECT_EQ(message.text().find('\0'), std::string::npos);
  EXPECT_FALSE(message.html().empty() && message.native_body() == NativeBody::text);
  EXPECT_TRUE(decompress_rtf(message.rtf_compressed()));
  for (std::size_t i = 0; i < message.attachments().size(); ++i) {
    const auto data = message.attachment_data(i);
    ASSERT_TRUE(data);
    EXPECT_EQ(data->size(), *message.attachment_size(i));
    EXPECT_FALSE(message.attachments()[i].properties.string(PidTagAttachLongFilename).empty());
    if (message.attachments()[i].kind != Attachment::Kind::embedded) continue;
    const auto inner = message.embedded(i);
    ASSERT_TRUE(inner);
    ++embedded;
    if (depth < 20) take_all(**inner, depth + 1, embedded);
  }
}

TEST(MimeCorpora, EveryMessageCanBeTaken) {
  const auto files = files_of_kind("eml");
  if (files.empty()) GTEST_SKIP() << "no corpora at " << corpora() << " (set MAPIGATE_CORPORA)";
  unsigned embedded = 0;
  for (const auto& path : files) {
    SCOPED_TRACE(path.string());
    const auto message = MimeMessage::parse(ByteSource::from_string(read_file(path)));
    ASSERT_TRUE(message);
    take_all(**message, 0, embedded);
  }
  EXPECT_GT(files.size(), 100u);
  EXPECT_GT(embedded, 10u);
}

// The text of the first field called `name` of a part.
const nlohmann::json* field_of(const nlohmann::json& part, const char* name) {
  for (const auto& header : part["headers"])
    if (header["name"] == name) return &header["value"];
  return nullptr;
}

std::string attribute(const nlohmann::json* field, const char* name) {
  if (field == nullptr || !field->is_object() || !field->contains("ContentType")) return {};
  const auto& attributes = (*field)["ContentType"]["attributes"];
  if (!attributes.is_array()) return {};
  for (const auto& entry : attributes)
    if (entry["name"] == name && entry["value"].is_string()) return entry["value"].get<std::string>();
  return {};
}

TEST(MimeCorpora, AgreesWithTheStalwartParser) {
  const auto files = files_of_kind("eml");
  if (files.empty()) GTEST_SKIP() << "no corpora at " << corpora() << " (set MAPIGATE_CORPORA)";
  unsigned subjects = 0;
  unsigned names = 0;
  for (const auto& path : files) {
    auto json_path = path;
    json_path.replace_extension(".json");
    if (path.string().find("stalwart") == std::string::npos || !std::filesystem::exists(json_path)) continue;
    SCOPED_TRACE(path.string());
    const auto expected = nlohmann::json::parse(read_file(json_path));
    const auto message = *MimeMessage::parse(ByteSource::from_string(read_file(path)));
    const auto& parts = expected["parts"];
    const auto* subject = field_of(parts[0], "subject");
    if (subject != nullptr && subject->is_object() && subject->contains("Text")) {
      EXPECT_EQ(message->properties().string(PidTagSubject), (*subject)["Text"].get<std::string>());
      ++subjects;
    }
    if (message->properties().string(PidTagMessageClass).find("SMIME") != std::string::npos) continue;
    for (const auto& number : expected["attachments"]) {
      const auto& part = parts[number.get<std::size_t>()];
      auto name = attribute(field_of(part, "content_disposition"), "filename");
      if (name.empty()) name = attribute(field_of(part, "content_type"), "name");
      if (name.empty() || name.find_first_of("/\\:?*<>|\"") != name.npos) continue;
      bool found = false;
      for (const auto& attachment : message->attachments())
        found = found || attachment.properties.string(PidTagAttachLongFilename) == name;
      EXPECT_TRUE(found) << "attachment " << name;
      ++names;
    }
  }
  std::printf("%u subjects, %u attachment names compared\n", subjects, names);
  EXPECT_GT(subjects, 15u);
  EXPECT_GT(names, 5u);
}

TEST(MimeCorpora, DecompressesAnOutlookRtf) {
  const auto path = corpora() / "openchange-blobs/rtf_compressed1.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << " (set MAPIGATE_CORPORA)";
  const auto bytes = read_file(path);
  const auto rtf = decompress_rtf(as_view(bytes));
  ASSERT_TRUE(rtf) << rtf.error().message;
  EXPECT_TRUE(rtf->starts_with("{\\rtf1"));
  EXPECT_EQ(*decompress_rtf(compress_rtf(*rtf)), *rtf);
}

TEST(MimeCorpora, DeEncapsulatesForeignHtml) {
  const auto files = files_of_kind("rtf");
  if (files.empty()) GTEST_SKIP() << "no corpora at " << corpora() << " (set MAPIGATE_CORPORA)";
  for (const auto& path : files) {
    SCOPED_TRACE(path.string());
    const auto rtf = read_file(path);
    EXPECT_EQ(*decompress_rtf(compress_rtf(rtf)), rtf);
    if (rtf_content(rtf) != RtfContent::html) {
      EXPECT_FALSE(rtf_to_text(rtf).empty());
      continue;
    }
    EXPECT_NE(lower_ascii(*rtf_to_html(rtf)).find("<html"), std::string::npos);
  }
}

}  // namespace
}  // namespace mapigate::convert
