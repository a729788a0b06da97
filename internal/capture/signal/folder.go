package signal

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/protowire"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// The key derivations are those of libsignal, rust/account-keys and rust/message-backup: HKDF-SHA-256
// without salt, told apart by these texts.
const (
	infoBackupKey   = "20240801_SIGNAL_BACKUP_KEY"
	infoMetadataKey = "20241011_SIGNAL_LOCAL_BACKUP_METADATA_KEY"
	infoMessages    = "20241007_SIGNAL_BACKUP_ENCRYPT_MESSAGE_BACKUP:"
)

const (
	askFolderKey = "This Signal backup is encrypted. What is its recovery key, the 64 letters and digits that Signal showed when backups were switched on?"
	keyFaultHelp = "In Signal: Settings, Backups, On-device backups, View recovery key. Check that all 64 characters are there, and that the backup and the key are of the same account."
)

// recoveryKey reads the 64 characters as people write them.
func recoveryKey(s string) (string, bool) {
	s = strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -\t\r\n\u00A0", r) {
			return -1
		}
		return r
	}, s))
	return s, len(s) == 64 && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// backupKey is what everything else of a backup is derived from.
func backupKey(recovery string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(recovery), nil, infoBackupKey, 32)
}

// messageKeys returns the keys of the MAC and of the cipher of the frames.
func messageKeys(backup, id []byte) (mac, key []byte, err error) {
	both, err := hkdf.Key(sha256.New, backup, nil, infoMessages+string(id), 64)
	if err != nil {
		return nil, nil, err
	}
	return both[:32], both[32:], nil
}

// metadata is the file of that name: the backup's id, encrypted.
type metadata struct {
	version uint64
	iv, id  []byte
}

func readMetadata(b []byte) (metadata, error) {
	var m metadata
	err := protowire.Each(b, func(f protowire.Field) error {
		switch f.Number {
		case 1:
			m.version = f.Varint
		case 2:
			return protowire.Each(f.Bytes, func(g protowire.Field) error {
				switch g.Number {
				case 1:
					m.iv = g.Bytes
				case 2:
					m.id = g.Bytes
				}
				return nil
			})
		}
		return nil
	})
	if err == nil && (len(m.iv) != 12 || len(m.id) != 16 || m.version == 0) {
		err = errors.New("no metadata of a backup")
	}
	return m, err
}

func isMetadata(head []byte, size int64) bool {
	if size > 128 || size < 30 {
		return false
	}
	_, err := readMetadata(head)
	return err == nil
}

// backupID decrypts the id.
func (m metadata) backupID(backup []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, backup, nil, infoMetadataKey, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	id := make([]byte, len(m.id))
	cipher.NewCTR(block, append(append([]byte{}, m.iv...), 0, 0, 0, 0)).XORKeyStream(id, m.id)
	return id, nil
}

// readFolder reads an encrypted backup in a folder.
func (c *copyOf) readFolder(ctx context.Context) error {
	run := c.book.Run
	run.Variant = "encrypted_backup"
	c.x.Named(c.metadata)
	head, err := start(c.metadata)
	if err != nil {
		return err
	}
	meta, err := readMetadata(head)
	if err != nil {
		return c.fault("has a damaged file “metadata”", exportAgain)
	}
	if meta.version != 1 {
		return c.fault(fmt.Sprintf("is a backup of version %d, which Despatch does not know", meta.version), "Make a plaintext export in Signal, and hand in that.")
	}
	var keys []string
	for _, s := range c.opt.Secrets {
		if k, ok := recoveryKey(s); ok {
			keys = append(keys, k)
		}
	}
	switch {
	case len(keys) == 0 && len(c.opt.Secrets) > 0:
		return c.fault("cannot be decrypted: its recovery key has 64 letters and digits", keyFaultHelp)
	case len(keys) == 0:
		c.ask(askFolderKey)
		return nil
	}
	for _, k := range keys {
		key, err := c.tryKey(ctx, meta, k)
		if err != nil {
			return err
		}
		if key != nil {
			return c.readMain(ctx, key)
		}
	}
	return c.fault("cannot be decrypted with the recovery key that was given", keyFaultHelp)
}

