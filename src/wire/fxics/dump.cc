#include "wire/fxics/dump.h"

#include <algorithm>

#include "mapi/errors.h"
#include "mapi/properties.h"
#include "wire/fxics/structures.h"
#include "wire/read_and_tell.h"

namespace mapigate::wire::fxics {

namespace {

std::string text_of(const Xid& xid) { return fmt::format("{}-{}", mapi::to_string(xid.NamespaceGuid), to_hex(xid.LocalId)); }

// How many markers, properties and elements each element has, in the order in which elements begin; the root
// is the first. Lists are told with their size.
class Counter final : public NoSink {
 public:
  std::vector<std::size_t> sizes{0};
  Status begin_element(Element) override {
    add();
    open_.push_back(sizes.size());
    sizes.push_back(0);
    return {};
  }
  Status end_element(Element) override {
    open_.pop_back();
    return {};
  }
  Status marker(Marker) override { return add(); }
  Status property(const PropDef&, std::uint32_t) override { return add(); }

 private:
  Status add() {
    ++sizes[open_.empty() ? 0 : open_.back()];
    return {};
  }
  std::vector<std::size_t> open_;
};

class Teller final : public ElementSink {
 public:
  Teller(FieldSink& sink, FieldSink& values, std::size_t* start, View stream, std::vector<std::size_t> sizes)
      : sink_(sink), values_(values), describer_(values), start_(start), stream_(stream), sizes_(std::move(sizes)) {}

  void read_from(const SyntaxReader& reader) { reader_ = &reader; }
  const std::string& problem() const { return problem_; }
  // Closes what an error left open.
  void close() {
    if (in_property_) sink_.end();
    in_property_ = false;
    for (; depth_ != 0; --depth_) {
      sink_.end_list();
      sink_.end();
    }
  }

  Status begin_element(Element element) override {
    sink_.begin("element");
    sink_.text("element", name_of(element));
    sink_.begin_list("content", next_ < sizes_.size() ? sizes_[next_] : 0);
    ++next_;
    ++depth_;
    element_ = element;
    return {};
  }
  Status end_element(Element) override {
    --depth_;
    sink_.end_list();
    sink_.end();
    return {};
  }
  Status marker(Marker marker) override {
    sink_.begin("marker");
    sink_.number("offset", reader_->element_offset(), 4);
    sink_.text("marker", fxics::name_of(marker));
    sink_.end();
    return {};
  }
  Status property(const PropDef& definition, std::uint32_t count) override {
    definition_ = definition;
    in_property_ = true;
    sink_.begin("property");
    sink_.number("offset", reader_->element_offset(), 4);
    const auto name = meta_name_of(definition.tag);
    sink_.symbol("PropertyTag", definition.tag.value, 4,
                 name.empty() ? mapi::to_string(definition.tag) : fmt::format("{} (0x{:08x})", name, definition.tag.value));
    if (definition.name) {
      sink_.text("PropertySet", mapi::to_string(definition.name->set));
      if (definition.name->lid) sink_.number("LID", *definition.name->lid, 4);
      else sink_.text("Name", definition.name->name);
    }
    if (multiple()) sink_.begin_list("Values", count);
    return {};
  }
  Status fixed(View bytes) override {
    tell(bytes);
    return {};
  }
  Status begin_value(std::uint32_t size) override {
    value_.clear();
    if (size == no_object_data && definition_.tag.type() == mapi::PropertyType::PtypObject) sink_.text("Value", "no data");
    return {};
  }
  Status piece(View bytes) override {
    value_.insert(value_.end(), bytes.begin(), bytes.end());
    return {};
  }
  Status end_value() override {
    tell(value_);
    return {};
  }
  Status end_property() override {
    if (multiple()) sink_.end_list();
    sink_.end();
    in_property_ = false;
    return {};
  }

 private:
  bool multiple() const {
    return definition_.layout.form == Layout::Form::multiple_fixed || definition_.layout.form == Layout::Form::multiple_variable;
  }
  void trouble(const Error& error) {
    sink_.text("problem", error.message);
    if (problem_.empty()) problem_ = fmt::format("at offset {}: {}", reader_->element_offset(), error.message);
  }
  // What was told last, in the stream: values there are whole, and their fields have the offsets that people look for.
  Cursor in_stream(View bytes) const {
    const auto end = std::min<std::size_t>(static_cast<std::size_t>(reader_->offset()), stream_.size());
    Cursor cursor(stream_.first(end));
    cursor.skip(end - std::min(bytes.size(), end));
    return cursor;
  }
  template <class Structure>
  void structure(const char* name, View bytes) {
    Arena arena;
    auto cursor = in_stream(bytes);
    FieldReader reader(cursor, arena);
    FieldTeller teller(reader, values_, start_);
    Structure value;
    teller(name, value);
    rest_of(bytes, cursor);
    if (!cursor.ok()) trouble(cursor.error(name));
    else if (cursor.left() != 0) trouble(error(Errc::malformed, "{}: {} bytes are left over", name, cursor.left()));
  }
  template <class Replica>
  void idset(View bytes) {
    auto cursor = in_stream(bytes);
    const auto told = tell_idset<Replica>(values_, start_, "Value", cursor);
    if (!told) trouble(told.error());
  }
  void rest_of(View bytes, const Cursor& cursor) {
    const auto taken = cursor.offset() + bytes.size() - static_cast<std::size_t>(reader_->offset());
    if (taken >= bytes.size()) return;
    if (start_ != nullptr) *start_ = cursor.offset();
    values_.bytes("rest", bytes.subspan(taken));
  }

