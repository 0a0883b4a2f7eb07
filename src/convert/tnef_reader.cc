#include <algorithm>

#include "base/cursor.h"
#include "convert/tnef.h"
#include "convert/tnef_attributes.h"
#include "mapi/message_flags.h"
#include "wire/describe.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

// Values of one property in the form of attMsgProps ([MS-OXTNEF] 2.1.3.4).
class ValueReader {
 public:
  ValueReader(Cursor& cursor, Arena& arena) : cursor_(cursor), arena_(arena) {}

  // An embedded message comes as its bytes; `object` is then set.
  Value read(PropertyType type, bool& object) {
    cursor_.set_field("value");
    const bool many = is_multivalue(type);
    const auto element = element_type(type);
    const bool sized = element == PropertyType::PtypString8 || element == PropertyType::PtypString ||
                       element == PropertyType::PtypBinary || element == PropertyType::PtypObject;
    std::size_t count = 1;
    if (many || sized) {
      count = cursor_.scalar<std::uint32_t>();
      if (!cursor_.can_hold(count, sized ? 4 : 2)) return {};
      if (!many && count != 1) return cursor_.fail("a single value has another count than one"), Value{};
    }
    if (!many) {
      Value out{type, one(element, object)};
      return out;
    }
    return {type, several(element, count)};
  }

 private:
  View sized() {
    const auto size = cursor_.scalar<std::uint32_t>();
    const auto view = cursor_.bytes(size);
    cursor_.skip(std::min<std::size_t>((4 - size % 4) % 4, cursor_.left()));
    return view;
  }
  Utf16 utf16() {
    auto raw = sized();
    raw = raw.first(raw.size() / 2 * 2);
    while (raw.size() >= 2 && raw[raw.size() - 1] == 0 && raw[raw.size() - 2] == 0) raw = raw.first(raw.size() - 2);
    return {raw};
  }
  std::string_view string8() {
    const auto text = as_text(sized());
    return text.substr(0, text.find('\0'));
  }
  std::int16_t integer16() {
    const auto value = cursor_.scalar<std::int16_t>();
    cursor_.skip(2);
    return value;
  }
  Guid guid() {
    Guid out;
    const auto raw = cursor_.bytes(out.bytes.size());
    std::copy(raw.begin(), raw.end(), out.bytes.begin());
    return out;
  }

  Value::Data one(PropertyType type, bool& object) {
    switch (type) {
      case PropertyType::PtypUnspecified:
      case PropertyType::PtypNull: cursor_.skip(4); return {};
      case PropertyType::PtypInteger16: return integer16();
      case PropertyType::PtypInteger32: return cursor_.scalar<std::int32_t>();
      case PropertyType::PtypFloating32: return cursor_.scalar<float>();
      case PropertyType::PtypFloating64:
      case PropertyType::PtypFloatingTime: return cursor_.scalar<double>();
      case PropertyType::PtypCurrency: return Currency{cursor_.scalar<std::int64_t>()};
      case PropertyType::PtypErrorCode: return ErrorValue{cursor_.scalar<std::uint32_t>()};
      case PropertyType::PtypBoolean: return integer16() != 0;
      case PropertyType::PtypInteger64: return cursor_.scalar<std::int64_t>();
      case PropertyType::PtypTime: return FileTime{cursor_.scalar<std::uint64_t>()};
      case PropertyType::PtypGuid: return guid();
      case PropertyType::PtypString8: return String8{string8()};
      case PropertyType::PtypString: return utf16();
      case PropertyType::PtypBinary: return sized();
      case PropertyType::PtypObject: object = true; return sized();
      default: cursor_.fail("unknown property type"); return {};
    }
  }

