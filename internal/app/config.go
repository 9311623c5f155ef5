package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// Config says where an installation keeps things and what it does. The zero values are the defaults.
type Config struct {
	Data        string           // directory
	EventStore  string           // URL of KurrentDB; "": embedded, in Data
	Postgres    string           // URL; "": tables are embedded, in Data
	Redis       string           // URL; "": counters are embedded, in Data
	Roles       []string         // nil: all of Roles
	Proxies     []string         // addresses and networks whose X-Forwarded-For is believed; nil: nobody's
	LocalSignIn bool             // owners may be made up by whoever can read Data
	CacheBytes  int64            // that all caches may hold together; 0: CacheBytesDefault
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: slog.Default
}

// The roles that one process may play.
const (
	RoleCommand = "command" // the command API
	RoleQuery   = "query"   // the query API
	RoleProject = "project" // the projections
)

// Roles are all roles.
var Roles = []string{RoleCommand, RoleQuery, RoleProject}

func (c Config) plays(role string) bool { return slices.Contains(c.Roles, role) }

// check refuses what can be told to be wrong without trying, and says which setting and why. URLs are not repeated:
// they may hold passwords.
func (c Config) check() (Config, error) {
	if c.Postgres != "" {
		if _, err := pgxpool.ParseConfig(c.Postgres); err != nil || !strings.Contains(c.Postgres, "://") {
			return c, errors.New("DAYBOOK_POSTGRES (--postgres): not a URL such as postgres://user:password@host:5432/daybook")
		}
	}
	if c.Redis != "" {
		if _, err := redis.ParseURL(c.Redis); err != nil {
			return c, errors.New("DAYBOOK_REDIS (--redis): not a URL such as redis://:password@host:6379/0")
		}
	}
	if _, err := c.proxies(); err != nil {
		return c, err
	}
	if len(c.Roles) == 0 {
		c.Roles = Roles
	}
	for _, role := range c.Roles {
		if !slices.Contains(Roles, role) {
			return c, fmt.Errorf("--roles: there is no role %q; there are %s", role, strings.Join(Roles, ", "))
		}
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = CacheBytesDefault
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c, nil
}

// proxies reads the networks of the trusted proxies. A network of all addresses is none: anybody could claim to be anybody.
func (c Config) proxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.Proxies {
		network, err := netip.ParsePrefix(text)
		if address, single := netip.ParseAddr(text); single == nil && address.Zone() == "" {
			network, err = address.Unmap().Prefix(address.Unmap().BitLen())
		}
		if err != nil || network.Bits() == 0 {
			return nil, fmt.Errorf("DAYBOOK_TRUSTED_PROXIES (--trusted-proxies): %q is no address and no network such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
