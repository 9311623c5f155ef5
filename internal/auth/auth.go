// Package auth says who is calling: owners by access tokens, tablets by device tokens. It holds no state of its own but
// a secret and, for the local sign-in, a file of profiles.
//
// Not here: which store belongs to whom and which tablet stands where; the log says that, through Access.
package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"daybook/domain/calendar"
)

// Store is what both APIs need to know of a store before they do anything with it.
type Store struct {
	StoreID       string
	OwnerID       string
	Currency      string // ISO 4217
	SettlementDay int
	Grade         string
	Hours         calendar.Hours
}

// Device is a live tablet.
type Device struct {
	Store
	DeviceID, TableID string
}

// Access decides about stores and tablets by the log itself, so that what was opened is there at once, and what was
// revoked is dead at once.
type Access interface {
	// Owned returns a store of an owner. Another owner's store is as unknown as one that never was.
	Owned(ctx context.Context, ownerID, storeID string) (Store, error)
	// Device returns the tablet that a token belongs to, or ErrToken.
	Device(ctx context.Context, token string) (Device, error)
}

// ErrToken: a token is missing, malformed, expired, revoked or forged. Callers are not told which.
var ErrToken = errors.New("the token is not valid")

// Secret is the root of every key that this installation uses. Whoever has it can sign in as anybody.
type Secret []byte

const secretBytes = 32

// LoadSecret reads a secret file, or makes one, readable by its owner only, if there is none. Several processes may do
// so at once: they all get the same secret.
func LoadSecret(path string) (Secret, error) {
	fresh := make([]byte, secretBytes)
	rand.Read(fresh)
	err := createOnce(path, []byte(base64.StdEncoding.EncodeToString(fresh)+"\n"))
	if err := errors.Join(err, syncDir(filepath.Dir(path))); err != nil {
		return nil, fmt.Errorf("secret file: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret file: %w", err)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) < secretBytes {
		return nil, fmt.Errorf("secret file %s: it must hold at least %d bytes in base64", path, secretBytes)
	}
	return secret, nil
}

// createOnce writes a file whole, unless it exists.
func createOnce(path string, content []byte) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, errWrite := f.Write(content)
	if err := errors.Join(errWrite, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable: a secret or an owner that is gone after a power cut leaves stores that
// nobody can get into.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// key derives the key for one purpose, so that no key serves two.
func (s Secret) key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s, nil, "daybook "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths that are not 32
	}
	return key
}

// Seal encrypts a text that must not stand readable in the log. Open undoes it.
func (s Secret) Seal(text []byte) string {
	gcm := s.gcm()
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	return base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, text, nil))
}

// Open decrypts what Seal made with the same secret.
func (s Secret) Open(sealed string) ([]byte, error) {
	gcm := s.gcm()
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < gcm.NonceSize() {
		return nil, errors.New("not a sealed text")
	}
	return gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], nil)
}

func (s Secret) gcm() cipher.AEAD {
	block, err := aes.NewCipher(s.key("answers"))
	if err != nil {
		panic(err) // only for lengths that are not 32
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm
}

// letters make ids and codes that are hard to misread: no 0 and o, no 1 and l.
var letters = base32.NewEncoding("23456789bcdfghjkmnpqrstvwxyzaeui").WithPadding(base32.NoPadding)

// RandomText returns a random text of lower-case letters and digits with 8 bits of chance for each byte asked for.
func RandomText(bytes int) string {
	raw := make([]byte, bytes)
	rand.Read(raw)
	return TextOf(raw)
}

// TextOf writes bytes in the letters of ids.
func TextOf(raw []byte) string { return letters.EncodeToString(raw) }

// NewDeviceToken makes a token for a tablet, and the hash that the log keeps of it.
func NewDeviceToken(storeID, deviceID string) (token string, hash []byte) {
	token = "dbt." + storeID + "." + deviceID + "." + RandomText(30)
	return token, HashToken(token)
}

// HashToken is what the log keeps of a device token. A token has 240 bits of chance, so a plain hash is enough.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// ParseDeviceToken tells which store and device a token claims to be of, and whether it looks like a token at all.
func ParseDeviceToken(token string) (storeID, deviceID string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 4 || parts[0] != "dbt" || !ValidID(parts[1]) || !ValidID(parts[2]) {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// ValidID reports whether a text can be an id of ours at all: 1 to 40 lower-case letters, digits and dots. Whatever
// else comes in a path names nothing.
func ValidID(id string) bool {
	return id != "" && len(id) <= 40 && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz.") == ""
}

// PairingCode is the code that a person types, and the id under which the log knows it. The same request makes the same
// code, which nobody without the secret can tell.
func (s Secret) PairingCode(request string) (code, pairingID string) {
	mac := hmac.New(sha256.New, s.key("pairing code"))
	mac.Write([]byte(request))
	code = strings.ToUpper(TextOf(mac.Sum(nil)[:5]))
	return code, PairingID(code)
}

// PairingID is the id of a code as it was typed: blanks, dashes and case do not matter.
func PairingID(code string) string {
	code = strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
	sum := sha256.Sum256([]byte("daybook pairing " + code))
	return TextOf(sum[:20])
}

// AdminKey is what the command line shows to a running server of the same installation.
func (s Secret) AdminKey() string { return TextOf(s.key("admin")) }
