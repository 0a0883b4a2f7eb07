#include "convert/msg.h"

#include <gsf/gsf-infile-msole.h>
#include <gsf/gsf-infile.h>
#include <gsf/gsf-input-memory.h>
#include <gsf/gsf-utils.h>

#include <algorithm>

#include "base/cursor.h"
#include "wire/describe.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

// An object of the library's, released at the end of its scope.
template <class T>
class Handle {
 public:
  explicit Handle(T* object = nullptr) : object_(object) {}
  Handle(Handle&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (object_ != nullptr) g_object_unref(object_);
  }
  T* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_;
};
using Input = Handle<GsfInput>;

constexpr std::string_view properties_stream = "__properties_version1.0";

class Reader {
 public:
  Reader(const ObjectLimits& limits, std::vector<std::string>& problems, wire::FieldSink* sink, std::size_t* start)
      : limits_(limits), problems_(problems), sink_(sink), start_(start) {}

  // `header`: bytes before the properties of a message: 32 for that of the file, 24 for one within another.
  Result<MessageObject> message(GsfInfile* storage, std::size_t header, unsigned depth, const std::map<std::uint16_t, PropertyName>* names) {
    MessageObject out;
    if (names != nullptr) out.names = *names;
    else read_names(storage, out.names);
    // The code page of 8-bit strings is a property itself.
    properties(storage, header, out.properties);
    const auto page = out.properties.number(PidTagMessageCodepage);
    const auto internet_page = out.properties.number(PidTagInternetCodepage);
    if (page > 0 && page != 1200) out.code_page = static_cast<unsigned>(page);
    else if (internet_page > 0 && internet_page != 1200) out.code_page = static_cast<unsigned>(internet_page);

    const auto children = gsf_infile_num_children(storage);
    for (int i = 0; i < children && status_; ++i) {
      const auto* raw = gsf_infile_name_by_index(storage, i);
      const std::string_view name = raw == nullptr ? "" : raw;
      const bool recipient = name.starts_with("__recip_version1.0_"), attachment = name.starts_with("__attach_version1.0_");
      if (!recipient && !attachment) continue;
      const Input child(gsf_infile_child_by_index(storage, i));
      if (!child || !GSF_IS_INFILE(child.get())) continue;
      const auto outer = path_;
      path_ += std::string(name) + "/";
      if (recipient) this->recipient(GSF_INFILE(child.get()), out);
      else this->attachment(GSF_INFILE(child.get()), out, depth);
      path_ = outer;
    }
    if (!status_) return status_.error();
    by_number(out.recipients, [](const auto& one) { return one.number(PidTagRowid); });
    by_number(out.attachments, [](const auto& one) { return one.properties.number(PidTagAttachNumber); });
    return out;
  }

 private:
  // Those with the same number stay in the order of the file.
  template <class T>
  static void by_number(std::vector<T>& objects, auto number) {
    std::vector<std::pair<std::int64_t, std::size_t>> order;
    for (std::size_t i = 0; i < objects.size(); ++i) order.emplace_back(number(objects[i]), i);
    std::sort(order.begin(), order.end());
    std::vector<T> sorted;
    sorted.reserve(objects.size());
    for (const auto& place : order) sorted.push_back(std::move(objects[place.second]));
    objects = std::move(sorted);
  }
  void recipient(GsfInfile* storage, MessageObject& message) {
    if (message.recipients.size() >= limits_.max_recipients) {
      status_ = error(Errc::limit, ".msg: more than {} recipients", limits_.max_recipients);
      return;
    }
    message.recipients.emplace_back();
    properties(storage, 8, message.recipients.back());
  }
  void attachment(GsfInfile* storage, MessageObject& message, unsigned depth) {
    if (message.attachments.size() >= limits_.max_attachments) {
      status_ = error(Errc::limit, ".msg: more than {} attachments", limits_.max_attachments);
      return;
    }
    auto& attachment = message.attachments.emplace_back();
    properties(storage, 8, attachment.properties);
    const Input child(gsf_infile_child_by_name(storage, "__substg1.0_3701000D"));
    if (!child || !GSF_IS_INFILE(child.get())) return;
    auto* inner = GSF_INFILE(child.get());
    // An OLE object has streams of its own instead of properties.
    const Input head(gsf_infile_child_by_name(inner, properties_stream.data()));
    if (!head) return;
    if (depth + 1 >= limits_.max_depth) {
      status_ = error(Errc::limit, ".msg: messages are nested more than {} deep", limits_.max_depth);
      return;
    }
    path_ += "__substg1.0_3701000D/";
    auto read = this->message(inner, 24, depth + 1, &message.names);
    if (read) attachment.embedded = std::make_unique<MessageObject>(std::move(*read));
  }

