"""Plain LZ77 decompression, [MS-XCA] 2.4 "Plain LZ77 Decompression Algorithm Details"; the compression of
RPC_HEADER_EXT payloads."""
import struct


class Lz77Error(ValueError):
    """The compressed bytes are not what the algorithm can have written."""


def decompress(data, size):
    """Exactly `size` bytes from `data`. Lz77Error if the input is short or points before the start."""
    out = bytearray()
    position = 0
    flags, flags_left = 0, 0
    half_byte = None  # where a shared nibble waits for its second user

    def take(width):
        nonlocal position
        if position + width > len(data):
            raise Lz77Error(f"input ends at {position} with {len(out)} of {size} bytes written")
        value = int.from_bytes(data[position:position + width], "little")
        position += width
        return value

    while len(out) < size:
        if flags_left == 0:
            flags, flags_left = take(4), 32
        flags_left -= 1
        if not flags >> flags_left & 1:
            out.append(take(1))
            continue
        token = take(2)
        length, offset = token & 7, (token >> 3) + 1
        if length == 7:
            if half_byte is None:
                half_byte = position
                length = take(1) & 15
            else:
                length = data[half_byte] >> 4
                half_byte = None
            if length == 15:
                length = take(1)
                if length == 255:
                    length = take(2)
                    if length == 0:
                        length = take(4)
                    if length < 15 + 7:
                        raise Lz77Error(f"match length {length} is too small for its long form")
                    length -= 15 + 7
                length += 15
            length += 7
        length += 3
        if offset > len(out):
            raise Lz77Error(f"match reaches {offset} back with {len(out)} bytes written")
        length = min(length, size - len(out))
        while length > 0:
            piece = out[len(out) - offset:][:length]
            out += piece
            length -= len(piece)
    return bytes(out)


def compress(data):
    """Valid, not small: greedy matches of up to 9 bytes, so that a server's decoder has work to do."""
    out = bytearray()
    recent = {}
    position = 0
    while True:
        flags_at = len(out)
        out += b"\0\0\0\0"
        flags = 0
        for bit in range(31, -1, -1):
            if position >= len(data):
                flags |= (1 << (bit + 1)) - 1  # what is left of the flags is ones
                struct.pack_into("<I", out, flags_at, flags)
                return bytes(out)
            key = data[position:position + 3]
            earlier = recent.get(key)
            recent[key] = position
            if len(key) == 3 and earlier is not None and position - earlier <= 8192:
                length = 3
                while (length < 9 and position + length < len(data)
                       and data[earlier + length] == data[position + length]):
                    length += 1
                flags |= 1 << bit
                out += struct.pack("<H", (position - earlier - 1) << 3 | (length - 3))
                position += length
            else:
                out.append(data[position])
                position += 1
        struct.pack_into("<I", out, flags_at, flags)
