#include <algorithm>
#include <limits>

#include "base/cursor.h"
#include "convert/tnef.h"
#include "convert/tnef_attributes.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

class Writer {
 public:
  Writer(Output& out, const ObjectLimits& limits) : out_(out), limits_(limits) {}

  void message(const MessageObject& message, std::uint16_t key, unsigned depth) {
    message_ = &message;
    out_.scalar(tnef::signature);
    out_.scalar(key);
    number(tnef::attTnefVersion, tnef::version, 4);
    attribute(tnef::lvlMessage, tnef::attOemCodepage, [&] {
      out_.scalar<std::uint32_t>(message.code_page);
      out_.scalar<std::uint32_t>(0);
    });
    old_attributes(message);
    attribute(tnef::lvlMessage, tnef::attMsgProps, [&] { properties(message.properties, nullptr, depth); });
    if (!message.recipients.empty()) {
      attribute(tnef::lvlMessage, tnef::attRecipTable, [&] {
        out_.scalar(static_cast<std::uint32_t>(message.recipients.size()));
        for (const auto& recipient : message.recipients) properties(recipient, nullptr, depth);
      });
    }
    for (const auto& one : message.attachments) attachment(one, depth);
  }
  const std::string& problem() const { return problem_; }

 private:
  // The size and the checksum are known when `body` is written.
  void attribute(std::uint8_t level, std::uint32_t id, auto body) {
    out_.scalar(level);
    out_.scalar(id);
    const auto at = out_.size();
    out_.scalar<std::uint32_t>(0);
    body();
    const auto start = at + 4;
    const auto size = out_.size() - start;
    if (size > std::numeric_limits<std::uint32_t>::max()) problem_ = fmt::format("{} is too large", tnef::name_of(id));
    out_.patch(at, static_cast<std::uint32_t>(size));
    std::uint32_t sum = 0;
    for (const auto byte : View(out_.target()).subspan(start)) sum += byte;
    out_.scalar(static_cast<std::uint16_t>(sum));
  }
  void number(std::uint32_t id, std::uint32_t value, unsigned width) {
    attribute(tnef::lvlMessage, id, [&] {
      if (width == 2) out_.scalar(static_cast<std::uint16_t>(value));
      else out_.scalar(value);
    });
  }
  void text(std::uint8_t level, std::uint32_t id, std::string_view utf8) {
    attribute(level, id, [&] {
      out_.bytes(as_view(to_code_page(utf8, message_->code_page)));
      out_.scalar<std::uint8_t>(0);
    });
  }
  void time(std::uint8_t level, std::uint32_t id, const PropertyBag& bag, PropertyTag tag) {
    const auto at = bag.time(tag);
    if (at.ticks != 0) attribute(level, id, [&] { out_.bytes(tnef::to_dtr(at)); });
  }

  // Readers of before MAPI know only these; the same values stand in attMsgProps.
  void old_attributes(const MessageObject& message) {
    const auto& bag = message.properties;
    if (const auto name = message.string(PidTagMessageClass); !name.empty()) text(tnef::lvlMessage, tnef::attMessageClass, tnef::from_mapi_class(name));
    if (bag.contains(PidTagImportance)) {
      const auto importance = bag.number(PidTagImportance);
      if (importance >= 0 && importance <= 2) number(tnef::attPriority, static_cast<std::uint32_t>(3 - importance), 2);
    }
    if (const auto subject = message.string(PidTagSubject); !subject.empty()) text(tnef::lvlMessage, tnef::attSubject, subject);
    time(tnef::lvlMessage, tnef::attDateSent, bag, PidTagClientSubmitTime);
    time(tnef::lvlMessage, tnef::attDateRecd, bag, PidTagMessageDeliveryTime);
    time(tnef::lvlMessage, tnef::attDateModified, bag, PidTagLastModificationTime);
    if (const auto key = bag.binary(PidTagSearchKey); !key.empty()) {
      auto hex = to_hex(key);
      for (auto& c : hex)
        if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
      text(tnef::lvlMessage, tnef::attMessageID, hex);
    }
    time(tnef::lvlMessage, tnef::attDateStart, bag, PidTagStartDate);
    time(tnef::lvlMessage, tnef::attDateEnd, bag, PidTagEndDate);
    if (bag.contains(PidTagOwnerAppointmentId)) number(tnef::attAidOwner, static_cast<std::uint32_t>(bag.number(PidTagOwnerAppointmentId)), 4);
    if (bag.contains(PidTagResponseRequested)) number(tnef::attRequestRes, bag.number(PidTagResponseRequested) != 0 ? 1 : 0, 2);
  }

  void attachment(const MessageObject::Attachment& attachment, unsigned depth) {
    const auto& bag = attachment.properties;
    enum : std::int64_t { afOle = 6 };
    attribute(tnef::lvlAttachment, tnef::attAttachRenddata, [&] {
      out_.scalar<std::uint16_t>(bag.number(PidTagAttachMethod) == afOle ? 2 : 1);
      out_.scalar(static_cast<std::uint32_t>(bag.contains(PidTagRenderingPosition) ? bag.number(PidTagRenderingPosition) : -1));
      out_.scalar<std::uint16_t>(32), out_.scalar<std::uint16_t>(32);
      out_.scalar<std::uint32_t>(0);
    });
    const bool by_value = !attachment.embedded && bag.number(PidTagAttachMethod) != afOle;
    if (by_value) attribute(tnef::lvlAttachment, tnef::attAttachData, [&] { out_.bytes(bag.binary(PidTagAttachDataBinary)); });
    if (const auto name = attachment.name(message_->code_page); !name.empty()) text(tnef::lvlAttachment, tnef::attAttachTitle, name);
    time(tnef::lvlAttachment, tnef::attAttachCreateDate, bag, PidTagCreationTime);
    time(tnef::lvlAttachment, tnef::attAttachModifyDate, bag, PidTagLastModificationTime);
    attribute(tnef::lvlAttachment, tnef::attAttachment, [&] { properties(bag, &attachment, depth); });
  }

