// Property ROPs ([MS-OXCPRPT] 3.2.5): the same three questions to stores, folders, messages and attachments.
#include <algorithm>

#include "mailbox/message_edit.h"
#include "mailbox/rop_call.h"
#include "mailbox/store_out_of_office.h"
#include "mailbox/store_overlay.h"
#include "mailbox/store_quota.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using mapi::PropertyType;
using mapi::Value;

constexpr std::size_t most_in_a_reply = 0x7C00;

// PropertySizeLimit is not looked at ([MS-OXCPRPT] 3.2.5.1 and 3.2.5.2): what fits into the reply is returned.
CellOptions options_for(RopCall& call, const Object& object, std::uint16_t want_unicode) {
  CellOptions options;
  options.code_page = call.session.options().code_page;
  if (object.kind == Object::Kind::message)
    if (const auto own = static_cast<const MessageObject&>(object).code_page) options.code_page = own;
  options.unicode = want_unicode != 0;
  // What cannot fit into a reply is not carried as far as there.
  options.max_value = std::max(call.budget, most_in_a_reply);
  return options;
}

// Values that do not fit into the reply become "not enough memory", largest first: the client
// opens a stream on them.
void make_fit(std::span<Value> values, const std::function<std::size_t()>& size, std::size_t budget) {
  while (size() > budget) {
    auto largest = values.end();
    std::size_t most = 8;
    for (auto at = values.begin(); at != values.end(); ++at) {
      if (at->type == PropertyType::PtypErrorCode) continue;
      const auto bytes = wire_size(*at);
      if (bytes > most) {
        most = bytes;
        largest = at;
      }
    }
    if (largest == values.end()) return;
    *largest = Value::error(mapi::ecMemory);
  }
}

bool wants_named(std::span<const PropertyTag> tags) {
  return std::any_of(tags.begin(), tags.end(), [](auto tag) { return tag.named(); });
}
bool wants_bodies(std::span<const PropertyTag> tags) {
  return std::any_of(tags.begin(), tags.end(), [](auto tag) {
    return tag.id() == mapi::PidTagBody.id() || tag.id() == mapi::PidTagHtml.id() || tag.id() == mapi::PidTagRtfCompressed.id() ||
           tag.id() == mapi::PidTagAttachDataBinary.id();
  });
}

Task<ErrorCode> get_properties_specific(RopCall& call, const wire::RopGetPropertiesSpecific::Request& request,
                                        wire::RopGetPropertiesSpecific::Response& response) {
  auto object = call.find();
  if (!object) co_return mapi::ecNullObject;
  auto source = co_await properties_of(call, object, wants_named(request.PropertyTags), wants_bodies(request.PropertyTags));
  if (!source) co_return mapi::to_error_code(source.error());
  if (object->kind == Object::Kind::logon && names_out_of_office(request.PropertyTags)) {
    auto whole = co_await with_out_of_office(&call.mailbox, call.session.is_guest(), *source);
    source = std::move(whole);
  }
  if (object->kind == Object::Kind::logon && names_quota(request.PropertyTags)) {
    auto whole = co_await with_quota(&call.mailbox, *source);
    source = std::move(whole);
  }
  const auto options = options_for(call, *object, request.WantUnicode);
  auto held = *source;
  auto tags = request.PropertyTags;
  auto* arena = &call.arena;
  const auto budget = call.budget;
  const bool first = call.first;
  bool wants_more = false;  // in a buffer of its own it would fit better
  wire::PropertyRow row;
  auto make = [&row, &wants_more, held, tags, arena, options, budget, first]() {
    row = make_row(*held, tags, *arena, options);
    auto values = arena->copy(row.values);
    const auto size = [&] {
      row.values = values;
      for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i].type == PropertyType::PtypErrorCode && tags[i].type() != PropertyType::PtypErrorCode) row.Flag = 1;
      return wire_size(row, tags);
    };
    wants_more = !first && size() > budget;
    if (!wants_more) make_fit(values, size, budget);
    row.values = values;
  };
  // Bodies and attachments are decoded on the way.
  if (wants_bodies(request.PropertyTags)) co_await call.mailbox.context().runtime.run_worker(make);
  else make();
  if (wants_more || wire_size(row, request.PropertyTags) > call.budget) {
    call.too_small = wants_more || call.budget < 0x7000;
    co_return mapi::ecBufferTooSmall;
  }
  // Row P4: missing cells are flagged, the ReturnValue stays 0.
  response.RowData = row;
  co_return mapi::ecNone;
}

