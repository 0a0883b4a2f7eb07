// What BODYSTRUCTURE (RFC 3501 7.4.2) tells of a message: the same as convert::sort_parts() makes of its content.
#include "base/text.h"
#include "data.h"

namespace mapigate::imap {

namespace {

bool is(const Value& value, std::string_view word) { return value.is_string() && equal_ignoring_ascii_case(value.text, word); }

std::string_view parameter(const Value& list, std::string_view name) {
  for (std::size_t i = 0; i + 1 < list.list.size(); i += 2)
    if (is(list.list[i], name) && list.list[i + 1].is_string()) return list.list[i + 1].text;
  return {};
}

// (type subtype params id description encoding size [lines | envelope body lines] md5 disposition …), or
// (part part … subtype params disposition …).
struct Part {
  std::string type, disposition, name, method;
  std::string_view id, start;
  std::span<const Value> children;

  bool is_text() const { return type == "text/plain" || type == "text/html"; }
  bool attached() const { return disposition == "attachment"; }
};

Part read_part(const Value& value) {
  Part out;
  const auto& items = value.list;
  if (items.empty()) return out;
  if (items[0].is_list()) {
    std::size_t count = 0;
    while (count < items.size() && items[count].is_list()) ++count;
    out.type = "multipart/" + lower_ascii(count < items.size() && items[count].is_string() ? items[count].text : std::string_view("mixed"));
    out.children = std::span(items).first(count);
    if (items.size() > count + 1 && items[count + 1].is_list()) out.start = parameter(items[count + 1], "start");
    return out;
  }
  if (items.size() < 2 || !items[0].is_string() || !items[1].is_string()) return out;
  out.type = lower_ascii(items[0].text) + "/" + lower_ascii(items[1].text);
  if (items.size() > 2 && items[2].is_list()) {
    out.name = lower_ascii(parameter(items[2], "name"));
    for (const char c : parameter(items[2], "method")) out.method += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  if (items.size() > 3 && items[3].is_string()) out.id = items[3].text;
  const std::size_t extension = out.type == "message/rfc822" ? 11 : out.type.starts_with("text/") ? 9 : 8;
  if (items.size() <= extension || !items[extension].is_list() || items[extension].list.empty()) return out;
  const auto& disposition = items[extension].list;
  if (disposition[0].is_string()) out.disposition = lower_ascii(disposition[0].text);
  if (disposition.size() > 1 && disposition[1].is_list())
    if (const auto file = parameter(disposition[1], "filename"); !file.empty()) out.name = lower_ascii(file);
  return out;
}

bool is_encrypted(const Part& part) {
  return part.type == "application/pkcs7-mime" || part.type == "application/x-pkcs7-mime" ||
         (part.type == "application/octet-stream" && part.name.ends_with(".p7m"));
}
bool is_signature(const Part& part) {
  return part.type == "application/pkcs7-signature" || part.type == "application/x-pkcs7-signature" || part.type == "application/pgp-signature";
}

constexpr unsigned deep = 40;  // levels of multiparts; mail has a few

// The renderings of the body that there are.
struct Choice {
  bool plain = false, html = false;
};

class Summary {
 public:
  explicit Summary(BodySummary& out) : out_(out) {}

  void whole(const Value& value) {
    const auto root = read_part(value);
    out_.content_type = root.type;
    report_ = root.type == "multipart/report";
    if (root.type.empty()) return;
    if (root.children.empty() && root.type.starts_with("text/") && !root.attached()) {
      if (root.type != "text/calendar") return;
      note(root);
      out_.has_attachments = true;
      return;
    }
    visit(value, nullptr, false);
    if (is_encrypted(root)) {
      out_.encrypted = out_.has_attachments = out_.shows_files = true;
      out_.has_calendar = false;
    } else if (root.type == "multipart/signed") {
      out_.has_attachments = true;
      out_.has_calendar = false;
    }
    if (!out_.has_calendar) out_.calendar_method.clear();
  }

 private:
  void note(const Part& part) {
    if (part.type == "text/calendar" && !part.attached() && !out_.has_calendar) {
      out_.has_calendar = true;
      out_.calendar_method = part.method;
    }
    if (part.type == "application/ms-tnef") out_.has_tnef = true;
    if (part.type.starts_with("image/tiff")) out_.has_tiff = true;
    if (part.type.starts_with("audio/")) out_.has_audio = true;
  }

  void attachment(const Part& part, bool related, bool alternative) {
    // A report object has what the report says ([MS-OXCMAIL] 2.2.3.7), and no attachment for it.
    if (report_ && !reported_ && (part.type == "message/delivery-status" || part.type == "message/disposition-notification")) {
      reported_ = true;
      return;
    }
    out_.has_attachments = true;
    out_.shows_files = out_.shows_files || !(alternative || (related && !part.id.empty()) || is_signature(part));
  }

  void visit(const Value& value, Choice* choice, bool related) {
    const auto part = read_part(value);
    if (part.type.empty()) return;
    if (!part.children.empty()) {
      if (++depth_ > deep) out_.deep = true;
      visit_multipart(part, choice, related);
      --depth_;
      return;
    }
    note(part);
    if (choice != nullptr && part.is_text() && !part.attached()) {
      (part.type == "text/html" ? choice->html : choice->plain) = true;
      return;
    }
    if (part.is_text() && !part.attached() && part.name.empty() && !related && choice == nullptr) return;
    attachment(part, related, choice != nullptr);
  }

  void visit_multipart(const Part& whole, Choice* choice, bool related) {
    if (whole.type == "multipart/alternative") {
      Choice own;
      auto* inner = choice == nullptr && !related ? &own : choice;
      for (const auto& child : whole.children) visit(child, inner, related && choice == nullptr);
      return;
    }
    if (whole.type == "multipart/related") {
      const Value* root = &whole.children.front();
      for (const auto& child : whole.children)
        if (!whole.start.empty() && bare(read_part(child).id) == bare(whole.start)) {
          root = &child;
          break;
        }
      visit(*root, choice, related);
      for (const auto& child : whole.children)
        if (&child != root) visit(child, nullptr, true);
      return;
    }
    for (const auto& child : whole.children) {
      const auto part = read_part(child);
      const bool taken = choice != nullptr && (part.type == "text/html" ? choice->html : choice->plain);
      const bool of_macintosh = whole.type == "multipart/appledouble";
      if (of_macintosh || (choice != nullptr && part.is_text() && taken)) {
        note(part);
        attachment(part, related || !of_macintosh, !of_macintosh || part.type == "application/applefile");
      } else if (choice != nullptr && !part.is_text() && part.children.empty()) {
        if (part.type.empty()) continue;
        note(part);
        attachment(part, related, false);
      } else {
        visit(child, choice, related);
      }
    }
  }

  static std::string_view bare(std::string_view id) {
    if (id.starts_with('<')) id.remove_prefix(1);
    if (id.ends_with('>')) id.remove_suffix(1);
    return id;
  }

  BodySummary& out_;
  bool report_ = false, reported_ = false;
  unsigned depth_ = 0;
};

}  // namespace

BodySummary summarize_body(const Value& body_structure) {
  BodySummary out;
  Summary(out).whole(body_structure);
  return out;
}

}  // namespace mapigate::imap
