// .msg and TNEF files that others wrote, against what others read in them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "convert/msg.h"
#include "convert/rtf.h"
#include "convert/tnef.h"
#include "wire/blobs/blob.h"
#include "wire/blobs/recurrence.h"
#include "wire/dump.h"
#include "wire/test_corpora.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

using Texts = std::map<std::string, std::string>;
// Property values as text, by names that do not depend on ids.
Texts texts(const MessageObject& message, const PropertyBag& bag) {
  Texts out;
  for (const auto& [tag, value] : bag) {
    if (tag.type() == PropertyType::PtypObject || tag.id() == PidTagAttachDataBinary.id()) continue;
    auto name = to_string(tag);
    if (tag.named()) {
      const auto known = message.names.find(tag.id());
      if (known == message.names.end()) continue;
      const auto& n = known->second;
      name = fmt::format("{}:{}:{}", to_string(n.set), n.lid ? std::to_string(*n.lid) : n.name, static_cast<unsigned>(tag.type()));
    }
    wire::TextSink sink(std::size_t{1} << 30);
    wire::FieldDescriber describer(sink, message.code_page);
    describer.value("value", value, tag.type());
    out[name] = sink.take();
  }
  return out;
}

// All that `before` holds is in `after`.
void expect_kept(const MessageObject& before, const PropertyBag& a, const MessageObject& after, const PropertyBag& b, const std::string& where) {
  const auto kept = texts(after, b);
  for (const auto& [name, text] : texts(before, a)) {
    const auto found = kept.find(name);
    ASSERT_NE(found, kept.end()) << where << ": " << name << " is lost";
    EXPECT_EQ(found->second, text) << where << ": " << name;
  }
}
void expect_kept(const MessageObject& before, const MessageObject& after, const std::string& where) {
  expect_kept(before, before.properties, after, after.properties, where);
  ASSERT_EQ(before.recipients.size(), after.recipients.size()) << where;
  for (std::size_t i = 0; i < before.recipients.size(); ++i) expect_kept(before, before.recipients[i], after, after.recipients[i], where);
  ASSERT_EQ(before.attachments.size(), after.attachments.size()) << where;
  for (std::size_t i = 0; i < before.attachments.size(); ++i) {
    const auto &a = before.attachments[i], &b = after.attachments[i];
    expect_kept(before, a.properties, after, b.properties, where);
    EXPECT_TRUE(equal(a.properties.binary(PidTagAttachDataBinary), b.properties.binary(PidTagAttachDataBinary))) << where;
    ASSERT_EQ(a.embedded != nullptr, b.embedded != nullptr) << where;
    if (a.embedded) expect_kept(*a.embedded, *b.embedded, where);
  }
}
// As TNEF and back.
void expect_survives_tnef(const MessageObject& message, const std::string& where) {
  const auto bytes = write_tnef(message);
  ASSERT_TRUE(bytes) << where << ": " << bytes.error().message;
  const auto read = read_tnef(*bytes);
  ASSERT_TRUE(read) << where << ": " << read.error().message;
  EXPECT_EQ(read->problem, "") << where;
  EXPECT_EQ(read->bad_checksums, 0u) << where;
  expect_kept(message, read->message, where);
}

bool is_compound(View bytes) {
  static constexpr std::uint8_t magic[]{0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1};
  return bytes.size() > 8 && equal(bytes.first(8), magic);
}

TEST(ObjectCorpora, MsgFilesOpen) {
  const auto folder = test::corpora();
  if (!folder) GTEST_SKIP() << "no corpora here: $MAPIGATE_CORPORA, or ../shared/corpora";
  std::size_t all = 0, good = 0, whole = 0;
  for (const auto& file : files_below(*folder)) {
    if (file.extension() != ".msg") continue;
    const auto bytes = test::read_file(file);
    if (!is_compound(bytes)) continue;  // mail with the same extension
    ++all;
    const auto where = file.filename().string();
    const auto read = read_msg(bytes);
    // A fuzzer's find: a compound file without a message in it.
    if (where.starts_with("clusterfuzz-")) {
      EXPECT_TRUE(read || read.error().code == Errc::malformed) << where;
      ++good;
      continue;
    }
    EXPECT_TRUE(read) << where << ": " << read.error().message;
    if (!read) continue;
    EXPECT_FALSE(read->message.string(PidTagMessageClass).empty()) << where;
    for (const auto& problem : read->problems) std::printf("%s: %s\n", where.c_str(), problem.c_str());
    ++good;
    whole += read->problems.empty();
    expect_survives_tnef(read->message, where);
  }
  EXPECT_GT(all, 60u);
  test::report_corpus(".msg files", good, all, fmt::format("open, {} of them without a missing stream, and survive TNEF", whole));
}