Task<ErrorCode> get_properties_all(RopCall& call, const wire::RopGetPropertiesAll::Request& request,
                                   wire::RopGetPropertiesAll::Response& response) {
  auto object = call.find();
  if (!object) co_return mapi::ecNullObject;
  auto source = co_await properties_of(call, object, true, true);
  if (!source) co_return mapi::to_error_code(source.error());
  if (object->kind == Object::Kind::logon) {
    auto whole = co_await with_out_of_office(&call.mailbox, call.session.is_guest(), *source);
    auto limited = co_await with_quota(&call.mailbox, std::move(whole));
    source = std::move(limited);
  }
  const auto options = options_for(call, *object, request.WantUnicode);
  auto held = *source;
  auto* arena = &call.arena;
  const auto budget = call.budget;
  const bool first = call.first;
  bool wants_more = false;
  std::vector<mapi::TaggedValue> out;
  auto make = [&out, &wants_more, held, arena, options, budget, first]() {
    std::vector<Value> values;
    std::vector<PropertyTag> tags;
    for (const auto tag : held->list()) {
      auto value = mapi::copy(*arena, cell(*held, tag.with(PropertyType::PtypUnspecified), *arena, options));
      if (value.type == PropertyType::PtypErrorCode && value.get<mapi::ErrorValue>()->code == mapi::ecNotFound) continue;
      tags.push_back(tag);
      values.push_back(value);
    }
    const auto size = [&] {
      std::size_t sum = 2;
      for (const auto& value : values) sum += 4 + wire_size(value);
      return sum;
    };
    wants_more = !first && size() > budget;
    if (wants_more) return;
    make_fit(values, size, budget);
    for (std::size_t i = 0; i < values.size(); ++i) out.push_back({tags[i].with(values[i].type), values[i]});
  };
  co_await call.mailbox.context().runtime.run_worker(make);
  std::size_t sum = 2;
  for (const auto& value : out) sum += 4 + wire_size(value.value);
  if (wants_more || sum > call.budget) {
    call.too_small = wants_more || call.budget < 0x7000;
    co_return mapi::ecBufferTooSmall;
  }
  response.PropertyValues = call.arena.copy(std::span<const mapi::TaggedValue>(out));
  co_return mapi::ecNone;
}

Task<ErrorCode> get_properties_list(RopCall& call, const wire::RopGetPropertiesList::Request&,
                                    wire::RopGetPropertiesList::Response& response) {
  auto object = call.find();
  if (!object) co_return mapi::ecNullObject;
  auto source = co_await properties_of(call, object, true, false);
  if (!source) co_return mapi::to_error_code(source.error());
  if (object->kind == Object::Kind::logon) {
    auto limited = co_await with_quota(&call.mailbox, *source);
    source = std::move(limited);
  }
  const auto tags = (*source)->list();
  response.PropertyTags = call.arena.copy(std::span<const PropertyTag>(tags));
  co_return mapi::ecNone;
}

// What was opened to be read alone says so ([MS-OXCPRPT] 2.2.1.2), whatever its folder would allow.
std::shared_ptr<const PropertySource> as_opened(const MessageObject& message, std::shared_ptr<const PropertySource> source) {
  if (!is_read_only(message)) return source;
  mapi::PropertyBag over;
  over.set_integer(mapi::PidTagAccessLevel, 0);
  return std::make_shared<StoreOverlay>(std::move(source), std::move(over));
}

// Asynchronous operations are over when their ROP is answered, which [MS-OXCFOLD] 3.2.5 and [MS-OXCPRPT] 3.2.5 leave to the
// server: there is never one to ask about.
Task<ErrorCode> progress(RopCall&, const wire::RopProgress::Request&, wire::RopProgress::Response&) { co_return mapi::ecNotSupported; }

}  // namespace

