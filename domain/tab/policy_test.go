package tab_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/settlement"
	"daybook/domain/tab"
)

// TestAPaymentNamesItsFeePolicy: each payment is charged by the policy that it was taken under, and says which.
func TestAPaymentNamesItsFeePolicy(t *testing.T) {
	all := append(settlement.Policies{}, settlement.FeePolicies()...)
	all = append(all, settlement.Policy{
		Version: settlement.Version(len(all) + 1), From: first + 1, Cards: []settlement.CardRate{{Company: "K", Rate: 500_000}},
	})
	for _, c := range []struct {
		fees    settlement.Policy
		company string
		rate    money.Rate
		refused error
	}{
		{all.On(first), "K", 4000, nil},
		{all.On(first), "S", 8000, nil},
		{all.On(first + 1), "K", 500_000, nil},
		{all.On(first + 1), "S", 0, tab.ErrCardCompany}, // retired
	} {
		pay := card("m1", c.company, 250)
		pay.Fees = c.fees
		decided, err := tab.Decide(tab.Decider.Fold(tab.State{}, lunch...), pay)
		if !errors.Is(err, c.refused) || err == nil && len(decided) != 1 {
			t.Errorf("%s under version %d: %v, %v", c.company, c.fees.Version, decided, err)
		}
		if err != nil {
			continue
		}
		paid := decided[0].(tab.PaymentCompleted)
		if paid.FeePolicy != c.fees.Version || paid.FeeRate != c.rate || paid.Fee != 250*int64(c.rate)/1_000_000 {
			t.Errorf("%s under version %d: %+v", c.company, c.fees.Version, paid)
		}
		data, err := event.Encode(paid)
		read, errRead := tab.Catalog.Decode(paid.EventType(), data)
		if err != nil || errRead != nil || read.(tab.PaymentCompleted).FeePolicy != c.fees.Version {
			t.Errorf("%s is read as %+v, %v, %v", data, read, err, errRead)
		}
	}
	for company, known := range map[string]bool{"K": true, "S": true, "X": false} {
		if err := tab.CheckTender(all, tab.Card, company); (err == nil) != known {
			t.Errorf("sales of the past, paid by %s: %v", company, err)
		}
	}
}

// TestAPaymentWithoutAVersionIsOfTheFirst: those that were stored before policies had versions.
func TestAPaymentWithoutAVersionIsOfTheFirst(t *testing.T) {
	for _, sample := range []string{"tab.payment_completed.v1.json", "tab.payment_completed.v1.minimal.json"} {
		data, err := os.ReadFile("testdata/events/" + sample)
		if err != nil {
			t.Fatal(err)
		}
		var paid tab.PaymentCompleted
		if err := json.Unmarshal(data, &paid); err != nil {
			t.Fatal(err)
		}
		policy, known := settlement.FeePolicies().Of(paid.FeePolicy)
		if rate, _ := policy.CardRate(paid.CardCompany); paid.FeePolicy.OrFirst() != settlement.First || !known || rate != paid.FeeRate {
			t.Errorf("%s is of version %d, whose rate is %d, not %d", sample, policy.Version, rate, paid.FeeRate)
		}
	}
}