  template <class T>
  std::span<const T> list(std::size_t count, auto read) {
    const auto out = arena_.make_span<T>(count);
    for (auto& one : out) {
      if (!cursor_.ok()) return {};
      one = read();
    }
    return out;
  }
  Value::Data several(PropertyType type, std::size_t count) {
    switch (type) {
      case PropertyType::PtypInteger16: return list<std::int16_t>(count, [&] { return integer16(); });
      case PropertyType::PtypInteger32: return list<std::int32_t>(count, [&] { return cursor_.scalar<std::int32_t>(); });
      case PropertyType::PtypFloating32: return list<float>(count, [&] { return cursor_.scalar<float>(); });
      case PropertyType::PtypFloating64:
      case PropertyType::PtypFloatingTime: return list<double>(count, [&] { return cursor_.scalar<double>(); });
      case PropertyType::PtypCurrency: return list<Currency>(count, [&] { return Currency{cursor_.scalar<std::int64_t>()}; });
      case PropertyType::PtypInteger64: return list<std::int64_t>(count, [&] { return cursor_.scalar<std::int64_t>(); });
      case PropertyType::PtypTime: return list<FileTime>(count, [&] { return FileTime{cursor_.scalar<std::uint64_t>()}; });
      case PropertyType::PtypGuid: return list<Guid>(count, [&] { return guid(); });
      case PropertyType::PtypString8: return list<String8>(count, [&] { return String8{string8()}; });
      case PropertyType::PtypString: return list<Utf16>(count, [&] { return utf16(); });
      case PropertyType::PtypBinary: return list<View>(count, [&] { return sized(); });
      default: cursor_.fail("unknown property type"); return {};
    }
  }

  Cursor& cursor_;
  Arena& arena_;
};

// Whom the reader tells what it reads, and where that stands in the whole file. Nobody by default.
struct Listener {
  wire::FieldSink* sink = nullptr;
  std::size_t* start = nullptr;
  const std::uint8_t* file = nullptr;

  explicit operator bool() const { return sink != nullptr; }
  void at(const std::uint8_t* position) const {
    if (start != nullptr) *start = static_cast<std::size_t>(position - file);
  }
  void number(const char* name, const std::uint8_t* position, std::uint64_t value, unsigned bytes) const {
    if (sink == nullptr) return;
    at(position);
    sink->number(name, value, bytes);
  }
  void text(const char* name, const std::uint8_t* position, std::string_view value) const {
    if (sink == nullptr) return;
    at(position);
    sink->text(name, value);
  }
  void bytes(const char* name, View value) const {
    if (sink == nullptr) return;
    at(value.data());
    sink->bytes(name, value);
  }
  void begin(const char* name) const {
    if (sink != nullptr) sink->begin(name);
  }
  void end() const {
    if (sink != nullptr) sink->end();
  }
  void begin_list(const char* name, std::size_t count) const {
    if (sink != nullptr) sink->begin_list(name, count);
  }
  void end_list() const {
    if (sink != nullptr) sink->end_list();
  }
};

// Of a file, one that breaks off included.
std::size_t count_attributes(View bytes) {
  Cursor cursor(bytes);
  cursor.skip(6);
  std::size_t count = 0;
  for (; cursor.left() >= 11; ++count) {
    cursor.skip(5);
    const std::size_t size = cursor.scalar<std::uint32_t>();
    cursor.skip(size + 2);
  }
  return count;
}

class Reader {
 public:
  Reader(const ObjectLimits& limits, unsigned depth, const Listener& listener) : limits_(limits), depth_(depth), listener_(listener) {}

  Result<TnefMessage> read(View bytes) {
    Cursor cursor(bytes);
    if (cursor.scalar<std::uint32_t>() != tnef::signature || !cursor.ok()) return error(Errc::malformed, "no TNEF: its signature is missing");
    const auto key = cursor.scalar<std::uint16_t>();
    if (cursor.ok()) {
      listener_.number("TNEFSignature", bytes.data(), tnef::signature, 4);
      listener_.number("LegacyKey", bytes.data() + 4, key, 2);
    }
    listener_.begin_list("attributes", listener_ ? count_attributes(bytes) : 0);
    while (cursor.ok() && cursor.left() != 0 && problem_.empty()) {
      // Mail systems append line ends.
      if (cursor.left() < 11) {
        if (std::any_of(cursor.position(), cursor.position() + cursor.left(), [](auto c) { return c != 0 && c != '\r' && c != '\n' && c != 0x1A; }))
          problem_ = fmt::format("{} bytes are left over", cursor.left());
        break;
      }
      listener_.begin("attribute");
      attribute(cursor, bytes);
      listener_.end();
      if (!status_) break;
    }
    listener_.end_list();
    if (!status_) return status_.error();
    if (!cursor.ok() && problem_.empty()) problem_ = cursor.error("TNEF").message;
    finish();
    TnefMessage out;
    out.message = std::move(message_);
    out.problem = std::move(problem_);
    out.bad_checksums = bad_checksums_;
    return out;
  }

