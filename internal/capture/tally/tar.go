package tally

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"despatch/internal/capture"
)

// IsTar says by its content whether a file is a tar archive.
func IsTar(f *capture.File) bool {
	var b [512]byte
	if n, err := f.At.ReadAt(b[:], 0); n < len(b) || err != nil && err != io.EOF {
		return false
	}
	return string(b[257:262]) == "ustar"
}

// Tar returns the files in a tar archive. It unpacks nothing; links and names that point outside are
// left aside and counted.
func Tar(f *capture.File, limits capture.Limits) (members []*capture.Member, skipped []capture.Skip, err error) {
	section := io.NewSectionReader(f.At, 0, f.Size)
	r := tar.NewReader(section)
	seen := map[string]bool{}
	for {
		h, err := r.Next()
		if err == io.EOF {
			return members, skipped, nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return members, skipped, &capture.FileError{File: f.Name, Reason: "is a tar file that is cut short or damaged", Remedy: "Download it again and wait until it is complete."}
		}
		if len(members) >= limits.Entries {
			return members, skipped, &capture.FileError{File: f.Name, Reason: fmt.Sprintf("holds more than %d files", limits.Entries), Remedy: "Unpack it and hand in the messages with their media."}
		}
		name := path.Clean(strings.ReplaceAll(h.Name, `\`, "/"))
		switch {
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg:
			skipped = capture.AddSkip(skipped, "not_a_file", 1, h.Name)
			continue
		case name == "." || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") || strings.ContainsRune(name, 0):
			skipped = capture.AddSkip(skipped, "unsafe_path", 1, h.Name)
			continue
		case seen[name]:
			skipped = capture.AddSkip(skipped, "two_files_of_this_name", 1, h.Name)
			continue
		}
		seen[name] = true
		at, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return members, skipped, err
		}
		size := h.Size
		if size < 0 || at+size > f.Size {
			return members, skipped, &capture.FileError{File: f.Name, Reason: "is a tar file that is cut short or damaged", Remedy: "Download it again and wait until it is complete."}
		}
		members = append(members, capture.NewMember(f, strings.ToValidUTF8(name, "\uFFFD"), size, h.ModTime, func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(f.At, at, size)), nil
		}))
	}
}
