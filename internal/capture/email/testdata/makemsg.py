#!/usr/bin/env python3
"""Makes mail.msg, as Outlook saves a mail, after MS-CFB and MS-OXMSG. What is in it is said in msg_test.go."""
import struct

SECTOR, MINI, CUTOFF, END, FREE, FATSECT = 512, 64, 4096, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD

class Folder(dict): pass

def write(path, root):
    entries = []                     # name, kind, data, children (indexes)
    def add(name, node):
        i = len(entries)
        entries.append([name, 1 if isinstance(node, Folder) else 2, node, []])
        if isinstance(node, Folder):
            for k in sorted(node): entries[i][3].append(add(k, node[k]))
        return i
    add('Root Entry', root)
    entries[0][1] = 5
    sectors, fat, mini, minifat = [], [], bytearray(), []
    def put(data):
        if not data: return END
        first = len(sectors)
        n = -(-len(data) // SECTOR)
        for i in range(n):
            sectors.append(data[i*SECTOR:(i+1)*SECTOR].ljust(SECTOR, b'\0'))
            fat.append(first + i + 1 if i < n - 1 else END)
        return first
    start = [END] * len(entries)
    for i, (name, kind, node, _) in enumerate(entries):
        if kind != 2: continue
        if len(node) >= CUTOFF: start[i] = put(node)
        elif node:
            start[i] = len(minifat)
            n = -(-len(node) // MINI)
            minifat.extend([len(minifat) + j + 1 if j < n - 1 else END for j in range(n)])
            mini += node.ljust(n * MINI, b'\0')
    start[0] = put(bytes(mini))
    minifat_start = put(struct.pack(f'<{len(minifat)}I', *minifat).ljust(-(-len(minifat)*4 // SECTOR) * SECTOR, b'\xff'))
    directory = b''
    right = {}
    for _, _, _, kids in entries:
        for a, b in zip(kids, kids[1:]): right[a] = b
    for i, (name, kind, node, kids) in enumerate(entries):
        u = name.encode('utf-16-le') + b'\0\0'
        size = len(mini) if kind == 5 else len(node) if kind == 2 else 0
        directory += u.ljust(64, b'\0') + struct.pack('<HBBIII', len(u), kind, 1, FREE, right.get(i, FREE), kids[0] if kids else FREE) + b'\0' * 36 + struct.pack('<IQ', start[i], size)
    dir_start = put(directory)
    nfat = 1
    while nfat * 128 < len(sectors) + nfat: nfat += 1
    fat_start = len(sectors)
    fat += [FATSECT] * nfat
    table = struct.pack(f'<{len(fat)}I', *fat).ljust(nfat * SECTOR, b'\xff')
    for i in range(nfat): sectors.append(table[i*SECTOR:(i+1)*SECTOR])
    head = bytes.fromhex('D0CF11E0A1B11AE1') + b'\0' * 16 + struct.pack('<HHHHH6xIIIIIIIII', 0x3E, 3, 0xFFFE, 9, 6, 0, nfat, dir_start, 0, CUTOFF, minifat_start, -(-len(minifat)*4 // SECTOR), END, 0)
    difat = [fat_start + i for i in range(nfat)] + [FREE] * (109 - nfat)
    open(path, 'wb').write(head + struct.pack('<109I', *difat) + b''.join(sectors))

def properties(head, **fixed):
    out = b'\0' * head
    for tag, (kind, value) in fixed.items():
        out += struct.pack('<HHI', kind, int(tag[1:], 16), 6) + value
    return out

u = lambda s: s.encode('utf-16-le')
num = lambda n: (3, struct.pack('<II', n, 0))
filetime = lambda t: (0x40, struct.pack('<Q', int((t + 11644473600) * 10_000_000)))

def recipient(name, smtp, kind):
    f = Folder()
    f['__properties_version1.0'] = properties(8, x0C15=num(kind))
    f['__substg1.0_3001001F'] = u(name)
    f['__substg1.0_3003001F'] = u('/O=EXCHANGE/CN=' + name.upper())
    f['__substg1.0_39FE001F'] = u(smtp)
    return f

def attachment(name, data, mime=None, cid=None):
    f = Folder()
    f['__properties_version1.0'] = properties(8, x3705=num(1))
    f['__substg1.0_3707001F'] = u(name)
    f['__substg1.0_3704001F'] = u(name[:6].upper() + '~1')
    f['__substg1.0_37010102'] = data
    if mime: f['__substg1.0_370E001F'] = u(mime)
    if cid: f['__substg1.0_3712001F'] = u(cid)
    return f

root = Folder()
root['__nameid_version1.0'] = Folder({'__substg1.0_00020102': b'', '__substg1.0_00030102': b'', '__substg1.0_00040102': b''})
root['__properties_version1.0'] = properties(32, x0039=filetime(1717406130.5), x0E07=num(1), x3FDE=num(65001))
root['__substg1.0_001A001F'] = u('IPM.Note')
root['__substg1.0_0037001F'] = u('Water – the figures')
root['__substg1.0_1000001F'] = u('Dear Tom,\r\n\r\nsee attached 😀\r\n')
root['__substg1.0_0042001F'] = u('Asha Rao')
root['__substg1.0_0065001F'] = u('/O=EXCHANGE/CN=ASHA')
root['__substg1.0_5D02001F'] = u('asha@dept.example')
root['__substg1.0_1035001F'] = u('<msg1@dept.example>')
root['__substg1.0_1042001F'] = u('<before@dept.example>')
root['__recip_version1.0_#00000000'] = recipient('Tom Field', 'tom@example.org', 1)
root['__recip_version1.0_#00000001'] = recipient('Records', 'records@dept.example', 2)
root['__attach_version1.0_#00000000'] = attachment('figures.csv', b'a,b\n1,2\n', 'text/csv')
root['__attach_version1.0_#00000001'] = attachment('long.bin', bytes(range(256)) * 400)
inner = Folder()
inner['__properties_version1.0'] = properties(24, x0039=filetime(1717300000), x0E07=num(1))
inner['__substg1.0_0037001F'] = u('the first mail')
inner['__substg1.0_1000001F'] = u('words of the first mail')
inner['__substg1.0_0C1A001F'] = u('Tom Field')
inner['__substg1.0_5D01001F'] = u('tom@example.org')
inner['__substg1.0_1035001F'] = u('<first@example.org>')
inner['__attach_version1.0_#00000000'] = attachment('inner.txt', b'inner')
held = Folder()
held['__properties_version1.0'] = properties(8, x3705=num(5))
held['__substg1.0_3001001F'] = u('the first mail')
held['__substg1.0_3701000D'] = inner
root['__attach_version1.0_#00000002'] = held
write('mail.msg', root)
