package signal

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

// pb writes a message of Protocol Buffers: numbers and what stands under them.
func pb(fields ...any) []byte {
	var b []byte
	for i := 0; i < len(fields); i += 2 {
		n := uint64(fields[i].(int))
		switch v := fields[i+1].(type) {
		case int:
			b = binary.AppendUvarint(binary.AppendUvarint(b, n<<3), uint64(v))
		case string:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, n<<3|2), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, n<<3|2), uint64(len(v))), v...)
		default:
			panic("pb")
		}
	}
	return b
}

// delimited writes messages with their lengths before them.
func delimited(list ...[]byte) []byte {
	var b []byte
	for _, m := range list {
		b = append(binary.AppendUvarint(b, uint64(len(m))), m...)
	}
	return b
}

// seal encrypts as Signal does: IV ‖ AES-256-CBC with PKCS #7 ‖ HMAC-SHA-256.
func seal(t testing.TB, plain, key, mac []byte) []byte {
	t.Helper()
	pad := 16 - len(plain)%16
	plain = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 16+len(plain))
	rand.Read(out[:16])
	cipher.NewCBCEncrypter(block, out[:16]).CryptBlocks(out[16:], plain)
	h := hmac.New(sha256.New, mac)
	h.Write(out)
	return h.Sum(out)
}

// backup makes a backup in a folder: its metadata and its main file.
func backup(t testing.TB, recovery string, frames ...[]byte) (meta, main []byte) {
	t.Helper()
	key, err := backupKey(recovery)
	if err != nil {
		t.Fatal(err)
	}
	id := []byte("sixteen bytes id")
	mac, cipherKey, err := messageKeys(key, id)
	if err != nil {
		t.Fatal(err)
	}
	m := metadata{version: 1, iv: []byte("twelve bytes"), id: id}
	locked, err := m.backupID(key) // the cipher is its own inverse
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(delimited(append([][]byte{pb(1, 1, 2, 1715636551000)}, frames...)...))
	w.Close()
	z.Write(make([]byte, 333)) // to hide the size
	return pb(1, 1, 2, pb(1, m.iv, 2, locked)), seal(t, z.Bytes(), cipherKey, mac)
}

// sealFile encrypts a file of a backup, and returns its name and the pointer to it.
func sealFile(t testing.TB, content, mime, name string) (fileName string, data, pointer []byte) {
	t.Helper()
	local := bytes.Repeat([]byte{9}, 64)
	sum := sha256.Sum256([]byte(content))
	padded := append([]byte(content), make([]byte, 541-len(content)%541)...)
	return mediaName(sum[:], local), seal(t, padded, local[:32], local[32:]),
		pb(4, mime, 7, name, 13, pb(1, []byte("transit"), 3, len(content), 9, local, 10, sum[:]))
}

// deriveID is how Signal makes the id of an account's backup. Reading one does not need it.
func deriveID(backup, aci []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, backup, nil, "20241024_SIGNAL_BACKUP_ID:"+string(aci), 16)
}
