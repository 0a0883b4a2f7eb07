// Dumps of ROPs with the offset of each field, as far as they can be read.
#include "wire/read_and_tell.h"
#include "wire/rop/rop.h"

namespace mapigate::wire {

namespace {

// Reads from `offset` of a payload, with offsets that count from the beginning of the payload.
class RopTeller {
 public:
  RopTeller(FieldSink& sink, std::size_t* start, View payload, std::size_t offset)
      : sink_(sink), cursor_(payload), reader_(cursor_, arena_), teller_(reader_, sink, start) {
    cursor_.skip(offset);
  }
  bool request(const RopRequest& rop, const LogonSource* logons) {
    sink_.begin(rop.codec->name);
    std::uint8_t number = 0;
    teller_("RopId", number);
    teller_("LogonId", number);
    teller_(rop.codec->handle_name, number);
    if (teller_.ok()) rop.codec->tell_request(teller_, {logons != nullptr && logons->is_public(rop.LogonId)});
    sink_.end();
    return teller_.ok();
  }
  bool response(const RopResponse& rop, const ResponseContext& context) {
    sink_.begin(rop.codec->name);
    std::uint8_t number = 0;
    std::uint32_t value = 0;
    teller_("RopId", number);
    if (rop.codec->response_has_head) {
      teller_("HandleIndex", number);
      teller_("ReturnValue", value);
    }
    // As in the decoder: an error may end where its fields would begin.
    const bool more = rop.codec->response_has_body(rop.ReturnValue) && (rop.ReturnValue == mapi::ecNone || cursor_.left() != 0);
    if (teller_.ok() && more) rop.codec->tell_response(teller_, context);
    sink_.end();
    return teller_.ok();
  }

 private:
  FieldSink& sink_;
  Arena arena_;
  Cursor cursor_;
  FieldReader reader_;
  FieldTeller teller_;
};

// Calls `tell(teller, rop)` for each ROP, and for the broken one.
template <class Buffer, class Tell>
bool tell_each(FieldSink& sink, std::size_t* start, View payload, const Buffer& buffer, Tell tell) {
  const auto offset_of = [&](View part) { return static_cast<std::size_t>(part.data() - payload.data()); };
  for (const auto& rop : buffer.rops) {
    const auto offset = offset_of(rop.raw);
    RopTeller teller(sink, start, payload.first(offset + rop.raw.size()), offset);
    if (!tell(teller, rop)) return false;
  }
  if (buffer.broken) {
    const auto offset = offset_of(buffer.opaque);
    RopTeller teller(sink, start, payload.first(offset + buffer.opaque.size()), offset);
    tell(teller, *buffer.broken);
  }
  return true;
}

}  // namespace

bool tell_rops(FieldSink& sink, std::size_t* start, View payload, const RopRequestBuffer& buffer, const LogonSource* logons) {
  return tell_each(sink, start, payload, buffer, [&](RopTeller& teller, const RopRequest& rop) { return teller.request(rop, logons); });
}

bool tell_rops(FieldSink& sink, std::size_t* start, View payload, const RopResponseBuffer& buffer, const RopRequestBuffer* requests) {
  return tell_each(sink, start, payload, buffer,
                   [&](RopTeller& teller, const RopResponse& rop) { return teller.response(rop, context_of(rop, requests)); });
}

}  // namespace mapigate::wire
