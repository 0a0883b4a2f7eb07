#include "daemon/dump_files.h"

#include "base/text.h"
#include "convert/msg.h"
#include "convert/rtf.h"
#include "convert/tnef.h"
#include "daemon/dump.h"
#include "wire/blobs/blob.h"
#include "wire/read_and_tell.h"

namespace mapigate::daemon {

namespace {

// [MS-OXRTFCP] 2.1.3.1 "RTF Compression Header".
struct RtfHeader {
  std::uint32_t COMPSIZE = 0, RAWSIZE = 0;
  std::array<std::uint8_t, 4> COMPTYPE{};
  std::uint32_t CRC = 0;
  static void fields(auto& s, auto& v) {
    v("COMPSIZE", s.COMPSIZE);
    v("RAWSIZE", s.RAWSIZE);
    v("COMPTYPE", s.COMPTYPE);
    remark(v, s.COMPTYPE);
    v("CRC", s.CRC);
  }
  static void remark(wire::FieldTeller& v, const std::array<std::uint8_t, 4>& type) {
    v.remark("form", as_text(type) == "LZFu" ? "compressed" : as_text(type) == "MELA" ? "stored" : "unknown");
  }
};

// [MS-CFB] 2.2 "Compound File Header", up to the list of sectors. The library that reads such files says of a broken
// one only that it is; what the file claims to have shows what is missing.
struct CompoundHeader {
  std::array<std::uint8_t, 8> HeaderSignature{};
  mapi::Guid HeaderCLSID;
  std::uint16_t MinorVersion = 0, MajorVersion = 0, ByteOrder = 0, SectorShift = 0, MiniSectorShift = 0;
  std::array<std::uint8_t, 6> Reserved{};
  std::uint32_t NumberOfDirectorySectors = 0, NumberOfFATSectors = 0, FirstDirectorySectorLocation = 0,
                TransactionSignatureNumber = 0, MiniStreamCutoffSize = 0, FirstMiniFATSectorLocation = 0,
                NumberOfMiniFATSectors = 0, FirstDIFATSectorLocation = 0, NumberOfDIFATSectors = 0;
  static void fields(auto& s, auto& v) {
    constexpr std::array<std::uint8_t, 8> signature{0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1};
    v("HeaderSignature", s.HeaderSignature);
    v.check(s.HeaderSignature == signature, "is not that of a compound file");
    v("HeaderCLSID", s.HeaderCLSID);
    v("MinorVersion", s.MinorVersion);
    v("MajorVersion", s.MajorVersion);
    v("ByteOrder", s.ByteOrder);
    v("SectorShift", s.SectorShift);
    v.check(s.SectorShift == 9 || s.SectorShift == 12, "is neither 9 nor 12");
    v("MiniSectorShift", s.MiniSectorShift);
    v("Reserved", s.Reserved);
    v("NumberOfDirectorySectors", s.NumberOfDirectorySectors);
    v("NumberOfFATSectors", s.NumberOfFATSectors);
    v("FirstDirectorySectorLocation", s.FirstDirectorySectorLocation);
    v("TransactionSignatureNumber", s.TransactionSignatureNumber);
    v("MiniStreamCutoffSize", s.MiniStreamCutoffSize);
    v("FirstMiniFATSectorLocation", s.FirstMiniFATSectorLocation);
    v("NumberOfMiniFATSectors", s.NumberOfMiniFATSectors);
    v("FirstDIFATSectorLocation", s.FirstDIFATSectorLocation);
    v("NumberOfDIFATSectors", s.NumberOfDIFATSectors);
  }
};

// Tells the header at the beginning of a file with its offsets, and what stands behind it, where nobody can say more, as bytes.
template <class Header>
struct HeaderTold {
  HeaderTold(wire::FieldSink& sink, bool as_structure, View file) : input(file), placed(sink, as_structure) { teller("header", header); }
  void rest() {
    const auto at = cursor.offset();
    *placed.start() = at;
    if (at < input.size()) placed.bytes("rest", input.subspan(at));
  }

  View input;
  Header header;
  Arena arena;
  Cursor cursor{input};
  wire::FieldReader reader{cursor, arena};
  wire::blobs::OffsetSink placed;
  wire::FieldTeller teller{reader, placed, placed.start()};
};

// Why a file is no compound file: `otherwise`, if it is not the header.
std::string broken_compound_file(wire::FieldSink& sink, bool as_structure, View input, const std::string& otherwise) {
  HeaderTold<CompoundHeader> told(sink, as_structure, input);
  const bool whole = told.cursor.ok();
  if (whole) {
    // The first sector stands behind the header's; one that is not whole does not count.
    const auto sectors = input.size() >> told.header.SectorShift;
    sink.number("sectors in the file", sectors == 0 ? 0 : sectors - 1, 4);
  }
  told.rest();
  return whole ? otherwise : fmt::format("{}: {}", otherwise, told.cursor.error("header").message);
}

}  // namespace

std::string dump_msg(wire::FieldSink& sink, bool as_structure, View input) {
  wire::blobs::OffsetSink placed(sink, as_structure);
  const auto file = convert::read_msg(input, {}, &placed, placed.start());
  if (!file) return broken_compound_file(sink, as_structure, input, file.error().message);
  convert::describe(sink, file->message);
  return file->problems.empty() ? std::string() : file->problems.front();
}

std::string dump_tnef(wire::FieldSink& sink, bool as_structure, View input) {
  wire::blobs::OffsetSink placed(sink, as_structure);
  const auto tnef = convert::read_tnef(input, {}, &placed, placed.start());
  if (!tnef) {
    sink.bytes("rest", input);
    return tnef.error().message;
  }
  sink.number("code page", tnef->message.code_page, 4);
  if (tnef->bad_checksums != 0) sink.number("bad checksums", tnef->bad_checksums, 4);
  convert::describe(sink, tnef->message);
  return tnef->problem;
}

std::string dump_rtf(wire::FieldSink& sink, bool as_structure, View input) {
  HeaderTold<RtfHeader> told(sink, as_structure, input);
  const auto broken = [&](const Error& error) {
    told.rest();
    return error.message;
  };
  if (!told.cursor.ok()) return broken(told.cursor.error("compressed RTF"));
  std::string partial;
  const auto rtf = convert::decompress_rtf(input, max_input, &partial);
  if (!rtf) {
    if (!partial.empty()) sink.text("RTF", from_code_page(partial, 1252));
    return broken(rtf.error());
  }
  sink.text("RTF", from_code_page(*rtf, 1252));
  const auto content = convert::rtf_content(*rtf);
  if (content == convert::RtfContent::text) sink.text("text", convert::rtf_to_text(*rtf));
  if (content != convert::RtfContent::html) return {};
  const auto html = convert::rtf_to_html(*rtf);
  if (!html) return html.error().message;
  sink.text("HTML", *html);
  return {};
}

}  // namespace mapigate::daemon