  // [MS-OXMSG] 2.2.3 "Named Property Mapping Storage".
  void read_names(GsfInfile* storage, std::map<std::uint16_t, PropertyName>& names) {
    const Input child(gsf_infile_child_by_name(storage, "__nameid_version1.0"));
    if (!child || !GSF_IS_INFILE(child.get())) return;
    auto* folder = GSF_INFILE(child.get());
    const auto guids = stream(folder, "__substg1.0_00020102").value_or(Bytes{});
    const auto entries = stream(folder, "__substg1.0_00030102").value_or(Bytes{});
    const auto strings = stream(folder, "__substg1.0_00040102").value_or(Bytes{});
    Cursor cursor(entries);
    while (cursor.left() >= 8) {
      const auto number = cursor.scalar<std::uint32_t>();
      const auto kind = cursor.scalar<std::uint16_t>();
      const auto index = cursor.scalar<std::uint16_t>();
      if (index >= 0x7FFF) continue;
      PropertyName name;
      const std::size_t set = kind >> 1;
      if (set == 1) name.set = PS_MAPI;
      else if (set == 2) name.set = PS_PUBLIC_STRINGS;
      else if (set >= 3 && (set - 2) * 16 <= guids.size()) std::copy_n(guids.begin() + static_cast<std::ptrdiff_t>((set - 3) * 16), 16, name.set.bytes.begin());
      else continue;
      if ((kind & 1) == 0) {
        name.lid = number;
      } else {
        Cursor text(strings);
        text.skip(number);
        const auto size = text.scalar<std::uint32_t>();
        const auto raw = text.bytes(size / 2 * 2);
        if (!text.ok()) {
          problem("the name of property 0x{:04x} stands outside of the strings", 0x8000 + index);
          continue;
        }
        name.name = to_utf8(Utf16{raw});
      }
      names.emplace(static_cast<std::uint16_t>(0x8000 + index), std::move(name));
    }
  }

  // [MS-OXMSG] 2.4 "Property Stream".
  void properties(GsfInfile* storage, std::size_t header, PropertyBag& bag) {
    const auto head = stream(storage, properties_stream.data());
    if (!head) return problem("a storage has no property stream");
    if (sink_ != nullptr) {
      sink_->begin("stream");
      at(0);
      sink_->text("name", path_ + std::string(properties_stream));
    }
    if (head->size() < header) {
      problem("a property stream has {} bytes", head->size());
      if (sink_ != nullptr) sink_->bytes("rest", *head);
    } else {
      entries(storage, *head, header, bag);
    }
    if (sink_ != nullptr) sink_->end();
  }
  void entries(GsfInfile* storage, View head, std::size_t header, PropertyBag& bag) {
    constexpr std::size_t entry = 16;
    if (sink_ != nullptr) {
      tell_header(head.first(header));
      sink_->begin_list("entries", (head.size() - header) / entry);
    }
    Cursor cursor(head);
    cursor.skip(header);
    while (cursor.left() >= entry && status_) {
      const auto start = cursor.offset();
      const PropertyTag tag(cursor.scalar<std::uint32_t>());
      const auto flags = cursor.scalar<std::uint32_t>();
      const auto inline_value = cursor.bytes(8);
      std::optional<Value> value;
      Arena arena;
      const auto problems = problems_.size();
      if (tag.id() != 0) value = this->value(storage, tag, inline_value, arena);
      if (value) bag.set(tag, *value);
      if (sink_ != nullptr) tell_entry(start, tag, flags, inline_value, problems);
    }
    if (sink_ == nullptr) return;
    sink_->end_list();
    at(cursor.offset());
    if (cursor.left() != 0) sink_->bytes("rest", cursor.rest());
  }

  // --- for those who want to know where things stand. Values are told with the message; here is where they are.

