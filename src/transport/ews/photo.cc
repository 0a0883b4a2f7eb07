// Pictures by a plain GET ([MS-OXWSPHOTO] 3.1.4.1, "GetUserPhoto" as REST), as Outlook asks for each face that it shows:
// /EWS/Exchange.asmx/s/GetUserPhoto?email=ADDRESS&size=HR96x96. The directory has one of each; its size is as it is.
#include "base/text.h"
#include "transport/ews/operation.h"

namespace mapigate::transport::ews {

io::Task<> answer_photo(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  const auto route = gateway.route(identity->user);
  const auto book = route && route->address_books ? route->address_books->address_book(identity->user) : nullptr;
  const auto found = book ? book->find_address(lower_ascii(trim(query_parameter(exchange.query(), "email")))) : std::nullopt;
  const auto photo = found ? book->entry(*found).photo : Bytes();
  unsigned status = 200;
  io::HttpHeaders headers;
  View body(photo);
  if (photo.empty()) {
    status = 404;
    body = as_view("There is no picture.\n");
    headers.add("Content-Type", "text/plain; charset=utf-8").add("Cache-Control", "private, max-age=3600");
  } else {
    const auto etag = fmt::format("\"{:016x}\"", std::hash<std::string_view>{}(as_text(photo)));
    headers.add("Content-Type", "image/jpeg").add("ETag", etag).add("Cache-Control", "private, max-age=86400");
    if (exchange.header("If-None-Match").find(etag) != std::string_view::npos) status = 304, body = View();
  }
  const auto sent = co_await exchange.respond(status, headers, body);
  (void)sent;  // the client has gone
}

}  // namespace mapigate::transport::ews
