#include "convert/html_text.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "convert/html_parse.h"

namespace mapigate::convert {

namespace {

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
bool is_paragraph(std::string_view name) {
  return one_of(name,
                {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "dl"});
}
bool is_block(std::string_view name) {
  return one_of(name, {"div",    "tr",     "li",      "dt",     "dd",         "section",  "article",
                       "header", "footer", "address", "center", "form",       "fieldset", "body",
                       "main",   "nav",    "aside",   "figure", "figcaption", "caption"});
}
// Elements of which nothing is shown.
bool is_hidden(std::string_view name) {
  return one_of(name, {"script", "style", "head", "title", "template", "select", "object", "applet"});
}

// Text that flows: white space collapses, and at most one line stays empty between paragraphs.
class TextFlow {
 public:
  void text(std::string_view utf8) {
    for (std::size_t i = 0; i < utf8.size(); ++i) {
      const char c = utf8[i];
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') {
        if (pre_ > 0 && c != '\r')
          preformatted(c);
        else
          space_ = true;
      } else if (utf8.substr(i, 2) == "\xC2\xA0") {  // no-break space: kept as a plain one
        put(" ");
        ++i;
      } else if (utf8.substr(i, 2) == "\xC2\xAD") {  // soft hyphen
        ++i;
      } else {
        put(utf8.substr(i, 1));
      }
    }
  }
  void put(std::string_view s) {
    flush();
    out_ += s;
    line_start_ = false;
  }
  void line_break() {
    flush_breaks();
    out_ += "\r\n";
    line_start_ = true;
    space_ = false;
  }
  // At least `lines` line ends before what follows; nothing at the very beginning.
  void separate(unsigned lines) {
    space_ = false;
    if (!out_.empty()) breaks_ = std::max(breaks_, lines);
  }
  void pre(int step) { pre_ = std::max(0, pre_ + step); }
  bool at_line_start() const { return line_start_ || breaks_ > 0; }
  std::size_t size() const { return out_.size(); }
  std::string_view since(std::size_t at) const {
    return std::string_view(out_).substr(std::min(at, out_.size()));
  }
  std::string finish() && {
    while (!out_.empty() && (out_.back() == '\n' || out_.back() == '\r' || out_.back() == ' '))
      out_.pop_back();
    if (!out_.empty()) out_ += "\r\n";
    return std::move(out_);
  }

 private:
  void preformatted(char c) {
    if (c == '\n')
      line_break();
    else
      put(std::string_view(&c, 1));
  }
  void flush_breaks() {
    if (breaks_ == 0) return;
    // A line break that is there already counts.
    unsigned have = 0;
    for (auto end = out_.size(); end >= 2 && out_.compare(end - 2, 2, "\r\n") == 0 && have < breaks_;
         end -= 2)
      ++have;
    for (; have < breaks_; ++have) out_ += "\r\n";
    breaks_ = 0;
    line_start_ = true;
  }
  void flush() {
    flush_breaks();
    if (space_ && !line_start_ && !out_.empty()) out_ += ' ';
    space_ = false;
  }

  std::string out_;
  bool space_ = false;
  bool line_start_ = true;
  unsigned breaks_ = 0;
  int pre_ = 0;
};

class HtmlReader {
 public:
  std::string read(std::string_view html) {
    HtmlTokenizer tokens(html);
    for (auto token = tokens.next(); token.kind != HtmlToken::Kind::end; token = tokens.next()) {
      if (token.kind == HtmlToken::Kind::start_tag)
        start(token);
      else if (token.kind == HtmlToken::Kind::end_tag)
        end(token.name);
      else if (token.kind == HtmlToken::Kind::text && hidden_.empty())
        flow_.text(unescape_html(token.source));
    }
    return std::move(flow_).finish();
  }

 private:
  void start(const HtmlToken& token) {
    const auto& name = token.name;
    if (!hidden_.empty()) {
      if (name != "body") return;  // a head that was never closed
      hidden_.clear();
    }
    if (is_hidden(name)) {
      if (!token.inside.ends_with('/')) hidden_ = name;
      return;
    }
    if (name == "br") return flow_.line_break();
    if (is_paragraph(name))
      flow_.separate(one_of(name, {"ul", "ol"}) && !lists_.empty() ? 1 : 2);
    else if (is_block(name))
      flow_.separate(1);
    if (name == "pre")
      flow_.pre(1);
    else if (name == "hr")
      rule();
    else if (name == "ul" || name == "ol")
      lists_.push_back(name == "ol" ? 1 : 0);
    else if (name == "li")
      item();
    else if (name == "td" || name == "th")
      cell();
    else if (name == "tr" || name == "table")
      first_cell_ = true;
    else if (name == "a")
      link_start(token);
    else if (name == "img")
      image(token);
  }

  void end(const std::string& name) {
    if (!hidden_.empty()) {
      if (name == hidden_) hidden_.clear();
      return;
    }
    if (is_paragraph(name))
      flow_.separate(one_of(name, {"ul", "ol"}) && lists_.size() > 1 ? 1 : 2);
    else if (is_block(name))
      flow_.separate(1);
    if (name == "pre")
      flow_.pre(-1);
    else if ((name == "ul" || name == "ol") && !lists_.empty())
      lists_.pop_back();
    else if (name == "a")
      link_end();
  }

