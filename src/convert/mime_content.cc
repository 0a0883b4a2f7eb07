#include "convert/mime_content.h"

#include <algorithm>

#include "base/text.h"

namespace mapigate::convert {

namespace {

bool is_body_text(const Entity& entity) { return entity.type == "text/plain" || entity.type == "text/html" || entity.type == "text/enriched"; }

// Enriched text is shown as HTML, where there is none.
const Entity*& place_of(Segment& segment, const Entity& entity) { return entity.type == "text/plain" ? segment.plain : segment.html; }

bool is_pkcs7(const Entity& entity) {
  return entity.type == "application/pkcs7-mime" || entity.type == "application/x-pkcs7-mime" ||
         (entity.type == "application/octet-stream" && lower_ascii(entity.filename).ends_with(".p7m"));
}

bool is_signature(const Entity& entity) {
  return entity.type == "application/pkcs7-signature" || entity.type == "application/x-pkcs7-signature" ||
         entity.type == "application/pgp-signature";
}

class Sorter {
 public:
  explicit Sorter(Content& out) : out_(out) {}

  // `choice` is the segment to fill when the entity is one rendering of the body.
  void visit(const Entity& entity, Segment* choice, bool related) {
    if (!entity.children.empty()) return visit_multipart(entity, choice, related);
    // The first text is the body even where it has a name ([MS-OXCMAIL] 2.2.3.3.2).
    const bool first = out_.body.empty() && out_.attachments.empty();
    const bool named = entity.disposition == "attachment" || (!entity.filename.empty() && !first);
    if (entity.type == "text/calendar" && entity.disposition != "attachment" && out_.calendar == nullptr)
      out_.calendar = &entity;
    const bool worse = entity.type == "text/enriched" && choice != nullptr && choice->html != nullptr;
    if (choice != nullptr && is_body_text(entity) && entity.disposition != "attachment" && !worse) {
      place_of(*choice, entity) = &entity;
      return;
    }
    if (is_body_text(entity) && !named && !related && choice == nullptr) {
      Segment segment;
      place_of(segment, entity) = &entity;
      out_.body.push_back(segment);
      return;
    }
    out_.attachments.push_back({&entity, related, choice != nullptr});
  }

 private:
  void visit_multipart(const Entity& entity, Segment* choice, bool related) {
    if (entity.type == "multipart/alternative") {
      if (choice != nullptr || related) {
        for (const auto& child : entity.children) visit(child, choice, related && choice == nullptr);
        return;
      }
      Segment segment;
      for (const auto& child : entity.children) visit(child, &segment, false);
      if (segment.plain != nullptr || segment.html != nullptr) out_.body.push_back(segment);
      return;
    }
    if (entity.type == "multipart/related") {
      const auto* root = related_root(entity);
      visit(*root, choice, related);
      for (const auto& child : entity.children)
        if (&child != root) visit(child, nullptr, true);
      return;
    }
    // RFC 1740: one file in two parts. What only a Macintosh reads is there, and not shown beside it.
    if (entity.type == "multipart/appledouble") {
      for (const auto& child : entity.children) out_.attachments.push_back({&child, related, child.type == "application/applefile"});
      return;
    }
    // In multipart/mixed within an alternative only the first text is a rendering of the body.
    for (const auto& child : entity.children) {
      const bool taken =
          choice != nullptr && is_body_text(child) && place_of(*choice, child) != nullptr;
      if (choice != nullptr && is_body_text(child) && taken)
        out_.attachments.push_back({&child, true, true});
      else if (choice != nullptr && !is_body_text(child) && child.children.empty())
        out_.attachments.push_back({&child, related, false});
      else
        visit(child, choice, related);
    }
  }

  static const Entity* related_root(const Entity& entity) {
    auto start = entity.parameter("start");
    if (start.starts_with('<')) start.erase(0, 1);
    if (start.ends_with('>')) start.pop_back();
    if (!start.empty()) {
      for (const auto& child : entity.children)
        if (child.content_id == start) return &child;
    }
    return &entity.children.front();
  }

  Content& out_;
};

}  // namespace

bool Content::has_html() const {
  if (body.empty()) return !stand_in_html.empty();
  return std::any_of(body.begin(), body.end(),
                     [](const Segment& segment) { return segment.html != nullptr; });
}

Content sort_parts(const Entity& root) {
  Content out;
  if (root.children.empty() && root.is_text() && root.disposition != "attachment") {
    if (root.type == "text/calendar") {
      out.calendar = &root;
      out.attachments.push_back({&root, false, true});
      return out;
    }
    Segment segment;
    (is_body_text(root) ? place_of(segment, root) : segment.plain) = &root;
    out.body.push_back(segment);
    return out;
  }
  Sorter(out).visit(root, nullptr, false);
  if (is_pkcs7(root)) {
    out.opaque = &root;
    out.body.clear();
  } else if (root.type == "multipart/signed" && !root.children.empty()) {
    out.opaque = &root;  // its text stays readable
    out.signed_files = std::any_of(out.attachments.begin(), out.attachments.end(), [](const AttachedPart& part) {
      return !part.alternative && !(part.related && !part.entity->content_id.empty()) && !is_signature(*part.entity);
    });
  }
  if (out.opaque != nullptr) {
    out.attachments.assign(1, {out.opaque, false, false});
    out.calendar = nullptr;
  }
  return out;
}

}  // namespace mapigate::convert