  void tell(View bytes) {
    const auto tag = definition_.tag;
    if (start_ != nullptr) *start_ = static_cast<std::size_t>(reader_->offset()) - bytes.size();
    if (tag == structure_tag) {
      switch (element_) {
        case Element::progressTotal: return structure<ProgressInformation>("ProgressInformation", bytes);
        case Element::groupInfo: return structure<PropertyGroupInfo>("PropertyGroupInfo", bytes);
        case Element::errorInfo: return structure<ExtendedErrorInfo>("ExtendedErrorInfo", bytes);
        default: break;
      }
    }
    if (tag == MetaTagNewFXFolder) return structure<FolderReplicaInfo>("FolderReplicaInfo", bytes);
    for (const auto known : {MetaTagIdsetGiven, MetaTagCnsetSeen, MetaTagCnsetSeenFAI, MetaTagCnsetRead})
      if (tag == known || tag == known.with(mapi::PropertyType::PtypBinary)) return idset<mapi::Guid>(bytes);
    for (const auto known : {MetaTagIdsetDeleted, MetaTagIdsetNoLongerInScope, MetaTagIdsetExpired, MetaTagIdsetRead, MetaTagIdsetUnread})
      if (tag == known) return idset<std::uint16_t>(bytes);
    if (tag == mapi::PidTagPredecessorChangeList) {
      if (const auto list = read_predecessor_change_list(bytes)) {
        values_.begin_list("Value", list->size());
        for (const auto& xid : *list) values_.text("XID", text_of(xid));
        return values_.end_list();
      }
    }
    if (tag == mapi::PidTagSourceKey || tag == mapi::PidTagParentSourceKey || tag == mapi::PidTagChangeKey)
      if (const auto xid = read_xid(bytes)) return values_.text("Value", text_of(*xid));
    if (bytes.size() == sizeof(std::uint64_t))
      for (const auto id : {mapi::PidTagFolderId, mapi::PidTagParentFolderId, mapi::PidTagMid, mapi::PidTagChangeNumber})
        if (tag == id) {
          mapi::Id number;
          std::memcpy(&number.value, bytes.data(), sizeof number.value);
          return describer_("Value", number);
        }
    const auto value = decode_value(definition_, bytes);
    if (!value) return trouble(value.error());
    if (tag == MetaTagFXDelProp || tag == MetaTagEcWarning) {
      const auto number = static_cast<std::uint32_t>(mapi::number_of(*value));
      return values_.symbol("Value", number, 4,
                          tag == MetaTagEcWarning ? mapi::to_string(static_cast<mapi::ErrorCode>(number))
                                                  : mapi::to_string(mapi::PropertyTag(number)));
    }
    if (const auto* text = value->get<mapi::String8>(); text != nullptr && definition_.layout.code_page != 0)
      return values_.text("Value", from_code_page(text->text, definition_.layout.code_page));
    describer_.value("Value", *value, value->type);
  }

  FieldSink& sink_;
  FieldSink& values_;
  FieldDescriber describer_;
  std::size_t* start_;
  View stream_;
  std::vector<std::size_t> sizes_;
  std::size_t next_ = 1;
  std::size_t depth_ = 0;
  const SyntaxReader* reader_ = nullptr;
  Element element_ = Element::stream;
  PropDef definition_;
  bool in_property_ = false;
  Bytes value_;
  std::string problem_;
};

}  // namespace

Status describe_stream(FieldSink& sink, FieldSink& values, std::size_t* start, View stream, Element root) {
  // What the root is shows only further on; the second pass knows it from the start.
  Counter counter;
  SyntaxReader first(counter, root);
  if (const auto read = first.feed(stream)) (void)first.finish();
  Counter counted_again;
  SyntaxReader second(counted_again, first.root());
  if (const auto read = second.feed(stream)) (void)second.finish();

  Teller teller(sink, values, start, stream, std::move(counted_again.sizes));
  SyntaxReader reader(teller, first.root());
  teller.read_from(reader);
  auto read = reader.feed(stream);
  if (read) read = reader.finish();
  teller.close();
  if (!read) {
    const auto from = std::min<std::size_t>(static_cast<std::size_t>(reader.element_offset()), stream.size());
    sink.number("offset", from, 4);
    sink.bytes("rest", stream.subspan(from));
    return read;
  }
  if (!teller.problem().empty()) return error(Errc::malformed, "FastTransfer stream: {}", teller.problem());
  return {};
}

}  // namespace mapigate::wire::fxics
