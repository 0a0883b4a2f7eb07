// NSPI over DCE/RPC ([MS-OXNSPI] 3.1.4): its parameters become the bodies of MAPI/HTTP and back.
#include "base/log.h"
#include "transport/gateway.h"
#include "transport/rpc/core.h"
#include "wire/mapihttp/headers.h"
#include "wire/ndr/nspi_values.h"

namespace mapigate::transport::rpc {

namespace {

namespace nspi = ndr::nspi;
namespace body = wire::nspi;
using ndr::from_ndr;
using ndr::to_ndr;
using chain::Operation;
using wire::CountWidth;

constexpr std::uint32_t UnbindSuccess = 0x00000001;  // [MS-OXNSPI] 2.2.1.2
constexpr std::uint32_t GeneralFailure = 0x80004005;

body::TagList tags_of(Arena& arena, const nspi::PropertyTagArray_r* array) {
  if (array == nullptr) return {};
  const auto tags = arena.make_span<mapi::PropertyTag>(array->aulPropTag.size());
  for (std::size_t i = 0; i < tags.size(); ++i) tags[i] = mapi::PropertyTag(array->aulPropTag[i]);
  return body::LargePropertyTagArray{tags};
}

body::MinimalIdList ids_of(Arena& arena, std::span<const std::uint32_t> numbers) {
  const auto ids = arena.make_span<body::MinimalEntryID>(numbers.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<body::MinimalEntryID>(numbers[i]);
  return ids;
}
body::Optional<body::MinimalIdList> ids_of(Arena& arena, const nspi::PropertyTagArray_r* array) {
  if (array == nullptr) return {};
  return ids_of(arena, array->aulPropTag.span());
}

const nspi::PropertyTagArray_r* array_of(Arena& arena, const body::Optional<body::MinimalIdList>& ids) {
  if (!ids) return nullptr;
  const auto numbers = arena.make_span<std::uint32_t>(ids->size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::uint32_t>((*ids)[i]);
  return to_ndr(arena, numbers);
}
const nspi::PropertyTagArray_r* array_of(Arena& arena, const body::TagList& tags) {
  if (!tags) return nullptr;
  const auto numbers = arena.make_span<std::uint32_t>(tags->PropertyTags.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = tags->PropertyTags[i].value;
  return to_ndr(arena, numbers);
}
const nspi::PropertyRowSet_r* rows_of(Arena& arena, const body::Optional<body::ColumnsAndRows>& rows) {
  return rows ? to_ndr(arena, *rows) : nullptr;
}

class AddressBook : public Service {
 public:
  AddressBook(Gateway& gateway, std::shared_ptr<Inbox> inbox) : gateway_(gateway), inbox_(std::move(inbox)) {}
  const ndr::Interface& interface() const override { return nspi::interface; }

  void call(const Request& request, Reply reply) override {
    switch (request.opnum) {
      case nspi::NspiBind::opnum: return bind(request, std::move(reply));
      case nspi::NspiUnbind::opnum: return unbind(request, std::move(reply));
      case nspi::NspiUpdateStat::opnum: return update_stat(request, std::move(reply));
      case nspi::NspiQueryRows::opnum: return query_rows(request, std::move(reply));
      case nspi::NspiSeekEntries::opnum: return seek_entries(request, std::move(reply));
      case nspi::NspiGetMatches::opnum: return get_matches(request, std::move(reply));
      case nspi::NspiResortRestriction::opnum: return resort(request, std::move(reply));
      case nspi::NspiDNToMId::opnum: return dn_to_mid(request, std::move(reply));
      case nspi::NspiGetPropList::opnum: return get_prop_list(request, std::move(reply));
      case nspi::NspiGetProps::opnum: return get_props(request, std::move(reply));
      case nspi::NspiCompareMIds::opnum: return compare(request, std::move(reply));
      case nspi::NspiModProps::opnum: return mod_props(request, std::move(reply));
      case nspi::NspiGetSpecialTable::opnum: return special_table(request, std::move(reply));
      case nspi::NspiGetTemplateInfo::opnum: return template_info(request, std::move(reply));
      case nspi::NspiModLinkAtt::opnum: return mod_link(request, std::move(reply));
      case nspi::NspiQueryColumns::opnum: return query_columns(request, std::move(reply));
      case nspi::NspiGetNamesFromIDs::opnum: return names_from_ids(request, std::move(reply));
      case nspi::NspiGetIDsFromNames::opnum: return ids_from_names(request, std::move(reply));
      case nspi::NspiResolveNames::opnum: return resolve<nspi::NspiResolveNames>(request, std::move(reply));
      case nspi::NspiResolveNamesW::opnum: return resolve<nspi::NspiResolveNamesW>(request, std::move(reply));
      default: return reply({fault_op_rng_error, {}});
    }
  }

 private:
  // Runs one method within the session of its handle. to_body(arena, in, body) fills the request, to_out(arena, body, out)
  // what the response has when ErrorCode lets it; `out` begins as what a failure answers.
  template <class Method, class Body>
  void run(const Request& request, Reply reply, Operation operation, auto to_body, auto to_out,
           std::function<void(const typename Method::In&, typename Method::Out&)> begin = {}) {
    const char* name = nspi::method_names[Method::opnum];
    Arena arena;
    typename Method::In in;
    if (!decoded<Method>(name, request, arena, in, reply)) return;
    const auto handle = request.group->find(in.hRpc, Handle::Kind::address_book, request.caller);
    if (handle == nullptr) return reply({fault_context_mismatch, {}});
    typename Method::Out out;
    if (begin) begin(in, out);
    typename Body::Request wanted;
    Status fit = to_body(arena, in, wanted);
    const auto context = handle->session.lock();
    if (context == nullptr || context->ended) return lost(*request.group, *handle, reply);
    if (!fit) {
      log::debug("{}: {}", name, fit.error().message);
      out.result = static_cast<std::int32_t>(mapi::ecInvalidParam);
      return reply(encoded(name, out));
    }
    auto done = [this, name, out, to_out, handle, group = std::weak_ptr<Group>(request.group),
                 reply = std::move(reply)](const Result<chain::Reply>& outcome) mutable {
      if (outcome && outcome->response_code == static_cast<std::uint32_t>(wire::mapihttp::ResponseCode::ContextNotFound)) {
        if (const auto session = handle->session.lock()) gateway_.sessions().end(session);
        if (const auto owner = group.lock()) return lost(*owner, *handle, reply);
      }
      Arena space;
      typename Body::Response answered;
      if (read(name, outcome, space, answered, out.result)) to_out(space, answered, out);
      reply(encoded(name, out));
    };
    start(context, operation, request.caller, body_of(name, wanted), false, std::move(done));
  }

  // The session is over, here or at an upstream. Only NspiUnbind could hand back an empty handle; a handle that is not known
  // any more makes the client bind anew.
  static void lost(Group& group, const Handle& handle, const Reply& reply) {
    group.remove_session(handle.session_key);
    reply({fault_context_mismatch, {}});
  }

  template <class Response>
  static bool read(const char* name, const Result<chain::Reply>& outcome, Arena& arena, Response& answered, std::int32_t& result) {
    result = static_cast<std::int32_t>(GeneralFailure);
    if (!outcome || outcome->response_code != 0) {
      if (!outcome) log::warning("{}: {}", name, outcome.error().message);
      if (!outcome || outcome->trouble == chain::Reply::Trouble::unavailable) result = static_cast<std::int32_t>(mapi::ecRpcFailed);
      return false;
    }
    auto got = wire::decode<Response>(name, outcome->body, arena, CountWidth::address_book);
    if (!got) {
      log::warning("{}: {}", name, got.error().message);
      return false;
    }
    answered = *got;
    if (answered.StatusCode != 0) return false;
    result = static_cast<std::int32_t>(answered.ErrorCode);
    return true;
  }

  template <class Body>
  static Bytes body_of(const char* name, const Body& wanted) {
    Bytes out;
    if (auto done = wire::encode(name, wanted, out, CountWidth::address_book); !done) log::error("{}", done.error().message);
    return out;
  }

  void start(const std::shared_ptr<SessionContext>& context, Operation operation, const Caller& caller, Bytes bytes, bool opening,
             std::function<void(Result<chain::Reply>)> done) {
    auto call = std::make_unique<chain::Call>(*context->session, operation, client_of(caller), std::move(bytes));
    run_call(gateway_, inbox_, context, std::move(call), nullptr, gateway_.options().execute_limit, opening, std::move(done));
  }

  void bind(const Request& request, Reply reply) {
    Arena arena;
    nspi::NspiBind::In in;
    if (!decoded<nspi::NspiBind>("NspiBind", request, arena, in, reply)) return;
    auto context = new_session(gateway_, request.caller, chain::Interface::nspi);
    if (context == nullptr) {
      nspi::NspiBind::Out out;
      out.result = static_cast<std::int32_t>(mapi::ecLoginFailure);
      return reply(encoded("NspiBind", out));
    }
    auto handle = std::make_shared<Handle>();
    handle->kind = Handle::Kind::address_book;
    handle->user = request.caller.user;
    handle->level = request.caller.level;
    handle->session = context;
    handle->session_key = context->context;
    body::Bind::Request wanted;
    wanted.Flags = in.dwFlags;
    wanted.State = from_ndr(in.pStat);
    auto done = [this, handle, wants_guid = in.pServerGuid != nullptr, group = std::weak_ptr<Group>(request.group),
                 reply = std::move(reply)](const Result<chain::Reply>& outcome) {
      Arena space;
      nspi::NspiBind::Out out;
      body::Bind::Response answered;
      if (read("NspiBind", outcome, space, answered, out.result) && out.result == 0) {
        const auto owner = group.lock();
        const auto added = owner == nullptr ? Result<ndr::ContextHandle>(error(Errc::cancelled, "the client has gone")) : owner->add(handle);
        if (added) {
          out.contextHandle = *added;
          if (wants_guid) out.pServerGuid = space.make<nspi::FlatUID_r>(answered.ServerGuid.bytes);
        } else {
          if (const auto session = handle->session.lock()) gateway_.sessions().end(session);
          out.result = static_cast<std::int32_t>(GeneralFailure);
        }
      }
      reply(encoded("NspiBind", out));
    };
    start(context, Operation::Bind, request.caller, body_of("NspiBind", wanted), true, std::move(done));
  }

  void unbind(const Request& request, Reply reply) {
    Arena arena;
    nspi::NspiUnbind::In in;
    if (!decoded<nspi::NspiUnbind>("NspiUnbind", request, arena, in, reply)) return;
    const auto handle = request.group->find(in.contextHandle, Handle::Kind::address_book, request.caller);
    if (handle == nullptr) return reply({fault_context_mismatch, {}});
    request.group->remove(in.contextHandle);
    nspi::NspiUnbind::Out out;
    out.result = UnbindSuccess;
    const auto context = handle->session.lock();
    if (context == nullptr || context->ended) return reply(encoded("NspiUnbind", out));
    auto done = [this, weak = handle->session, out, reply = std::move(reply)](const Result<chain::Reply>&) {
      if (const auto session = weak.lock()) gateway_.sessions().end(session);
      reply(encoded("NspiUnbind", out));
    };
    start(context, Operation::Unbind, request.caller, body_of("NspiUnbind", body::Unbind::Request()), false, std::move(done));
  }

  void update_stat(const Request& request, Reply reply) {
    using M = nspi::NspiUpdateStat;
    auto wants_delta = std::make_shared<bool>(false);
    run<M, body::UpdateStat>(
        request, std::move(reply), Operation::UpdateStat,
        [wants_delta](Arena&, const M::In& in, body::UpdateStat::Request& out) -> Status {
          out.Reserved = in.Reserved;
          out.State = from_ndr(in.pStat);
          out.DeltaRequested = in.plDelta != nullptr ? 1 : 0;
          *wants_delta = in.plDelta != nullptr;
          return {};
        },
        [wants_delta](Arena& arena, const body::UpdateStat::Response& in, M::Out& out) {
          if (in.State) out.pStat = to_ndr(*in.State);
          if (*wants_delta) out.plDelta = arena.make<std::int32_t>(in.Delta ? *in.Delta : 0);
        },
        [](const M::In& in, M::Out& out) { out.pStat = in.pStat; });
  }

  void query_rows(const Request& request, Reply reply) {
    using M = nspi::NspiQueryRows;
    run<M, body::QueryRows>(
        request, std::move(reply), Operation::QueryRows,
        [](Arena& arena, const M::In& in, body::QueryRows::Request& out) -> Status {
          out.Flags = in.dwFlags;
          out.State = from_ndr(in.pStat);
          out.ExplicitTable = ids_of(arena, in.lpETable.span());
          out.RowCount = in.Count;
          out.Columns = tags_of(arena, in.pPropTags);
          return {};
        },
        rows_answer<M>, [](const M::In& in, M::Out& out) { out.pStat = in.pStat; });
  }

  template <class M>
  static void rows_answer(Arena& arena, const body::RowsResponse& in, typename M::Out& out) {
    if (in.State) out.pStat = to_ndr(*in.State);
    out.ppRows = rows_of(arena, in.ColumnsAndRows);
  }

  void seek_entries(const Request& request, Reply reply) {
    using M = nspi::NspiSeekEntries;
    run<M, body::SeekEntries>(
        request, std::move(reply), Operation::SeekEntries,
        [](Arena& arena, const M::In& in, body::SeekEntries::Request& out) -> Status {
          out.Reserved = in.Reserved;
          out.State = from_ndr(in.pStat);
          out.Target = from_ndr(arena, in.pTarget);
          out.ExplicitTable = ids_of(arena, in.lpETable);
          out.Columns = tags_of(arena, in.pPropTags);
          return {};
        },
        rows_answer<M>, [](const M::In& in, M::Out& out) { out.pStat = in.pStat; });
  }

  void get_matches(const Request& request, Reply reply) {
    using M = nspi::NspiGetMatches;
    run<M, body::GetMatches>(
        request, std::move(reply), Operation::GetMatches,
        [](Arena& arena, const M::In& in, body::GetMatches::Request& out) -> Status {
          out.Reserved = in.Reserved1;
          out.State = from_ndr(in.pStat);
          out.MinimalIds = ids_of(arena, in.pReserved);
          out.InterfaceOptionFlags = in.Reserved2;
          if (in.Filter != nullptr) {
            const auto filter = from_ndr(arena, *in.Filter);
            if (!filter) return filter.error();
            out.Filter = static_cast<const mapi::Restriction*>(arena.make<mapi::Restriction>(*filter));
          }
          if (in.lpPropName != nullptr) {
            body::PropertyName property;
            if (in.lpPropName->lpguid != nullptr) property.PropertyNameGuid.bytes = in.lpPropName->lpguid->ab;
            property.PropertyNameId = static_cast<std::uint32_t>(in.lpPropName->lID);
            out.PropertyName = property;
          }
          out.RowCount = in.ulRequested;
          out.Columns = tags_of(arena, in.pPropTags);
          return {};
        },
        [](Arena& arena, const body::GetMatches::Response& in, M::Out& out) {
          if (in.State) out.pStat = to_ndr(*in.State);
          out.ppOutMIds = array_of(arena, in.MinimalIds);
          out.ppRows = rows_of(arena, in.ColumnsAndRows);
        },
        [](const M::In& in, M::Out& out) { out.pStat = in.pStat; });
  }

  void resort(const Request& request, Reply reply) {
    using M = nspi::NspiResortRestriction;
    run<M, body::ResortRestriction>(
        request, std::move(reply), Operation::ResortRestriction,
        [](Arena& arena, const M::In& in, body::ResortRestriction::Request& out) -> Status {
          out.Reserved = in.Reserved;
          out.State = from_ndr(in.pStat);
          out.MinimalIds = ids_of(arena, in.pInMIds.aulPropTag.span());
          return {};
        },
        [](Arena& arena, const body::ResortRestriction::Response& in, M::Out& out) {
          if (in.State) out.pStat = to_ndr(*in.State);
          out.ppOutMIds = array_of(arena, in.MinimalIds);
        },
        [](const M::In& in, M::Out& out) { out.pStat = in.pStat; });
  }

  void dn_to_mid(const Request& request, Reply reply) {
    using M = nspi::NspiDNToMId;
    run<M, body::DNToMId>(
        request, std::move(reply), Operation::DNToMId,
        [](Arena& arena, const M::In& in, body::DNToMId::Request& out) -> Status {
          const auto names = arena.make_span<body::DnString>(in.pNames.Strings.size());
          for (std::size_t i = 0; i < names.size(); ++i) names[i].Name = in.pNames.Strings[i].value_or(std::string_view());
          out.Reserved = in.Reserved;
          out.Names = std::span<const body::DnString>(names);
          return {};
        },
        [](Arena& arena, const body::DNToMId::Response& in, M::Out& out) { out.ppOutMIds = array_of(arena, in.MinimalIds); });
  }

  void get_prop_list(const Request& request, Reply reply) {
    using M = nspi::NspiGetPropList;
    run<M, body::GetPropList>(
        request, std::move(reply), Operation::GetPropList,
        [](Arena&, const M::In& in, body::GetPropList::Request& out) -> Status {
          out.Flags = in.dwFlags;
          out.MinimalId = static_cast<body::MinimalEntryID>(in.dwMId);
          out.CodePage = in.CodePage;
          return {};
        },
        [](Arena& arena, const body::GetPropList::Response& in, M::Out& out) { out.ppPropTags = array_of(arena, in.PropertyTags); });
  }

  void get_props(const Request& request, Reply reply) {
    using M = nspi::NspiGetProps;
    run<M, body::GetProps>(
        request, std::move(reply), Operation::GetProps,
        [](Arena& arena, const M::In& in, body::GetProps::Request& out) -> Status {
          out.Flags = in.dwFlags;
          out.State = from_ndr(in.pStat);
          out.PropertyTags = tags_of(arena, in.pPropTags);
          return {};
        },
        [](Arena& arena, const body::GetProps::Response& in, M::Out& out) {
          if (in.PropertyValues) out.ppRows = to_ndr(arena, in.PropertyValues->PropertyValues);
        });
  }

  void compare(const Request& request, Reply reply) {
    using M = nspi::NspiCompareMIds;
    run<M, body::CompareMIds>(
        request, std::move(reply), Operation::CompareMIds,
        [](Arena&, const M::In& in, body::CompareMIds::Request& out) -> Status {
          out.Reserved = in.Reserved;
          out.State = from_ndr(in.pStat);
          out.MinimalId1 = static_cast<body::MinimalEntryID>(in.MId1);
          out.MinimalId2 = static_cast<body::MinimalEntryID>(in.MId2);
          return {};
        },
        [](Arena&, const body::CompareMIds::Response& in, M::Out& out) { out.plResult = in.Result; });
  }

  void mod_props(const Request& request, Reply reply) {
    using M = nspi::NspiModProps;
    run<M, body::ModProps>(
        request, std::move(reply), Operation::ModProps,
        [](Arena& arena, const M::In& in, body::ModProps::Request& out) -> Status {
          out.Reserved = in.Reserved;
          out.State = from_ndr(in.pStat);
          out.PropertiesToRemove = tags_of(arena, in.pPropTags);
          const auto values = arena.make_span<mapi::TaggedValue>(in.pRow.lpProps.size());
          for (std::size_t i = 0; i < values.size(); ++i) values[i] = from_ndr(arena, in.pRow.lpProps[i]);
          out.PropertyValues = body::AddressBookPropertyValueList{values};
          return {};
        },
        [](Arena&, const body::PlainResponse&, M::Out&) {});
  }

  void special_table(const Request& request, Reply reply) {
    using M = nspi::NspiGetSpecialTable;
    run<M, body::GetSpecialTable>(
        request, std::move(reply), Operation::GetSpecialTable,
        [](Arena&, const M::In& in, body::GetSpecialTable::Request& out) -> Status {
          out.Flags = in.dwFlags;
          out.State = from_ndr(in.pStat);
          out.Version = in.lpVersion;
          return {};
        },
        [](Arena& arena, const body::GetSpecialTable::Response& in, M::Out& out) {
          if (in.Version) out.lpVersion = *in.Version;
          if (in.Rows) out.ppRows = to_ndr(arena, *in.Rows);
        },
        [](const M::In& in, M::Out& out) { out.lpVersion = in.lpVersion; });
  }

  void template_info(const Request& request, Reply reply) {
    using M = nspi::NspiGetTemplateInfo;
    run<M, body::GetTemplateInfo>(
        request, std::move(reply), Operation::GetTemplateInfo,
        [](Arena&, const M::In& in, body::GetTemplateInfo::Request& out) -> Status {
          out.Flags = in.dwFlags;
          out.DisplayType = in.ulType;
          if (in.pDN) out.TemplateDn = *in.pDN;
          out.CodePage = in.dwCodePage;
          out.LocaleId = in.dwLocaleID;
          return {};
        },
        [](Arena& arena, const body::GetTemplateInfo::Response& in, M::Out& out) {
          if (in.Row) out.ppData = to_ndr(arena, in.Row->PropertyValues);
        });
  }

  void mod_link(const Request& request, Reply reply) {
    using M = nspi::NspiModLinkAtt;
    run<M, body::ModLinkAtt>(
        request, std::move(reply), Operation::ModLinkAtt,
        [](Arena& arena, const M::In& in, body::ModLinkAtt::Request& out) -> Status {
          out.Flags = in.dwFlags;
          out.PropertyTag = mapi::PropertyTag(in.ulPropTag);
          out.MinimalId = static_cast<body::MinimalEntryID>(in.dwMId);
          const auto ids = arena.make_span<body::EntryId>(in.lpEntryIds.lpbin.size());
          for (std::size_t i = 0; i < ids.size(); ++i) ids[i].Value = in.lpEntryIds.lpbin[i].lpb.span();
          out.EntryIds = std::span<const body::EntryId>(ids);
          return {};
        },
        [](Arena&, const body::PlainResponse&, M::Out&) {});
  }

  void query_columns(const Request& request, Reply reply) {
    using M = nspi::NspiQueryColumns;
    run<M, body::QueryColumns>(
        request, std::move(reply), Operation::QueryColumns,
        [](Arena&, const M::In& in, body::QueryColumns::Request& out) -> Status {
          out.Reserved = in.Reserved;
          out.MapiFlags = in.dwFlags;
          return {};
        },
        [](Arena& arena, const body::QueryColumns::Response& in, M::Out& out) { out.ppColumns = array_of(arena, in.Columns); });
  }

  // [MS-NSPI] 3.1.4.16 and 3.1.4.17, of which [MS-OXNSPI] and MAPI/HTTP know nothing: no property of an address book has a name, here as
  // at any server, so nobody else is asked. What has none is told by the type PtypErrorCode and ErrorsReturned.
  template <class Method>
  static bool knows(const char* name, const Request& request, const Reply& reply, Arena& arena, typename Method::In& in) {
    if (!decoded<Method>(name, request, arena, in, reply)) return false;
    const auto handle = request.group->find(in.hRpc, Handle::Kind::address_book, request.caller);
    const auto context = handle ? handle->session.lock() : nullptr;
    if (context != nullptr && !context->ended) return true;
    if (handle) lost(*request.group, *handle, reply);
    else reply({fault_context_mismatch, {}});
    return false;
  }

  void names_from_ids(const Request& request, Reply reply) {
    using M = nspi::NspiGetNamesFromIDs;
    Arena arena;
    M::In in;
    if (!knows<M>("NspiGetNamesFromIDs", request, reply, arena, in)) return;
    // Those asked for; all that have a name otherwise.
    const auto asked = in.pPropTags ? in.pPropTags->aulPropTag.span() : std::span<const std::uint32_t>();
    const auto tags = arena.make_span<std::uint32_t>(asked.size());
    for (std::size_t i = 0; i < tags.size(); ++i)
      tags[i] = mapi::PropertyTag(asked[i]).with(mapi::PropertyType::PtypErrorCode).value;
    auto* names = arena.make<nspi::PropertyNameSet_r>();
    names->cNames = static_cast<std::uint32_t>(tags.size());
    names->aNames = std::span<const nspi::PropertyName_r>(arena.make_span<nspi::PropertyName_r>(tags.size()));
    M::Out out;
    out.ppReturnedPropTags = to_ndr(arena, std::span<const std::uint32_t>(tags));
    out.ppNames = names;
    out.result = static_cast<std::int32_t>(tags.empty() ? mapi::ecNone : mapi::ecWarnWithErrors);
    reply(encoded("NspiGetNamesFromIDs", out));
  }

  void ids_from_names(const Request& request, Reply reply) {
    using M = nspi::NspiGetIDsFromNames;
    Arena arena;
    M::In in;
    if (!knows<M>("NspiGetIDsFromNames", request, reply, arena, in)) return;
    const auto tags = arena.make_span<std::uint32_t>(in.pNames.size());
    for (auto& tag : tags) tag = mapi::PropertyTag(0, mapi::PropertyType::PtypErrorCode).value;
    M::Out out;
    out.ppPropTags = to_ndr(arena, std::span<const std::uint32_t>(tags));
    out.result = static_cast<std::int32_t>(tags.empty() ? mapi::ecNone : mapi::ecWarnWithErrors);
    reply(encoded("NspiGetIDsFromNames", out));
  }

  // The 8-bit form is the same with names in the code page of the STAT.
  template <class M>
  void resolve(const Request& request, Reply reply) {
    run<M, body::ResolveNames>(
        request, std::move(reply), Operation::ResolveNames,
        [](Arena& arena, const typename M::In& in, body::ResolveNames::Request& out) -> Status {
          out.Reserved = in.Reserved;
          out.State = from_ndr(in.pStat);
          out.PropertyTags = tags_of(arena, in.pPropTags);
          out.Names = names_of(arena, in);
          return {};
        },
        [](Arena& arena, const body::ResolveNames::Response& in, typename M::Out& out) {
          out.ppMIds = array_of(arena, in.MinimalIds);
          out.ppRows = rows_of(arena, in.ColumnsAndRows);
        });
  }
  static std::span<const body::UnicodeString> names_of(Arena& arena, const nspi::NspiResolveNames::In& in) {
    const auto names = arena.make_span<body::UnicodeString>(in.paStr.Strings.size());
    for (std::size_t i = 0; i < names.size(); ++i)
      names[i].Name = to_utf16(arena, from_code_page(in.paStr.Strings[i].value_or(std::string_view()), in.pStat.CodePage));
    return names;
  }
  static std::span<const body::UnicodeString> names_of(Arena& arena, const nspi::NspiResolveNamesW::In& in) {
    const auto names = arena.make_span<body::UnicodeString>(in.paWStr.Strings.size());
    for (std::size_t i = 0; i < names.size(); ++i) names[i].Name = in.paWStr.Strings[i].value_or(Utf16());
    return names;
  }

  Gateway& gateway_;
  std::shared_ptr<Inbox> inbox_;
};

}  // namespace

std::unique_ptr<Service> make_address_book_service(Gateway& gateway, std::shared_ptr<Inbox> inbox) {
  return std::make_unique<AddressBook>(gateway, std::move(inbox));
}

}  // namespace mapigate::transport::rpc
