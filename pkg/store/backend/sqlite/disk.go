// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"io"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3/vfs"
)

// diskName is the name of the package's file system.
const diskName = "brokermesh"

func init() { vfs.Register(diskName, disk{vfs.Find("")}) }

// disk is the system's file system, as the library has it, but for some things. Pages that change on the disk behind our back are noticed
// (pagedFile). And a power cut does not take what was acknowledged: the name of a new file is brought to the disk with the file, where the
// library syncs the file twice instead of its folder, and so is the removal of one, for a rollback journal that comes back undoes
// everything since.
type disk struct{ vfs.VFS }

// OpenFilename opens a file.
func (d disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := d.open(name, flags)
	if err == nil && flags&(vfs.OPEN_MAIN_DB|vfs.OPEN_WAL) != 0 {
		file = &pagedFile{File: file, log: flags&vfs.OPEN_WAL != 0}
	}
	return file, out, err
}

func (d disk) open(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	path := name.String()
	inner, ok := d.VFS.(vfs.VFSFilename)
	if !ok {
		return d.VFS.Open(path, flags)
	}
	_, statErr := os.Lstat(path)
	file, out, err := inner.OpenFilename(name, flags)
	if err != nil || path == "" || flags&vfs.OPEN_CREATE == 0 || statErr == nil {
		return file, out, err
	}
	return &newFile{File: file, folder: filepath.Dir(path)}, out, nil
}

// Delete removes a file for good.
func (d disk) Delete(name string, _ bool) error { return d.VFS.Delete(name, true) }

// newFile is a file that was just made.
type newFile struct {
	vfs.File
	folder string
}

// Unwrap is the library's file.
func (f *newFile) Unwrap() vfs.File { return f.File }

// Sync brings the file to the disk, and the first time its name.
func (f *newFile) Sync(flags vfs.SyncFlag) error {
	if err := f.File.Sync(flags); err != nil || f.folder == "" {
		return err
	}
	if err := syncFolder(f.folder); err != nil {
		return err
	}
	f.folder = ""
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if closeErr := folder.Close(); err == nil {
		err = closeErr
	}
	return err
}

// copyFile copies a file to a new one and brings it to the disk.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = syncFolder(filepath.Dir(to))
	}
	if err != nil {
		_ = os.Remove(to) // what there is of it is of no use
	}
	return err
}
