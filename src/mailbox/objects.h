// Server objects: what a session's handles stand for ([MS-OXCROPS] 3.2.1). They hold ids, not
// state: a mailbox may be closed under them while its user is idle, and they work on after it is
// opened again. A child keeps what it needs of its parent alive, so its handle outlives the parent's (row L7).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "convert/message_data.h"
#include "mailbox/stream_locks.h"
#include "mailbox/table_rows.h"

namespace mapigate::mailbox {

struct Object {
  enum class Kind : std::uint8_t { logon, folder, message, attachment, table, stream, subscription, download };
  Kind kind;
  std::uint8_t logon_id = 0;
  explicit Object(Kind k) : kind(k) {}
  virtual ~Object() = default;
};

struct LogonObject final : Object {
  static constexpr auto its_kind = Kind::logon;
  LogonObject() : Object(its_kind) {}

  // RopWritePerUserInformation has not come to its end yet.
  struct PerUser {
    mapi::LongTermId folder;
    mapi::Guid replica;
    Bytes data;
  };
  std::optional<PerUser> per_user;
};

struct Carried;

struct FolderObject final : Object {
  static constexpr auto its_kind = Kind::folder;
  explicit FolderObject(mapi::GlobalCounter folder) : Object(its_kind), id(folder) {}
  mapi::GlobalCounter id;
  std::shared_ptr<Carried> carried;  // of a copy into another mailbox that stopped halfway (across_rops.h)
};

struct AttachmentObject;

struct MessageObject final : Object {
  static constexpr auto its_kind = Kind::message;
  MessageObject() : Object(its_kind) {}
  mapi::GlobalCounter folder = 0, id = 0;    // zero when embedded
  std::shared_ptr<AttachmentObject> parent;  // the attachment that it is, when embedded
  std::weak_ptr<convert::MimeMessage> content;  // the mailbox's cache decides how long it stays
  unsigned code_page = 0;                    // 0: that of the session
  bool associated = false;                   // hidden
  bool saved = true;                         // in the store; `id` of one that is not may be reserved already
  bool read_only = false;                    // opened so
  bool refused = false;                      // somebody set what only the store sets: it is not saved any more

  // What is not saved yet. Of a message that is MIME in a backend there is first only what stands beside it (`extras`,
  // flags); what changes the MIME makes it `data`. New messages and those that live in the state store are data always.
  std::shared_ptr<convert::MessageData> data;
  std::optional<mapi::PropertyBag> extras, extras_before;  // as they are to be, and as they were
  std::uint32_t set_flags = 0, clear_flags = 0;  // MessageFlag
  bool content_changed = false;
  bool cut_off = false;  // saving it failed, and nobody knows how far it got
  bool body_changed = false;
  std::uint64_t opened_key = 0;       // remote_key when it was opened: another one means that somebody else saved
  mapi::GlobalCounter opened_change = 0;
};

struct AttachmentObject final : Object {
  static constexpr auto its_kind = Kind::attachment;
  AttachmentObject() : Object(its_kind) {}
  std::shared_ptr<MessageObject> message;
  std::size_t index = 0;  // PidTagAttachNumber
  bool read_only = false, refused = false;  // as of messages
  // Being written; goes into the message with RopSaveChangesAttachment.
  std::shared_ptr<convert::MessageData::Attachment> edit;
};

struct TableObject final : Object {
  static constexpr auto its_kind = Kind::table;
  TableObject() : Object(its_kind) {}

  enum class Source : std::uint8_t { hierarchy, contents, attachments, permissions, rules };
  Source source = Source::contents;
  mapi::GlobalCounter folder = 0;  // 0: not over a folder
  bool notify = false;             // its client wants RopNotify for it
  bool quiet = false;              // … but not of what it does to folders itself
  bool told = false;               // … and has got "look again" since it last read
  std::vector<mapi::PropertyTag> columns;
  std::shared_ptr<const ListOrder> order = ListOrder::make({}, nullptr);
  std::unique_ptr<Rows> rows;

  std::size_t position = 0;
  struct Bookmark {
    std::size_t position;
    std::optional<std::uint64_t> row;  // that it was made for; none: the end
    bool gone = false;                 // the row is not to be seen; it stands at the one that followed
  };
  std::map<std::uint32_t, Bookmark> bookmarks;
  std::uint32_t next_bookmark = 1;

  // What its client is told of changes (table_events.cc).
  bool viewed = false;  // it has looked at rows since the table was opened or reset ([MS-OXCNOTIF] 3.1.4.3)
  bool fills = false;   // opened while its rows still come in: it is told when they have, viewed or not
  bool dirty = false;   // rows changed since it was told of them
  std::size_t changes = 0;  // how often

  void move_to(std::size_t to) { position = std::min(to, rows->size()); }
  // A place in the table that outlives a change of the rows: the row there and those that follow it.
  struct Place {
    std::vector<std::uint64_t> following, before;  // before: nearest first
  };
  Place place(std::size_t at, std::size_t depth) const;
  // All places of the table, before rows change; restore() finds them again.
  struct Places {
    Place cursor;
    std::vector<std::pair<std::uint32_t, Place>> bookmarks;
  };
  Places places() const;
  void restore(const Places& places);
};

struct StreamObject final : Object {
  static constexpr auto its_kind = Kind::stream;
  StreamObject() : Object(its_kind) {}
  convert::ByteSource bytes;
  std::uint64_t position = 0;

  // Of a stream that can be written: the value, which it shares with its clones. RopCommitStream, the stream's end and
  // ROPs that may look at it put it into `target`.
  struct Written {
    Bytes bytes;
    std::uint64_t size = 0;  // what is beyond `bytes` nobody has written: zeros
    bool dirty = false;
  };
  StreamValue value;                // what it is a stream of
  std::shared_ptr<Object> target;  // null: read-only
  mapi::PropertyTag tag;
  std::shared_ptr<Written> written;
  std::uint64_t size() const { return target ? written->size : bytes.size(); }
  // Copies what is there from `at` on; the caller keeps to size().
  void read(std::uint64_t at, std::span<std::uint8_t> into) const;
};

struct SubscriptionObject final : Object {
  static constexpr auto its_kind = Kind::subscription;
  SubscriptionObject() : Object(its_kind) {}
  std::uint16_t types = 0;
  bool whole_store = false;
  mapi::GlobalCounter folder = 0, message = 0;
};

}  // namespace mapigate::mailbox
