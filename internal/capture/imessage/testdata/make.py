#!/usr/bin/env python3
"""Makes chat.db, as Messages on a Mac has it, and expected.json, what is in it, with Python's own sqlite3
and plistlib. Run in this folder."""
import json, os, plistlib, sqlite3, struct

EPOCH = 978307200
def ns(t): return int((t - EPOCH) * 1_000_000_000)

def typedstream(s):
    b = s.encode()
    n = len(b)
    if n < 0x80: length = bytes([n])
    elif n < 0x8000: length = b'\x81' + struct.pack('<H', n)
    else: length = b'\x82' + struct.pack('<I', n)
    return (b'\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x19NSMutableAttributedString\x00\x84\x84\x12NSAttributedString\x00'
            b'\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x0fNSMutableString\x01\x84\x84\x08NSString\x01\x95\x84\x01+' + length + b +
            b'\x86\x84\x02iI\x01' + bytes([min(n, 100)]) + b'\x92\x84\x84\x84\x0cNSDictionary\x00\x95\x84\x01i\x01\x92\x84\x98\x98\x1d__kIMMessagePartAttributeName\x86\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x95\x84\x01*\x84\x99\x99\x00\x86\x86\x86')

if os.path.exists('chat.db'): os.remove('chat.db')
db = sqlite3.connect('chat.db')
db.executescript('''
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, country TEXT, service TEXT NOT NULL, uncanonicalized_id TEXT);
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, style INTEGER, state INTEGER, account_id TEXT, properties BLOB, chat_identifier TEXT, service_name TEXT, room_name TEXT, display_name TEXT);
CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, text TEXT, subject TEXT, handle_id INTEGER DEFAULT 0, attributedBody BLOB, service TEXT, error INTEGER DEFAULT 0,
 date INTEGER, date_read INTEGER, date_delivered INTEGER, is_delivered INTEGER DEFAULT 0, is_from_me INTEGER DEFAULT 0, is_sent INTEGER DEFAULT 0, item_type INTEGER DEFAULT 0, other_handle INTEGER DEFAULT 0,
 group_title TEXT, group_action_type INTEGER DEFAULT 0, associated_message_guid TEXT, associated_message_type INTEGER DEFAULT 0, associated_message_emoji TEXT, balloon_bundle_id TEXT, payload_data BLOB,
 message_summary_info BLOB, thread_originator_guid TEXT, thread_originator_part TEXT, destination_caller_id TEXT, date_edited INTEGER DEFAULT 0, date_retracted INTEGER DEFAULT 0, schedule_type INTEGER DEFAULT 0);
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, filename TEXT, uti TEXT, mime_type TEXT, transfer_name TEXT, total_bytes INTEGER DEFAULT 0, is_sticker INTEGER DEFAULT 0);
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER, message_date INTEGER DEFAULT 0, PRIMARY KEY (chat_id, message_id));
CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER);
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER);
CREATE TABLE chat_recoverable_message_join (chat_id INTEGER, message_id INTEGER, delete_date INTEGER, ck_sync_state INTEGER DEFAULT 0, PRIMARY KEY (chat_id, message_id));
CREATE INDEX message_idx_handle ON message(handle_id, date);
CREATE TRIGGER ignored AFTER INSERT ON chat BEGIN SELECT 1; END;
''')
A, T, M = '+447700900123', 'tom@example.org', '+447700900999'
db.executemany('INSERT INTO handle (ROWID, id, service) VALUES (?,?,?)', [(1, A, 'iMessage'), (2, T, 'iMessage'), (3, A, 'SMS')])
db.executemany('INSERT INTO chat (ROWID, guid, style, chat_identifier, service_name, display_name) VALUES (?,?,?,?,?,?)',
    [(1, 'iMessage;-;' + A, 45, A, 'iMessage', ''), (2, 'iMessage;+;chat1', 43, 'chat1', 'iMessage', 'Water'), (3, 'SMS;-;' + A, 45, A, 'SMS', None)])
db.executemany('INSERT INTO chat_handle_join VALUES (?,?)', [(1, 1), (2, 1), (2, 2), (3, 3)])

t0 = 1717214400
expected, row = [], 0
def add(chat, **k):
    global row
    row += 1
    want = k.pop('want', None)
    k.setdefault('service', 'iMessage'); k.setdefault('date', ns(t0 + row * 60)); k.setdefault('guid', f'GUID-{row}'); k.setdefault('handle_id', 0 if k.get('is_from_me') else 1)
    if k.get('is_from_me'): k.setdefault('destination_caller_id', M)
    db.execute(f"INSERT INTO message (ROWID, {', '.join(k)}) VALUES (?{',?' * len(k)})", (row, *k.values()))
    if chat: db.execute('INSERT INTO chat_message_join (chat_id, message_id) VALUES (?,?)', (chat, row))
    if want is not None:
        guid = {1: 'iMessage;-;' + A, 2: 'iMessage;+;chat1', 3: 'SMS;-;' + A}.get(chat, 'none:' + A)
        expected.append({'row': row, 'guid': k['guid'], 'chat': guid, 'utc': (t0 + row * 60) * 1000, **want})
    return row

