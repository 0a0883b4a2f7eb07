#include <gtest/gtest.h>

#include "reply.h"
#include "script.h"

namespace mapigate::sieve {
namespace {

using wire::ews::ExternalAudience;
using wire::ews::OofState;

std::vector<Line> lines_of(std::string_view stream, std::size_t piece = 1) {
  LineReader reader(1000);
  std::vector<Line> out;
  for (auto left = as_view(stream); !left.empty();) {
    auto used = reader.feed(left.first(std::min(piece, left.size())));
    if (!used) throw std::runtime_error(used.error().message);
    left = left.subspan(*used);
    if (reader.complete()) out.push_back(reader.take());
  }
  return out;
}

// The greeting of RFC 5804 1.8 as Pigeonhole gives it.
TEST(SieveReply, Greeting) {
  for (const std::size_t piece : {1, 3, 1000}) {
    const auto lines = lines_of("\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto vacation Include date\"\r\n"
                                "\"SASL\" \"plain LOGIN\"\r\n\"STARTTLS\"\r\nOK \"Dovecot ready.\"\r\n", piece);
    ASSERT_EQ(lines.size(), 5u);
    Capabilities capabilities;
    for (const auto& line : lines) capabilities.understood(line);
    EXPECT_TRUE(capabilities.starttls);
    EXPECT_TRUE(capabilities.has("include"));
    EXPECT_FALSE(capabilities.has("envelope"));
    EXPECT_EQ(capabilities.sasl, (std::vector<std::string>{"PLAIN", "LOGIN"}));
    EXPECT_TRUE(completion_of(lines[4])->ok());
  }
}

TEST(SieveReply, LiteralsAndCodes) {
  const auto lines = lines_of("{11}\r\nline \"1\"\r\n.\r\n\"a \\\"b\\\\\" ACTIVE\r\nNO (QUOTA/MAXSIZE) {3+}\r\nbig\r\n"
                              "OK (TAG \"a)b\") \"done\"\r\n{0}\r\n\r\n");
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0][0].text, "line \"1\"\r\n.");
  EXPECT_EQ(lines[1][0].text, "a \"b\\");
  EXPECT_EQ(lines[1][1].text, "ACTIVE");
  EXPECT_EQ(completion_of(lines[2])->code, "QUOTA/MAXSIZE");
  EXPECT_EQ(completion_of(lines[2])->text, "big");
  EXPECT_EQ(completion_of(lines[3])->code, "TAG \"a)b\"");
  EXPECT_EQ(lines[4][0].text, "");
  // A script that looks like a completion is none.
  EXPECT_FALSE(completion_of(lines_of("\"OK\" \"no\"\r\n")[0]));
}

TEST(SieveReply, HostileStreamsEnd) {
  for (const std::string& stream : {std::string("{99999999999999999999}\r\n"), std::string("{}\r\n"), std::string("{5\r\n"), std::string("{1001}\r\n"),
                                   std::string("{5}x"), std::string("\"a\r\n"), std::string("NO (a\r\n"), std::string("a\rb\r\n"),
                                   std::string(20'000, 'x'), std::string("{600}\r\n") + std::string(600, 'x') + " {600}\r\n"})
    EXPECT_THROW(lines_of(stream), std::runtime_error) << stream.substr(0, 40);
}

Plan plan_of(OofState state) {
  Plan plan;
  plan.remembered.settings.State = state;
  plan.remembered.settings.Audience = ExternalAudience::All;
  plan.remembered.settings.StartTime = 1709208000;  // 2024-02-29T12:00:00Z
  plan.remembered.settings.EndTime = 1709298000;    // 2024-03-01T13:00:00Z
  plan.remembered.settings.InternalReply = {"<p>Inside \"x\" ${y}\r\n.\r\n;</p>", "de"};
  plan.remembered.settings.ExternalReply = {"Outside, in plain text", ""};
  plan.addresses = {"alice@example.test", "a\"b\\c@example.test"};
  plan.internal_domains = {"example.test"};
  plan.remembered.previous = "my \"rules\"";
  return plan;
}

TEST(SieveScript, ReadsBackWhatWasSet) {
  for (const auto state : {OofState::Disabled, OofState::Enabled, OofState::Scheduled}) {
    const auto plan = plan_of(state);
    const auto read = read_script(make_script(plan));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->settings, plan.remembered.settings);
    EXPECT_EQ(read->previous, "my \"rules\"");
  }
  EXPECT_FALSE(read_script("keep;\r\n"));
  EXPECT_FALSE(read_script("# mapigate\r\n#mapigate-oof !!!\r\n"));
  EXPECT_FALSE(read_script("#mapigate-oof bm90IGpzb24=\r\n"));
}

TEST(SieveScript, SaysWhoIsAnsweredAndWhen) {
  const auto script = make_script(plan_of(OofState::Scheduled));
  EXPECT_NE(script.find("require [\"vacation\", \"envelope\", \"date\", \"relational\", \"include\"];"), std::string::npos);
  EXPECT_NE(script.find("envelope :domain :is \"from\" [\"example.test\"]"), std::string::npos);
  EXPECT_NE(script.find("currentdate :zone \"+0000\" :value \"ge\" \"time\" \"12:00:00\""), std::string::npos);
  EXPECT_NE(script.find(":addresses [\"alice@example.test\", \"a\\\"b\\\\c@example.test\"]"), std::string::npos);
  EXPECT_NE(script.find("include :personal :optional \"my \\\"rules\\\"\";"), std::string::npos);
  EXPECT_TRUE(calls(script, "vacation"));
  // Nothing of the texts stands there as it is.
  EXPECT_EQ(script.find("Inside"), std::string::npos);
  EXPECT_EQ(script.find("${"), std::string::npos);

  auto plan = plan_of(OofState::Enabled);
  plan.remembered.settings.Audience = ExternalAudience::Known;
  EXPECT_EQ(make_script(plan).find("else"), std::string::npos);
  plan.remembered.settings.InternalReply.Message = "<html><body> </body></html>";
  EXPECT_FALSE(calls(make_script(plan), "vacation"));
  EXPECT_FALSE(calls(make_script(plan_of(OofState::Disabled)), "vacation"));
}

TEST(SieveScript, WrapsWhereNothingCanBeIncluded) {
  auto plan = plan_of(OofState::Enabled);
  plan.can_include = false;
  plan.previous_text = "# mine\r\nrequire \"fileinto\";\r\n/* more */ require [\"copy\", \"a;b\"];\r\nfileinto \"x\";\r\n";
  const auto script = make_script(plan);
  EXPECT_LT(script.find("a;b"), script.find("if envelope"));
  EXPECT_LT(script.find("if envelope"), script.find("fileinto \"x\""));
  EXPECT_FALSE(calls(script, "include"));
}

TEST(SieveScript, FindsCommandsOnly) {
  EXPECT_TRUE(calls("require \"vacation\";\r\nVacation \"x\";", "vacation"));
  EXPECT_FALSE(calls("require \"vacation\"; # vacation\r\n/* vacation */ fileinto \"vacation\"; redirect :vacation text: # x\r\nvacation\r\n.\r\n;", "vacation"));
  EXPECT_TRUE(calls("fileinto text:\r\n..\r\nx\r\n.\r\n; vacation \"a\";", "vacation"));
  EXPECT_EQ(end_of_requires("if true {}"), 0u);
  EXPECT_EQ(end_of_requires("require \"a"), 0u);
}

}  // namespace
}  // namespace mapigate::sieve
