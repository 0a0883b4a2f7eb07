#include "upstream/ews_client.h"

#include "wire/ews/soap.h"

namespace mapigate::upstream {

using namespace wire::ews;

namespace {

Error refused(const Failure& failure) {
  const bool denied = failure.code == "ErrorAccessDenied" || failure.code == "ErrorNoFreeBusyAccess";
  const bool later = failure.code == "ErrorMailboxStoreUnavailable" || failure.code == "ErrorInternalServerTransientError" ||
                     failure.code == "ErrorTimeoutExpired" || failure.code == "ErrorFreeBusyGenerationFailed";
  return error(denied ? Errc::denied : later ? Errc::unavailable : Errc::unsupported, "the server answers {}: {}", failure.code,
               failure.message);
}

Result<std::unique_ptr<Envelope>> read_answer(const Bytes& body) {
  auto envelope = Envelope::parse(body);
  if (!envelope) return std::move(envelope.error()).within("the answer");
  if (const auto failure = failure_of(**envelope)) return refused(*failure);
  return envelope;
}

pugi::xml_node request_for(EnvelopeWriter& writer, const char* name, const std::string& address) {
  auto request = writer.body().append_child(name);
  add(request.append_child("t:Mailbox"), "t:Address", address);
  return request;
}

}  // namespace

Task<Result<Bytes>> EwsClient::call(const char* operation, std::string envelope) {
  io::HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers.add("Content-Type", "text/xml; charset=utf-8");
  request.headers.add("SOAPAction", fmt::format("\"{}/{}\"", messages_namespace, operation));
  request.headers.add("User-Agent", "mapigate");
  request.body = as_view(envelope);
  io::RequestOptions limits;
  limits.body_bytes = max_envelope;
  auto response = co_await identity_->request(std::move(request), limits);
  if (!response) co_return std::move(response.error()).within(url_.to_string());
  if (response->status == 401) co_return error(Errc::denied, "{}: the user name or password is wrong", url_.to_string());
  // A fault comes with 500.
  if (response->status != 200 && response->status != 500)
    co_return error(response->status == 404 ? Errc::not_found : Errc::unavailable, "{}: HTTP {}", url_.to_string(), response->status);
  co_return std::move(response->body);
}

Task<Result<UserOofSettings>> EwsClient::out_of_office(std::string address) {
  auto writer = EnvelopeWriter::request();
  request_for(writer, "m:GetUserOofSettingsRequest", address);
  auto body = co_await call("GetUserOofSettings", writer.to_string());
  if (!body) co_return body.error();
  auto answer = read_answer(*body);
  if (!answer) co_return answer.error();
  auto settings = read_oof_settings(child((*answer)->content(), "OofSettings"));
  co_return settings;
}

Task<Status> EwsClient::set_out_of_office(std::string address, UserOofSettings settings) {
  auto writer = EnvelopeWriter::request();
  auto request = request_for(writer, "m:SetUserOofSettingsRequest", address);
  write_oof_settings(request.append_child("t:UserOofSettings"), settings);
  auto body = co_await call("SetUserOofSettings", writer.to_string());
  if (!body) co_return body.error();
  auto answer = read_answer(*body);
  if (!answer) co_return answer.error();
  co_return Status();
}

Task<Result<FreeBusyView>> EwsClient::free_busy(std::string address, std::int64_t start, std::int64_t end, int interval_minutes) {
  AvailabilityRequest ask;
  ask.StartTime = start;
  ask.EndTime = end;
  ask.MergedFreeBusyIntervalInMinutes = interval_minutes;
  ask.RequestedView = FreeBusyViewType::DetailedMerged;
  ask.Mailboxes.push_back({address});
  auto writer = EnvelopeWriter::request();
  write_availability_request(writer.body().append_child("m:GetUserAvailabilityRequest"), ask);
  auto body = co_await call("GetUserAvailability", writer.to_string());
  if (!body) co_return body.error();
  auto answer = read_answer(*body);
  if (!answer) co_return answer.error();
  const auto response = child(child((*answer)->content(), "FreeBusyResponseArray"), "FreeBusyResponse");
  auto view = read_free_busy_view(child(response, "FreeBusyView"), {});
  co_return view;
}

}  // namespace mapigate::upstream
