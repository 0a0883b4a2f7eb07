// RopSetSearchCriteria and RopGetSearchCriteria ([MS-OXCFOLD] 2.2.1.4 and 2.2.1.5).
#include <algorithm>
#include <set>

#include "mailbox/property_source.h"
#include "mailbox/rop_call.h"
#include "mailbox/search.h"

namespace mapigate::mailbox {

namespace {

// SearchFlags of the request …
enum : std::uint32_t {
  STOP_SEARCH = 0x01, RESTART_SEARCH = 0x02, RECURSIVE_SEARCH = 0x04, SHALLOW_SEARCH = 0x08, FOREGROUND_SEARCH = 0x10,
  BACKGROUND_SEARCH = 0x20, CONTENT_INDEXED_SEARCH = 0x10000, NON_CONTENT_INDEXED_SEARCH = 0x20000, STATIC_SEARCH = 0x40000,
};
// … and of the answer.
enum : std::uint32_t {
  SEARCH_RUNNING = 0x01, SEARCH_REBUILD = 0x02, SEARCH_RECURSIVE = 0x04, SEARCH_COMPLETE = 0x1000, SEARCH_PARTIAL = 0x2000,
  SEARCH_STATIC = 0x10000, CI_TOTALLY = 0x01000000, CI_WITH_TWIR_RESIDUAL = 0x02000000, TWIR_TOTALLY = 0x08000000,
};
constexpr std::uint32_t known_flags = STOP_SEARCH | RESTART_SEARCH | RECURSIVE_SEARCH | SHALLOW_SEARCH | FOREGROUND_SEARCH |
                                      BACKGROUND_SEARCH | CONTENT_INDEXED_SEARCH | NON_CONTENT_INDEXED_SEARCH | STATIC_SEARCH;
constexpr std::size_t max_folders = 1000;

// The search folder that the request is for; null with the reason in call.why.
std::shared_ptr<FolderObject> search_folder(RopCall& call) {
  auto folder = call.object<FolderObject>();
  if (!folder) return nullptr;
  const auto* row = call.mailbox.tree()->find(folder->id);
  call.why = !row ? mapi::ecNotFound : row->role != FolderRole::search ? mapi::ecNotSearchFolder : mapi::ecNone;
  return call.why == mapi::ecNone ? folder : nullptr;
}

bool both(std::uint32_t flags, std::uint32_t a, std::uint32_t b) { return (flags & a) != 0 && (flags & b) != 0; }

Task<ErrorCode> set_search_criteria(RopCall& call, const wire::RopSetSearchCriteria::Request& request,
                                    wire::RopSetSearchCriteria::Response&) {
  auto folder = search_folder(call);
  if (!folder) co_return call.why;
  const auto flags = request.SearchFlags;
  if ((flags & ~known_flags) != 0 || both(flags, STOP_SEARCH, RESTART_SEARCH) || both(flags, RECURSIVE_SEARCH, SHALLOW_SEARCH) ||
      both(flags, CONTENT_INDEXED_SEARCH, NON_CONTENT_INDEXED_SEARCH) || both(flags, FOREGROUND_SEARCH, BACKGROUND_SEARCH) ||
      request.FolderIds.size() > max_folders)
    co_return mapi::ecInvalidParam;
  const auto before = call.mailbox.search(folder->id);
  if (!before && (request.FolderIds.empty() || !request.RestrictionData)) co_return mapi::ecNotInitialized;
  SearchCriteria criteria;
  if (before) criteria = before->criteria;
  if (request.RestrictionData) {
    const auto code = check(*request.RestrictionData, false, true);
    if (code != mapi::ecNone) co_return code;
    criteria.restriction = ListOrder::make({}, request.RestrictionData);
  }
  if (!request.FolderIds.empty()) {
    criteria.scope.clear();
    std::set<GlobalCounter> named;
    for (const auto id : request.FolderIds) {
      // Folders of other mailboxes have other ids, or none.
      const auto* in = call.mailbox.tree()->find(RopCall::counter(id));
      if (!in) co_return mapi::ecNotFound;
      if (named.insert(in->id).second) criteria.scope.push_back(in->id);
    }
  }
  criteria.recursive = (flags & RECURSIVE_SEARCH) != 0;
  criteria.once = (flags & STATIC_SEARCH) != 0;
  criteria.indexed = (flags & CONTENT_INDEXED_SEARCH) != 0;
  if (flags & STOP_SEARCH) {
    auto stopped = co_await call.mailbox.stop_search(folder->id);
    co_return stopped ? mapi::ecNone : mapi::to_error_code(stopped.error());
  }
  // A static one that is through, and one that was stopped, look again when asked to. Others do for a client that had asked to
  // stop them; without that it only says again what it wants (row S12).
  const bool restart = before && (before->state == Search::State::stopped ||
                                  (before->state == Search::State::complete && before->criteria.once) ||
                                  (before->unwanted && (flags & RESTART_SEARCH) != 0));
  auto done = co_await call.mailbox.set_search(folder->id, std::move(criteria), restart);
  if (!done && done.error().code == Errc::conflict) co_return mapi::ecSearchFolderScopeViolation;
  co_return done ? mapi::ecNone : mapi::to_error_code(done.error());
}

// How many of them a restriction joins.
std::size_t conditions(const mapi::Restriction& restriction) {
  using enum mapi::RestrictType;
  if (restriction.children.empty() || restriction.type == SubObjectRestriction) return 1;
  std::size_t sum = 0;
  for (const auto& child : restriction.children) sum += conditions(child);
  return sum;
}

// The restriction with strings of the form that the client wants.
mapi::Restriction with_strings(Arena& arena, const mapi::Restriction& from, const CellOptions& options) {
  using mapi::PropertyType;
  const auto wanted = [&](mapi::PropertyTag tag) {
    const auto type = tag.type();
    if (type == PropertyType::PtypString || type == PropertyType::PtypString8)
      return tag.with(options.unicode ? PropertyType::PtypString : PropertyType::PtypString8);
    // A list in a code page has no way back (convert()).
    if (type == PropertyType::PtypMultipleString && !options.unicode) return tag.with(PropertyType::PtypMultipleString8);
    return tag;
  };
  auto out = mapi::copy(arena, from);
  out.tag = wanted(from.tag);
  out.tag2 = wanted(from.tag2);
  if (const auto tag = wanted(from.value.tag); tag.type() != from.value.tag.type())
    out.value = {tag, mapi::copy(arena, convert(from.value.value, tag, arena, options))};
  auto children = arena.make_span<mapi::Restriction>(from.children.size());
  for (std::size_t i = 0; i < children.size(); ++i) children[i] = with_strings(arena, from.children[i], options);
  out.children = children;
  return out;
}

Task<ErrorCode> get_search_criteria(RopCall& call, const wire::RopGetSearchCriteria::Request& request,
                                    wire::RopGetSearchCriteria::Response& response) {
  auto folder = search_folder(call);
  if (!folder) co_return call.why;
  const auto search = call.mailbox.search(folder->id);
  if (!search) co_return mapi::ecNotInitialized;
  const auto& criteria = search->criteria;
  response.LogonId = call.request.LogonId;
  if (request.IncludeRestriction) {
    CellOptions options;
    options.code_page = call.session.options().code_page;
    options.unicode = request.UseUnicode;
    response.RestrictionData =
        call.arena.make<mapi::Restriction>(with_strings(call.arena, *criteria.restriction->restriction, options));
  }
  if (request.IncludeFolders) {
    // Those that are being searched: folders that have gone are not.
    std::vector<mapi::Id> ids;
    for (const auto in : criteria.scope)
      if (call.mailbox.tree()->find(in)) ids.push_back(call.id(in));
    response.FolderIds = call.arena.copy(std::span<const mapi::Id>(ids));
  }
  const auto& restriction = *criteria.restriction->restriction;
  const auto texts = text_leaves(&restriction).size();
  std::uint32_t flags = texts == 0 ? TWIR_TOTALLY : texts == conditions(restriction) ? CI_TOTALLY : CI_WITH_TWIR_RESIDUAL;
  if (search->state == Search::State::running) flags |= SEARCH_RUNNING | SEARCH_REBUILD;
  if (search->state == Search::State::complete) flags |= search->partial ? SEARCH_PARTIAL : SEARCH_COMPLETE;
  if (criteria.recursive) flags |= SEARCH_RECURSIVE;
  if (criteria.once) flags |= SEARCH_STATIC;
  response.SearchFlags = flags;
  co_return mapi::ecNone;
}

}  // namespace

HandlerList search_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopSetSearchCriteria, set_search_criteria>(),
      on<wire::RopGetSearchCriteria, get_search_criteria>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
