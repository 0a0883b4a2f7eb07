// SOAP 1.1 envelopes of Exchange's web services ([MS-OXWSCDATA] 2.2.3 "Elements", [SOAP1.1]).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/ews/xml.h"

namespace mapigate::wire::ews {

inline constexpr char soap_namespace[] = "http://schemas.xmlsoap.org/soap/envelope/";
inline constexpr char messages_namespace[] = "http://schemas.microsoft.com/exchange/services/2006/messages";
inline constexpr char types_namespace[] = "http://schemas.microsoft.com/exchange/services/2006/types";
inline constexpr char errors_namespace[] = "http://schemas.microsoft.com/exchange/services/2006/errors";

inline constexpr std::size_t max_envelope = std::size_t{2} << 20;
inline constexpr std::size_t max_depth = 64;
inline constexpr std::size_t max_nodes = 100'000;

// A request or a response that was received. Nodes are valid as long as it lives.
class Envelope {
 public:
  // Errc::limit: larger or deeper than we read; malformed: no envelope with one element in its body. Document types
  // are refused, and with them all entities but the five of XML.
  static Result<std::unique_ptr<Envelope>> parse(View bytes);

  std::string_view operation() const { return local_name(content_); }  // "GetUserOofSettingsRequest"
  bool in_messages_namespace() const { return namespace_of(content_) == messages_namespace; }
  const pugi::xml_node& content() const { return content_; }
  std::string_view requested_version() const;  // of the header RequestServerVersion: "Exchange2013_SP1"; may be empty
  bool impersonates() const { return bool(child(header_, "ExchangeImpersonation")); }
  std::string_view time_zone_id() const;       // of the header TimeZoneContext: "W. Europe Standard Time"; may be empty

 private:
  Envelope() = default;
  pugi::xml_document document_;
  pugi::xml_node header_, content_;
};

// An envelope in the making. Elements stand under the prefixes m (messages) and t (types).
class EnvelopeWriter {
 public:
  // With the header ServerVersionInfo.
  static EnvelopeWriter response();
  // With the header RequestServerVersion.
  static EnvelopeWriter request();

  pugi::xml_node body() { return body_; }
  std::string to_string() const { return ews::to_string(*document_); }

 private:
  EnvelopeWriter();
  std::unique_ptr<pugi::xml_document> document_;
  pugi::xml_node header_, body_;
};

// The children that every response message begins with ([MS-OXWSCDATA] 2.2.4.65 "m:ResponseMessageType"). `code` NoError
// makes the class Success, `warning` makes it Warning, everything else Error with `message` as its text.
void write_response_message(pugi::xml_node message, std::string_view code, std::string_view text = {}, bool warning = false);

// A SOAP fault with Exchange's detail: the answer to what is no valid request.
std::string fault(std::string_view code, std::string_view message);

// What went wrong according to a response: its fault, or its first response message that is no success. Null: nothing.
struct Failure {
  std::string code;  // "ErrorAccessDenied"
  std::string message;
};
std::optional<Failure> failure_of(const Envelope& envelope);

}  // namespace mapigate::wire::ews