  void at(std::size_t offset) {
    if (start_ != nullptr) *start_ = offset;
  }
  void tell_header(View header) {
    constexpr const char* names[] = {"NextRecipientID", "NextAttachmentID", "RecipientCount", "AttachmentCount"};
    at(0);
    sink_->bytes("Reserved", header.first(8));
    Cursor cursor(header);
    cursor.skip(8);
    for (const auto* name : names) {
      if (cursor.left() < 4) return;
      at(cursor.offset());
      sink_->number(name, cursor.scalar<std::uint32_t>(), 4);
    }
    at(cursor.offset());
    if (cursor.left() != 0) sink_->bytes("Reserved", cursor.rest());
  }
  // `problems`: how many there were before its value was read.
  void tell_entry(std::size_t start, PropertyTag tag, std::uint32_t flags, View inline_value, std::size_t problems) {
    sink_->begin("entry");
    at(start);
    sink_->symbol("PropertyTag", tag.value, 4, to_string(tag));
    at(start + 4);
    sink_->number("Flags", flags, 4);
    at(start + 8);
    if (fixed_in_entry(tag.type())) {
      sink_->bytes("Value", inline_value);
    } else {
      Cursor cursor(inline_value);
      sink_->number("Size", cursor.scalar<std::uint32_t>(), 4);
      at(start + 12);
      sink_->number("Reserved", cursor.scalar<std::uint32_t>(), 4);
      at(0);
      sink_->text("stream", fmt::format("{}__substg1.0_{:08X}", path_, tag.value));
    }
    for (std::size_t i = problems; i < problems_.size(); ++i) sink_->text("problem", problems_[i]);
    sink_->end();
  }
  static bool fixed_in_entry(PropertyType type) {
    switch (type) {
      case PropertyType::PtypNull:
      case PropertyType::PtypInteger16:
      case PropertyType::PtypInteger32:
      case PropertyType::PtypFloating32:
      case PropertyType::PtypFloating64:
      case PropertyType::PtypFloatingTime:
      case PropertyType::PtypCurrency:
      case PropertyType::PtypErrorCode:
      case PropertyType::PtypBoolean:
      case PropertyType::PtypInteger64:
      case PropertyType::PtypTime: return true;
      default: return false;
    }
  }

  std::optional<Value> value(GsfInfile* storage, PropertyTag tag, View inline_value, Arena& arena) {
    Cursor cursor(inline_value);
    const auto type = tag.type();
    const auto name = fmt::format("__substg1.0_{:08X}", tag.value);
    switch (type) {
      case PropertyType::PtypNull:
      case PropertyType::PtypObject: return {};
      case PropertyType::PtypInteger16: return Value::integer16(cursor.scalar<std::int16_t>());
      case PropertyType::PtypInteger32: return Value::integer32(cursor.scalar<std::int32_t>());
      case PropertyType::PtypFloating32: return Value{type, cursor.scalar<float>()};
      case PropertyType::PtypFloating64:
      case PropertyType::PtypFloatingTime: return Value{type, cursor.scalar<double>()};
      case PropertyType::PtypCurrency: return Value{type, Currency{cursor.scalar<std::int64_t>()}};
      case PropertyType::PtypErrorCode: return Value::error(cursor.scalar<std::uint32_t>());
      case PropertyType::PtypBoolean: return Value::boolean(cursor.scalar<std::uint16_t>() != 0);
      case PropertyType::PtypInteger64: return Value::integer64(cursor.scalar<std::int64_t>());
      case PropertyType::PtypTime: return Value::time({cursor.scalar<std::uint64_t>()});
      default: break;
    }
    const auto content = stream(storage, name.c_str());
    if (!content) {
      problem("property {} has no stream", to_string(tag));
      return {};
    }
    const auto kept = arena.copy(View(*content));
    Cursor data(kept);
    switch (type) {
      case PropertyType::PtypString8: return Value::string8(without_end(as_text(kept)));
      case PropertyType::PtypString: return Value::string(without_end(kept));
      case PropertyType::PtypBinary: return Value::binary(kept);
      case PropertyType::PtypGuid: {
        if (kept.size() != 16) return problem("property {} is no GUID", to_string(tag)), std::nullopt;
        Guid guid;
        std::copy(kept.begin(), kept.end(), guid.bytes.begin());
        return Value::guid(guid);
      }
      case PropertyType::PtypMultipleInteger16: return many<std::int16_t>(type, data, arena, 2, [&] { return data.scalar<std::int16_t>(); });
      case PropertyType::PtypMultipleInteger32: return many<std::int32_t>(type, data, arena, 4, [&] { return data.scalar<std::int32_t>(); });
      case PropertyType::PtypMultipleFloating32: return many<float>(type, data, arena, 4, [&] { return data.scalar<float>(); });
      case PropertyType::PtypMultipleFloating64:
      case PropertyType::PtypMultipleFloatingTime: return many<double>(type, data, arena, 8, [&] { return data.scalar<double>(); });
      case PropertyType::PtypMultipleCurrency: return many<Currency>(type, data, arena, 8, [&] { return Currency{data.scalar<std::int64_t>()}; });
      case PropertyType::PtypMultipleInteger64: return many<std::int64_t>(type, data, arena, 8, [&] { return data.scalar<std::int64_t>(); });
      case PropertyType::PtypMultipleTime: return many<FileTime>(type, data, arena, 8, [&] { return FileTime{data.scalar<std::uint64_t>()}; });
      case PropertyType::PtypMultipleGuid:
        return many<Guid>(type, data, arena, 16, [&] {
          Guid guid;
          const auto raw = data.bytes(16);
          std::copy(raw.begin(), raw.end(), guid.bytes.begin());
          return guid;
        });
      case PropertyType::PtypMultipleString8:
        return streams<String8>(storage, tag, kept.size() / 4, arena, [](View v) { return String8{without_end(as_text(v))}; });
      case PropertyType::PtypMultipleString:
        return streams<Utf16>(storage, tag, kept.size() / 4, arena, [](View v) { return without_end(v); });
      case PropertyType::PtypMultipleBinary:
        return streams<View>(storage, tag, kept.size() / 8, arena, [](View v) { return v; });
      default: return problem("property {} has an unknown type", to_string(tag)), std::nullopt;
    }
  }
  static std::string_view without_end(std::string_view text) {
    while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
    return text;
  }
  static Utf16 without_end(View raw) {
    raw = raw.first(raw.size() / 2 * 2);
    while (raw.size() >= 2 && raw[raw.size() - 1] == 0 && raw[raw.size() - 2] == 0) raw = raw.first(raw.size() - 2);
    return {raw};
  }
  template <class T>
  static Value many(PropertyType type, Cursor& data, Arena& arena, std::size_t width, auto read) {
    const auto out = arena.make_span<T>(data.left() / width);
    for (auto& one : out) one = read();
    return {type, std::span<const T>(out)};
  }
  // The stream of the property holds sizes only; each element has a stream of its own.
  template <class T>
  std::optional<Value> streams(GsfInfile* storage, PropertyTag tag, std::size_t count, Arena& arena, auto make) {
    constexpr std::size_t max_values = 65536;
    const auto out = arena.make_span<T>(std::min(count, max_values));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto content = stream(storage, fmt::format("__substg1.0_{:08X}-{:08X}", tag.value, i).c_str());
      if (!content) {
        problem("property {} has no value {}", to_string(tag), i);
        return {};
      }
      out[i] = make(arena.copy(View(*content)));
    }
    return Value{tag.type(), std::span<const T>(out)};
  }

  std::optional<Bytes> stream(GsfInfile* storage, const char* name) {
    const Input input(gsf_infile_child_by_name(storage, name));
    if (!input || (GSF_IS_INFILE(input.get()) && gsf_infile_num_children(GSF_INFILE(input.get())) > 0)) return {};
    const auto size = gsf_input_size(input.get());
    if (size < 0) return {};
    taken_ += static_cast<std::size_t>(size);
    if (taken_ > limits_.max_bytes) {
      status_ = error(Errc::limit, ".msg: more than {} bytes of values", limits_.max_bytes);
      return {};
    }
    Bytes out(static_cast<std::size_t>(size));
    if (size != 0 && gsf_input_read(input.get(), out.size(), out.data()) == nullptr) {
      problem("stream {} cannot be read", name);
      return {};
    }
    return out;
  }

  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    constexpr std::size_t enough = 100;
    if (problems_.size() < enough) problems_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  const ObjectLimits& limits_;
  std::vector<std::string>& problems_;
  wire::FieldSink* sink_;
  std::size_t* start_;
  std::string path_;  // of the storage that is read, with a slash behind each part
  Status status_;
  std::size_t taken_ = 0;
};

