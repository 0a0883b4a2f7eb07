"""Property values, rows and restrictions of [MS-OXCDATA], read and written on their own account."""
import datetime
import struct
import uuid

# Types, [MS-OXCDATA] 2.11.1
UNSPECIFIED, NULL, INT16, INT32, FLOAT, DOUBLE, CURRENCY, APPTIME, ERROR, BOOLEAN, OBJECT, INT64 = (
    0, 1, 2, 3, 4, 5, 6, 7, 0xA, 0xB, 0xD, 0x14)
STRING8, UNICODE, TIME, GUID, SERVER_ID, RESTRICTION, ACTIONS, BINARY = (
    0x1E, 0x1F, 0x40, 0x48, 0xFB, 0xFD, 0xFE, 0x102)
MULTIPLE = 0x1000

# Tags by their names in [MS-OXPROPS]
TAGS = {
    "PidTagOutOfOfficeState": 0x661D000B, "PidTagMessageClass": 0x001A001F, "PidTagSubject": 0x0037001F, "PidTagClientSubmitTime": 0x00390040,
    "PidTagSentRepresentingName": 0x0042001F, "PidTagSentRepresentingEmailAddress": 0x0065001F,
    "PidTagConversationTopic": 0x0070001F, "PidTagConversationIndex": 0x00710102,
    "PidTagTransportMessageHeaders": 0x007D001F, "PidTagRecipientType": 0x0C150003,
    "PidTagSenderName": 0x0C1A001F, "PidTagSenderEmailAddress": 0x0C1F001F, "PidTagDisplayTo": 0x0E04001F,
    "PidTagDisplayCc": 0x0E03001F, "PidTagMessageDeliveryTime": 0x0E060040, "PidTagMessageFlags": 0x0E070003,
    "PidTagMessageSize": 0x0E080003, "PidTagHasAttachments": 0x0E1B000B, "PidTagNormalizedSubject": 0x0E1D001F,
    "PidTagRtfInSync": 0x0E1F000B, "PidTagAttachSize": 0x0E200003, "PidTagAttachNumber": 0x0E210003,
    "PidTagRead": 0x0E69000B, "PidTagInstanceKey": 0x0FF60102, "PidTagAccess": 0x0FF40003,
    "PidTagEntryId": 0x0FFF0102, "PidTagBody": 0x1000001F, "PidTagRtfCompressed": 0x10090102,
    "PidTagHtml": 0x10130102, "PidTagInternetMessageId": 0x1035001F, "PidTagFlagStatus": 0x10900003,
    "PidTagDisplayName": 0x3001001F, "PidTagCreationTime": 0x30070040, "PidTagLastModificationTime": 0x30080040,
    "PidTagSearchKey": 0x300B0102, "PidTagStoreSupportMask": 0x340D0003, "PidTagIpmAppointmentEntryId": 0x36D00102,
    "PidTagIpmContactEntryId": 0x36D10102, "PidTagIpmJournalEntryId": 0x36D20102, "PidTagIpmNoteEntryId": 0x36D30102,
    "PidTagIpmTaskEntryId": 0x36D40102, "PidTagIpmDraftsEntryId": 0x36D70102,
    "PidTagAdditionalRenEntryIds": 0x36D81102, "PidTagAdditionalRenEntryIdsEx": 0x36D90102,
    "PidTagFreeBusyEntryIds": 0x36E41102, "PidTagContentCount": 0x36020003, "PidTagContentUnreadCount": 0x36030003,
    "PidTagSubfolders": 0x360A000B, "PidTagContainerClass": 0x3613001F, "PidTagAttachDataBinary": 0x37010102,
    "PidTagAttachFilename": 0x3704001F, "PidTagAttachMethod": 0x37050003, "PidTagAttachLongFilename": 0x3707001F,
    "PidTagAttachMimeTag": 0x370E001F, "PidTagAttachContentId": 0x3712001F, "PidTagInternetCodepage": 0x3FDE0003,
    "PidTagSourceKey": 0x65E00102, "PidTagParentSourceKey": 0x65E10102, "PidTagChangeKey": 0x65E20102,
    "PidTagPredecessorChangeList": 0x65E30102, "PidTagFolderId": 0x67480014, "PidTagMid": 0x674A0014,
    "PidTagMappingSignature": 0x0FF80102, "PidTagParentFolderId": 0x67490014, "PidTagChangeNumber": 0x67A40014,
    "PidTagAttributeHidden": 0x10F4000B, "PidTagAttributeSystem": 0x10F5000B, "PidTagAttributeReadOnly": 0x10F6000B,
    "PidTagRenderingPosition": 0x370B0003, "PidTagSentMailSvrEID": 0x674000FB, "PidTagDeleteAfterSubmit": 0x0E01000B,
    "PidTagComment": 0x3004001F, "PidTagLastVerbExecuted": 0x10810003, "PidTagMessageStatus": 0x0E170003,
    "PidTagAssociatedContentCount": 0x36170003, "PidTagDeferredSendTime": 0x3FEF0040, "PidTagDeferredSendNumber": 0x3FEB0003, "PidTagDeferredSendUnits": 0x3FEC0003, "PidTagRoamingDatatypes": 0x7C060003,
    "PidTagCreatorSid": 0x0E580102, "PidTagFolderType": 0x36010003, "PidTagImportance": 0x00170003,
    "PidTagInstID": 0x674D0014, "PidTagInstanceNum": 0x674E0003, "PidTagRowType": 0x0FF50003, "PidTagDepth": 0x30050003,
    "PidTagMemberId": 0x66710014, "PidTagMemberName": 0x6672001F, "PidTagMemberRights": 0x66730003,
    "PidTagFolderFlags": 0x66A80003, "PidTagHierRev": 0x40820040, "PidTagHierarchyChangeNumber": 0x663E0003,
    "PidTagReadReceiptRequested": 0x0029000B, "PidTagOriginalMessageId": 0x1046001F, "PidTagReportText": 0x1001001F, "PidTagIconIndex": 0x10800003,
    "PidTagSentRepresentingAddressType": 0x0064001F,
    "PidTagSenderAddressType": 0x0C1E001F, "PidTagObjectType": 0x0FFE0003, "PidTagHasRules": 0x663A000B, "PidTagRuleId": 0x66740014,
    "PidTagRights": 0x66390003, "PidTagAccessLevel": 0x0FF70003, "PidTagRuleSequence": 0x66760003, "PidTagRuleState": 0x66770003, "PidTagRuleCondition": 0x667900FD, "PidTagRuleActions": 0x668000FE,
    "PidTagRuleProvider": 0x6681001F, "PidTagRuleName": 0x6682001F, "PidTagRuleProviderData": 0x66840102, "PidTagRecordKey": 0x0FF90102, "PidTagStoreRecordKey": 0x0FFA0102,
}
NAMES = {tag: name for name, tag in TAGS.items()}