  void rule() {
    flow_.separate(1);
    flow_.put("________________________________");
    flow_.separate(1);
  }
  void item() {
    const auto depth = std::min<std::size_t>(lists_.size(), 16);
    std::string mark(depth > 1 ? 2 * (depth - 1) : 0, ' ');
    if (!lists_.empty() && lists_.back() > 0)
      mark += std::to_string(lists_.back()++) + ". ";
    else
      mark += "* ";
    flow_.put(mark);
  }
  void cell() {
    if (!first_cell_ && !flow_.at_line_start()) flow_.put("\t");
    first_cell_ = false;
  }
  void link_start(const HtmlToken& token) {
    target_ = html_attribute(token.inside, "href");
    const auto lower = lower_ascii(target_.substr(0, 8));
    if (!lower.starts_with("http:") && !lower.starts_with("https:") && !lower.starts_with("mailto:"))
      target_.clear();
    link_text_ = flow_.size();
  }
  void link_end() {
    if (target_.empty()) return;
    const auto shown = trim(flow_.since(link_text_));
    const std::string_view bare =
        target_.starts_with("mailto:") ? std::string_view(target_).substr(7) : target_;
    if (shown != bare && shown != target_ &&
        !(bare.ends_with('/') && shown == bare.substr(0, bare.size() - 1))) {
      flow_.text(" ");
      flow_.put("<" + target_ + ">");
    }
    target_.clear();
  }
  void image(const HtmlToken& token) {
    const auto alt = html_attribute(token.inside, "alt");
    if (!alt.empty()) flow_.text("[" + alt + "]");
  }

  TextFlow flow_;
  std::string hidden_;           // the element that hides what is read now
  std::vector<unsigned> lists_;  // 0: bullets; otherwise the number of the next item
  bool first_cell_ = true;
  std::string target_;
  std::size_t link_text_ = 0;
};

// The length of the link that starts here, or 0.
std::size_t link_length(std::string_view text) {
  if (!text.starts_with("http://") && !text.starts_with("https://")) return 0;
  auto end = std::min(text.find_first_of(" \t\r\n<>\"'"), text.size());
  while (end > 0 && std::string_view(".,;:!?)").find(text[end - 1]) != std::string_view::npos) --end;
  return end > 8 ? end : 0;
}

}  // namespace

std::string html_to_text(std::string_view html) { return HtmlReader().read(html); }

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string text_to_html_fragment(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  bool line_start = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (const auto length = c == 'h' ? link_length(text.substr(i)) : 0; length != 0) {
      const auto link = escape_html(text.substr(i, length));
      out += "<a href=\"" + link + "\">" + link + "</a>";
      i += length;
      line_start = false;
      continue;
    }
    ++i;
    if (c == '\r') continue;
    if (c == '\n') {
      out += "<br>\r\n";
      line_start = true;
      continue;
    }
    if (c == '\t') {
      out += "&nbsp;&nbsp;&nbsp; ";
    } else if (c == ' ' && (line_start || (i < text.size() && text[i] == ' '))) {
      out += "&nbsp;";
    } else {
      out += escape_html(std::string_view(&c, 1));
    }
    line_start = false;
  }
  return out;
}

std::string text_to_html(std::string_view text, std::string_view charset) {
  return "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=" + escape_html(charset) +
         "\">\r\n</head>\r\n"
         "<body>\r\n<div class=\"PlainText\">" +
         text_to_html_fragment(text) + "</div>\r\n</body>\r\n</html>\r\n";
}

namespace {

// What a formatting command opens; empty for those without an equal.
std::string_view element_of_command(std::string_view command) {
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"bold", "b"},      {"italic", "i"},           {"underline", "u"},    {"fixed", "tt"},          {"smaller", "small"},
      {"bigger", "big"},  {"center", "center"},      {"nofill", "pre"},     {"indent", "blockquote"}, {"indentright", "blockquote"},
      {"excerpt", "blockquote"}, {"paraindent", "blockquote"}};
  for (const auto& [name, element] : known)
    if (name == command) return element;
  return {};
}

}  // namespace

std::string enriched_to_html(std::string_view text) {
  constexpr std::size_t longest_command = 62;
  std::string out;
  unsigned verbatim = 0, hidden = 0, breaks = 0;
  const auto flush = [&] {
    // One line break is a space, and each further one begins a line.
    if (breaks == 1) out += ' ';
    for (; breaks > 1; --breaks) out += "<br>\r\n";
    breaks = 0;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r') continue;
    if (c == '\n' && verbatim == 0) {
      ++breaks;
      continue;
    }
    const bool escaped = c == '<' && i + 1 < text.size() && text[i + 1] == '<';
    const auto end = c == '<' && !escaped ? text.find('>', i) : text.npos;
    if (end != text.npos && end - i <= longest_command) {
      flush();
      auto command = lower_ascii(text.substr(i + 1, end - i - 1));
      i = end;
      const bool closing = command.starts_with('/');
      if (closing) command.erase(0, 1);
      const auto count = [&](unsigned& depth) { closing ? depth -= depth > 0 : ++depth; };
      if (command == "param") count(hidden);
      if (command == "nofill") count(verbatim);
      if (const auto element = element_of_command(command); !element.empty() && hidden == 0) out += (closing ? "</" : "<") + std::string(element) + ">";
      continue;
    }
    if (escaped) ++i;
    if (hidden > 0) continue;
    flush();
    out += escape_html(std::string_view(&c, 1));
  }
  flush();
  return out;
}

}  // namespace mapigate::convert
