-- A mailbox that some users may only look at.
--
-- The users are the arguments of the module:
--
--   [modules.read-only]
--   type = "lua"
--   script = "read-only.lua"
--   arguments = ["ann@example.test", "kiosk@example.test"]
--
-- Whatever would change the mailbox is refused and counted. When one of them opens a folder,
-- its properties say so, and Outlook greys out what would be refused anyway.

local users = {}
for _, user in ipairs(mapigate.arguments) do users[user:lower()] = true end

local changes = {
  "RopDeleteMessages", "RopHardDeleteMessages", "RopMoveCopyMessages", "RopMoveFolder", "RopDeleteFolder",
  "RopEmptyFolder", "RopHardDeleteMessagesAndSubfolders", "RopCreateFolder", "RopCreateMessage",
  "RopSetProperties", "RopDeleteProperties", "RopSaveChangesMessage", "RopSubmitMessage", "RopTransportSend",
}

for _, name in ipairs(changes) do
  mapigate.on(name, function(call, rop)
    if not users[call.user] then return "relay" end
    mapigate.count("refused")
    mapigate.log(call.user .. " may not " .. name)
    return "refuse", "ecAccessDenied"
  end)
end

-- PidTagAccess and PidTagRights: the bit for reading stays.
local PidTagAccess, PidTagRights = 0x0FF40003, 0x66390003
local MAPI_ACCESS_READ, frightsReadAny, frightsVisible = 0x02, 0x01, 0x400

mapigate.on_reply("RopGetPropertiesSpecific", function(call, reply, request)
  if not users[call.user] or reply.ReturnValue ~= 0 then return end
  for _, cell in ipairs(reply.RowData.Values) do
    if cell.tag == PidTagAccess and math.type(cell.value) == "integer" then
      cell.value = cell.value & MAPI_ACCESS_READ
    elseif cell.tag == PidTagRights and math.type(cell.value) == "integer" then
      cell.value = cell.value & (frightsReadAny | frightsVisible)
    end
  end
end)
