package auth

import (
	"bytes"
	"strings"
	"testing"
)

func TestRandomText(t *testing.T) {
	t.Parallel()
	met := map[string]bool{}
	for range 1000 {
		text := RandomText(10)
		if len(text) != 16 || !ValidID(text) || strings.ContainsAny(text, "01lo.") || met[text] {
			t.Fatalf("%q", text)
		}
		met[text] = true
	}
	if a, b := TextOf([]byte{0, 1}), TextOf([]byte{1, 0}); a == b {
		t.Errorf("two byte strings are written %q", a)
	}
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"s2": true, "t2.17": true, strings.Repeat("a", 40): true, ".": true,
		"": false, strings.Repeat("a", 41): false, "S2": false, "a-b": false, "a b": false, "a/b": false, "a%b": false, "a\x00": false,
		"é": false, "파": false, "a|b": false, "a\n": false, "_": false,
	} {
		if got := ValidID(id); got != want {
			t.Errorf("ValidID(%q) is %t", id, got)
		}
	}
}

func TestDeviceTokens(t *testing.T) {
	t.Parallel()
	token, hash := NewDeviceToken("s1", "d1")
	storeID, deviceID, ok := ParseDeviceToken(token)
	if !ok || storeID != "s1" || deviceID != "d1" || !bytes.Equal(hash, HashToken(token)) || len(hash) != 32 {
		t.Errorf("%s is of %s, %s, %t, hash %x", token, storeID, deviceID, ok, hash)
	}
	if again, _ := NewDeviceToken("s1", "d1"); again == token || len(again) != len("dbt.s1.d1.")+48 {
		t.Errorf("the next token is %s after %s", again, token)
	}
	for _, bad := range []string{
		"", "dbt", "dbt...", "dbt.s1.d1", "dbt.s1.d1.x.y", "DBT.s1.d1.x", "dbt.S1.d1.x", "dbt.s1.d-1.x", "dbt..d1.x", "dbt.s1..x", "x.s1.d1.x",
		"dbt." + strings.Repeat("s", 41) + ".d1.x", "dbt.s1\x00.d1.x", "dbt.s1-x.d1.x", "dbt.s 1.d1.x", " dbt.s1.d1.x",
	} {
		if storeID, deviceID, ok := ParseDeviceToken(bad); ok {
			t.Errorf("%q is a token of %s, %s", bad, storeID, deviceID)
		}
	}
}

func TestPairingCodes(t *testing.T) {
	t.Parallel()
	secret, other := Secret(bytes.Repeat([]byte{1}, 32)), Secret(bytes.Repeat([]byte{2}, 32))
	code, id := secret.PairingCode("request")
	if again, _ := secret.PairingCode("request"); again != code {
		t.Errorf("the same request made %s and %s", code, again)
	}
	for what, next := range map[string]func() (string, string){
		"another request": func() (string, string) { return secret.PairingCode("request2") },
		"another secret":  func() (string, string) { return other.PairingCode("request") },
	} {
		if made, madeID := next(); made == code || madeID == id {
			t.Errorf("%s makes the same code", what)
		}
	}
	if len(code) != 8 || code != strings.ToUpper(code) || strings.ContainsAny(code, "01LO") || !ValidID(id) || strings.Contains(id, strings.ToLower(code)) {
		t.Errorf("code %s, id %s", code, id)
	}
	for _, typed := range []string{code, strings.ToLower(code), code[:4] + "-" + code[4:], " " + code[:2] + "  " + code[2:] + " -"} {
		if PairingID(typed) != id {
			t.Errorf("%q is another code", typed)
		}
	}
	for _, typed := range []string{"", code[:7], code + "2", code + "\n", strings.Replace(code, code[:1], "0", 1)} {
		if PairingID(typed) == id {
			t.Errorf("%q is the code, too", typed)
		}
	}
}

func FuzzParseDeviceToken(f *testing.F) {
	token, _ := NewDeviceToken("s1", "d1")
	for _, seed := range []string{token, "", "dbt...", "dbt.a.b.c.d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		storeID, deviceID, ok := ParseDeviceToken(token)
		if ok && (!ValidID(storeID) || !ValidID(deviceID) || !strings.HasPrefix(token, "dbt."+storeID+"."+deviceID+".")) {
			t.Errorf("%q is of %q, %q", token, storeID, deviceID)
		}
	})
}