EC_NOT_FOUND = 0x8004010F
EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.timezone.utc)


def tag_of(name_or_tag):
    return TAGS[name_or_tag] if isinstance(name_or_tag, str) else name_or_tag


class WireError(ValueError):
    """The server's bytes are not what the documents allow."""


class PropertyError:
    """What stands in a flagged cell instead of a value."""

    def __init__(self, code):
        self.code = code

    def __eq__(self, other):
        return isinstance(other, PropertyError) and self.code == other.code

    def __hash__(self):
        return hash(self.code)

    def __repr__(self):
        return f"PropertyError({self.code:#010x})"


class Reader:
    """Little-endian bytes, WireError at their end."""

    def __init__(self, data, position=0):
        self.data = data
        self.position = position

    def left(self):
        return len(self.data) - self.position

    def bytes(self, count):
        if count > self.left():
            raise WireError(f"{count} bytes wanted at {self.position}, {self.left()} left")
        value = self.data[self.position:self.position + count]
        self.position += count
        return bytes(value)

    def unpack(self, form):
        values = struct.unpack("<" + form, self.bytes(struct.calcsize("<" + form)))
        return values[0] if len(values) == 1 else values

    def u8(self):
        return self.unpack("B")

    def u16(self):
        return self.unpack("H")

    def u32(self):
        return self.unpack("I")

    def u64(self):
        return self.unpack("Q")

    def string8(self):
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise WireError(f"no end of the 8-bit string at {self.position}")
        return self.bytes(end - self.position + 1)[:-1].decode("latin-1")

    def unicode(self):
        start = self.position
        while self.u16() != 0:
            pass
        return self.data[start:self.position - 2].decode("utf-16-le", "surrogatepass")

    def guid(self):
        return uuid.UUID(bytes_le=self.bytes(16))

    def time(self):
        ticks = self.u64()
        try:
            return EPOCH + datetime.timedelta(microseconds=ticks // 10)
        except OverflowError:
            return ticks

    def value(self, kind):
        """A PropertyValue of the given type as ROP buffers carry it (16-bit byte counts)."""
        if kind & MULTIPLE:
            count = self.u32()
            if count > self.left():
                raise WireError(f"{count} values announced, {self.left()} bytes left")
            return [self.value(kind & ~MULTIPLE) for _ in range(count)]
        if kind == BOOLEAN:
            return self.u8() != 0
        if kind == UNICODE:
            return self.unicode()
        if kind == STRING8:
            return self.string8()
        if kind in (BINARY, SERVER_ID, OBJECT):
            return self.bytes(self.u16())
        if kind == TIME:
            return self.time()
        if kind == GUID:
            return self.guid()
        if kind == ERROR:
            return PropertyError(self.u32())
        form = {INT16: "h", INT32: "i", FLOAT: "f", DOUBLE: "d", CURRENCY: "q", APPTIME: "d", INT64: "Q"}.get(kind)
        if form:
            return self.unpack(form)
        if kind == NULL:
            return None
        raise WireError(f"no reader for property type {kind:#06x}")

    def row(self, columns):
        """{tag: value} of a PropertyRow, [MS-OXCDATA] 2.8.1; an absent cell is None, an error a PropertyError."""
        flag = self.u8()
        if flag not in (0, 1):
            raise WireError(f"property row flag {flag:#x}")
        row = {}
        for tag in columns:
            kind = tag & 0xFFFF
            if kind == UNSPECIFIED:
                kind = self.u16()
            if flag:
                cell = self.u8()
                if cell == 1:
                    row[tag] = None
                    continue
                if cell == 0xA:
                    row[tag] = PropertyError(self.u32())
                    continue
                if cell != 0:
                    raise WireError(f"flagged property value flag {cell:#x}")
            row[tag] = self.value(kind)
        return row

    def typed_string(self):
        """[MS-OXCDATA] 2.11.7 TypedString."""
        kind = self.u8()
        if kind == 0:
            return None
        if kind == 1:
            return ""
        if kind in (2, 3):
            return self.string8()
        if kind == 4:
            return self.unicode()
        raise WireError(f"typed string type {kind:#x}")


def write_value(kind, value):
    """The inverse of Reader.value()."""
    if kind & MULTIPLE:
        return struct.pack("<I", len(value)) + b"".join(write_value(kind & ~MULTIPLE, item) for item in value)
    if kind == BOOLEAN:
        return bytes([bool(value)])
    if kind == UNICODE:
        return value.encode("utf-16-le", "surrogatepass") + b"\0\0"
    if kind == STRING8:
        return value.encode("latin-1") + b"\0"
    if kind in (BINARY, SERVER_ID):
        return struct.pack("<H", len(value)) + value
    if kind in (RESTRICTION, ACTIONS):  # as bytes
        return value
    if kind == TIME:
        return struct.pack("<Q", (value - EPOCH) // datetime.timedelta(microseconds=1) * 10)
    if kind == GUID:
        return value.bytes_le
    form = {INT16: "h", INT32: "i", FLOAT: "f", DOUBLE: "d", CURRENCY: "q", APPTIME: "d", INT64: "Q"}[kind]
    return struct.pack("<" + form, value)


def tagged(tag, value):
    tag = tag_of(tag)
    return struct.pack("<I", tag) + write_value(tag & 0xFFFF, value)


# Restrictions, [MS-OXCDATA] 2.12, with the 16-bit counts of ROP buffers
LT, LE, GT, GE, EQ, NE = range(6)


def res_and(*parts):
    return struct.pack("<BH", 0, len(parts)) + b"".join(parts)


def res_or(*parts):
    return struct.pack("<BH", 1, len(parts)) + b"".join(parts)


def res_not(part):
    return b"\2" + part


def res_content(tag, text, substring=True, ignore_case=True):
    tag = tag_of(tag)
    return struct.pack("<BHHI", 3, 1 if substring else 0, 1 if ignore_case else 0, tag) + tagged(tag, text)


def res_property(tag, operator, value):
    tag = tag_of(tag)
    return struct.pack("<BBI", 4, operator, tag) + tagged(tag, value)


def res_bitmask(tag, mask, nonzero=True):
    return struct.pack("<BBII", 6, 1 if nonzero else 0, tag_of(tag), mask)


def res_count(count, part):
    return struct.pack("<BI", 0x0B, count) + part


def res_subobject(tag, part):
    return struct.pack("<BI", 9, tag_of(tag)) + part


def res_size(tag, operator, size):
    return struct.pack("<BBII", 7, operator, tag_of(tag), size)


def res_compare(operator, tag, other):
    return struct.pack("<BBII", 5, operator, tag_of(tag), tag_of(other))


def res_exist(tag):
    return struct.pack("<BI", 8, tag_of(tag))
