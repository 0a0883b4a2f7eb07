// One ROP being answered, and the table of who answers it.
//
// To answer a ROP: write `Task<ErrorCode> name(RopCall&, const RopX::Request&, RopX::Response&)` in the
// source of its chapter and name it in that source's list of handlers. Nothing else has to know: a ROP
// without a handler gets ecNotSupported in the form of its own response.
#pragma once

#include <span>

#include "mailbox/open_mailbox.h"
#include "wire/rop/rops.h"

namespace mapigate::mailbox {

using mapi::ErrorCode;

struct RopCall {
  OpenMailbox& session;  // its handles and options
  Mailbox& mailbox;
  Arena& arena;
  const wire::RopRequest& request;
  std::vector<std::uint32_t>& handles;   // server object handle table of the buffer
  std::size_t budget = 0;                // bytes the fields of the response may take
  bool packed = false;                   // the client allows chained buffers (Chain)
  bool first = true;                     // no response stands before it: there is no more room than this

  // What the handler leaves besides its response.
  void* response = nullptr;
  std::optional<wire::Columns> columns{};  // of the rows in the response
  std::vector<std::uint32_t> made{};       // handles that vanish again when the response does not fit
  std::uint32_t left = 0;                // rows or bytes asked for that could follow in a chained buffer
  bool too_small = false;                // not even a part fits: the request is to be sent again with more room

  // The object behind an index of the handle table; null when there is none or it is of another kind. `why`
  // then tells: ecNullObject or ecNotSupported.
  template <class T>
  std::shared_ptr<T> object(std::uint8_t index) {
    auto any = find(index);
    if (!any) why = mapi::ecNullObject;
    else if (any->kind != T::its_kind) why = mapi::ecNotSupported;
    else return std::static_pointer_cast<T>(any);
    return nullptr;
  }
  template <class T>
  std::shared_ptr<T> object() { return object<T>(request.HandleIndex); }
  std::shared_ptr<Object> find(std::uint8_t index) const;
  std::shared_ptr<Object> find() const { return find(request.HandleIndex); }
  ErrorCode why = mapi::ecNone;
  // Of a ROP with two objects, whose second one is in another mailbox; else null.
  OpenMailbox* other_with(std::uint8_t index) const;
  // Why there is no second object: it is of another kind, or, as most ROPs have both in one mailbox, in another one.
  ErrorCode no_destination(std::uint8_t index) const {
    return find(index) || other_with(index) ? mapi::ecNotSupported : mapi::ecDstNullObject;
  }

  // Gives the object a handle and puts it into the table. ecMemory beyond the session's limits.
  ErrorCode put(std::uint8_t index, std::shared_ptr<Object> object);

  // Stays while the ROP is answered, though the directory gives the owner another name meanwhile.
  const StoreIdentity& store() const {
    auto identity = mailbox.identity();
    if (identities.empty() || identities.back() != identity) identities.push_back(std::move(identity));
    return *identities.back();
  }
  mutable std::vector<std::shared_ptr<const StoreIdentity>> identities{};
  mapi::Id id(mapi::GlobalCounter counter) const { return mailbox.identity()->id(counter); }
  // The counter of an id of ours; 0 for those of other replicas.
  static mapi::GlobalCounter counter(mapi::Id id) { return id.replid() == own_replid ? id.counter() : 0; }
};

using RawHandler = Task<ErrorCode> (*)(RopCall&);
struct HandlerEntry {
  wire::RopId id;
  RawHandler handle;
};
using HandlerList = std::span<const HandlerEntry>;

template <class Rop>
using Handler = Task<ErrorCode> (*)(RopCall&, const typename Rop::Request&, typename Rop::Response&);

template <class Rop, Handler<Rop> handler>
constexpr HandlerEntry on() {
  return {Rop::id, [](RopCall& call) {
            auto* response = call.arena.template make<typename Rop::Response>();
            call.response = response;
            return handler(call, *call.request.template as<Rop>(), *response);
          }};
}

// The lists, one a source.
HandlerList logon_handlers();
HandlerList folder_handlers();
HandlerList folder_change_handlers();
HandlerList per_user_handlers();
HandlerList permission_handlers();
HandlerList rule_handlers();
HandlerList table_handlers();
HandlerList category_handlers();
HandlerList search_handlers();
HandlerList message_handlers();
HandlerList recipient_handlers();
HandlerList property_writing_handlers();
HandlerList attachment_handlers();
HandlerList property_handlers();
HandlerList copying_handlers();
HandlerList named_property_handlers();
HandlerList stream_handlers();
HandlerList transport_handlers();
HandlerList notification_handlers();
HandlerList fast_transfer_handlers();
HandlerList synchronization_handlers();

// Null: nobody answers this ROP.
RawHandler find_handler(wire::RopId id);

// What runs, or is on its way, and cannot be stopped any more.
constexpr auto ecUnableToAbort = static_cast<ErrorCode>(0x80040114);

// Helpers that several chapters use.

// The properties of any object that has some; ecNotSupported for others.
Task<Result<std::shared_ptr<const PropertySource>>> properties_of(RopCall& call, std::shared_ptr<Object> object,
                                                                  bool named, bool bodies);
// Puts the table where the client wants it and tells its row count.
Task<ErrorCode> open_table(RopCall& call, std::uint8_t index, std::shared_ptr<TableObject> table, std::uint32_t* row_count);
// Summary of a message for RopOpenMessage and its relatives; as many recipients as there is room for.
Task<ErrorCode> summarize_message(RopCall& call, std::shared_ptr<MessageObject> message, wire::MessageSummary& out);
// PidTagHasRules (rules.cc).
bool has_rules(const Mailbox& mailbox, GlobalCounter folder);

}  // namespace mapigate::mailbox
