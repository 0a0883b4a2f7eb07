#include "transport/ews/ews.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "transport/ews/operation.h"
#include "transport/web_relay.h"

namespace mapigate::transport {

namespace ews {

std::shared_ptr<const directory::Snapshot> Call::address_book() const {
  return route.address_books ? route.address_books->address_book(user()) : nullptr;
}

bool Call::is_own(const std::string& address) const {
  if (address.empty() || address == user()) return true;
  const auto book = address_book();
  if (!book) return false;
  const auto mine = book->find_address(user());
  return mine && book->find_address(address) == mine;
}

std::string_view code_of(const Error& error) {
  switch (error.code) {
    case Errc::denied: return "ErrorAccessDenied";
    case Errc::not_found: return "ErrorNonExistentMailbox";
    case Errc::unsupported: return "ErrorInvalidOperation";
    case Errc::unavailable: return "ErrorMailboxStoreUnavailable";
    case Errc::timeout:
    case Errc::cancelled: return "ErrorTimeoutExpired";
    default: return "ErrorInternalServerError";
  }
}

void write_address(pugi::xml_node node, const directory::Object& object) {
  using directory::EntryKind;
  using wire::ews::add;
  add(node, "t:Name", object.entry.display_name);
  if (!object.entry.address.empty()) {
    add(node, "t:EmailAddress", object.entry.address);
    add(node, "t:RoutingType", "SMTP");
  }
  add(node, "t:MailboxType", object.entry.kind == EntryKind::group     ? "PublicDL"
                             : object.entry.kind == EntryKind::contact ? "Contact"
                                                                       : "Mailbox");
}

namespace {

// What the workers of for_each() share.
struct Crowd {
  std::function<io::Task<>(std::size_t)> work;
  std::size_t next = 0, count = 0, running = 0;
  io::Event done;
};

io::Task<> work_through(std::shared_ptr<Crowd> crowd) {
  while (crowd->next < crowd->count) {
    const auto number = crowd->next++;
    try {
      co_await crowd->work(number);
    } catch (const std::exception& problem) {
      log::error("web services: {}", problem.what());
    }
  }
  if (--crowd->running == 0) crowd->done.set();
}

}  // namespace

io::Task<> for_each(std::size_t count, std::size_t width, std::function<io::Task<>(std::size_t)> work) {
  if (count == 0) co_return;
  auto crowd = std::make_shared<Crowd>();
  crowd->work = std::move(work);
  crowd->count = count;
  crowd->running = std::min(width, count);
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto workers = crowd->running;
  for (std::size_t i = 0; i < workers; ++i) io::spawn(executor, work_through(crowd));
  // Every piece of work has an end of its own.
  co_await crowd->done.wait_for(std::chrono::hours(1));
}

namespace {

const Operation* find_operation(std::string_view request) {
  for (const auto part : {availability_operations(), directory_operations(), out_of_office_operations(), service_operations()})
    for (const auto& one : part)
      if (one.request == request) return &one;
  return nullptr;
}

io::Task<> answer(io::HttpExchange& exchange, unsigned status, std::string body, std::string_view type = "text/xml; charset=utf-8") {
  io::HttpHeaders headers{{"Content-Type", type}, {"Cache-Control", "private"}};
  if (const auto id = exchange.header("client-request-id"); !id.empty()) headers.add("request-id", id);
  const auto sent = co_await exchange.respond(status, headers, body);
  (void)sent;  // the client has gone; nothing is lost
}

// The operation answered by running it where all of the user runs.
io::Task<std::pair<unsigned, std::string>> run(Gateway& gateway, std::shared_ptr<const chain::Identity> identity, Route route,
                                               const Operation& operation, const wire::ews::Envelope& envelope) {
  using wire::ews::fault;
  auto writer = wire::ews::EnvelopeWriter::response();
  Call call{gateway, identity, std::move(route), envelope, writer.body()};
  Status done;
  try {
    auto task = io::on(gateway.executor_of(identity->user), operation.run(&call));
    done = co_await std::move(task);
  } catch (const std::exception& problem) {
    done = error(Errc::internal, "{}", problem.what());
  }
  std::pair<unsigned, std::string> out{200, {}};
  if (done) {
    out.second = writer.to_string();
    co_return out;
  }
  log::warning("{} for {}: {}", operation.request, identity->user, done.error().message);
  out.first = 500;
  if (done.error().code == Errc::malformed)
    out.second = fault("ErrorSchemaValidation", "The request failed schema validation: " + done.error().message);
  else if (done.error().code == Errc::limit) out.second = fault("ErrorInvalidRequest", "The request is too large: " + done.error().message);
  else out.second = fault("ErrorInternalServerTransientError", "The server cannot answer now. Try again later.");
  co_return out;
}

// Whether the chain itself has something to answer with.
bool serves(const std::optional<Route>& route) { return route && (route->services != nullptr || route->address_books != nullptr); }

io::Task<> handle_request(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  using wire::ews::fault;
  auto envelope = wire::ews::Envelope::parse(exchange.body());
  if (!envelope) {
    log::info("web services: what {} sent is {}", identity->user, envelope.error().message);
    co_await answer(exchange, 500, fault("ErrorInvalidRequest", "The request is invalid."));
    co_return;
  }
  const auto name = (*envelope)->operation();
  const auto* operation = (*envelope)->in_messages_namespace() ? find_operation(name) : nullptr;
  auto route = gateway.route(identity->user);
  const bool here = operation != nullptr && serves(route);
  // Nobody may act as somebody else here; an answer about the caller would be taken for one about that user.
  if (here && (*envelope)->impersonates()) {
    co_await answer(exchange, 500, fault("ErrorImpersonateUserDenied", "The account does not have permission to impersonate the requested user."));
    co_return;
  }
  // A chain that ends in another server knows nothing of these; that server's own web services do.
  if (!here && route && route->web) {
    co_await relay_web_request(gateway, exchange, identity, route->web);
    co_return;
  }
  if (!here) {
    log::info("web services: {} asks for {}, which is not served", identity->user, name.substr(0, 100));
    co_await answer(exchange, 500, fault("ErrorInvalidRequest", "The request is invalid."));
    co_return;
  }
  auto outcome = co_await run(gateway, identity, std::move(*route), *operation, **envelope);
  co_await answer(exchange, outcome.first, std::move(outcome.second));
}

// Enough for tools that ask what there is: names and places, no types.
std::string wsdl(const GatewayOptions& options) {
  const auto url = "https://" + options.server_name + (options.external_port == 443 ? "" : ":" + std::to_string(options.external_port)) +
                   "/EWS/Exchange.asmx";
  pugi::xml_document document;
  auto root = document.append_child("wsdl:definitions");
  root.append_attribute("xmlns:wsdl") = "http://schemas.xmlsoap.org/wsdl/";
  root.append_attribute("xmlns:soap") = "http://schemas.xmlsoap.org/wsdl/soap/";
  root.append_attribute("xmlns:xs") = "http://www.w3.org/2001/XMLSchema";
  root.append_attribute("xmlns:m") = wire::ews::messages_namespace;
  root.append_attribute("targetNamespace") = wire::ews::messages_namespace;
  auto schema = root.append_child("wsdl:types").append_child("xs:schema");
  schema.append_attribute("targetNamespace") = wire::ews::messages_namespace;
  struct Named {
    std::string operation, request, response;
  };
  std::vector<Named> all;
  for (const auto part : {availability_operations(), directory_operations(), out_of_office_operations(), service_operations()})
    for (const auto& one : part) {
      auto name = std::string(one.request);
      if (name.ends_with("Request")) name.erase(name.size() - 7);
      all.push_back({name, std::string(one.request), name + "Response"});
    }
  for (const auto& one : all)
    for (const auto& element : {one.request, one.response}) {
      auto declared = schema.append_child("xs:element");
      declared.append_attribute("name") = element.c_str();
      declared.append_attribute("type") = "xs:anyType";
      auto message = root.append_child("wsdl:message");
      message.append_attribute("name") = element.c_str();
      auto part = message.append_child("wsdl:part");
      part.append_attribute("name") = "body";
      part.append_attribute("element") = ("m:" + element).c_str();
    }
  auto port_type = root.append_child("wsdl:portType");
  port_type.append_attribute("name") = "ExchangeServicePortType";
  auto binding = root.append_child("wsdl:binding");
  binding.append_attribute("name") = "ExchangeServiceBinding";
  binding.append_attribute("type") = "m:ExchangeServicePortType";
  auto style = binding.append_child("soap:binding");
  style.append_attribute("style") = "document";
  style.append_attribute("transport") = "http://schemas.xmlsoap.org/soap/http";
  for (const auto& one : all) {
    auto declared = port_type.append_child("wsdl:operation");
    declared.append_attribute("name") = one.operation.c_str();
    declared.append_child("wsdl:input").append_attribute("message") = ("m:" + one.request).c_str();
    declared.append_child("wsdl:output").append_attribute("message") = ("m:" + one.response).c_str();
    auto bound = binding.append_child("wsdl:operation");
    bound.append_attribute("name") = one.operation.c_str();
    bound.append_child("soap:operation").append_attribute("soapAction") =
        (std::string(wire::ews::messages_namespace) + "/" + one.operation).c_str();
    for (const char* direction : {"wsdl:input", "wsdl:output"})
      bound.append_child(direction).append_child("soap:body").append_attribute("use") = "literal";
  }
  auto service = root.append_child("wsdl:service");
  service.append_attribute("name") = "ExchangeServices";
  auto port = service.append_child("wsdl:port");
  port.append_attribute("name") = "ExchangeServicePort";
  port.append_attribute("binding") = "m:ExchangeServiceBinding";
  port.append_child("soap:address").append_attribute("location") = url.c_str();
  return wire::ews::to_string(document);
}

}  // namespace
}  // namespace ews

io::Task<> handle_ews(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  auto path = lower_ascii(exchange.path());
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const bool reading = exchange.method() == "GET" || exchange.method() == "HEAD";
  const auto route = gateway.route(identity->user);
  if (route && route->web && !ews::serves(route)) {
    co_await relay_web_request(gateway, exchange, identity, route->web);
    co_return;
  }
  if (path == "/ews/exchange.asmx" && exchange.method() == "POST") {
    co_await ews::handle_request(gateway, exchange, identity);
  } else if (path == "/ews/exchange.asmx" && reading) {
    const io::HttpHeaders headers{{"Location", "/EWS/Services.wsdl"}, {"Cache-Control", "private"}};
    const auto sent = co_await exchange.respond(302, headers, std::string_view());
    (void)sent;
  } else if (path == "/ews/exchange.asmx/s/getuserphoto" && reading) {
    co_await ews::answer_photo(gateway, exchange, identity);
  } else if (path == "/ews/services.wsdl" && reading) {
    co_await ews::answer(exchange, 200, ews::wsdl(gateway.options()));
  } else if (path == "/ews/exchange.asmx" || path == "/ews/services.wsdl") {
    const io::HttpHeaders headers{{"Allow", "GET, POST"}, {"Content-Type", "text/plain; charset=utf-8"}};
    const auto sent = co_await exchange.respond(405, headers, "POST a SOAP envelope here.\n");
    (void)sent;
  } else {
    co_await ews::answer(exchange, 404, "Nothing is here.\n", "text/plain; charset=utf-8");
  }
}

}  // namespace mapigate::transport
