#include "directory/templates.h"

#include <span>

#include "base/cursor.h"
#include "base/text.h"
#include "mapi/properties.h"

namespace mapigate::directory {

namespace {

// [MS-OXOABKT] 2.2.2.1.2: control types, and the flag that lets a field show double-byte text.
constexpr std::uint32_t DTCT_LABEL = 0, DTCT_EDIT = 1, DTCT_PAGE = 8;
constexpr std::uint32_t DT_MULTILINE = 0x01, DT_ACCEPT_DBCS = 0x20;
constexpr std::uint32_t template_version = 1;
constexpr std::size_t header_size = 8, row_size = 36;

// A field with its label; one without property begins a page.
struct Field {
  const char* label;
  mapi::PropertyTag tag;
  bool tall = false;
};

constexpr Field person[] = {
    {"General", {}},
    {"&Name:", mapi::PidTagDisplayName},
    {"&First:", mapi::PidTagGivenName},
    {"&Last:", mapi::PidTagSurname},
    {"&Alias:", mapi::PidTagAccount},
    {"&E-mail:", mapi::PidTagSmtpAddress},
    {"&Title:", mapi::PidTagTitle},
    {"&Company:", mapi::PidTagCompanyName},
    {"&Department:", mapi::PidTagDepartmentName},
    {"&Office:", mapi::PidTagOfficeLocation},
    {"&Manager:", mapi::PidTagManagerName},
    {"Phone/Notes", {}},
    {"&Business:", mapi::PidTagBusinessTelephoneNumber},
    {"&Mobile:", mapi::PidTagMobileTelephoneNumber},
    {"&Home:", mapi::PidTagHomeTelephoneNumber},
    {"&Fax:", mapi::PidTagPrimaryFaxNumber},
    {"&Street:", mapi::PidTagStreetAddress},
    {"&City:", mapi::PidTagLocality},
    {"C&ountry:", mapi::PidTagCountry},
    {"&Notes:", mapi::PidTagComment, true},
};
constexpr Field group[] = {
    {"General", {}},
    {"&Display name:", mapi::PidTagDisplayName},
    {"&Alias:", mapi::PidTagAccount},
    {"&E-mail:", mapi::PidTagSmtpAddress},
    {"&Notes:", mapi::PidTagComment, true},
};

// Collects rows and, behind them, their strings; offsets count from the start.
class Writer {
 public:
  Writer(std::size_t rows, std::uint32_t code_page) : code_page_(code_page), strings_at_(header_size + rows * row_size) {
    Output out(rows_);
    out.scalar(template_version);
    out.scalar(static_cast<std::uint32_t>(rows));
  }

  struct Box {
    std::uint32_t x, width, y, height;  // in dialog units
  };
  void row(Box box, std::uint32_t type, std::uint32_t flags, std::uint32_t control, std::uint32_t size, std::string_view text) {
    Output out(rows_);
    for (const auto number : {box.x, box.width, box.y, box.height, type, flags, control, size}) out.scalar(number);
    out.scalar(static_cast<std::uint32_t>(strings_at_ + strings_.size()));
    const auto bytes = to_code_page(text, code_page_);
    strings_.insert(strings_.end(), bytes.begin(), bytes.end());
    strings_.push_back(0);
  }
  Bytes take() {
    rows_.insert(rows_.end(), strings_.begin(), strings_.end());
    return std::move(rows_);
  }

 private:
  std::uint32_t code_page_;
  std::size_t strings_at_;
  Bytes rows_, strings_;
};

Bytes lay_out(std::span<const Field> fields, std::uint32_t code_page) {
  constexpr std::uint32_t left = 7, label_width = 70, edit_at = 80, edit_width = 240, height = 12, step = 16, tall = 60;
  std::size_t rows = 0;
  for (const auto& field : fields) rows += field.tag.value == 0 ? 1 : 2;
  Writer out(rows, code_page);
  std::uint32_t y = 0;
  for (const auto& field : fields) {
    if (field.tag.value == 0) {
      out.row({0, 0, 0, 0}, DTCT_PAGE, 0, 0, 0, field.label);
      y = step / 2;
      continue;
    }
    const auto tag = field.tag.with(mapi::PropertyType::PtypString8).value;
    out.row({left, label_width, y, height}, DTCT_LABEL, 0, 0, 0, field.label);
    out.row({edit_at, edit_width, y, field.tall ? tall : height}, DTCT_EDIT, DT_ACCEPT_DBCS | (field.tall ? DT_MULTILINE : 0), tag,
            field.tall ? 1024 : 256, "*");  // "*" lets every character in
    y += step;
  }
  return out.take();
}

}  // namespace

Bytes details_template(DisplayType type, std::uint32_t code_page) {
  switch (type) {
    case DisplayType::DT_MAILUSER:
    case DisplayType::DT_REMOTE_MAILUSER:
    case DisplayType::DT_AGENT:
    case DisplayType::DT_ORGANIZATION: return lay_out(person, code_page);
    case DisplayType::DT_DISTLIST:
    case DisplayType::DT_PRIVATE_DISTLIST: return lay_out(group, code_page);
    default: return {};
  }
}

}  // namespace mapigate::directory
