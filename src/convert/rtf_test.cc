#include "convert/rtf.h"

#include <gtest/gtest.h>

#include "convert/html_text.h"

namespace mapigate::convert {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out));
  return out;
}

// [MS-OXRTFCP] 4.1.1 and 4.1.2.
constexpr std::string_view hello = "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n";
constexpr std::string_view hello_hex =
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0";
constexpr std::string_view crossing = "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}";
constexpr std::string_view crossing_hex = "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0";

TEST(RtfCompression, DecompressesTheSpecificationsExamples) {
  const auto first = decompress_rtf(hex(hello_hex));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(*first, hello);
  const auto second = decompress_rtf(hex(crossing_hex));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(*second, crossing);
}

TEST(RtfCompression, CompressesTheExamplesToTheSameBytes) {
  EXPECT_EQ(to_hex(compress_rtf(hello)), hello_hex);
  EXPECT_EQ(to_hex(compress_rtf(crossing)), crossing_hex);
}

TEST(RtfCompression, RoundTrips) {
  std::string text = "{\\rtf1 ";
  unsigned seed = 7;
  for (int i = 0; i < 40000; ++i) {
    seed = seed * 1103515245 + 12345;
    text += static_cast<char>(seed >> 16 & (i % 3 == 0 ? 0x3 : 0xFF));
  }
  for (const auto& sample : {std::string(), std::string("a"), std::string(20000, 'x'), text}) {
    for (const bool stored : {false, true}) {
      const auto back = decompress_rtf(compress_rtf(sample, stored));
      ASSERT_TRUE(back) << back.error().message;
      EXPECT_EQ(*back, sample);
    }
  }
  EXPECT_LT(compress_rtf(std::string(20000, 'x')).size(), 3000u);
}

TEST(RtfCompression, RefusesDamage) {
  auto bytes = hex(hello_hex);
  bytes[20] ^= 1;
  EXPECT_EQ(decompress_rtf(bytes).error().code, Errc::malformed);
  bytes = hex(hello_hex);
  bytes[0] = 0xFF;
  EXPECT_EQ(decompress_rtf(bytes).error().code, Errc::malformed);
  bytes = hex(hello_hex);
  bytes[8] = 'X';
  EXPECT_EQ(decompress_rtf(bytes).error().code, Errc::malformed);
  EXPECT_EQ(decompress_rtf(hex(hello_hex), 10).error().code, Errc::limit);
  EXPECT_EQ(decompress_rtf({}).error().code, Errc::malformed);
}

TEST(RtfEncapsulation, HtmlComesBackAsItWas) {
  for (const std::string html :
       {"<html><head><title>t{}\\</title><style>p { color: red }</style></head>\r\n"
        "<body><p class=\"a\">Gr\xC3\xBC\xC3\x9F"
        "e &amp; &nbsp;<b>bold</b> {x}\\y<br>\r\n\xF0\x9F\x98\x80</p></body></html>\r\n",
        "just text", "a<!-- c -->b", "1 < 2 && 3 &unknown; 4"}) {
    const auto rtf = html_to_rtf(html);
    EXPECT_EQ(rtf_content(rtf), RtfContent::html);
    const auto back = rtf_to_html(rtf);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, html);
  }
}

TEST(RtfEncapsulation, TextComesBackAsItWas) {
  const std::string text = "Line {one}\r\n\tTwo \\ \xE2\x82\xAC\r\n";
  const auto rtf = text_to_rtf(text);
  EXPECT_EQ(rtf_content(rtf), RtfContent::text);
  EXPECT_EQ(rtf_to_text(rtf), text);
  EXPECT_EQ(rtf_to_html(rtf).error().code, Errc::not_found);
}

TEST(RtfReader, ReadsForeignDocuments) {
  EXPECT_EQ(rtf_to_text("{\\rtf1\\ansi\\ansicpg1251{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset161 Greek;}}\\f0 "
                        "\\'cf\\f1\\'e1\\f0\\par x}"),
            "Пα\r\nx");
  EXPECT_EQ(rtf_to_text("{\\rtf1{\\*\\generator X;}a\\u8364?b\\uc0\\u228 c{\\pict 00ff}\\bin3 }{}d}"),
            "a€bäcd");
  EXPECT_EQ(*rtf_to_html("{\\rtf1\\ansi\\fromhtml1{\\*\\htmltag64 <p>}\\htmlrtf\\b\\htmlrtf0 a\\htmlrtf "
                         "hidden\\htmlrtf0{\\*\\htmltag84 &lt;}"
                         "{\\*\\mhtmltag84 no}{\\*\\htmltag72 </p>}}"),
            "<p>a&lt;</p>");
  EXPECT_EQ(rtf_to_text(std::string(100000, '{')), "");
  EXPECT_EQ(rtf_to_text("}}}\\"), "");
}

