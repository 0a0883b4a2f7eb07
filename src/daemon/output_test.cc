#include "daemon/output.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "daemon/client_print.h"
#include "daemon/client_progress.h"
#include "mapi/properties.h"

namespace mapigate::daemon {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "mapigate-output-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

TEST(EscapeControls, LeavesTextAlone) {
  EXPECT_EQ(escape_controls("Grüße, 日本語 👍 ~"), "Grüße, 日本語 👍 ~");
}

TEST(EscapeControls, ShowsWhatATerminalObeys) {
  EXPECT_EQ(escape_controls("\x1b[31mred\x07\x7f"), "\\x1b[31mred\\x07\\x7f");
  EXPECT_EQ(escape_controls("\xc2\x9b" "2J"), "\\x9b2J");              // CSI as one C1 character
  EXPECT_EQ(escape_controls("a\xe2\x80\xae" "fdp.exe"), "a\\u{202e}fdp.exe");  // right-to-left override
  EXPECT_EQ(escape_controls("a\nb\tc"), "a\\x0ab\\x09c");
}

TEST(EscapeControls, BrokenUtf8IsEscapedByteByByte) {
  EXPECT_EQ(escape_controls("a\xff" "b\xc3"), "a\\xffb\\xc3");
  EXPECT_EQ(escape_controls("\xc0\xaf"), "\\xc0\\xaf");
}

TEST(EscapeControls, LinesKeepsLineBreaksOnly) {
  EXPECT_EQ(escape_controls("one\r\ntwo\n\tthree\rfour\x1b", true), "one\ntwo\n\tthree\\x0dfour\\x1b");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("Übung"), 5U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);  // e and a combining acute
}

TEST(Fit, PadsAndCutsToTheColumn) {
  EXPECT_EQ(fit("ab", 4), "ab  ");
  EXPECT_EQ(fit("ab", 4, true), "  ab");
  EXPECT_EQ(fit("abcdef", 4), "abc…");
  EXPECT_EQ(fit("日本語", 4), "日… ");  // a wide character is not halved
  for (std::size_t width = 0; width < 12; ++width) EXPECT_EQ(display_width(fit("日本語 text", width)), width);
}

TEST(Table, AlignsWideCharacters) {
  EXPECT_EQ(table({{"A"}, {"N", 5, true}, {"LAST"}}, {{"日本", "7", "x"}, {"b", "123", "y"}}),
            "A       N  LAST\n日本    7  x\nb     123  y\n");
}

TEST(ReadableSize, PicksTheUnit) {
  EXPECT_EQ(readable_size(0), "0 B");
  EXPECT_EQ(readable_size(1023), "1023 B");
  EXPECT_EQ(readable_size(1024), "1.0 KiB");
  EXPECT_EQ(readable_size(1536), "1.5 KiB");
  EXPECT_EQ(readable_size(23U << 20), "23 MiB");
  EXPECT_EQ(readable_size((1U << 20) - 1), "1.0 MiB");
}

TEST(SafeFileName, KeepsOrdinaryNames) {
  EXPECT_EQ(safe_file_name("Bericht Q3.pdf"), "Bericht Q3.pdf");
  EXPECT_EQ(safe_file_name("日本語.txt"), "日本語.txt");
}

TEST(SafeFileName, NeverLeavesTheFolder) {
  for (const auto* name : {"../../etc/passwd", "/etc/passwd", "..", ".", "", "...", "a/../../b", "..\\..\\x", "C:\\x",
                           ".bashrc", " .ssh/config", "\xc3", "a\0b"}) {
    const auto safe = safe_file_name(name);
    EXPECT_FALSE(safe.empty()) << name;
    EXPECT_EQ(safe.find_first_of("/\\:"), std::string::npos) << name;
    EXPECT_NE(safe.front(), '.') << name;
    EXPECT_EQ(fs::path(safe).filename().string(), safe) << name;
  }
  EXPECT_EQ(safe_file_name("../../etc/passwd"), "_.._etc_passwd");
  EXPECT_EQ(safe_file_name("invoice\xe2\x80\xaeXSL.exe\n"), "invoice_XSL.exe_");
}

TEST(SafeFileName, AvoidsReservedNames) {
  EXPECT_EQ(safe_file_name("CON"), "_CON");
  EXPECT_EQ(safe_file_name("nul.txt"), "_nul.txt");
  EXPECT_EQ(safe_file_name("com1.log"), "_com1.log");
  EXPECT_EQ(safe_file_name("console.txt"), "console.txt");
}

TEST(SafeFileName, CutsLongNamesBeforeTheExtension) {
  std::string wide;
  for (int i = 0; i < 300; ++i) wide += "ü";
  const auto safe = safe_file_name(wide + ".pdf");
  EXPECT_LE(safe.size(), 200U);
  EXPECT_TRUE(safe.ends_with("ü.pdf"));
}