// tryKey returns the key of the cipher, if the MAC of the whole file holds under a recovery key.
func (c *copyOf) tryKey(ctx context.Context, meta metadata, recovery string) ([]byte, error) {
	backup, err := backupKey(recovery)
	if err != nil {
		return nil, err
	}
	id, err := meta.backupID(backup)
	if err != nil {
		return nil, err
	}
	macKey, key, err := messageKeys(backup, id)
	if err != nil {
		return nil, err
	}
	size := c.main.Size - tagSize
	if size < 2*ivSize || (size-ivSize)%aes.BlockSize != 0 {
		return nil, c.fault("is cut short", exportAgain)
	}
	r, err := c.main.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ok, err := macHolds(ctx, buffered(r), size, hmac.New(sha256.New, macKey))
	if err != nil || !ok {
		return nil, err
	}
	return key, nil
}

// readMain reads the frames.
func (c *copyOf) readMain(ctx context.Context, key []byte) error {
	c.book.Decide("encryption", "signal_backup_2", "mac", 1, 0)
	r, err := c.main.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	in := buffered(io.LimitReader(&ender{ctx, r}, c.main.Size-tagSize))
	iv := make([]byte, ivSize)
	if _, err := io.ReadFull(in, iv); err != nil {
		return err
	}
	plain, err := newCBC(in, key, iv)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(buffered(plain))
	if err != nil {
		return c.damaged()
	}
	z.Multistream(false) // zeros follow, to hide the size
	c.book.Run.Coverage.Bytes += c.main.Size
	limit := min(c.src.Bounds().Text, c.src.Bounds().Ratio*c.main.Size+64<<20)
	f := newFrames(c.book, c.opt, newMediaFiles(c.x, true), sqlfile.Table(c.main, "frame"))
	if err := c.frames(ctx, bufio.NewReaderSize(io.LimitReader(z, limit), 1<<18), f); err != nil {
		return err
	}
	for _, m := range c.x.Members {
		if tally.Base(m) == "files" && tally.Dir(m) == tally.Dir(c.main) {
			c.x.Aside(m, "list_of_files")
		}
	}
	c.book.Run.Coverage.BytesCovered += c.main.Size
	c.warnTimers(f)
	c.warnOwner(f)
	return nil
}

// warnTimers says that messages had disappeared.
func (c *copyOf) warnTimers(f *frames) {
	if f.timers > 0 {
		c.book.Run.Warn(capture.Warning{Code: "disappearing_messages", Count: f.timers, Detail: "Messages disappear in some conversations. What had disappeared before the copy was made is not in it."})
	}
}

func (c *copyOf) damaged() error {
	return c.fault("decrypts, but what is in it is damaged", exportAgain)
}

// frames reads frames, each with its length before it. The first is the header.
func (c *copyOf) frames(ctx context.Context, in *bufio.Reader, f *frames) error {
	var buf []byte
	for n := int64(1); ; n++ {
		size, err := binary.ReadUvarint(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return c.unreadable(err)
		}
		if size > uint64(c.src.Bounds().Line) {
			return c.fault(fmt.Sprintf("has a record of more than %d MB", c.src.Bounds().Line>>20), exportAgain)
		}
		if uint64(cap(buf)) < size {
			buf = make([]byte, size)
		}
		buf = buf[:size]
		if _, err := io.ReadFull(in, buf); err != nil {
			return c.unreadable(err)
		}
		name := "Frame"
		if n == 1 {
			name = "BackupInfo"
		}
		v, unknown, err := decode(name, buf)
		if err != nil {
			return c.damaged()
		}
		if n == 1 {
			c.book.Skip("header", "")
			continue
		}
		if err := f.frame(ctx, v, unknown, func(sub int) *capture.Observation { return c.observation(f.path, n, buf, sub) }); err != nil {
			return err
		}
	}
}

// unreadable sorts what ended the reading of frames.
func (c *copyOf) unreadable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, fault := err.(*capture.FileError); fault {
		return err
	}
	return c.damaged()
}

// observation returns a message that was read from a decrypted record: it has a number, and no bytes in
// the file.
func (c *copyOf) observation(path string, n int64, raw []byte, sub int) *capture.Observation {
	sum := sha256.Sum256(raw)
	return &capture.Observation{
		ID: capture.ObservationID(c.main.File.SHA256, path, n, n, sub), Kind: capture.KindText,
		Origin:      capture.Origin{FileSHA256: hex.EncodeToString(c.main.File.SHA256[:]), Path: path, Row: n, RawSHA256: hex.EncodeToString(sum[:])},
		Attachments: []capture.Attachment{}, Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{},
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