 private:
  void attribute(Cursor& cursor, View file) {
    const auto start = cursor.offset();
    const auto* head = cursor.position();
    cursor.set_field("attribute");
    const auto level = cursor.scalar<std::uint8_t>();
    listener_.number("attrLevel", head, level, 1);
    if (level != tnef::lvlMessage && level != tnef::lvlAttachment) {
      listener_.bytes("rest", file.subspan(start + 1));
      return stop(start, "an attribute has no known level");
    }
    const auto id = cursor.scalar<std::uint32_t>();
    const auto name = tnef::name_of(id);
    field_ = name.empty() ? fmt::format("attribute 0x{:08x}", id) : std::string(name);
    const auto size = cursor.scalar<std::uint32_t>();
    if (listener_) {
      listener_.at(head + 1);
      listener_.sink->symbol("attrID", id, 4, field_);
    }
    listener_.number("attrLength", head + 5, size, 4);
    const auto data = cursor.bytes(size);
    const auto checksum = cursor.scalar<std::uint16_t>();
    if (!cursor.ok()) {
      // Those who listen want the properties before the end.
      const auto there = file.subspan(start + 9);
      if (!listener_ || !has_properties(id)) listener_.bytes("rest", there);
      else if (level == tnef::lvlMessage) of_message(id, there);
      else of_attachment(id, there);
      return stop(start, inner_problem_.empty() ? "truncated" : std::exchange(inner_problem_, {}));
    }
    std::uint32_t sum = 0;
    for (const auto byte : data) sum += byte;
    const bool sums_up = (sum & 0xFFFF) == checksum;
    bad_checksums_ += !sums_up;
    if (listener_) tell_data(id, data);
    taken_ += size;
    if (taken_ > limits_.max_bytes) {
      status_ = error(Errc::limit, "TNEF: more than {} bytes of values", limits_.max_bytes);
      return;
    }
    if (level == tnef::lvlMessage) of_message(id, data);
    else of_attachment(id, data);
    listener_.number("checksum", data.data() + size, checksum, 2);
    if (!sums_up) listener_.text("problem", data.data() + size, fmt::format("the checksum of the data is 0x{:04x}", sum & 0xFFFF));
    if (!inner_problem_.empty()) stop(start, std::exchange(inner_problem_, {}));
  }
  static bool has_properties(std::uint32_t id) {
    return id == tnef::attMsgProps || id == tnef::attAttachment || id == tnef::attRecipTable;
  }
  // By the type that is half of the id ([MS-OXTNEF] 2.1.3.3 "attrType"); what consists of properties is told as they are read.
  void tell_data(std::uint32_t id, View data) const {
    if (has_properties(id)) return;
    enum : std::uint32_t { triples = 0, string = 1, text_ = 2, date = 3, short_ = 4, long_ = 5, byte = 6, word = 7, dword = 8 };
    const auto type = id >> 16;
    if (type == string || type == text_ || type == word) listener_.text("data", data.data(), text(data));
    else if (type == date && data.size() == 14) listener_.text("data", data.data(), to_iso8601(tnef::from_dtr(data)));
    else if ((type == short_ || type == long_ || type == dword) && (data.size() == 2 || data.size() == 4))
      listener_.number("data", data.data(), static_cast<std::uint32_t>(number(data)) & (data.size() == 2 ? 0xFFFF : 0xFFFFFFFF), static_cast<unsigned>(data.size()));
    else listener_.bytes("data", data);
  }
  void stop(std::size_t offset, std::string_view why) {
    if (problem_.empty()) problem_ = fmt::format("{} at offset {}: {}", field_.empty() ? "TNEF" : field_, offset, why);
  }

  // --- the old attributes. Their properties are set where attMsgProps or attAttachment do not.

  std::string text(View data) const {
    const auto raw = as_text(data);
    return from_code_page(raw.substr(0, raw.find('\0')), message_.code_page);
  }
  static std::int32_t number(View data) {
    Cursor cursor(data);
    if (data.size() == 2) return cursor.scalar<std::int16_t>();
    return cursor.scalar<std::int32_t>();
  }
  void time(PropertyBag& bag, PropertyTag tag, View data) {
    if (const auto at = tnef::from_dtr(data); at.ticks != 0) bag.set_time(tag, at);
  }