std::string text(const nlohmann::json& object, const char* name) {
  return object.contains(name) && object[name].is_string() ? object[name].get<std::string>() : std::string();
}

void compare_recurrence(const nlohmann::json& expected, const MessageObject& message, const std::string& where, std::size_t& compared) {
  const auto* blob = message.find(PropertyName{PSETID_Appointment, 0x8216, {}});
  ASSERT_NE(blob, nullptr) << where;
  Arena arena;
  const auto decoded = wire::blobs::decode_blob<wire::blobs::AppointmentRecurrencePattern>(*blob->get<View>(), arena);
  ASSERT_TRUE(decoded) << where << ": " << decoded.error().message;
  EXPECT_EQ(wire::blobs::encode_blob(decoded->value, decoded->rest).value(), to_bytes(*blob->get<View>())) << where;
  const auto& r = decoded->value.RecurrencePattern;
  const auto& e = expected["recurrencePattern"];
  const std::pair<const char*, std::uint64_t> numbers[] = {
      {"recurFrequency", r.RecurFrequency}, {"patternType", r.PatternType}, {"calendarType", r.CalendarType},
      {"firstDateTime", r.FirstDateTime}, {"period", r.Period}, {"endType", r.EndType},
      {"occurrenceCount", r.OccurrenceCount}, {"firstDOW", r.FirstDOW}, {"startDate", r.StartDate}, {"endDate", r.EndDate}};
  for (const auto& [name, value] : numbers) {
    EXPECT_EQ(e[name].get<std::uint64_t>(), value) << where << ": " << name;
    ++compared;
  }
  EXPECT_EQ(e["deletedInstanceDates"].size(), r.DeletedInstanceDates.size()) << where;
  EXPECT_EQ(e["modifiedInstanceDates"].size(), r.ModifiedInstanceDates.size()) << where;
  EXPECT_EQ(expected["startTimeOffset"].get<std::uint64_t>(), decoded->value.StartTimeOffset) << where;
  EXPECT_EQ(expected["endTimeOffset"].get<std::uint64_t>(), decoded->value.EndTimeOffset) << where;
  EXPECT_EQ(expected["exceptionInfo"].size(), decoded->value.ExceptionInfo.size()) << where;
  compared += 5;
}

void compare(const nlohmann::json& expected, const MessageObject& message, const std::string& where, std::size_t& compared) {
  const std::pair<const char*, PropertyTag> strings[] = {
      {"subject", PidTagSubject}, {"messageClass", PidTagMessageClass}, {"body", PidTagBody}, {"senderName", PidTagSenderName},
      {"senderEmail", PidTagSenderEmailAddress}, {"normalizedSubject", PidTagNormalizedSubject}};
  for (const auto& [name, tag] : strings) {
    if (!expected.contains(name)) continue;
    EXPECT_EQ(text(expected, name), message.string(tag)) << where << ": " << name;
    ++compared;
  }
  if (expected.contains("recipients")) {
    std::multiset<std::string> theirs, ours;
    for (const auto& recipient : expected["recipients"]) theirs.insert(text(recipient, "name"));
    for (const auto& recipient : message.recipients) {
      const auto* value = recipient.find(PidTagDisplayName.with(PropertyType::PtypUnspecified));
      ours.insert(value == nullptr ? std::string() : text_of(*value, message.code_page));
    }
    EXPECT_EQ(theirs, ours) << where;
    compared += ours.size();
  }
  if (expected.contains("attachments")) {
    std::multiset<std::string> theirs, ours;
    for (const auto& attachment : expected["attachments"])
      if (!attachment.contains("innerMsgContent") || !attachment["innerMsgContent"].get<bool>()) theirs.insert(text(attachment, "fileName"));
    for (const auto& attachment : message.attachments)
      if (!attachment.embedded) ours.insert(attachment.name(message.code_page));
    EXPECT_EQ(theirs, ours) << where;
    EXPECT_EQ(expected["attachments"].size(), message.attachments.size()) << where;
    compared += ours.size();
  }
  if (expected.contains("apptRecur")) compare_recurrence(expected["apptRecur"], message, where, compared);
}

