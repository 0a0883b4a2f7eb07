// The endpoint mapper ([C706] appendix O) and the referral interface ([MS-OXABREF]).
#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "mapi/legacy_dn.h"
#include "transport/gateway.h"
#include "transport/rpc/core.h"
#include "wire/ndr/epm_ndr.h"
#include "wire/ndr/rfr_ndr.h"
#include "wire/ndr/tower.h"

namespace mapigate::transport::rpc {

namespace {

namespace epm = ndr::epm;
namespace rfr = ndr::rfr;

constexpr std::uint32_t ept_s_not_registered = 0x16c9a0d6;
constexpr std::uint32_t ept_s_invalid_context = 0x16c9a0f5;
constexpr std::size_t most_entries = 500;  // of one answer, whatever the client would take

// inquiry_type and vers_option of ept_lookup ([C706] appendix O).
enum Inquiry : std::uint32_t { all = 0, by_interface = 1, by_object = 2, by_both = 3 };
enum Versions : std::uint32_t { any = 1, compatible = 2, exact = 3, major_only = 4, up_to = 5 };

bool fits(const ndr::Interface& served, const epm::rpc_if_id_t& wanted, std::uint32_t option) {
  if (served.uuid != wanted.uuid) return false;
  switch (option) {
    case any: return true;
    case compatible: return served.major == wanted.vers_major && served.minor >= wanted.vers_minor;
    case exact: return served.major == wanted.vers_major && served.minor == wanted.vers_minor;
    case major_only: return served.major == wanted.vers_major;
    case up_to:
      return served.major < wanted.vers_major || (served.major == wanted.vers_major && served.minor <= wanted.vers_minor);
    default: return false;
  }
}

class EndpointMapper : public Service {
 public:
  explicit EndpointMapper(std::vector<Endpoint> endpoints) : endpoints_(std::move(endpoints)) {}
  const ndr::Interface& interface() const override { return epm::interface; }
  bool needs_logon() const override { return false; }

  void call(const Request& request, Reply reply) override {
    switch (request.opnum) {
      case epm::ept_lookup::opnum: return lookup(request, reply);
      case epm::ept_map::opnum: return map(request, reply);
      case epm::ept_lookup_handle_free::opnum: return free(request, reply);
      default: return reply({fault_access_denied, {}});  // what is served is not for clients to change
    }
  }

 private:
  Bytes tower_of(const Endpoint& endpoint, const Caller& caller) const {
    ndr::Tower tower;
    tower.interface = {endpoint.interface.uuid, endpoint.interface.major, endpoint.interface.minor};
    tower.transport = endpoint.transport;
    tower.port = endpoint.port;
    tower.address = caller.local;
    return ndr::write_tower(tower);
  }

  // Where a lookup goes on, by its handle. An empty handle is a new one.
  struct Place {
    std::shared_ptr<Handle> handle;
    std::size_t position = 0;
    bool known = true;
  };
  static Place place_of(const ndr::ContextHandle& wire, const Request& request) {
    if (wire.empty()) return {};
    auto handle = request.group->find(wire, Handle::Kind::lookup, request.caller);
    if (handle == nullptr) return {{}, 0, false};
    const auto position = handle->position;
    return {std::move(handle), position, true};
  }
  // Clients that ask for one after the other (Samba's rpcclient) go on until they hear that there is no more, whatever the handle: an
  // answer that is just full and comes with none would have them begin again.
  static bool is_over(std::size_t found, std::size_t told, std::size_t now, std::size_t room) { return told >= found && (now == 0 || now < room); }

  // The handle to answer with: none when it is over.
  static ndr::ContextHandle go_on(const ndr::ContextHandle& wire, Place& place, std::size_t told, bool over, const Request& request) {
    if (over) {
      if (place.handle) request.group->remove(wire);
      return {};
    }
    if (place.handle) {
      place.handle->position = told;
      return wire;
    }
    auto handle = std::make_shared<Handle>();
    handle->kind = Handle::Kind::lookup;
    handle->user = request.caller.user;
    handle->position = told;
    const auto added = request.group->add(std::move(handle));
    return added ? *added : ndr::ContextHandle();
  }

  void lookup(const Request& request, const Reply& reply) {
    Arena arena;
    epm::ept_lookup::In in;
    if (!decoded<epm::ept_lookup>("ept_lookup", request, arena, in, reply)) return;
    std::vector<const Endpoint*> found;
    const bool by_if = in.inquiry_type == by_interface || in.inquiry_type == by_both;
    for (const auto& one : endpoints_) {
      if (in.inquiry_type > by_both) break;
      if (by_if && (in.interface_id == nullptr || !fits(one.interface, *in.interface_id, in.vers_option))) continue;
      // Nothing here is registered for an object.
      if ((in.inquiry_type == by_object || in.inquiry_type == by_both) && (in.object == nullptr || *in.object != mapi::Guid())) continue;
      found.push_back(&one);
    }
    epm::ept_lookup::Out out;
    out.max_ents = in.max_ents;
    auto place = place_of(in.entry_handle, request);
    const auto room = std::min<std::size_t>(in.max_ents, most_entries);
    std::vector<Bytes> octets;
    std::vector<epm::twr_t> towers;
    std::vector<epm::ept_entry_t> entries;
    octets.reserve(found.size()), towers.reserve(found.size());
    if (!place.known) {
      out.status = ept_s_invalid_context;
    } else {
      for (auto at = place.position; at < found.size() && entries.size() < room; ++at) {
        const auto& bytes = octets.emplace_back(tower_of(*found[at], request.caller));
        const auto& tower = towers.emplace_back(epm::twr_t{static_cast<std::uint32_t>(bytes.size()), std::span(bytes)});
        entries.push_back({{}, &tower, found[at]->annotation});
      }
      if (entries.empty()) out.status = ept_s_not_registered;
      const auto told = place.position + entries.size();
      out.entry_handle = go_on(in.entry_handle, place, told, is_over(found.size(), told, entries.size(), room), request);
    }
    out.num_ents = static_cast<std::uint32_t>(entries.size());
    out.entries = std::span(entries);
    reply(encoded("ept_lookup", out));
  }

