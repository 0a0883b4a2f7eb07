// Table ROPs ([MS-OXCROPS] 2.2.5, [MS-OXCTABL] 2.2.2).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

enum : std::uint8_t { BOOKMARK_BEGINNING = 0x00, BOOKMARK_CURRENT = 0x01, BOOKMARK_END = 0x02, BOOKMARK_CUSTOM = 0x03 };

struct RopSetColumns : Rop<RopId::RopSetColumns> {
  struct Request {
    std::uint8_t SetColumnsFlags = 0;
    std::span<const mapi::PropertyTag> PropertyTags{};
    static void fields(auto& s, auto& v) {
      v("SetColumnsFlags", s.SetColumnsFlags);
      property_tags(v, s.PropertyTags);
    }
  };
  using Response = TableStatusResponse;
};

struct RopSortTable : Rop<RopId::RopSortTable> {
  struct Request {
    std::uint8_t SortTableFlags = 0;
    std::uint16_t CategoryCount = 0;
    std::uint16_t ExpandedCount = 0;
    std::span<const mapi::SortOrder> SortOrders{};
    static void fields(auto& s, auto& v) {
      v("SortTableFlags", s.SortTableFlags);
      const auto n = v.template count<std::uint16_t>("SortOrderCount", s.SortOrders.size());
      v("CategoryCount", s.CategoryCount);
      v("ExpandedCount", s.ExpandedCount);
      v.list("SortOrders", s.SortOrders, n);
    }
  };
  using Response = TableStatusResponse;
};

struct RopRestrict : Rop<RopId::RopRestrict> {
  struct Request {
    std::uint8_t RestrictFlags = 0;
    const mapi::Restriction* RestrictionData = nullptr;  // null: all rows
    static void fields(auto& s, auto& v) {
      v("RestrictFlags", s.RestrictFlags);
      sized_restriction(v, s.RestrictionData);
    }
  };
  using Response = TableStatusResponse;
};

struct RopQueryRows : Rop<RopId::RopQueryRows> {
  enum : std::uint8_t { Advance = 0x00, NoAdvance = 0x01, EnablePackedBuffers = 0x02 };  // QueryRowsFlags
  struct Request {
    std::uint8_t QueryRowsFlags = 0;
    bool ForwardRead = true;
    std::uint16_t RowCount = 0;
    static void fields(auto& s, auto& v) {
      v("QueryRowsFlags", s.QueryRowsFlags);
      v("ForwardRead", s.ForwardRead);
      v("RowCount", s.RowCount);
    }
  };
  struct Response {
    std::uint8_t Origin = BOOKMARK_CURRENT;
    std::span<const PropertyRow> RowData{};
    static void fields(auto& s, auto& v, const ResponseContext& context) {
      v("Origin", s.Origin);
      const auto n = v.template count<std::uint16_t>("RowCount", s.RowData.size());
      table_rows(v, "RowData", s.RowData, n, context);
    }
  };
};

struct RopAbort : Rop<RopId::RopAbort> {
  using Response = TableStatusResponse;
};

struct RopGetStatus : Rop<RopId::RopGetStatus> {
  using Response = TableStatusResponse;
};

struct RopQueryPosition : Rop<RopId::RopQueryPosition> {
  struct Response {
    std::uint32_t Numerator = 0;
    std::uint32_t Denominator = 0;
    static void fields(auto& s, auto& v) {
      v("Numerator", s.Numerator);
      v("Denominator", s.Denominator);
    }
  };
};

struct RopSeekRow : Rop<RopId::RopSeekRow> {
  struct Request {
    std::uint8_t Origin = BOOKMARK_BEGINNING;
    std::int32_t RowCount = 0;
    bool WantRowMovedCount = false;
    static void fields(auto& s, auto& v) {
      v("Origin", s.Origin);
      v("RowCount", s.RowCount);
      v("WantRowMovedCount", s.WantRowMovedCount);
    }
  };
  struct Response {
    bool HasSoughtLess = false;
    std::int32_t RowsSought = 0;
    static void fields(auto& s, auto& v) {
      v("HasSoughtLess", s.HasSoughtLess);
      v("RowsSought", s.RowsSought);
    }
  };
};

struct RopSeekRowBookmark : Rop<RopId::RopSeekRowBookmark> {
  struct Request {
    View Bookmark{};
    std::int32_t RowCount = 0;
    bool WantRowMovedCount = false;
    static void fields(auto& s, auto& v) {
      v.template binary<std::uint16_t>("Bookmark", s.Bookmark);
      v("RowCount", s.RowCount);
      v("WantRowMovedCount", s.WantRowMovedCount);
    }
  };
  struct Response {
    bool RowNoLongerVisible = false;
    bool HasSoughtLess = false;
    std::int32_t RowsSought = 0;
    static void fields(auto& s, auto& v) {
      v("RowNoLongerVisible", s.RowNoLongerVisible);
      v("HasSoughtLess", s.HasSoughtLess);
      v("RowsSought", s.RowsSought);
    }
  };
};

