// NSPI over DCE/RPC, the client's side ([MS-OXNSPI] 3.2.5): the bodies of MAPI over HTTP become its parameters and back.
#include "upstream/rpc_session.h"
#include "wire/ndr/nspi_values.h"

namespace mapigate::upstream {

namespace ndr = wire::ndr;
namespace nspi = wire::ndr::nspi;
namespace body = wire::nspi;
using chain::Operation;
using chain::Reply;
using ndr::from_ndr;
using ndr::to_ndr;
using wire::CountWidth;
using wire::mapihttp::ResponseCode;

namespace {

nspi::STAT stat_of(const body::Optional<body::STAT>& stat) { return to_ndr(stat ? *stat : body::STAT()); }

std::span<const std::uint32_t> numbers_of(Arena& arena, body::MinimalIdList ids) {
  const auto out = arena.make_span<std::uint32_t>(ids.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint32_t>(ids[i]);
  return out;
}
const nspi::PropertyTagArray_r* array_of(Arena& arena, const body::TagList& tags) {
  if (!tags) return nullptr;
  const auto numbers = arena.make_span<std::uint32_t>(tags->PropertyTags.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = tags->PropertyTags[i].value;
  return to_ndr(arena, numbers);
}
const nspi::PropertyTagArray_r* array_of(Arena& arena, const body::Optional<body::MinimalIdList>& ids) {
  return ids ? to_ndr(arena, numbers_of(arena, *ids)) : nullptr;
}

body::Optional<body::MinimalIdList> ids_of(Arena& arena, const nspi::PropertyTagArray_r* array) {
  if (array == nullptr) return {};
  const auto ids = arena.make_span<body::MinimalEntryID>(array->aulPropTag.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<body::MinimalEntryID>(array->aulPropTag[i]);
  return body::MinimalIdList(ids);
}
body::TagList tags_of(Arena& arena, const nspi::PropertyTagArray_r* array) {
  if (array == nullptr) return {};
  const auto tags = arena.make_span<mapi::PropertyTag>(array->aulPropTag.size());
  for (std::size_t i = 0; i < tags.size(); ++i) tags[i] = mapi::PropertyTag(array->aulPropTag[i]);
  return body::LargePropertyTagArray{tags};
}
body::Optional<body::ColumnsAndRows> rows_of(Arena& arena, const nspi::PropertyRowSet_r* rows, const body::TagList& asked) {
  if (rows == nullptr) return {};
  return from_ndr(arena, *rows, asked ? asked->PropertyTags : std::span<const mapi::PropertyTag>());
}
body::Optional<body::AddressBookPropertyValueList> values_of(Arena& arena, const nspi::PropertyRow_r* row) {
  if (row == nullptr) return {};
  return body::AddressBookPropertyValueList{from_ndr(arena, *row)};
}

template <class Body>
Result<Reply> reply_with(const char* name, const Body& answer) {
  Reply out;
  if (auto done = wire::encode(name, answer, out.body, CountWidth::address_book); !done) return done.error();
  return out;
}

class RpcAddressBookSession final : public RpcSessionBase {
 public:
  explicit RpcAddressBookSession(std::unique_ptr<RpcDialer> dialer) : RpcSessionBase(std::move(dialer), RpcService::address_book) {}

  Task<Result<Reply>> call(Operation operation, View body, const chain::ClientInfo& client) override {
    begin_call(client);
    switch (operation) {
      case Operation::Bind: return bind(body);
      case Operation::Unbind: return unbind();
      case Operation::UpdateStat: return update_stat(body);
      case Operation::QueryRows: return query_rows(body);
      case Operation::SeekEntries: return seek_entries(body);
      case Operation::GetMatches: return get_matches(body);
      case Operation::ResortRestriction: return resort(body);
      case Operation::DNToMId: return dn_to_mid(body);
      case Operation::GetPropList: return get_prop_list(body);
      case Operation::GetProps: return get_props(body);
      case Operation::CompareMIds: return compare(body);
      case Operation::ModProps: return mod_props(body);
      case Operation::GetSpecialTable: return special_table(body);
      case Operation::GetTemplateInfo: return template_info(body);
      case Operation::ModLinkAtt: return mod_link(body);
      case Operation::QueryColumns: return query_columns(body);
      case Operation::ResolveNames: return resolve(body);
      default: return no_url();
    }
  }

 private:
  // GetMailboxUrl and GetAddressBookUrl: over DCE/RPC there are none.
  static Task<Result<Reply>> no_url() {
    body::UrlResponse answer;
    answer.ErrorCode = mapi::ecNotSupported;
    co_return reply_with("GetMailboxUrl", answer);
  }

  static bool fine(std::int32_t result) {
    const auto code = static_cast<mapi::ErrorCode>(result);
    return code == mapi::ecNone || code == mapi::ecWarnWithErrors;
  }

  // Runs one method. to_in(arena, request, in) fills the parameters, to_body(arena, request, out, response) what a
  // response has when its ErrorCode lets it.
  template <class Method, class Body, class ToIn, class ToBody>
  Task<Result<Reply>> run(View bytes, ToIn to_in, ToBody to_body) {
    const char* name = nspi::method_names[Method::opnum];
    Arena arena;
    const auto request = wire::decode<typename Body::Request>(name, bytes, arena, CountWidth::address_book);
    if (!request) co_return protocol_error(ResponseCode::InvalidRequestBody);
    if (handle_.empty()) co_return protocol_error(ResponseCode::ContextNotFound);
    typename Method::In in;
    in.hRpc = handle_;
    typename Body::Response response;
    if (Status fit = to_in(arena, *request, in); !fit) {
      response.ErrorCode = mapi::ecTooComplex;
      co_return reply_with(name, response);
    }
    Bytes stub;
    if (auto done = ndr::encode(name, in, stub); !done) co_return done.error();
    auto answer = co_await invoke(Method::opnum, std::move(stub));
    if (!answer) co_return failed_reply(answer.error());
    typename Method::Out out;
    if (auto done = ndr::decode(name, *answer, false, arena, out); !done) co_return done.error();
    response.ErrorCode = static_cast<mapi::ErrorCode>(out.result);
    if (fine(out.result)) to_body(arena, *request, out, response);
    co_return reply_with(name, response);
  }

  Task<Result<Reply>> bind(View bytes) {
    Arena arena;
    const auto request = wire::decode<body::Bind::Request>("NspiBind", bytes, arena, CountWidth::address_book);
    if (!request) co_return protocol_error(ResponseCode::InvalidRequestBody);
    const nspi::FlatUID_r wanted;
    nspi::NspiBind::In in;
    in.dwFlags = request->Flags;
    in.pStat = stat_of(request->State);
    in.pServerGuid = &wanted;
    Bytes stub;
    if (auto done = ndr::encode("NspiBind", in, stub); !done) co_return done.error();
    handle_ = {};
    auto answer = co_await invoke(nspi::NspiBind::opnum, std::move(stub));
    if (!answer) co_return failed_reply(answer.error());
    nspi::NspiBind::Out out;
    if (auto done = ndr::decode("NspiBind", *answer, false, arena, out); !done) co_return done.error();
    body::Bind::Response response;
    response.ErrorCode = static_cast<mapi::ErrorCode>(out.result);
    if (out.result == 0) {
      handle_ = out.contextHandle;
      if (out.pServerGuid != nullptr) response.ServerGuid.bytes = out.pServerGuid->ab;
    }
    co_return reply_with("NspiBind", response);
  }

  Task<Result<Reply>> unbind() {
    body::Unbind::Response response;
    response.ErrorCode = body::UnbindSuccess;
    if (handle_.empty()) co_return reply_with("NspiUnbind", response);
    nspi::NspiUnbind::In in;
    in.contextHandle = handle_;
    Bytes stub;
    if (auto done = ndr::encode("NspiUnbind", in, stub); !done) co_return done.error();
    auto answer = co_await invoke(nspi::NspiUnbind::opnum, std::move(stub));
    handle_ = {};
    if (!answer && answer.error().code != Errc::conflict) co_return answer.error();
    co_return reply_with("NspiUnbind", response);
  }

  Task<Result<Reply>> update_stat(View bytes) {
    using M = nspi::NspiUpdateStat;
    using B = body::UpdateStat;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.Reserved = from.Reserved;
          in.pStat = stat_of(from.State);
          if (from.DeltaRequested != 0) in.plDelta = arena.make<std::int32_t>(0);
          return {};
        },
        [](Arena&, const B::Request& asked, const M::Out& out, B::Response& to) {
          to.State = from_ndr(out.pStat);
          if (asked.DeltaRequested != 0 && out.plDelta != nullptr) to.Delta = *out.plDelta;
        });
  }

  Task<Result<Reply>> query_rows(View bytes) {
    using M = nspi::NspiQueryRows;
    using B = body::QueryRows;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.dwFlags = from.Flags;
          in.pStat = stat_of(from.State);
          if (!from.ExplicitTable.empty()) in.lpETable = numbers_of(arena, from.ExplicitTable);
          in.dwETableCount = static_cast<std::uint32_t>(from.ExplicitTable.size());
          in.Count = from.RowCount;
          in.pPropTags = array_of(arena, from.Columns);
          return {};
        },
        [](Arena& arena, const B::Request& asked, const M::Out& out, B::Response& to) {
          to.State = from_ndr(out.pStat);
          to.ColumnsAndRows = rows_of(arena, out.ppRows, asked.Columns);
        });
  }