  void map(const Request& request, const Reply& reply) {
    Arena arena;
    epm::ept_map::In in;
    if (!decoded<epm::ept_map>("ept_map", request, arena, in, reply)) return;
    epm::ept_map::Out out;
    out.max_towers = in.max_towers;
    std::vector<const Endpoint*> found;
    if (in.map_tower != nullptr) {
      const auto wanted = ndr::read_tower(in.map_tower->tower_octet_string.span());
      if (wanted && wanted->transfer == ndr::ndr_syntax && (wanted->transport == ndr::Floor::tcp || wanted->transport == ndr::Floor::http)) {
        const epm::rpc_if_id_t id{wanted->interface.uuid, wanted->interface.major, wanted->interface.minor};
        for (const auto& one : endpoints_)
          if (one.transport == wanted->transport && fits(one.interface, id, compatible)) found.push_back(&one);
      }
    }
    auto place = place_of(in.entry_handle, request);
    const auto room = std::min<std::size_t>(in.max_towers, most_entries);
    std::vector<Bytes> octets;
    std::vector<epm::twr_t> towers;
    std::vector<const epm::twr_t*> pointers;
    octets.reserve(found.size()), towers.reserve(found.size());
    if (!place.known) {
      out.status = ept_s_invalid_context;
    } else {
      for (auto at = place.position; at < found.size() && pointers.size() < room; ++at) {
        const auto& bytes = octets.emplace_back(tower_of(*found[at], request.caller));
        pointers.push_back(&towers.emplace_back(epm::twr_t{static_cast<std::uint32_t>(bytes.size()), std::span(bytes)}));
      }
      if (pointers.empty()) out.status = ept_s_not_registered;
      const auto told = place.position + pointers.size();
      out.entry_handle = go_on(in.entry_handle, place, told, is_over(found.size(), told, pointers.size(), room), request);
    }
    out.num_towers = static_cast<std::uint32_t>(pointers.size());
    out.towers = std::span(pointers);
    reply(encoded("ept_map", out));
  }

  void free(const Request& request, const Reply& reply) {
    Arena arena;
    epm::ept_lookup_handle_free::In in;
    if (!decoded<epm::ept_lookup_handle_free>("ept_lookup_handle_free", request, arena, in, reply)) return;
    epm::ept_lookup_handle_free::Out out;
    if (!in.entry_handle.empty()) {
      if (request.group->find(in.entry_handle, Handle::Kind::lookup, request.caller) == nullptr) out.status = ept_s_invalid_context;
      else request.group->remove(in.entry_handle);
    }
    reply(encoded("ept_lookup_handle_free", out));
  }

  std::vector<Endpoint> endpoints_;
};

// Every user's address book and mailbox are on this server, but for those whom a RopLogon has sent to another of our kind (row L8):
// its host name stands in its DN. Whatever else is asked for was known by a name of its own before, and is here.
class Referral : public Service {
 public:
  explicit Referral(Gateway& gateway) : gateway_(gateway) {}
  const ndr::Interface& interface() const override { return rfr::interface; }

  void call(const Request& request, Reply reply) override {
    const std::string_view server = gateway_.options().server_name;
    Arena arena;
    if (request.opnum == rfr::RfrGetNewDSA::opnum) {
      rfr::RfrGetNewDSA::In in;
      if (!decoded<rfr::RfrGetNewDSA>("RfrGetNewDSA", request, arena, in, reply)) return;
      rfr::RfrGetNewDSA::Out out;
      // Where the client passed no place for a pointer, there is none to answer with.
      if (in.ppszUnused) out.ppszUnused.emplace();
      if (in.ppszServer) out.ppszServer.emplace(server);
      return reply(encoded("RfrGetNewDSA", out));
    }
    rfr::RfrGetFQDNFromServerDN::In in;
    if (!decoded<rfr::RfrGetFQDNFromServerDN>("RfrGetFQDNFromServerDN", request, arena, in, reply)) return;
    rfr::RfrGetFQDNFromServerDN::Out out;
    const auto named = mapi::server_of_dn(in.szMailboxServerDN);
    const bool elsewhere = named && named->find('.') != std::string::npos && !equal_ignoring_ascii_case(*named, server);
    out.ppszServerFQDN = elsewhere ? std::string_view(*named) : server;
    reply(encoded("RfrGetFQDNFromServerDN", out));
  }

 private:
  Gateway& gateway_;
};

}  // namespace

std::unique_ptr<Service> make_endpoint_mapper(std::vector<Endpoint> endpoints) {
  return std::make_unique<EndpointMapper>(std::move(endpoints));
}
std::unique_ptr<Service> make_referral(Gateway& gateway) { return std::make_unique<Referral>(gateway); }

}  // namespace mapigate::transport::rpc