struct RopSeekRowFractional : Rop<RopId::RopSeekRowFractional> {
  struct Request {
    std::uint32_t Numerator = 0;
    std::uint32_t Denominator = 1;
    static void fields(auto& s, auto& v) {
      v("Numerator", s.Numerator);
      v("Denominator", s.Denominator);
    }
  };
};

struct BookmarkFields {
  View Bookmark{};
  static void fields(auto& s, auto& v) { v.template binary<std::uint16_t>("Bookmark", s.Bookmark); }
};

struct RopCreateBookmark : Rop<RopId::RopCreateBookmark> {
  using Response = BookmarkFields;
};

struct RopFreeBookmark : Rop<RopId::RopFreeBookmark> {
  using Request = BookmarkFields;
};

struct RopQueryColumnsAll : Rop<RopId::RopQueryColumnsAll> {
  struct Response {
    std::span<const mapi::PropertyTag> PropertyTags{};
    static void fields(auto& s, auto& v) { property_tags(v, s.PropertyTags); }
  };
};

struct RopFindRow : Rop<RopId::RopFindRow> {
  enum : std::uint8_t { Forward = 0x00, Backward = 0x01 };  // FindRowFlags
  struct Request {
    std::uint8_t FindRowFlags = Forward;
    const mapi::Restriction* RestrictionData = nullptr;
    std::uint8_t Origin = BOOKMARK_BEGINNING;
    View Bookmark{};
    static void fields(auto& s, auto& v) {
      v("FindRowFlags", s.FindRowFlags);
      sized_restriction(v, s.RestrictionData);
      v("Origin", s.Origin);
      v.template binary<std::uint16_t>("Bookmark", s.Bookmark);
    }
  };
  struct Response {
    bool RowNoLongerVisible = false;
    bool HasRowData = false;
    PropertyRow RowData{};
    static void fields(auto& s, auto& v, const ResponseContext& context) {
      v("RowNoLongerVisible", s.RowNoLongerVisible);
      v("HasRowData", s.HasRowData);
      if (!s.HasRowData) return;
      v.check(context.columns.has_value(), "the columns of the table are unknown");
      v.row("RowData", s.RowData, context.columns.value_or(Columns{}));
    }
  };
};

struct RopResetTable : Rop<RopId::RopResetTable> {};

struct RopExpandRow : Rop<RopId::RopExpandRow> {
  struct Request {
    std::uint16_t MaxRowCount = 0;
    std::uint64_t CategoryId = 0;
    static void fields(auto& s, auto& v) {
      v("MaxRowCount", s.MaxRowCount);
      v("CategoryId", s.CategoryId);
    }
  };
  struct Response {
    std::uint32_t ExpandedRowCount = 0;
    std::span<const PropertyRow> RowData{};
    static void fields(auto& s, auto& v, const ResponseContext& context) {
      v("ExpandedRowCount", s.ExpandedRowCount);
      const auto n = v.template count<std::uint16_t>("RowCount", s.RowData.size());
      table_rows(v, "RowData", s.RowData, n, context);
    }
  };
};

struct RopCollapseRow : Rop<RopId::RopCollapseRow> {
  struct Request {
    std::uint64_t CategoryId = 0;
    static void fields(auto& s, auto& v) { v("CategoryId", s.CategoryId); }
  };
  struct Response {
    std::uint32_t CollapsedRowCount = 0;
    static void fields(auto& s, auto& v) { v("CollapsedRowCount", s.CollapsedRowCount); }
  };
};

struct CollapseStateFields {
  View CollapseState{};
  static void fields(auto& s, auto& v) { v.template binary<std::uint16_t>("CollapseState", s.CollapseState); }
};

struct RopGetCollapseState : Rop<RopId::RopGetCollapseState> {
  struct Request {
    std::uint64_t RowId = 0;
    std::uint32_t RowInstanceNumber = 0;
    static void fields(auto& s, auto& v) {
      v("RowId", s.RowId);
      v("RowInstanceNumber", s.RowInstanceNumber);
    }
  };
  using Response = CollapseStateFields;
};

struct RopSetCollapseState : Rop<RopId::RopSetCollapseState> {
  using Request = CollapseStateFields;
  using Response = BookmarkFields;
};

}  // namespace mapigate::wire
