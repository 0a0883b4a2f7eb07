#include "wire/blobs/rules.h"

namespace mapigate::wire::blobs {

namespace {
CountWidth width_of(RuleForm form) { return form == RuleForm::extended ? CountWidth::wide : CountWidth::narrow; }
}  // namespace

Result<ActionBlock> action_block(const mapi::RuleAction& action, Arena& arena, RuleForm form) {
  Cursor cursor(action.ActionData);
  FieldReader reader(cursor, arena, width_of(form));
  ActionBlock out;
  out.ActionType = action.ActionType;
  out.ActionFlavor = action.ActionFlavor;
  out.ActionFlags = action.ActionFlags;
  ActionBlock::data(out, reader, form);
  if (cursor.ok() && cursor.left() != 0) {
    cursor.set_field("ActionData");
    cursor.fail("bytes are left over");
  }
  if (!cursor.ok()) return cursor.error("ActionBlock");
  return out;
}

Result<mapi::RuleAction> rule_action(const ActionBlock& block, Arena& arena, RuleForm form) {
  Bytes bytes;
  Output output(bytes);
  FieldWriter writer(output, width_of(form));
  ActionBlock::data(block, writer, form);
  if (!writer.ok()) return error(Errc::internal, "ActionBlock: {} does not fit", writer.problem());
  return mapi::RuleAction{block.ActionType, block.ActionFlavor, block.ActionFlags, arena.copy(View(bytes))};
}

}  // namespace mapigate::wire::blobs
