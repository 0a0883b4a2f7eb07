// The syntactical level of FastTransfer streams ([MS-OXCFXICS] "Syntactical
// Structure"): a pushdown automaton over markers and properties, which tells the
// elements of the grammar and refuses what does not follow it.
#pragma once

#include <vector>

#include "wire/fxics/stream_reader.h"

namespace mapigate::wire::fxics {

// X(name): the elements that are told. `stream` is a root of a kind not known yet, `sync` one of the two
// synchronisations, `change` one of folderChange and messageChangeFull.
#define MAPIGATE_FAST_TRANSFER_ELEMENTS(X)                                                                       \
  X(stream) X(contentsSync) X(hierarchySync) X(sync) X(state) X(folderContent) X(messageContent)                  \
  X(attachmentContent) X(messageList) X(topFolder) X(subFolder) X(message) X(recipient) X(attachment)             \
  X(embeddedMessage) X(deletions) X(readStateChanges) X(folderChange) X(change) X(messageChangeFull)              \
  X(messageChangePartial) X(groupInfo) X(progressTotal) X(progressPerMessage) X(errorInfo)

enum class Element : std::uint8_t {
#define X(name) name,
  MAPIGATE_FAST_TRANSFER_ELEMENTS(X)
#undef X
};
const char* name_of(Element element);

// What StreamSink hears, and the elements around it.
class ElementSink : public StreamSink {
 public:
  // Before the marker or property that the element starts with.
  virtual Status begin_element(Element element) = 0;
  virtual Status end_element(Element element) = 0;
};

// Hears everything and does nothing: for checking alone, and to derive from.
class NoSink : public ElementSink {
 public:
  Status begin_element(Element) override { return {}; }
  Status end_element(Element) override { return {}; }
  Status marker(Marker) override { return {}; }
  Status property(const PropDef&, std::uint32_t) override { return {}; }
  Status fixed(View) override { return {}; }
  Status begin_value(std::uint32_t) override { return {}; }
  Status piece(View) override { return {}; }
  Status end_value() override { return {}; }
  Status end_property() override { return {}; }
};

inline constexpr std::size_t max_element_depth = 256;

// Reads a stream with both levels. `root` is one of the elements that can be a root, or Element::stream to
// take any. More than the grammar is accepted in these places, because servers send it: MetaTagFXDelProp
// within topFolder, MetaTagEcWarning among the properties of a folder, errorInfo wherever a message can stand
// or breaks off.
class SyntaxReader {
 public:
  explicit SyntaxReader(ElementSink& sink, Element root = Element::stream, StreamLimits limits = {});
  Status feed(View bytes) { return reader_.feed(bytes); }
  Status finish();
  std::uint64_t offset() const { return reader_.offset(); }
  std::uint64_t element_offset() const { return reader_.element_offset(); }
  // What the root turned out to be; `stream` or `sync` while that is open.
  Element root() const { return root_; }

 private:
  struct Token {
    bool is_marker = false;
    Marker marker{};
    mapi::PropertyTag tag;
    bool is(Marker m) const { return is_marker && marker == m; }
    bool is(mapi::PropertyTag t) const { return !is_marker && tag == t; }
    bool is_property() const;  // no marker and no meta-property
  };
  struct Frame {
    Element element;
    std::uint8_t state = 0;
  };
  struct Outcome {
    enum class Kind : std::uint8_t { consume, finish, descend, retry, leave, wrong };
    Kind kind = Kind::wrong;
    Element child = Element::stream;
    const char* expected = "";
  };
  class Lexer final : public StreamSink {
   public:
    explicit Lexer(SyntaxReader& owner) : owner_(owner) {}
    Status marker(Marker marker) override;
    Status property(const PropDef& definition, std::uint32_t count) override;
    Status fixed(View bytes) override { return owner_.sink_.fixed(bytes); }
    Status begin_value(std::uint32_t size) override { return owner_.sink_.begin_value(size); }
    Status piece(View bytes) override { return owner_.sink_.piece(bytes); }
    Status end_value() override { return owner_.sink_.end_value(); }
    Status end_property() override { return owner_.sink_.end_property(); }

   private:
    SyntaxReader& owner_;
  };

  // Moves the automaton; `done` says that the element on top ends with this token.
  Status advance(const Token& token, bool& done);
  Outcome step(Frame& frame, const Token& token);
  Outcome any_root(Frame& frame, const Token& token);
  Outcome synchronisation(Frame& frame, const Token& token);
  Outcome change(Frame& frame, const Token& token);
  Status push(Element element);
  Status pop();
  void set_root(Frame& frame, Element element);
  Error wrong(const Frame& frame, const Token& token, const char* expected) const;

  ElementSink& sink_;
  Lexer lexer_;
  StreamReader reader_;
  Element root_;
  std::vector<Frame> frames_;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace mapigate::wire::fxics
