// Notifications ([MS-OXCNOTIF]): what changed in the mailbox becomes RopNotify for the subscriptions and
// tables of a session.
#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

namespace note = wire::notification;
using wire::NotificationData;

namespace {

Task<ErrorCode> register_notification(RopCall& call, const wire::RopRegisterNotification::Request& request,
                                      wire::RopRegisterNotification::Response&) {
  if (!call.find()) co_return mapi::ecNullObject;
  auto subscription = std::make_shared<SubscriptionObject>();
  subscription->types = request.NotificationTypes & NotificationData::TypeMask;
  subscription->whole_store = request.WantWholeStore;
  if (!request.WantWholeStore) {
    subscription->folder = RopCall::counter(request.FolderId);
    subscription->message = RopCall::counter(request.MessageId);
  }
  co_return call.put(request.OutputHandleIndex, subscription);
}

// `above`: the folder that a moved or copied one is in now.
bool concerns(const SubscriptionObject& subscription, const MailboxEvent& event, GlobalCounter above) {
  if (subscription.whole_store) return true;
  // A moved message is another one where it is now.
  const bool of_message = event.message != 0 && (subscription.message == event.message || subscription.message == event.old_message);
  if (subscription.message != 0 && !of_message) return false;
  return subscription.folder == event.folder || (event.old_folder != 0 && subscription.folder == event.old_folder) ||
         (above != 0 && subscription.folder == above);
}

}  // namespace

HandlerList notification_handlers() {
  static constexpr HandlerEntry list[] = {on<wire::RopRegisterNotification, register_notification>()};
  return list;
}

void OpenMailbox::on_event(const MailboxEvent& event) {
  using Kind = MailboxEvent::Kind;
  const auto store = mailbox_->identity();
  const auto* folder = mailbox_->tree()->find(event.folder);
  NotificationData data;
  data.FolderId = store->id(event.folder);
  data.MessageId = store->id(event.message);
  std::uint16_t type = 0;
  std::shared_ptr<const Bytes> text;  // what `data` points to
  switch (event.kind) {
    case Kind::new_mail: {
      type = note::NewMail;
      data.NotificationFlags = type | NotificationData::M;
      state::Message light;
      light.flags = event.flags;
      data.MessageFlags = message_flags(light);
      text = std::make_shared<const Bytes>(to_bytes(as_view(event.message_class.empty() ? "IPM.Note" : event.message_class)));
      data.MessageClass.string8 = as_text(*text);
      break;
    }
    case Kind::message_created:
      type = note::ObjectCreated;
      data.NotificationFlags = type | NotificationData::M;
      break;
    case Kind::message_changed:
      type = note::ObjectModified;
      data.NotificationFlags = type | NotificationData::M;
      break;
    case Kind::message_removed:
      type = note::ObjectDeleted;
      data.NotificationFlags = type | NotificationData::M;
      break;
    case Kind::message_moved:
    case Kind::message_copied:
      type = event.kind == Kind::message_moved ? note::ObjectMoved : note::ObjectCopied;
      data.NotificationFlags = type | NotificationData::M;
      data.OldFolderId = store->id(event.old_folder);
      data.OldMessageId = store->id(event.old_message);
      break;
    case Kind::folder_created:
    case Kind::folder_removed:
      type = event.kind == Kind::folder_created ? note::ObjectCreated : note::ObjectDeleted;
      data.NotificationFlags = type;
      data.ParentFolderId = store->id(event.old_folder);
      break;
    case Kind::folder_moved:
    case Kind::folder_copied:
      type = event.kind == Kind::folder_moved ? note::ObjectMoved : note::ObjectCopied;
      data.NotificationFlags = type;
      data.ParentFolderId = store->id(folder ? folder->parent : 0);
      data.OldFolderId = store->id(event.old_message);
      data.OldParentFolderId = store->id(event.old_folder);
      break;
    case Kind::folder_changed:
      mark_tables(TableObject::Source::hierarchy, 0, false);
      type = note::ObjectModified;
      data.NotificationFlags = type | NotificationData::T | NotificationData::U;  // no Tags: [MS-OXCNOTIF] 2.2.1.4.1.2
      data.TotalMessageCount = folder ? folder->total : 0;
      data.UnreadMessageCount = folder ? folder->unread : 0;
      break;
    case Kind::search_complete:
      type = note::SearchComplete;
      data.NotificationFlags = type;
      break;
    case Kind::contents_changed: return mark_tables(TableObject::Source::contents, event.folder, true);
    case Kind::hierarchy_changed: return mark_tables(TableObject::Source::hierarchy, 0, true);
  }
  const bool came = event.kind == Kind::folder_moved || event.kind == Kind::folder_copied;
  const auto above = came && folder ? folder->parent : GlobalCounter{0};
  for (const auto& [handle, object] : objects_) {
    if (object->kind != Object::Kind::subscription) continue;
    const auto& subscription = static_cast<const SubscriptionObject&>(*object);
    if ((subscription.types & type) != 0 && concerns(subscription, event, above)) queue(handle, subscription, data, text);
  }
}

std::vector<GlobalCounter> OpenMailbox::watched() const {
  std::vector<GlobalCounter> folders;
  for (const auto& [handle, object] : objects_) {
    if (object->kind == Object::Kind::table) {
      const auto& table = static_cast<const TableObject&>(*object);
      if (table.notify && table.source == TableObject::Source::contents && table.folder != 0) folders.push_back(table.folder);
    } else if (object->kind == Object::Kind::subscription) {
      const auto& subscription = static_cast<const SubscriptionObject&>(*object);
      if (subscription.whole_store) folders.push_back(special_id(FolderRole::inbox));
      else if (subscription.folder != 0) folders.push_back(subscription.folder);
    }
  }
  return folders;
}

}  // namespace mapigate::mailbox
