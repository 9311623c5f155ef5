package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"daybook/domain/name"
)

// Profiles is the local sign-in: names of owners and the random ids that the log knows them by. The names are the only
// personal data there are, they are in this one file, and whoever is deleted from it is forgotten.
type Profiles struct{ path string }

// LocalProfiles are the profiles of a data directory. Several processes may use them at once.
func LocalProfiles(dir string) Profiles { return Profiles{filepath.Join(dir, "owners.json")} }

// ErrSubject: a name cannot be an owner's.
var ErrSubject = errors.New("a subject has 1 to 100 characters, none of them a control character")

// OwnerID returns the id of the owner of a name, made on first use. Errors: ErrSubject, or the file's.
func (p Profiles) OwnerID(subject string) (id string, err error) {
	if !name.Valid(subject, 100) {
		return "", ErrSubject
	}
	lock, err := os.OpenFile(p.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // which unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	ids := map[string]string{}
	text, err := os.ReadFile(p.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err == nil {
		if err := json.Unmarshal(text, &ids); err != nil {
			return "", fmt.Errorf("%s: %w", p.path, err)
		}
		if ids == nil { // "null"
			return "", fmt.Errorf("%s: not an object of names and ids", p.path)
		}
	}
	if id, known := ids[subject]; known {
		if !ValidID(id) {
			return "", fmt.Errorf("%s: the id of one name is damaged", p.path)
		}
		return id, nil
	}
	ids[subject] = "o" + RandomText(10)
	return ids[subject], p.write(ids)
}

// write replaces the file in one step, durably.
func (p Profiles) write(ids map[string]string) error {
	text, err := json.MarshalIndent(ids, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(p.path), ".owners-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, errWrite := f.Write(append(text, '\n'))
	if err := errors.Join(errWrite, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(f.Name(), p.path), syncDir(filepath.Dir(p.path)))
}