  void properties(const PropertyBag& bag, const MessageObject::Attachment* attachment, unsigned depth) {
    const auto at = out_.size();
    std::uint32_t count = 0;
    out_.scalar(count);
    const bool data_apart = attachment != nullptr;
    for (const auto& [tag, value] : bag) {
      const auto type = tag.type();
      if (data_apart && tag.id() == PidTagAttachDataBinary.id()) continue;
      if (type == PropertyType::PtypObject || type == PropertyType::PtypRestriction || type == PropertyType::PtypRuleAction ||
          type == PropertyType::PtypServerId || type == PropertyType::PtypUnspecified || (tag.id() != 0 && !head(tag)))
        continue;
      this->value(value);
      ++count;
    }
    if (data_apart && attachment->embedded) {
      out_.scalar(PidTagAttachDataObject.value);
      object(tnef::IID_IMessage, [&] {
        if (depth + 1 >= limits_.max_depth) {
          problem_ = "messages are nested too deeply";
          return;
        }
        const auto* outer = message_;
        message(*attachment->embedded, 1, depth + 1);
        message_ = outer;
      });
      ++count;
    } else if (const auto data = bag.binary(PidTagAttachDataBinary); data_apart && bag.number(PidTagAttachMethod) == 6 && !data.empty()) {
      out_.scalar(PidTagAttachDataObject.value);
      static constexpr Guid IID_IStorage{{0x0B, 0, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}};
      object(IID_IStorage, [&] { out_.bytes(data); });
      ++count;
    }
    out_.patch(at, count);
  }
  // False when a named property has no name: its id would mean nothing to a reader.
  bool head(PropertyTag tag) {
    if (!tag.named()) {
      out_.scalar(tag.value);
      return true;
    }
    const auto found = message_->names.find(tag.id());
    if (found == message_->names.end()) return false;
    const auto& name = found->second;
    out_.scalar(tag.value);
    out_.bytes(name.set.bytes);
    out_.scalar<std::uint32_t>(name.lid ? 0 : 1);
    if (name.lid) {
      out_.scalar(*name.lid);
      return true;
    }
    const auto text = mapigate::to_utf16(name.name);
    out_.scalar(static_cast<std::uint32_t>(text.size() + 2));
    out_.bytes(text);
    out_.scalar<std::uint16_t>(0);
    pad(text.size() + 2);
    return true;
  }
  void object(const Guid& interface, auto body) {
    out_.scalar<std::uint32_t>(1);
    const auto at = out_.size();
    out_.scalar<std::uint32_t>(0);
    out_.bytes(interface.bytes);
    body();
    const auto size = out_.size() - at - 4;
    out_.patch(at, static_cast<std::uint32_t>(size));
    pad(size);
  }
  void pad(std::size_t size) {
    for (auto n = (4 - size % 4) % 4; n != 0; --n) out_.scalar<std::uint8_t>(0);
  }

  void value(const Value& value) {
    std::visit(
        [&]<class T>(const T& x) {
          if constexpr (requires { typename T::element_type; } && !std::is_same_v<T, View>) {
            out_.scalar(static_cast<std::uint32_t>(x.size()));
            for (const auto& one : x) element(one);
          } else {
            if constexpr (std::is_same_v<T, View> || std::is_same_v<T, Utf16> || std::is_same_v<T, String8>) out_.scalar<std::uint32_t>(1);
            element(x);
          }
        },
        value.data);
  }
  template <class T>
  void element(const T& x) {
    if constexpr (std::is_same_v<T, std::monostate>) out_.scalar<std::uint32_t>(0);
    else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::int16_t>) {
      out_.scalar(static_cast<std::int16_t>(x));
      out_.scalar<std::uint16_t>(0);
    } else if constexpr (Scalar<T>) out_.scalar(x);
    else if constexpr (std::is_same_v<T, Currency>) out_.scalar(x.ten_thousandths);
    else if constexpr (std::is_same_v<T, ErrorValue>) out_.scalar(x.code);
    else if constexpr (std::is_same_v<T, FileTime>) out_.scalar(x.ticks);
    else if constexpr (std::is_same_v<T, Guid>) out_.bytes(x.bytes);
    else if constexpr (std::is_same_v<T, View>) sized(x, 0);
    else if constexpr (std::is_same_v<T, Utf16>) sized(x.bytes, 2);
    else if constexpr (std::is_same_v<T, String8>) sized(as_view(x.text), 1);
  }
  void sized(View bytes, std::size_t terminator) {
    const auto size = bytes.size() + terminator;
    out_.scalar(static_cast<std::uint32_t>(size));
    out_.bytes(bytes);
    for (std::size_t i = 0; i < terminator; ++i) out_.scalar<std::uint8_t>(0);
    pad(size);
  }

  Output& out_;
  const ObjectLimits& limits_;
  const MessageObject* message_ = nullptr;
  std::string problem_;
};

}  // namespace

Result<Bytes> write_tnef(const MessageObject& message, std::uint16_t key) {
  Bytes bytes;
  Output output(bytes);
  const ObjectLimits limits;
  Writer writer(output, limits);
  writer.message(message, key, 0);
  if (!writer.problem().empty()) return error(Errc::limit, "TNEF: {}", writer.problem());
  return bytes;
}

}  // namespace mapigate::convert
