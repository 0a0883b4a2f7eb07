// Blobs that others recorded, against what others read in them.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "wire/blobs/blob.h"
#include "wire/dump.h"
#include "wire/test_corpora.h"

namespace mapigate::wire::blobs {
namespace {

using Values = std::vector<std::set<std::string>>;  // of one name, in order; each in all spellings that count as equal
using Fields = std::map<std::string, Values>;

std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) out += static_cast<char>(std::tolower(c));
  return out;
}

// "07:16:34.571 PM 1/7/2018" as "2018-01-07T19:16:34"; empty when it is no time.
std::string iso_time(const std::string& text) {
  int hour = 0, minute = 0, second = 0, milli = 0, month = 0, day = 0, year = 0;
  char half[3] = "";
  if (std::sscanf(text.c_str(), "%d:%d:%d.%d %2s %d/%d/%d", &hour, &minute, &second, &milli, half, &month, &day, &year) != 8) return {};
  hour = hour % 12 + (half[0] == 'P' ? 12 : 0);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", year, month, day, hour, minute, second);
}

// The specifications' name of a field where MFCMAPI has another.
std::string common_name(std::string name) {
  static const std::map<std::string, std::string> names{
      {"aclrevision", "revision"}, {"extensionversion", "version"}, {"proptag", "propertytag"}};
  const auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

// Collects the values of all fields by name.
class Collector final : public FieldSink {
 public:
  Fields fields;
  void begin(const char*) override {}
  void end() override {}
  void begin_list(const char*, std::size_t) override {}
  void end_list() override {}
  void number(const char* name, std::uint64_t value, unsigned bytes) override {
    Bytes raw(bytes);
    std::memcpy(raw.data(), &value, bytes);
    add(name, {std::to_string(value), to_hex(raw)});
  }
  void boolean(const char* name, bool value) override { add(name, {value ? "1" : "0", value ? "true" : "false"}); }
  void real(const char* name, double value) override { add(name, {std::to_string(value)}); }
  void text(const char* name, std::string_view utf8) override {
    std::set<std::string> spellings{std::string(utf8), std::string(utf8.substr(0, 19))};
    if (!plain(utf8).empty()) spellings.insert(plain(utf8));
    add(name, spellings);
  }
  void bytes(const char* name, View value) override {
    if (std::string_view(name) == "Flags") return;  // of entry ids, which have another name there
    const auto text = as_text(value);
    std::set<std::string> spellings{to_hex(value)};
    if (!value.empty() && value[0] != 0) spellings.insert(std::string(text.substr(0, text.find('\0'))));
    add(name, spellings);
  }
  void symbol(const char* name, std::uint64_t value, unsigned bytes, std::string_view) override { number(name, value, bytes); }

 private:
  void add(std::string_view name, std::set<std::string> spellings) { fields[common_name(plain(name))].push_back(std::move(spellings)); }
};

// What MFCMAPI prints under another name than the specifications.
std::string our_name(std::string name) {
  static const std::map<std::string, std::string> names{
      {"providerguid", "provideruid"}, {"szdisplayname", "displayname"}, {"szaddresstype", "addresstype"},
      {"szemailaddress", "emailaddress"}, {"textualsid", "sid"}, {"propstring", "propertyvalue"},
      {"numberofnamedprops", "noofnamedprops"}, {"rt", "restricttype"}, {"proptag", "propertytag"},
      {"wdaylightdate", "wdaylightyear"}, {"szkeyname", "keyname"}, {"endtime", "endtime"},
      {"storeeidbytes", "storeeid"}, {"securityinformation", "securityinformation"}};
  const auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

std::set<std::string> spellings(std::string_view text) {
  std::set<std::string> out{std::string(trim(text))};
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(" = ", at), text.size());
    const auto part = std::string(trim(text.substr(at, end - at)));
    at = end + 3;
    out.insert(part);
    out.insert(plain(part));
    if (const auto time = iso_time(part); !time.empty()) out.insert(time);
    if (part == "SECURITY_NT_AUTHORITY") out.insert("000000000005");
    if (part == "SECURITY_WORLD_SID_AUTHORITY") out.insert("000000000001");
    if (part == "false") out.insert("0");
    if (part == "true") out.insert("1");
    if (part.starts_with("1: ")) out.insert(part.substr(3));
    if (part.starts_with("Err: ")) out.insert(std::to_string(std::strtoul(part.c_str() + 5, nullptr, 16)));
    char* stop = nullptr;
    if (!part.empty() && (std::isdigit(static_cast<unsigned char>(part[0])) != 0 || part[0] == '-')) {
      const auto number = std::strtoll(part.c_str(), &stop, 0);
      if (*stop == 0 || *stop == ' ' || *stop == '=') out.insert(std::to_string(number < 0 ? number & 0xFFFFFFFF : number));
    }
    if (const auto hex = part.find("lpb: "); hex != std::string::npos) out.insert(lower_ascii(part.substr(hex + 5)));
  }
  return out;
}

