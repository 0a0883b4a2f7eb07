// All request types of the address book endpoint, for whoever treats them alike.
#pragma once

#include "wire/nspi/object_bodies.h"
#include "wire/nspi/table_bodies.h"

namespace mapigate::wire::nspi {

// Calls visit.template operator()<Bind>() and so on until one returns true; false when none did.
template <class Visit>
bool any_request_type(Visit visit) {
  return [&]<class... Types>(std::type_identity<std::tuple<Types...>>) {
    return (visit.template operator()<Types>() || ...);
  }(std::type_identity<std::tuple<Bind, Unbind, CompareMIds, DNToMId, GetMatches, GetPropList, GetProps, GetSpecialTable,
                                  GetTemplateInfo, ModLinkAtt, ModProps, QueryColumns, QueryRows, ResolveNames,
                                  ResortRestriction, SeekEntries, UpdateStat, GetMailboxUrl, GetAddressBookUrl>>{});
}

}  // namespace mapigate::wire::nspi
