#include "directory/templates.h"

#include <span>

#include "base/cursor.h"
#include "base/text.h"
#include "mapi/legacy_dn.h"
#include "mapi/properties.h"

namespace mapigate::directory {

namespace {

// [MS-OXOABKT] 2.2.2.1.2: control types, and the flags of fields; the last lets one show double-byte text.
constexpr std::uint32_t DTCT_LABEL = 0, DTCT_EDIT = 1, DTCT_PAGE = 8;
constexpr std::uint32_t DT_MULTILINE = 0x01, DT_EDITABLE = 0x02, DT_REQUIRED = 0x04, DT_ACCEPT_DBCS = 0x20;
// [MS-OXOABKT] 2.2.2.2: the instructions of scripts.
constexpr std::uint32_t Halt = 0, ErrorInstruction = 1, EmitPropertyValue = 2, JumpIfNotExists = 4;
// Where a dialog keeps what is filled in until the script makes an address of it: the first of those that templates have for that.
constexpr mapi::PropertyTag filled_in(0x6800, mapi::PropertyType::PtypString8);
constexpr std::uint32_t template_version = 1;
constexpr std::size_t header_size = 8, row_size = 36;

enum Language : std::size_t { English, German, French, languages };
constexpr std::uint32_t locales[languages] = {0x409, 0x407, 0x40C};

// By the primary language of a locale ([MS-LCID]).
Language language_of(std::uint32_t locale) {
  switch (locale & 0x3FF) {
    case 0x07: return German;
    case 0x0C: return French;
    default: return English;
  }
}

// A field with its labels; one without property begins a page.
struct Field {
  const char* labels[languages];
  mapi::PropertyTag tag;
  bool tall = false;
  bool required = false;  // of whom fills it in
};

constexpr Field person[] = {
    {{"General", "Allgemein", "Général"}, {}},
    {{"&Name:", "&Name:", "&Nom complet :"}, mapi::PidTagDisplayName},
    {{"&First:", "&Vorname:", "&Prénom :"}, mapi::PidTagGivenName},
    {{"&Last:", "Na&chname:", "N&om :"}, mapi::PidTagSurname},
    {{"&Alias:", "&Alias:", "&Alias :"}, mapi::PidTagAccount},
    {{"&E-mail:", "&E-Mail:", "&Courriel :"}, mapi::PidTagSmtpAddress},
    {{"&Title:", "&Position:", "&Titre :"}, mapi::PidTagTitle},
    {{"&Company:", "&Firma:", "&Société :"}, mapi::PidTagCompanyName},
    {{"&Department:", "A&bteilung:", "&Service :"}, mapi::PidTagDepartmentName},
    {{"&Office:", "Bü&ro:", "&Bureau :"}, mapi::PidTagOfficeLocation},
    {{"&Manager:", "V&orgesetzte(r):", "&Responsable :"}, mapi::PidTagManagerName},
    {{"Phone/Notes", "Telefon/Notizen", "Téléphone/Notes"}, {}},
    {{"&Business:", "&Geschäftlich:", "&Professionnel :"}, mapi::PidTagBusinessTelephoneNumber},
    {{"&Mobile:", "&Mobil:", "&Mobile :"}, mapi::PidTagMobileTelephoneNumber},
    {{"&Home:", "&Privat:", "&Domicile :"}, mapi::PidTagHomeTelephoneNumber},
    {{"&Fax:", "&Fax:", "&Télécopie :"}, mapi::PidTagPrimaryFaxNumber},
    {{"&Street:", "&Straße:", "&Rue :"}, mapi::PidTagStreetAddress},
    {{"&City:", "&Ort:", "&Ville :"}, mapi::PidTagLocality},
    {{"C&ountry:", "&Land:", "Pa&ys :"}, mapi::PidTagCountry},
    {{"&Notes:", "&Notizen:", "&Notes :"}, mapi::PidTagComment, true},
};
constexpr Field group[] = {
    {{"General", "Allgemein", "Général"}, {}},
    {{"&Display name:", "&Anzeigename:", "&Nom complet :"}, mapi::PidTagDisplayName},
    {{"&Alias:", "A&lias:", "&Alias :"}, mapi::PidTagAccount},
    {{"&E-mail:", "&E-Mail:", "&Courriel :"}, mapi::PidTagSmtpAddress},
    {{"&Notes:", "&Notizen:", "N&otes :"}, mapi::PidTagComment, true},
};

constexpr const char* smtp_names[languages] = {"Internet Address", "Internetadresse", "Adresse Internet"};
constexpr Field smtp[] = {
    {{"General", "Allgemein", "Général"}, {}},
    {{"&Display name:", "&Anzeigename:", "&Nom complet :"}, mapi::PidTagDisplayName, false, true},
    {{"&E-mail address:", "&E-Mail-Adresse:", "&Adresse de courriel :"}, filled_in, false, true},
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

Bytes lay_out(std::span<const Field> fields, std::uint32_t code_page, Language language) {
  constexpr std::uint32_t left = 7, label_width = 70, edit_at = 80, edit_width = 240, height = 12, step = 16, tall = 60;
  std::size_t rows = 0;
  for (const auto& field : fields) rows += field.tag.value == 0 ? 1 : 2;
  Writer out(rows, code_page);
  std::uint32_t y = 0;
  for (const auto& field : fields) {
    if (field.tag.value == 0) {
      out.row({0, 0, 0, 0}, DTCT_PAGE, 0, 0, 0, field.labels[language]);
      y = step / 2;
      continue;
    }
    const auto tag = field.tag.with(mapi::PropertyType::PtypString8).value;
    out.row({left, label_width, y, height}, DTCT_LABEL, 0, 0, 0, field.labels[language]);
    const auto flags = DT_ACCEPT_DBCS | (field.tall ? DT_MULTILINE : 0) | (field.required ? DT_EDITABLE | DT_REQUIRED : 0);
    out.row({edit_at, edit_width, y, field.tall ? tall : height}, DTCT_EDIT, flags, tag, field.tall ? 1024 : 256,
            "*");  // "*" lets every character in
    y += step;
  }
  return out.take();
}

}  // namespace

Bytes empty_script() { return Bytes(4); }  // the number of instructions

std::vector<CreationTemplate> creation_templates(std::uint32_t locale) {
  if (locale == 0) return {};
  const auto language = language_of(locale);
  return {{"SMTP", smtp_names[language], mapi::address_template_dn("SMTP", locales[language])}};
}

namespace {

// What was filled in is the address.
Bytes smtp_script() {
  constexpr std::uint32_t error_at = 6 * 4;  // bytes behind the count
  const std::uint32_t instructions[] = {JumpIfNotExists, filled_in.value, error_at, EmitPropertyValue, filled_in.value, Halt, ErrorInstruction};
  Bytes out;
  Output writer(out);
  writer.scalar(static_cast<std::uint32_t>(std::size(instructions)));
  for (const auto one : instructions) writer.scalar(one);
  return out;
}

}  // namespace

std::optional<CreationDialog> creation_dialog(std::string_view dn, std::uint32_t code_page) {
  for (const auto language : {English, German, French})
    if (equal_ignoring_ascii_case(dn, mapi::address_template_dn("SMTP", locales[language])))
      return CreationDialog{lay_out(smtp, code_page, language), smtp_script()};
  return {};
}

Bytes details_template(DisplayType type, std::uint32_t code_page, std::uint32_t locale) {
  const auto language = language_of(locale);
  switch (type) {
    case DisplayType::DT_MAILUSER:
    case DisplayType::DT_REMOTE_MAILUSER:
    case DisplayType::DT_AGENT:
    case DisplayType::DT_ORGANIZATION: return lay_out(person, code_page, language);
    case DisplayType::DT_DISTLIST:
    case DisplayType::DT_PRIVATE_DISTLIST: return lay_out(group, code_page, language);
    default: return {};
  }
}

}  // namespace mapigate::directory
