package kurrent

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// settings are the names that a connection string may set, in lower case. The library takes a misspelt one for a
// wish it need not fulfil; here it is an error.
var settings = []string{
	"tls", "tlsverifycert", "tlscafile", "usercertfile", "userkeyfile", "nodepreference",
	"discoveryinterval", "gossiptimeout", "maxdiscoverattempts", "keepaliveinterval", "keepalivetimeout", "defaultdeadline",
}

// parse reads a connection string. No error that it returns holds any of the user name or the password.
func parse(address string) (*esdb.Configuration, error) {
	user, bare := withoutUser(address)
	if !strings.HasPrefix(address, "esdb://") && !strings.HasPrefix(address, "esdb+discover://") {
		return nil, errors.New("the address must begin with esdb:// or esdb+discover://")
	}
	if err := checkSettings(bare); err != nil {
		return nil, err
	}
	address, bare = shortPings.ReplaceAllString(address, "${1}10000"), shortPings.ReplaceAllString(bare, "${1}10000")
	if _, err := esdb.ParseConnectionString(bare); err != nil {
		return nil, withoutAddress(err)
	}
	config, err := esdb.ParseConnectionString(address)
	switch {
	case err != nil, user != "" && config.Username == "":
		return nil, errors.New("the user name or password cannot be read: write characters like / ? # @ : as %2F %3F %23 %40 %3A")
	case user != "" && config.Password == "":
		return nil, errors.New("there is a user name without a password")
	case config.Validate() != nil:
		return nil, errors.New("userCertFile and userKeyFile belong together")
	}
	config.MaxDiscoverAttempts, config.DiscoveryInterval = 1, 1 // repeating and pausing is done here
	return config, nil
}

// shortPings are keep-alive intervals below 10 s. gRPC raises them, and the library writes a warning of its own each time.
var shortPings = regexp.MustCompile(`(?i)([?&]keepaliveinterval=)\d{1,4}\b`)

// hosts is the part of an address that names machines.
func hosts(address string) string {
	_, bare := withoutUser(address)
	bare, _, _ = strings.Cut(bare, "?")
	return bare
}

// withoutUser cuts the user and password out of address: everything up to the last '@'.
func withoutUser(address string) (user, bare string) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "", address
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, rest = rest[:at], rest[at+1:]
	}
	return user, scheme + "://" + rest
}

// withoutAddress takes the reason out of net/url's error, which repeats the whole address.
func withoutAddress(err error) error {
	var full *url.Error
	if errors.As(err, &full) {
		return full.Err
	}
	return err
}

func checkSettings(address string) error {
	_, query, _ := strings.Cut(address, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("the settings after the ? cannot be read: %w", err)
	}
	for name, value := range values {
		lower := strings.ToLower(name)
		switch {
		case !slices.Contains(settings, lower):
			return fmt.Errorf("there is no setting %q", name)
		case len(value) > 1:
			return fmt.Errorf("the setting %s is given twice", name)
		}
		switch lower {
		case "keepaliveinterval":
			if n, err := strconv.Atoi(value[0]); err != nil || n < 0 || n > int(time.Minute/time.Millisecond) {
				return fmt.Errorf("the setting %s must be 0 to 60000 (ms), not %q: without it, a connection on which nothing comes any more is never given up", name, value[0])
			}
		case "gossiptimeout", "defaultdeadline", "keepalivetimeout":
			if n, err := strconv.Atoi(value[0]); err != nil || n < 1 || n > int(time.Hour/time.Millisecond) {
				return fmt.Errorf("the setting %s must be a positive whole number, not %q", name, value[0])
			}
		}
	}
	return nil
}
