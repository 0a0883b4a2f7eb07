// [MS-OXRTFEX] "De-Encapsulation", and the text of any RTF document.
#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "convert/html_parse.h"
#include "convert/html_text.h"
#include "convert/rtf.h"

namespace mapigate::convert {

namespace {

struct ControlWord {
  std::string_view name;
  bool has_parameter = false;
  int parameter = 0;
};

// Windows code page of a \fcharset (the CHARSET constants of RTF 1.9.1 "Font Table").
unsigned code_page_of_fcharset(int charset) {
  switch (charset) {
    case 128:
      return 932;
    case 129:
      return 949;
    case 134:
      return 936;
    case 136:
      return 950;
    case 161:
      return 1253;
    case 162:
      return 1254;
    case 163:
      return 1258;
    case 177:
      return 1255;
    case 178:
      return 1256;
    case 186:
      return 1257;
    case 204:
      return 1251;
    case 222:
      return 874;
    case 238:
      return 1250;
    default:
      return 0;
  }
}

bool is_skipped_destination(std::string_view name) {
  static constexpr std::string_view names[] = {
      "colortbl",          "stylesheet", "info",    "pict",     "object",    "header",  "footer",
      "headerl",           "headerr",    "footerl", "footerr",  "footnote",  "filetbl", "listtable",
      "listoverridetable", "revtbl",     "rsidtbl", "xmlnstbl", "themedata", "fldinst", "mhtmltag",
      "nonshppict"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

struct Symbol {
  std::string_view word;
  char32_t c;
};
constexpr Symbol symbols[] = {
    {"lquote", 0x2018}, {"rquote", 0x2019},  {"ldblquote", 0x201C}, {"rdblquote", 0x201D}, {"bullet", 0x2022},
    {"endash", 0x2013}, {"emdash", 0x2014},  {"emspace", 0x2003},   {"enspace", 0x2002},   {"zwj", 0x200D},
    {"zwnj", 0x200C},   {"ltrmark", 0x200E}, {"rtlmark", 0x200F}};

// How characters look, as far as HTML is made of it.
struct Look {
  bool bold = false, italic = false, underline = false, strike = false;
  int half_points = 0;     // 0: not said
  std::size_t color = 0;   // in \colortbl; 0: automatic
  bool operator==(const Look&) const = default;
};

// Only places that a reader of mail may follow.
bool is_link(std::string_view url) {
  const auto lower = lower_ascii(url.substr(0, 8));
  return lower.starts_with("http://") || lower.starts_with("https://") || lower.starts_with("mailto:") || lower.starts_with("ftp://");
}

class RtfReader {
 public:
  enum class Mode {
    text,    // what a reader sees
    html,    // the HTML that is encapsulated
    markup,  // HTML that looks like the document: paragraphs, characters and links
  };
  RtfReader(std::string_view rtf, Mode mode) : rtf_(rtf), html_(mode == Mode::html), markup_(mode == Mode::markup) {}

  std::string read() {
    states_.push_back({});
    while (at_ < rtf_.size() && !states_.empty()) {
      const char c = rtf_[at_++];
      switch (c) {
        case '{':
          open_group();
          break;
        case '}':
          close_group();
          break;
        case '\\':
          control();
          break;
        case '\r':
        case '\n':
        case '\0':
          break;
        default:
          byte(c);
      }
    }
    flush();
    while (!states_.empty() && markup_) {
      end_link();
      states_.pop_back();
    }
    if (in_paragraph_) end_paragraph();
    return std::move(out_);
  }

 private:
  struct State {
    bool skip = false;      // in a destination that shows nothing
    bool html_rtf = false;  // between \htmlrtf and \htmlrtf0
    bool html_tag = false;  // in \*\htmltag
    bool font_table = false;
    bool color_table = false;
    bool instruction = false;  // of a field
    bool link = false;         // its group ends a link
    unsigned fallback = 1;     // \uc
    unsigned code_page = 0;    // of the font; 0: the document's
    Look look;
    std::string_view align;
  };
  static constexpr std::size_t max_groups = 1000;

  State& state() { return states_.back(); }

  void open_group() {
    flush();
    if (states_.size() >= max_groups) {
      ++too_deep_;
      return;
    }
    states_.push_back(state());
    state().link = false;
    star_ = false;
    skip_fallback_ = 0;
  }
  void close_group() {
    flush();
    if (too_deep_ > 0) {
      --too_deep_;
      return;
    }
    end_link();
    if (states_.size() > 1)
      states_.pop_back();
    else
      at_ = rtf_.size();
    star_ = false;
    skip_fallback_ = 0;
  }

  bool shows() {
    const auto& now = state();
    if (now.skip || now.font_table || now.color_table || now.instruction || too_deep_ > 0) return false;
    return !(html_ && now.html_rtf && !now.html_tag);
  }
  // One character of the document's or the font's code page; multibyte ones come together in pending_.
  void byte(char c) {
    if (skip_fallback_ > 0) {
      --skip_fallback_;
      return;
    }
    if (shows()) pending_ += c;
    else if (state().color_table && c == ';' && colors_.size() < max_colors) colors_.push_back(std::exchange(color_, 0));
    else if (state().instruction && instruction_.size() < max_instruction) instruction_ += c;
  }
  void unicode(char32_t c) {
    flush();
    if (!shows()) return;
    std::string s;
    append_utf8(s, c);
    put(s);
  }
  void text(std::string_view s) {
    flush();
    if (shows()) put(s);
  }

  // --- HTML that is made

  void put(std::string_view utf8) {
    if (!markup_) {
      out_ += utf8;
      return;
    }
    if (full()) return;
    if (!in_paragraph_) {
      out_ += "<p style=\"margin:0" + std::string(state().align) + "\">";
      in_paragraph_ = true;
    }
    if (open_ != state().look) {
      close_look();
      open_look(state().look);
    }
    for (const char c : utf8) {
      if (c == '\t') out_ += "&nbsp;&nbsp;&nbsp; ";
      else if (c == ' ' && out_.ends_with(' ')) out_ += "&nbsp;";
      else if (c != '\r' && c != '\n') out_ += escape_html(std::string_view(&c, 1));
    }
  }
  void open_look(const Look& look) {
    open_ = look;
    if (look.half_points > 0 || (look.color > 0 && look.color < colors_.size())) {
      out_ += "<span style=\"";
      if (look.half_points > 0) out_ += "font-size:" + std::to_string(look.half_points / 2) + (look.half_points % 2 != 0 ? ".5pt;" : "pt;");
      if (look.color > 0 && look.color < colors_.size()) {
        constexpr std::string_view digits = "0123456789abcdef";
        out_ += "color:#";
        for (int shift = 20; shift >= 0; shift -= 4) out_ += digits[colors_[look.color] >> shift & 15];
        out_ += ';';
      }
      out_ += "\">";
      closing_ = "</span>";
    }
    const std::pair<bool, char> tags[] = {{look.bold, 'b'}, {look.italic, 'i'}, {look.underline, 'u'}, {look.strike, 's'}};
    for (const auto& [set, tag] : tags) {
      if (!set) continue;
      out_ += {'<', tag, '>'};
      closing_ = std::string{'<', '/', tag, '>'} + closing_;
    }
  }
  void close_look() {
    out_ += std::exchange(closing_, {});
    open_ = {};
  }
  bool full() const { return out_.size() > max_markup; }  // a little RTF can make much HTML
  void end_paragraph() {
    if (!in_paragraph_ && full()) return;
    if (!in_paragraph_) out_ += "<p style=\"margin:0\">&nbsp;";
    close_look();
    out_ += "</p>\r\n";
    in_paragraph_ = false;
  }
  void begin_link() {
    flush();
    const auto instruction = std::exchange(instruction_, {});
    const auto begin = instruction.find('"');
    const auto end = begin == instruction.npos ? begin : instruction.find('"', begin + 1);
    if (!markup_ || end == instruction.npos || lower_ascii(instruction).find("hyperlink") == instruction.npos || in_link_) return;
    const auto url = std::string_view(instruction).substr(begin + 1, end - begin - 1);
    if (!is_link(url)) return;
    put({});
    close_look();
    out_ += "<a href=\"" + escape_html(url) + "\">";
    state().link = in_link_ = true;
  }
  void end_link() {
    if (states_.empty() || !state().link) return;
    close_look();
    out_ += "</a>";
    state().link = in_link_ = false;
  }
  // Words that HTML is made of; false for others.
  bool look_word(const ControlWord& word) {
    const auto& name = word.name;
    const bool on = !word.has_parameter || word.parameter != 0;
    auto& look = state().look;
    const auto change = [&](auto& field, auto value) {
      flush();
      field = value;
      return true;
    };
    if (name == "b") return change(look.bold, on);
    if (name == "i") return change(look.italic, on);
    if (name == "ul") return change(look.underline, on);
    if (name == "ulnone") return change(look.underline, false);
    if (name == "strike") return change(look.strike, on);
    if (name == "fs") return change(look.half_points, std::clamp(word.parameter, 0, 400));
    if (name == "cf") return change(look.color, static_cast<std::size_t>(std::clamp(word.parameter, 0, 10000)));
    if (name == "qc") return change(state().align, std::string_view(";text-align:center"));
    if (name == "qr") return change(state().align, std::string_view(";text-align:right"));
    if (name == "ql" || name == "qj" || name == "pard") return change(state().align, std::string_view());
    const auto channel = [&](int shift) {
      if (state().color_table) color_ = (color_ & ~(0xFFu << shift)) | static_cast<unsigned>(std::clamp(word.parameter, 0, 255)) << shift;
      return true;
    };
    if (name == "red") return channel(16);
    if (name == "green") return channel(8);
    if (name == "blue") return channel(0);
    if (name == "fldrslt") return begin_link(), true;
    return false;
  }
  void flush() {
    if (pending_.empty()) return;
    const bool ascii = std::all_of(pending_.begin(), pending_.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    const auto page = state().code_page != 0 ? state().code_page : code_page_;
    put(ascii ? pending_ : from_code_page(pending_, page));
    pending_.clear();
    high_surrogate_ = 0;
  }

  void control() {
    if (at_ >= rtf_.size()) return;
    const char c = rtf_[at_];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter) {
      ++at_;
      return control_symbol(c);
    }
    ControlWord word;
    const auto start = at_;
    while (at_ < rtf_.size() &&
           ((rtf_[at_] >= 'a' && rtf_[at_] <= 'z') || (rtf_[at_] >= 'A' && rtf_[at_] <= 'Z')))
      ++at_;
    word.name = rtf_.substr(start, at_ - start);
    bool negative = false;
    if (at_ + 1 < rtf_.size() && rtf_[at_] == '-' && rtf_[at_ + 1] >= '0' && rtf_[at_ + 1] <= '9') {
      negative = true;
      ++at_;
    }
    while (at_ < rtf_.size() && rtf_[at_] >= '0' && rtf_[at_] <= '9') {
      word.has_parameter = true;
      if (word.parameter < 100000000) word.parameter = word.parameter * 10 + (rtf_[at_] - '0');
      ++at_;
    }
    if (negative) word.parameter = -word.parameter;
    if (at_ < rtf_.size() && rtf_[at_] == ' ') ++at_;
    control_word(word);
  }

  void control_symbol(char c) {
    switch (c) {
      case '\'': {
        const auto nibble = [](char x) {
          return x >= '0' && x <= '9'   ? x - '0'
                 : x >= 'a' && x <= 'f' ? x - 'a' + 10
                 : x >= 'A' && x <= 'F' ? x - 'A' + 10
                                        : -1;
        };
        if (at_ + 2 > rtf_.size() || nibble(rtf_[at_]) < 0 || nibble(rtf_[at_ + 1]) < 0) return;
        const auto value = static_cast<char>(nibble(rtf_[at_]) << 4 | nibble(rtf_[at_ + 1]));
        at_ += 2;
        return byte(value);
      }
      case '\\':
      case '{':
      case '}':
        return byte(c);
      case '*':
        star_ = true;
        return;
      case '~':
        return html_ && !state().html_tag ? text("&nbsp;") : unicode(0xA0);
      case '_':
        return html_ && !state().html_tag ? text("&#8209;") : unicode(0x2011);
      case '-':
        return html_ && !state().html_tag ? text("&shy;") : unicode(0xAD);
      case '\r':
      case '\n':
        return text("\r\n");
      default:
        return;
    }
  }

  void control_word(const ControlWord& word) {
    const auto& name = word.name;
    if (star_) {
      star_ = false;
      flush();
      if (name == "htmltag") {
        state().html_tag = html_;
        state().skip = state().skip || !html_;
      } else if (markup_ && name == "fldinst") {
        state().instruction = true;
        instruction_.clear();
      } else {
        state().skip = true;
      }
      return;
    }
    if (name == "u") return unicode_word(word.parameter);
    if (skip_fallback_ > 0) {
      --skip_fallback_;  // a control word counts as one character of the fallback
      return;
    }
    if (markup_ && (name == "par" || name == "sect" || name == "page" || name == "row")) {
      flush();
      if (shows()) end_paragraph();
      return;
    }
    if (markup_ && name == "line") {
      flush();
      if (!shows()) return;
      put({});
      out_ += "<br>\r\n";
      return;
    }
    if (markup_ && look_word(word)) return;
    if (name == "par" || name == "line" || name == "sect" || name == "page") return text("\r\n");
    if (name == "row" && !html_) return text("\r\n");
    if (name == "tab" || (name == "cell" && !html_)) return text("\t");
    if (name == "htmlrtf") {
      flush();
      state().html_rtf = !word.has_parameter || word.parameter != 0;
      return;
    }
    if (name == "uc") {
      state().fallback = static_cast<unsigned>(std::clamp(word.parameter, 0, 16));
      return;
    }
    if (name == "bin") {
      at_ += std::min<std::size_t>(static_cast<std::size_t>(std::max(word.parameter, 0)), rtf_.size() - at_);
      return;
    }
    if (name == "ansicpg") {
      if (word.parameter > 0) code_page_ = static_cast<unsigned>(word.parameter);
      return;
    }
    if (name == "fonttbl") {
      flush();
      state().font_table = true;
      return;
    }
    if (name == "f" || name == "fcharset") return font(word);
    if (name == "plain") {
      flush();
      state().code_page = 0;
      state().look = {};
      return;
    }
    for (const auto& symbol : symbols)
      if (symbol.word == name) return unicode(symbol.c);
    if (markup_ && name == "colortbl") {
      flush();
      state().color_table = true;
      return;
    }
    if (is_skipped_destination(name)) {
      flush();
      state().skip = true;
    }
  }

  void font(const ControlWord& word) {
    flush();
    if (word.name == "f") {
      if (state().font_table) {
        font_ = word.parameter;
      } else {
        const auto found = fonts_.find(word.parameter);
        state().code_page = found == fonts_.end() ? 0 : found->second;
      }
    } else if (state().font_table && fonts_.size() < 10000) {
      fonts_[font_] = code_page_of_fcharset(word.parameter);
    }
  }

  void unicode_word(int parameter) {
    if (skip_fallback_ > 0) skip_fallback_ = 0;
    const auto unit = static_cast<char16_t>(parameter & 0xFFFF);
    const auto high = high_surrogate_;
    if (unit >= 0xD800 && unit < 0xDC00) {
      flush();
      high_surrogate_ = unit;
    } else if (unit >= 0xDC00 && unit < 0xE000 && high != 0) {
      unicode(0x10000 + ((static_cast<char32_t>(high) - 0xD800) << 10) + (unit - 0xDC00));
      high_surrogate_ = 0;
    } else {
      unicode(unit);
      high_surrogate_ = 0;
    }
    skip_fallback_ = state().fallback;
  }

  std::string_view rtf_;
  bool html_;
  bool markup_;
  std::size_t at_ = 0;
  std::string out_;
  std::string pending_;
  std::vector<State> states_;
  std::size_t too_deep_ = 0;
  bool star_ = false;
  unsigned skip_fallback_ = 0;
  char16_t high_surrogate_ = 0;
  unsigned code_page_ = 1252;
  int font_ = 0;
  std::map<int, unsigned> fonts_;

  static constexpr std::size_t max_colors = 10000, max_instruction = 4096, max_markup = std::size_t{64} << 20;
  bool in_paragraph_ = false, in_link_ = false;
  Look open_;
  std::string closing_;  // of the tags that are open for it
  std::vector<unsigned> colors_;
  unsigned color_ = 0;
  std::string instruction_;
};

}  // namespace

RtfContent rtf_content(std::string_view rtf) {
  // [MS-OXRTFEX] 2.1.3.1 "Recognizing RTF Containing Encapsulation": within the first ten tokens.
  const auto head = rtf.substr(0, 512);
  if (head.find("\\fromhtml") != head.npos) return RtfContent::html;
  if (head.find("\\fromtext") != head.npos) return RtfContent::text;
  return RtfContent::rtf;
}

Result<std::string> rtf_to_html(std::string_view rtf) {
  if (rtf_content(rtf) != RtfContent::html) return error(Errc::not_found, "the RTF carries no HTML");
  return RtfReader(rtf, RtfReader::Mode::html).read();
}

std::string rtf_to_markup(std::string_view rtf) {
  return "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n" +
         RtfReader(rtf, RtfReader::Mode::markup).read() + "</body>\r\n</html>\r\n";
}

std::string rtf_to_text(std::string_view rtf) {
  if (rtf_content(rtf) == RtfContent::html) return html_to_text(RtfReader(rtf, RtfReader::Mode::html).read());
  return RtfReader(rtf, RtfReader::Mode::text).read();
}

}  // namespace mapigate::convert