TEST(CreateNewFile, NeverOverwrites) {
  Folder folder;
  std::ofstream(folder.path + "/a.txt") << "mine";
  const auto file = create_new_file(folder.path, "a.txt");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->path, folder.path + "/a (2).txt");
  ASSERT_TRUE(write_all(file->descriptor, as_view("theirs")));
  close(file->descriptor);
  const auto mine = read_input(folder.path + "/a.txt", 100);
  ASSERT_TRUE(mine);
  EXPECT_EQ(as_text(*mine), "mine");
}

TEST(CreateNewFile, DoesNotFollowALink) {
  Folder folder, elsewhere;
  fs::create_symlink(elsewhere.path + "/target", folder.path + "/a.txt");  // dangling
  const auto file = create_new_file(folder.path, "a.txt");
  ASSERT_TRUE(file) << file.error().message;
  close(file->descriptor);
  EXPECT_EQ(file->path, folder.path + "/a (2).txt");
  EXPECT_FALSE(fs::exists(elsewhere.path + "/target"));
}

TEST(CreateNewFile, MakesTheFolder) {
  Folder folder;
  const auto file = create_new_file(folder.path + "/new/deep", "../x");
  ASSERT_TRUE(file) << file.error().message;
  close(file->descriptor);
  EXPECT_EQ(fs::path(file->path).parent_path(), folder.path + "/new/deep");
}

TEST(ReadInput, HasALimit) {
  Folder folder;
  std::ofstream(folder.path + "/x") << std::string(1000, 'x');
  EXPECT_TRUE(read_input(folder.path + "/x", 1000));
  const auto large = read_input(folder.path + "/x", 999);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::limit);
  EXPECT_EQ(read_input(folder.path + "/none", 999).error().code, Errc::not_found);
}

TEST(MessageName, IsReadAsItIsWritten) {
  const MessageName name{mapi::Id(1, 0x2a), mapi::Id(1, 0x3f)};
  const auto parsed = parse_message_name(to_string(name));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->folder, name.folder);
  EXPECT_EQ(parsed->message, name.message);
  for (const auto* bad : {"", "1-2a", "1-2a/", "/1-3f", "1-2a/x", "1-2a/1-3f/1-2", "10000-1/1-1", "1-1000000000000/1-1"})
    EXPECT_FALSE(parse_message_name(bad)) << bad;
}

TEST(FindPassword, TakesTheFirstLineOfTheFile) {
  Folder folder;
  std::ofstream(folder.path + "/p") << "p\xc3\xa4ss word\r\nsecond\n";
  const auto found = find_password(folder.path + "/p");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->reveal(), "p\xc3\xa4ss word");
  std::ofstream(folder.path + "/empty") << "\nx\n";
  EXPECT_FALSE(find_password(folder.path + "/empty"));
}

TEST(FindPassword, RemovesItFromTheEnvironment) {
  setenv("MAPIGATE_PASSWORD", "secret", 1);
  const auto found = find_password("");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->reveal(), "secret");
  EXPECT_EQ(std::getenv("MAPIGATE_PASSWORD"), nullptr);
}

TEST(MessageText, EscapesWhatTheSenderWrote) {
  ShownMessage shown;
  shown.name = {mapi::Id(1, 2), mapi::Id(1, 3)};
  shown.detail.properties.set_string(mapi::PidTagSubject, "hi\x1b]0;owned\x07");
  shown.detail.recipients.push_back({1, "Bob\nBcc: x", "bob@example.test"});
  shown.text = "body\x1b[2J\n";
  const auto text = message_text(shown);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("Subject:    hi\\x1b]0;owned\\x07\n"), std::string::npos) << text;
  EXPECT_NE(text.find("To:         Bob\\x0aBcc: x <bob@example.test>\n"), std::string::npos) << text;
}

TEST(MessageJson, HasTheFieldsOfTheManual) {
  ShownMessage shown;
  shown.name = {mapi::Id(1, 2), mapi::Id(1, 3)};
  shown.detail.properties.set_string(mapi::PidTagSubject, "\xff");  // broken UTF-8 must not end the program
  shown.detail.recipients.push_back({2, "C", "c@example.test"});
  shown.text = "t";
  const auto json = message_json(shown);
  EXPECT_NE(json.find("\"id\": \"1-2/1-3\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"received\": null"), std::string::npos) << json;
  EXPECT_NE(json.find("\"address\": \"c@example.test\""), std::string::npos) << json;
  EXPECT_EQ(json.find("\"html\""), std::string::npos) << json;
}

TEST(ProgressLine, SaysWhatIsDone) {
  ProgressLine line(false, false);
  line.begin("reading Inbox", ProgressLine::Unit::things);
  EXPECT_EQ(line.text(1), "reading Inbox, 1 s");
  EXPECT_NE(line.text(7).find("for the first time"), std::string::npos);
  line.update(400, 2400);
  EXPECT_EQ(line.text(12), "reading Inbox: 400 of 2400 messages, 12 s");
  line.begin("saving a\nb", ProgressLine::Unit::bytes);
  line.update(1024, 2048);
  EXPECT_EQ(line.text(0), "saving a\\x0ab: 1.0 KiB of 2.0 KiB, 0 s");
}

}  // namespace
}  // namespace mapigate::daemon