// The library tells each oddity of a file on standard error; strangers' files are not to fill logs.
void quieten() {
  static const bool once = [] {
    const auto levels = static_cast<GLogLevelFlags>(G_LOG_LEVEL_MASK & ~G_LOG_LEVEL_ERROR);
    for (const auto* domain : {"libgsf", "libgsf:msole"})
      g_log_set_handler(domain, levels, [](const char*, GLogLevelFlags, const char*, void*) {}, nullptr);
    return true;
  }();
  (void)once;
}

}  // namespace

Result<MsgFile> read_msg(View bytes, const ObjectLimits& limits, wire::FieldSink* sink, std::size_t* start) {
  quieten();
  const Input memory(gsf_input_memory_new(bytes.data(), static_cast<gsf_off_t>(bytes.size()), FALSE));
  GError* failure = nullptr;
  const Handle<GsfInfile> file(memory ? gsf_infile_msole_new(memory.get(), &failure) : nullptr);
  if (!file) {
    auto why = error(Errc::malformed, "no compound file: {}", failure == nullptr ? "unreadable" : failure->message);
    g_clear_error(&failure);
    return why;
  }
  const Input head(gsf_infile_child_by_name(file.get(), properties_stream.data()));
  if (!head) return error(Errc::malformed, "the compound file holds no message");
  MsgFile out;
  auto message = Reader(limits, out.problems, sink, start).message(file.get(), 32, 0, nullptr);
  if (!message) return message.error();
  out.message = std::move(*message);
  return out;
}

}  // namespace mapigate::convert
