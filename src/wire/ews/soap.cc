#include "wire/ews/soap.h"

namespace mapigate::wire::ews {

namespace {

// Iterative: the depth is what is being measured.
Status check_shape(const pugi::xml_document& document) {
  std::size_t depth = 0, nodes = 0;
  for (auto at = document.first_child(); at;) {
    if (at.type() == pugi::node_doctype) return error(Errc::malformed, "a document type");
    if (++nodes > max_nodes) return error(Errc::limit, "more than {} nodes", max_nodes);
    if (at.first_child()) {
      if (++depth > max_depth) return error(Errc::limit, "deeper than {} elements", max_depth);
      at = at.first_child();
      continue;
    }
    while (at && !at.next_sibling()) {
      at = at.parent();
      if (at.type() == pugi::node_document) return {};
      --depth;
    }
    at = at.next_sibling();
  }
  return {};
}

pugi::xml_node only_element(const pugi::xml_node& parent) {
  pugi::xml_node found;
  for (const auto& node : parent.children()) {
    if (node.type() != pugi::node_element) continue;
    if (found) return {};
    found = node;
  }
  return found;
}

}  // namespace

Result<std::unique_ptr<Envelope>> Envelope::parse(View bytes) {
  if (bytes.size() > max_envelope) return error(Errc::limit, "an envelope of {} bytes", bytes.size());
  std::unique_ptr<Envelope> out(new Envelope());
  constexpr auto how = pugi::parse_default | pugi::parse_doctype | pugi::parse_ws_pcdata_single;
  const auto read = out->document_.load_buffer(bytes.data(), bytes.size(), how);
  if (!read) return error(Errc::malformed, "no XML: {} at {}", read.description(), read.offset);
  if (auto shape = check_shape(out->document_); !shape) return shape.error();
  const auto root = only_element(out->document_);
  if (local_name(root) != "Envelope" || namespace_of(root) != soap_namespace) return error(Errc::malformed, "no SOAP envelope");
  out->header_ = child(root, "Header");
  const auto body = child(root, "Body");
  if (namespace_of(body) != soap_namespace) return error(Errc::malformed, "the envelope has no body");
  out->content_ = only_element(body);
  if (!out->content_) return error(Errc::malformed, "the body is not one element");
  return out;
}

std::string_view Envelope::requested_version() const { return child(header_, "RequestServerVersion").attribute("Version").value(); }

std::string_view Envelope::time_zone_id() const {
  return child(child(header_, "TimeZoneContext"), "TimeZoneDefinition").attribute("Id").value();
}

EnvelopeWriter::EnvelopeWriter() : document_(std::make_unique<pugi::xml_document>()) {
  auto declaration = document_->append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "utf-8";
  auto root = document_->append_child("s:Envelope");
  root.append_attribute("xmlns:s") = soap_namespace;
  root.append_attribute("xmlns:m") = messages_namespace;
  root.append_attribute("xmlns:t") = types_namespace;
  header_ = root.append_child("s:Header");
  body_ = root.append_child("s:Body");
}

EnvelopeWriter EnvelopeWriter::response() {
  EnvelopeWriter out;
  auto version = out.header_.append_child("t:ServerVersionInfo");
  // Row L1: what the other protocols say as well.
  version.append_attribute("MajorVersion") = 15;
  version.append_attribute("MinorVersion") = 0;
  version.append_attribute("MajorBuildNumber") = 847;
  version.append_attribute("MinorBuildNumber") = 32;
  version.append_attribute("Version") = "V2_8";
  return out;
}

EnvelopeWriter EnvelopeWriter::request() {
  EnvelopeWriter out;
  out.header_.append_child("t:RequestServerVersion").append_attribute("Version") = "Exchange2013";
  return out;
}

void write_response_message(pugi::xml_node message, std::string_view code, std::string_view text, bool warning) {
  const bool good = code == "NoError";
  message.append_attribute("ResponseClass") = good ? "Success" : warning ? "Warning" : "Error";
  if (!text.empty()) add(message, "m:MessageText", text);
  add(message, "m:ResponseCode", code);
  if (!good) add(message, "m:DescriptiveLinkKey", 0);
}

std::string fault(std::string_view code, std::string_view message) {
  pugi::xml_document document;
  auto declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "utf-8";
  auto root = document.append_child("s:Envelope");
  root.append_attribute("xmlns:s") = soap_namespace;
  auto fault = root.append_child("s:Body").append_child("s:Fault");
  auto fault_code = add(fault, "faultcode", "a:" + std::string(code));
  fault_code.append_attribute("xmlns:a") = types_namespace;
  add(fault, "faultstring", message).append_attribute("xml:lang") = "en-US";
  auto detail = fault.append_child("detail");
  add(detail, "e:ResponseCode", code).append_attribute("xmlns:e") = errors_namespace;
  add(detail, "e:Message", message).append_attribute("xmlns:e") = errors_namespace;
  return to_string(document);
}

std::optional<Failure> failure_of(const Envelope& envelope) {
  const auto& content = envelope.content();
  if (local_name(content) == "Fault") {
    Failure out;
    out.code = text(child(content, "detail"), "ResponseCode");
    out.message = text(content, "faultstring");
    if (out.code.empty()) out.code = text(content, "faultcode");
    return out;
  }
  const auto failed = content.find_node([](const pugi::xml_node& node) {
    const auto kind = node.attribute("ResponseClass");
    return kind && std::string_view(kind.value()) != "Success";
  });
  const auto found = content.attribute("ResponseClass") && std::string_view(content.attribute("ResponseClass").value()) != "Success"
                         ? content
                         : failed;
  if (!found) return {};
  return Failure{std::string(text(found, "ResponseCode")), std::string(text(found, "MessageText"))};
}

}  // namespace mapigate::wire::ews