  Task<Result<Reply>> seek_entries(View bytes) {
    using M = nspi::NspiSeekEntries;
    using B = body::SeekEntries;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          if (!from.Target) return error(Errc::malformed, "no target");
          in.Reserved = from.Reserved;
          in.pStat = stat_of(from.State);
          in.pTarget = to_ndr(arena, from.Target->tag, from.Target->value);
          in.lpETable = array_of(arena, from.ExplicitTable);
          in.pPropTags = array_of(arena, from.Columns);
          return {};
        },
        [](Arena& arena, const B::Request& asked, const M::Out& out, B::Response& to) {
          to.State = from_ndr(out.pStat);
          to.ColumnsAndRows = rows_of(arena, out.ppRows, asked.Columns);
        });
  }

  Task<Result<Reply>> get_matches(View bytes) {
    using M = nspi::NspiGetMatches;
    using B = body::GetMatches;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.Reserved1 = from.Reserved;
          in.pStat = stat_of(from.State);
          in.pReserved = array_of(arena, from.MinimalIds);
          in.Reserved2 = from.InterfaceOptionFlags;
          if (from.Filter) {
            const auto filter = to_ndr(arena, **from.Filter);
            if (!filter) return filter.error();
            in.Filter = *filter;
          }
          if (from.PropertyName) {
            auto* name = arena.make<nspi::PropertyName_r>();
            name->lpguid = arena.make<nspi::FlatUID_r>(from.PropertyName->PropertyNameGuid.bytes);
            name->lID = static_cast<std::int32_t>(from.PropertyName->PropertyNameId);
            in.lpPropName = name;
          }
          in.ulRequested = from.RowCount;
          in.pPropTags = array_of(arena, from.Columns);
          return {};
        },
        [](Arena& arena, const B::Request& asked, const M::Out& out, B::Response& to) {
          to.State = from_ndr(out.pStat);
          to.MinimalIds = ids_of(arena, out.ppOutMIds);
          to.ColumnsAndRows = rows_of(arena, out.ppRows, asked.Columns);
        });
  }

  Task<Result<Reply>> resort(View bytes) {
    using M = nspi::NspiResortRestriction;
    using B = body::ResortRestriction;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.Reserved = from.Reserved;
          in.pStat = stat_of(from.State);
          if (const auto* ids = array_of(arena, from.MinimalIds)) in.pInMIds = *ids;
          return {};
        },
        [](Arena& arena, const B::Request&, const M::Out& out, B::Response& to) {
          to.State = from_ndr(out.pStat);
          to.MinimalIds = ids_of(arena, out.ppOutMIds);
        });
  }

  Task<Result<Reply>> dn_to_mid(View bytes) {
    using M = nspi::NspiDNToMId;
    using B = body::DNToMId;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.Reserved = from.Reserved;
          const auto count = from.Names ? from.Names->size() : 0;
          const auto names = arena.make_span<std::optional<std::string_view>>(count);
          for (std::size_t i = 0; i < count; ++i) names[i] = (*from.Names)[i].Name;
          in.pNames = {static_cast<std::uint32_t>(count), names};
          return {};
        },
        [](Arena& arena, const B::Request&, const M::Out& out, B::Response& to) { to.MinimalIds = ids_of(arena, out.ppOutMIds); });
  }

  Task<Result<Reply>> get_prop_list(View bytes) {
    using M = nspi::NspiGetPropList;
    using B = body::GetPropList;
    return run<M, B>(
        bytes,
        [](Arena&, const B::Request& from, M::In& in) -> Status {
          in.dwFlags = from.Flags;
          in.dwMId = static_cast<std::uint32_t>(from.MinimalId);
          in.CodePage = from.CodePage;
          return {};
        },
        [](Arena& arena, const B::Request&, const M::Out& out, B::Response& to) { to.PropertyTags = tags_of(arena, out.ppPropTags); });
  }

  Task<Result<Reply>> get_props(View bytes) {
    using M = nspi::NspiGetProps;
    using B = body::GetProps;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.dwFlags = from.Flags;
          in.pStat = stat_of(from.State);
          in.pPropTags = array_of(arena, from.PropertyTags);
          return {};
        },
        [](Arena& arena, const B::Request& asked, const M::Out& out, B::Response& to) {
          if (asked.State) to.CodePage = asked.State->CodePage;
          to.PropertyValues = values_of(arena, out.ppRows);
        });
  }

  Task<Result<Reply>> compare(View bytes) {
    using M = nspi::NspiCompareMIds;
    using B = body::CompareMIds;
    return run<M, B>(
        bytes,
        [](Arena&, const B::Request& from, M::In& in) -> Status {
          in.Reserved = from.Reserved;
          in.pStat = stat_of(from.State);
          in.MId1 = static_cast<std::uint32_t>(from.MinimalId1);
          in.MId2 = static_cast<std::uint32_t>(from.MinimalId2);
          return {};
        },
        [](Arena&, const B::Request&, const M::Out& out, B::Response& to) { to.Result = out.plResult; });
  }

  Task<Result<Reply>> mod_props(View bytes) {
    using M = nspi::NspiModProps;
    using B = body::ModProps;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.Reserved = from.Reserved;
          in.pStat = stat_of(from.State);
          in.pPropTags = array_of(arena, from.PropertiesToRemove);
          if (from.PropertyValues) in.pRow = *to_ndr(arena, from.PropertyValues->PropertyValues);
          return {};
        },
        [](Arena&, const B::Request&, const M::Out&, B::Response&) {});
  }

  Task<Result<Reply>> special_table(View bytes) {
    using M = nspi::NspiGetSpecialTable;
    using B = body::GetSpecialTable;
    return run<M, B>(
        bytes,
        [](Arena&, const B::Request& from, M::In& in) -> Status {
          in.dwFlags = from.Flags;
          in.pStat = stat_of(from.State);
          if (from.Version) in.lpVersion = *from.Version;
          return {};
        },
        [](Arena& arena, const B::Request& asked, const M::Out& out, B::Response& to) {
          if (asked.State) to.CodePage = asked.State->CodePage;
          to.Version = out.lpVersion;
          if (out.ppRows == nullptr) return;
          const auto rows = arena.make_span<body::AddressBookPropertyValueList>(out.ppRows->aRow.size());
          for (std::size_t i = 0; i < rows.size(); ++i) rows[i].PropertyValues = from_ndr(arena, out.ppRows->aRow[i]);
          to.Rows = std::span<const body::AddressBookPropertyValueList>(rows);
        });
  }

  Task<Result<Reply>> template_info(View bytes) {
    using M = nspi::NspiGetTemplateInfo;
    using B = body::GetTemplateInfo;
    return run<M, B>(
        bytes,
        [](Arena&, const B::Request& from, M::In& in) -> Status {
          in.dwFlags = from.Flags;
          in.ulType = from.DisplayType;
          if (from.TemplateDn) in.pDN = *from.TemplateDn;
          in.dwCodePage = from.CodePage;
          in.dwLocaleID = from.LocaleId;
          return {};
        },
        [](Arena& arena, const B::Request& asked, const M::Out& out, B::Response& to) {
          to.CodePage = asked.CodePage;
          to.Row = values_of(arena, out.ppData);
        });
  }

  Task<Result<Reply>> mod_link(View bytes) {
    using M = nspi::NspiModLinkAtt;
    using B = body::ModLinkAtt;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.dwFlags = from.Flags;
          in.ulPropTag = from.PropertyTag.value;
          in.dwMId = static_cast<std::uint32_t>(from.MinimalId);
          const auto count = from.EntryIds ? from.EntryIds->size() : 0;
          const auto ids = arena.make_span<nspi::Binary_r>(count);
          for (std::size_t i = 0; i < count; ++i) {
            const auto bytes_of = (*from.EntryIds)[i].Value;
            ids[i] = {static_cast<std::uint32_t>(bytes_of.size()), bytes_of};
          }
          in.lpEntryIds = {static_cast<std::uint32_t>(count), ids};
          return {};
        },
        [](Arena&, const B::Request&, const M::Out&, B::Response&) {});
  }

  Task<Result<Reply>> query_columns(View bytes) {
    using M = nspi::NspiQueryColumns;
    using B = body::QueryColumns;
    return run<M, B>(
        bytes,
        [](Arena&, const B::Request& from, M::In& in) -> Status {
          in.Reserved = from.Reserved;
          in.dwFlags = from.MapiFlags;
          return {};
        },
        [](Arena& arena, const B::Request&, const M::Out& out, B::Response& to) { to.Columns = tags_of(arena, out.ppColumns); });
  }

  Task<Result<Reply>> resolve(View bytes) {
    using M = nspi::NspiResolveNamesW;
    using B = body::ResolveNames;
    return run<M, B>(
        bytes,
        [](Arena& arena, const B::Request& from, M::In& in) -> Status {
          in.Reserved = from.Reserved;
          in.pStat = stat_of(from.State);
          in.pPropTags = array_of(arena, from.PropertyTags);
          const auto count = from.Names ? from.Names->size() : 0;
          const auto names = arena.make_span<std::optional<Utf16>>(count);
          for (std::size_t i = 0; i < count; ++i) names[i] = (*from.Names)[i].Name;
          in.paWStr = {static_cast<std::uint32_t>(count), names};
          return {};
        },
        [](Arena& arena, const B::Request& asked, const M::Out& out, B::Response& to) {
          if (asked.State) to.CodePage = asked.State->CodePage;
          to.MinimalIds = ids_of(arena, out.ppMIds);
          to.ColumnsAndRows = rows_of(arena, out.ppRows, asked.PropertyTags);
        });
  }
};

}  // namespace

std::unique_ptr<Session> make_rpc_address_book_session(std::unique_ptr<RpcDialer> dialer) {
  return std::make_unique<RpcAddressBookSession>(std::move(dialer));
}

}  // namespace mapigate::upstream