TEST(RtfMarkup, LooksLikeTheDocument) {
  const auto body = [](const std::string& rtf) {
    const auto html = rtf_to_markup(rtf);
    const auto begin = html.find("<body>\r\n") + 8;
    return html.substr(begin, html.find("</body>") - begin);
  };
  EXPECT_EQ(body("{\\rtf1\\ansi a {\\b bold\\i  both} <c>\\par\\par x\\line y}"),
            "<p style=\"margin:0\">a <b>bold</b><b><i> both</i></b> &lt;c&gt;</p>\r\n<p style=\"margin:0\">&nbsp;</p>\r\n"
            "<p style=\"margin:0\">x<br>\r\ny</p>\r\n");
  EXPECT_EQ(body("{\\rtf1{\\colortbl;\\red255\\green0\\blue16;}\\qc\\fs25\\cf1 r\\plain\\'e4}"),
            "<p style=\"margin:0;text-align:center\"><span style=\"font-size:12.5pt;color:#ff0010;\">r</span>ä</p>\r\n");
  EXPECT_EQ(body("{\\rtf1{\\field{\\*\\fldinst{HYPERLINK \"https://x/?a&b\"}}{\\fldrslt{\\ul here}}}.}"),
            "<p style=\"margin:0\"><a href=\"https://x/?a&amp;b\"><u>here</u></a>.</p>\r\n");
  EXPECT_EQ(body("{\\rtf1{\\field{\\*\\fldinst{HYPERLINK \"javascript:x\"}}{\\fldrslt here}}}"), "<p style=\"margin:0\">here</p>\r\n");
  EXPECT_EQ(body("{\\rtf1{\\field{\\*\\fldinst HYPERLINK \"http://x\"}{\\fldrslt cut off"),
            "<p style=\"margin:0\"><a href=\"http://x\">cut off</a></p>\r\n");
  EXPECT_EQ(body(std::string(100000, '{')), "");
  EXPECT_EQ(body("}}\\cf7 x"), "");
}

TEST(HtmlToText, KeepsStructure) {
  EXPECT_EQ(html_to_text("<p>One</p><p>Two<br>Three</p>"), "One\r\n\r\nTwo\r\nThree\r\n");
  EXPECT_EQ(html_to_text("<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li></ul>"),
            "* a\r\n* b\r\n  1. c\r\n  2. d\r\n");
  EXPECT_EQ(html_to_text("<table><tr><td>1</td><td>2</td></tr><tr><th>3</th><th>4</th></tr></table>"),
            "1\t2\r\n3\t4\r\n");
  EXPECT_EQ(html_to_text("see <a href=\"https://x.example/a?b=1&amp;c=2\">here</a>."),
            "see here <https://x.example/a?b=1&c=2>.\r\n");
  EXPECT_EQ(html_to_text("<a href=\"mailto:a@b.example\">a@b.example</a>"), "a@b.example\r\n");
  EXPECT_EQ(html_to_text("<pre>a  b\n  c</pre>"), "a  b\r\n  c\r\n");
  EXPECT_EQ(html_to_text("  a \n\t b  "), "a b\r\n");
}

TEST(HtmlToText, DropsWhatIsNotShown) {
  EXPECT_EQ(
      html_to_text("<head><title>t</title></head><style>x</style><script>if (a<b) </script>text<!-- no -->"),
      "text\r\n");
  EXPECT_EQ(html_to_text("<head><meta><body>x"), "x\r\n");
  EXPECT_EQ(html_to_text("<script>never closed"), "");
  EXPECT_EQ(html_to_text(""), "");
}

TEST(HtmlToText, ResolvesReferences) {
  EXPECT_EQ(html_to_text("&lt;&amp;&euro;&#228;&#xE4;&#150;&bogus;&copy 1 &nbsp;x"),
            "<&€ää–&bogus;© 1  x\r\n");
  EXPECT_EQ(html_to_text("1 < 2 <3"), "1 < 2 <3\r\n");
}

TEST(TextToHtml, EscapesAndLinks) {
  EXPECT_EQ(text_to_html_fragment("a<b> & \"c\"\r\n  two"),
            "a&lt;b&gt; &amp; &quot;c&quot;<br>\r\n&nbsp; two");
  EXPECT_EQ(text_to_html_fragment("go https://x.example/?a&b."),
            "go <a href=\"https://x.example/?a&amp;b\">https://x.example/?a&amp;b</a>.");
  EXPECT_EQ(html_to_text(text_to_html("Hello\r\n\r\nWorld")), "Hello\r\n\r\nWorld\r\n");
}

}  // namespace
}  // namespace mapigate::convert