Fields expected_fields(std::string text) {
  Fields out;
  std::string last;
  std::size_t smart_view = std::string::npos;  // how deep the lines stand that interpret a value once more
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    at = end + 1;
    const auto depth = std::min(line.find_first_not_of("\t|"), line.size());
    const auto whole = trim(std::string_view(line).substr(depth));
    if (depth > smart_view) continue;
    smart_view = whole == "Smart View" ? depth : std::string::npos;
    if (whole.starts_with("Name: ") || whole.starts_with("Other Matches: ")) continue;
    if (whole.starts_with("cb:")) {
      if (!last.empty()) out[last].push_back(spellings(whole));
      last.clear();
      continue;
    }
    const auto equals = whole.find('='), colon = whole.find(':');
    const auto cut = std::min(equals, colon);
    auto name = std::string(whole.substr(0, cut));
    if (const auto index = name.find('['); index != std::string::npos) name.resize(index);
    last = our_name(plain(name));
    if (cut == std::string::npos) continue;
    out[last].push_back(spellings(trim(whole.substr(cut + 1))));
    last.clear();
  }
  return out;
}

bool same(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const auto& one) { return b.contains(one); });
}

std::string text_of_file(const std::filesystem::path& path) {
  const auto raw = test::read_file(path);
  if (raw.size() >= 2 && raw[0] == 0xFF && raw[1] == 0xFE) return to_utf8(Utf16{View(raw).subspan(2, (raw.size() - 2) / 2 * 2)});
  return std::string(as_text(raw));
}

// Which of our kinds the files of one kind of MFCMAPI are.
const std::map<std::string, std::string>& kinds() {
  static const std::map<std::string, std::string> kinds{
      {"ACECONTAINER", "ace"}, {"ACEMESSAGE", "ace"}, {"ACL", "acl"}, {"ADDITIONALRENENTRYIDSEX", "additional-ren-entry-ids-ex"},
      {"APPOINTMENTRECURRENCEPATTERN", "recurrence"}, {"CONVERSATIONINDEX", "conversation-index"}, {"ENCODEENTRYID", "entry-id"},
      {"ENTRYID", "entry-id"}, {"ENTRYLIST", "entry-list"}, {"EXTENDEDFOLDERFLAGS", "extended-folder-flags"},
      {"EXTENDEDRULEACTION", "extended-rule-actions"}, {"EXTENDEDRULECONDITION", "extended-rule-condition"},
      {"FBSECURITYDESCRIPTOR", "nt-security-descriptor"}, {"FLATENTRYLIST", "flat-entry-list"}, {"FOLDERUSERFIELDS", "folder-user-fields"},
      {"GLOBALOBJECTID", "global-object-id"}, {"NICKNAMECACHE", "nickname-cache"}, {"NTSD", "nt-security-descriptor"}, {"PCL", "pcl"},
      {"PROPERTIES", "properties"}, {"PROPERTYDEFINITIONSTREAM", "property-definition"}, {"RECIPIENTROWSTREAM", "recipient-rows"},
      {"RECURRENCEPATTERN", "task-recurrence"}, {"REPORTTAG", "report-tag"}, {"RESTRICTION", "stored-restriction"},
      {"RULECONDITION", "rule-condition"}, {"SEARCHFOLDERDEFINITION", "search-folder"}, {"SID", "sid"},
      {"SWAPPEDTODO", "swapped-to-do"}, {"TIMEZONE", "timezone-struct"}, {"TIMEZONEDEFINITION", "timezone"},
      {"TOMBSTONE", "tombstone"}, {"VERBSTREAM", "verb-stream"}, {"WEBVIEWPERSISTSTREAM", "web-view"}, {"XID", "xid"}};
  return kinds;
}

// Blobs that somebody damaged, and the field at which we say so.
const std::map<std::string, std::string>& broken_ones() {
  static const std::map<std::string, std::string> broken{
      {"ADDITIONALRENENTRYIDSEX-2", "ElementData"}, {"ADDITIONALRENENTRYIDSEX-4", "DataElementsSize"}, {"FLATENTRYLIST-2", "Size"},
      {"FOLDERUSERFIELDS-4", "FolderUserFieldAnsi"}, {"NICKNAMECACHE-4", "Rows"}, {"NTSD-4", "Reserved"}, {"NTSD-5", "Control"},
      {"PROPERTYDEFINITIONSTREAM-5", "Content"}, {"SEARCHFOLDERDEFINITION-6", "PropertyValue"}, {"SID-1", "Revision"},
      {"SID-4", "IdentifierAuthority"}, {"SID-5", "SubAuthority"}, {"TOMBSTONE-3", "Version"}, {"WEBVIEWPERSISTSTREAM-7", "lpData"}};
  return broken;
}

// Kind and field where MFCMAPI prints something else under the name, or interprets it differently.
const std::set<std::pair<std::string, std::string>>& read_differently() {
  static const std::set<std::pair<std::string, std::string>> differently{
      {"GLOBALOBJECTID", "bytearrayid"},            // a symbol for the constant
      {"GLOBALOBJECTID", "x"},                      // two halves
      {"PROPERTYDEFINITIONSTREAM", "length"},       // of the name within the first skip block too
      {"PROPERTYDEFINITIONSTREAM", "content"},      // the first as a name
      {"PROPERTYDEFINITIONSTREAM", "size"},
      {"ENTRYID-37", "provideruid"},               // an entry id of a type that it does not know either
      {"SWAPPEDTODO", "wszflagto"},                 // a dot for each unit that is zero
      {"REPORTTAG", "ansitext"}};                   // without its terminator
  return differently;
}