  void of_message(std::uint32_t id, View data) {
    switch (id) {
      case tnef::attOemCodepage:
        if (const auto page = number(data); data.size() >= 4 && page > 0) message_.code_page = static_cast<unsigned>(page);
        break;
      case tnef::attMessageClass: old_.set_string(PidTagMessageClass, tnef::to_mapi_class(text(data))); break;
      case tnef::attOriginalMessageClass: old_.set_string(PidTagOriginalMessageClass, tnef::to_mapi_class(text(data))); break;
      case tnef::attSubject: old_.set_string(PidTagSubject, text(data)); break;
      case tnef::attBody: old_.set_string(PidTagBody, text(data)); break;
      case tnef::attDateSent: time(old_, PidTagClientSubmitTime, data); break;
      case tnef::attDateRecd: time(old_, PidTagMessageDeliveryTime, data); break;
      case tnef::attDateModified: time(old_, PidTagLastModificationTime, data); break;
      case tnef::attDateStart: time(old_, PidTagStartDate, data); break;
      case tnef::attDateEnd: time(old_, PidTagEndDate, data); break;
      case tnef::attAidOwner: old_.set_integer(PidTagOwnerAppointmentId, number(data)); break;
      case tnef::attRequestRes: old_.set_boolean(PidTagResponseRequested, number(data) != 0); break;
      case tnef::attPriority:
        // 1 is high, 2 normal, 3 low.
        if (const auto priority = number(data); priority >= 1 && priority <= 3) old_.set_integer(PidTagImportance, 3 - priority);
        break;
      case tnef::attMessageStatus: status(data); break;
      case tnef::attMessageID: key(PidTagSearchKey, data); break;
      case tnef::attParentID: key(PidTagParentKey, data); break;
      case tnef::attConversationID: key(PidTagConversationKey, data); break;
      case tnef::attFrom: sender(data); break;
      case tnef::attMsgProps: {
        Cursor cursor(data);
        properties(cursor, data, message_.properties, nullptr);
        break;
      }
      case tnef::attRecipTable: recipients(data); break;
      default: break;
    }
  }
  void status(View data) {
    if (data.empty()) return;
    enum : std::uint8_t { fmsModified = 0x01, fmsLocal = 0x02, fmsSubmitted = 0x04, fmsRead = 0x20, fmsHasAttach = 0x80 };
    std::uint32_t flags = (data[0] & fmsModified) != 0 ? 0 : mfUnmodified;
    if ((data[0] & fmsLocal) != 0) flags |= mfUnsent;
    if ((data[0] & fmsSubmitted) != 0) flags |= mfSubmitted;
    if ((data[0] & fmsRead) != 0) flags |= mfRead;
    if ((data[0] & fmsHasAttach) != 0) flags |= mfHasAttach;
    old_.set_integer(PidTagMessageFlags, flags);
  }
  void key(PropertyTag tag, View data) {
    Bytes raw;
    const auto digits = as_text(data);
    if (from_hex(digits.substr(0, digits.find('\0')), raw) && !raw.empty()) old_.set_binary(tag, raw);
  }
  // TRP: id, size of the whole, size of the name, size of "TYPE:address"; then the texts.
  void sender(View data) {
    Cursor cursor(data);
    cursor.skip(4);
    const auto name_size = cursor.scalar<std::uint16_t>();
    const auto address_size = cursor.scalar<std::uint16_t>();
    const auto name = text(cursor.bytes(name_size));
    const auto address = text(cursor.bytes(address_size));
    if (!cursor.ok()) return;
    old_.set_string(PidTagSenderName, name);
    if (const auto colon = address.find(':'); colon != std::string::npos) {
      old_.set_string(PidTagSenderAddressType, address.substr(0, colon));
      old_.set_string(PidTagSenderEmailAddress, address.substr(colon + 1));
    }
  }