add(1, text='plain text', attributedBody=typedstream('plain text'), want=dict(sender=A, body='plain text'))
for n in (0, 1, 127, 128, 255, 256, 300, 32767, 32768, 70000):   # the lengths at which readers go wrong
    s = ('é😀 abc' * 9000).encode()[:n].decode(errors='ignore'); s += 'x' * (n - len(s.encode()))
    add(1, text=None, attributedBody=typedstream(s), is_from_me=1, date_delivered=ns(t0 + 5000), want=dict(sender=M, body=s, delivered=(t0 + 5000) * 1000))
add(1, text='in bytes \u2020\u0086\u0084 86 84', attributedBody=None, want=dict(sender=A, body='in bytes \u2020\u0086\u0084 86 84'))
love = add(2, text='to the group', handle_id=2, want=dict(sender=T, body='to the group', reactions=[['❤️', A, False], ['👍', M, True], ['🎉', T, False]]))
add(2, text='Loved “to the group”', handle_id=1, associated_message_guid=f'p:0/GUID-{love}', associated_message_type=2000)
add(2, text='Liked', is_from_me=1, associated_message_guid=f'bp:GUID-{love}', associated_message_type=2001)
add(2, text='Removed', is_from_me=1, associated_message_guid=f'p:0/GUID-{love}', associated_message_type=3001)
add(2, text='Reacted', handle_id=2, associated_message_guid=f'p:0/GUID-{love}', associated_message_type=2006, associated_message_emoji='🎉')
add(2, text='Laughed', handle_id=2, associated_message_guid='p:0/GONE', associated_message_type=2003, want=dict(sender=T, body='Laughed', reactions=[['😂', T, False]], reply='GONE', kind='unknown'))
add(2, text='a reply', handle_id=1, thread_originator_guid=f'GUID-{love}', thread_originator_part='0:0:12', want=dict(sender=A, body='a reply', reply=f'GUID-{love}'))
info = plistlib.dumps({'amc': 1, 'ust': True, 'otr': {'0': {'lo': 0, 'le': 5}}, 'ec': {'0': [
    {'t': typedstream('first'), 'd': 738907200.25}, {'t': typedstream('second'), 'd': 738907260.0, 'bcg': 'X'}, {'t': typedstream('third'), 'd': 738907320.0}]}, 'ep': [0]}, fmt=plistlib.FMT_BINARY)
add(1, text='third', is_from_me=1, message_summary_info=info, date_edited=ns(738907320 + EPOCH), want=dict(sender=M, body='third', edits=[['first', (738907200 + EPOCH) * 1000 + 250], ['second', (738907260 + EPOCH) * 1000]], edited=True))
add(1, text=None, message_summary_info=plistlib.dumps({'rp': [0], 'ust': True}, fmt=plistlib.FMT_BINARY), date_edited=ns(t0 + 9000), want=dict(sender=A, body='', kind='deleted', deleted='sender'))
add(2, handle_id=1, item_type=1, group_action_type=0, other_handle=2, want=dict(sender='', body='', kind='system', system=['member_added', A, T]))
add(2, is_from_me=1, item_type=2, group_title='Water', want=dict(sender='', body='', kind='system', system=['subject_changed', M, 'Water']))
add(2, handle_id=2, item_type=3, group_action_type=0, want=dict(sender='', body='', kind='system', system=['member_left', T, '']))
pic = add(1, text='\ufffc look', want=dict(sender=A, body='\ufffc look', kind='media', files=['IMG_1.HEIC present', 'gone.pdf named_absent']))
db.execute("INSERT INTO attachment (ROWID, guid, filename, mime_type, transfer_name, total_bytes) VALUES (1,'at_1','~/Library/Messages/Attachments/ab/11/G1/IMG_1.HEIC','image/heic','IMG_1.HEIC',7), (2,'at_2','~/Library/Messages/Attachments/cd/13/G2/gone.pdf','application/pdf','gone.pdf',99)")
db.execute('INSERT INTO message_attachment_join VALUES (?,1), (?,2)', (pic, pic))
add(3, text='a text', handle_id=3, service='SMS', want=dict(sender=A, body='a text'))
old = add(3, text='old seconds', handle_id=3, service='SMS', date=t0 + (row + 1) * 60 - EPOCH, want=dict(sender=A, body='old seconds'))
add(1, text='not sent', is_from_me=1, error=22, want=dict(sender=M, body='not sent', status='failed'))
add(0, text='in no chat', handle_id=1, want=dict(sender=A, body='in no chat'))
gone = add(0, text='was deleted', handle_id=1)
db.execute('INSERT INTO chat_recoverable_message_join VALUES (1, ?, ?, 0)', (gone, ns(t0 + 9999)))
expected.append({'row': gone, 'guid': f'GUID-{gone}', 'chat': 'iMessage;-;' + A, 'utc': (t0 + gone * 60) * 1000, 'sender': A, 'body': 'was deleted', 'deleted': 'exporter'})
db.commit()
db.execute('VACUUM')
db.close()
json.dump({'rows': row, 'messages': expected}, open('expected.json', 'w'), ensure_ascii=False, indent=1)
