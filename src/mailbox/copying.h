// What RopCopyTo and RopCopyProperties ([MS-OXCPRPT] 2.2.10 and 2.2.11) of messages and attachments (copying.cc) share with those of
// folders (folder_copying.cc).
#pragma once

#include <functional>

#include "mailbox/across_rops.h"
#include "mailbox/parcel.h"

namespace mapigate::mailbox {

using Problems = std::vector<wire::PropertyProblem>;

enum CopyFlag : std::uint8_t { flag_move = 0x01, flag_no_overwrite = 0x02 };

// What is to go over.
struct Selection {
  bool all_but = false;  // all but `tags`, else only these
  std::span<const mapi::PropertyTag> tags;
  bool subobjects = false;
  std::uint8_t flags = 0;

  bool named(mapi::PropertyTag tag) const;
  bool wants(mapi::PropertyTag tag) const { return named(tag) != all_but; }
  bool wants_object(mapi::PropertyTag tag) const { return all_but ? subobjects && !named(tag) : named(tag); }
  bool moves() const { return (flags & flag_move) != 0; }
  bool overwrites() const { return (flags & flag_no_overwrite) == 0; }
  // Says of what was asked for and is not there that it is not.
  void report_missing(const std::function<bool(mapi::PropertyTag)>& is_there, Problems* problems) const;
  // Problems carry the place in what was asked for; of a copy of everything there is none.
  std::uint16_t place(mapi::PropertyTag tag, std::size_t otherwise) const;
};

// Tags of one mailbox and of another, where the ids of named properties are others.
class TagMap {
 public:
  explicit TagMap(NamedIdMap ids);
  const NamedIdMap& ids() const { return ids_; }
  mapi::PropertyTag ours(mapi::PropertyTag tag) const { return through(tag, ids_); }
  mapi::PropertyTag theirs(mapi::PropertyTag tag) const { return through(tag, back_); }
  std::vector<mapi::PropertyTag> ours(std::span<const mapi::PropertyTag> tags) const;
  // As the client asked.
  void give_back(Problems* problems, bool all_but, std::span<const mapi::PropertyTag> asked) const;

 private:
  static mapi::PropertyTag through(mapi::PropertyTag tag, const NamedIdMap& map);
  NamedIdMap ids_, back_;
};

// What a copy goes into, on the executor of its mailbox.
class Destination {
 public:
  // Opens it for writing. `names`: of the named properties of the source, by their ids there.
  Task<ErrorCode> open(OtherHandle to, Object::Kind kind, std::map<std::uint16_t, mapi::PropertyName> names);
  Mailbox* mailbox() const { return mailbox_; }
  template <class T>
  std::shared_ptr<T> object() const {
    return std::static_pointer_cast<T>(object_);
  }
  const TagMap& map() const { return map_; }
  // What is asked for, in this mailbox's tags; it lives as long as this.
  Selection ours(Selection selection);
  // Problems in the tags that the client asked with.
  void give_back(Problems* problems) const { map_.give_back(problems, asked_.all_but, asked_.tags); }

 private:
  Mailbox* mailbox_ = nullptr;
  std::shared_ptr<void> using_it_;
  std::shared_ptr<Object> object_;
  TagMap map_{{}};
  Selection asked_;
  std::vector<mapi::PropertyTag> tags_;
};

// Folders: properties take effect at once, messages and folders below are stored.
Task<ErrorCode> copy_folder_into(RopCall& call, std::shared_ptr<FolderObject> from, std::shared_ptr<FolderObject> to, Selection selection,
                                 Problems* problems);
Task<ErrorCode> copy_folder_across(RopCall& call, std::shared_ptr<FolderObject> from, OtherHandle to, Selection selection, Problems* problems);

}  // namespace mapigate::mailbox