  void of_attachment(std::uint32_t id, View data) {
    if (id == tnef::attAttachRenddata || message_.attachments.empty()) {
      finish_attachment();
      if (message_.attachments.size() >= limits_.max_attachments) {
        status_ = error(Errc::limit, "TNEF: more than {} attachments", limits_.max_attachments);
        return;
      }
      message_.attachments.emplace_back();
    }
    auto& attachment = message_.attachments.back();
    switch (id) {
      case tnef::attAttachRenddata: rendering(data); break;
      case tnef::attAttachTitle: old_attachment_.set_string(PidTagAttachFilename, text(data)); break;
      case tnef::attAttachTransportFilename: old_attachment_.set_string(PidTagAttachTransportName, text(data)); break;
      case tnef::attAttachData: old_attachment_.set_binary(PidTagAttachDataBinary, data); break;
      case tnef::attAttachMetaFile: old_attachment_.set_binary(PidTagAttachRendering, data); break;
      case tnef::attAttachCreateDate: time(old_attachment_, PidTagCreationTime, data); break;
      case tnef::attAttachModifyDate: time(old_attachment_, PidTagLastModificationTime, data); break;
      case tnef::attAttachment: {
        Cursor cursor(data);
        properties(cursor, data, attachment.properties, &attachment);
        break;
      }
      default: break;
    }
  }
  void rendering(View data) {
    Cursor cursor(data);
    const auto type = cursor.scalar<std::uint16_t>();
    const auto position = cursor.scalar<std::uint32_t>();
    cursor.skip(4);  // width and height of an icon
    const auto flags = cursor.scalar<std::uint32_t>();
    if (!cursor.ok()) return;
    old_attachment_.set_integer(PidTagRenderingPosition, static_cast<std::int32_t>(position));
    constexpr std::uint16_t file = 1, ole = 2;
    enum : std::int32_t { afByValue = 1, afOle = 6 };
    if (type == file) old_attachment_.set_integer(PidTagAttachMethod, afByValue);
    if (type == ole) old_attachment_.set_integer(PidTagAttachMethod, afOle);
    if ((flags & 1) != 0) {  // MAC_BINARY
      static constexpr std::uint8_t macbinary[]{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x14, 0x03, 0x0B, 0x01};
      old_attachment_.set_binary(PidTagAttachEncoding, macbinary);
    }
  }

  // --- MAPI properties

  void recipients(View data) {
    Cursor cursor(data);
    cursor.set_field("rows");
    const auto rows = cursor.scalar<std::uint32_t>();
    if (cursor.ok()) listener_.number("RowCount", data.data(), rows, 4);
    if (!cursor.can_hold(rows, 4)) return broken(cursor, data);
    if (rows > limits_.max_recipients) {
      status_ = error(Errc::limit, "TNEF: more than {} recipients", limits_.max_recipients);
      return;
    }
    listener_.begin_list("rows", rows);
    for (std::uint32_t i = 0; i < rows && cursor.ok() && inner_problem_.empty(); ++i) {
      message_.recipients.emplace_back();
      listener_.begin("row");
      properties(cursor, data, message_.recipients.back(), nullptr);
      listener_.end();
    }
    listener_.end_list();
  }