const std::set<std::string>& nothing_to_compare() {
  static const std::set<std::string> none{"ENCODEENTRYID-1", "ENTRYID-39", "FOLDERUSERFIELDS-3"};
  return none;
}

// MFCMAPI prints no line for empty texts and bytes.
Values without_empty(Values values) {
  std::erase_if(values, [](const auto& one) { return one.contains(""); });
  return values;
}

// Written with the terminators that its strings lack.
const std::set<std::string>& normalised() {
  static const std::set<std::string> those{"RESTRICTION-4"};
  return those;
}

std::string dump(const BlobKind& kind, View blob) {
  TextSink sink(1 << 20);
  EXPECT_TRUE(kind.tell(blob, sink, nullptr));
  return sink.take();
}

TEST(BlobCorpora, MfcmapiSmartView) {
  const auto folder = test::corpora();
  if (!folder) GTEST_SKIP() << "no corpora here: $MAPIGATE_CORPORA, or ../shared/corpora";
  std::size_t all = 0, good = 0, otherwise = 0, refused = 0, compared = 0;
  for (const auto& file : test::files_in(*folder / "mfcmapi-smartview" / "in")) {
    const auto stem = file.stem().string();
    const auto dash = stem.rfind('-');
    const auto type = stem.substr(0, dash);
    const auto known = kinds().find(type);
    ASSERT_NE(known, kinds().end()) << stem;
    const auto* kind = find_blob_kind(known->second);
    ASSERT_NE(kind, nullptr) << known->second;
    std::string digits;
    for (const auto c : text_of_file(file))
      if (std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
    Bytes blob;
    ASSERT_TRUE(from_hex(digits, blob)) << stem;
    const auto expected = expected_fields(text_of_file(*folder / "mfcmapi-smartview/expected" / (type + "-out-" + stem.substr(dash + 1) + ".dat")));
    ++all;
    std::size_t rest = 0;
    const auto again = kind->rewrite(blob, rest);
    const auto broken = broken_ones().find(stem);
    if (broken != broken_ones().end()) {
      ASSERT_FALSE(again) << stem;
      EXPECT_NE(again.error().message.find(broken->second), std::string::npos) << stem << ": " << again.error().message;
      ++refused;
    } else {
      ASSERT_TRUE(again) << stem << ": " << again.error().message;
      if (normalised().contains(stem)) {
        EXPECT_EQ(dump(*kind, *again), dump(*kind, blob)) << stem;
        ++otherwise;
      } else {
        EXPECT_EQ(to_hex(*again), to_hex(blob)) << stem;
      }
      good += *again == blob;
    }
    Collector collector;
    const auto told = kind->tell(blob, collector, nullptr);
    EXPECT_EQ(told.has_value(), again.has_value()) << stem;
    if (!again) continue;
    std::size_t here = 0;
    for (const auto& [name, values] : collector.fields) {
      const auto theirs = expected.find(name);
      if (theirs == expected.end() || read_differently().contains({type, name}) || read_differently().contains({stem, name})) continue;
      const auto mine = without_empty(values);
      EXPECT_EQ(mine.size(), theirs->second.size()) << stem << ": " << name;
      if (mine.size() != theirs->second.size()) continue;
      for (std::size_t i = 0; i < mine.size(); ++i, ++here)
        EXPECT_TRUE(same(mine[i], theirs->second[i]))
            << stem << ": " << name << " #" << i << " is " << *mine[i].begin() << ", MFCMAPI reads " << *theirs->second[i].rbegin();
    }
    EXPECT_TRUE(here != 0 || nothing_to_compare().contains(stem)) << stem;
    compared += here;
  }
  test::report_corpus("mfcmapi-smartview", good, all, fmt::format("same bytes, {} field values agree; {} normalised; {} broken and refused at the field that is", compared, otherwise, refused));
}

TEST(BlobCorpora, GromoxTimeZones) {
  const auto folder = test::corpora();
  if (!folder) GTEST_SKIP() << "no corpora here: $MAPIGATE_CORPORA, or ../shared/corpora";
  const auto* kind = find_blob_kind("timezone");
  std::size_t all = 0, good = 0;
  for (const auto& file : test::files_in(*folder / "gromox-tzd")) {
    const auto blob = test::read_file(file);
    std::size_t rest = 0;
    const auto again = kind->rewrite(blob, rest);
    ++all;
    ASSERT_TRUE(again) << file << ": " << again.error().message;
    EXPECT_EQ(*again, blob) << file;
    EXPECT_EQ(rest, 0u) << file;
    good += *again == blob && rest == 0;
  }
  EXPECT_GE(all, 90u);
  test::report_corpus("gromox-tzd", good, all, "same bytes, nothing left over");
}

}  // namespace
}  // namespace mapigate::wire::blobs
