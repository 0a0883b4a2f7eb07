#include <gtest/gtest.h>

#include "reply.h"

namespace mapigate::smtp {
namespace {

TEST(SmtpReply, LinesBecomeAReply) {
  Reply reply;
  EXPECT_EQ(add_line(reply, "250-mail.example.test"), false);
  EXPECT_EQ(add_line(reply, "250-SIZE 1000"), false);
  EXPECT_EQ(add_line(reply, "250 DSN"), true);
  EXPECT_TRUE(reply.ok());
  EXPECT_EQ(reply.lines.size(), 3u);
  Reply other;
  EXPECT_EQ(add_line(other, "550-5.1.1 <x@y>: no such user"), false);
  EXPECT_FALSE(add_line(other, "551 another code"));
  EXPECT_EQ(other.status(), "5.1.1");
  for (const char* line : {"", "25", "abc hello", "250+x", "999 x", "100 x"}) {
    Reply none;
    EXPECT_FALSE(add_line(none, line)) << line;
  }
  Reply bare;
  EXPECT_EQ(add_line(bare, "450"), true);
  EXPECT_TRUE(bare.later());
  EXPECT_EQ(bare.status(), "4.0.0");
}

TEST(SmtpData, DotsAndLineEnds) {
  EXPECT_EQ(dot_stuffed(".\r\n..x\nno end"), "..\r\n...x\r\nno end\r\n");
  EXPECT_EQ(dot_stuffed("a\r\n.b\r\n"), "a\r\n..b\r\n");
  EXPECT_EQ(dot_stuffed("a.b\rc"), "a.b\r\nc\r\n");
  EXPECT_EQ(dot_stuffed(""), "");
}

}  // namespace
}  // namespace mapigate::smtp