  void properties(Cursor& cursor, View data, PropertyBag& bag, MessageObject::Attachment* attachment) {
    cursor.set_field("count");
    const auto* head = cursor.position();
    const auto count = cursor.scalar<std::uint32_t>();
    if (cursor.ok()) listener_.number("PropertyCount", head, count, 4);
    if (!cursor.can_hold(count, 8)) return broken(cursor, data);
    listener_.begin_list("properties", count);
    bool whole = true;
    for (std::uint32_t i = 0; i < count && whole && status_; ++i) {
      listener_.begin("property");
      whole = property(cursor, data, bag, attachment);
      listener_.end();
    }
    listener_.end_list();
  }
  // False when it breaks off.
  bool property(Cursor& cursor, View data, PropertyBag& bag, MessageObject::Attachment* attachment) {
    cursor.set_field("property tag");
    const auto* at = cursor.position();
    PropertyTag tag(cursor.scalar<std::uint32_t>());
    if (cursor.ok() && listener_) {
      listener_.at(at);
      listener_.sink->symbol("PropertyTag", tag.value, 4, to_string(tag));
    }
    if (tag.named()) {
      at = cursor.position();
      const auto name = property_name(cursor);
      if (!cursor.ok()) return broken(cursor, data), false;
      listener_.text("PropertyName", at, name.lid ? fmt::format("{}:0x{:04x}", to_string(name.set), *name.lid)
                                                  : fmt::format("{}:{}", to_string(name.set), name.name));
      tag = PropertyTag(message_.id_of(name), tag.type());
    }
    Arena arena;
    bool object = false;
    at = cursor.position();
    auto value = ValueReader(cursor, arena).read(tag.type(), object);
    if (!cursor.ok()) return broken(cursor, data), false;
    const bool embedded = object && attachment != nullptr && tag.id() == PidTagAttachDataBinary.id();
    if (listener_ && !embedded) {
      listener_.at(at);
      wire::FieldDescriber(*listener_.sink, message_.code_page).value("PropertyValue", value, tag.type());
    }
    if (embedded) this->object(*attachment, *value.get<View>());
    else if (tag.id() != 0) bag.set(tag, value);
    return true;
  }
  PropertyName property_name(Cursor& cursor) {
    PropertyName name;
    cursor.set_field("property name");
    const auto set = cursor.bytes(name.set.bytes.size());
    std::copy(set.begin(), set.end(), name.set.bytes.begin());
    if (cursor.scalar<std::uint32_t>() == 0) {
      name.lid = cursor.scalar<std::uint32_t>();
      return name;
    }
    const auto size = cursor.scalar<std::uint32_t>();
    auto raw = cursor.bytes(size);
    cursor.skip(std::min<std::size_t>((4 - size % 4) % 4, cursor.left()));
    raw = raw.first(raw.size() / 2 * 2);
    while (raw.size() >= 2 && raw[raw.size() - 1] == 0 && raw[raw.size() - 2] == 0) raw = raw.first(raw.size() - 2);
    name.name = to_utf8(Utf16{raw});
    return name;
  }
  // The interface, then a message as TNEF of its own, or the storage of an OLE object.
  void object(MessageObject::Attachment& attachment, View data) {
    constexpr std::size_t interface = 16;
    if (data.size() < interface) return;
    const auto inner = data.subspan(interface);
    listener_.bytes("interface", data.first(interface));
    if (!equal(data.first(interface), tnef::IID_IMessage.bytes)) {
      listener_.bytes("PropertyValue", inner);
      attachment.properties.set_binary(PidTagAttachDataBinary, inner);
      return;
    }
    if (depth_ + 1 >= limits_.max_depth) {
      status_ = error(Errc::limit, "TNEF: messages are nested more than {} deep", limits_.max_depth);
      return;
    }
    listener_.begin("message");
    auto read = Reader(limits_, depth_ + 1, listener_).read(inner);
    listener_.end();
    if (!read) {
      if (read.error().code == Errc::limit) status_ = read.error();
      else inner_problem_ = read.error().message;
      return;
    }
    attachment.embedded = std::make_unique<MessageObject>(std::move(read->message));
    inner_problem_ = read->problem;
    bad_checksums_ += read->bad_checksums;
  }
  // `data`: what the cursor reads.
  void broken(const Cursor& cursor, View data) {
    inner_problem_ = cursor.error("properties").message;
    if (cursor.offset() < data.size()) listener_.bytes("rest", data.subspan(cursor.offset()));
  }

  void finish_attachment() {
    if (message_.attachments.empty()) return;
    auto& bag = message_.attachments.back().properties;
    for (const auto& [tag, value] : old_attachment_)
      if (!bag.contains(PropertyTag(tag.id(), PropertyType::PtypUnspecified))) bag.set(tag, value);
    old_attachment_.clear();
  }
  void finish() {
    finish_attachment();
    for (const auto& [tag, value] : old_)
      if (!message_.properties.contains(PropertyTag(tag.id(), PropertyType::PtypUnspecified))) message_.properties.set(tag, value);
  }

  const ObjectLimits& limits_;
  unsigned depth_;
  const Listener& listener_;
  MessageObject message_;
  PropertyBag old_;
  PropertyBag old_attachment_;
  std::string field_;
  std::string problem_;
  std::string inner_problem_;
  Status status_;
  std::size_t taken_ = 0;
  std::size_t bad_checksums_ = 0;
};

}  // namespace

Result<TnefMessage> read_tnef(View bytes, const ObjectLimits& limits, wire::FieldSink* sink, std::size_t* start) {
  const Listener listener{sink, start, bytes.data()};
  return Reader(limits, 0, listener).read(bytes);
}

}  // namespace mapigate::convert
