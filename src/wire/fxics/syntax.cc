#include "wire/fxics/syntax.h"

namespace mapigate::wire::fxics {

namespace {

constexpr mapi::PropertyTag meta_properties[] = {MetaTagFXDelProp,       MetaTagEcWarning, MetaTagNewFXFolder,
                                                 MetaTagIncrSyncGroupId, MetaTagDnPrefix,  MetaTagIncrementalSyncMessagePartial};

// Elements that are a marker and a propList: they end with the first thing that is no property.
bool is_list(Element element) {
  switch (element) {
    case Element::deletions:
    case Element::readStateChanges:
    case Element::folderChange:
    case Element::groupInfo:
    case Element::progressTotal:
    case Element::progressPerMessage:
    case Element::errorInfo: return true;
    default: return false;
  }
}

// Where errorInfo may stand: in place of a message or folder.
bool takes_error(Element element) {
  switch (element) {
    case Element::stream:
    case Element::contentsSync:
    case Element::hierarchySync:
    case Element::sync:
    case Element::folderContent:
    case Element::messageList:
    case Element::topFolder:
    case Element::subFolder: return true;
    default: return false;
  }
}

// The states of a folder's content: [MetaTagDnPrefix] propList, messages, subfolders.
enum FolderState : std::uint8_t { folder_start, folder_properties, folder_messages, folder_ghosted, folder_subfolders };
// The states of a message's content: [MetaTagDnPrefix] propList, recipients, attachments.
enum MessageState : std::uint8_t { message_start, message_properties, message_recipients, message_attachments };
// The states of a synchronisation.
enum SyncState : std::uint8_t { sync_start, sync_changes, sync_change, sync_partial, sync_deleted, sync_read, sync_state,
                             sync_state_alone };

constexpr const char* message_expects = "a property, StartRecip, NewAttach or the end of the message";
constexpr const char* folder_expects = "a property, a message, StartSubFld or EndFolder";

}  // namespace

const char* name_of(Element element) {
  switch (element) {
#define X(name) \
  case Element::name: return #name;
    MAPIGATE_FAST_TRANSFER_ELEMENTS(X)
#undef X
  }
  return "";
}

bool SyntaxReader::Token::is_property() const {
  if (is_marker) return false;
  for (const auto meta : meta_properties)
    if (tag == meta) return false;
  return true;
}

SyntaxReader::SyntaxReader(ElementSink& sink, Element root, StreamLimits limits)
    : sink_(sink), lexer_(*this), reader_(lexer_, limits), root_(root) {}

Error SyntaxReader::wrong(const Frame& frame, const Token& token, const char* expected) const {
  std::string found;
  if (token.is_marker) found = name_of(token.marker);
  else if (const auto name = meta_name_of(token.tag); !name.empty()) found = fmt::format("{} (0x{:08x})", name, token.tag.value);
  else found = fmt::format("property 0x{:08x}", token.tag.value);
  return error(Errc::malformed, "FastTransfer stream: {} at offset {}: {} where {} is expected", name_of(frame.element),
               reader_.element_offset(), found, expected);
}

Status SyntaxReader::push(Element element) {
  if (frames_.size() >= max_element_depth)
    return error(Errc::limit, "FastTransfer stream: {} at offset {}: elements are nested too deeply", name_of(element),
                 reader_.element_offset());
  frames_.push_back({element, 0});
  return sink_.begin_element(element);
}

Status SyntaxReader::pop() {
  const auto element = frames_.back().element;
  frames_.pop_back();
  ended_ = frames_.empty();
  return sink_.end_element(element);
}

void SyntaxReader::set_root(Frame& frame, Element element) {
  frame.element = element;
  root_ = element;
}

Status SyntaxReader::Lexer::marker(Marker marker) {
  bool done = false;
  Token token;
  token.is_marker = true;
  token.marker = marker;
  if (const auto moved = owner_.advance(token, done); !moved) return moved;
  if (const auto told = owner_.sink_.marker(marker); !told) return told;
  return done ? owner_.pop() : Status{};
}

Status SyntaxReader::Lexer::property(const PropDef& definition, std::uint32_t count) {
  bool done = false;
  Token token;
  token.tag = definition.tag;
  if (const auto moved = owner_.advance(token, done); !moved) return moved;
  return owner_.sink_.property(definition, count);
}

Status SyntaxReader::advance(const Token& token, bool& done) {
  if (ended_)
    return wrong({root_, 0}, token, "the end of the stream");
  if (!started_) {
    started_ = true;
    if (const auto begun = push(root_); !begun) return begun;
  }
  if (token.is(Marker::FXErrorInfo)) {
    while (frames_.size() > 1 && !takes_error(frames_.back().element))
      if (const auto left = pop(); !left) return left;
    return push(Element::errorInfo);
  }
  while (!frames_.empty()) {
    auto& frame = frames_.back();
    const auto outcome = step(frame, token);
    switch (outcome.kind) {
      case Outcome::Kind::consume: return {};
      case Outcome::Kind::finish: done = true; return {};
      case Outcome::Kind::descend: return push(outcome.child);
      case Outcome::Kind::retry: break;
      case Outcome::Kind::leave:
        if (frames_.size() == 1) return wrong(frame, token, outcome.expected);
        if (frame.element == Element::change && frames_.front().element == Element::sync)
          set_root(frames_.front(), Element::hierarchySync);
        if (const auto left = pop(); !left) return left;
        break;
      case Outcome::Kind::wrong: return wrong(frame, token, outcome.expected);
    }
  }
  return {};
}

namespace {

// Shared by all that have a message's content; `leave` when it is over.
template <class Outcome, class Token>
Outcome message_content(std::uint8_t& state, const Token& token) {
  using Kind = typename Outcome::Kind;
  if (state == message_start) {
    state = message_properties;
    if (token.is(MetaTagDnPrefix)) return {Kind::consume};
  }
  if (state == message_properties && token.is_property()) return {Kind::consume};
  // Once before the recipients and once before the attachments.
  if (state <= message_recipients && token.is(MetaTagFXDelProp)) {
    ++state;
    return {Kind::consume};
  }
  if (state <= message_recipients && token.is(Marker::StartRecip)) {
    state = message_recipients;
    return {Kind::descend, Element::recipient};
  }
  if (token.is(Marker::NewAttach)) {
    state = message_attachments;
    return {Kind::descend, Element::attachment};
  }
  return {Kind::leave, {}, message_expects};
}

template <class Outcome, class Token>
Outcome folder_content(std::uint8_t& state, const Token& token) {
  using Kind = typename Outcome::Kind;
  if (state == folder_start) {
    state = folder_properties;
    if (token.is(MetaTagDnPrefix)) return {Kind::consume};
  }
  if (state == folder_properties && (token.is_property() || token.is(MetaTagEcWarning))) return {Kind::consume};
  if (state == folder_properties && token.is(MetaTagNewFXFolder)) {
    state = folder_ghosted;
    return {Kind::consume};
  }
  if (token.is(Marker::StartSubFld)) {
    state = folder_subfolders;
    return {Kind::descend, Element::subFolder};
  }
  if (state == folder_ghosted && token.is(MetaTagFXDelProp)) {
    state = folder_subfolders;
    return {Kind::consume};
  }
  if (state == folder_properties || state == folder_messages) {
    if (token.is(MetaTagFXDelProp) || token.is(MetaTagEcWarning) || token.is(MetaTagDnPrefix)) {
      state = folder_messages;
      return {Kind::consume};
    }
    if (token.is(Marker::StartMessage) || token.is(Marker::StartFAIMsg)) {
      state = folder_messages;
      return {Kind::descend, Element::message};
    }
  }
  return {Kind::leave, {}, folder_expects};
}

}  // namespace

SyntaxReader::Outcome SyntaxReader::step(Frame& frame, const Token& token) {
  using Kind = Outcome::Kind;
  if (is_list(frame.element))
    return token.is_property() ? Outcome{Kind::consume} : Outcome{Kind::leave, {}, "a property"};
  // An element's own start marker comes here as its first token only when it is the root.
  const bool is_root = frames_.size() == 1;
  const auto ending_with = [&](Marker end, Outcome outcome, const char* expected) {
    if (outcome.kind != Kind::leave) return outcome;
    return token.is(end) ? Outcome{Kind::finish} : Outcome{Kind::wrong, {}, expected};
  };
  switch (frame.element) {
    case Element::stream: return any_root(frame, token);
    case Element::contentsSync:
    case Element::hierarchySync:
    case Element::sync: return synchronisation(frame, token);
    case Element::change:
    case Element::messageChangeFull:
    case Element::messageChangePartial: return change(frame, token);
    case Element::state:
      if (is_root && frame.state == 0) {
        frame.state = 1;
        return token.is(Marker::IncrSyncStateBegin) ? Outcome{Kind::consume} : Outcome{Kind::wrong, {}, "IncrSyncStateBegin"};
      }
      if (token.is_property()) return {Kind::consume};
      return token.is(Marker::IncrSyncStateEnd) ? Outcome{Kind::finish} : Outcome{Kind::wrong, {}, "a property or IncrSyncStateEnd"};
    case Element::messageContent: return message_content<Outcome>(frame.state, token);
    case Element::message:
      return ending_with(Marker::EndMessage, message_content<Outcome>(frame.state, token),
                         "a property, StartRecip, NewAttach or EndMessage");
    case Element::embeddedMessage:
      return ending_with(Marker::EndEmbed, message_content<Outcome>(frame.state, token),
                         "a property, StartRecip, NewAttach or EndEmbed");
    case Element::messageList:
      if (token.is(MetaTagDnPrefix) || token.is(MetaTagEcWarning)) return {Kind::consume};
      if (token.is(Marker::StartMessage) || token.is(Marker::StartFAIMsg)) return {Kind::descend, Element::message};
      return {Kind::wrong, {}, "MetaTagEcWarning, StartMessage or StartFAIMsg"};
    case Element::folderContent: return folder_content<Outcome>(frame.state, token);
    case Element::subFolder: return ending_with(Marker::EndFolder, folder_content<Outcome>(frame.state, token), folder_expects);
    case Element::topFolder: {
      constexpr std::uint8_t inside = 0x10;  // with the state of the content in the low bits
      if (frame.state < inside) {
        if (frame.state == 0 && token.is(MetaTagDnPrefix)) {
          frame.state = 1;
          return {Kind::consume};
        }
        frame.state = inside;
        return token.is(Marker::StartTopFld) ? Outcome{Kind::consume} : Outcome{Kind::wrong, {}, "StartTopFld"};
      }
      std::uint8_t content = frame.state & 0x0F;
      const auto outcome = folder_content<Outcome>(content, token);
      frame.state = inside | content;
      return ending_with(Marker::EndFolder, outcome, folder_expects);
    }
    case Element::recipient:
      if (token.is_property()) return {Kind::consume};
      return token.is(Marker::EndToRecip) ? Outcome{Kind::finish} : Outcome{Kind::wrong, {}, "a property or EndToRecip"};
    case Element::attachment:
    case Element::attachmentContent: {
      enum : std::uint8_t { number, content, properties, embedded };
      const bool whole = frame.element == Element::attachment;
      if (whole && frame.state == number) {
        frame.state = content;
        return token.is(mapi::PidTagAttachNumber) ? Outcome{Kind::consume} : Outcome{Kind::wrong, {}, "PidTagAttachNumber"};
      }
      if (frame.state <= content && token.is(MetaTagDnPrefix)) {
        frame.state = properties;
        return {Kind::consume};
      }
      if (frame.state < embedded && token.is_property()) {
        frame.state = properties;
        return {Kind::consume};
      }
      if (frame.state < embedded && token.is(Marker::StartEmbed)) {
        frame.state = embedded;
        return {Kind::descend, Element::embeddedMessage};
      }
      if (whole && token.is(Marker::EndAttach)) return {Kind::finish};
      return {whole ? Kind::wrong : Kind::leave, {}, frame.state == embedded ? "EndAttach" : "a property, StartEmbed or EndAttach"};
    }
    default: return {Kind::wrong, {}, "nothing"};
  }
}

// The first tokens tell the kind of the root, except that folders and messages both begin with properties.
SyntaxReader::Outcome SyntaxReader::any_root(Frame& frame, const Token& token) {
  using Kind = Outcome::Kind;
  enum : std::uint8_t { start, prefixed, properties, deleted };
  const auto become = [&](Element element, std::uint8_t state) {
    set_root(frame, element);
    frame.state = state;
    return Outcome{Kind::retry};
  };
  if (frame.state == start && token.is(MetaTagDnPrefix)) {
    frame.state = prefixed;
    return {Kind::consume};
  }
  if (frame.state != deleted && token.is_property()) {
    frame.state = properties;
    return {Kind::consume};
  }
  const bool empty = frame.state <= prefixed;
  if (token.is(MetaTagFXDelProp)) {
    frame.state = deleted;
    return {Kind::consume};
  }
  if (token.is(MetaTagIncrSyncGroupId) && frame.state == start) return become(Element::sync, sync_start);
  if (!token.is_marker) return become(empty ? Element::messageList : Element::folderContent, empty ? 0 : folder_properties);
  switch (token.marker) {
    case Marker::StartRecip:
    case Marker::NewAttach: return become(Element::messageContent, frame.state == deleted ? message_recipients : message_properties);
    case Marker::StartEmbed: return become(Element::attachmentContent, 1);
    case Marker::StartMessage:
    case Marker::StartFAIMsg: return become(empty ? Element::messageList : Element::folderContent, folder_messages);
    case Marker::StartSubFld: return become(Element::folderContent, folder_messages);
    case Marker::StartTopFld: if (empty) return become(Element::topFolder, 1); break;
    default: break;
  }
  if (frame.state == start) return become(Element::sync, sync_start);
  return {Kind::wrong, {}, "a message, a recipient, an attachment or a folder"};
}

SyntaxReader::Outcome SyntaxReader::synchronisation(Frame& frame, const Token& token) {
  using Kind = Outcome::Kind;
  const auto to = [&](std::uint8_t state, Outcome outcome) {
    frame.state = state;
    return outcome;
  };
  const bool contents = frame.element != Element::hierarchySync;
  const bool before_deletions = frame.state <= sync_partial;
  const bool open = frame.state <= sync_changes;  // not within the parts of one change
  const auto is_contents = [&] {
    if (frame.element == Element::sync) set_root(frame, Element::contentsSync);
  };
  if (contents) {
    if (frame.state == sync_start && token.is(Marker::IncrSyncProgressMode)) {
      is_contents();
      return to(sync_changes, {Kind::descend, Element::progressTotal});
    }
    if (open && token.is(Marker::IncrSyncProgressPerMsg)) {
      is_contents();
      return to(sync_change, {Kind::descend, Element::progressPerMessage});
    }
    if (before_deletions && token.is(Marker::IncrSyncGroupInfo)) {
      is_contents();
      return to(sync_partial, {Kind::descend, Element::groupInfo});
    }
    if (before_deletions && token.is(MetaTagIncrSyncGroupId)) {
      is_contents();
      return to(sync_partial, {Kind::consume});
    }
    if (before_deletions && token.is(Marker::IncrSyncChgPartial)) {
      is_contents();
      return to(sync_changes, {Kind::descend, Element::messageChangePartial});
    }
    if (frame.state < sync_read && (open || frame.state == sync_deleted) && token.is(Marker::IncrSyncRead)) {
      is_contents();
      return to(sync_read, {Kind::descend, Element::readStateChanges});
    }
  }
  if (frame.state <= sync_change && token.is(Marker::IncrSyncChg)) {
    const auto child = frame.element == Element::contentsSync    ? Element::messageChangeFull
                       : frame.element == Element::hierarchySync ? Element::folderChange
                                                                 : Element::change;
    return to(sync_changes, {Kind::descend, child});
  }
  if (open && token.is(Marker::IncrSyncDel)) return to(sync_deleted, {Kind::descend, Element::deletions});
  if ((open || frame.state == sync_deleted || frame.state == sync_read) && token.is(Marker::IncrSyncStateBegin)) {
    // By itself, without IncrSyncEnd, this is a root of its own.
    return to(frame.state == sync_start ? sync_state_alone : sync_state, {Kind::descend, Element::state});
  }
  if (frame.state >= sync_state && token.is(Marker::IncrSyncEnd)) return {Kind::finish};
  switch (frame.state) {
    case sync_start:
    case sync_changes:
      return {Kind::wrong, {}, contents ? "a messageChange, IncrSyncDel, IncrSyncRead or IncrSyncStateBegin"
                                        : "IncrSyncChg, IncrSyncDel or IncrSyncStateBegin"};
    case sync_change: return {Kind::wrong, {}, "a messageChange"};
    case sync_partial: return {Kind::wrong, {}, "MetaTagIncrSyncGroupId or IncrSyncChgPartial"};
    case sync_deleted: return {Kind::wrong, {}, contents ? "IncrSyncRead or IncrSyncStateBegin" : "IncrSyncStateBegin"};
    case sync_read: return {Kind::wrong, {}, "IncrSyncStateBegin"};
    default: return {Kind::wrong, {}, "IncrSyncEnd"};
  }
}

// Behind its first marker.
SyntaxReader::Outcome SyntaxReader::change(Frame& frame, const Token& token) {
  using Kind = Outcome::Kind;
  if (frame.element == Element::messageChangePartial) {
    if (frame.state == message_start) frame.state = message_properties;
    if (frame.state == message_properties && token.is(MetaTagIncrementalSyncMessagePartial)) return {Kind::consume};
    return message_content<Outcome>(frame.state, token);
  }
  if (frame.state != message_start) return message_content<Outcome>(frame.state, token);
  if (token.is_property()) return {Kind::consume};
  if (token.is(Marker::IncrSyncMessage)) {
    if (frames_.front().element == Element::sync) set_root(frames_.front(), Element::contentsSync);
    frame.state = message_properties;
    return {Kind::consume};
  }
  if (frame.element == Element::change) return {Kind::leave, {}, "a property"};
  return {Kind::wrong, {}, "a property or IncrSyncMessage"};
}

Status SyntaxReader::finish() {
  if (const auto read = reader_.finish(); !read) return read;
  if (ended_) return {};
  if (!started_) {
    started_ = true;
    if (const auto begun = push(root_); !begun) return begun;
  }
  while (frames_.size() > 1 && is_list(frames_.back().element))
    if (const auto left = pop(); !left) return left;
  const auto& frame = frames_.back();
  const auto ends_in = [&](const char* missing) {
    return error(Errc::malformed, "FastTransfer stream: {}: the stream ends at offset {} where {} is expected",
                 name_of(frame.element), reader_.offset(), missing);
  };
  if (frames_.size() > 1) return ends_in("its end");
  switch (frame.element) {
    case Element::stream:
    case Element::folderContent:
    case Element::messageContent:
    case Element::attachmentContent:
    case Element::messageList: return pop();
    case Element::sync:
      if (frame.state == sync_state_alone) {
        set_root(frames_.back(), Element::state);
        return pop();
      }
      return ends_in("IncrSyncEnd");
    case Element::contentsSync:
    case Element::hierarchySync: return ends_in("IncrSyncEnd");
    default: return ends_in("its end");
  }
}

}  // namespace mapigate::wire::fxics