TEST(ObjectCorpora, MsgFilesAgreeWithMsgreader) {
  const auto folder = test::corpora();
  if (!folder) GTEST_SKIP() << "no corpora here: $MAPIGATE_CORPORA, or ../shared/corpora";
  std::size_t all = 0, compared = 0;
  for (const auto& file : files_below(*folder / "hiraoka-msgreader")) {
    auto json = file;
    json.replace_extension(".json");
    if (file.extension() != ".msg" || !std::filesystem::exists(json)) continue;
    const auto raw = test::read_file(json);
    const auto expected = nlohmann::json::parse(raw.begin(), raw.end(), nullptr, false);
    ASSERT_FALSE(expected.is_discarded()) << json;
    const auto read = read_msg(test::read_file(file));
    ASSERT_TRUE(read) << file;
    compare(expected, read->message, file.filename().string(), compared);
    if (std::filesystem::exists(std::filesystem::path(file).replace_extension(".rtf"))) {
      const auto rtf = decompress_rtf(read->message.properties.binary(PidTagRtfCompressed));
      ASSERT_TRUE(rtf) << file;
      auto theirs = test::read_file(std::filesystem::path(file).replace_extension(".rtf"));
      auto ours = to_bytes(as_view(*rtf));
      for (auto* one : {&theirs, &ours}) std::erase(*one, '\r'), std::erase(*one, '\0');
      EXPECT_EQ(as_text(ours), as_text(theirs)) << file;
      ++compared;
    }
    ++all;
  }
  EXPECT_GT(all, 20u);
  test::report_corpus("hiraoka-msgreader", all, all, fmt::format("{} values agree with its JSON", compared));
}

bool is_tnef(View bytes) {
  static constexpr std::uint8_t magic[]{0x78, 0x9F, 0x3E, 0x22};
  return bytes.size() >= 4 && equal(bytes.first(4), magic);
}

std::string without_cr(std::string_view text) {
  std::string out(text);
  std::erase(out, '\r');
  return out;
}

// What mimekit's tests expect a TNEF to hold: names one a line, bodies in files beside.
void compare_with_list(const std::filesystem::path& file, const MessageObject& message) {
  auto list = file;
  list.replace_extension(".list");
  if (std::filesystem::exists(list)) {
    std::multiset<std::string> names;
    for (const auto& attachment : message.attachments) names.insert(attachment.name(message.code_page));
    std::istringstream lines{std::string(as_text(test::read_file(list)))};
    for (std::string name; std::getline(lines, name);) {
      if (!name.empty() && name.back() == '\r') name.pop_back();
      if (name.empty() || name == "body.rtf" || name == "body.html") continue;
      EXPECT_TRUE(names.contains(name)) << file << ": no attachment " << name;
    }
  }
  const auto bodies = file.parent_path() / file.stem();
  if (std::filesystem::exists(bodies / "message.rtf")) {
    const auto rtf = decompress_rtf(message.properties.binary(PidTagRtfCompressed));
    ASSERT_TRUE(rtf) << file;
    EXPECT_EQ(without_cr(*rtf), without_cr(as_text(test::read_file(bodies / "message.rtf")))) << file;
  }
  if (std::filesystem::exists(bodies / "message.html")) {
    EXPECT_EQ(without_cr(html_of(message)), without_cr(as_text(test::read_file(bodies / "message.html")))) << file;
  }
}

TEST(ObjectCorpora, TnefFilesOpen) {
  const auto folder = test::corpora();
  if (!folder) GTEST_SKIP() << "no corpora here: $MAPIGATE_CORPORA, or ../shared/corpora";
  // Their own suites have them because they break off.
  const std::set<std::string> broken{"ytnef-oob-TNEFVersion-SwapWord", "oom.tnef"};
  std::size_t all = 0, good = 0, whole = 0;
  for (const auto& file : files_below(*folder)) {
    if (file.string().find("LICENCES") != std::string::npos) continue;
    auto bytes = test::read_file(file);
    if (file.filename() == "TnefMeetingRequest.txt") {
      Bytes decoded;
      ASSERT_TRUE(from_base64(as_text(bytes), decoded));
      bytes = decoded;
    }
    if (!is_tnef(bytes)) continue;
    ++all;
    const auto where = file.filename().string();
    const auto read = read_tnef(bytes);
    EXPECT_TRUE(read) << where << ": " << read.error().message;
    if (!read) continue;
    ++good;
    EXPECT_EQ(read->problem.empty(), !broken.contains(where)) << where << ": " << read->problem;
    whole += read->problem.empty();
    compare_with_list(file, read->message);
    expect_survives_tnef(read->message, where);
  }
  EXPECT_GE(all, 18u);
  test::report_corpus("TNEF files", good, all, fmt::format("open, {} of them to their end, and survive writing", whole));
}

}  // namespace
}  // namespace mapigate::convert
