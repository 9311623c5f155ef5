package refusal_test

import (
	"errors"
	"fmt"
	"testing"

	"daybook/domain/refusal"
)

var errFull = refusal.New(refusal.TooMuch, "full", "it is full")

func TestWithKeepsKindAndCode(t *testing.T) {
	got := errFull.With("it holds %d", 4)
	if got.Kind != refusal.TooMuch || got.Code != "full" || got.Detail != "it holds 4" || got.Error() != "it holds 4" {
		t.Errorf("With = %+v", got)
	}
	if errFull.Detail != "it is full" {
		t.Errorf("With changed what was declared: %+v", errFull)
	}
}

func TestRefusalsAreToldApartByCode(t *testing.T) {
	wrapped := fmt.Errorf("table 4: %w", errFull.With("it holds %d", 4))
	if !errors.Is(wrapped, errFull) {
		t.Error("a wrapped With is not the refusal it was made of")
	}
	for _, other := range []error{refusal.New(refusal.TooMuch, "empty", "it is full"), errors.New("it is full"), nil} {
		if errors.Is(wrapped, other) {
			t.Errorf("%v is taken for %v", wrapped, other)
		}
	}
}
