// One operation of the web services. Internal to transport/ews.
#pragma once

#include "directory/source.h"
#include "io/http_server.h"
#include "mailbox/user_services.h"
#include "transport/gateway.h"
#include "wire/ews/soap.h"

namespace mapigate::transport::ews {

// A request in progress. Operations run on the user's executor.
struct Call {
  Gateway& gateway;
  std::shared_ptr<const chain::Identity> identity;
  Route route;
  const wire::ews::Envelope& request;
  pugi::xml_node body;  // of the response; the operation adds its response element

  const pugi::xml_node& content() const { return request.content(); }
  const std::string& user() const { return identity->user; }
  // Null when there is none that can be looked into now.
  std::shared_ptr<const directory::Snapshot> address_book() const;
  mailbox::OutOfOfficeFactory* out_of_office() const { return route.services ? route.services->out_of_office() : nullptr; }
  mailbox::FreeBusySource* free_busy() const { return route.services ? route.services->free_busy() : nullptr; }
  // The address is one of the user's own; the empty one is.
  bool is_own(const std::string& address) const;
};

// An error becomes a SOAP fault: malformed ErrorSchemaValidation, limit ErrorInvalidRequest, the rest
// ErrorInternalServerTransientError. What an operation itself can answer is no error.
using Run = io::Task<Status> (*)(Call* call);

struct Operation {
  std::string_view request;  // local name of the request element
  Run run;
};

std::span<const Operation> availability_operations();
std::span<const Operation> directory_operations();
std::span<const Operation> out_of_office_operations();
std::span<const Operation> service_operations();

// A picture as a GET gets it; see photo.cc.
io::Task<> answer_photo(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity);

// The response code for what a backend answered.
std::string_view code_of(const Error& error);
// Name, EmailAddress, RoutingType, MailboxType ([MS-OXWSCDATA] 2.2.4.31 "t:EmailAddressType").
void write_address(pugi::xml_node node, const directory::Object& object);

// Runs `work` for 0 … count-1, at most `width` at a time, on the caller's executor; returns when all have ended.
io::Task<> for_each(std::size_t count, std::size_t width, std::function<io::Task<>(std::size_t)> work);

}  // namespace mapigate::transport::ews