Task<Result<std::shared_ptr<const PropertySource>>> properties_of(RopCall& call, std::shared_ptr<Object> object, bool named,
                                                                  bool bodies) {
  using Source = std::shared_ptr<const PropertySource>;
  auto& mailbox = call.mailbox;
  switch (object->kind) {
    case Object::Kind::logon: {
      StoreView view;
      view.store = mailbox.identity();
      view.tree = mailbox.tree();
      view.guest = call.session.guest();
      view.max_submit_kilobytes = mailbox.context().options.max_submit_kilobytes;
      view.code_page = call.session.options().code_page;
      view.locale = call.session.options().locale;
      view.replid_map = mailbox.replid_map();
      view.has_searches = mailbox.has_searches();
      view.extras = mailbox.folder_extras(store_object);
      co_return Source(std::make_shared<StoreSource>(std::move(view)));
    }
    case Object::Kind::folder: {
      auto tree = mailbox.tree();
      const auto* folder = tree->find(static_cast<FolderObject&>(*object).id);
      if (!folder) co_return error(Errc::not_found, "the folder is gone");
      co_return Source(std::make_shared<FolderSource>(FolderView{mailbox.identity(), tree, folder, 0, mailbox.folder_extras(folder->id)}));
    }
    case Object::Kind::message: {
      (void)bodies;
      auto message = std::static_pointer_cast<MessageObject>(object);
      if (message->data) {
        std::optional<state::Message> stored;
        std::uint32_t flags = state::flag_seen;
        if (!message->parent && message->saved) {
          auto found = co_await mailbox.message(message->id);
          if (!found) co_return found.error();
          stored = std::move(*found);
          flags = stored->flags;
        } else if (!message->saved) {
          flags = flags_of_new(message->data->properties);
        }
        flags = (flags | message->set_flags) & ~message->clear_flags;
        co_return as_opened(*message, std::make_shared<DataSource>(mailbox.identity(), std::move(stored), message->data, message->folder,
                                                                   message->associated, flags));
      }
      auto content = co_await content_of(mailbox, message);
      if (!content) co_return content.error();
      std::optional<state::Message> row;
      if (!message->parent) {
        auto found = co_await mailbox.message(message->id);
        if (!found) co_return found.error();
        // What was set and not yet saved is seen through this handle already.
        found->flags = (found->flags | message->set_flags) & ~message->clear_flags;
        if (message->extras) found->extras = message->extras->clone();
        row = std::move(*found);
      }
      NamedIds ids;
      if (named) {
        auto looked_up = co_await named_ids(mailbox, *content);
        if (!looked_up) co_return looked_up.error();
        ids = std::move(*looked_up);
      }
      co_return as_opened(*message, std::make_shared<ContentSource>(mailbox.identity(), std::move(row), *content, std::move(ids)));
    }
    case Object::Kind::attachment: {
      auto attachment = std::static_pointer_cast<AttachmentObject>(object);
      if (attachment->edit)
        co_return Source(std::make_shared<AttachmentDataSource>(attachment->edit, attachment->edit.get(), true));
      if (auto data = attachment->message->data) {
        const auto* held = data->attachment(static_cast<std::uint32_t>(attachment->index));
        if (!held) co_return error(Errc::not_found, "the attachment is gone");
        co_return Source(std::make_shared<AttachmentDataSource>(data, held, true));
      }
      auto content = co_await content_of(mailbox, attachment->message);
      if (!content) co_return content.error();
      const auto at = (*content)->attachment_numbered(attachment->index);
      if (!at) co_return error(Errc::not_found, "the attachment is gone");
      co_return Source(std::make_shared<AttachmentSource>(*content, *at, true));
    }
    default: co_return error(Errc::unsupported, "an object without properties");
  }
}

HandlerList property_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopGetPropertiesSpecific, get_properties_specific>(),
      on<wire::RopGetPropertiesAll, get_properties_all>(),
      on<wire::RopGetPropertiesList, get_properties_list>(),
      on<wire::RopProgress, progress>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
