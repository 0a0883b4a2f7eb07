// A SOAP envelope, and everything that is read out of one: what was understood must read the same after it was written.
#include <cstdlib>

#include "wire/ews/availability.h"
#include "wire/ews/oof.h"
#include "wire/ews/soap.h"

using namespace mapigate;
using namespace mapigate::wire::ews;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto envelope = Envelope::parse(View(data, size));
  if (!envelope) return 0;
  const auto& content = (*envelope)->content();
  (void)failure_of(**envelope);
  (void)(*envelope)->in_messages_namespace();
  AvailabilityRequest request;
  if (!read_availability(content, {}, request)) {
    (void)merged_free_busy({}, request.StartTime, request.EndTime, request.MergedFreeBusyIntervalInMinutes);
    auto written = EnvelopeWriter::request();
    write_availability_request(written.body().append_child("m:GetUserAvailabilityRequest"), request);
    auto again = Envelope::parse(as_view(written.to_string()));
    AvailabilityRequest read;
    if (!again || read_availability((*again)->content(), {}, read)) std::abort();
    if (read.TimeZone != request.TimeZone || read.Mailboxes.size() != request.Mailboxes.size()) std::abort();
  }
  if (auto settings = read_oof_settings(child(content, "UserOofSettings"))) {
    auto written = EnvelopeWriter::request();
    write_oof_settings(written.body().append_child("m:X").append_child("t:UserOofSettings"), *settings);
    auto again = Envelope::parse(as_view(written.to_string()));
    if (!again) std::abort();
    auto read = read_oof_settings(child((*again)->content(), "UserOofSettings"));
    if (!read || read->State != settings->State || read->StartTime != settings->StartTime) std::abort();
  }
  if (auto view = read_free_busy_view(child(content, "FreeBusyView"), {})) {
    auto written = EnvelopeWriter::request();
    write_free_busy_view(written.body().append_child("m:X").append_child("m:FreeBusyView"), *view, {});
    auto again = Envelope::parse(as_view(written.to_string()));
    if (!again || !read_free_busy_view(child((*again)->content(), "FreeBusyView"), {})) std::abort();
  }
  return 0;
}
